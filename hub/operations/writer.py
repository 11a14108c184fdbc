"""Writes how the hub and its gateways are, every ten seconds, through the hub's own series store."""

import logging
from collections.abc import Callable
from typing import Final, Protocol

from hub.clock import Clock
from hub.ingest.counters import IngestCounters
from hub.operations.points import HubNumbers, gateway_points, hub_points
from hub.registry.ledger import Accounts
from hub.registry.model import Gateway, RegistryError
from hub.series.base import SeriesStore
from hub.series.sheet import sheets_of

_log = logging.getLogger(__name__)
EVERY_S: Final = 10.0


class Fleet(Protocol):
    """Who is there."""

    async def gateways(self) -> list[Gateway]:
        """All registered gateways."""
        ...


class Ledger(Protocol):
    """Where records are."""

    async def all_accounts(self) -> list[Accounts]:
        """The accounts of each registered gateway."""
        ...


class Letters(Protocol):
    """What was put aside."""

    async def open_count(self) -> int:
        """How many there are."""
        ...


class Books(Protocol):
    """The three together."""

    @property
    def fleet(self) -> Fleet:
        """Who is there."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Where records are."""
        ...

    @property
    def dead_letters(self) -> Letters:
        """What was put aside."""
        ...


class OperationsWriter:
    """Says how everything is.

    Args:
        registry: the fleet, the ledger and the dead letters.
        series: where it is written.
        ingest: the worker's counters.
        is_online: whether a gateway is there at a time in ms.
        memory_bytes: what the hub's process holds, None where it cannot be known.
        clock: the hub's clock.
    """

    def __init__(
        self,
        *,
        registry: Books,
        series: SeriesStore,
        ingest: Callable[[], IngestCounters],
        is_online: Callable[[Gateway, int], bool],
        memory_bytes: Callable[[], float | None],
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._series = series
        self._ingest = ingest
        self._is_online = is_online
        self._memory_bytes = memory_bytes
        self._clock = clock

    async def run(self) -> None:
        """Write again and again until cancelled."""
        while True:
            try:
                await self.write()
            except RegistryError as error:
                _log.warning("how the gateways are is not written: %s", error)
            await self._clock.sleep(EVERY_S)

    async def write(self) -> None:
        """Write once. A store that does not take it is not asked again: the next is due soon.

        Raises:
            RegistryError: the registry cannot answer.
        """
        gateways = await self._registry.fleet.gateways()
        accounts = {one.gateway: one for one in await self._registry.ledger.all_accounts()}
        dead_letters = await self._registry.dead_letters.open_count()
        now_ms = self._clock.now_ms()
        numbers = HubNumbers(ingest=self._ingest(), dead_letters_open=dead_letters, memory_bytes=self._memory_bytes())
        points = list(hub_points(numbers, now_ms=now_ms))
        for gateway in gateways:
            if gateway.gateway in accounts:
                online = self._is_online(gateway, now_ms)
                points += gateway_points(gateway, accounts[gateway.gateway], is_online=online, now_ms=now_ms)
        await self._series.write(sheets_of(points))
