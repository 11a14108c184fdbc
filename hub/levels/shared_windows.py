"""Which windows have to be put together again, where several hubs store and one of them puts the levels together.

I1. A window that was written to is remembered in the registry before `touch` returns, unless it is remembered already
    and no round of putting together was begun since: such a round still has to read what was just stored.
I2. It is forgotten only by a round that began after it was last touched.
"""

from collections.abc import Sequence
from typing import Protocol

from hub.clock import Clock
from hub.levels.level import GatewayHour, touched_by
from hub.levels.touched import AHEAD_NS, Due, due_of, oldest_ns
from hub.registry.model import RegistryError
from hub.registry.window_store import TouchedHour
from hub.series.base import SeriesError
from hub.series.sheet import Sheet

_NS_PER_MS = 1_000_000


class WindowBook(Protocol):
    """Where they are remembered. Every method is one transaction, durable when it returns, or RegistryError."""

    async def round(self) -> int:
        """The round that was last begun."""
        ...

    async def begin_round(self) -> int:
        """Begin one; returns its number."""
        ...

    async def touched(self) -> list[TouchedHour]:
        """All that is to be put together."""
        ...

    async def put(self, touched: Sequence[TouchedHour]) -> int:
        """Remember these; returns the round that was last begun before they were remembered."""
        ...

    async def forget(self, done: Sequence[TouchedHour], *, round_number: int) -> None:
        """A round put these together; what was touched since it began stays."""
        ...


class SharedWindows:
    """The windows to put together again, in the registry.

    Args:
        book: the registry's.
        keep_ns: how far back windows may still be put together; None is for ever.
        clock: the hub's clock.
    """

    def __init__(self, book: WindowBook, *, keep_ns: int | None, clock: Clock) -> None:
        self._book = book
        self._keep_ns = keep_ns
        self._clock = clock
        # Changed on the event loop only: what this hub knows to be remembered, and since which round.
        self._known: dict[GatewayHour, int] = {}
        self._known_round = -1
        self._led_round = -1

    async def touch(self, sheets: Sequence[Sheet]) -> None:
        """Remember the windows that these points lie in.

        Raises:
            SeriesError: the registry did not take it.
        """
        now_ns = self._clock.now_ms() * _NS_PER_MS
        touched = touched_by(sheets, start_ns=oldest_ns(now_ns, self._keep_ns), end_ns=now_ns + AHEAD_NS)
        if not touched:
            return
        try:
            self._believe(await self._book.round())
            new = {key: bits for key, bits in touched.items() if bits & ~self._known.get(key, 0)}
            if not new:
                return
            number = await self._book.put([TouchedHour(key.gateway, key.hour, new[key]) for key in new])
        except RegistryError as error:
            raise SeriesError(str(error)) from error
        self._believe(number)
        if number == self._known_round:  # else another hand has seen a newer round begin meanwhile
            for key, bits in new.items():
                self._known[key] = self._known.get(key, 0) | bits

    async def due(self) -> list[Due]:
        """Begin a round: the windows that ended and had time to settle, the newest hours first.

        Raises:
            SeriesError: the registry does not answer.
        """
        try:
            self._led_round = await self._book.begin_round()
            found = await self._book.touched()
        except RegistryError as error:
            raise SeriesError(str(error)) from error
        by_hour = [(GatewayHour(one.hour, one.gateway), one.windows) for one in found]
        return due_of(by_hour, now_ns=self._clock.now_ms() * _NS_PER_MS)

    def take(self, due: Due) -> None:
        """Nothing: the round that was begun says it."""

    async def done(self, some: Sequence[Due]) -> None:
        """These windows were put together: forget them, but for those that were touched since the round began.

        Raises:
            SeriesError: the registry did not do it; they will be put together once more.
        """
        done = [TouchedHour(due.key.gateway, due.key.hour, due.bits) for due in some]
        try:
            await self._book.forget(done, round_number=self._led_round)
        except RegistryError as error:
            raise SeriesError(str(error)) from error

    def _believe(self, round_number: int) -> None:
        if round_number > self._known_round:  # what was remembered before it may be forgotten by it
            self._known.clear()
            self._known_round = round_number
