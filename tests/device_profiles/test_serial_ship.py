"""What a research ship's instruments sent for some minutes, read with the library's profiles and one of the test's own.

Its logger wrote the UTC time before each line; here that is taken away again and the line end put back.
"""

from collections import Counter
from pathlib import Path

import pytest

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.framing.base import FrameFault
from device_profiles.library import load_profile
from device_profiles.parse import parse_profile
from device_profiles.serial_model import SerialDevice
from wire.records import Quality, Value

pytestmark = pytest.mark.recorded

MAST = """\
profile: ship/mast
revision: 1
device: {vendor: R/V Nathaniel B. Palmer, model: mwx1, kind: mast}
source: {document: openrvdas, section: test/NBP1406}
line: {baud: 9600}
serial:
  mode: stream
  lines:
    ends: ["\\n"]
    check: {kind: xor8_hex, after: "\\x02", mark: "\\x03", prefixes: [PUS, SUS]}
    layout: {kind: fields, count: 7}
  groups:
    - name: logger
      measurement: weather
      every_s: 0
      prefixes: ["MET,"]
      layout: {kind: fields, count: 10}
      points:
        - {key: supply_voltage, quantity: supply_voltage, at: 0}
        - {key: temperature, quantity: temperature, at: 2}
        - {key: humidity, quantity: humidity, at: 3}
        - {key: pressure, quantity: pressure, at: 9}
    - name: port
      measurement: weather
      prefixes: ["PUS,\\x02A,"]
      points:
        - {key: wind_direction, quantity: wind_direction, at: 0}
        - {key: wind_speed, quantity: wind_speed, at: 1, unit_at: 2, units: [{text: M}]}
        - {key: sensor_status, quantity: status, at: 5}
    - name: starboard
      measurement: weather
      prefixes: ["SUS,\\x02A,"]
      points:
        - {key: wind_direction, quantity: wind_direction, at: 0}
        - {key: wind_speed, quantity: wind_speed, at: 1, unit_at: 2, units: [{text: M}]}
        - {key: sensor_status, quantity: status, at: 5}
"""

ENGINE = """\
profile: ship/engine
revision: 1
device: {vendor: R/V Nathaniel B. Palmer, model: eng1, kind: data logger}
source: {document: openrvdas, section: test/NBP1406}
line: {baud: 9600}
serial:
  mode: stream
  lines: {ends: ["\\n"], layout: {kind: fields, separator: " ", count: 12}}
  groups:
    - name: engine
      measurement: weather
      points:
        - {key: supply_voltage, quantity: supply_voltage, at: 0}
        - {key: temperature, quantity: temperature, at: 1}
        - {key: freezer, quantity: temperature, at: 8, unavailable_text: [NAN]}
        - {key: cold_room, quantity: temperature, at: 10}
"""

NUMBER = """\
profile: ship/number
revision: 1
device: {vendor: any, model: one number a line, kind: thermometer}
source: {document: openrvdas, section: test/NBP1406}
line: {baud: 9600}
serial:
  mode: stream
  lines: {ends: ["\\n"], layout: {kind: template, template: "{temperature:#}"}}
  groups:
    - name: water
      measurement: water
      points: [{key: temperature, quantity: temperature, label: temperature}]
"""


@pytest.fixture
def ship(recorded_data: Path) -> Path:
    return recorded_data / "device-bytes" / "ship-instruments"


def lines_of(ship: Path, name: str) -> list[bytes]:
    path = ship / f"NBP1406_{name}-2014-08-01.txt"
    return [line.split(b" ", 1)[1] + b"\n" for line in path.read_bytes().splitlines()]


def device_of(profile: str) -> SerialDevice:
    device = load_profile(profile).serial
    assert device is not None
    return device


def parsed(text: str) -> SerialDevice:
    device = parse_profile(text, "ship.yaml").serial
    assert device is not None
    return device


def read(device: SerialDevice, data: bytes) -> tuple[FrameReader, list[SerialReading]]:
    reader = FrameReader(device)
    found = [one for at in range(0, len(data), 97) for one in reader.feed(data[at : at + 97])]
    return reader, [one for one in found if isinstance(one, SerialReading)]


def test_a_mast_of_three_instruments_on_one_line_is_read_whole(ship: Path) -> None:
    lines = lines_of(ship, "mwx1")
    reader, readings = read(parsed(MAST), b"".join(lines))
    assert Counter(one.group for one in readings) == {"logger": 1000, "port": 1000, "starboard": 1000}
    assert (reader.frame_count, dict(reader.bad_frames), reader.garbage_bytes) == (3000, {}, 0)
    speeds = [float(line.split(b",")[3]) for line in lines if line.startswith(b"PUS")]
    assert [one.values[1].number for one in readings if one.group == "port"] == speeds
    pressures = [float(line.split(b",")[10]) for line in lines if line.startswith(b"MET")]
    assert [one.values[3].number for one in readings if one.group == "logger"] == pressures


def test_a_damaged_digit_costs_a_sonic_anemometer_that_line_and_no_other(ship: Path) -> None:
    data = b"".join(lines_of(ship, "mwx1"))
    at = data.index(b"PUS,", len(data) // 2) + 8
    reader, readings = read(parsed(MAST), data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    assert (len(readings), dict(reader.bad_frames)) == (2999, {FrameFault.CHECK: 1})


def test_the_sonic_anemometers_profile_finds_its_lines_among_others(ship: Path) -> None:
    lines = [line[:-1] + b"\r\n" for line in lines_of(ship, "mwx1")]
    reader, readings = read(device_of("gill/windobserver"), b"".join(lines))
    assert (len(readings), dict(reader.bad_frames)) == (2000, {})
    winds = [line.split(b",") for line in lines if not line.startswith(b"MET")]
    assert [one.values[0].number for one in readings] == [float(fields[2]) for fields in winds]
    assert [one.values[3].number for one in readings] == [float(fields[6]) for fields in winds]


def test_not_a_number_is_no_value_in_any_line(ship: Path) -> None:
    reader, readings = read(parsed(ENGINE), b"".join(lines_of(ship, "eng1")))
    assert (len(readings), dict(reader.bad_frames), reader.garbage_bytes) == (3000, {}, 0)
    assert {one.values[2] for one in readings} == {Value(None, Quality.SENSOR_FAULT)}
    assert all(one.values[0].quality is Quality.GOOD for one in readings)


def test_one_number_a_line_is_read(ship: Path) -> None:
    lines = lines_of(ship, "rtmp")
    reader, readings = read(parsed(NUMBER), b"".join(lines))
    assert [one.values[0].number for one in readings] == [float(line) for line in lines]
    assert (len(readings), dict(reader.bad_frames)) == (3000, {})


def test_a_thermosalinograph_is_read_and_tells_salt_water(ship: Path) -> None:
    lines = [line[:-1] + b"\r\n" for line in lines_of(ship, "tsg1")]
    reader, readings = read(device_of("seabird/sbe45"), b"".join(lines))
    assert (len(readings), dict(reader.bad_frames)) == (3000, {})
    assert [one.values[2].number for one in readings] == [float(line.split(b",")[2]) for line in lines]
    assert all(value.quality is Quality.GOOD for one in readings for value in one.values)


@pytest.mark.parametrize(("name", "profile"), [("gyr1", "nmea/heading"), ("s330", "nmea/gnss")])
def test_all_checks_of_the_ships_sentences_hold(ship: Path, name: str, profile: str) -> None:
    reader, readings = read(device_of(profile), b"".join(lines_of(ship, name)))
    assert (reader.frame_count, dict(reader.bad_frames), reader.garbage_bytes) == (3000, {}, 0)
    if name == "gyr1":
        assert len(readings) == 3000
