"""A machine in the simulation: its clock, its end, and the file that keeps its times."""

import asyncio
import random
from dataclasses import dataclass

from tests.simulation.virtual_loop import VirtualLoop
from tests.support.fake_disk import FakeDisk

START_MS = 1_795_000_000_000
SECOND_MS = 1000
_IN_TIME = 0.5
_TICK_S = 1e-4  # a sleep too short for the clock's own digits would be no sleep at all


class DiedError(BaseException):
    """The process is gone in the middle of what it did."""


@dataclass
class Clock:
    """A machine's clock, which may be wrong by `ahead_ms`; monotonic time begins anew with each boot."""

    loop: VirtualLoop
    booted_s: float = 0.0
    ahead_ms: int = 0
    follows_a_server: bool = True

    def now_ms(self) -> int:
        return max(0, START_MS + self.ahead_ms + round(self.loop.now_s * 1000))

    def is_disciplined(self) -> bool:
        return self.follows_a_server

    def both(self) -> tuple[int, float]:
        return self.now_ms(), self.monotonic_s()

    def step(self, by_ms: int) -> None:
        """Somebody sets it. By more than a second that was no time server, and Linux forgets that it followed one."""
        self.ahead_ms += by_ms
        self.follows_a_server = self.follows_a_server and abs(by_ms) <= SECOND_MS

    def monotonic_s(self) -> float:
        return self.loop.now_s - self.booted_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(_TICK_S, seconds) if seconds > 0 else 0)


class TimesFile:
    """The file of the book of times, on the disk of one life: a cut in the middle leaves the old or the new one."""

    def __init__(self, disk: FakeDisk, chance: random.Random, data: bytes | None = None) -> None:
        self._disk = disk
        self._chance = chance
        self._durable = data
        self._data = data

    def read(self) -> bytes | None:
        return self._data

    def write(self, data: bytes) -> None:
        try:
            self._disk.before("write")
        except DiedError:
            if self._disk.before is not gone and self._chance.random() < _IN_TIME:
                self._data = self._durable = data
            raise
        self._data = data
        if not self._disk.lies:
            self._durable = data

    def after(self, disk: FakeDisk, *, is_power_cut: bool) -> "TimesFile":
        """As the next life finds it."""
        return TimesFile(disk, self._chance, self._durable if is_power_cut else self._data)


def gone(operation: str) -> None:
    raise DiedError(operation)
