"""What is put together stands in every kind of store alike: embedded, a real InfluxDB 1.6.7, and the fake.

`influx-v2` is the same InfluxDB behind a door that takes the requests of 2.x; a real 2.x is not tested here.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hub.levels.fold import QuantityOf, quantity_of_key
from hub.levels.level import FIVE_MINUTES_NS, HOUR_NS, Level, bucket_of
from hub.levels.touched import TouchedWindows
from hub.levels.watched import WatchedSeries
from hub.levels.writer import LevelWriter
from hub.series.base import Aggregate, Sample, Selection, SeriesKey, SeriesStore, TimeRange, WriteResult
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sheet import Point, sheets_of
from hub.series.sqlite import SqliteSeriesStore
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore
from tests.support.influx_v2_door import InfluxV2Door
from tests.support.influxd import InfluxServer
from wire.records import Mode, Quality

DATABASES = itertools.count()
ADMITTED = "one-of-the-door"
BEGIN = 1_795_003_200_000_000_000 // HOUR_NS * HOUR_NS
ALWAYS = TimeRange(start_ns=0, end_ns=2**62)


@pytest.fixture(scope="module")
def influx_server(
    real_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InfluxServer]:
    server = InfluxServer(program=real_program("influxd"), folder=tmp_path_factory.mktemp("influx"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "influx-v1", "influx-v2", "fake"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[Level, SeriesStore]]:
    bucket = f"levels-{next(DATABASES)}"
    doors: list[InfluxV2Door] = []

    def make(level: Level) -> SeriesStore:
        if request.param == "sqlite":
            return SqliteSeriesStore(tmp_path / f"{bucket_of(bucket, level)}.sqlite")
        if request.param == "fake":
            return FakeSeriesStore()
        server: InfluxServer = request.getfixturevalue("influx_server")
        name = bucket_of(bucket, level)
        if request.param == "influx-v1":
            return InfluxSeriesStore(InfluxSettings(url=server.url, api=InfluxApi.V1, bucket=name))
        server.query(f'CREATE DATABASE "{name}"')
        doors.append(InfluxV2Door(database_url=server.url, org="province", bucket=name, token=ADMITTED))
        return InfluxSeriesStore(
            InfluxSettings(url=doors[-1].url, api=InfluxApi.V2, bucket=name, org="province", token=ADMITTED)
        )

    made = {level: make(level) for level in Level}
    yield made
    for store in made.values():
        await store.close()
    for door in doors:
        door.close()


class Names:
    async def of_gateway(self, _gateway: str) -> QuantityOf:
        return lambda series: quantity_of_key(series.field)


def key(field: str, mode: Mode = Mode.LIVE) -> SeriesKey:
    return SeriesKey(
        measurement="weather", site="hall", gateway="gw-1", device="mast-1", group="main", mode=mode, field=field
    )


def point(time_ns: int, number: float | None, direction: float, *, quality: Quality = Quality.GOOD) -> Point:
    return Point(
        measurement="weather", site="hall", gateway="gw-1", device="mast-1", group="main", mode=Mode.LIVE,
        time_ns=time_ns, fields={"wind_direction": direction} | ({} if number is None else {"temperature": number}),
        qualities={"temperature": quality, "wind_direction": Quality.GOOD},
    )  # fmt: skip


def good(time_ns: int, number: float) -> list[Sample]:
    return [Sample(time_ns=time_ns, number=number, quality=Quality.GOOD)]


async def test_each_level_is_read_like_raw_series_under_the_same_names(
    stores: dict[Level, SeriesStore], tmp_path: Path
) -> None:
    clock = FakeClock(now_ms=BEGIN // 1_000_000)
    touched = TouchedWindows(tmp_path / "windows.sqlite", keep_ns=None, clock=clock)
    series = WatchedSeries(stores[Level.RAW], [touched.touch])
    writer = LevelWriter(stores=stores, touched=touched, quantities=Names(), followers=[], clock=clock)
    second = FIVE_MINUTES_NS
    stored = [
        point(BEGIN + 1, 20.0, 350.0),
        point(BEGIN + 2, 22.0, 10.0),
        point(BEGIN + 3, 999.0, 0.0, quality=Quality.OUT_OF_RANGE),
        point(BEGIN + second, None, 90.0, quality=Quality.TIMEOUT),
    ]
    assert await series.write(sheets_of(stored)) == WriteResult()
    clock.advance(2 * 3600)
    await writer.catch_up()
    fine, hourly = stores[Level.FIVE_MINUTES], stores[Level.HOURLY]

    async def at(store: SeriesStore, field: str) -> list[Sample]:
        return await store.samples(key(field), ALWAYS, limit=10)

    assert await at(fine, "temperature") == [
        Sample(time_ns=BEGIN, number=21.0, quality=Quality.OUT_OF_RANGE),
        Sample(time_ns=BEGIN + second, number=None, quality=Quality.TIMEOUT),
    ]
    assert await at(hourly, "temperature") == [Sample(time_ns=BEGIN, number=21.0, quality=Quality.TIMEOUT)]
    assert await at(hourly, "temperature_good") == good(BEGIN, 0.5)
    assert await at(hourly, "temperature_count") == good(BEGIN, 2.0)
    assert [await at(hourly, f"temperature_{end}") for end in ("min", "max", "last")] == [
        good(BEGIN, 20.0), good(BEGIN, 22.0), good(BEGIN, 22.0),
    ]  # fmt: skip
    assert (await at(fine, "wind_direction"))[0].number == pytest.approx(0.0, abs=1e-6)
    assert await at(hourly, "wind_direction_min") == []
    assert await at(hourly, "worst_mode") == good(BEGIN, 0.0)
    for store in stores.values():
        mean = await store.windows(key("temperature"), ALWAYS, aggregate=Aggregate.MAX, window_ns=HOUR_NS)
        assert mean, "the same question has an answer on every level"

    assert await series.write(sheets_of([point(BEGIN + 4, 24.0, 0.0)])) == WriteResult()
    await writer.catch_up()
    assert (await at(hourly, "temperature"))[0].number == 22.0, "late data change the hour"
    assert len(await hourly.span(Selection(field="temperature"), ALWAYS)) == 1
    await touched.close()
