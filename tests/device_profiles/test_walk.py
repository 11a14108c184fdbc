"""The models of a device are found wherever they are, and nothing is read where they are not."""

from dataclasses import replace

import pytest

from device_profiles.decode import decode_registers
from device_profiles.library import load_profile
from device_profiles.modbus import ReplyError
from device_profiles.modbus_frames import parse_rtu_reply, rtu_request
from device_profiles.modbus_model import ModbusDevice
from device_profiles.model import DeviceProfile
from device_profiles.plan import read_plan
from device_profiles.simulate import ModbusResponder
from device_profiles.walk import ModelWalk, WalkError, located

INVERTER = load_profile("sunspec/three-phase-inverter")
VALUES = {"voltage_l1": 399.9, "power": 1234.0, "current": 3.2, "energy_total": 5000.0}


def device_of(profile: DeviceProfile) -> ModbusDevice:
    assert profile.modbus is not None
    return profile.modbus


def elsewhere(at: dict[int, int]) -> DeviceProfile:
    """The device with its models at other addresses: what a simulator answers as."""
    moved = located(device_of(INVERTER), at)
    groups = [
        replace(one, model=replace(one.model, at=at[one.model.ids[-1]], ids=one.model.ids[-1:]))
        for one in moved.groups
        if one.model is not None
    ]
    identity = [replace(one, model=replace(one.model, at=at[1])) for one in moved.identity if one.model is not None]
    return replace(INVERTER, modbus=replace(moved, groups=tuple(groups), identity=tuple(identity)))


def walked(responder: ModbusResponder) -> dict[int, int]:
    walk = device_of(INVERTER).walk
    assert walk is not None
    steps, asked = ModelWalk(walk), 0
    while not steps.is_over:
        asked += 1
        assert asked < 20
        answer = responder.answer_rtu(rtu_request(1, steps.next))
        assert answer is not None
        try:
            steps.answered(parse_rtu_reply(1, steps.next, answer))
        except ReplyError:
            steps.refused()
    return steps.found


@pytest.mark.parametrize(
    "at",
    [
        {1: 40002, 103: 40070},
        {1: 40002, 103: 40200},
        {103: 40002, 1: 40054},
        {1: 2, 103: 300},
        {103: 50002, 1: 50090},
    ],
)
def test_the_same_values_are_read_wherever_the_models_are(at: dict[int, int]) -> None:
    responder = ModbusResponder(elsewhere(at), 1)
    for scale in ("current_scale", "voltage_scale", "power_scale", "frequency_scale", "energy_scale"):
        responder.set_value(scale, -1)
    responder.set_values(VALUES)
    found = walked(responder)
    assert found == at
    device = located(device_of(INVERTER), found)
    group = device.groups[0]
    answers = {
        request: parse_rtu_reply(1, request, responder.answer_rtu(rtu_request(1, request)) or b"")
        for request in read_plan(device)[0].requests
    }
    values = dict(zip((one.key for one in group.recorded), decode_registers(group, answers), strict=True))
    assert {key: values[key].number for key in VALUES} == VALUES


def test_a_device_without_the_model_or_the_marker_is_told_and_read_nowhere() -> None:
    with pytest.raises(WalkError, match="it has the models 1, 126, and none is 101 or 102 or 103"):
        located(device_of(INVERTER), {1: 40002, 126: 40070})
    with pytest.raises(WalkError, match="at none of the places"):
        located(device_of(INVERTER), walked(ModbusResponder(load_profile("eastron/sdm120"), 1)))


def test_a_walk_that_leads_nowhere_ends() -> None:
    walk = device_of(INVERTER).walk
    assert walk is not None
    steps = ModelWalk(walk)
    steps.answered((0x5375, 0x6E53))
    steps.answered((7, 0))
    assert steps.is_over
    assert steps.found == {7: 40002}
