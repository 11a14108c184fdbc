"""Levels where several hubs store and one puts together: nothing that any of them stored is missing in the end."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from hub.levels.level import HOUR_NS, Level
from hub.levels.shared_windows import SharedWindows
from hub.levels.watched import WatchedSeries
from hub.levels.writer import LevelWriter
from hub.registry.store import Registry
from hub.series.base import SeriesError
from hub.series.sheet import sheets_of
from tests.hub.test_levels import DAY_NS, NOW_NS, Hub, Voltages, raw

GATEWAYS = ("gw-1", "gw-2")


class OneOfSeveral(Hub):
    """A hub on a registry, with the stores of another where there is one."""

    def __init__(self, registry: Registry, beside: Hub | None = None) -> None:
        self._registry = registry
        super().__init__(folder=None)  # type: ignore[arg-type] # it keeps no file
        if beside is not None:
            self.clock, self.raw, self.levels = beside.clock, beside.raw, beside.levels
            self.open()

    def open(self) -> None:
        windows = self.windows = SharedWindows(self._registry.windows, keep_ns=30 * DAY_NS, clock=self.clock)
        self.series = WatchedSeries(self.raw, [windows.touch])
        self.writer = LevelWriter(
            stores=self.levels, touched=windows, quantities=Voltages(), followers=[], clock=self.clock
        )


@pytest.fixture
async def hubs(registry_url: str) -> AsyncIterator[list[OneOfSeveral]]:
    registries = [await Registry.open(registry_url) for _ in range(2)]
    first = OneOfSeveral(registries[0])
    yield [first, OneOfSeveral(registries[1], first)]
    for registry in registries:
        await registry.close()


async def test_what_another_hub_stores_is_put_together_by_the_one_that_leads(hubs: list[OneOfSeveral]) -> None:
    leader, other = hubs
    await other.write(raw(NOW_NS - HOUR_NS, 1.0))
    await leader.settle()
    leader.check()
    await other.write(raw(NOW_NS - HOUR_NS + 1, 3.0))  # which it has told of already, and a round forgot
    await leader.settle()
    leader.check()
    assert len(leader.levels[Level.HOURLY].points) == 1
    assert await leader.writer.catch_up() == 0, "nothing is left to be put together"


async def test_what_another_hub_stores_while_its_window_is_read_is_put_together_again(
    hubs: list[OneOfSeveral],
) -> None:
    leader, other = hubs
    await other.write(raw(NOW_NS - HOUR_NS, 1.0))
    leader.raw.while_reading = lambda: other.write(raw(NOW_NS - HOUR_NS + 1, 2.0))
    await leader.settle()
    leader.check()


async def test_what_a_hub_wrote_after_another_took_its_place_is_put_together_once_more(
    hubs: list[OneOfSeveral],
) -> None:
    old, new = hubs
    await old.write(raw(NOW_NS - HOUR_NS, 1.0))

    async def takes_over() -> None:
        await new.write(raw(NOW_NS - HOUR_NS + 1, 5.0))
        await new.settle()

    old.raw.while_reading = takes_over  # it has read, and will write what it read over the newer levels
    old.clock.advance(2 * 3600)
    await old.writer.catch_up()
    await new.settle()
    new.check()


async def test_a_window_that_cannot_be_remembered_is_not_said_to_be_stored(hubs: list[OneOfSeveral]) -> None:
    hub = hubs[0]
    async with hub._registry._database.write() as connection:  # noqa: SLF001 - as a broken registry would be
        await connection.exec_driver_sql("DROP TABLE levels_round")
    result = await hub.series.write(sheets_of([raw(NOW_NS - HOUR_NS, 1.0)]))
    assert result.unknown is not None
    with pytest.raises(SeriesError):
        await hub.writer.catch_up()


@pytest.mark.parametrize("seed", range(3))
async def test_in_any_order_of_storing_and_putting_together_the_levels_are_right(
    hubs: list[OneOfSeveral], seed: int
) -> None:
    chance = random.Random(seed)

    async def store(hub: OneOfSeveral) -> None:
        for _ in range(12):
            hours = chance.randrange(1, 4)
            at_ns = NOW_NS - hours * HOUR_NS + chance.randrange(HOUR_NS)
            await hub.write(raw(at_ns, chance.random() * 10, gateway=chance.choice(GATEWAYS)))

    async def lead() -> None:
        for _ in range(6):
            leader = chance.choice(hubs)
            await leader.writer.catch_up()

    async with asyncio.timeout(60):
        await asyncio.gather(store(hubs[0]), store(hubs[1]), store(hubs[0]), lead())
    await hubs[seed % 2].settle()
    hubs[0].check()
