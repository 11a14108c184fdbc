"""Puts windows together: reads what was touched, writes the levels, tells who computes from hours.

I1. A window is forgotten only after every level, and everybody who follows, has it.
I2. What it writes depends only on what is stored: doing it again, or late, or after a crash, changes nothing.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from hub.clock import Clock
from hub.levels.fold import Fold, QuantityOf, folds_by_window, point_of
from hub.levels.level import FIVE_MINUTES_NS, HOUR_BIT, Level, to_read, windows_of
from hub.levels.touched import Due, Windows
from hub.registry.model import RegistryError
from hub.series.base import Selection, SeriesError, SeriesKey, SeriesStore, TimeRange
from hub.series.sheet import Point, sheets_of

_log = logging.getLogger(__name__)

ROUND_S: Final = 30.0
# So much is read at a time: what is held does not grow with the hour.
_SLICE_NS: Final = 3 * FIVE_MINUTES_NS
# So much of a backlog is written at a time: a write costs the disk the same for an hour and for a day.
_HOURS_AT_ONCE: Final = 24
# Written whole to every level by whoever computes it.
_WHOLE: Final = frozenset({"indicator"})

Source: TypeAlias = tuple[str, str, str, str, str, str]
_Folds: TypeAlias = dict[int, dict[SeriesKey, Fold]]


class Quantities(Protocol):
    """What the fields of a gateway's devices are."""

    async def of_gateway(self, gateway: str) -> QuantityOf:
        """How to find the quantity of each series of one gateway.

        Raises:
            RegistryError: the registry cannot answer.
        """
        ...


# Is told of a gateway and its hours (since 1970) that stand in the hourly level, anew or changed.
Follower: TypeAlias = Callable[[str, Sequence[int]], Awaitable[None]]


class LevelWriter:
    """Keeps the levels: what `touched` remembers is read from the raw series and written to the others.

    Args:
        stores: one for each level.
        touched: which windows to put together.
        quantities: what the fields are.
        followers: told of each hour that was written, before it is forgotten.
        clock: the hub's clock.
    """

    def __init__(
        self,
        *,
        stores: Mapping[Level, SeriesStore],
        touched: Windows,
        quantities: Quantities,
        followers: Sequence[Follower],
        clock: Clock,
    ) -> None:
        self._stores = stores
        self._touched = touched
        self._quantities = quantities
        self._followers = followers
        self._clock = clock
        # Whether the last round failed, so that it is said once. Changed by `run` only.
        self._is_held = False

    async def run(self) -> None:
        """Put together what is due, again and again, until cancelled."""
        while True:
            try:
                await self.catch_up()
            except (SeriesError, RegistryError) as error:
                if not self._is_held:
                    _log.warning("levels wait: %s", error)
                self._is_held = True
            else:
                if self._is_held:
                    _log.warning("levels go on")
                self._is_held = False
            await self._clock.sleep(ROUND_S)

    async def catch_up(self) -> int:
        """Put together all that is due; returns how many hours of gateways were worked on.

        Raises:
            SeriesError: a store did not answer or take it; nothing is forgotten.
            RegistryError: the registry cannot say what the fields are.
        """
        all_due = await self._touched.due()
        for some in _pieces(all_due):
            await self._put_together(some)
        return len(all_due)

    async def _put_together(self, some: Sequence[Due]) -> None:
        """Put hours of one gateway together: one write a level, however many there are."""
        gateway = some[0].key.gateway
        for due in some:
            self._touched.take(due)
        quantity_of = await self._quantities.of_gateway(gateway)
        fine: list[Point] = []
        hourly: list[Point] = []
        for due in some:
            folds = await self._read(due, quantity_of)
            for window in windows_of(due.key, due.bits):
                fine += _points(folds.get(window.start_ns, {}), quantity_of, window.start_ns)
            if due.bits & HOUR_BIT:
                hourly += _points(_together(folds.values()), quantity_of, due.key.start_ns)
        await self._write(Level.FIVE_MINUTES, fine)
        await self._write(Level.HOURLY, hourly)
        if changed := [due.key.hour for due in some if due.bits & HOUR_BIT]:
            for follower in self._followers:
                await follower(gateway, changed)
        await self._touched.done(some)

    async def _read(self, due: Due, quantity_of: QuantityOf) -> _Folds:
        """The folds of each five-minute window, by its beginning."""
        folds: _Folds = {}
        asked = to_read(due.key, due.bits)
        for start in range(asked.start_ns, asked.end_ns, _SLICE_NS):
            some = TimeRange(start_ns=start, end_ns=min(start + _SLICE_NS, asked.end_ns))
            for found in await self._stores[Level.RAW].span(Selection(gateway=due.key.gateway), some):
                if found.series.measurement in _WHOLE:
                    continue
                quantity = quantity_of(found.series)
                for window, folded in folds_by_window(found.samples, quantity, window_ns=FIVE_MINUTES_NS).items():
                    folds.setdefault(window, {})[found.series] = folded
            await self._clock.sleep(0)  # others have their turn
        return folds

    async def _write(self, level: Level, points: Sequence[Point]) -> None:
        if not points:
            return
        result = await self._stores[level].write(sheets_of(points))
        if result.unknown is not None:
            raise SeriesError(result.unknown)
        for index, reason in result.refused.items():
            _log.error("level %s: a window of %s is refused: %s", level.value, points[index].device, reason)


def _pieces(all_due: Sequence[Due]) -> list[list[Due]]:
    """Up to a day of one gateway each, the newest first."""
    by_gateway: dict[str, list[Due]] = {}
    for due in all_due:
        by_gateway.setdefault(due.key.gateway, []).append(due)
    pieces = [
        some[start : start + _HOURS_AT_ONCE]
        for some in by_gateway.values()
        for start in range(0, len(some), _HOURS_AT_ONCE)
    ]
    return sorted(pieces, key=lambda piece: piece[0].key, reverse=True)


def _together(windows: Iterable[Mapping[SeriesKey, Fold]]) -> dict[SeriesKey, Fold]:
    """The folds of several windows as those of one."""
    hour: dict[SeriesKey, Fold] = {}
    for folds in windows:
        for series, folded in folds.items():
            before = hour.get(series)
            hour[series] = folded if before is None else before.with_others(folded)
    return hour


def _points(folds: Mapping[SeriesKey, Fold], quantity_of: QuantityOf, start_ns: int) -> list[Point]:
    """One point for each device's group in each mode."""
    sources: dict[Source, dict[SeriesKey, Fold]] = {}
    for series, folded in folds.items():
        source = (series.measurement, series.site, series.gateway, series.device, series.group, series.mode.value)
        sources.setdefault(source, {})[series] = folded
    return [point_of(some, quantity_of, start_ns=start_ns) for some in sources.values()]
