"""A simulated device on a line of this machine, and what a person types to it while it runs."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_profiles.capture import Capture
from device_profiles.model import DeviceProfile
from device_profiles.simulate import SimulationError
from device_profiles.simulator.clock import Clock
from device_profiles.simulator.device import SimulatedDevice
from device_profiles.simulator.faults import Fault, FaultError, Piece, parse_fault
from device_profiles.simulator.lines import PtyLine, TcpEndpoint

HELP: Final = """\
  fault KIND           what goes wrong: none, silence, noise, crc, half, garbage, late 500ms; with Modbus also
                       foreign, exception 2; `fault crc every 5` spoils each fifth answer
  set POINT NUMBER     measure this from now on (`none`: no value)
  values               what it measures now
  quit"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the device is: a pty with a stable name, or a TCP port, with Modbus in TCP frames or in those of a line."""

    pty: Path | None = None
    host: str = ""
    port: int = 0
    rtu_over_tcp: bool = False


class Simulation:
    """One device at work.

    Args:
        profile: what it is.
        capture: what a real one has said.
        address: its own, where it has one.
        place: where it is to be found.
        baud: the line's speed.
        every_s: how often it says something, where it does so by itself.
        clock: the machine's.
        chance: where noise comes from.

    Raises:
        SimulationError: it is asked by an address and has none.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        capture: Capture | None,
        *,
        address: int | None,
        place: Place,
        baud: int,
        every_s: float,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        over_tcp = place.pty is None and profile.modbus is not None and not place.rtu_over_tcp
        self._device = SimulatedDevice(profile, capture, address=address, over_tcp=over_tcp, chance=chance)
        self._profile = profile
        self._place = place
        self._baud = baud
        self._every_s = every_s
        self._clock = clock
        self._start_s = clock.monotonic_s()

    def feed(self, data: bytes) -> list[Piece]:
        """What it says to bytes that have come; see `lines.Answers`."""
        return self._device.feed(data, now_s=self._now_s(), now_ms=self._clock.now_ms())

    def fault(self, fault: Fault) -> None:
        """Let this go wrong from now on.

        Raises:
            FaultError: only Modbus devices have it.
        """
        if fault.kind.is_modbus and self._profile.modbus is None:
            raise FaultError(f"fault {fault.kind}: {self._profile.profile} speaks no Modbus")
        self._device.spoiler.fault = fault

    def put(self, key: str, text: str) -> None:
        """Let it measure what a person says.

        Raises:
            SimulationError: there is no such point, or it cannot say this.
        """
        try:
            number = None if text.lower() == "none" else float(text)
        except ValueError:
            raise SimulationError(f"set {key}: found {text!r}, expected a number or none") from None
        self._device.put(key, number)

    async def run(self, ready: Callable[[str], None], ended: asyncio.Event) -> None:
        """Be there until `ended`.

        Args:
            ready: is told where it is, in words.
            ended: when to go.

        Raises:
            OSError: the port or the name cannot be had.
        """
        line, where = await self._opened()
        ready(f"{self._profile.profile} {self._what()} at {where}")
        try:
            while self._device.speaks_by_itself and not ended.is_set():
                for piece in self._device.spoken(now_s=self._now_s(), now_ms=self._clock.now_ms()):
                    asyncio.get_running_loop().call_later(piece.after_s, line.send, piece.data)
                await _within(ended, self._every_s)
            await ended.wait()
        finally:
            line.close()

    def answer(self, words: str) -> str:
        """What a typed line does, in words; nothing for an empty one."""
        match words.split():
            case []:
                return ""
            case ["fault", *rest]:
                self.fault(parse_fault(" ".join(rest)))
                return f"fault: {' '.join(rest)}"
            case ["set", key, text]:
                self.put(key, text)
                return f"{key}: {text}"
            case ["values"]:
                values = self._device.values
                return "\n".join(f"  {key} {_shown(values.at(key, self._now_s()))}" for key in values.keys)
            case _:
                return HELP

    async def _opened(self) -> tuple[PtyLine | TcpEndpoint, str]:
        if self._place.pty is not None:
            return PtyLine(self._place.pty, baud=self._baud, answers=self), str(self._place.pty)
        endpoint = TcpEndpoint(lambda: self, baud=self._baud if self._place.rtu_over_tcp else None)
        port = await endpoint.open(self._place.host, self._place.port)
        return endpoint, f"{self._place.host}:{port}"

    def _what(self) -> str:
        if self._device.speaks_by_itself:
            return f"speaks every {self._every_s:g} s"
        return f"answers as unit {self._device.unit}" if self._profile.modbus is not None else "answers"

    def _now_s(self) -> float:
        return self._clock.monotonic_s() - self._start_s


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _shown(number: float | None) -> str:
    return "no value" if number is None else f"{number:.9g}"
