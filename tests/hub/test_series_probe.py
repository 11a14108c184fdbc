"""A store's behaviour is tried out before its word is believed; what is wrong is said with what to do."""

import gzip
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from hub.series.base import Selection, SeriesError
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sheet import Point, sheets_of
from tests.support.influxd import InfluxServer
from wire.records import Mode, Quality

NOW_MS = 1_795_000_000_000


class Scripted:
    """A server that does what the public documents of 2.x, of 3 Core or of Cloud say, or what no server may."""

    def __init__(self, **does: object) -> None:
        self.does = {"version": "v2.7.11", "build": "OSS", "bad_line": 400, "keeps_good": True} | does
        self.times: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ping":
            headers = {"X-Influxdb-Version": str(self.does["version"]), "X-Influxdb-Build": str(self.does["build"])}
            return httpx.Response(204, headers=headers)
        if request.url.path == "/api/v2/write":
            is_packed = request.headers.get("Content-Encoding") == "gzip"
            return self._write((gzip.decompress(request.content) if is_packed else request.content).decode())
        return self._read()

    def _write(self, text: str) -> httpx.Response:
        if "write" in self.does:
            return httpx.Response(int(str(self.does["write"])), json={"code": "unauthorized", "message": "no"})
        is_bad = "no line" in text
        times = [int(time) for time in re.findall(r"value=1.0 (\d+)", text)]
        if self.does.get("truncates"):
            times = [time // 1000 * 1000 for time in times]
        if not self.does.get("queues") and (not is_bad or self.does["keeps_good"]):
            self.times = self.times + times if self.does.get("doubles") else sorted({*self.times, *times})
        return httpx.Response(int(str(self.does["bad_line"])) if is_bad else 204)

    def _read(self) -> httpx.Response:
        if "read" in self.does:
            return httpx.Response(int(str(self.does["read"])), json={"error": "database not found: sen"})
        rows = [[time, 1.0] for time in self.times]
        series = [{"name": "sen_probe", "columns": ["time", "value"], "values": rows}] if rows else []
        return httpx.Response(200, json={"results": [{"statement_id": 0, "series": series}]})


def store_of(server: Scripted) -> InfluxSeriesStore:
    settings = InfluxSettings(url="http://influx.test", org="sen", token="t", bucket="sen", api=InfluxApi.V2)  # noqa: S106
    return InfluxSeriesStore(settings, httpx.MockTransport(server))


POINT = Point(
    measurement="air_quality", site="hall", gateway="gw-1", device="d", group="g", mode=Mode.LIVE,
    time_ns=NOW_MS * 1_000_000, fields={"pm2_5": 1.0}, qualities={"pm2_5": Quality.GOOD},
)  # fmt: skip


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ({}, "of a request with one bad line (400) it keeps the good ones"),
        ({"bad_line": 422}, "of a request with one bad line (422) it keeps the good ones"),
        ({"keeps_good": False}, "of a request with one bad line (400) it refuses the good ones"),
        ({"version": "3.1.0", "build": "Core"}, "version 3.1.0 Core"),
    ],
)
async def test_what_the_documents_of_2_x_and_3_core_promise_is_found_fit(does: dict[str, object], told: str) -> None:
    store = store_of(Scripted(**does))
    report = await store.probe(now_ms=NOW_MS)
    assert (report.reached, report.fault, report.warnings) == (True, None, ())
    assert told in report.found
    assert store.unfit is None


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ({"queues": True}, "says *stored* before it stores, as InfluxDB Cloud does"),
        ({"build": "Cloud2"}, "says *stored* before it stores, as InfluxDB Cloud does"),
        ({"truncates": True}, "does not keep nanoseconds"),
        ({"doubles": True}, "written twice is there twice"),
        ({"bad_line": 204}, "answers 204 to a line that is none"),
        ({"write": 401}, "give the token the right to write sen"),
        ({"write": 404}, "make the bucket sen"),
        ({"read": 404}, "influx v1 dbrp create --db sen"),
        ({"read": 403}, "give the token the right to read bucket sen"),
    ],
)
async def test_on_the_word_of_an_unfit_server_nothing_counts_as_stored(does: dict[str, object], told: str) -> None:
    server = Scripted(**does)
    store = store_of(server)
    report = await store.probe(now_ms=NOW_MS)
    assert report.fault is not None
    assert told in report.fault
    result = await store.write(sheets_of([POINT]))
    assert result.unknown is not None
    assert told in result.unknown
    server.does = Scripted().does
    server.times = []
    assert (await store.probe(now_ms=NOW_MS)).fault is None
    assert (await store.write(sheets_of([POINT]))).unknown is None


async def test_a_server_that_is_away_proves_nothing() -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    settings = InfluxSettings(url="http://influx.test", org="sen", bucket="sen", api=InfluxApi.V2)
    store = InfluxSeriesStore(settings, httpx.MockTransport(away))
    report = await store.probe(now_ms=NOW_MS)
    assert (report.reached, report.fault, store.unfit) == (False, None, None)
    with pytest.raises(SeriesError):
        await store.count_points("gw-1")


@pytest.mark.real
async def test_a_real_influxdb_1_x_is_found_fit_and_keeps_nanoseconds(
    tmp_path: Path, real_program: Callable[[str], str]
) -> None:
    server = InfluxServer(program=real_program("influxd"), folder=tmp_path)
    store = InfluxSeriesStore(InfluxSettings(url=server.url, api=InfluxApi.V1))
    now_ms = _now_ms(server)
    try:
        await store.probe(now_ms=now_ms)
        report = await store.probe(now_ms=now_ms)
        assert (report.reached, report.fault, report.warnings) == (True, None, ())
        assert any(line.startswith("version 1.6") for line in report.found)
        assert "what it calls stored can be read at once, to the nanosecond" in report.found
        assert "of a request with one bad line (400) it keeps the good ones" in report.found
        assert await store.latest(Selection()) == [], "what the probe wrote is nobody's series"
    finally:
        await store.close()
        server.kill()


def _now_ms(server: InfluxServer) -> int:
    """By the server's own clock, as it is this machine's."""
    return int(parsedate_to_datetime(httpx.get(f"{server.url}/ping", timeout=10).headers["Date"]).timestamp() * 1000)
