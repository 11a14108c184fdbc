"""The few kinds of CBOR item that Sen's payloads are made of, to bytes and back.

I1. Bytes from outside are checked item by item before cbor2 sees them: nothing but definite lengths, integers,
    float64, text, byte strings, arrays, null, booleans, and byte strings tagged as typed arrays.
I2. No length is believed that is longer than what is there, so nothing is allocated for a claim.

Source: RFC 8949 (CBOR), RFC 8746 (typed arrays).
"""

import sys
from array import array
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import cbor2

from wire.errors import WireError

MAX_DEPTH = 12
MAX_ITEMS = 100_000

# What a decoded payload is made of. cbor2 gives an unknown tag as CBORTag, and only typed arrays pass the check.
Item: TypeAlias = "bool | int | float | str | bytes | list[Item] | cbor2.CBORTag | None"

_Number = TypeVar("_Number", int, float)

# RFC 8746, 2.1 and 2.2: little endian typed arrays, and the `array` type codes of the same layout.
INT8, INT16, INT32, INT64, FLOAT64 = 72, 77, 78, 79, 86
_TYPE_CODES = {INT8: "b", INT16: "h", INT32: "i", INT64: "q", FLOAT64: "d"}

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _, _TAG, _SIMPLE = range(8)
_FIRST_LONG_ARGUMENT = 24
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_FALSE_TRUE_NULL = range(20, 23)
_FLOAT64_INFO = 27


def dump(item: Item) -> bytes:
    """The CBOR bytes of an item made of the permitted kinds."""
    return cbor2.dumps(item)


def load(data: bytes) -> Item:
    """The item that `data` holds, whole.

    Raises:
        WireError: anything else than one well-formed item of the permitted kinds.
    """
    check(data)
    try:
        item: Item = cbor2.loads(data)
    except (cbor2.CBORDecodeError, UnicodeDecodeError) as error:
        raise WireError(f"not CBOR: {error}") from error
    return item


def check(data: bytes) -> None:
    """Walk over the items without building any.

    Raises:
        WireError: not exactly one item, an item of a kind that is not permitted, or more than the limits allow.
    """
    position = items = 0
    to_come = 1
    outer: list[int] = []  # how many items are still to come in each array around
    size = len(data)
    while True:
        while to_come:
            to_come -= 1
            items += 1
            if position < size and (length := _LENGTHS[data[position]]):
                position += length  # beyond the end, where it is, is seen at the next item or after the last
                continue
            position, children = _step(data, position)
            if children:
                outer.append(to_come)
                to_come = children
            if items + to_come > MAX_ITEMS or len(outer) >= MAX_DEPTH:
                raise WireError(f"CBOR: expected at most {MAX_ITEMS} items, nested at most {MAX_DEPTH} deep")
        if not outer:
            break
        to_come = outer.pop()
    if position != size:
        raise WireError(f"CBOR: {size - position} bytes after the end, where they may also be missing")


def typed_array(tag: int, numbers: Sequence[float]) -> cbor2.CBORTag:
    """The numbers as one byte string, fixed width, little endian. They must fit the tag's type."""
    return cbor2.CBORTag(tag, _little_endian(array(_TYPE_CODES[tag], numbers)).tobytes())


def integers(item: Item, *, count: int) -> list[int]:
    """The `count` integers of a typed array.

    Raises:
        WireError: not a typed array of integers, or of another length.
    """
    if not isinstance(item, cbor2.CBORTag) or item.tag == FLOAT64:
        raise WireError("expected a typed array of integers")
    return _numbers(item, array(_TYPE_CODES[item.tag]), count)


def floats(item: Item, *, count: int) -> list[float]:
    """The `count` numbers of a float64 typed array.

    Raises:
        WireError: not such an array, or of another length.
    """
    if not isinstance(item, cbor2.CBORTag) or item.tag != FLOAT64:
        raise WireError("expected a typed array of float64")
    return _numbers(item, array("d"), count)


def _numbers(tagged: cbor2.CBORTag, numbers: "array[_Number]", count: int) -> list[_Number]:
    packed: bytes = tagged.value
    if len(packed) != count * numbers.itemsize:
        raise WireError(f"expected {count} numbers of {numbers.itemsize} bytes, found {len(packed)} bytes")
    numbers.frombytes(packed)
    return _little_endian(numbers).tolist()


def _little_endian(numbers: "array[_Number]") -> "array[_Number]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _length(first: int) -> int:
    """The length of an item by its first byte, where that says all: 0 where it does not, or is not permitted."""
    major, info = first >> 5, first & 0x1F
    if major in (_UNSIGNED, _NEGATIVE):
        return 1 if info < _FIRST_LONG_ARGUMENT else 1 + _ARGUMENT_BYTES.get(info, -1)
    if major in (_BYTES, _TEXT) and info < _FIRST_LONG_ARGUMENT:
        return 1 + info
    if major == _SIMPLE:
        return 1 if info in _FALSE_TRUE_NULL else 9 if info == _FLOAT64_INFO else 0
    return 0


_LENGTHS = bytes(map(_length, range(256)))


def _step(data: bytes, position: int) -> tuple[int, int]:
    """Pass one item's head and, unless it is an array, its content: the next position, and how many items it holds."""
    major, info, argument, position = _head(data, position)
    left = len(data) - position
    if major in (_UNSIGNED, _NEGATIVE):
        return position, 0
    if major == _ARRAY:
        return position, _fits(argument, left)
    if major in (_BYTES, _TEXT):
        return position + _fits(argument, left), 0
    if major == _TAG and argument in _TYPE_CODES and left and data[position] >> 5 == _BYTES:
        return position, 1
    if major == _SIMPLE and (info in _FALSE_TRUE_NULL or info == _FLOAT64_INFO):
        return position, 0
    raise WireError(f"CBOR: major type {major} with {argument} before byte {position}: no payload of Sen holds this")


def _head(data: bytes, position: int) -> tuple[int, int, int, int]:
    """Major type, additional information, argument, and the position after them."""
    if position >= len(data):
        raise WireError(f"CBOR: ends at byte {position} where more was announced")
    major, info = data[position] >> 5, data[position] & 0x1F
    position += 1
    if info < _FIRST_LONG_ARGUMENT:
        return major, info, info, position
    width = _ARGUMENT_BYTES.get(info)
    if width is None or position + width > len(data):
        raise WireError(f"CBOR: indefinite, reserved or cut off at byte {position}")
    return major, info, int.from_bytes(data[position : position + width], "big"), position + width


def _fits(claimed: int, left: int) -> int:
    if claimed > left:
        raise WireError(f"CBOR: a length of {claimed} where {left} bytes are left")
    return claimed
