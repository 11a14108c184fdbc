"""A clock that stands until somebody sleeps: then it jumps."""

import asyncio


class FakeClock:
    """Sleeping takes no real time and moves both times on; `slept` keeps what was asked for."""

    def __init__(self, now_ms: int = 1_795_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_s = 1000.0
        self.slept: list[float] = []
        self._sleeping = asyncio.Condition()

    def now_ms(self) -> int:
        return self._now_ms

    def is_disciplined(self) -> bool:
        return True

    def both(self) -> tuple[int, float]:
        return self._now_ms, self._monotonic_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        async with self._sleeping:
            self.slept.append(seconds)
            self._sleeping.notify_all()
        await asyncio.sleep(0)  # noqa: TID251 - lets others run, waits for nothing

    async def until_slept(self, times: int) -> None:
        """Wait until somebody has slept so often."""
        async with self._sleeping:
            await self._sleeping.wait_for(lambda: len(self.slept) >= times)

    def advance(self, seconds: float) -> None:
        self._now_ms += int(seconds * 1000)
        self._monotonic_s += seconds
