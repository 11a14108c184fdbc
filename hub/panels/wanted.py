"""What a Grafana should have, and how that differs from what it has. Pure.

I1. Only what bears our mark is ever changed or removed: a uid that begins with `sen-` (of the folder and the branch:
    `sen`), and for dashboards our tag, for rules our label besides. What a person made beside it is left alone.
I2. What Grafana adds of its own (ids, versions, defaults) is no difference: of each object, what we say must hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

# Grafana's JSON: its shape is Grafana's.
Json: TypeAlias = dict[str, Any]

PREFIX: Final = "sen-"
FOLDER: Final = "sen"
TAG: Final = "sen"
LABEL: Final = ("origin", "sen")
# What Grafana shows of a secret that it was given.
REDACTED: Final = "[REDACTED]"
_MOST_PATHS: Final = 4


class Kind(StrEnum):
    """What there is in a Grafana, in the order in which it must be made; it is removed in the other order."""

    FOLDER = "folder"
    SOURCE = "data source"
    DASHBOARD = "dashboard"
    CONTACT = "contact point"
    RULE = "alert rule"
    POLICY = "notification policy"


class Act(StrEnum):
    """What is to be done with an object."""

    MAKE = "make"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object by its uid. `secrets` are sent with it, and never come back."""

    kind: Kind
    uid: str
    title: str
    body: Json
    secrets: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference; `why` names what differs."""

    act: Act
    item: Item
    why: str = ""

    def told(self) -> str:
        """One line for a person."""
        sign = {Act.MAKE: "+", Act.CHANGE: "~", Act.REMOVE: "-"}[self.act]
        return f"{sign} {self.item.kind} {self.item.uid} ({self.item.title})" + (f": {self.why}" if self.why else "")


def item(kind: Kind, uid: str, title: str, body: Json, secrets: Mapping[str, str] | None = None) -> Item:
    """An object that is wanted or there."""
    return Item(kind=kind, uid=uid, title=title, body=body, secrets=secrets or {})


def changes(wanted: Sequence[Item], there: Sequence[Item]) -> list[Change]:
    """What must be done so that what is wanted is there, in an order that works; objects there are ours."""
    by_key = {(one.kind, one.uid): one for one in there}
    found: list[Change] = []
    for one in sorted(wanted, key=lambda one: list(Kind).index(one.kind)):
        known = by_key.pop((one.kind, one.uid), None)
        if known is None:
            found.append(Change(act=Act.MAKE, item=one))
        elif paths := list(differences(one.body, known.body)):
            found.append(Change(act=Act.CHANGE, item=one, why=_told(paths)))
    gone = sorted(by_key.values(), key=lambda one: list(Kind).index(one.kind), reverse=True)
    return found + [Change(act=Act.REMOVE, item=one, why="no longer part of Sen") for one in gone]


def differences(wanted: Any, there: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Where what is there is not as wanted. Keys that only Grafana has do not count; lists must be as long."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for key, value in wanted.items():
            yield from differences(value, there.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for number, (one, other) in enumerate(zip(wanted, there, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif wanted != there and not _means_the_same(wanted, there):
        yield path


def is_ours(kind: Kind, uid: str, body: Mapping[str, Any]) -> bool:
    """Whether this object bears our mark, so that it may be changed or removed."""
    if kind is Kind.FOLDER:
        return uid == FOLDER
    if not uid.startswith(PREFIX):
        return False
    if kind is Kind.DASHBOARD:
        return TAG in (body.get("tags") or [])
    if kind is Kind.RULE:
        return (body.get("labels") or {}).get(LABEL[0]) == LABEL[1]
    return True


def our_branch(tree: Mapping[str, Any]) -> Json | None:
    """Our branch of the policy tree: the one that takes what bears our label."""
    matcher = [LABEL[0], "=", LABEL[1]]
    for route in tree.get("routes") or []:
        if matcher in (route.get("object_matchers") or []):
            return dict(route)
    return None


def with_branch(tree: Mapping[str, Any], branch: Json | None) -> Json:
    """The tree with our branch in place of the one it had, first; everything else as it was."""
    own = our_branch(tree)
    others = [route for route in tree.get("routes") or [] if route != own]
    return {**tree, "routes": others if branch is None else [branch, *others]}


def _means_the_same(wanted: object, there: object) -> bool:
    # Grafana leaves out what is empty, and writes whole numbers in its own way.
    return (there is None and wanted in ("", [], {}, False, 0, None)) or there == REDACTED


def _told(paths: Sequence[str]) -> str:
    more = len(paths) - _MOST_PATHS
    return ", ".join(paths[:_MOST_PATHS]) + (f" and {more} more" if more > 0 else "")
