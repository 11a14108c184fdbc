"""Whatever bytes come, no decoder and no frame parser breaks, hangs, or makes a value of a frame whose check fails."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from device_profiles.library import load_profile, profile_paths
from tests.support.fuzzing import Target, batch_target, fuzz, modbus_targets, register_target, serial_target

SHORT, LONG = 400, 1_000_000
PROFILES = {name: load_profile(name) for name in profile_paths()}
VECTORS = Path(__file__).resolve().parents[2] / "wire" / "vectors"
TARGETS = [
    *modbus_targets(),
    batch_target(VECTORS),
    *(serial_target(profile) for profile in PROFILES.values() if profile.serial is not None),
    *(register_target(profile) for profile in PROFILES.values() if profile.modbus is not None),
]
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@each_target
def test_no_input_breaks_it(target: Target) -> None:
    fuzz(target, inputs=SHORT, seed=1)


@pytest.mark.soak
@each_target
def test_a_million_inputs_do_not_break_it(target: Target, say: Callable[[str], None]) -> None:
    started_s = time.perf_counter()
    fuzz(target, inputs=LONG, seed=2)
    say(f"{target.name}: {LONG} inputs, {time.perf_counter() - started_s:.0f} s, nothing broke")
