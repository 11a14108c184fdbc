"""18 receivers' bytes, read as gpsd reads them.

gpsd writes beside each recording (`.log`) what it makes of it (`.log.chk`): the sentences in the order in which it saw
them, and after them its TPV objects. Three receivers speak a binary protocol; for them gpsd wrote the sentences itself.

Where gpsd knows or decides something that no sentence says, a rule below names it:

R1. A TPV of mode 1 is no fix, and is not compared. Time told by a void sentence is not believed by us (one of these
    recordings tells a time that is two and a half years wrong so); gpsd prints it in mode 1.
R2. gpsd believes a GGA of quality 0 that counts its satellites, and takes it back with the next sentence. We do not.
R3. gpsd works out a speed from two positions when the sentence at hand brings none: a speed is compared only where a
    sentence told one for the TPV's own time.
R4. gpsd moves a date by 1024 weeks when it thinks that the receiver's week counter rolled over.
R5. gpsd prints nine decimals of what it calculated in binary: 1e-9 degrees (0.1 mm) either way.
R6. Of a receiver that speaks binary, gpsd prints the position itself and a sentence rounded to 1e-7 minutes: also R5.
"""

import json
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.library import load_profile

pytestmark = pytest.mark.recorded

ROLL_OVER_MS = 1024 * 7 * 86_400_000
DEGREES_R5 = 1.0001e-9

# Positions, times and speeds compared in each recording, all equal: fewer would be a hole in the comparison.
COMPARED = {
    "beidou-bd": (15, 12, 4),
    "bu303-climbing": (8, 8, 8),
    "bu303-nofix": (0, 0, 0),
    "bu353-glonass": (11, 11, 11),
    "bu353s4": (27, 25, 25),
    "et-332": (39, 39, 37),
    "garmin38": (12, 10, 10),
    "garmin48": (17, 17, 3),
    "gp-320fw-2019-03-28": (51, 50, 50),
    "gpslim236": (41, 39, 39),
    "humminbird-M37": (38, 38, 23),
    "mtk-3301": (12, 11, 6),
    "neo-m8n": (23, 22, 22),
    "nmea-fuzzy-cases": (15, 14, 14),
    "quectel-L70": (51, 51, 51),
    "tr737A+": (30, 27, 6),
    "ublox-8": (76, 76, 76),
    "ublox-neo-m8n": (22, 22, 22),
}
BINARY = {"bu303-climbing", "bu303-nofix", "ublox-neo-m8n"}


@dataclass
class Told:
    """What the sentences have told so far, beside what the reader remembers itself."""

    position: tuple[float, float] | None = None
    speed_ms: float | None = None
    speed_time_ms: int | None = None
    readings: list[SerialReading] = field(default_factory=list)


@dataclass
class Compared:
    positions: int = 0
    times: int = 0
    speeds: int = 0
    rolled_over: int = 0
    different: list[str] = field(default_factory=list)


def reader() -> FrameReader:
    device = load_profile("nmea/gnss").serial
    assert device is not None
    return FrameReader(device)


def keys_of(group: str) -> list[str]:
    facts = next(each for each in load_profile("nmea/gnss").groups if each.name == group)
    return [point.key for point in facts.layout]


KEYS = {group: keys_of(group) for group in ("rmc", "gga", "gll", "vtg", "rmc_course", "vtg_course")}


@pytest.mark.parametrize("name", COMPARED)
def test_positions_times_and_speeds_equal_gpsds(recorded_data: Path, name: str) -> None:
    gps = recorded_data / "device-bytes" / "gps"
    compared, _ = compare((gps / f"{name}.log.chk").read_bytes().splitlines())
    sys.stdout.write(
        f"{name}: {compared.positions} positions, {compared.times} times, {compared.speeds} speeds equal gpsd's,"
        f" {compared.rolled_over} of the times 1024 weeks apart\n"
    )
    assert compared.different == []
    assert (compared.positions, compared.times, compared.speeds) == COMPARED[name]
    assert compared.rolled_over == (22 if name == "neo-m8n" else 0)  # R4: recorded in 2015, gpsd says 2034


@pytest.mark.parametrize("name", sorted(COMPARED.keys() - BINARY))
def test_the_recorded_bytes_give_what_was_compared(recorded_data: Path, name: str) -> None:
    gps = recorded_data / "device-bytes" / "gps"
    _, told = compare((gps / f"{name}.log.chk").read_bytes().splitlines())
    whole = reader().feed((gps / f"{name}.log").read_bytes())
    assert [each for each in whole if isinstance(each, SerialReading)] == told.readings


@pytest.mark.parametrize("name", sorted(BINARY))
def test_a_binary_stream_is_never_taken_for_sentences(recorded_data: Path, name: str) -> None:
    binary = reader()
    found = binary.feed((recorded_data / "device-bytes" / "gps" / f"{name}.log").read_bytes())
    assert [each for each in found if isinstance(each, SerialReading)] == []
    assert binary.garbage_bytes > 3000


def compare(lines: list[bytes]) -> tuple[Compared, Told]:
    sentences, told, compared = reader(), Told(), Compared()
    last = b""
    for line in lines:
        if line.startswith(b"$"):
            last = line
            hear(sentences, told, line)
            continue
        tpv = json.loads(line)
        if tpv["class"] != "TPV" or tpv["mode"] == 1:  # R1
            continue
        if b"GGA," in last and last.split(b",")[6] == b"0":  # R2
            assert told.readings[-1].values[0].number is None
            continue
        judge(compared, tpv, told, sentences.device_time_ms)
    return compared, told


def hear(sentences: FrameReader, told: Told, line: bytes) -> None:
    for reading in sentences.feed(line + b"\r\n"):
        if not isinstance(reading, SerialReading):
            continue
        told.readings.append(reading)
        values = dict(zip(KEYS[reading.group], reading.values, strict=True))
        latitude, longitude = (values[key].number if key in values else None for key in ("latitude", "longitude"))
        if latitude is not None and longitude is not None:
            told.position = (latitude, longitude)
        speed_kmh = values["speed"].number if "speed" in values else None
        if speed_kmh is not None:
            told.speed_ms = speed_kmh / 3.6
            told.speed_time_ms = sentences.device_time_ms


def judge(compared: Compared, tpv: dict[str, Any], told: Told, time_ms: int | None) -> None:
    tpv_ms = round(datetime.fromisoformat(tpv["time"]).timestamp() * 1000) if "time" in tpv else None
    if "lat" in tpv:
        compared.positions += 1
        near = told.position is not None and all(
            abs(ours - theirs) <= DEGREES_R5
            for ours, theirs in zip(told.position, (tpv["lat"], tpv["lon"]), strict=True)
        )
        if not near:
            compared.different.append(f"position {told.position}: {tpv}")
    if tpv_ms is not None:
        compared.times += 1
        if time_ms is not None and tpv_ms - time_ms == ROLL_OVER_MS:  # R4
            compared.rolled_over += 1
            tpv_ms = time_ms
        if tpv_ms != time_ms:
            compared.different.append(f"time {time_ms}: {tpv}")
    if "speed" in tpv and told.speed_ms is not None and told.speed_time_ms == tpv_ms:  # R3
        compared.speeds += 1
        if abs(told.speed_ms - tpv["speed"]) > 0.0005000001:  # printed with three decimals
            compared.different.append(f"speed {told.speed_ms}: {tpv}")
