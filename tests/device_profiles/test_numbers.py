import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.numbers import (
    WHOLE,
    ByteOrder,
    NumberError,
    NumberType,
    decode_number,
    encode_number,
    size_bytes,
)

ORDERS = [ByteOrder.BIG, ByteOrder.LITTLE]


@given(st.sampled_from(sorted(WHOLE)), st.sampled_from(ORDERS), st.data())
def test_a_whole_number_survives_its_bytes(kind: NumberType, order: ByteOrder, data: st.DataObject) -> None:
    bits = 8 * size_bytes(kind)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.value[0] == "i" else (0, 2**bits - 1)
    number = data.draw(st.integers(low, high))
    raw = encode_number(number, kind, order)
    assert len(raw) == size_bytes(kind)
    assert decode_number(raw, kind, order) == number


@given(st.binary(min_size=8, max_size=8))
def test_low_word_first_swaps_registers_and_keeps_the_bytes_within(raw: bytes) -> None:
    swapped = raw[6:8] + raw[4:6] + raw[2:4] + raw[0:2]
    assert decode_number(raw, NumberType.U64, ByteOrder.LOW_WORD_FIRST) == int.from_bytes(swapped, "big")
    assert encode_number(int.from_bytes(swapped, "big"), NumberType.U64, ByteOrder.LOW_WORD_FIRST) == raw


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_is_read_as_the_shortest_decimal_that_names_it(number: float) -> None:
    raw = struct.pack(">f", number)
    read = decode_number(raw, NumberType.F32)
    assert read is not None
    assert encode_number(read, NumberType.F32) == raw
    digits = len(f"{read!r}".split("e")[0].lstrip("-0.").replace(".", "").rstrip("0"))
    shorter = [float(f"{number:.{count}g}") for count in range(1, digits)]
    assert all(math.isinf(_as_float32(each)) or struct.pack(">f", each) != raw for each in shorter)


def _as_float32(number: float) -> float:
    try:
        return float(struct.unpack(">f", struct.pack(">f", number))[0])
    except OverflowError:
        return math.inf


def test_a_printed_float32_is_the_printed_number() -> None:
    assert decode_number(bytes.fromhex("43 66 33 33"), NumberType.F32) == 230.2


@pytest.mark.parametrize("raw", ["7F C0 00 00", "7F 80 00 00", "FF 80 00 00"])
def test_a_float_that_is_no_number_is_none(raw: str) -> None:
    assert decode_number(bytes.fromhex(raw), NumberType.F32) is None


@pytest.mark.parametrize(
    ("raw", "number"), [("FF ED 40", -19.25), ("80 37 5E", 55.3671875), ("00 51 23", None), ("80 00 00", 0)]
)
def test_wavetronix_fixed_point_reads_as_documented(raw: str, number: float | None) -> None:
    assert decode_number(bytes.fromhex(raw), NumberType.Q15_8) == number


@given(st.one_of(st.integers(0, 16383 * 256), st.integers(-16384 * 256, -256), st.none()))
def test_wavetronix_fixed_point_survives_its_bytes(steps: int | None) -> None:
    number = None if steps is None else steps / 256
    assert decode_number(encode_number(number, NumberType.Q15_8), NumberType.Q15_8) == number


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (256, NumberType.U8),
        (-1, NumberType.U16),
        (None, NumberType.I16),
        (math.nan, NumberType.U8),
        (-0.5, NumberType.Q15_8),
        (20000, NumberType.Q15_8),
        (1e39, NumberType.F32),
    ],
)
def test_a_value_the_type_cannot_hold_is_refused(number: float | None, kind: NumberType) -> None:
    with pytest.raises(NumberError, match=kind):
        encode_number(number, kind)


def test_bytes_of_another_count_are_refused() -> None:
    with pytest.raises(NumberError, match="expected 2 bytes, found 3"):
        decode_number(b"\0\0\0", NumberType.U16)
    with pytest.raises(NumberError, match="whole registers"):
        decode_number(b"\0\0\0", NumberType.U24, ByteOrder.LOW_WORD_FIRST)


@pytest.mark.parametrize(
    ("kind", "raw", "number"),
    [
        # HLK-LD2450: the highest bit says plus.
        (NumberType.P16, "03 0E", -782),
        (NumberType.P16, "86 B1", 1713),
        (NumberType.M16, "86 B1", -1713),
        (NumberType.M8, "83", -3),
        (NumberType.U8_TENTHS, "C8 09", 200.9),
        (NumberType.M8_TENTHS, "19 03", 25.3),
        (NumberType.M8_TENTHS, "80 05", -0.5),
        (NumberType.BCD8, "59", 59),
        (NumberType.BCD16, "20 26", 2026),
        (NumberType.BCD24, "12 34 56", 123456),
        (NumberType.BCD32, "00 00 00 07", 7),
    ],
)
def test_an_odd_coding_is_read_and_written_as_documented(kind: NumberType, raw: str, number: float) -> None:
    assert decode_number(bytes.fromhex(raw), kind) == number
    assert encode_number(number, kind) == bytes.fromhex(raw)


@pytest.mark.parametrize(
    ("kind", "raw"), [(NumberType.BCD8, "5A"), (NumberType.U8_TENTHS, "14 0A"), (NumberType.M8_TENTHS, "14 FF")]
)
def test_digits_that_are_none_are_no_number(kind: NumberType, raw: str) -> None:
    assert decode_number(bytes.fromhex(raw), kind) is None


ODD_RANGES = {
    NumberType.M8: (-127, 127, 1),
    NumberType.M16: (-32767, 32767, 1),
    NumberType.P16: (-32767, 32767, 1),
    NumberType.U8_TENTHS: (0, 2559, 10),
    NumberType.M8_TENTHS: (-1279, 1279, 10),
    NumberType.BCD8: (0, 99, 1),
    NumberType.BCD16: (0, 9999, 1),
    NumberType.BCD24: (0, 999_999, 1),
    NumberType.BCD32: (0, 99_999_999, 1),
}


@given(st.sampled_from(sorted(ODD_RANGES)), st.sampled_from(ORDERS), st.data())
def test_i2_an_odd_number_survives_its_bytes(kind: NumberType, order: ByteOrder, data: st.DataObject) -> None:
    low, high, per_unit = ODD_RANGES[kind]
    number = data.draw(st.integers(low, high)) / per_unit
    assert decode_number(encode_number(number, kind, order), kind, order) == number
    for beyond in (low - 1, high + 1):
        with pytest.raises(NumberError):
            encode_number(beyond / per_unit, kind)
    with pytest.raises(NumberError, match="no code"):
        encode_number(None, kind)
