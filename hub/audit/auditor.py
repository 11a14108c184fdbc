"""Counts rows in the series store and holds them against the ledger: nightly, and when a person asks.

I1. The ledger is read before the rows are counted, and ingest writes rows before the ledger: a day in the making can
    show a surplus, never a row as missing that is there.
I2. Nothing is repaired but by order, and nothing is called stored that is not proved to be.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hub.clock import Clock
from hub.operations.points import audit_point
from hub.registry.ledger import Accounts, Settlement, open_ranges
from hub.registry.model import DayCount, RegistryError
from hub.registry.store import Registry
from hub.series.base import SeriesError, SeriesStore, TimeRange
from hub.series.sheet import sheets_of
from wire.identifiers import GatewayId
from wire.ranges import RangeSet

_log = logging.getLogger(__name__)
MS_PER_DAY: Final = 86_400_000
_NS_PER_DAY: Final = MS_PER_DAY * 1_000_000
NIGHTLY_DAYS: Final = 7
# After midnight UTC, so that yesterday is complete but for the backlog of those who were away.
_NIGHTLY_AT_MS: Final = 2 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found, day by day, and in words what it repaired or could not."""

    days: tuple[DayCount, ...]
    repaired: tuple[str, ...] = ()

    @property
    def differing(self) -> list[DayCount]:
        """The days on which the rows are not as many as the ledger says."""
        return [one for one in self.days if one.missing or one.surplus]


class Auditor:
    """Audits.

    Args:
        registry: the ledger, and where findings are kept.
        series: what is counted, and where the sum is written.
        clock: the hub's clock.
    """

    def __init__(self, *, registry: Registry, series: SeriesStore, clock: Clock) -> None:
        self._registry = registry
        self._series = series
        self._clock = clock

    async def run(self) -> None:
        """Audit the last days every night until cancelled."""
        while True:
            await self._clock.sleep(until_next_ms(self._clock.now_ms()) / 1000)
            today = self._clock.now_ms() // MS_PER_DAY
            try:
                found = await self.audit(first_day=today - NIGHTLY_DAYS, last_day=today - 1)
            except (RegistryError, SeriesError) as error:
                _log.error("the nightly audit could not be done: %s", error)
                continue
            missing = sum(one.missing for one in found.days)
            _log.log(logging.ERROR if missing else logging.INFO, "audit: %d rows are missing", missing)

    async def audit(self, *, first_day: int, last_day: int, repair: bool = False) -> Audit:
        """Count each gateway's rows of each of these UTC days (since 1970-01-01); with `repair`, see `repaired`.

        Raises:
            RegistryError, SeriesError: one of the two cannot answer; nothing is claimed.
        """
        expected = await self._registry.audits.stored(first_day=first_day, last_day=last_day)
        gateways = [gateway.gateway for gateway in await self._registry.fleet.gateways()]
        days = [
            await self._count(gateway, day, expected.get((gateway, day), 0))
            for gateway in gateways
            for day in range(first_day, last_day + 1)
        ]
        days = [one for one in days if one.stored or one.rows]
        repaired = await self._repair(gateways, days) if repair else ()
        if repair:
            days = [replace(one, stored=one.rows) for one in days]
        await self._registry.audits.record(days)
        await self._series.write(sheets_of([audit_point(days, now_ms=self._clock.now_ms())]))
        return Audit(days=tuple(days), repaired=repaired)

    async def _count(self, gateway: GatewayId, day: int, stored: int) -> DayCount:
        span = TimeRange(start_ns=day * _NS_PER_DAY, end_ns=(day + 1) * _NS_PER_DAY)
        rows = await self._series.count_points(gateway, span)
        return DayCount(gateway=gateway, day=day, stored=stored, rows=rows, audited_ms=self._clock.now_ms())

    async def _repair(self, gateways: Sequence[GatewayId], days: Sequence[DayCount]) -> tuple[str, ...]:
        told = [line for gateway in gateways if (line := await self._explain(gateway)) is not None]
        differing = [one for one in days if one.missing or one.surplus]
        await self._registry.audits.believe_rows(differing)
        told += [
            f"gateway {one.gateway}: {one.rows} rows are expected of day {one.day} from now on" for one in differing
        ]
        return tuple(told)

    async def _explain(self, gateway: GatewayId) -> str | None:
        """Find the unexplained records of a gateway among its rows, where counting proves that they are there."""
        accounts = await self._registry.ledger.accounts(gateway)
        if not accounts.unexplained:
            return None
        surplus = await self._series.count_points(gateway) - accounts.stored
        if (doubt := why_unproved(accounts, surplus)) is not None:
            return f"gateway {gateway}: {doubt}; its accounts stay as they are"
        epochs = await self._registry.ledger.epochs(gateway)
        settlements = [
            Settlement(gateway=gateway, epoch=epoch, stored=holes)
            for epoch, ledger in epochs.items()
            if (holes := open_ranges(ledger)) != RangeSet()
        ]
        await self._registry.ledger.settle(settlements, now_ms=self._clock.now_ms())
        return f"gateway {gateway}: its {accounts.unexplained} unexplained records are in the series store: now stored"


def why_unproved(accounts: Accounts, surplus: int) -> str | None:
    """Why the rows beyond the ledger's do not prove where the unexplained records are; None where they do. Pure.

    Each row is one record that the gateway sent. Where no other record is open, and the rows that the ledger does not
    know are as many as the records nobody can explain, they are the same. One row fewer could be any of them.
    """
    if accounts.in_flight:
        return f"{accounts.in_flight} records are under way: audit again when they have arrived"
    if surplus != accounts.unexplained:
        return (
            f"{accounts.unexplained} records are unexplained and {max(0, surplus)} rows are in the series store that "
            "the ledger does not know: not the same number proves nothing"
        )
    return None


def until_next_ms(now_ms: int) -> int:
    """How long until the next nightly audit. Pure."""
    return MS_PER_DAY - (now_ms - _NIGHTLY_AT_MS) % MS_PER_DAY
