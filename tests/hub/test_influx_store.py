"""What InfluxDB does to us, and what we make of it. Real InfluxDB 1.6.7 unless a test says otherwise."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from hub.series.base import Selection, SeriesError
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sheet import Point, sheets_of
from tests.support.influx_v2_door import InfluxV2Door
from tests.support.influxd import InfluxServer
from wire.records import Mode, Quality

ADMITTED = "of-the-test"
START = 1_795_000_000_000_000_000


def point(number: float = 1.0, *, time_ns: int = START, field: str = "voltage") -> Point:
    return Point(
        measurement="electricity",
        site="hall",
        gateway="gw-1",
        device="meter-1",
        group="main",
        mode=Mode.LIVE,
        time_ns=time_ns,
        fields={field: number},
        qualities={field: Quality.GOOD},
    )


@pytest.fixture(scope="module")
def server(real_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    made = InfluxServer(program=real_program("influxd"), folder=tmp_path_factory.mktemp("influx"))
    yield made
    made.stop()


@pytest.fixture
async def store(server: InfluxServer) -> AsyncIterator[InfluxSeriesStore]:
    server.query('DROP DATABASE "sen"')
    made = InfluxSeriesStore(InfluxSettings(url=server.url, api=InfluxApi.V1, timeout_s=5.0))
    yield made
    await made.close()


async def test_stored_points_survive_a_kill_of_the_database_i1(server: InfluxServer, store: InfluxSeriesStore) -> None:
    result = await store.write(sheets_of([point(float(i), time_ns=START + i) for i in range(2000)]))
    server.kill()
    server.start()
    assert result.unknown is None
    assert await store.count_points("gw-1") == 2000


async def test_a_database_that_is_down_makes_outcomes_unknown_and_reads_fail(
    server: InfluxServer, store: InfluxSeriesStore
) -> None:
    server.kill()
    try:
        result = await store.write(sheets_of([point()]))
        with pytest.raises(SeriesError, match="is it running"):
            await store.series(Selection())
    finally:
        server.start()
    assert result.refused == {}
    assert result.unknown is not None
    assert (await store.write(sheets_of([point()]))).unknown is None


async def test_a_field_of_another_type_is_refused_and_only_its_points(
    server: InfluxServer, store: InfluxSeriesStore
) -> None:
    server.query('CREATE DATABASE "sen"')
    await store.write(sheets_of([point(field="current")]))
    written = _write_raw(server, f"electricity,device=other voltage=7i {START}")
    assert written == 204
    points = [point(float(i), time_ns=START + i, field="voltage" if i % 50 == 7 else "current") for i in range(100)]
    result = await store.write(sheets_of(points))
    assert sorted(result.refused) == [7, 57]
    assert "field type conflict" in result.refused[7]
    assert result.unknown is None
    assert await store.count_points("gw-1") == 98


async def test_a_database_dropped_under_us_is_unknown_first_and_made_again(
    server: InfluxServer, store: InfluxSeriesStore
) -> None:
    await store.write(sheets_of([point()]))
    server.query('DROP DATABASE "sen"')
    first = await store.write(sheets_of([point()]))
    second = await store.write(sheets_of([point()]))
    assert (first.refused, second.refused) == ({}, {})
    assert first.unknown is not None
    assert second.unknown is None
    assert await store.count_points("gw-1") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        InfluxSettings(url="", org="province", token=ADMITTED + "x"),
        InfluxSettings(url="", org="province", token=ADMITTED, bucket="missing"),
        InfluxSettings(url="", org="other", token=ADMITTED),
    ],
    ids=["token", "bucket", "org"],
)
async def test_a_wrong_setting_never_costs_a_point(server: InfluxServer, wrong: InfluxSettings) -> None:
    door = InfluxV2Door(database_url=server.url, org="province", bucket="sen", token=ADMITTED)
    store = InfluxSeriesStore(InfluxSettings(url=door.url, org=wrong.org, token=wrong.token, bucket=wrong.bucket))
    result = await store.write(sheets_of([point(), point(time_ns=START + 1)]))
    await store.close()
    door.close()
    assert result.refused == {}
    assert result.unknown is not None


async def test_a_request_the_database_cannot_read_is_no_fault_of_the_points(server: InfluxServer) -> None:
    store = InfluxSeriesStore(InfluxSettings(url=server.url, api=InfluxApi.V1, bucket=""))
    result = await store.write(sheets_of([point()]))
    await store.close()
    assert result.refused == {}
    assert result.unknown is not None


def _write_raw(server: InfluxServer, line: str) -> int:
    return httpx.post(f"{server.url}/write", params={"db": "sen"}, content=line).status_code
