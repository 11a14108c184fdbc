"""`sen-profile simulate`: every profile as a device of its own, and what goes wrong on demand."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.asking import request_bytes
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.framing.base import Frame
from device_profiles.library import load_all, load_capture
from device_profiles.modbus import ReadRequest
from device_profiles.modbus_frames import parse_rtu_reply, parse_tcp_reply, rtu_request, tcp_request
from device_profiles.model import DeviceProfile
from device_profiles.plan import read_plan
from device_profiles.serial_model import SerialMode
from device_profiles.simulate import SimulationError
from device_profiles.simulator.device import SimulatedDevice
from device_profiles.simulator.faults import Fault, FaultError, FaultKind, Spoiler, parse_fault

LIBRARY = load_all()
NOON_MS = 1_795_435_200_000
ADDRESS = 3
MODBUS = [name for name, profile in LIBRARY.items() if profile.modbus]
SPEAKING = [name for name, profile in LIBRARY.items() if profile.serial and profile.serial.mode is SerialMode.STREAM]
ASKED = [name for name, profile in LIBRARY.items() if profile.serial and profile.serial.mode is SerialMode.REQUEST]


def device_of(name: str, *, over_tcp: bool = False) -> SimulatedDevice:
    return SimulatedDevice(
        LIBRARY[name], load_capture(name), address=ADDRESS, over_tcp=over_tcp, chance=random.Random(1)
    )


def requests_of(profile: DeviceProfile) -> list[ReadRequest]:
    assert profile.modbus is not None
    return [request for plan in read_plan(profile.modbus) for request in plan.requests]


@pytest.mark.parametrize("name", MODBUS)
def test_each_modbus_profile_answers_all_of_its_requests_on_a_line_and_over_tcp(name: str) -> None:
    device, behind_tcp = device_of(name), device_of(name, over_tcp=True)
    for request in requests_of(LIBRARY[name]):
        (piece,) = device.feed(rtu_request(ADDRESS, request), now_s=5, now_ms=NOON_MS)
        words = parse_rtu_reply(ADDRESS, request, piece.data)
        assert len(words) == request.count
        (other,) = behind_tcp.feed(tcp_request(9, ADDRESS, request), now_s=5, now_ms=NOON_MS)
        assert parse_tcp_reply(9, ADDRESS, request, other.data) == words


@pytest.mark.parametrize("name", SPEAKING)
def test_each_device_that_speaks_by_itself_says_what_its_profile_reads(name: str) -> None:
    serial = LIBRARY[name].serial
    assert serial is not None
    device, reader = device_of(name), FrameReader(serial)
    told: set[str] = set()
    for second in range(3):
        for piece in device.spoken(now_s=second, now_ms=NOON_MS + 1000 * second):
            frames = [*reader.frames(piece.data), *reader.give_up()]
            readings = [one for frame in frames if isinstance(frame, Frame) for one in reader.readings(frame)]
            told |= {one.group for one in readings if isinstance(one, SerialReading)}
    assert told, "nothing it said was understood"


@pytest.mark.parametrize("name", ASKED)
def test_each_device_that_is_asked_answers(name: str) -> None:
    serial = LIBRARY[name].serial
    assert serial is not None
    device = device_of(name)
    said = b""
    for group in serial.groups:
        if group.request is not None:
            for step in (*serial.start, *group.request.before):
                device.feed(step.sent, now_s=1, now_ms=NOON_MS)
            pieces = device.feed(request_bytes(group.request, address=ADDRESS), now_s=1, now_ms=NOON_MS)
            said += b"".join(piece.data for piece in pieces)
    assert said


def test_values_live_and_what_was_set_stays() -> None:
    device = device_of("eastron/sdm120")
    assert len({device.values.at("voltage", second) for second in range(0, 60, 5)}) > 3
    assert device.values.at("voltage", 7) == device.values.at("voltage", 7)
    device.put("voltage", 231.5)
    assert {device.values.at("voltage", second) for second in range(0, 60, 5)} == {231.5}
    with pytest.raises(SimulationError, match="expected one of voltage"):
        device.put("volts", 1)


def test_counters_only_grow() -> None:
    device = device_of("eastron/sdm120")
    series = [device.values.at("energy_import", second) or 0 for second in range(0, 600, 10)]
    assert series == sorted(series)
    assert series[-1] > series[0]


REQUEST = requests_of(LIBRARY["eastron/sdm120"])[0]
GOOD = device_of("eastron/sdm120").feed(rtu_request(ADDRESS, REQUEST), now_s=0, now_ms=NOON_MS)[0].data


@given(st.sampled_from(FaultKind), st.integers(1, 5), st.integers(1, 20), st.integers(0, 1000))
def test_i1_each_so_many_th_answer_is_spoiled_and_no_other(kind: FaultKind, every: int, count: int, seed: int) -> None:
    spoiler = Spoiler(random.Random(seed))
    spoiler.fault = Fault(kind=kind, every=every)
    for number in range(1, count + 1):
        pieces = spoiler.said(GOOD, other=lambda _: b"other")
        is_good = [(piece.data, piece.after_s) for piece in pieces] == [(GOOD, 0.0)]
        assert is_good == (kind is FaultKind.NONE or number % every != 0)


@given(st.integers(0, 10_000))
def test_a_wrong_bit_is_one_bit_and_half_an_answer_is_its_beginning(seed: int) -> None:
    spoiler = Spoiler(random.Random(seed))
    spoiler.fault = Fault(kind=FaultKind.CRC)
    ((wrong),) = spoiler.said(GOOD)
    assert sum((one ^ other).bit_count() for one, other in zip(wrong.data, GOOD, strict=True)) == 1
    spoiler.fault = Fault(kind=FaultKind.HALF)
    ((half),) = spoiler.said(GOOD)
    assert GOOD.startswith(half.data)
    assert 0 < len(half.data) < len(GOOD)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("silence", Fault(kind=FaultKind.SILENCE)),
        ("late 500ms", Fault(kind=FaultKind.LATE, late_s=0.5)),
        ("late 2 s every 3", Fault(kind=FaultKind.LATE, late_s=2.0, every=3)),
        ("exception 2", Fault(kind=FaultKind.EXCEPTION, code=2)),
        ("CRC every 5", Fault(kind=FaultKind.CRC, every=5)),
    ],
)
def test_faults_are_said_in_words(said: str, fault: Fault) -> None:
    assert parse_fault(said) == fault


@pytest.mark.parametrize("said", ["", "broken", "crc 5", "exception 200", "silence every 0", "late soon"])
def test_what_is_no_fault_is_refused_with_what_there_is(said: str) -> None:
    with pytest.raises(FaultError, match="fault '"):
        parse_fault(said)
