"""Collects readings and makes them durable together: one sync for many.

I1. Readings are handed to the spool in the order they came.
I2. What the spool refuses is kept here, within a bound, and offered again; beyond the bound the oldest go and are
    counted: they were never accepted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge.clock import Clock
from edge.spool.base import Reading, SpoolBrokenError, SpoolError
from edge.spool.keeper import SpoolKeeper

_logger = logging.getLogger(__name__)
_MAX_HELD: Final = 20_000
_MAX_GROUP: Final = 1000
_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReadings:
    """What waits to be made durable: how much, how many were given up before acceptance, and what the spool says."""

    held: int
    dropped: int
    trouble: str | None


class GroupCommit:
    """Between pollers and spool.

    Args:
        keeper: the spool.
        clock: the agent's clock.
        records: a group is committed when it has so many readings ...
        seconds: ... or when its first reading has waited so long.
        on_accepted: called after each group has become durable.
    """

    def __init__(
        self, keeper: SpoolKeeper, clock: Clock, *, records: int, seconds: float, on_accepted: Callable[[], None]
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._records = records
        self._seconds = seconds
        self._on_accepted = on_accepted
        # Changed by `add` and `run`, both on the event loop.
        self._held: deque[Reading] = deque()
        self._first_at_s = 0.0
        self._urgent = False
        self._dropped = 0
        self._trouble: str | None = None
        self._wake = asyncio.Event()

    def add(self, reading: Reading, *, urgent: bool = False) -> None:
        """Take a reading; it becomes durable with its group, an urgent one at once."""
        if not self._held:
            self._first_at_s = self._clock.monotonic_s()
        self._held.append(reading)
        if len(self._held) > _MAX_HELD:
            self._held.popleft()
            self._dropped += 1
        self._urgent = self._urgent or urgent
        if urgent or len(self._held) == 1 or len(self._held) >= self._records:
            self._wake.set()

    def held(self) -> HeldReadings:
        """What waits here."""
        return HeldReadings(held=len(self._held), dropped=self._dropped, trouble=self._trouble)

    async def run(self) -> None:
        """Commit groups until cancelled.

        Raises:
            SpoolBrokenError: the disk failed; the process must end.
        """
        while True:
            await self._wait_for_group()
            if not await self.commit():
                await self._clock.sleep(_RETRY_S)

    async def commit(self) -> bool:
        """Make everything held durable now; False where the spool refuses.

        Raises:
            SpoolBrokenError: the disk failed; the process must end.
        """
        while self._held:
            group = list(self._held)[:_MAX_GROUP]
            self._urgent = False
            try:
                await self._keeper.accept(group)
            except SpoolBrokenError:
                raise
            except SpoolError as error:
                if self._trouble is None:
                    _logger.error("%s; %d readings wait in memory", error, len(self._held))  # noqa: TRY400 - said once
                self._trouble = str(error)
                return False
            for _ in group:
                self._held.popleft()
            self._first_at_s = self._clock.monotonic_s()
            if self._trouble is not None:
                _logger.warning("the spool accepts readings again")
                self._trouble = None
            self._on_accepted()
        return True

    async def _wait_for_group(self) -> None:
        while not self._is_due():
            self._wake.clear()
            if self._held:
                left_s = self._first_at_s + self._seconds - self._clock.monotonic_s()
                await self._wake_within(left_s)
            else:
                await self._wake.wait()

    async def _wake_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _is_due(self) -> bool:
        if not self._held:
            return False
        waited_s = self._clock.monotonic_s() - self._first_at_s
        return self._urgent or len(self._held) >= self._records or waited_s >= self._seconds
