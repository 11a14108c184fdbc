"""The demonstration's field as a process, and the serial ports that it makes."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.library import load_profile
from tests.support.processes import Program, wait_until

ROOT = Path(__file__).resolve().parents[2]
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedField:
    """A field that answers; `told` is what field.json says."""

    program: Program
    folder: Path
    told: dict[str, object]

    def device(self, name: str) -> dict[str, object]:
        """What field.json says of a device."""
        devices = self.told["devices"]
        assert isinstance(devices, list)
        (found,) = [entry for entry in devices if entry["device"] == name]
        assert isinstance(found, dict)
        return found

    def devices(self) -> dict[str, str]:
        """The devices and what feeds them."""
        devices = self.told["devices"]
        assert isinstance(devices, list)
        return {entry["device"]: entry["fed_by"] for entry in devices}

    def port(self, device: str) -> str:
        """The serial port of a device."""
        return str(_bus(self.device(device))["port"])

    def tcp_port(self, device: str) -> int:
        """The TCP port of a device."""
        return int(str(_bus(self.device(device))["tcp_port"]))


@contextmanager
def started_field(folder: Path, arguments: Sequence[str] = ()) -> Iterator[StartedField]:
    """Start a field in a folder, wait until it answers, and end it."""
    command = [sys.executable, "-m", "deploy.demo.field", "--folder", str(folder), *arguments]
    program = Program(command, folder / "log", ROOT)
    program.start()
    ready = folder / "field.json"
    try:
        wait_until("the field is ready or gone", lambda: ready.exists() or not program.runs, within_s=20)
        assert program.runs, program.tail()
        yield StartedField(program=program, folder=folder, told=json.loads(ready.read_text()))
    finally:
        if program.runs:
            program.stop()


class Listener:
    """Somebody who opened a serial port and reads a device there."""

    def __init__(self, port: str, profile: str) -> None:
        device = load_profile(profile).serial
        assert device is not None
        self._device = device
        self._file = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.reader = FrameReader(device)
        self.heard = b""
        self.found: list[object] = []

    def close(self) -> None:
        """Go away."""
        os.close(self._file)

    def say(self, data: bytes) -> None:
        """Send bytes to the device."""
        os.write(self._file, data)

    def listen(self) -> None:
        """Take what has come."""
        try:
            data = os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return
        self.heard += data
        self.found += self.reader.feed(data)

    def readings(self, group: str) -> list[SerialReading]:
        """What has come of a group."""
        self.listen()
        return [item for item in self.found if isinstance(item, SerialReading) and item.group == group]

    def wait_for(self, group: str, count: int = 1, *, within_s: float = 10) -> list[SerialReading]:
        """Wait until so many readings of a group have come."""
        what = f"{count} readings of {group} come"
        wait_until(what, lambda: len(self.readings(group)) >= count, within_s=within_s)
        return self.readings(group)

    def numbers(self, group: str, index: int = 0) -> dict[str, float | None]:
        """A reading that has come, by point."""
        (chosen,) = [each for each in self._device.groups if each.name == group]
        values = self.readings(group)[index].values
        return {point.key: value.number for point, value in zip(chosen.points, values, strict=True)}


@contextmanager
def listening(port: str, profile: str) -> Iterator[Listener]:
    """Open a port, and go away."""
    listener = Listener(port, profile)
    try:
        yield listener
    finally:
        listener.close()


def _bus(device: dict[str, object]) -> dict[str, object]:
    bus = device["bus"]
    assert isinstance(bus, dict)
    return bus
