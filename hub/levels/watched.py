"""A series store whose writes are seen by others before anybody hears that they are stored."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from hub.series.base import (
    Aggregate,
    Latest,
    Sample,
    Selection,
    SeriesError,
    SeriesKey,
    SeriesSamples,
    SeriesStore,
    TimeRange,
    WriteResult,
)
from hub.series.sheet import Sheet, without

# Is told of points that are stored. Where it raises SeriesError, the write counts as unknown and is done again.
Watcher: TypeAlias = Callable[[Sequence[Sheet]], Awaitable[None]]


class WatchedSeries:
    """The store behind it, which keeps all its promises; each watcher is told of every write that ended well."""

    def __init__(self, store: SeriesStore, watchers: Sequence[Watcher]) -> None:
        self._store = store
        self._watchers = watchers

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        """Store the points, then tell the watchers, then answer."""
        result = await self._store.write(sheets)
        if result.unknown is not None:
            return result
        stored = without(sheets, result.refused)
        try:
            for watcher in self._watchers:
                await watcher(stored)
        except SeriesError as error:
            return WriteResult(refused=result.refused, unknown=str(error))
        return result

    async def series(self, selection: Selection) -> list[SeriesKey]:
        """As the store behind."""
        return await self._store.series(selection)

    async def latest(self, selection: Selection) -> list[Latest]:
        """As the store behind."""
        return await self._store.latest(selection)

    async def samples(self, series: SeriesKey, time_range: TimeRange, *, limit: int) -> list[Sample]:
        """As the store behind."""
        return await self._store.samples(series, time_range, limit=limit)

    async def windows(
        self, series: SeriesKey, time_range: TimeRange, *, aggregate: Aggregate, window_ns: int
    ) -> list[Sample]:
        """As the store behind."""
        return await self._store.windows(series, time_range, aggregate=aggregate, window_ns=window_ns)

    async def span(self, selection: Selection, time_range: TimeRange) -> list[SeriesSamples]:
        """As the store behind."""
        return await self._store.span(selection, time_range)

    async def forget_before(self, time_ns: int) -> None:
        """As the store behind."""
        await self._store.forget_before(time_ns)

    async def count_points(self, gateway: str, time_range: TimeRange | None = None) -> int:
        """As the store behind."""
        return await self._store.count_points(gateway, time_range)

    async def close(self) -> None:
        """As the store behind."""
        await self._store.close()
