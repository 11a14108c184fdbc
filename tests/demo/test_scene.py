"""The drawn place is the same for one seed, and at any hour every device of it can say what it measures."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.demo import layout
from deploy.demo.devices import FieldState, modbus_values, stream_bytes, vehicle_values
from deploy.demo.scene import Scene, vehicles
from device_profiles.decode import decode_registers
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.library import load_profile
from device_profiles.modbus_frames import parse_rtu_reply, rtu_request
from device_profiles.model import DeviceProfile
from device_profiles.plan import read_plan
from device_profiles.simulate import ModbusResponder
from wire.quantities import quantity
from wire.records import Quality

PROFILES = {device.profile: load_profile(device.profile) for device in layout.DEVICES}
MODBUS = [name for name, profile in PROFILES.items() if profile.modbus]
STREAMS = [name for name, profile in PROFILES.items() if profile.serial and name != "wavetronix/ss125"]
MIDNIGHT_S = 1_795_366_800.0  # in the place's zone, UTC+7
# Any second of any day of some years.
TIMES = st.floats(1_700_000_000, 1_900_000_000)
UNIT = 9


def state_at(seed: int, unix_s: float) -> FieldState:
    """A field that has run for an hour."""
    scene = Scene(seed)
    state = FieldState(seed=seed, unix_s=unix_s - 3600)
    for step in range(61):
        at_s = unix_s - 3600 + 60 * step
        state.advance(scene.at(at_s), at_s)
    return state


@given(st.integers(0, 99), TIMES)
def test_one_seed_draws_one_place(seed: int, unix_s: float) -> None:
    assert Scene(seed).at(unix_s) == Scene(seed).at(unix_s)
    first, again = (list(itertools.islice(vehicles(Scene(seed), seed, unix_s), 5)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", MODBUS)
@settings(max_examples=30)
@given(seed=st.integers(0, 99), unix_s=TIMES)
def test_a_modbus_device_can_say_the_scene_at_any_time(name: str, seed: int, unix_s: float) -> None:
    profile = PROFILES[name]
    assert profile.modbus is not None
    responder = ModbusResponder(profile, UNIT)
    responder.set_values(modbus_values(name, Scene(seed).at(unix_s), state_at(seed, unix_s)))
    for plan in read_plan(profile.modbus):
        answers = {}
        for request in plan.requests:
            reply = responder.answer_rtu(rtu_request(UNIT, request))
            assert reply is not None
            answers[request] = parse_rtu_reply(UNIT, request, reply)
        assert {value.quality for value in decode_registers(plan.group, answers)} == {Quality.GOOD}


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=30)
@given(seed=st.integers(0, 99), unix_s=TIMES)
def test_a_streaming_device_can_say_the_scene_at_any_time(name: str, seed: int, unix_s: float) -> None:
    profile = PROFILES[name]
    found = heard(profile, stream_bytes(profile, Scene(seed).at(unix_s), state_at(seed, unix_s)))
    assert found
    assert {value.quality for reading in found for value in reading.values} == {Quality.GOOD}


def heard(profile: DeviceProfile, data: bytes) -> list[SerialReading]:
    assert profile.serial is not None
    reader = FrameReader(profile.serial)
    found = reader.feed(data + b"\r\n")
    assert dict(reader.bad_frames) == {}
    return [item for item in found if isinstance(item, SerialReading)]


def test_day_and_night_differ_and_rush_hours_are_busy() -> None:
    scene = Scene(1)
    night, morning, noon = (scene.at(MIDNIGHT_S + hour * 3600) for hour in (2, 7.5, 12))
    assert night.illuminance == 0
    assert (noon.illuminance or 0) > 20_000
    assert (noon.temperature or 0) > (night.temperature or 0) + 4
    assert morning.vehicles_per_hour > 3 * night.vehicles_per_hour


def test_vehicles_are_as_many_as_the_hour_has_and_of_every_lane() -> None:
    scene = Scene(3)
    start_s = MIDNIGHT_S + 8 * 3600
    passed = list(itertools.takewhile(lambda one: one.at_s < start_s + 3600, vehicles(scene, 3, start_s)))
    expected = sum(scene.at(start_s + minute * 60).vehicles_per_hour for minute in range(60)) / 60
    assert len(passed) == pytest.approx(expected, rel=0.25)
    lanes = Counter(one.lane for one in passed)
    assert set(lanes) == {1, 2}
    assert lanes[1] > lanes[2]
    told = [vehicle_values(one) for one in passed]
    speeds = quantity("vehicle_speed")
    assert all(speeds.minimum <= (values["speed"] or 0) <= speeds.maximum for values in told)


@settings(max_examples=20)
@given(seed=st.integers(0, 99), unix_s=TIMES)
def test_counted_energy_never_falls(seed: int, unix_s: float) -> None:
    scene, state = Scene(seed), state_at(seed, unix_s)
    before = [*state.single.energy_wh, *state.three.energy_wh, state.yield_wh]
    state.advance(scene.at(unix_s + 1), unix_s + 1)
    after = [*state.single.energy_wh, *state.three.energy_wh, state.yield_wh]
    assert all(late >= early for early, late in zip(before, after, strict=True))
