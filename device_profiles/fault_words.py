"""What a type check found, in words for whoever wrote the file."""

import dataclasses
import difflib
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from device_profiles.yaml_tree import Path, Tree

Hint = Any  # a type hint: these have no type of their own

_MAX_SHOWN: Final = 60
_NAMED: Final = re.compile(r"(?P<kind>group|point) (?P<name>\w+): ")

# Left: the type checker's word for a fault. Right: ours for what it wants; {limit} is filled from its context.
_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "dataclass_type": "keys and values",
    "finite_number": "a number",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
}


def closest(word: str, words: Iterable[str]) -> str:
    """A hint naming the words like `word`, to stand after a list of what is allowed; empty where none is like it."""
    near = difflib.get_close_matches(word, list(words), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def shown(value: object) -> str:
    """A value as it may stand in a message: short, and text in quotes."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Mapping():
            return "keys and values"
        case list() | tuple():
            return "an empty list" if not value else "a list"
        case _:
            text = repr(value)
            return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that does not hold: the path inside the document, what was found, what is expected.

    `is_rule` tells what the types' own rules refuse (a contradiction between keys) from a key that is wrong by itself.
    """

    path: Path
    found: str
    expected: str
    is_rule: bool = False


def told(cls: type[Any], detail: Mapping[str, Any]) -> list[Broken]:
    """One detail of the type checker in our words; nothing where it only repeats others."""
    kind, value = detail["type"], detail["input"]
    path: Path = tuple(step for step in detail["loc"] if step != "[key]")
    if kind == "missing":
        return [Broken(path=path[:-1], found=f"no key {path[-1]!r}", expected=f"{path[-1]!r} to be given")]
    if kind == "unexpected_keyword_argument":
        allowed = sorted(_fields_at(cls, path[:-1]))
        expected = f"only {', '.join(allowed)}" + closest(str(path[-1]), allowed)
        return [Broken(path=path, found=f"the unknown key {path[-1]!r}", expected=expected)]
    if kind == "value_error":
        return [
            contradiction(path, value, part) for part in str(detail["msg"]).removeprefix("Value error, ").split("; ")
        ]
    context = dict(detail.get("ctx", {}))
    if kind == "too_short" and isinstance(value, list) and len(value) >= context["min_length"]:
        return []  # its items are faulty and told one by one
    if path[-1:] == ("int",):
        return []  # a number that is whole or not: told once, as number
    if path[-1:] == ("float",):
        path = path[:-1]
    expected = _EXPECTED.get(kind, str(detail["msg"])).format_map(context) + _hint(kind, value, context)
    return [Broken(path=path, found=shown(value), expected=expected)]


def contradiction(path: Path, value: Tree, message: str) -> Broken:
    """A contradiction, placed at the item that the message names (``point voltage: ...``) where it names one."""
    named = _NAMED.match(message)
    inner = _item_named(value, named["kind"], named["name"]) if named else ()
    return Broken(path=(*path, *inner), found="a contradiction", expected=message, is_rule=True)


def _item_named(value: Tree, kind: str, name: str) -> Path:
    key = {"group": "name", "point": "key"}[kind]
    if isinstance(value, dict) and value.get(key) == name:
        return ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        if isinstance(item, dict) and item.get(key) == name:
            return (step,)
        if inner := _item_named(item, kind, name):
            return (step, *inner)
    return ()


def _hint(kind: str, value: Tree, context: Mapping[str, Any]) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return " (put it in quotes)"
    if kind in {"int_type", "float_type"} and isinstance(value, str):
        return " (without quotes)"
    if kind == "enum" and isinstance(value, str):
        return closest(value, str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
    return ""


def _fields_at(cls: Hint, path: Path) -> list[str]:
    for step in path:
        cls = _inner(cls, step)
    return [item.name for item in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []


def _inner(kind: Hint, step: str | int) -> Hint:
    if isinstance(step, str) and dataclasses.is_dataclass(kind):
        kind = get_type_hints(kind).get(step, object)
    elif get_args(kind):
        kind = get_args(kind)[0] if isinstance(step, int) else get_args(kind)[-1]
    if get_origin(kind) in {Union, types.UnionType}:
        kind = next(item for item in get_args(kind) if item is not types.NoneType)
    return kind
