"""What an InfluxDB does, tried out instead of assumed: before its *stored* is believed.

I1. It writes a handful of points of its own in the measurement `sen_probe`, three a trial; no data are touched.
I2. A server that cannot be reached proves nothing, for or against.

Sources: InfluxDB 1.x, 2.x and 3 Core documentation of /write, /api/v2/write, /query and /ping. 3 Core takes the write
request of 2.x, and must not be asked with no_sync, which this hub never does.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

_MEASUREMENT: Final = "sen_probe"
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_SUCCESS: Final = frozenset({200, 204})
_NO_RIGHTS: Final = frozenset({401, 403})
_NOT_FOUND: Final = 404
_CLOCKS_DIFFER_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What was found, as lines for people. `fault`: why nothing may be committed on this server's word.

    `reached` is False where nobody answered. `warnings` are worth a person's look, and stop nothing.
    """

    reached: bool
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fault: str | None = None


class _ProbeFault(Exception):  # noqa: N818 - it ends a probe
    """The server may not be believed: why, and what to do."""


class InfluxProbe:
    """Tries a server out.

    Args:
        client: speaks to it, with its rights.
        write: sends lines as the store does.
        bucket: the bucket or database.
        is_v2: whether it is written to as 2.x.
    """

    def __init__(
        self, client: httpx.AsyncClient, *, write: Callable[[str], Awaitable[httpx.Response]], bucket: str, is_v2: bool
    ) -> None:
        self._client = client
        self._write = write
        self._bucket = bucket
        self._is_v2 = is_v2
        self._first_ns = 1

    async def run(self, *, now_ms: int) -> ProbeReport:
        """Try it out; never raises for a server in trouble."""
        # Of now: no retention forbids it, and nothing is there of the trial before.
        self._first_ns = now_ms * _NS_PER_MS + 1
        found: list[str] = []
        warnings: list[str] = []
        try:
            await self._identity(found, warnings, now_ms)
            await self._nanoseconds_at_once(found)
            await self._a_repeat_changes_nothing(found)
            await self._a_bad_line_is_told(found)
            await self._durability(found, warnings)
        except httpx.HTTPError as error:
            return ProbeReport(
                reached=False, found=tuple(found), warnings=(f"not reached: {type(error).__name__} {error}",)
            )
        except _ProbeFault as error:
            return ProbeReport(reached=True, found=tuple(found), warnings=tuple(warnings), fault=str(error))
        return ProbeReport(reached=True, found=tuple(found), warnings=tuple(warnings))

    async def _identity(self, found: list[str], warnings: list[str], now_ms: int) -> None:
        answer = await self._client.get("/ping")
        build = answer.headers.get("X-Influxdb-Build", "")
        found.append(f"version {answer.headers.get('X-Influxdb-Version', 'not told')} {build}".rstrip())
        if "cloud" in build.lower():
            raise _ProbeFault(_BEFORE_IT_STORES)
        try:
            ahead_s = parsedate_to_datetime(answer.headers["Date"]).timestamp() - now_ms / 1000
        except (KeyError, ValueError):
            return
        if abs(ahead_s) > _CLOCKS_DIFFER_S:
            warnings.append(f"its clock differs from the hub's by {ahead_s:.0f} s: set one of them right")

    async def _nanoseconds_at_once(self, found: list[str]) -> None:
        """Two points a nanosecond apart are there, both, as soon as they were said to be stored."""
        self._expect_stored(await self._write(_lines(self._first_ns, self._first_ns + 1)))
        times = await self._times()
        if not times:
            raise _ProbeFault(_BEFORE_IT_STORES)
        if not {self._first_ns, self._first_ns + 1} <= set(times):
            raise _ProbeFault("it does not keep nanoseconds: two records of a millisecond would overwrite each other")
        found.append("what it calls stored can be read at once, to the nanosecond")

    async def _a_repeat_changes_nothing(self, found: list[str]) -> None:
        before = await self._times()
        self._expect_stored(await self._write(_lines(self._first_ns, self._first_ns + 1)))
        if await self._times() != before:
            raise _ProbeFault("the same point written twice is there twice: every repeat would be counted again")
        found.append("the same point written twice is one")

    async def _a_bad_line_is_told(self, found: list[str]) -> None:
        answer = await self._write(f"{_lines(self._first_ns + 2)}\n{_MEASUREMENT} this is no line")
        if answer.status_code in _SUCCESS:
            raise _ProbeFault(f"it answers {answer.status_code} to a line that is none: refusals would go unnoticed")
        kept = self._first_ns + 2 in await self._times()
        does = "keeps" if kept else "refuses"
        found.append(f"of a request with one bad line ({answer.status_code}) it {does} the good ones")

    async def _durability(self, found: list[str], warnings: list[str]) -> None:
        """1.x shows how long it waits before it brings its log to the disk; others show nothing here."""
        if self._is_v2:
            found.append("how soon it brings its log to the disk it does not show; the default is at once")
            return
        answer = await self._client.get("/query", params={"q": "SHOW DIAGNOSTICS"})
        delay = _diagnostic(answer, "wal-fsync-delay")
        if delay is None:
            found.append("how soon it brings its log to the disk it does not show")
        elif delay in {"0", "0s"}:
            found.append("it brings its log to the disk with each write")
        else:
            warnings.append(f"wal-fsync-delay is {delay}: a power cut loses what it called stored; set it to 0s")

    async def _times(self) -> list[int]:
        query = {"db": self._bucket, "epoch": "ns", "q": self._reading()}
        answer = await self._client.get("/query", params=query)
        text = answer.text.strip()[:300]
        if answer.status_code in _NO_RIGHTS:
            raise _ProbeFault(
                f"{answer.status_code} when reading: give the token the right to read bucket {self._bucket}"
            )
        if answer.status_code == _NOT_FOUND or (answer.status_code not in _SUCCESS and self._is_v2):
            raise _ProbeFault(
                f"{answer.status_code} when reading ({text}): it has no database {self._bucket}; in 2.x make a mapping "
                f"with `influx v1 dbrp create --db {self._bucket} --rp autogen --bucket-id ID --default`"
            )
        answer.raise_for_status()
        return _times_of(answer)

    def _reading(self) -> str:
        span = f"time >= {self._first_ns - _NS_PER_S} AND time < {self._first_ns + _NS_PER_S}"
        return f"SELECT value FROM {_MEASUREMENT} WHERE {span}"  # noqa: S608 - names and numbers of ours

    def _expect_stored(self, answer: httpx.Response) -> None:
        text = answer.text.strip()[:300]
        if answer.status_code in _NO_RIGHTS:
            raise _ProbeFault(
                f"{answer.status_code} when writing ({text}): give the token the right to write {self._bucket}"
            )
        if answer.status_code == _NOT_FOUND:
            raise _ProbeFault(f"404 when writing ({text}): make the bucket {self._bucket}, or name another in hub.yaml")
        answer.raise_for_status()


_BEFORE_IT_STORES: Final = (
    "it says *stored* before it stores, as InfluxDB Cloud does: what it loses afterwards nobody would hear of; "
    "use InfluxDB 1.x, 2.x OSS or 3 Core, or series.kind embedded"
)


def _lines(*times_ns: int) -> str:
    return "\n".join(f"{_MEASUREMENT},kind=probe value=1.0 {time_ns}" for time_ns in times_ns)


def _times_of(answer: httpx.Response) -> list[int]:
    try:
        results = answer.json()["results"]
        return [int(row[0]) for result in results for series in result.get("series", ()) for row in series["values"]]
    except (ValueError, KeyError, TypeError, IndexError):
        return []


def _diagnostic(answer: httpx.Response, name: str) -> str | None:
    """One setting among those that SHOW DIAGNOSTICS tells."""
    try:
        tables: list[Mapping[str, list[object]]] = answer.json()["results"][0]["series"]
        for table in tables:
            columns = [str(column) for column in table["columns"]]
            if name in columns:
                return str(table["values"][0][columns.index(name)])  # type: ignore[index]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return None
