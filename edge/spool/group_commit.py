"""Collects readings and makes them durable together: one sync for many.

I1. Readings are handed to the spool in the order they came, each once, even where the hand-over is cancelled.
I2. What the spool refuses is kept here, within a bound, and offered again; beyond the bound the oldest go and are
    counted: they were never accepted.
I3. An event (an alarm, a vehicle) waits for no group, unless another did within the last second: so many events cost
    one commit a second and not one each.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge.clock import Clock, set_within
from edge.spool.base import Reading, SpoolBrokenError, SpoolError, UnsendableError
from edge.spool.keeper import SpoolKeeper
from wire.records import RecordKind

_logger = logging.getLogger(__name__)
_MAX_HELD: Final = 20_000
_MAX_GROUP: Final = 1000
_RETRY_S: Final = 1.0
_URGENT_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReadings:
    """What waits to be made durable.

    `dropped` counts readings given up before acceptance because too many waited, `unsendable` those no payload can
    hold. `trouble` is what the spool says; None while it accepts.
    """

    held: int
    dropped: int
    unsendable: int
    trouble: str | None


class GroupCommit:
    """Between pollers and spool.

    Args:
        keeper: the spool.
        clock: the agent's clock.
        records: a group is committed when it has so many readings ...
        seconds: ... or when its first reading has waited so long.
        on_accepted: called after each group has become durable.
        max_held: how many readings are kept here while the spool refuses.
    """

    def __init__(
        self,
        keeper: SpoolKeeper,
        clock: Clock,
        *,
        records: int = 60,
        seconds: float = 1.0,
        on_accepted: Callable[[], None] = lambda: None,
        max_held: int = _MAX_HELD,
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._records = records
        self._seconds = seconds
        self._on_accepted = on_accepted
        self._max_held = max_held
        # Changed by `add` and `commit`, both on the event loop.
        self._held: deque[Reading] = deque()
        self._handed: list[Reading] = []
        self._accepting: asyncio.Future[tuple[int, int]] | None = None
        self._group_limit = _MAX_GROUP
        self._due_s = 0.0
        self._next_urgent_s = 0.0
        self._dropped = 0
        self._unsendable = 0
        self._trouble: str | None = None
        self._wake = asyncio.Event()
        self._committing = asyncio.Lock()

    def add(self, reading: Reading, *, urgent: bool = False) -> None:
        """Take a reading; it becomes durable with its group, an event or an urgent one at once (I3)."""
        now_s = self._clock.monotonic_s()
        urgent = urgent or _is_event(reading)
        if not self._held:
            self._due_s = now_s + self._seconds
        if urgent:
            self._due_s = min(self._due_s, max(now_s, self._next_urgent_s))
            self._next_urgent_s = max(self._next_urgent_s, self._due_s + _URGENT_EVERY_S)
        self._held.append(reading)
        if len(self._held) > self._max_held:
            self._held.popleft()
            self._dropped += 1
        if urgent or len(self._held) == 1 or len(self._held) >= self._records:
            self._wake.set()

    def held(self) -> HeldReadings:
        """What waits here."""
        return HeldReadings(
            held=len(self._handed) + len(self._held),
            dropped=self._dropped,
            unsendable=self._unsendable,
            trouble=self._trouble,
        )

    async def run(self) -> None:
        """Commit groups until cancelled.

        Raises:
            SpoolBrokenError: the disk failed; the process must end.
        """
        while True:
            await self._wait_for_group()
            async with self._committing:
                accepted = await self._hand_over()
            if not accepted:
                await self._clock.sleep(_RETRY_S)

    async def commit(self) -> bool:
        """Make everything held durable now; False where the spool refuses.

        Raises:
            SpoolBrokenError: the disk failed; the process must end.
        """
        async with self._committing:
            while self._handed or self._held:
                if not await self._hand_over():
                    return False
        return True

    async def _hand_over(self) -> bool:
        """One group, or the one whose hand-over was cancelled; False where the spool refuses."""
        if self._accepting is None and not self._held:
            return True
        if self._accepting is None:
            self._handed = [self._held.popleft() for _ in range(min(len(self._held), self._group_limit))]
            self._due_s = self._clock.monotonic_s() + (0 if any(map(_is_event, self._held)) else self._seconds)
            self._accepting = self._keeper.accepting(self._handed)
        await asyncio.wait((self._accepting,))
        accepting, self._accepting = self._accepting, None
        group, self._handed = self._handed, []
        try:
            accepting.result()
        except SpoolBrokenError:
            raise
        except UnsendableError as error:
            self._sift(group, error)
        except SpoolError as error:
            self._take_back(group)
            self._note_trouble(str(error))
            return False
        else:
            self._group_limit = min(_MAX_GROUP, 2 * self._group_limit)
            self._note_trouble(None)
            self._on_accepted()
        return True

    def _sift(self, group: list[Reading], error: UnsendableError) -> None:
        """Halve the group until the reading is alone that no payload can hold; give that one up."""
        if len(group) > 1:
            self._group_limit = len(group) // 2
            self._take_back(group)
            return
        self._unsendable += 1
        _logger.error("%s; this reading is given up", error)

    def _take_back(self, group: list[Reading]) -> None:
        self._held.extendleft(reversed(group))
        self._due_s = self._clock.monotonic_s()
        while len(self._held) > self._max_held:
            self._held.popleft()
            self._dropped += 1

    def _note_trouble(self, trouble: str | None) -> None:
        """Remember what the spool says, and log it when it changes."""
        if trouble is not None and self._trouble is None:
            _logger.error("%s; readings wait in memory", trouble)
        elif trouble is None and self._trouble is not None:
            _logger.warning("the spool accepts readings again")
        self._trouble = trouble

    async def _wait_for_group(self) -> None:
        while not self._is_due():
            self._wake.clear()
            if self._held:
                await set_within(self._wake, self._left_s(), self._clock)
            else:
                await self._wake.wait()

    def _is_due(self) -> bool:
        if self._accepting is not None:
            return True
        if not self._held:
            return False
        return len(self._held) >= self._records or self._left_s() <= 0

    def _left_s(self) -> float:
        """How long the group may still wait. Asked in one way only: two ways differ in their last digit."""
        return self._due_s - self._clock.monotonic_s()


def _is_event(reading: Reading) -> bool:
    return reading.stream.kind is RecordKind.EVENT
