"""How long the panels' queries take on a real InfluxDB, raw against the levels of five minutes and of an hour.

A fleet of so many series at 10 s for so many days (a thousand series for a day unless told otherwise) is written the
hub's way, raw and put together. Then every statement of every dashboard is asked of each level, over all of it and over
its second half, with the `$__interval` of a panel that shows 30 days: what a day adds is extrapolated to 30, and said
to be so. A panel costs what its statements cost one after the other, and its p95 is over the rounds. Run from the top:
`python -m bench.panel_queries [--series 1000] [--days 1] [--all]`.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import httpx
import numpy as np

from grafana.build import dashboards
from grafana.expand import Asked, Span, asked_by_boards
from grafana.texts import Language
from hub.levels.fold import derived_fields, fold, quantity_of_key
from hub.levels.level import FIVE_MINUTES_NS, HOUR_NS, NS_PER_S, Level, bucket_of
from hub.series.base import Sample
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sheet import Numbers, Sheet, Source
from tests.grafana.check_panels import CENTRE
from tests.support.influxd import InfluxServer
from wire.quantities import QuantityKind
from wire.records import Mode, Quality

ENGLISH: Final = replace(CENTRE, language=Language.EN)
DAY_S: Final = 86_400
STEP_S: Final = 10
ASKED_DAYS: Final = 30
PANEL_POINTS: Final = 600
END_S: Final = 1_795_046_400
GATEWAYS: Final = 20
WINDOW_NS: Final = {Level.FIVE_MINUTES: FIVE_MINUTES_NS, Level.HOURLY: HOUR_NS}
SOURCE_OF: Final = {"sen-raw": Level.RAW, "sen-5m": Level.FIVE_MINUTES, "sen-1h": Level.HOURLY}
# Five fields of each kind of thing, so that every board finds something.
KINDS: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("air_quality", ("pm2_5", "pm10", "o3_mass", "no2_mass", "co2")),
    ("weather", ("temperature", "humidity", "wind_speed", "wind_direction", "pressure")),
    ("power", ("voltage", "current", "power", "energy", "frequency")),
    ("water", ("water_level", "water_flow", "temperature", "turbidity", "ph")),
    ("traffic", ("vehicle_count", "mean_speed", "occupancy", "traffic_flow", "queue_length")),
)


Place: TypeAlias = tuple[str, str]
"""The board's uid and the panel's id and title, or the variable."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a statement took on a level, once a round, in seconds, and whether it brought anything."""

    seconds: tuple[float, ...]
    has_rows: bool


def raw_sheets(series: int, days: float, chance: np.random.Generator) -> Iterator[Sheet]:
    """One sheet a device: five fields that wander, every ten seconds."""
    times = np.arange(END_S - int(days * DAY_S), END_S, STEP_S, dtype=np.int64) * NS_PER_S
    for number in range(series // 5):
        measurement, keys = KINDS[number % len(KINDS)]
        source = Source(
            measurement, f"site-{number % GATEWAYS}", f"gw-{number % GATEWAYS}", f"dev-{number}", "main", Mode.LIVE
        )
        numbers = np.round(50 + np.cumsum(chance.normal(0, 0.05, (len(keys), len(times))), axis=1), 2)
        yield _sheet(source, times, keys, np.abs(numbers))


def put_together(sheet: Sheet, window_ns: int) -> Sheet:
    """The sheet's level, with the fields and numbers that the hub's own fold gives."""
    per_window = window_ns // (STEP_S * NS_PER_S)
    windows = len(sheet.times_ns) // per_window
    columns: dict[str, Numbers] = {}
    for place, key in enumerate(sheet.keys):
        cells = sheet.numbers[place, : windows * per_window].reshape(windows, per_window)
        kind = quantity.kind if (quantity := quantity_of_key(key)) else QuantityKind.GAUGE
        natural = {QuantityKind.TALLY: cells.sum(axis=1), QuantityKind.COUNTER: cells[:, -1]}
        columns[key] = natural.get(kind, cells.mean(axis=1))
        one = fold([Sample(time_ns=0, number=1.0, quality=Quality.GOOD)], quantity)
        beside = {"min": cells.min(axis=1), "max": cells.max(axis=1), "last": cells[:, -1]}
        for name in derived_fields(key, one, quantity):
            ending = name.removeprefix(f"{key}_")
            columns[name] = beside.get(ending, np.full(windows, per_window if ending == "count" else 1.0))
    columns["worst_mode"] = np.zeros(windows)
    times = sheet.times_ns[: windows * per_window : per_window]
    return _sheet(sheet.sources[0], times, tuple(columns), np.array(list(columns.values())))


def _sheet(source: Source, times_ns: np.ndarray, keys: tuple[str, ...], numbers: Numbers) -> Sheet:
    return Sheet(
        sources=[source], source_of=np.zeros(len(times_ns), np.int64), times_ns=times_ns, keys=keys, numbers=numbers
    )


async def fill(url: str, series: int, days: float) -> dict[Level, int]:
    """Write all levels; returns the numbers of values."""
    stores = {
        level: InfluxSeriesStore(
            InfluxSettings(url=url, api=InfluxApi.V1, bucket=bucket_of("sen", level), timeout_s=120)
        )
        for level in Level
    }
    written = dict.fromkeys(Level, 0)
    for sheet in raw_sheets(series, days, np.random.default_rng(1)):
        sheets = {Level.RAW: sheet} | {level: put_together(sheet, window) for level, window in WINDOW_NS.items()}
        for level, one in sheets.items():
            result = await stores[level].write([one])
            assert result.unknown is None, result.unknown
            assert not result.refused, result.refused
            written[level] += one.numbers.size
    for store in stores.values():
        await store.close()
    return written


def timed(server: httpx.Client, asked: Asked, level: Level, rounds: int) -> Timings:
    """Ask a few times."""
    seconds: list[float] = []
    has_rows = False
    for _ in range(rounds):
        start = time.perf_counter()
        answer = server.get("/query", params={"db": bucket_of("sen", level), "epoch": "ms", "q": asked.statement})
        seconds.append(time.perf_counter() - start)
        has_rows = '"values"' in answer.text
    return Timings(tuple(seconds), has_rows)


def measured(url: str, days: float, rounds: int) -> dict[Level, dict[str, tuple[float, ...]]]:
    """For each level the times of each statement that brings rows."""
    span = Span(
        start_ms=int((END_S - days * DAY_S) * 1000),
        end_ms=END_S * 1000,
        points=max(1, round(PANEL_POINTS * days / ASKED_DAYS)),
    )
    found: dict[Level, dict[str, tuple[float, ...]]] = {}
    with httpx.Client(base_url=url, timeout=300) as server:
        for uid, level in SOURCE_OF.items():
            timings = {
                asked.where: timed(server, asked, level, rounds)
                for asked in asked_by_boards(dashboards(ENGLISH), span, {}, uid)
                if asked.database == uid and not asked.statement.startswith("SHOW")
            }
            found[level] = {where: each.seconds for where, each in timings.items() if each.has_rows}
    return found


def of_panels(statements: Mapping[str, Sequence[float]]) -> dict[Place, list[float]]:
    """The times of each panel: of a round, all its statements one after the other."""
    rounds: dict[Place, list[Sequence[float]]] = {}
    for where, seconds in statements.items():
        place, _, title = where.partition(" ")
        board, _, target = place.partition("/")
        panel = target.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        rounds.setdefault((board, f"{panel} {title}"), []).append(seconds)
    return {place: [sum(each) for each in zip(*of_one, strict=True)] for place, of_one in rounds.items()}


def p95(seconds: Iterable[float]) -> float:
    """The 95th of a hundred of these times."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def main() -> None:
    """Fill a database, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5, help="how often each statement is asked")
    parser.add_argument("--all", action="store_true", help="a row for each panel, not only the slowest of a dashboard")
    asked = parser.parse_args()
    program = shutil.which("influxd") or shutil.which("influxd", path="/usr/sbin")
    if program is None:
        sys.exit("influxd is not installed: run `make setup`")
    with tempfile.TemporaryDirectory() as folder:
        server = InfluxServer(program=program, folder=Path(folder))
        try:
            start = time.perf_counter()
            written = asyncio.run(fill(server.url, asked.series, asked.days))
            print(f"{asked.series} series, {asked.days:g} days at {STEP_S} s, in {time.perf_counter() - start:.0f} s:")
            whole, half = (measured(server.url, days, asked.rounds) for days in (asked.days, asked.days / 2))
        finally:
            server.stop()
    report(written, whole, half, asked.days)
    report_panels(whole, half, asked.days, is_full=asked.all)


def report(
    written: Mapping[Level, int],
    whole: Mapping[Level, Mapping[str, Sequence[float]]],
    half: Mapping[Level, Mapping[str, Sequence[float]]],
    days: float,
) -> None:
    """One row a level: all statements together, each with the quickest of its rounds."""
    wanted = set.intersection(*(set(found) for each in (whole, half) for found in each.values()))

    def of_all(found: Mapping[str, Sequence[float]]) -> float:
        return p95([min(found[where]) for where in wanted])

    print(f"{len(wanted)} statements of the dashboards bring rows on every level and over both spans")
    print(f"{'level':5} {'values':>12} {'p95, ms':>9} {'raw / it':>9} {'twice the span':>15} {'30 days, p95, s':>16}")
    raw = of_all(whole[Level.RAW])
    for level in Level:
        here, before = of_all(whole[level]), of_all(half[level])
        # What a day adds, and what a question costs at all.
        slope = max(0.0, (here - before) / (days / 2))
        at_30 = max(here, here + slope * (ASKED_DAYS - days))
        print(
            f"{level.value:5} {written[level]:>12,} {here * 1000:>9.1f} {raw / here:>9.1f}"
            f" {here / before:>15.2f} {at_30:>16.2f}"
        )


def report_panels(
    whole: Mapping[Level, Mapping[str, Sequence[float]]],
    half: Mapping[Level, Mapping[str, Sequence[float]]],
    days: float,
    *,
    is_full: bool,
) -> None:
    """A row for each dashboard, its slowest panel on raw series, or with `is_full` one for each panel."""
    panels, before = ({level: of_panels(each[level]) for level in Level} for each in (whole, half))
    shared = set.intersection(*(set(found) for each in (panels, before) for found in each.values()))
    cost = {place: p95(panels[Level.RAW][place]) for place in shared}
    boards = sorted({board for board, _ in shared})
    print("p95 of each panel's rounds" if is_full else "p95 of each dashboard's slowest panel (all of them: --all)")
    print(f"{'dashboard':18} {'raw, ms':>8} {'raw / 5m':>9} {'raw / 1h':>9} {'30 days: raw, 5m, 1h, s':>24}  panel")
    for board in boards:
        own = sorted((place for place in shared if place[0] == board), key=cost.__getitem__, reverse=True)
        for place in own if is_full else own[:1]:
            here = {level: p95(panels[level][place]) for level in Level}
            # What a day adds is told by the quickest rounds: the slowest are those that something else disturbed.
            day = {level: 2 / days * (min(panels[level][place]) - min(before[level][place])) for level in Level}
            at_30 = {level: spent + max(0.0, day[level]) * (ASKED_DAYS - days) for level, spent in here.items()}
            ratios = [here[Level.RAW] / here[level] for level in WINDOW_NS]
            told = " ".join(f"{spent:>7.2f}" for spent in at_30.values())
            print(
                f"{board:18} {here[Level.RAW] * 1000:>8.1f} {ratios[0]:>9.1f} {ratios[1]:>9.1f} {told:>24}  {place[1]}"
            )
    silent = {board["uid"] for board in dashboards(ENGLISH)} - set(boards)
    print(f"not here, for they ask raw series or the hub's own points alone: {', '.join(sorted(silent)) or 'none'}")


if __name__ == "__main__":
    main()
