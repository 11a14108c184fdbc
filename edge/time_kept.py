"""The clock that the agent goes by, and the file that the book of times is kept in."""

import os
from pathlib import Path

from edge.clock import MachineClock
from edge.time_trust import TimeTrust


class KeptClock:
    """Waits as the machine's clock does, and gives the time that is believed, which no step of the machine's moves.

    Args:
        clock: the machine's.
        trust: what is known of the time.
    """

    def __init__(self, clock: MachineClock, trust: TimeTrust) -> None:
        self._clock = clock
        self._trust = trust

    def hear(self) -> None:
        """Look at the machine's own clock: what it says, and whether a time server vouches for it."""
        now_ms, at_s = self._clock.both()
        self._trust.kernel_says(is_disciplined=self._clock.is_disciplined(), now_ms=now_ms, at_s=at_s)

    def now_ms(self) -> int:
        """UTC, milliseconds since 1970; provisional while nobody knows it."""
        return self._trust.moment(self._clock.monotonic_s()).time_ms

    def monotonic_s(self) -> float:
        """The machine's monotonic seconds."""
        return self._clock.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        """Wait as the machine's clock does."""
        await self._clock.sleep(seconds)


class ReplacedFile:
    """A file that is written anew as a whole: after a power cut either the old or the new one is there.

    Args:
        path: where it is; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """What was written last; None where nothing was.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, data: bytes) -> None:
        """Put this in its place; durable when it returns.

        Raises:
            OSError: it may be there or not.
        """
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
