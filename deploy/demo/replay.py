"""Which recordings of a folder feed which devices of the demonstration, and where they lie in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from deploy.demo.recordings import (
    Bytes,
    RecordedAir,
    RecordingError,
    air_hours,
    dumped_frames,
    nmea_bytes,
    vedirect_bytes,
    vehicles_of,
)
from deploy.demo.scene import Vehicle

T = TypeVar("T")

# The hours of the air run so much faster than the recording's other clocks: at speed 1 an hour takes six seconds.
AIR_SPEED: Final = 600.0

_AIR: Final = "PRSA_Data_*.csv"
_VEHICLES: Final = "jamar_vehicle__*.txt"
_GPS: Final = "bu353s4.log"
_SOLAR: Final = "bluesolar_1.23.dump"
_BATTERY: Final = "bvm702.dump"
_PARTICLES: Final = "PMSx003.hexdump"
_PLANTOWER_HEADER: Final = b"\x42\x4d"
_SENSOR_BAUD: Final = 9600
_GPS_BAUD: Final = 4800  # the receiver's factory setting
_VEDIRECT_BAUD: Final = 19200


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Recordings, and in words which of them feeds which device. A device that none feeds is not in the field."""

    air: RecordedAir | None
    vehicles: tuple[Vehicle, ...]
    streams: Mapping[str, Bytes]
    fed_by: Mapping[str, str]


def load_replay(folder: Path) -> Replay:
    """The recordings below a folder.

    Raises:
        RecordingError: there is no such folder, none of the recordings is in it, or one cannot be used.
    """
    if not folder.is_dir():
        raise RecordingError(f"--replay {folder}: there is no such folder")
    fed_by: dict[str, str] = {}

    def load(pattern: str, feeds: Mapping[str, str], parse: Callable[[Path], T]) -> T | None:
        path = next(iter(sorted(folder.rglob(pattern))), None)
        if path is None:
            return None
        loaded = parse(path)
        fed_by.update({device: f"{path.relative_to(folder)}: {what}" for device, what in feeds.items()})
        return loaded

    air = load(_AIR, _AIR_FEEDS, _read_air)
    vehicles = load(_VEHICLES, _VEHICLES_FEED, _read_vehicles)
    raw = {
        "dust-2": load(_PARTICLES, {"dust-2": "its frames, byte for byte"}, _read_particles),
        "gps-1": load(_GPS, {"gps-1": "byte for byte"}, _read_gps),
        "solar-1": load(_SOLAR, {"solar-1": "byte for byte, its damaged blocks too"}, _read_vedirect),
        "battery-1": load(_BATTERY, {"battery-1": "byte for byte"}, _read_vedirect),
    }
    if not fed_by:
        wanted = f"{_AIR}, {_VEHICLES}, {_PARTICLES}, {_GPS}, {_SOLAR}, {_BATTERY}"
        raise RecordingError(f"--replay {folder}: found no recording in it, expected one or more of {wanted}")
    streams = {device: recorded for device, recorded in raw.items() if recorded is not None}
    return Replay(air=air, vehicles=tuple(vehicles or ()), streams=streams, fed_by=fed_by)


_AIR_FEEDS: Final = {
    "weather-1": (
        "TEMP, PRES, RAIN (added up), WSPM, wd, and humidity calculated from TEMP and DEWP; NA, gusts and light are"
        " said to have no value"
    ),
    "dust-1": "PM2.5 and PM10; silent in an hour where one of them is NA",
}
_VEHICLES_FEED: Final = {
    "counter-1": "a pulse on the input of its channel for each vehicle",
    "radar-1": "channel as lane, class, and speed in km/h of each vehicle; length and range are typical, not recorded",
}


def _read_air(path: Path) -> RecordedAir:
    return RecordedAir(air_hours(_text(path).splitlines(), path.name))


def _read_vehicles(path: Path) -> list[Vehicle]:
    return vehicles_of(_text(path).splitlines(), path.name)


def _read_particles(path: Path) -> Bytes:
    return dumped_frames(_text(path), path.name, header=_PLANTOWER_HEADER, baud=_SENSOR_BAUD)


def _read_gps(path: Path) -> Bytes:
    return nmea_bytes(_bytes(path), path.name, baud=_GPS_BAUD)


def _read_vedirect(path: Path) -> Bytes:
    return vedirect_bytes(_bytes(path), path.name, baud=_VEDIRECT_BAUD)


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8-sig", errors="replace")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
