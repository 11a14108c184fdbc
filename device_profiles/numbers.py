"""Numbers as devices send them: raw bytes to numbers and back. Pure.

I1. A raw value that names no number (NaN, an infinity, a cleared valid bit) is None, never 0.
I2. `decode_number(encode_number(x)) == x` for every x the type can hold.
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never


class NumberError(ValueError):
    """Bytes or a value that do not fit a number type; the text says which and why."""


class NumberType(StrEnum):
    """How a number is coded. `u`, `i`, `f`: unsigned, two's complement, IEEE 754, with their bits.

    `q8_8`: 16 bits unsigned, in 256ths. `q15_8`: 24 bits, Wavetronix: bit 23 says that a value is there, bits 22..8 are
    the signed whole part, bits 7..0 256ths that carry the sign of the whole part. `m8`, `m16`: sign and magnitude, the
    highest bit says minus; `p16`: it says plus. `u8_tenths`, `m8_tenths`: a whole part (the latter with its sign in the
    highest bit), then a byte of tenths. `bcd8` to `bcd32`: two decimal digits a byte.
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
    M8 = "m8"
    M16 = "m16"
    P16 = "p16"
    U8_TENTHS = "u8_tenths"
    M8_TENTHS = "m8_tenths"
    BCD8 = "bcd8"
    BCD16 = "bcd16"
    BCD24 = "bcd24"
    BCD32 = "bcd32"


class ByteOrder(StrEnum):
    """The order of a number's bytes. `low_word_first`: the less significant register first, big within a register."""

    BIG = "big"
    LITTLE = "little"
    LOW_WORD_FIRST = "low_word_first"


_SIZES = {
    NumberType.U8: 1, NumberType.I8: 1, NumberType.U16: 2, NumberType.I16: 2, NumberType.U24: 3, NumberType.I24: 3,
    NumberType.U32: 4, NumberType.I32: 4, NumberType.U64: 8, NumberType.I64: 8, NumberType.F32: 4, NumberType.F64: 8,
    NumberType.Q8_8: 2, NumberType.Q15_8: 3, NumberType.M8: 1, NumberType.M16: 2, NumberType.P16: 2,
    NumberType.U8_TENTHS: 2, NumberType.M8_TENTHS: 2, NumberType.BCD8: 1, NumberType.BCD16: 2, NumberType.BCD24: 3,
    NumberType.BCD32: 4,
}  # fmt: skip
_SIGNED = frozenset({NumberType.I8, NumberType.I16, NumberType.I24, NumberType.I32, NumberType.I64})
# Whole numbers, of which some bits may be a value of their own.
WHOLE = frozenset(kind for kind in NumberType if kind.value[0] in "ui" and kind.value[1:].isdigit())
_SMALLEST_NORMAL_F32 = 2.0**-126
# A decimal of up to 6 digits survives float32 and back; 9 digits tell any two float32 apart.
_F32_DIGITS = range(6, 10)
_F32_DIGITS_SUBNORMAL = range(1, 10)
_BYTES_PER_WORD = 2
_Q15_8_PRESENT = 1 << 23
_Q15_8_WHOLE_BITS = 15
_PER_UNIT_Q8 = 256
_TENTHS_PER_UNIT = 10


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
    if number_type in _ODD:
        return _ODD[number_type].decode(big)
    if number_type is NumberType.F32:
        return _shortest_float32(big)
    if number_type is NumberType.F64:
        number: float = struct.unpack(">d", big)[0]
        return number if math.isfinite(number) else None
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


def _encode_q15_8(value: float) -> int:
    steps = round(abs(value) * _PER_UNIT_Q8)
    whole, fraction = divmod(steps, _PER_UNIT_Q8)
    if value < 0 and steps:
        if not whole or whole > 1 << (_Q15_8_WHOLE_BITS - 1):
            raise ValueError("its whole part carries the sign and must be -1 to -16384")
        whole = (1 << _Q15_8_WHOLE_BITS) - whole
    elif whole >> (_Q15_8_WHOLE_BITS - 1):
        raise ValueError("its whole part must be below 16384")
    return _Q15_8_PRESENT | whole << 8 | fraction


def _decode_magnitude(big: bytes, *, top_is_minus: bool = True) -> int:
    whole = int.from_bytes(big, "big")
    top = 1 << (8 * len(big) - 1)
    magnitude = whole & (top - 1)
    return -magnitude if bool(whole & top) == top_is_minus else magnitude


def _encode_magnitude(value: float, size: int, *, top_is_minus: bool = True) -> bytes:
    top = 1 << (8 * size - 1)
    whole = round(value)
    if abs(whole) >= top:
        raise ValueError(f"its magnitude must be below {top}")
    is_marked = whole < 0 if top_is_minus else whole > 0
    return (abs(whole) | (top if is_marked else 0)).to_bytes(size, "big")


def _decode_tenths(big: bytes, *, signed: bool) -> float | None:
    whole, tenths = big
    if tenths >= _TENTHS_PER_UNIT:
        return None
    magnitude = whole & 0x7F if signed else whole
    number = (magnitude * _TENTHS_PER_UNIT + tenths) / _TENTHS_PER_UNIT
    return -number if magnitude != whole else number


def _encode_tenths(value: float, *, signed: bool) -> bytes:
    whole, tenths = divmod(round(abs(value) * _TENTHS_PER_UNIT), _TENTHS_PER_UNIT)
    if (value < 0 and not signed) or whole > (0x7F if signed else 0xFF):
        raise ValueError("its whole part must be " + ("-127 to 127" if signed else "0 to 255"))
    return bytes((whole | (0x80 if value < 0 and (whole or tenths) else 0), tenths))


def _decode_bcd(big: bytes) -> int | None:
    digits = big.hex()
    return int(digits) if digits.isdecimal() else None


def _encode_bcd(value: float, size: int) -> bytes:
    if not 0 <= round(value) < 100**size:
        raise ValueError(f"it must have at most {2 * size} digits and no sign")
    return bytes.fromhex(f"{round(value):0{2 * size}d}")


@dataclass(frozen=True, slots=True)
class _Coding:
    """A coding that is neither two's complement nor IEEE 754; its bytes are big-endian."""

    decode: Callable[[bytes], int | float | None]
    encode: Callable[[float], bytes]


_ODD: Mapping[NumberType, _Coding] = MappingProxyType({
    NumberType.Q8_8: _Coding(
        lambda big: int.from_bytes(big, "big") / _PER_UNIT_Q8,
        lambda value: round(value * _PER_UNIT_Q8).to_bytes(2, "big"),
    ),
    NumberType.Q15_8: _Coding(
        lambda big: _decode_q15_8(int.from_bytes(big, "big")), lambda value: _encode_q15_8(value).to_bytes(3, "big")
    ),
    NumberType.M8: _Coding(_decode_magnitude, lambda value: _encode_magnitude(value, 1)),
    NumberType.M16: _Coding(_decode_magnitude, lambda value: _encode_magnitude(value, 2)),
    NumberType.P16: _Coding(
        lambda big: _decode_magnitude(big, top_is_minus=False),
        lambda value: _encode_magnitude(value, 2, top_is_minus=False),
    ),
    NumberType.U8_TENTHS: _Coding(
        lambda big: _decode_tenths(big, signed=False), lambda value: _encode_tenths(value, signed=False)
    ),
    NumberType.M8_TENTHS: _Coding(
        lambda big: _decode_tenths(big, signed=True), lambda value: _encode_tenths(value, signed=True)
    ),
    NumberType.BCD8: _Coding(_decode_bcd, lambda value: _encode_bcd(value, 1)),
    NumberType.BCD16: _Coding(_decode_bcd, lambda value: _encode_bcd(value, 2)),
    NumberType.BCD24: _Coding(_decode_bcd, lambda value: _encode_bcd(value, 3)),
    NumberType.BCD32: _Coding(_decode_bcd, lambda value: _encode_bcd(value, 4)),
})  # fmt: skip


def _encode_big(value: float | None, number_type: NumberType) -> bytes:
    if value is None:
        if number_type is NumberType.Q15_8:
            return bytes(3)
        if number_type not in {NumberType.F32, NumberType.F64}:
            raise ValueError("the type has no code for a missing value")
        value = math.nan
    if number_type in _ODD:
        return _ODD[number_type].encode(value)
    match number_type:
        case NumberType.F32:
            return struct.pack(">f", value)
        case NumberType.F64:
            return struct.pack(">d", value)
        case _:
            return round(value).to_bytes(_SIZES[number_type], "big", signed=number_type in _SIGNED)
