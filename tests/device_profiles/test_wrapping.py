"""A counter that can go round between two readings is found before anything runs."""

from dataclasses import replace

import pytest

from device_profiles.library import profile_files, profile_paths
from device_profiles.lint import lint
from device_profiles.modbus import Table
from device_profiles.modbus_model import ModbusPoint


def test_a_profile_whose_own_period_lets_a_counter_go_round_has_a_fault_at_that_period() -> None:
    files = profile_files(profile_paths()["canoga/c900"])
    slow = files.text.replace("every_s: 30", "every_s: 600")
    (fault,) = lint([replace(files, text=slow)])
    assert fault.line == 1 + slow.splitlines().index("      every_s: 600")
    assert "vehicle_counter_1 can count 256 in 240 s and go round 2.5 times" in fault.found
    assert fault.expected == "less than 240"
    assert lint([files]) == ()


def test_how_soon_a_counter_goes_round_is_said_of_one_that_does() -> None:
    with pytest.raises(ValueError, match="needs the rollover"):
        ModbusPoint(key="count", quantity="vehicle_counter", table=Table.INPUT, address=0, fastest_wrap_s=9.0)
