"""Everything wrong with a file that a person wrote, told at once, each fault with its line.

This module needs the authoring libraries; the resident gateway agent does not import it.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from device_profiles.fault_words import Broken, Hint, told
from device_profiles.yaml_tree import YamlTree, read_tree, where

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong: `line` counts from 1; `where` is the path of keys inside the file."""

    file: str
    line: int
    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.file}:{self.line}: {place}found {self.found}, expected {self.expected}"


class FileFaults(Exception):  # noqa: N818 - the plural is what it holds
    """Files with faults: all of them, by file and line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        distinct = dict.fromkeys(faults)
        self.faults: tuple[Fault, ...] = tuple(sorted(distinct, key=lambda fault: (fault.file, fault.line)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def read_document(
    text: str, file: str, cls: type[T], *, rules: Callable[[YamlTree], Iterable[Broken]] | None = None
) -> T:
    """The dataclass that a YAML text describes.

    Args:
        text: YAML 1.2; anchors, aliases, merge keys, tags and doubled keys are refused.
        file: the name for messages.
        cls: a dataclass; `__pydantic_config__ = {"extra": "forbid"}` in it makes unknown keys faults.
        rules: what no type can say; called with the tree even where other faults were found, so that all are told.

    Raises:
        FileFaults: all faults, each with its line.
    """
    tree = read_tree(text)
    return validated(tree, file, cls, broken=tuple(rules(tree)) if rules else ())


def validated(tree: YamlTree, file: str, cls: type[T], *, broken: Iterable[Broken] = ()) -> T:
    """The dataclass that a tree describes.

    Raises:
        FileFaults: the faults of the tree, those of the types, and those given as `broken`.
    """
    faults = [
        located(tree, file, Broken(path=item.path, found=item.found, expected=item.expected), line=item.line)
        for item in tree.faults
    ]
    if faults and tree.value is None:
        raise FileFaults(faults)
    made, mistyped = typed(tree.value, cls)
    told_by_rules = tuple(broken)
    faults.extend(located(tree, file, item) for item in (*_without_repeats(mistyped, told_by_rules), *told_by_rules))
    if made is None or faults:
        raise FileFaults(faults)
    return made


def located(tree: YamlTree, file: str, broken: Broken, *, line: int | None = None) -> Fault:
    """A fault with the line its path has in the tree, where no line is given."""
    at = tree.line_of(broken.path) if line is None else line
    return Fault(file=file, line=at, where=where(broken.path), found=broken.found, expected=broken.expected)


def typed(value: object, cls: type[T]) -> tuple[T | None, tuple[Broken, ...]]:
    """The dataclass a plain value describes, or None and everything that keeps it from being one."""
    try:
        hint: Hint = cls
        made: T = _adapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return None, tuple(item for detail in error.errors(include_url=False) for item in told(cls, dict(detail)))
    return made, ()


@functools.cache
def _adapter(cls: Hint) -> TypeAdapter[Hint]:
    """Building one takes longer than checking a profile with it."""
    return TypeAdapter(cls)


def _without_repeats(mistyped: Iterable[Broken], broken: tuple[Broken, ...]) -> Iterator[Broken]:
    """A type's own rule says less exactly what one of `broken` says already: at the same place or below it."""
    for item in mistyped:
        if not (item.is_rule and any(other.path[: len(item.path)] == item.path for other in broken)):
            yield item
