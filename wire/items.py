"""Decoded items to things with a type: each function takes one item and what it stands for, or says what is wrong."""

from collections.abc import Sequence
from typing import TypeVar

from wire.cbor import Item
from wire.errors import WireError

_T = TypeVar("_T")

MAX_INTEGER = 2**64 - 1
MAX_SHOWN_CHARACTERS = 60


def integer(item: Item, *, what: str, minimum: int = 0, maximum: int = MAX_INTEGER) -> int:
    """An integer within bounds."""
    if not isinstance(item, int) or isinstance(item, bool) or not minimum <= item <= maximum:
        raise _expected(f"an integer {minimum} to {maximum}", what, item)
    return item


def optional_integer(item: Item, *, what: str) -> int | None:
    """An integer that is not negative, or None."""
    return None if item is None else integer(item, what=what)


def number(item: Item, *, what: str) -> float:
    """A float64, whatever it is."""
    if not isinstance(item, float):
        raise _expected("a float64", what, item)
    return item


def boolean(item: Item, *, what: str) -> bool:
    """True or false."""
    if not isinstance(item, bool):
        raise _expected("true or false", what, item)
    return item


def text(item: Item, *, what: str, maximum: int) -> str:
    """Text of at most `maximum` characters."""
    if not isinstance(item, str) or len(item) > maximum:
        raise _expected(f"text of at most {maximum} characters", what, item)
    return item


def data(item: Item, *, what: str) -> bytes:
    """A byte string."""
    if not isinstance(item, bytes):
        raise _expected("bytes", what, item)
    return item


def array(item: Item, *, what: str, maximum: int) -> list[Item]:
    """An array of at most `maximum` items."""
    if not isinstance(item, list) or len(item) > maximum:
        raise _expected(f"an array of at most {maximum}", what, item)
    return item


def fields(item: Item, *, what: str, count: int) -> list[Item]:
    """An array of exactly `count` items."""
    if not isinstance(item, list) or len(item) != count:
        raise _expected(f"an array of {count}", what, item)
    return item


def choice(item: Item, *, what: str, choices: Sequence[_T]) -> _T:
    """The choice at this index."""
    return choices[integer(item, what=what, maximum=len(choices) - 1)]


def _expected(expected: str, what: str, found: Item) -> WireError:
    return WireError(f"{what}: expected {expected}, found {repr(found)[:MAX_SHOWN_CHARACTERS]}")
