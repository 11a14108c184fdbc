"""A simulated device says what was set, in the way its profile reads it."""

import math
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from device_profiles.asking import is_reply, request_bytes
from device_profiles.decode import Answer, decode_registers
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.encode_error import EncodeError
from device_profiles.framing.base import Frame
from device_profiles.library import load_all
from device_profiles.modbus import ExceptionCode, Function, ReadRequest, ReplyError, Table, WriteRequest
from device_profiles.modbus_frames import parse_rtu_reply, parse_tcp_reply, rtu_request, tcp_request
from device_profiles.modbus_model import ForbiddenRange, Limits, ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.model import DeviceProfile
from device_profiles.numbers import WHOLE, NumberError, NumberType, size_bytes
from device_profiles.plan import GroupPlan, read_plan
from device_profiles.point_model import DeviceFacts, Line, Meaning, Source, is_unavailable, unscaled
from device_profiles.serial_model import SerialPoint
from device_profiles.simulate import ModbusResponder, SimulationError
from device_profiles.simulate_serial import SerialResponder, serial_bytes
from wire.quantities import quantity
from wire.records import Quality, Value

LIBRARY = load_all()
MODBUS = [name for name, profile in LIBRARY.items() if profile.modbus]
SERIAL = [name for name, profile in LIBRARY.items() if profile.serial]
FLOATS = {NumberType.F32, NumberType.F64}
UNIT = 17
NOON_MS = 1_795_435_200_000


def profile_of(*points: ModbusPoint, limits: Limits | None = None) -> DeviceProfile:
    group = ModbusGroup(name="g", measurement="inputs", every_s=1, points=points)
    return DeviceProfile(
        profile="test/device",
        revision=1,
        device=DeviceFacts(vendor="Test", model="Device", kind="anything"),
        source=Source(document="this test"),
        line=Line(baud=9600),
        modbus=ModbusDevice(groups=(group,), limits=limits or Limits()),
    )


def holding(key: str, address: int, **meaning: object) -> ModbusPoint:
    facts = {"key": key, "quantity": "number", "table": Table.HOLDING, "address": address, **meaning}
    return ModbusPoint(**facts)  # type: ignore[arg-type] # facts of every type, as the test states them


def modbus_of(profile: DeviceProfile) -> ModbusDevice:
    assert profile.modbus is not None
    return profile.modbus


@cache
def plan_of(name: str) -> tuple[GroupPlan, ...]:
    return read_plan(modbus_of(LIBRARY[name]))


def read_all(profile: DeviceProfile, responder: ModbusResponder) -> dict[str, Value]:
    """One poll as a gateway does it: by the plan, in whole RTU frames."""
    values: dict[str, Value] = {}
    for plan in plan_of(profile.profile) if profile.profile in LIBRARY else read_plan(modbus_of(profile)):
        answers: dict[ReadRequest, Answer] = {}
        for request in plan.requests:
            reply = responder.answer_rtu(rtu_request(UNIT, request))
            assert reply is not None
            answers[request] = parse_rtu_reply(UNIT, request, reply)
        decoded = decode_registers(plan.group, answers)
        values |= dict(zip((point.key for point in plan.group.points), decoded, strict=True))
    return values


def plausible(point: Meaning, raws: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    """Values that the point's raw numbers can mean and that its quantity allows."""
    facts = quantity(point.quantity)
    lowest = facts.minimum if point.minimum is None else point.minimum
    highest = facts.maximum if point.maximum is None else point.maximum
    return raws.map(lambda raw: round(min(max(raw * point.scale + point.offset, lowest), highest), 9))


def raw_numbers(number_type: NumberType | None, width: int) -> st.SearchStrategy[float]:
    if number_type in FLOATS:
        return st.floats(-1e5, 1e5, width=32)
    if number_type in {NumberType.Q8_8, NumberType.Q15_8}:
        return st.floats(0, 255)
    if number_type is not None and number_type not in WHOLE:
        return st.integers(0, 99).map(float)
    bits = 8 * size_bytes(number_type) if number_type else width
    signed = number_type is not None and number_type.value.startswith("i")
    bits = min(bits, 40)  # beyond, and the values are no exact floats
    return st.integers(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - 1 if signed else bits) - 1)


def numbers_of(point: ModbusPoint | SerialPoint) -> st.SearchStrategy[float]:
    if point.states:
        return st.sampled_from(sorted(point.states)).map(float)
    if isinstance(point, ModbusPoint):
        return plausible(point, raw_numbers(point.type, point.bit_width))
    if point.block_number:
        return st.just(1.0)
    if point.type is not None:
        return plausible(point, raw_numbers(None if point.bit is not None else point.type, point.bit_width))
    return plausible(point, st.integers(0, 59_999).map(float) if point.scale != 1 else st.integers(0, 89).map(float))


@pytest.mark.parametrize("name", MODBUS)
@settings(max_examples=40)
@given(st.data())
def test_a_modbus_profile_reads_back_what_its_device_was_told_to_measure(name: str, data: st.DataObject) -> None:
    profile = LIBRARY[name]
    assert profile.modbus is not None
    points = {point.key: point for group in profile.modbus.groups for point in group.points}
    chosen = data.draw(st.sampled_from(sorted(points)))
    number = data.draw(numbers_of(points[chosen]))
    responder = ModbusResponder(profile, UNIT)
    try:
        responder.set_value(chosen, number)
    except SimulationError as error:
        assert "no value" in str(error)  # noqa: PT017 - only a number that is the sentinel may be refused
        return
    found = read_all(profile, responder)[chosen]
    assert found.number is not None
    step = abs(points[chosen].scale) if points[chosen].type not in FLOATS else 1e-4 + abs(number) * 1e-6
    rollover = points[chosen].rollover
    wraps = rollover is not None and number > rollover - step
    assert wraps or abs(found.number - number) <= step / 2 + 1e-9 * abs(number) or found.number == number
    responder.set_value(chosen, found.number)
    assert read_all(profile, responder)[chosen] == found


@pytest.mark.parametrize("name", SERIAL)
@settings(max_examples=40)
@given(st.data())
def test_a_serial_profile_reads_back_what_its_device_told(name: str, data: st.DataObject) -> None:
    profile = LIBRARY[name]
    assert profile.serial is not None
    group = data.draw(st.sampled_from(profile.serial.groups))
    needed = {each.at: each.at_least for point in group.points for each in point.when if each.at_least is not None}
    said = {each.label: each.text[0] for point in group.points for each in point.when if each.text and each.label}
    numbers = {
        # A GPS receiver that says "no fix" has no position to tell, and a wind sensor with a failed axis no wind.
        point.key: float(said[point.label])
        if point.label in said
        else max(data.draw(numbers_of(point), label=point.key), needed.get(point.at, -math.inf))
        for point in group.points
    }
    assume(not any(_says_no_value(point, numbers[point.key]) for point in group.points))
    first = read_serial(profile, group.name, numbers)
    for point, value in zip(group.points, first.values, strict=True):
        assert value.number is not None or value.quality is Quality.WARMING_UP
        if value.number is not None:
            assert value.number == pytest.approx(numbers[point.key], abs=max(abs(point.scale), 1 / 128))
    if all(value.number is not None for value in first.values):
        again = {point.key: value.number for point, value in zip(group.points, first.values, strict=True)}
        assert read_serial(profile, group.name, again).values == first.values


def _says_no_value(point: SerialPoint, number: float) -> bool:
    return is_unavailable(round(unscaled(number, point)), point)


def read_serial(
    profile: DeviceProfile, group: str, numbers: dict[str, float | None] | dict[str, float]
) -> SerialReading:
    assert profile.serial is not None
    sent = serial_bytes(profile, group, {**numbers}, time_ms=NOON_MS)
    readings = FrameReader(profile.serial).feed(sent + b"\r\n")
    return next(item for item in readings if isinstance(item, SerialReading) and item.group == group)


def test_no_value_is_said_with_the_sentinel_and_read_as_none() -> None:
    profile = LIBRARY["ecowitt/wn90lp"]
    responder = ModbusResponder(profile, UNIT)
    responder.set_values({"temperature": 21.5, "humidity": None})
    found = read_all(profile, responder)
    assert found["temperature"] == Value(21.5)
    assert found["humidity"] == Value(None, Quality.SENSOR_FAULT)


def test_a_float_without_a_value_is_not_a_number_on_the_wire() -> None:
    profile = LIBRARY["eastron/sdm120"]
    responder = ModbusResponder(profile, UNIT)
    responder.set_value("power", None)
    assert read_all(profile, responder)["power"] == Value(None, Quality.SENSOR_FAULT)


def test_a_device_that_cannot_say_no_value_is_not_made_to_lie() -> None:
    with pytest.raises(SimulationError, match="no way to say"):
        ModbusResponder(LIBRARY["generic/xy-md02"], UNIT).set_value("temperature", None)


def test_a_number_that_would_mean_no_value_is_refused() -> None:
    responder = ModbusResponder(profile_of(holding("a", 0, type=NumberType.U16, unavailable=(0xFFFF,))), UNIT)
    with pytest.raises(SimulationError, match="no value"):
        responder.set_value("a", 0xFFFF)


@pytest.mark.parametrize(
    ("key", "counted", "read"), [("pulses_1", 2**32 + 5, 5.0), ("pulses_1", 2**32 - 1, 2.0**32 - 1)]
)
def test_a_counter_begins_again_at_its_rollover(key: str, counted: int, read: float) -> None:
    profile = LIBRARY["wirenboard/wb-mcm8"]
    responder = ModbusResponder(profile, UNIT)
    responder.set_value(key, counted)
    assert read_all(profile, responder)[key] == Value(read)


def test_a_number_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    responder = ModbusResponder(LIBRARY["generic/xy-md02"], UNIT)
    responder.set_value("temperature", 20)
    with pytest.raises(SimulationError, match="temperature"):
        responder.set_value("temperature", 9000)
    assert read_all(LIBRARY["generic/xy-md02"], responder)["temperature"] == Value(20)


def test_bits_of_one_register_do_not_disturb_each_other() -> None:
    profile = profile_of(holding("low", 4, bit=0), holding("wide", 4, bit=3, bit_width=2), holding("high", 4, bit=15))
    responder = ModbusResponder(profile, UNIT)
    responder.set_values({"low": 1, "wide": 3, "high": 1})
    responder.set_value("wide", 2)
    assert {key: value.number for key, value in read_all(profile, responder).items()} == {
        "low": 1,
        "wide": 2,
        "high": 1,
    }
    with pytest.raises(SimulationError, match=r"0\.\.3"):
        responder.set_value("wide", 4)


def test_i2_damaged_requests_and_other_units_are_met_with_silence() -> None:
    responder = ModbusResponder(LIBRARY["generic/xy-md02"], UNIT)
    request = ReadRequest(table=Table.INPUT, address=1, count=2)
    good = rtu_request(UNIT, request)
    assert responder.answer_rtu(good) is not None
    assert responder.answer_rtu(good[:-1] + bytes((good[-1] ^ 1,))) is None
    assert responder.answer_rtu(rtu_request(UNIT + 1, request)) is None
    assert responder.answer_rtu(b"\x11") is None
    assert responder.answer_tcp(tcp_request(7, UNIT + 1, request)) is None
    assert responder.answer_tcp(b"GET / HTTP/1.1") is None


def test_it_answers_on_tcp_with_the_transaction_of_the_request() -> None:
    responder = ModbusResponder(LIBRARY["generic/xy-md02"], UNIT)
    responder.set_values({"temperature": -12.3, "humidity": 45.6})
    request = ReadRequest(table=Table.INPUT, address=1, count=2)
    reply = responder.answer_tcp(tcp_request(0xBEEF, UNIT, request))
    assert reply is not None
    assert parse_tcp_reply(0xBEEF, UNIT, request, reply) == (0x10000 - 123, 456)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ReadRequest(table=Table.HOLDING, address=9, count=2), ExceptionCode.ILLEGAL_ADDRESS),
        (ReadRequest(table=Table.HOLDING, address=19, count=3), ExceptionCode.ILLEGAL_ADDRESS),
        (ReadRequest(table=Table.HOLDING, address=14, count=3), ExceptionCode.ILLEGAL_ADDRESS),
        (ReadRequest(table=Table.INPUT, address=10, count=1), ExceptionCode.ILLEGAL_ADDRESS),
        (ReadRequest(table=Table.HOLDING, address=10, count=9), ExceptionCode.ILLEGAL_VALUE),
        (WriteRequest(function=Function.WRITE_REGISTER, address=10, values=(1,)), ExceptionCode.ILLEGAL_FUNCTION),
    ],
)
def test_what_the_device_does_not_have_is_refused(request_: ReadRequest | WriteRequest, code: ExceptionCode) -> None:
    forbidden = ForbiddenRange(table=Table.HOLDING, first=16, last=17)
    profile = profile_of(
        holding("a", 10, type=NumberType.U16),
        holding("b", 20, type=NumberType.U16),
        limits=Limits(max_registers=8, forbidden=(forbidden,)),
    )
    reply = ModbusResponder(profile, UNIT).answer_rtu(rtu_request(UNIT, request_))
    assert reply is not None
    with pytest.raises(ReplyError) as refusal:
        parse_rtu_reply(UNIT, request_, reply)
    assert refusal.value.code == code


def test_a_profile_of_another_kind_is_refused() -> None:
    with pytest.raises(SimulationError, match="no Modbus device"):
        ModbusResponder(LIBRARY["nova/sds011"], UNIT)
    with pytest.raises(SimulationError, match="answers requests"):
        SerialResponder(LIBRARY["nova/sds011"])
    with pytest.raises(SimulationError, match="no serial device"):
        serial_bytes(LIBRARY["eastron/sdm120"], "electricity", {})
    with pytest.raises(SimulationError, match="expected one of temperature, humidity"):
        ModbusResponder(LIBRARY["generic/xy-md02"], UNIT).set_value("temp", 1)
    with pytest.raises(SimulationError, match="found pm4, expected only pm2_5, pm10"):
        serial_bytes(LIBRARY["nova/sds011"], "particles", {"pm4": 1})
    with pytest.raises((EncodeError, NumberError)):
        serial_bytes(LIBRARY["nova/sds011"], "particles", {"pm10": 1})


VEHICLE = {"lane": 2.0, "range": 12.5, "duration": 0.31, "speed": 54.25, "vehicle_class": 2.0, "length": 4.5}


@given(st.integers(0, 255), st.integers(1, 0xFFFF), st.lists(st.integers(1, 40), max_size=4), st.binary(max_size=12))
def test_a_device_that_is_asked_answers_its_address_and_sequence_however_the_bytes_come(
    sequence: int, address: int, cuts: list[int], before: bytes
) -> None:
    profile = LIBRARY["wavetronix/ss125"]
    assert profile.serial is not None
    request = profile.serial.groups[0].request
    assert request is not None
    responder = SerialResponder(profile, address)
    stream = before + request_bytes(request, address=address, sequence=sequence)
    edges = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    asked = [item for first, last in pairwise(edges) for item in responder.feed(stream[first:last])]
    assert [item.sequence for item in asked] == [sequence]
    (frame,) = FrameReader(profile.serial).frames(responder.reply(asked[0], VEHICLE, time_ms=NOON_MS))
    assert isinstance(frame, Frame)
    assert is_reply(request, frame, address=address, sequence=sequence)
    (reading,) = FrameReader(profile.serial).readings(frame)
    assert [value.number for value in reading.values] == list(VEHICLE.values())
    assert reading.device_time_ms == NOON_MS


def test_an_empty_queue_is_answered_and_is_no_reading() -> None:
    profile = LIBRARY["wavetronix/ss125"]
    assert profile.serial is not None
    request = profile.serial.groups[0].request
    assert request is not None
    responder = SerialResponder(profile, 5)
    (asked,) = responder.feed(request_bytes(request, address=5, sequence=0))
    reply = responder.reply(asked, None)
    assert reply.hex(" ").upper().endswith("17 A0 67" + " 00" * 22 + " 08")
    (frame,) = FrameReader(profile.serial).frames(reply)
    assert isinstance(frame, Frame)
    assert is_reply(request, frame, address=5, sequence=0)
    assert FrameReader(profile.serial).readings(frame) == []
    assert responder.feed(request_bytes(request, address=6, sequence=0)) == []
