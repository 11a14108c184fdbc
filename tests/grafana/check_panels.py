"""Asks every panel, variable and alert rule of a real InfluxDB and counts the rows: `make check-panels`."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Final

import httpx

from grafana.alerting import rules
from grafana.build import boards, dashboards
from grafana.centre import AlarmLevels, Centre
from grafana.expand import Asked, Span, asked_by_boards, asked_by_rules
from grafana.influxql import FIVE_MINUTES, HOURLY, RAW
from tests.support import panel_data
from tests.support.influxd import InfluxServer

CENTRE: Final = Centre(
    map_url="http://127.0.0.1:8080/map/key",
    alarm_levels=[
        AlarmLevels(
            site="demo-road",
            device=panel_data.GAUGE,
            key="water_level",
            levels_m=(5.4, 6.9, 7.9),
            source="Decision 05/2020/QD-TTg",
        )
    ],
)
_DATABASES: Final = {
    RAW: panel_data.DATABASE,
    FIVE_MINUTES: f"{panel_data.DATABASE}_5m",
    HOURLY: f"{panel_data.DATABASE}_1h",
}


# Of freshness one moment is written here, and its window is not over.
_NOT_FOLDED: Final = ('"freshness"',)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back: rows, or the database's complaint."""

    asked: Asked
    rows: int
    error: str | None

    def told(self) -> str:
        """One line for a person."""
        return f"{self.rows:>7}  {self.asked.database:7} {self.asked.where}" + (
            f"   {self.error}: {self.asked.statement}" if self.error else ""
        )


def all_asked(now_ms: int) -> list[Asked]:
    """Every statement over the last six hours: as the pages open, and at the other levels where a page follows them."""
    span = Span(start_ms=now_ms - 6 * 3_600_000, end_ms=now_ms)
    at_levels = [
        asked
        for level in (FIVE_MINUTES, HOURLY)
        for asked in asked_by_boards(dashboards(CENTRE), span, {}, level)
        if asked.database == level and not any(name in asked.statement for name in _NOT_FOLDED)
    ]
    asked_rules = rules(CENTRE, boards(CENTRE))
    return [*asked_by_boards(dashboards(CENTRE), span, {}), *at_levels, *asked_by_rules(asked_rules, now_ms)]


def answered(server: InfluxServer, asked: Sequence[Asked]) -> list[Answered]:
    """The answers of the database."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        return [_answered(client, one) for one in asked]


def _answered(client: httpx.Client, asked: Asked) -> Answered:
    params = {"db": _DATABASES[asked.database], "epoch": "ms"}
    body = client.post("/query", params=params, data={"q": asked.statement}).json()
    (result,) = body.get("results") or [{}]
    error = body.get("error") or result.get("error")
    rows = sum(len(series["values"]) for series in result.get("series", []))
    return Answered(asked=asked, rows=rows, error=error)


def main() -> None:
    """Fill a database, ask, print; exit code 1 where one statement brings nothing."""
    program = which("influxd") or which("influxd", path="/usr/sbin")
    if program is None:
        sys.exit("influxd is not installed: run `make packages`")
    started_s = time.monotonic()  # noqa: TID251 - a program that is watched
    with tempfile.TemporaryDirectory(prefix="sen-panels-") as name:
        folder = Path(name)
        server = InfluxServer(program=program, folder=folder)
        try:
            found = asyncio.run(_fill_and_ask(server, folder))
        finally:
            server.stop()
    for one in found:
        print(one.told())
    empty = [one for one in found if not one.rows]
    print(f"drawn for this check, taken in like the rest: {'; '.join(panel_data.DRAWN)}")
    print(f"written by the hub's own code about drawn machines: {', '.join(panel_data.SAID_BY_THE_HUB)}")
    took_s = time.monotonic() - started_s  # noqa: TID251
    print(f"{len(found)} statements, {sum(one.rows for one in found)} rows, {len(empty)} empty, {took_s:.0f} s")
    sys.exit(1 if empty else 0)


async def _fill_and_ask(server: InfluxServer, folder: Path) -> list[Answered]:
    async with panel_data.filled(server, folder, now_ms=_now_ms()):
        return await asyncio.to_thread(answered, server, all_asked(_now_ms()))


def _now_ms() -> int:
    return round(time.time() * 1000)  # noqa: TID251 - the database compares with its own clock


if __name__ == "__main__":
    main()
