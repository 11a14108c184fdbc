"""Recorded hours of air quality stations as records: what was measured, what was not, what is doubtful. Pure.

The time of an hour is its beginning. A value that was not recorded is None; one that its keeper calls invalid is kept
and marked, and so is one that stands still for longer than its quantity may.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from deploy.demo.recordings import RecordingError
from edge.plausibility import Judge, usual_check
from wire.identifiers import DeviceId, SiteId
from wire.quantities import quantity
from wire.records import Mode, PointLayout, Quality, Record, Stream, Value

GROUP: Final = "air"
MEASUREMENT: Final = "air_quality"
HOUR_S: Final = 3600
_BEIJING: Final = {
    "pm2_5": "PM2.5", "pm10": "PM10", "so2_mass": "SO2", "no2_mass": "NO2", "co_mass": "CO", "o3_mass": "O3",
}  # fmt: skip
_NOT_RECORDED: Final = Value(None, Quality.STALE)
_MISSING: Final = "NA"
_BEIJING_UTC: Final = timedelta(hours=8)
_HANOI_UTC: Final = timedelta(hours=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One recorded hour: its beginning in UTC milliseconds since 1970, and a value for each key."""

    time_ms: int
    values: Mapping[str, Value]


def beijing_hours(lines: Iterable[str], file: str) -> Iterator[Hour]:
    """The rows of a UCI "Beijing Multi-Site Air-Quality" file, hours of UTC+8.

    Raises:
        RecordingError: a column is missing, or a row is not numbers and NA.
    """
    for number, row in _rows(lines, file, {"year", "month", "day", "hour", *_BEIJING.values()}):
        try:
            year, month, day, hour = (int(row[part]) for part in ("year", "month", "day", "hour"))
            local = datetime(year, month, day, hour, tzinfo=UTC)
            values = {
                key: _NOT_RECORDED if row[column] == _MISSING else Value(float(row[column]))
                for key, column in _BEIJING.items()
            }
        except ValueError as error:
            raise RecordingError(f"{file}:{number}: {error}; expected numbers or NA") from error
        yield Hour(time_ms=_ms(local - _BEIJING_UTC), values=values)


def hanoi_hours(lines: Iterable[str], file: str) -> Iterator[Hour]:
    """The rows of an AirNow file of PM2.5, hours ending at UTC+7.

    Raises:
        RecordingError: a column is missing, or a row is not what such files hold.
    """
    for number, row in _rows(lines, file, {"Date (LT)", "Raw Conc.", "QC Name"}):
        try:
            ends = datetime.strptime(row["Date (LT)"], "%Y-%m-%d %I:%M %p").replace(tzinfo=UTC)
            value = _judged_by_keeper(float(row["Raw Conc."]), row["QC Name"])
        except ValueError as error:
            raise RecordingError(f"{file}:{number}: {error}") from error
        yield Hour(time_ms=_ms(ends - timedelta(hours=1) - _HANOI_UTC), values={"pm2_5": value})


def records_of(hours: Iterable[Hour], *, site: str, device: str) -> Iterator[Record]:
    """The hours as records of one device, numbered from 1, with what stands still marked.

    They are `backfilled`: measured, but not by a gateway of ours, and long ago.
    """
    stream: Stream | None = None
    judge: Judge | None = None
    for seq, hour in enumerate(hours, start=1):
        if stream is None or judge is None:
            points = tuple(PointLayout(key=key, quantity=key, unit=quantity(key).unit) for key in hour.values)
            stream = Stream(
                site=SiteId(site), device=DeviceId(device), group=GROUP, measurement=MEASUREMENT,
                mode=Mode.BACKFILLED, points=points,
            )  # fmt: skip
            checks = {key: usual_check(MEASUREMENT, key.removesuffix("_mass")) for key in hour.values}
            judge = Judge(points, checks)
        values = judge.judged(tuple(hour.values.values()), at_s=hour.time_ms / 1000)
        yield Record(seq=seq, stream=stream, time_ms=hour.time_ms, values=values)


def _judged_by_keeper(number: float, said: str) -> Value:
    if said == "Missing":
        return _NOT_RECORDED
    if said == "Valid":
        return Value(number)
    is_plausible = number >= quantity("pm2_5").minimum
    return Value(number, Quality.SENSOR_FAULT if is_plausible else Quality.OUT_OF_RANGE)


def _rows(lines: Iterable[str], file: str, wanted: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    rows = csv.DictReader(lines)
    if missing := wanted - set(rows.fieldnames or ()):
        raise RecordingError(f"{file}:1: found no column {', '.join(sorted(missing))}, expected hours of air quality")
    for row in rows:
        if None in row.values():
            raise RecordingError(f"{file}:{rows.line_num}: found {len(row)} cells too few")
        yield rows.line_num, row


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
