"""Series in InfluxDB 2.x (and what speaks its API) or 1.x, over HTTP.

I1. *Stored* is said only after the database's own success. A request that failed as a whole is cut in half down to
    single lines; the database's count of dropped points is never believed (it is wrong in 1.6.7).
I2. Time-outs, lost connections, 5xx, 429, 401, 403 and 404 are *unknown*: nothing is given up for them.
I3. A 4xx counts against a single line only where its text speaks of points; otherwise the request is at fault, and
    the outcome is unknown.

Writes use line protocol; reads use the InfluxQL that 1.x, 2.x (through a DBRP mapping) and 3 have in common.
"""

import gzip
import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import httpx

from hub.series import influxql
from hub.series.base import (
    Aggregate,
    Latest,
    Sample,
    Selection,
    SeriesError,
    SeriesKey,
    SeriesSamples,
    TimeRange,
    WriteResult,
)
from hub.series.line_protocol import Lines, lines_of
from hub.series.names import HUB_MEASUREMENTS, names_a_series
from hub.series.probe import InfluxProbe, ProbeReport
from hub.series.sheet import Sheet

# Level 1 makes a line a sixth of its size. Within one machine that would only cost both sides.
_GZIP_LEVEL = 1
_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
# More at a time costs the database no less a line, and leaves more to bisect where one is refused.
_LINES_PER_REQUEST = 5000
_REJECTED = frozenset({400, 413, 422})
_SUCCESS = frozenset({200, 204})
# What the rejections of 1.x, 2.x and 3 say when the points, not the request, are at fault.
_POINT_FAULTS = ("partial write", "unable to parse", "field type conflict", "line protocol", "retention policy")
_FORBIDDEN = 403
_TOO_LARGE = 413
_UNPROCESSABLE = 422
# Statements of one read request: keeps its URL within what proxies let through.
_STATEMENTS_PER_REQUEST = 10
_FIELDS_PER_REQUEST = 40


class InfluxApi(StrEnum):
    """Which write request the server takes."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxSettings:
    """Where the database is. `bucket` is the bucket of 2.x or the database of 1.x.

    2.x needs `org` and `token`, and a DBRP mapping that names the bucket as a database (made by `influx v1 dbrp
    create`). 1.x takes an optional `username` and `password`, and its database is made when it is missing.
    """

    url: str
    bucket: str = "sen"
    api: InfluxApi = InfluxApi.V2
    org: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Stored:
    """The database took every line."""


@dataclass(frozen=True, slots=True)
class _Rejected:
    """At least one line is at fault; nothing is known about which."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Unknown:
    """Nothing is known about any line."""

    reason: str


class InfluxSeriesStore:
    """A series store in InfluxDB. Nothing is asked of the server before the first call.

    Args:
        settings: where it is.
        transport: carries the requests; HTTP where none is given.
    """

    def __init__(self, settings: InfluxSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            timeout=settings.timeout_s,
            headers=_headers(settings),
            auth=_auth(settings),
            transport=transport,
        )
        self._is_near = _is_on_this_machine(settings.url)
        # Whether the 1.x database is known to be there; changed by `_post` and `_create_database` only.
        self._database_is_there = settings.api is InfluxApi.V2
        # Why this server's *stored* may not be believed; changed by `probe` only.
        self.unfit: str | None = None

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        """Store the points; those at fault are found by bisection."""
        refused: dict[int, str] = {}
        if self.unfit is not None:
            return WriteResult(unknown=self.unfit)
        unknown: str | None = None
        for lines in lines_of(sheets, refused, most=_LINES_PER_REQUEST):
            unknown = await self._write_lines(lines, refused) or unknown
        return WriteResult(refused=refused, unknown=unknown)

    async def series(self, selection: Selection) -> list[SeriesKey]:
        """The series that match, sorted."""
        return [latest.series for latest in await self.latest(selection)]

    async def latest(self, selection: Selection) -> list[Latest]:
        """The newest sample of each series that matches: one statement for each field of each measurement."""
        if not names_a_series(selection):
            return []
        fields = [
            (measurement, field)
            for measurement, fields in (await self._fields(selection)).items()
            for field in fields
            if selection.field in {None, field}
        ]
        statements = [influxql.newest(measurement, field, selection) for measurement, field in fields]
        results = await self._query(statements)
        found = [
            latest
            for (measurement, field), result in zip(fields, results, strict=True)
            for latest in influxql.latest_of(measurement, field, result)
        ]
        return sorted(found, key=lambda latest: influxql.sort_key(latest.series))

    async def samples(self, series: SeriesKey, time_range: TimeRange, *, limit: int) -> list[Sample]:
        """The newest `limit` samples of one series, in time order."""
        if not names_a_series(influxql.selection_of(series)):
            return []
        (result,) = await self._query([influxql.samples(series, time_range, limit=limit)])
        return influxql.samples_of(result)

    async def windows(
        self, series: SeriesKey, time_range: TimeRange, *, aggregate: Aggregate, window_ns: int
    ) -> list[Sample]:
        """One sample per window that has numbers."""
        if not names_a_series(influxql.selection_of(series)):
            return []
        statement = influxql.windows(series, time_range, aggregate=aggregate, window_ns=window_ns)
        (result,) = await self._query([statement])
        return influxql.windows_of(result)

    async def span(self, selection: Selection, time_range: TimeRange) -> list[SeriesSamples]:
        """Every series that matches and has samples in the range: one request for a handful of fields."""
        if not names_a_series(selection):
            return []
        found: list[SeriesSamples] = []
        for measurement, known in (await self._fields(selection)).items():
            fields = [field for field in known if selection.field in {None, field}]
            for start in range(0, len(fields), _FIELDS_PER_REQUEST):
                some = fields[start : start + _FIELDS_PER_REQUEST]
                (result,) = await self._query([influxql.span(measurement, some, selection, time_range)])
                found += influxql.span_of(measurement, some, result)
        return sorted(found, key=lambda item: influxql.sort_key(item.series))

    async def forget_before(self, time_ns: int) -> None:
        """Nothing: the retention of the bucket or database does it (`sen-hub storage setup`)."""

    async def count_points(self, gateway: str, time_range: TimeRange | None = None) -> int:
        """How many records of one gateway are stored, by their `quality` fields."""
        selection = Selection(gateway=gateway)
        if not names_a_series(selection):
            return 0
        measurements = await self._fields(selection)
        sent = [measurement for measurement in measurements if measurement not in HUB_MEASUREMENTS]
        results = await self._query([influxql.count(measurement, selection, time_range) for measurement in sent])
        return sum(influxql.count_of(result) for result in results)

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()

    async def _write_lines(self, lines: Lines, refused: dict[int, str]) -> str | None:
        """Write the lines, bisecting; adds to `refused` and returns why the rest is unknown, if it is."""
        pending = [lines]
        while pending:
            some = pending.pop()
            match await self._post(some.text):
                case _Stored():
                    pass
                case _Unknown(reason):
                    return reason
                case _Rejected(reason) if len(some.rows) == 1:
                    refused[int(some.rows[0])] = reason
                case _Rejected():
                    pending += reversed(some.halves())
        return None

    async def probe(self, *, now_ms: int) -> ProbeReport:
        """Try the server out; while it is found unfit, nothing that is written counts as stored."""
        if not self._database_is_there:
            with suppress(httpx.HTTPError, SeriesError):  # the probe says what is wrong
                await self._create_database()
        is_v2 = self._settings.api is InfluxApi.V2
        probe = InfluxProbe(self._client, write=self._send, bucket=self._settings.bucket, is_v2=is_v2)
        report = await probe.run(now_ms=now_ms)
        if report.reached:
            self.unfit = None if report.fault is None else f"InfluxDB at {self._settings.url}: {report.fault}"
        return report

    async def _send(self, text: str) -> httpx.Response:
        return await self._client.post(self._write_path(), params=self._write_params(), content=text.encode("ascii"))

    async def _post(self, text: bytes) -> _Stored | _Rejected | _Unknown:
        try:
            if not self._database_is_there:
                await self._create_database()
            response = await self._client.post(
                self._write_path(),
                params=self._write_params(),
                content=text if self._is_near else gzip.compress(text, _GZIP_LEVEL, mtime=0),
                headers=_PLAIN if self._is_near else _PLAIN | {"Content-Encoding": "gzip"},
            )
        except (httpx.HTTPError, SeriesError) as error:
            return _Unknown(f"InfluxDB at {self._settings.url}: {type(error).__name__} {error}")
        if response.status_code in _SUCCESS:
            return _Stored()
        reason = f"InfluxDB at {self._settings.url}: {response.status_code} {response.text.strip()[:500]}"
        if _is_about_points(response):
            return _Rejected(reason)
        # A 1.x database that was dropped answers 404: make it again before the next try.
        self._database_is_there = self._settings.api is InfluxApi.V2
        return _Unknown(reason)

    async def _create_database(self) -> None:
        response = await self._client.post("/query", data={"q": influxql.create_database(self._settings.bucket)})
        # A user who may not make databases was given one that is there: writing to it will tell.
        may_not = response.status_code == _FORBIDDEN
        if not may_not and (response.status_code not in _SUCCESS or "error" in response.text):
            raise SeriesError(f"cannot make database {self._settings.bucket!r}: {response.text.strip()[:500]}")
        self._database_is_there = True

    def _write_path(self) -> str:
        return "/api/v2/write" if self._settings.api is InfluxApi.V2 else "/write"

    def _write_params(self) -> dict[str, str]:
        if self._settings.api is InfluxApi.V2:
            return {"org": self._settings.org, "bucket": self._settings.bucket, "precision": "ns"}
        return {"db": self._settings.bucket, "precision": "ns"}

    async def _fields(self, selection: Selection) -> dict[str, list[str]]:
        """The points of each measurement that may match."""
        (result,) = await self._query([influxql.show_fields(selection.measurement)])
        return influxql.fields_of(result)

    async def _query(self, statements: Sequence[str]) -> list[influxql.Result]:
        """The result of each statement, in order."""
        results: list[influxql.Result] = []
        for start in range(0, len(statements), _STATEMENTS_PER_REQUEST):
            some = statements[start : start + _STATEMENTS_PER_REQUEST]
            results += await self._query_once(some)
        return results

    async def _query_once(self, statements: Sequence[str]) -> list[influxql.Result]:
        params = {"db": self._settings.bucket, "epoch": "ns", "q": ";".join(statements)}
        try:
            if not self._database_is_there:
                await self._create_database()
            response = await self._client.get("/query", params=params)
            if response.status_code not in _SUCCESS:
                raise SeriesError(
                    f"InfluxDB at {self._settings.url} answers {response.status_code} {response.text.strip()[:500]}; "
                    "check the address, the token, and that the bucket is mapped as a database"
                )
            return influxql.results_of(response.json(), expected=len(statements))
        except (httpx.HTTPError, ValueError) as error:
            raise SeriesError(
                f"InfluxDB at {self._settings.url}: {type(error).__name__} {error}; is it running?"
            ) from error


def _is_on_this_machine(url: str) -> bool:
    host = httpx.URL(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _headers(settings: InfluxSettings) -> dict[str, str]:
    return {"Authorization": f"Token {settings.token}"} if settings.token else {}


def _auth(settings: InfluxSettings) -> httpx.BasicAuth | None:
    return httpx.BasicAuth(settings.username, settings.password) if settings.username else None


def _is_about_points(response: httpx.Response) -> bool:
    if response.status_code not in _REJECTED:
        return False
    if response.status_code in {_TOO_LARGE, _UNPROCESSABLE}:
        return True
    return any(phrase in response.text for phrase in _POINT_FAULTS)
