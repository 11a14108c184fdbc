"""What every series store promises (hub/series/base.py), on the embedded store, on a real InfluxDB, and on the fake.

`influx-v1` is a real InfluxDB 1.6.7. `influx-v2` sends the request form of InfluxDB 2.x to a small server of ours,
which checks token, org and bucket and forwards the bytes to that real 1.6.7: its parser judges the lines, but it is
not InfluxDB 2.x itself.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hub.series.base import Aggregate, Sample, Selection, SeriesKey, SeriesStore, TimeRange
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sheet import Point, sheets_of
from hub.series.sqlite import SqliteSeriesStore
from tests.support.fake_series import FakeSeriesStore
from tests.support.influx_v2_door import InfluxV2Door
from tests.support.influxd import InfluxServer
from wire.records import Mode, Quality

ADMITTED = "of-the-test"
DATABASES = itertools.count()  # making one is much faster than dropping one
SECOND = 1_000_000_000
START = 1_795_000_000 * SECOND
ALWAYS = TimeRange(start_ns=0, end_ns=2**62)


@pytest.fixture(scope="module")
def influx_server(
    real_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InfluxServer]:
    server = InfluxServer(program=real_program("influxd"), folder=tmp_path_factory.mktemp("influx"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "influx-v1", "influx-v2", "fake"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    if request.param == "sqlite":
        made: SeriesStore = SqliteSeriesStore(tmp_path / "series.sqlite")
        yield made
        await made.close()
    elif request.param == "fake":
        yield FakeSeriesStore()
    else:
        server: InfluxServer = request.getfixturevalue("influx_server")
        database = f"sen-{next(DATABASES)}"
        if request.param == "influx-v1":
            made = InfluxSeriesStore(InfluxSettings(url=server.url, api=InfluxApi.V1, bucket=database))
            yield made
            await made.close()
        else:
            server.query(f'CREATE DATABASE "{database}"')
            door = InfluxV2Door(database_url=server.url, org="province", bucket=database, token=ADMITTED)
            made = InfluxSeriesStore(InfluxSettings(url=door.url, org="province", token=ADMITTED, bucket=database))
            yield made
            await made.close()
            door.close()


def point(
    time_ns: int = START,
    fields: dict[str, float] | None = None,
    qualities: dict[str, Quality] | None = None,
    **names: str,
) -> Point:
    known = {"voltage": 230.2} if fields is None else fields
    return Point(
        measurement=names.get("measurement", "electricity"),
        site="hall",
        gateway=names.get("gateway", "gw-1"),
        device=names.get("device", "meter-1"),
        group="main",
        mode=Mode(names.get("mode", Mode.LIVE)),
        time_ns=time_ns,
        fields=known,
        qualities=dict.fromkeys(known, Quality.GOOD) | (qualities or {}),
    )


def key(field: str = "voltage", *, mode: Mode = Mode.LIVE, device: str = "meter-1") -> SeriesKey:
    return SeriesKey(
        measurement="electricity", site="hall", gateway="gw-1", device=device, group="main", mode=mode, field=field
    )


def good(time_ns: int, number: float) -> Sample:
    return Sample(time_ns=time_ns, number=number, quality=Quality.GOOD)


async def stored(store: SeriesStore, *points: Point) -> None:
    result = await store.write(sheets_of(points))
    assert result.refused == {}
    assert result.unknown is None


async def test_what_is_written_is_read_back(store: SeriesStore) -> None:
    numbers = [0.0, -1.5, 230.2, 1e22, 5e-324, 1.7976931348623157e308, 0.1 + 0.2]
    await stored(store, *(point(START + i, {"voltage": number}) for i, number in enumerate(numbers)))
    samples = await store.samples(key(), ALWAYS, limit=100)
    assert [sample.number for sample in samples] == numbers
    assert [sample.time_ns for sample in samples] == [START + i for i in range(len(numbers))]


async def test_an_empty_store_answers_with_nothing(store: SeriesStore) -> None:
    await stored(store)
    assert await store.series(Selection()) == []
    assert await store.latest(Selection()) == []
    assert await store.samples(key(), ALWAYS, limit=10) == []
    assert await store.windows(key(), ALWAYS, aggregate=Aggregate.MEAN, window_ns=SECOND) == []
    assert await store.count_points("gw-1") == 0


async def test_writing_a_point_again_changes_nothing_i2(store: SeriesStore) -> None:
    points = [point(START + i * SECOND, {"voltage": 230.0 + i, "current": 1.0}) for i in range(5)]
    await stored(store, *points)
    await stored(store, *points[2:], points[0])
    assert await store.count_points("gw-1") == 5
    assert len(await store.samples(key(), ALWAYS, limit=100)) == 5


async def test_a_value_that_is_not_known_is_none_with_its_reason(store: SeriesStore) -> None:
    await stored(
        store,
        point(START, {"voltage": 230.0, "current": 1.0}),
        point(START + 1, {"current": 2.0}, {"voltage": Quality.SENSOR_FAULT}),
        point(START + 2, {"voltage": 999.0, "current": 3.0}, {"voltage": Quality.OUT_OF_RANGE}),
        point(START + 3, {}, {"voltage": Quality.TIMEOUT, "current": Quality.TIMEOUT}),
    )
    assert await store.samples(key(), ALWAYS, limit=10) == [
        good(START, 230.0),
        Sample(time_ns=START + 1, number=None, quality=Quality.SENSOR_FAULT),
        Sample(time_ns=START + 2, number=999.0, quality=Quality.OUT_OF_RANGE),
        Sample(time_ns=START + 3, number=None, quality=Quality.TIMEOUT),
    ]
    assert await store.count_points("gw-1") == 4


async def test_modes_stay_apart(store: SeriesStore) -> None:
    await stored(store, *(point(START, {"voltage": float(i)}, mode=mode) for i, mode in enumerate(Mode)))
    for i, mode in enumerate(Mode):
        assert await store.samples(key(mode=mode), ALWAYS, limit=10) == [good(START, float(i))]
    assert {found.mode for found in await store.series(Selection(field="voltage"))} == set(Mode)
    assert await store.count_points("gw-1") == len(Mode)


async def test_the_latest_is_the_newest_by_time_known_or_not(store: SeriesStore) -> None:
    await stored(
        store,
        point(START + 9, {"voltage": 9.0, "current": 0.9}),
        point(START + 3, {"voltage": 3.0}),
        point(START + 12, {}, {"voltage": Quality.EXCEPTION}),
        point(START + 5, {"voltage": 5.0}, device="meter-2"),
    )
    latest = await store.latest(Selection())
    assert {(found.series.device, found.series.field): found.sample for found in latest} == {
        ("meter-1", "current"): good(START + 9, 0.9),
        ("meter-1", "voltage"): Sample(time_ns=START + 12, number=None, quality=Quality.EXCEPTION),
        ("meter-2", "voltage"): good(START + 5, 5.0),
    }
    assert [found.series for found in latest] == await store.series(Selection())


async def test_a_series_that_never_had_a_number_is_listed(store: SeriesStore) -> None:
    await stored(store, point(START, {}, {"frequency": Quality.TIMEOUT}, measurement="weather"))
    assert [found.field for found in await store.series(Selection())] == ["frequency"]
    await stored(store, point(START, {"voltage": 1.0}), point(START, {}, {"voltage": Quality.TIMEOUT}, device="dead"))
    assert [found.device for found in await store.series(Selection(field="voltage"))] == ["dead", "meter-1"]


async def test_a_point_may_itself_be_a_quality(store: SeriesStore) -> None:
    await stored(store, point(START, {"link_quality": 80.0}), point(START + 1, {}, {"link_quality": Quality.STALE}))
    latest = await store.latest(Selection())
    assert [(found.series.field, found.sample.quality) for found in latest] == [("link_quality", Quality.STALE)]
    assert len(await store.samples(key("link_quality"), ALWAYS, limit=9)) == 2


async def test_every_part_of_a_selection_must_match(store: SeriesStore) -> None:
    await stored(
        store,
        point(START, {"voltage": 1.0, "current": 1.0}),
        point(START, device="meter-2"),
        point(START, gateway="gw-2"),
        point(START, {"humidity": 40.0}, measurement="weather"),
        point(START, mode=Mode.SIMULATED),
    )
    assert len(await store.series(Selection())) == 6
    assert len(await store.series(Selection(measurement="electricity"))) == 5
    assert len(await store.series(Selection(gateway="gw-1", measurement="electricity", mode=Mode.LIVE))) == 3
    assert await store.series(Selection(field="current")) == [key("current")]
    assert len(await store.latest(Selection(device="meter-2"))) == 1
    assert await store.series(Selection(site="elsewhere")) == []
    assert len(await store.series(Selection(site="hall", group="main"))) == 6


@pytest.mark.parametrize("name", ["x' OR 'a'='a", 'x"; DROP DATABASE sen', "x\ny", "\\", "", "é"])
async def test_a_name_from_outside_selects_nothing_and_harms_nothing(store: SeriesStore, name: str) -> None:
    await stored(store, point())
    for selection in (Selection(device=name), Selection(measurement=name), Selection(field=name), Selection(site=name)):
        assert await store.series(selection) == []
    assert await store.count_points(name) == 0
    assert await store.count_points("gw-1") == 1


async def test_the_newest_samples_are_given_where_there_are_more_than_the_limit(store: SeriesStore) -> None:
    await stored(store, *(point(START + i, {"voltage": float(i)}) for i in range(10)))
    assert [sample.number for sample in await store.samples(key(), ALWAYS, limit=3)] == [7.0, 8.0, 9.0]


async def test_a_time_range_holds_its_start_and_not_its_end(store: SeriesStore) -> None:
    await stored(store, *(point(START + i, {"voltage": float(i)}) for i in range(10)))
    found = await store.samples(key(), TimeRange(start_ns=START + 2, end_ns=START + 5), limit=100)
    assert [sample.number for sample in found] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (Aggregate.MEAN, [2.0, 5.0]),
        (Aggregate.MIN, [1.0, 5.0]),
        (Aggregate.MAX, [3.0, 5.0]),
        (Aggregate.SUM, [4.0, 5.0]),
        (Aggregate.COUNT, [2.0, 1.0]),
        (Aggregate.LAST, [1.0, 5.0]),
    ],
)
async def test_windows_begin_at_multiples_of_their_length(
    store: SeriesStore, aggregate: Aggregate, expected: list[float]
) -> None:
    minute = 60 * SECOND
    begin = START // minute * minute
    await stored(
        store,
        point(begin + 1 * SECOND, {"voltage": 1000.0}),
        point(begin + 10 * SECOND, {"voltage": 3.0}),
        point(begin + 50 * SECOND, {"voltage": 1.0}),
        point(begin + 55 * SECOND, {}, {"voltage": Quality.STALE}),
        point(begin + minute + SECOND, {}, {"voltage": Quality.STALE}),
        point(begin + 3 * minute, {"voltage": 5.0}),
        point(begin + 4 * minute, {"voltage": 1000.0}),
    )
    time_range = TimeRange(start_ns=begin + 5 * SECOND, end_ns=begin + 4 * minute)
    windows = await store.windows(key(), time_range, aggregate=aggregate, window_ns=minute)
    assert windows == [good(begin, expected[0]), good(begin + 3 * minute, expected[1])]


async def test_points_are_counted_by_gateway_in_all_measurements(store: SeriesStore) -> None:
    await stored(
        store,
        point(START, {"voltage": 1.0, "current": 2.0, "power": 3.0}),
        point(START + 1, {}, {"voltage": Quality.TIMEOUT}),
        point(START, {"humidity": 40.0}, measurement="weather"),
        point(START, gateway="gw-2"),
    )
    assert await store.count_points("gw-1") == 3
    assert await store.count_points("gw-2") == 1


async def test_what_the_hub_writes_about_a_gateway_is_not_counted_as_its_records(store: SeriesStore) -> None:
    await stored(store, point(START), point(START, {"age": 1.0}, measurement="freshness"))
    assert await store.count_points("gw-1") == 1


async def test_a_span_holds_every_sample_of_every_series_that_matches_known_or_not(store: SeriesStore) -> None:
    await stored(
        store,
        point(START, {"voltage": 1.0, "current": 2.0}),
        point(START + 1, {"current": 3.0}, {"voltage": Quality.STUCK}),
        point(START + 1, {"voltage": 4.0}, mode=Mode.SIMULATED),
        point(START + 2, {"voltage": 5.0}, {"voltage": Quality.STALE}),
        point(START, {"humidity": 40.0}, measurement="weather"),
        point(START, gateway="gw-2"),
    )
    found = await store.span(
        Selection(gateway="gw-1", measurement="electricity"), TimeRange(start_ns=START, end_ns=START + 2)
    )
    assert [(item.series, item.samples) for item in found] == [
        (key("current"), (good(START, 2.0), good(START + 1, 3.0))),
        (key("voltage"), (good(START, 1.0), Sample(time_ns=START + 1, number=None, quality=Quality.STUCK))),
        (key("voltage", mode=Mode.SIMULATED), (good(START + 1, 4.0),)),
    ]
    everything = await store.span(Selection(), ALWAYS)
    assert {item.series.gateway for item in everything} == {"gw-1", "gw-2"}
    assert {item.series.measurement for item in everything} == {"electricity", "weather"}


async def test_old_records_are_forgotten_where_the_store_keeps_its_own_retention(store: SeriesStore) -> None:
    await stored(store, *(point(START + i, {"voltage": float(i)}) for i in range(10)))
    await store.forget_before(START + 7)
    found = [sample.number for sample in await store.samples(key(), ALWAYS, limit=100)]
    assert found == [7.0, 8.0, 9.0] if not isinstance(store, InfluxSeriesStore) else [float(i) for i in range(10)]
    assert await store.count_points("gw-1") == len(found)


@pytest.mark.parametrize(
    "bad",
    [
        point(START, {"voltage": float("nan")}),
        point(START, {"voltage": float("inf")}),
        point(START, {"quality": 1.0}),
        point(START, {"voltage": 1.0, "voltage_quality": 1.0}),
        point(START, {"time": 1.0}),
        point(START, {"site": 1.0}),
        point(START, {"a b": 1.0}),
        point(START, {}),
        point(-1),
        point(2**63 - 1),
        point(START, device="x\nadmin,gw=9 v=666 1"),
    ],
    ids=["nan", "inf", "quality", "suffix", "time", "tag", "space", "empty", "before-1970", "too-late", "forged"],
)
async def test_a_point_no_store_may_take_is_refused_and_the_rest_stored(store: SeriesStore, bad: Point) -> None:
    result = await store.write(sheets_of([point(START), bad, point(START + 1)]))
    assert list(result.refused) == [1]
    assert result.refused[1]
    assert result.unknown is None
    assert await store.count_points("gw-1") == 2
    assert [found.field for found in await store.series(Selection())] == ["voltage"]


async def test_two_records_of_one_device_in_one_millisecond_stay_two_points(store: SeriesStore) -> None:
    await stored(store, point(START + 1, {"voltage": 1.0}), point(START + 2, {"voltage": 2.0}))
    assert await store.count_points("gw-1") == 2


async def test_records_are_counted_in_a_range_whose_end_is_not_included(store: SeriesStore) -> None:
    await stored(store, *(point(START + i, {"voltage": float(i)}) for i in range(10)))
    assert await store.count_points("gw-1", TimeRange(start_ns=START + 2, end_ns=START + 7)) == 5
    assert await store.count_points("gw-1", TimeRange(start_ns=START + 10, end_ns=START + 20)) == 0
