"""Frozen dataclasses to plain data (what JSON holds) and back, with the standard library only.

A gateway loads its profiles this way: they were validated by whoever wrote them down, so here only types are
checked, and nothing of the authoring libraries is imported.
"""

import dataclasses
import functools
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from device_profiles.model import DeviceProfile

T = TypeVar("T")
# A type hint, or what was made for one: these have no type of their own, and each is told apart before it is used.
Hint = Any
Made = Any
Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None


class CompiledError(ValueError):
    """Plain data that is not what the dataclass says; the text says where, what was found and what was expected."""


def to_plain(profile: DeviceProfile) -> dict[str, Plain]:
    """A profile as plain data; `from_plain` gives the equal profile back."""
    plain = plain_of(profile)
    assert isinstance(plain, dict)  # noqa: S101 - a dataclass always becomes a dict; tells the type checker
    return plain


def from_plain(data: Mapping[str, Plain]) -> DeviceProfile:
    """The profile that `to_plain` wrote down.

    Raises:
        CompiledError: the data are something else, or of another version.
    """
    return plain_to(DeviceProfile, data)


def plain_of(value: object) -> Plain:
    """Any tree of dataclasses, tuples, mappings, enums and plain values as plain data. Mapping keys become text.

    Raises:
        TypeError: a value of another kind: a mistake in the dataclass, not in the data.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_of(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return plain_of(value.value)
    if isinstance(value, Mapping):
        return {str(plain_of(key)): plain_of(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [plain_of(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as plain data")


def plain_to(cls: type[T], data: object) -> T:
    """The dataclass `cls` that `plain_of` wrote down.

    Raises:
        CompiledError: a key too many or missing, or a value of another type.
    """
    made = _made(cls, data, cls.__name__)
    assert isinstance(made, cls)  # noqa: S101 - what `_made` builds; tells the type checker
    return made


def _made(kind: Hint, data: object, where: str) -> Made:
    if isinstance(kind, NewType):
        return _made(kind.__supertype__, data, where)
    origin: Hint = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        return _made_optional(get_args(kind), data, where)
    if origin is tuple:
        return _made_tuple(get_args(kind), data, where)
    if origin is not None and issubclass(origin, Mapping):
        return _made_mapping(get_args(kind), data, where)
    if dataclasses.is_dataclass(kind):
        return _made_dataclass(kind, data, where)
    return _made_scalar(kind, data, where)


def _made_dataclass(cls: Hint, data: object, where: str) -> Made:
    if not isinstance(data, Mapping):
        raise _error(where, data, "keys and values")
    hints = _hints(cls)
    for key in data:
        if key not in hints:
            raise CompiledError(f"{where}: found key {key!r}, expected only {', '.join(hints)}")
    values = {key: _made(hints[key], item, f"{where}.{key}") for key, item in data.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise CompiledError(f"{where}: {error}") from error


def _made_optional(choices: tuple[Hint, ...], data: object, where: str) -> Made:
    if data is None and types.NoneType in choices:
        return None
    others = [choice for choice in choices if choice is not types.NoneType]
    for choice in others[:-1]:
        try:
            return _made(choice, data, where)
        except CompiledError:
            continue
    return _made(others[-1], data, where)


def _made_tuple(items: tuple[Hint, ...], data: object, where: str) -> tuple[Hint, ...]:
    if not isinstance(data, list | tuple):
        raise _error(where, data, "a list")
    if len(items) == 2 and items[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        return tuple(_made(items[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if len(items) != len(data):
        raise _error(where, data, f"a list of {len(items)}")
    return tuple(
        _made(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(items, data, strict=True))
    )


def _made_mapping(kinds: tuple[Hint, ...], data: object, where: str) -> dict[Made, Made]:
    if not isinstance(data, Mapping):
        raise _error(where, data, "keys and values")
    key_kind, item_kind = kinds
    return {_made_key(key_kind, key, where): _made(item_kind, item, f"{where}.{key}") for key, item in data.items()}


def _made_key(kind: Hint, key: object, where: str) -> Made:
    if kind is not int or not isinstance(key, str):
        return _made(kind, key, where)
    try:
        return int(key)
    except ValueError as error:
        raise _error(where, key, "an integer as key") from error


def _made_scalar(kind: Hint, data: object, where: str) -> Made:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError as error:
            raise _error(where, data, "one of " + ", ".join(str(item.value) for item in kind)) from error
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if type(data) is not kind:
        raise _error(where, data, kind.__name__)
    return data


@functools.cache
def _hints(cls: Hint) -> dict[str, Hint]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _error(where: str, found: object, expected: str) -> CompiledError:
    return CompiledError(f"{where}: found {found!r}, expected {expected}")
