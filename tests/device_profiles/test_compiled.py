"""Profiles as plain data: what a gateway loads."""

import dataclasses
import json
import subprocess
import sys
from typing import get_args, get_origin, get_type_hints

import pytest

from device_profiles.compiled import CompiledError, from_plain, plain_of, plain_to, to_plain
from device_profiles.library import load_all, load_profile
from device_profiles.model import DeviceProfile, GroupFacts
from device_profiles.point_model import STRICT, Line

PROFILES = load_all()


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_survives_json(name: str) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(PROFILES[name])))) == PROFILES[name]


def test_reading_a_device_needs_no_authoring_library() -> None:
    program = """
import json, sys
from device_profiles.compiled import from_plain
from device_profiles.decode import decode_registers
from device_profiles.decode_serial import FrameReader
from device_profiles.modbus_frames import rtu_request
from device_profiles.plan import read_plan
profile = from_plain(json.load(sys.stdin))
plan = read_plan(profile.modbus)[0]
values = decode_registers(plan.group, {request: (0,) * request.count for request in plan.requests})
heavy = sorted(name for name in sys.modules if name.split(".")[0] in {"pydantic", "pydantic_core", "ruamel", "typer"})
print(len(values), heavy)
"""
    plain = json.dumps(to_plain(load_profile("eastron/sdm120")))
    done = subprocess.run([sys.executable, "-c", program], input=plain, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("8 []\n", "")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"baud": "9600"}, "Line.baud: found '9600', expected int"),
        ({"baud": True}, "Line.baud: found True, expected int"),
        ({"baud": 9600, "bits": 8}, "Line: found key 'bits'"),
        ({}, "missing 1 required"),
        ({"baud": 9600, "parity": "X"}, "Line.parity: found 'X', expected one of N, E, O"),
        ([], "Line: found [], expected keys and values"),
    ],
)
def test_data_of_another_kind_are_refused_with_their_place(data: object, told: str) -> None:
    with pytest.raises(CompiledError) as refused:
        plain_to(Line, data)
    assert told in str(refused.value)


def test_any_dataclass_can_be_written_down() -> None:
    (facts, *_) = load_profile("eastron/sdm120").groups
    assert plain_to(GroupFacts, json.loads(json.dumps(plain_of(facts)))) == facts


def classes_of(cls: object) -> set[type]:
    found: set[type] = set()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        found.add(cls)
        for hint in get_type_hints(cls).values():
            found |= classes_of(hint)
    for part in get_args(cls) if get_origin(cls) else ():
        found |= classes_of(part)
    return found


def test_every_part_of_a_profile_refuses_unknown_keys() -> None:
    lax = [cls.__name__ for cls in classes_of(DeviceProfile) if getattr(cls, "__pydantic_config__", None) != STRICT]
    assert lax == []
    assert len(classes_of(DeviceProfile)) > 10
