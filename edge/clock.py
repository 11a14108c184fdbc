"""The only place of the agent that may ask the time or wait."""

import asyncio
import ctypes
import math
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final, Protocol

_TIMEX_BYTES: Final = 256  # struct timex is 208 on 64-bit machines
_TIMEX_STATUS: Final = 5 * ctypes.sizeof(ctypes.c_long)  # behind modes, offset, freq, maxerror and esterror
_STA_UNSYNC: Final = 0x40
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TRIES: Final = 5
_CLOSE_S: Final = 0.0002
_LOOP_TICK_S: Final = 0.001  # epoll counts in milliseconds
_FINE_S: Final = 0.005  # the silence between frames at 9600 baud and above


class Clock(Protocol):
    """Wall time, monotonic time, and waiting."""

    def now_ms(self) -> int:
        """UTC, milliseconds since 1970. It may step."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never step, from an arbitrary beginning."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; not at all where `seconds` is zero or less."""
        ...


class MachineClock(Clock, Protocol):
    """A clock that somebody else sets."""

    def is_disciplined(self) -> bool:
        """Whether it follows a time server."""
        ...

    def both(self) -> tuple[int, float]:
        """UTC in milliseconds and the monotonic seconds of the same moment."""
        ...


class SystemClock:
    """The machine's clock."""

    def is_disciplined(self) -> bool:
        """Whether the kernel follows a time server; False where it cannot be asked.

        Source: adjtimex(2), the flag STA_UNSYNC of `status`.
        """
        state = ctypes.create_string_buffer(_TIMEX_BYTES)
        try:
            told = ctypes.CDLL(None).adjtimex(state)
        except (OSError, AttributeError):
            return False
        status = int.from_bytes(state.raw[_TIMEX_STATUS : _TIMEX_STATUS + 4], sys.byteorder)
        return told >= 0 and not status & _STA_UNSYNC

    def boot_id(self) -> str:
        """The name of the machine's present boot; a new one for each call where the kernel does not tell."""
        try:
            return _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return str(uuid.uuid4())

    def both(self) -> tuple[int, float]:
        """UTC in milliseconds and the monotonic seconds of the same moment, as well as can be had in a few tries."""
        now_ms, at_s, best_s = 0, 0.0, math.inf
        for _ in range(_TRIES):
            before_s, wall_ms = time.monotonic(), time.time_ns() // 1_000_000
            took_s = time.monotonic() - before_s
            if took_s < best_s:
                now_ms, at_s, best_s = wall_ms, before_s + took_s / 2, took_s
            if best_s < _CLOSE_S:
                break
        return now_ms, at_s

    def now_ms(self) -> int:
        """UTC, milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """The system's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop; of a pause between two frames the last fraction of a millisecond precisely.

        The event loop wakes up to a millisecond late, which would be a tenth of an exchange at 115200 baud.
        """
        if not 0 < seconds <= _FINE_S:
            await asyncio.sleep(max(0.0, seconds))
            return
        end_s = time.monotonic() + seconds
        if seconds > _LOOP_TICK_S:
            await asyncio.sleep(seconds - _LOOP_TICK_S)
        time.sleep(max(0.0, end_s - time.monotonic()))  # noqa: ASYNC251 - less than a tick of the loop


async def set_within(event: asyncio.Event, seconds: float, clock: Clock) -> bool:
    """Wait until the event is set, but no longer than so many seconds of the clock; whether it is set."""
    if event.is_set() or seconds <= 0:
        return event.is_set()
    alarm = asyncio.create_task(clock.sleep(seconds), name="alarm")
    waiting = asyncio.create_task(event.wait(), name="wait")
    tasks: set[asyncio.Task[Any]] = {alarm, waiting}  # of either one only the end matters
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
    return event.is_set()


class Nap:
    """A wait that somebody may end early.

    Args:
        clock: whose seconds it counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Changed by sleep and end only.
        self._waiting: asyncio.Task[None] | asyncio.Future[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Wait; for ever where `seconds` is infinite."""
        if math.isinf(seconds):
            self._waiting = asyncio.get_running_loop().create_future()
        else:
            self._waiting = asyncio.create_task(self._clock.sleep(seconds), name="nap")
        try:
            await asyncio.wait((self._waiting,))
        finally:
            self._waiting.cancel()
            self._waiting = None

    def end(self) -> None:
        """Let who sleeps here go on."""
        if self._waiting is not None:
            self._waiting.cancel()
