"""Registers to values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.decode import Answer, decode_registers
from device_profiles.library import load_profile
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_model import ModbusGroup, ModbusPoint
from device_profiles.numbers import ByteOrder, NumberType, encode_number
from device_profiles.plan import plan_points, read_plan
from wire.records import Quality, Value


def group(*points: ModbusPoint) -> ModbusGroup:
    return ModbusGroup(name="g", measurement="inputs", every_s=1, points=points)


def holding(address: int, **meaning: object) -> ModbusPoint:
    facts = {"key": f"p{address}", "quantity": "number", "table": Table.HOLDING, "address": address, **meaning}
    return ModbusPoint(**facts)  # type: ignore[arg-type] # facts of every type, as the test states them


def read(address: int, count: int) -> ReadRequest:
    return ReadRequest(table=Table.HOLDING, address=address, count=count)


@given(
    st.sampled_from((NumberType.U32, NumberType.I32, NumberType.F32, NumberType.U64)),
    st.sampled_from(ByteOrder),
    st.integers(0, 2**20),
    st.integers(0, 5),
)
def test_a_value_is_read_from_wherever_it_lies_in_the_answer(
    number_type: NumberType, order: ByteOrder, number: int, before: int
) -> None:
    raw = encode_number(number, number_type, order)
    words = tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))
    point = holding(100 + before, type=number_type, order=order)
    answers: dict[ReadRequest, Answer] = {read(100, before + len(words)): (*(0xFFFF,) * before, *words)}
    assert decode_registers(group(point), answers) == (Value(number),)


@given(st.integers(0, 0xFFFF), st.integers(0, 15), st.data())
def test_bits_of_a_register_are_read_from_the_lowest(word: int, bit: int, data: st.DataObject) -> None:
    width = data.draw(st.integers(1, min(15, 16 - bit)))
    point = holding(0, bit=bit, bit_width=width)
    (value,) = decode_registers(group(point), {read(0, 1): (word,)})
    assert value == Value(int(f"{word:016b}"[::-1][bit : bit + width][::-1], 2))


def test_i1_a_register_that_was_not_read_never_becomes_a_value() -> None:
    points = (holding(0, type=NumberType.U16), holding(1, type=NumberType.F32), holding(3, type=NumberType.U16))
    answers: dict[ReadRequest, Answer] = {read(0, 2): (7, 8), read(3, 1): Quality.EXCEPTION}
    assert decode_registers(group(*points), answers) == (
        Value(7),
        Value(None, Quality.TIMEOUT),
        Value(None, Quality.EXCEPTION),
    )


def test_of_several_answers_the_good_one_counts() -> None:
    answers: dict[ReadRequest, Answer] = {read(0, 2): Quality.EXCEPTION, read(0, 1): (5,)}
    assert decode_registers(group(holding(0, type=NumberType.U16)), answers) == (Value(5),)


@pytest.mark.parametrize("name", ["eastron/sdm120", "eastron/sdm630", "ecowitt/wn90lp", "wirenboard/wb-mcm8"])
def test_a_whole_poll_by_its_plan_gives_a_value_for_every_point(name: str) -> None:
    profile = load_profile(name)
    assert profile.modbus is not None
    for plan in read_plan(profile.modbus):
        answers: dict[ReadRequest, Answer] = {request: (0,) * request.count for request in plan.requests}
        values = decode_registers(plan.group, answers)
        assert len(values) == len(plan.group.points)
        assert all(value.number is not None for value in values)
        assert plan.requests == plan_points(plan.group.points, profile.modbus)
