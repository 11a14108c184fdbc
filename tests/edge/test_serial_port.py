"""A serial port that cannot be had: what is told, and what to do about it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device_profiles.point_model import Line
from edge.clock import SystemClock
from edge.drivers.base import DriverError, DriverFault
from edge.drivers.line import ByteLine, SerialPort

NOBODY = 65534


async def refusal(path: Path) -> DriverError:
    line = ByteLine(SerialPort(str(path), Line(baud=9600)), SystemClock())
    with pytest.raises(DriverError) as found:
        await line.open()
    line.close()
    return found.value


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's rights, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


async def test_a_port_without_permission_names_the_group_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch(mode=0o000)
    await refusal(tmp_path / "none")  # whatever is imported late has been: nobody may read the library
    with nobody():
        error = await refusal(path)
    assert error.kind is DriverFault.REFUSED
    assert f"{path}: permission denied" in str(error)
    assert "dialout" in str(error)


async def test_a_file_that_is_no_serial_port_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch()
    error = await refusal(path)
    assert error.kind is DriverFault.REFUSED
    assert "no serial port; check the bus's port in the gateway file" in str(error)


async def test_a_port_that_just_failed_is_left_alone_for_a_moment_and_says_the_same(tmp_path: Path) -> None:
    line = ByteLine(SerialPort(str(tmp_path / "none"), Line(baud=9600)), SystemClock())
    texts = []
    for _ in range(2):
        with pytest.raises(DriverError, match="no such port") as found:
            await line.open()
        texts.append(str(found.value))
    assert texts[0] == texts[1]
