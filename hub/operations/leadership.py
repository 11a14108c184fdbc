"""Of several hubs on one registry, one leads: it alone does what must not be done twice.

I1. A hub leads only while its last beat is younger than half the lease; another takes over no earlier than a whole
    lease after it saw the last one. Each counts by its own monotonic clock, so nobody's wall clock matters.
I2. Where the leader ends, by itself or without warning, another leads within the lease and a few beats.
I3. A hub that was stopped in the middle of its work, and goes on after another took over, may end one request that it
    had begun. Whatever the leader does must bear that: it writes what depends only on what is stored.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from hub.clock import Clock
from hub.registry.lease_store import Lease
from hub.registry.model import RegistryError

_log = logging.getLogger(__name__)
_BEATS: Final = 8  # in one lease


class LeaseBook(Protocol):
    """The lease. Every method is one transaction, durable when it returns, or RegistryError."""

    async def look(self) -> Lease | None:
        """The lease as it is; None where nobody has it."""
        ...

    async def take(self, holder: str, *, seen: Lease | None) -> bool:
        """Make it the holder's if it still is as it was seen."""
        ...

    async def beat(self, holder: str) -> bool:
        """Say that the holder lives; whether the lease is still its own."""
        ...

    async def give_back(self, holder: str) -> None:
        """The holder ends: others need not wait."""
        ...


class Alone:
    """A hub that shares with nobody leads from its first moment."""

    leads = True

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work."""
        await work()


class Leadership:
    """One hub's part among several.

    Args:
        book: where the lease is.
        holder: a name that no other hub has, nor this one had before.
        lease_s: how long a leader may be silent before another takes over.
        clock: the hub's clock.
    """

    def __init__(self, book: LeaseBook, *, holder: str, lease_s: float, clock: Clock) -> None:
        self._book = book
        self._holder = holder
        self._lease_s = lease_s
        self._clock = clock
        # Changed by run only.
        self.leads = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work whenever this hub leads, until cancelled; it is cancelled when this hub leads no more."""
        try:
            while True:
                began_s = await self._until_taken()
                self.leads = True
                _log.info("this hub leads: it keeps levels, freshness, accounts and audits")
                await self._lead(work, began_s)
                _log.warning("this hub leads no more: its lease was not renewed in time")
        finally:
            self.leads = False
            with suppress(RegistryError):
                await asyncio.shield(self._book.give_back(self._holder))

    async def _lead(self, work: Callable[[], Awaitable[None]], began_s: float) -> None:
        async def do() -> None:
            await work()

        async with asyncio.TaskGroup() as tasks:
            doing = tasks.create_task(do(), name="leader")
            await self._until_lost(began_s)
            self.leads = False
            doing.cancel()

    async def _until_taken(self) -> float:
        """Wait until nobody leads, and take the lease; returns when that was begun."""
        seen: Lease | None = None
        since_s = self._clock.monotonic_s()
        while True:
            began_s = self._clock.monotonic_s()
            with suppress(RegistryError):  # ingest and health say so
                found = await self._book.look()
                if found != seen:
                    seen, since_s = found, self._clock.monotonic_s()
                is_free = found is None or self._clock.monotonic_s() - since_s >= self._lease_s
                if is_free and await self._book.take(self._holder, seen=found):
                    return began_s
            await self._clock.sleep(self._lease_s / _BEATS)

    async def _until_lost(self, beaten_s: float) -> None:
        """Beat until the lease is another's, or could not be renewed for half its time."""
        while (left_s := beaten_s + self._lease_s / 2 - self._clock.monotonic_s()) > 0:
            began_s = self._clock.monotonic_s()
            with suppress(RegistryError, TimeoutError):
                async with asyncio.timeout(left_s):
                    if not await self._book.beat(self._holder):
                        return
                beaten_s = began_s
            await self._clock.sleep(self._lease_s / _BEATS)
