"""Recorded air goes the way of readings: gaps stay gaps, what stands still is marked, and the index follows."""

from pathlib import Path

import pytest

from deploy.demo.air_history import beijing_hours, hanoi_hours, records_of
from deploy.demo.history import load, stations_in
from deploy.demo.recordings import RecordingError
from hub.clock import SystemClock
from hub.config import ConfigError, HubFolder, open_folder
from hub.kept import make_series
from hub.levels.level import Level
from hub.new_folder import make_folder
from hub.series.base import Sample, Selection, TimeRange
from wire.records import Mode, Quality

ALWAYS = TimeRange(start_ns=0, end_ns=2**62)
HOUR_NS = 3_600_000_000_000
HOURS = 120
BEIJING = "year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3"


@pytest.fixture
def folder(tmp_path: Path) -> HubFolder:
    make_folder(tmp_path)
    file = tmp_path / "hub.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("raw_days: 90", "raw_days: null"), encoding="utf-8")
    return open_folder(tmp_path)


def test_what_was_not_recorded_is_none_and_the_hour_is_utc() -> None:
    (hour,) = beijing_hours([BEIJING, "2013,3,1,7,6,18,5,NA,800,88"], "b.csv")
    assert hour.time_ms == 1_362_092_400_000  # 2013-02-28T23:00Z
    assert (hour.values["pm2_5"].number, hour.values["no2_mass"].number) == (6.0, None)


@pytest.mark.parametrize(
    ("number", "said", "expected", "quality"),
    [
        ("69.2", "Valid", 69.2, Quality.GOOD),
        ("-999.0", "Missing", None, Quality.STALE),
        ("74.0", "Invalid", 74.0, Quality.SENSOR_FAULT),
        ("-15.0", "Invalid", -15.0, Quality.OUT_OF_RANGE),
    ],
)
def test_the_keepers_judgement_becomes_quality(
    number: str, said: str, expected: float | None, quality: Quality
) -> None:
    lines = ["Date (LT),Raw Conc.,QC Name", f"2018-01-01 01:00 AM,{number},{said}"]
    (hour,) = hanoi_hours(lines, "h.csv")
    assert (hour.values["pm2_5"].number, hour.values["pm2_5"].quality) == (expected, quality)
    assert hour.time_ms == 1_514_739_600_000  # the hour from 2017-12-31T17:00Z


def test_what_stands_still_for_half_a_day_is_marked() -> None:
    rows = [f"2013,3,{1 + hour // 24},{hour % 24},42,{hour},1,1,1,1" for hour in range(30)]
    records = list(records_of(beijing_hours([BEIJING, *rows], "b.csv"), site="x", device="station"))
    assert [record.values[0].quality for record in records][:9] == [Quality.GOOD] * 9
    assert records[-1].values[0].quality is Quality.STUCK
    assert records[-1].values[1].quality is Quality.GOOD


def test_a_file_that_is_none_is_named_with_its_line() -> None:
    with pytest.raises(RecordingError, match=r"b.csv:1: found no column CO"):
        list(beijing_hours(["year,month"], "b.csv"))
    with pytest.raises(RecordingError, match=r"b.csv:2: could not convert"):
        list(beijing_hours([BEIJING, "2013,3,1,7,x,18,5,NA,800,88"], "b.csv"))


@pytest.mark.recorded
async def test_recorded_air_becomes_series_levels_and_an_index_of_its_own_mode(
    recorded_data: Path, folder: HubFolder
) -> None:
    stations = stations_in(recorded_data / "air-weather", hours=HOURS)
    assert set(stations) == {"gucheng", "shunyi", "hanoi"}
    assert await load(folder, stations, SystemClock()) == 3 * HOURS
    assert await load(folder, stations, SystemClock()) == 3 * HOURS, "loading again changes nothing"

    async def series(gateway: str, field: str, *, level: Level = Level.RAW, of: str = "air_quality") -> list[Sample]:
        store = make_series(folder, level)
        found = await store.span(Selection(gateway=f"recorded-{gateway}", measurement=of, field=field), ALWAYS)
        await store.close()
        assert {item.series.mode for item in found} == {Mode.BACKFILLED}
        return [sample for item in found for sample in item.samples]

    raw = await series("gucheng", "no2_mass")
    gaps = {sample.time_ns // HOUR_NS for sample in raw if sample.number is None}
    assert gaps, "the recording has gaps"
    hourly = await series("gucheng", "no2_mass", level=Level.HOURLY)
    assert {sample.time_ns // HOUR_NS for sample in hourly if sample.number is None} == gaps
    assert gaps.isdisjoint({sample.time_ns // HOUR_NS for sample in await series("gucheng", "aqi_no2", of="indicator")})

    index = [sample.number for sample in await series("hanoi", "aqi", of="indicator") if sample.number is not None]
    assert len(index) > HOURS * 0.8
    assert all(0 <= number <= 500 for number in index)
    assert len(await series("hanoi", "aqi_daily", of="indicator")) >= 2


@pytest.mark.recorded
async def test_a_hub_that_would_drop_the_recording_is_told_so(recorded_data: Path, tmp_path: Path) -> None:
    make_folder(tmp_path)
    with pytest.raises(ConfigError, match=r"raw series are kept 90 days.*set series.retention.raw_days"):
        await load(open_folder(tmp_path), stations_in(recorded_data / "air-weather", hours=2), SystemClock())
