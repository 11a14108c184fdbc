"""What the API and the page show, gathered from the registry, the series store and the running parts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.api.asked import MAX_SAMPLES, NothingThere, Windowing, the_one
from hub.api.export import csv_of
from hub.api.letter_views import (
    ClosedView,
    LetterContents,
    LetterView,
    LostView,
    closed_view,
    letter_contents,
    letter_view,
    lost_view,
)
from hub.api.views import (
    DeviceView,
    FleetView,
    LatestView,
    Meanings,
    SamplesView,
    SeriesView,
    SiteView,
    device_views,
    fleet_view,
    sample_view,
    site_views,
)
from hub.clock import Clock
from hub.ingest.counters import IngestCounters
from hub.levels.level import Level
from hub.operations.alarms import Alarm, alarms_of
from hub.registry.model import RegistryError
from hub.registry.store import Registry
from hub.series.base import Selection, SeriesError, SeriesKey, SeriesStore, TimeRange
from hub.series.names import HUB_MEASUREMENTS
from wire.identifiers import GatewayId

_ANSWER_S: Final = 3.0
_NOBODY: Final = "sen-health-probe"  # a name nobody has: the store has to answer, and has nothing to read


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part of the hub; `trouble` is None while it works."""

    kind: str
    ok: bool
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestHealth:
    """Taking batches in; counted since the hub started."""

    ok: bool
    trouble: str | None
    queue_messages: int
    queue_bytes: int
    received: int
    dropped_full: int
    dropped_flood: int
    held_back: int
    breaker_open: bool
    unreadable: int
    forged: int
    ignored_unknown: int
    ignored_blocked: int
    records_stored: int
    records_refused: int
    commits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The hub: `ok` when all its parts are. `alarms`: what a person has to look at, whether or not all parts work.

    `store_found`: what the series store was found to do when it was tried out; empty for the embedded one. `leads`:
    whether it is this one of several hubs that keeps levels, freshness, accounts and audits.
    """

    ok: bool
    version: str
    now_ms: int
    started_ms: int
    broker: PartHealth
    series: PartHealth
    registry: PartHealth
    ingest: IngestHealth
    alarms: tuple[Alarm, ...]
    store_found: tuple[str, ...]
    leads: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the running hub says about itself: its version, its kinds of parts, its broker link and its ingest."""

    version: str
    started_ms: int
    broker_kind: str
    series_kind: str
    registry_kind: str
    broker_trouble: Callable[[], str | None]
    ingest: Callable[[], IngestCounters]
    store_faults: Callable[[], Sequence[str]] = tuple
    store_found: Callable[[], Sequence[str]] = tuple
    leads: Callable[[], bool] = lambda: True


class Shown:
    """Answers what is asked; reads only."""

    def __init__(
        self,
        *,
        registry: Registry,
        series: SeriesStore,
        running: Running,
        clock: Clock,
        levels: Mapping[Level, SeriesStore] | None = None,
    ) -> None:
        self._registry = registry
        self._series = series
        self._levels = {Level.RAW: series, **(levels or {})}
        self._running = running
        self._clock = clock

    def now_ms(self) -> int:
        """The hub's clock."""
        return self._clock.now_ms()

    async def health(self) -> Health:
        """The hub and its parts; never raises for a part in trouble."""
        series, registry = await asyncio.gather(
            self._part(self._running.series_kind, lambda: self._series.series(Selection(gateway=_NOBODY))),
            self._part(self._running.registry_kind, lambda: self._registry.fleet.gateway(GatewayId(_NOBODY))),
        )
        trouble = self._running.broker_trouble()
        broker = PartHealth(kind=self._running.broker_kind, ok=trouble is None, trouble=trouble)
        ingest = _ingest_health(self._running.ingest())
        return Health(
            ok=broker.ok and series.ok and registry.ok and ingest.ok,
            version=self._running.version,
            now_ms=self.now_ms(),
            started_ms=self._running.started_ms,
            broker=broker,
            series=series,
            registry=registry,
            ingest=ingest,
            alarms=await self._alarms(),
            store_found=tuple(self._running.store_found()),
            leads=self._running.leads(),
        )

    async def letters(self, gateway: str | None, *, limit: int) -> list[LetterView]:
        """The newest dead letters."""
        asked = None if gateway is None else GatewayId(gateway)
        return [letter_view(letter) for letter in await self._registry.dead_letters.letters(asked, limit=limit)]

    async def letter(self, letter_id: int) -> LetterContents:
        """One dead letter whole.

        Raises:
            NothingThere: it is not there.
        """
        letter = await self._registry.dead_letters.letter(letter_id)
        if letter is None:
            raise NothingThere(f"dead letter {letter_id} is not there: list those that are")
        return letter_contents(letter)

    async def closed_letters(self, gateway: str | None, *, limit: int) -> list[ClosedView]:
        """The traces of dead letters that people dealt with, the newest first."""
        asked = None if gateway is None else GatewayId(gateway)
        return [closed_view(letter) for letter in await self._registry.dead_letters.closed(asked, limit=limit)]

    async def losses(self, gateway: str) -> list[LostView]:
        """What is lost of one gateway's records, range by range."""
        return [lost_view(lost) for lost in await self._registry.ledger.losses(GatewayId(gateway))]

    async def sites(self) -> list[SiteView]:
        """All sites."""
        sites, gateways = await self._registry.fleet.sites(), await self._registry.fleet.gateways()
        return site_views(sites, gateways, now_ms=self.now_ms())

    async def fleet(self) -> FleetView:
        """All gateways with their accounts."""
        gateways = await self._registry.fleet.gateways()
        accounts = await self._registry.ledger.all_accounts()
        unknown = await self._registry.fleet.unknown_gateways()
        return fleet_view(gateways, accounts, unknown, now_ms=self.now_ms())

    async def devices(self, gateway: str | None) -> list[DeviceView]:
        """The devices of one gateway, or of all."""
        devices = await self._registry.fleet.devices(None if gateway is None else GatewayId(gateway))
        return device_views(devices, await self._registry.fleet.gateways(), now_ms=self.now_ms())

    async def latest(self, asked: Selection) -> list[LatestView]:
        """The newest value of each series; what the hub itself writes only where its measurement is asked for."""
        meanings = await self._meanings(asked)
        found = await self._series.latest(asked)
        now_ms = self.now_ms()
        return [meanings.latest(item, now_ms=now_ms) for item in found if _is_asked(item.series, asked)]

    async def series(self, asked: Selection) -> list[SeriesView]:
        """The series there are; those the hub itself writes only where their measurement is asked for."""
        meanings = await self._meanings(asked)
        return [meanings.series(key) for key in await self._series.series(asked) if _is_asked(key, asked)]

    async def export(self, asked: Selection, time_range: TimeRange, *, level: Level) -> AsyncIterator[str]:
        """The pieces of a CSV of every series that matches, as many values as there are.

        Raises:
            SeriesError: the store cannot answer; it may also be raised while the pieces are taken.
        """
        store = self._levels[level]
        await store.series(Selection(gateway=_NOBODY))  # whether it answers at all, before anything is promised
        return csv_of(store, await self._meanings(asked), asked, time_range, level=level)

    async def samples(
        self, asked: Selection, time_range: TimeRange, *, windowing: Windowing | None, limit: int
    ) -> SamplesView:
        """Values of one series over time, at most `limit`, the newest.

        Raises:
            AskedError: several series are meant.
            NothingThere: none is.
        """
        key = the_one(await self._series.series(asked))
        meanings = await self._meanings(Selection(gateway=key.gateway))
        if windowing is None:
            kept = min(limit, MAX_SAMPLES)
            samples = await self._series.samples(key, time_range, limit=kept + 1)
        else:
            kept = limit
            samples = await self._series.windows(
                key, time_range, aggregate=windowing.aggregate, window_ns=windowing.window_ns
            )
        return SamplesView(
            series=meanings.series(key),
            aggregate=None if windowing is None else windowing.aggregate.value,
            window_s=None if windowing is None else windowing.window_ns / 1e9,
            samples=tuple(sample_view(sample) for sample in samples[-kept:]),
            truncated=len(samples) > kept,
        )

    async def _alarms(self) -> tuple[Alarm, ...]:
        counters = self._running.ingest()
        try:
            async with asyncio.timeout(_ANSWER_S):
                return tuple(
                    alarms_of(
                        ingest=counters,
                        dead_letters=await self._registry.dead_letters.counts(),
                        accounts=await self._registry.ledger.all_accounts(),
                        differing=await self._registry.audits.differing(),
                        store_faults=self._running.store_faults(),
                    )
                )
        except (TimeoutError, RegistryError):  # the registry's own health says so
            return tuple(alarms_of(ingest=counters, store_faults=self._running.store_faults()))

    async def _meanings(self, asked: Selection) -> Meanings:
        gateway = None if asked.gateway is None else GatewayId(asked.gateway)
        return Meanings(await self._registry.fleet.devices(gateway))

    async def _part(self, kind: str, ask: Callable[[], Awaitable[object]]) -> PartHealth:
        try:
            async with asyncio.timeout(_ANSWER_S):
                await ask()
        except TimeoutError:
            return PartHealth(kind=kind, ok=False, trouble=f"no answer within {_ANSWER_S:.0f} s")
        except (SeriesError, RegistryError) as error:
            return PartHealth(kind=kind, ok=False, trouble=str(error))
        return PartHealth(kind=kind, ok=True, trouble=None)


def _is_asked(series: SeriesKey, asked: Selection) -> bool:
    return asked.measurement is not None or series.measurement not in HUB_MEASUREMENTS


def _ingest_health(counters: IngestCounters) -> IngestHealth:
    return IngestHealth(
        ok=counters.trouble is None,
        trouble=counters.trouble,
        queue_messages=counters.queue_messages,
        queue_bytes=counters.queue_bytes,
        received=counters.received,
        dropped_full=counters.dropped_full,
        dropped_flood=sum(counters.dropped_flood.values()),
        held_back=counters.held_back,
        breaker_open=counters.breaker.is_open,
        unreadable=counters.unreadable,
        forged=counters.forged,
        ignored_unknown=counters.ignored_unknown,
        ignored_blocked=counters.ignored_blocked,
        records_stored=counters.records_stored,
        records_refused=counters.records_refused,
        commits=counters.commits,
    )
