"""Numbers as devices send them: raw bytes to numbers and back. Pure.

I1. A raw value that names no number (NaN, an infinity, a cleared valid bit) is None, never 0.
I2. `decode_number(encode_number(x)) == x` for every x the type can hold.
"""

import math
import struct
from enum import StrEnum
from typing import assert_never


class NumberError(ValueError):
    """Bytes or a value that do not fit a number type; the text says which and why."""


class NumberType(StrEnum):
    """How a number is coded. `u`, `i`, `f`: unsigned, two's complement, IEEE 754, with their bits.

    `q8_8`: 16 bits unsigned, in 256ths. `q15_8`: 24 bits, Wavetronix: bit 23 says that a value is there, bits 22..8 are
    the signed whole part, bits 7..0 256ths that carry the sign of the whole part.
    """

    U8 = "u8"
    I8 = "i8"
    U16 = "u16"
    I16 = "i16"
    U24 = "u24"
    I24 = "i24"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    Q8_8 = "q8_8"
    Q15_8 = "q15_8"


class ByteOrder(StrEnum):
    """The order of a number's bytes. `low_word_first`: the less significant register first, big within a register."""

    BIG = "big"
    LITTLE = "little"
    LOW_WORD_FIRST = "low_word_first"


_SIZES = {
    NumberType.U8: 1, NumberType.I8: 1, NumberType.U16: 2, NumberType.I16: 2, NumberType.U24: 3, NumberType.I24: 3,
    NumberType.U32: 4, NumberType.I32: 4, NumberType.U64: 8, NumberType.I64: 8, NumberType.F32: 4, NumberType.F64: 8,
    NumberType.Q8_8: 2, NumberType.Q15_8: 3,
}  # fmt: skip
_SIGNED = frozenset({NumberType.I8, NumberType.I16, NumberType.I24, NumberType.I32, NumberType.I64})
_SMALLEST_NORMAL_F32 = 2.0**-126
# A decimal of up to 6 digits survives float32 and back; 9 digits tell any two float32 apart.
_F32_DIGITS = range(6, 10)
_F32_DIGITS_SUBNORMAL = range(1, 10)
_BYTES_PER_WORD = 2
_Q15_8_PRESENT = 1 << 23
_Q15_8_WHOLE_BITS = 15
_PER_UNIT_Q8 = 256


def size_bytes(number_type: NumberType) -> int:
    """How many bytes a number of this type takes."""
    return _SIZES[number_type]


def decode_number(raw: bytes, number_type: NumberType, order: ByteOrder = ByteOrder.BIG) -> int | float | None:
    """Read one number.

    Args:
        raw: exactly `size_bytes(number_type)` bytes, as received.
        number_type: how the number is coded.
        order: the order of the bytes.

    Returns:
        The raw number; None where the bytes say that there is none. A float32 is read as the shortest decimal that
        names it (230.2, not 230.1999969482422), because that is what the device meant.

    Raises:
        NumberError: another count of bytes, or `low_word_first` for a type that is not made of whole registers.
    """
    if len(raw) != _SIZES[number_type]:
        raise NumberError(f"{number_type}: expected {_SIZES[number_type]} bytes, found {len(raw)}")
    big = _reordered(raw, order)
    match number_type:
        case NumberType.F32:
            return _shortest_float32(big)
        case NumberType.F64:
            number: float = struct.unpack(">d", big)[0]
            return number if math.isfinite(number) else None
        case NumberType.Q8_8:
            return int.from_bytes(big, "big") / _PER_UNIT_Q8
        case NumberType.Q15_8:
            return _decode_q15_8(int.from_bytes(big, "big"))
        case _:
            return int.from_bytes(big, "big", signed=number_type in _SIGNED)


def encode_number(value: float | None, number_type: NumberType, order: ByteOrder = ByteOrder.BIG) -> bytes:
    """Write one number so that `decode_number` reads it back; whole-number types round to the nearest.

    Raises:
        NumberError: the type cannot hold the value (None only where the type itself can say "no value").
    """
    try:
        big = _encode_big(value, number_type)
    except (OverflowError, ValueError, struct.error) as error:
        raise NumberError(f"{number_type} cannot hold {value}: {error}") from error
    return _reordered(big, order)


def _reordered(raw: bytes, order: ByteOrder) -> bytes:
    """Turn bytes in `order` into big-endian ones, or back: each order is its own inverse."""
    match order:
        case ByteOrder.BIG:
            return raw
        case ByteOrder.LITTLE:
            return raw[::-1]
        case ByteOrder.LOW_WORD_FIRST:
            if len(raw) % _BYTES_PER_WORD:
                raise NumberError(f"low_word_first orders 16-bit registers; {len(raw)} bytes are no whole registers")
            return b"".join(raw[at : at + _BYTES_PER_WORD] for at in range(len(raw) - _BYTES_PER_WORD, -1, -2))
        case _:
            assert_never(order)


def _shortest_float32(big: bytes) -> float | None:
    number: float = struct.unpack(">f", big)[0]
    if not math.isfinite(number):
        return None
    digits = _F32_DIGITS if abs(number) >= _SMALLEST_NORMAL_F32 else _F32_DIGITS_SUBNORMAL
    for count in digits:
        short = float(f"{number:.{count}g}")
        try:
            if struct.pack(">f", short) == big:
                return short
        except OverflowError:  # the largest float32 rounded up
            continue
    return number


def _decode_q15_8(word: int) -> float | None:
    if not word & _Q15_8_PRESENT:
        return None
    whole = (word >> 8) & ((1 << _Q15_8_WHOLE_BITS) - 1)
    fraction = (word & 0xFF) / _PER_UNIT_Q8
    if whole >> (_Q15_8_WHOLE_BITS - 1):
        return whole - (1 << _Q15_8_WHOLE_BITS) - fraction
    return whole + fraction


def _encode_q15_8(value: float | None) -> int:
    if value is None:
        return 0
    steps = round(abs(value) * _PER_UNIT_Q8)
    whole, fraction = divmod(steps, _PER_UNIT_Q8)
    if value < 0 and steps:
        if not whole or whole > 1 << (_Q15_8_WHOLE_BITS - 1):
            raise ValueError("its whole part carries the sign and must be -1 to -16384")
        whole = (1 << _Q15_8_WHOLE_BITS) - whole
    elif whole >> (_Q15_8_WHOLE_BITS - 1):
        raise ValueError("its whole part must be below 16384")
    return _Q15_8_PRESENT | whole << 8 | fraction


def _encode_big(value: float | None, number_type: NumberType) -> bytes:
    if number_type is NumberType.Q15_8:
        return _encode_q15_8(value).to_bytes(3, "big")
    if value is None:
        if number_type in {NumberType.F32, NumberType.F64}:
            value = math.nan
        else:
            raise ValueError("the type has no code for a missing value")
    match number_type:
        case NumberType.F32:
            return struct.pack(">f", value)
        case NumberType.F64:
            return struct.pack(">d", value)
        case NumberType.Q8_8:
            return round(value * _PER_UNIT_Q8).to_bytes(2, "big")
        case _:
            return round(value).to_bytes(_SIZES[number_type], "big", signed=number_type in _SIGNED)
