"""An export holds every value of what was asked for, whole or not at all, and no spreadsheet computes any of it."""

import csv
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from hub.api.export import COLUMNS, csv_of, no_formula, slices
from hub.api.views import Meanings
from hub.commands.parquet import write_parquet
from hub.levels.level import Level
from hub.registry.model import Device
from hub.series.base import Selection, TimeRange
from hub.series.sheet import Point, sheets_of
from tests.support.fake_series import FakeSeriesStore
from wire.identifiers import DeviceId, GatewayId
from wire.messages import GroupInventory
from wire.records import Mode, PointLayout, Quality

HOUR = 3_600_000_000_000
START = 1_795_000_000_000_000_000


def point(time_ns: int, value: float | None, *, mode: Mode = Mode.LIVE, measurement: str = "power") -> Point:
    return Point(
        measurement=measurement, site="hall", gateway="gw-1", device="meter-1", group="main", mode=mode,
        time_ns=time_ns, fields={} if value is None else {"voltage": value},
        qualities={"voltage": Quality.TIMEOUT if value is None else Quality.GOOD},
    )  # fmt: skip


def meanings(unit: str = "V") -> Meanings:
    layout = PointLayout(key="voltage", quantity="voltage", unit=unit)
    group = GroupInventory(group="main", measurement="power", every_s=10, points=(layout,))
    return Meanings([
        Device(
            gateway=GatewayId("gw-1"), device=DeviceId("meter-1"), profile="x/y", revision=1, bus="b",
            groups=(group,), quality=None, last_good_ms=None, errors={},
        )
    ])  # fmt: skip


async def exported(points: list[Point], *, unit: str = "V", asked: Selection | None = None) -> list[str]:
    store = FakeSeriesStore()
    await store.write(sheets_of(points))
    time_range = TimeRange(start_ns=START, end_ns=START + 3 * HOUR)
    pieces = csv_of(store, meanings(unit), asked or Selection(), time_range, level=Level.RAW)
    return "".join([piece async for piece in pieces]).splitlines()


async def test_every_value_is_there_with_unit_mode_and_quality_and_the_hubs_own_only_where_asked() -> None:
    points = [
        point(START, 230.5),
        point(START + HOUR, None),
        point(START + HOUR, -1.5, mode=Mode.SIMULATED),
        point(START + 3 * HOUR, 1.0),
        point(START, 1.0, measurement="freshness"),
    ]
    lines = await exported(points)
    assert lines[0] == ",".join(COLUMNS)
    assert sorted(lines[1:]) == sorted([
        "power,hall,gw-1,meter-1,main,voltage,V,live,2026-11-18T11:06:40.000Z,230.5,good",
        "power,hall,gw-1,meter-1,main,voltage,V,live,2026-11-18T12:06:40.000Z,,timeout",
        "power,hall,gw-1,meter-1,main,voltage,V,simulated,2026-11-18T12:06:40.000Z,-1.5,good",
    ])  # fmt: skip
    assert len(await exported(points, asked=Selection(measurement="freshness"))) == 2


async def test_more_values_than_any_limit_are_all_exported() -> None:
    store = FakeSeriesStore()
    await store.write(sheets_of([point(START + i * 10**8, float(i)) for i in range(3000)]))
    time_range = TimeRange(start_ns=START, end_ns=START + HOUR)
    pieces = [piece async for piece in csv_of(store, meanings(), Selection(), time_range, level=Level.RAW)]
    values = [float(row["value"]) for row in csv.DictReader(io.StringIO("".join(pieces)))]
    assert values == [float(i) for i in range(3000)]


async def test_a_unit_that_a_spreadsheet_would_compute_is_text() -> None:
    lines = await exported([point(START, 1.0)], unit="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in lines[1]


@given(st.text(max_size=5))
def test_no_cell_is_a_formula(text: str) -> None:
    assert not no_formula(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert no_formula(text).removeprefix("'") == text.removeprefix("'") or text.startswith("'")


@given(st.integers(0, 10**18), st.integers(1, 40 * HOUR), st.sampled_from(Level))
def test_slices_are_the_range_without_gap_or_overlap(start: int, length: int, level: Level) -> None:
    found = list(slices(TimeRange(start_ns=start, end_ns=start + length), level))
    assert (found[0].start_ns, found[-1].end_ns) == (start, start + length)
    assert all(one.end_ns == other.start_ns for one, other in itertools.pairwise(found))


async def test_a_parquet_file_holds_the_same_and_a_broken_export_leaves_none(tmp_path: Path) -> None:
    lines = [f"{line}\n" for line in await exported([point(START, 230.5), point(START + HOUR, None)], unit="=V")]
    path = tmp_path / "v.parquet"
    assert write_parquet(iter(lines), path) == 2
    rows = parquet.read_table(path).to_pylist()
    assert [(row["value"], row["quality"], row["unit"]) for row in rows] == [
        (230.5, "good", "=V"),
        (None, "timeout", "=V"),
    ]
    assert rows[0]["time"].isoformat() == "2026-11-18T11:06:40+00:00"

    def broken() -> object:
        yield from lines
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write_parquet(broken(), tmp_path / "w.parquet")  # type: ignore[arg-type] # a generator of lines
    assert [file.name for file in tmp_path.iterdir()] == ["v.parquet"]
