"""The levels of a running hub: what is written raw is remembered, put together and, in its time, dropped."""

import asyncio
from collections.abc import Mapping, Sequence

from hub.clock import Clock
from hub.levels.level import Level
from hub.levels.quantities import InventoryQuantities
from hub.levels.retention import RetentionKeeper
from hub.levels.touched import Windows
from hub.levels.watched import WatchedSeries, Watcher
from hub.levels.writer import Follower, LevelWriter
from hub.registry.fleet import Fleet
from hub.series.base import SeriesStore


class Levels:
    """The stores of all levels as one thing: `series` is where to write to and read from, raw.

    Args:
        stores: one for each level.
        days: how long each level is kept; None is for ever.
        touched: which windows to put together.
        fleet: says what the fields are.
        watchers: told of what is stored, besides.
        followers: told of each hour that was put together.
        clock: the hub's clock.
    """

    def __init__(
        self,
        *,
        stores: Mapping[Level, SeriesStore],
        days: Mapping[Level, int | None],
        touched: Windows,
        fleet: Fleet,
        watchers: Sequence[Watcher],
        followers: Sequence[Follower],
        clock: Clock,
    ) -> None:
        self.series = WatchedSeries(stores[Level.RAW], [touched.touch, *watchers])
        self._writer = LevelWriter(
            stores=stores, touched=touched, quantities=InventoryQuantities(fleet), followers=followers, clock=clock
        )
        self._retention = RetentionKeeper(stores, days, clock)

    async def catch_up(self) -> int:
        """Put together what is due now; returns how many hours of gateways were worked on.

        Raises:
            SeriesError: a store did not answer or take it; nothing is forgotten.
            RegistryError: the registry cannot say what the fields are.
        """
        return await self._writer.catch_up()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run(), name="levels")
            tasks.create_task(self._retention.run(), name="retention")
