"""Virtual time: those who sleep wake in the order of their times when a test moves the clock on."""

import asyncio
import heapq
import itertools

_TURNS = 12  # of the event loop, enough for whoever woke to come to its next sleep


class ManualClock:
    """Stands until `advance`; everybody sees the very moment it slept for."""

    def __init__(self, now_ms: int = 1_795_000_000_000) -> None:
        self._start_ms = now_ms
        self._passed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._start_ms + round(self._passed_s * 1000)

    def monotonic_s(self) -> float:
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed_s + max(0.0, seconds), next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on, stopping where somebody wakes."""
        end_s = self._passed_s + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            at_s, _, woken = heapq.heappop(self._sleepers)
            self._passed_s = max(self._passed_s, at_s)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self._passed_s = end_s

    async def _settle(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)  # noqa: TID251 - lets others run, waits for nothing
