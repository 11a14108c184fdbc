"""Recorded reality as timelines: what to serve how many seconds after the beginning. Pure.

Air and weather by the hour, single vehicles from tube counters, and raw bytes of a GPS receiver and of solar chargers.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from deploy.demo.scene import Moment, Vehicle

_HOUR_S: Final = 3600
_KMH_PER_MPH: Final = 1.609344
_VEHICLE_COLUMNS: Final = ("Veh. No.", "Date", "Time", "Channel", "Class", "Speed")
_COMPASS: Final = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
_MISSING: Final = "NA"
_CHUNK_BYTES: Final = 64
_BITS_PER_BYTE: Final = 10  # a start bit, eight data bits, a stop bit
# The sentences that carry the time of the fix: where it changes, the receiver's next second begins.
_FIX_TIME: Final = re.compile(rb"^\$..(?:RMC|GGA|GLL|ZDA),(?:[^,]*,[NS],[^,]*,[EW],)?(\d{6})")
_BLOCK: Final = re.compile(rb".*?Checksum\t.", re.DOTALL)


class RecordingError(Exception):
    """A recording that cannot be used; the text says which file, which line, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirHour:
    """One hour of a station. None: not recorded."""

    temperature: float | None
    dew_point: float | None
    pressure: float | None
    rain: float | None
    wind_speed: float | None
    wind_direction: float | None
    pm2_5: float | None
    pm10: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes that a device sends `at_s` seconds after the beginning."""

    at_s: float
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """All that a device sent, and how long that took; then it begins again."""

    chunks: tuple[Chunk, ...]
    seconds: float


def air_hours(lines: Iterable[str], file: str) -> list[AirHour]:
    """The rows of a UCI "Beijing Multi-Site Air-Quality" file.

    Raises:
        RecordingError: a column is missing, or a row is not numbers and NA.
    """
    rows = iter(lines)
    header = next(rows, "").strip().split(",")
    wanted = ("TEMP", "DEWP", "PRES", "RAIN", "WSPM", "wd", "PM2.5", "PM10")
    if missing := [name for name in wanted if name not in header]:
        raise RecordingError(f"{file}:1: found no column {', '.join(missing)}, expected an hourly air quality file")
    places = [header.index(name) for name in wanted]
    return [_air_hour(row, places, f"{file}:{number}") for number, row in enumerate(rows, start=2)]


class RecordedAir:
    """A station's hours as the weather of the scene."""

    def __init__(self, hours: Sequence[AirHour]) -> None:
        self._hours = hours
        self._rain: list[float] = []
        total = 0.0
        for hour in hours:
            total += hour.rain or 0.0
            self._rain.append(total)

    def over(self, moment: Moment, recorded_s: float) -> Moment:
        """The moment with what the station measured in the hour that lies so many seconds after its first."""
        index = int(recorded_s // _HOUR_S) % len(self._hours)
        hour = self._hours[index]
        return replace(
            moment,
            temperature=hour.temperature,
            humidity=_humidity(hour.temperature, hour.dew_point),
            pressure=hour.pressure,
            wind_speed=hour.wind_speed,
            wind_gust=None,
            wind_direction=hour.wind_direction,
            rain_total=self._rain[index] if hour.rain is not None else None,
            illuminance=None,
            uv_index=None,
            pm2_5=hour.pm2_5,
            pm10=hour.pm10,
        )


def vehicles_of(lines: Iterable[str], file: str) -> list[Vehicle]:
    """The vehicles of a JAMAR per-vehicle file, `at_s` counted from the first.

    Raises:
        RecordingError: no column line, a line that is no vehicle, or no vehicles.
    """
    found: list[Vehicle] = []
    first: datetime | None = None
    has_columns = False
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.split(",")]
        if not has_columns:
            has_columns = tuple(fields) == _VEHICLE_COLUMNS
        elif line.strip():
            when, vehicle = _vehicle(fields, f"{file}:{number}")
            first = first or when
            found.append(replace(vehicle, at_s=(when - first).total_seconds()))
    if not found:
        raise RecordingError(f"{file}: found no vehicles, expected a line {', '.join(_VEHICLE_COLUMNS)} and rows")
    return sorted(found, key=lambda vehicle: vehicle.at_s)


def endless(vehicles: Sequence[Vehicle]) -> Iterator[Vehicle]:
    """The recorded vehicles again and again."""
    start_s = 0.0
    while True:
        for vehicle in vehicles:
            yield replace(vehicle, at_s=start_s + vehicle.at_s)
        start_s += vehicles[-1].at_s + 1


def nmea_bytes(data: bytes, file: str, *, baud: int) -> Bytes:
    """A receiver's sentences as it sent them, each second's at the beginning of its second.

    Raises:
        RecordingError: no sentence tells a time.
    """
    cycles: list[list[bytes]] = []
    last = b""
    for line in data.splitlines(keepends=True):
        if line.startswith(b"#"):  # a comment of whoever recorded it
            continue
        told = _FIX_TIME.match(line)
        if not cycles or (told and told[1] != last):
            cycles.append([])
            last = told[1] if told else last
        cycles[-1].append(line)
    if not last:
        raise RecordingError(f"{file}: found no NMEA sentence with a time")
    return _paced([b"".join(cycle) for cycle in cycles], baud)


def vedirect_bytes(data: bytes, file: str, *, baud: int) -> Bytes:
    """A charger's blocks as it sent them, damaged ones too, one a second.

    Raises:
        RecordingError: there is no block.
    """
    blocks = _BLOCK.findall(data)
    if not blocks:
        raise RecordingError(f"{file}: found no block that ends with Checksum")
    return _paced(blocks, baud)


def dumped_frames(text: str, file: str, *, header: bytes, baud: int) -> Bytes:
    """The frames of a hex dump (offset, colon, bytes, two spaces, text), one a second.

    Raises:
        RecordingError: a line is no hex dump, or the dump does not begin with the frames' header.
    """
    data = b""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            data += bytes.fromhex(line.split(": ", 1)[1].split("  ")[0])
        except (IndexError, ValueError) as error:
            raise RecordingError(f"{file}:{number}: found {line!r}, expected `offset: bytes  text`") from error
    if not data.startswith(header):
        raise RecordingError(f"{file}: found {data[:4].hex(' ')}, expected frames that begin with {header.hex(' ')}")
    return _paced([header + rest for rest in data.split(header)[1:]], baud)


def _paced(cycles: Sequence[bytes], baud: int) -> Bytes:
    """One cycle a second, its bytes as fast as the line."""
    chunks: list[Chunk] = []
    begin_s = 0.0
    for cycle in cycles:
        sent_s = begin_s
        for at in range(0, len(cycle), _CHUNK_BYTES):
            data = cycle[at : at + _CHUNK_BYTES]
            sent_s += len(data) * _BITS_PER_BYTE / baud
            chunks.append(Chunk(at_s=sent_s, data=data))
        begin_s = max(begin_s + 1.0, sent_s)
    return Bytes(chunks=tuple(chunks), seconds=begin_s)


def _air_hour(row: str, places: Sequence[int], where: str) -> AirHour:
    fields = row.strip().split(",")
    try:
        texts = [fields[place] for place in places]
        numbers = [None if text == _MISSING else float(text) for text in texts[:5] + texts[6:]]
    except (IndexError, ValueError) as error:
        raise RecordingError(f"{where}: found {row.strip()!r}, expected numbers or NA") from error
    temperature, dew_point, pressure, rain, wind_speed, pm2_5, pm10 = numbers
    return AirHour(
        temperature=temperature,
        dew_point=dew_point,
        pressure=pressure,
        rain=rain,
        wind_speed=wind_speed,
        wind_direction=_COMPASS.index(texts[5]) * 22.5 if texts[5] in _COMPASS else None,
        pm2_5=pm2_5,
        pm10=pm10,
    )


def _humidity(temperature: float | None, dew_point: float | None) -> float | None:
    """Relative humidity in %, by the Magnus formula (WMO-No. 8, annex 4.B)."""
    if temperature is None or dew_point is None:
        return None

    def pressure_of(degrees: float) -> float:
        return math.exp(17.62 * degrees / (243.12 + degrees))

    return min(100.0, 100.0 * pressure_of(dew_point) / pressure_of(temperature))


def _vehicle(fields: Sequence[str], where: str) -> tuple[datetime, Vehicle]:
    try:
        _, date, clock, channel, vehicle_class, speed = fields
        when = datetime.strptime(f"{date} {clock}", "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=UTC)
        vehicle = Vehicle(
            at_s=0.0, lane=int(channel), vehicle_class=int(vehicle_class), speed_kmh=float(speed) * _KMH_PER_MPH
        )
    except ValueError as error:
        expected = ", ".join(_VEHICLE_COLUMNS)
        raise RecordingError(f"{where}: found {', '.join(fields)!r}, expected {expected}") from error
    return when, vehicle
