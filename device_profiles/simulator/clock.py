"""The only place of simulated devices that may ask the time or wait."""

import asyncio
import time
from typing import Protocol


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


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """UTC, milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """The system's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(max(0.0, seconds))
