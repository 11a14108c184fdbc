"""What real particle sensors, receivers and Victron devices sent, read as their recorders printed it."""

import csv
import re
from pathlib import Path

import pytest

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.framing.base import BadFrame
from device_profiles.library import load_profile

pytestmark = pytest.mark.recorded


def reader_of(name: str) -> FrameReader:
    device = load_profile(name).serial
    assert device is not None
    return FrameReader(device)


def dumped(path: Path) -> bytes:
    """The bytes of a hex dump: offset, colon, bytes, two spaces, text."""
    lines = path.read_text(encoding="latin-1").splitlines()
    return b"".join(bytes.fromhex(line.split(": ", 1)[1].split("  ")[0]) for line in lines)


@pytest.mark.parametrize(
    ("profile", "dump", "columns", "scales"),
    [
        ("nova/sds011", "SDS01x", ["pm25", "pm10"], [1, 1]),
        ("winsen/mh-z19b", "MHZ19B", ["CO2"], [1]),
        ("honeywell/hpma115c0", "HPMA115C0", ["pm01", "pm25", "pm04", "pm10"], [1, 1, 1, 1]),
        ("plantower/pms3003", "PMS3003", ["pm01", "pm25", "pm10"], [1, 1, 1]),
        # Its recorder prints particles in a cubic centimetre; the quantity counts them in a litre.
        (
            "plantower/pms5003",
            "PMSx003",
            ["pm01", "pm25", "pm10", "n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10_0"],
            [1, 1, 1, 1000, 1000, 1000, 1000, 1000, 1000],
        ),
    ],
)
def test_a_particle_sensors_dump_gives_its_printed_values(
    recorded_data: Path, profile: str, dump: str, columns: list[str], scales: list[int]
) -> None:
    folder = recorded_data / "device-bytes" / "pm-co2-sensors"
    with (folder / f"{dump}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    wanted = [[round(float(row[name]) * scale, 3) for name, scale in zip(columns, scales, strict=True)] for row in rows]
    reader = reader_of(profile)
    found = reader.feed(dumped(folder / f"{dump}.hexdump"))
    got = [[value.number for value in each.values][: len(columns)] for each in found if isinstance(each, SerialReading)]
    assert len(got) == 10
    assert got == wanted
    assert (reader.garbage_bytes, sum(reader.bad_frames.values())) == (0, 0)


@pytest.mark.parametrize(
    ("log", "frames", "fixes", "broken"),
    [("ALL", 103, 1, False), ("NAV", 28, 1, False), ("MIXED", 300, 39, False), ("BADCK2", 25, 1, True)],
)
def test_a_receivers_binary_messages_are_found_between_its_sentences(
    recorded_data: Path, log: str, frames: int, fixes: int, *, broken: bool
) -> None:
    """The counts are those of a search for B5 62, a length and its check that knows nothing of this reader."""
    data = (recorded_data / "device-bytes" / "ubx" / f"pygpsdata-{log}.log").read_bytes()
    assert _ubx_messages(data) == (frames, fixes)
    reader = reader_of("u-blox/nav-pvt")
    found = reader.feed(data)
    reader.give_up()
    assert reader.frame_count == frames
    assert _counts(found) == {"fix": fixes}
    assert bool(reader.bad_frames) == broken


def test_an_inverters_recorded_reports_are_read(recorded_data: Path) -> None:
    text = (recorded_data / "device-bytes" / "solax-x1" / "solax-x1-mini-g1-status.txt").read_text(encoding="utf-8")
    data = bytes(int(word, 16) for word in text.split())
    reader = reader_of("solax/x1-mini")
    (report,) = reader.feed(data)
    assert isinstance(report, SerialReading)
    assert [value.number for value in report.values[:1] + report.values[6:9]] == [26, 0, 233.7, 49.99]
    damaged = data[:24] + bytes((data[24] ^ 4,)) + data[25:]
    assert [type(each) for each in reader_of("solax/x1-mini").feed(damaged)] == [BadFrame]


def test_a_battery_monitors_906_blocks_are_all_read(recorded_data: Path) -> None:
    data = (recorded_data / "device-bytes" / "vedirect" / "bvm702.dump").read_bytes()
    reader = reader_of("victron/vedirect-bmv")
    found = reader.feed(data)
    counts = _counts(found)
    assert reader.frame_count == 906
    assert not reader.bad_frames
    assert counts["battery"] + counts["history"] == 906
    assert counts["battery"] == counts["autonomy"] == 453
    assert _numbers(found, "battery", 0) == [int(text) / 1000 for text in _texts(data, b"V")]
    assert _numbers(found, "battery", 1) == [int(text) / 1000 for text in _texts(data, b"I")]
    assert _numbers(found, "battery", 4) == [int(text) / 10 for text in _texts(data, b"SOC")]
    assert _numbers(found, "autonomy", 0) == [int(text) * 60 for text in _texts(data, b"TTG")]
    assert _numbers(found, "history", 6) == [int(text) / 1000 for text in _texts(data, b"H7")]


def test_a_solar_chargers_248_blocks_are_read_around_its_hex_frames(recorded_data: Path) -> None:
    """240 blocks follow each other; seven more stand behind a frame of the hex protocol, one behind half a block."""
    data = (recorded_data / "device-bytes" / "vedirect" / "bluesolar_1.23.dump").read_bytes()
    naive = _sums_between_checksums(data)
    assert (naive.count(0), len(naive) - naive.count(0), data.count(b":A")) == (240, 8, 7)
    reader = reader_of("victron/vedirect-mppt")
    found = reader.feed(data)
    counts = _counts(found)
    assert reader.frame_count == 248
    assert counts == {"charger": 248, "load": 248, "yield": 248}
    assert (dict(reader.bad_frames), reader.garbage_bytes) == ({}, 1)
    assert _numbers(found, "charger", 2) == [int(text) / 1000 for text in _texts(data, b"VPV")]
    assert _numbers(found, "charger", 4) == [int(text) for text in _texts(data, b"CS")]


def test_a_changed_byte_costs_a_solar_charger_exactly_its_block(recorded_data: Path) -> None:
    data = (recorded_data / "device-bytes" / "vedirect" / "bluesolar_1.23.dump").read_bytes()
    at = data.index(b"\r\nVPV\t", len(data) // 2) + 6
    reader = reader_of("victron/vedirect-mppt")
    found = reader.feed(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    assert (reader.frame_count, sum(reader.bad_frames.values())) == (247, 1)
    assert sum(isinstance(each, BadFrame) for each in found) == 1


def _ubx_messages(data: bytes) -> tuple[int, int]:
    """How many whole messages there are, and how many of them are NAV-PVT."""
    messages = fixes = 0
    at = data.find(b"\xb5\x62")
    while at >= 0:
        end = at + 8 + int.from_bytes(data[at + 4 : at + 6], "little")
        first = second = 0
        for byte in data[at + 2 : end - 2]:
            first = (first + byte) % 256
            second = (second + first) % 256
        is_whole = end <= len(data) and data[end - 2 : end] == bytes((first, second))
        messages += is_whole
        fixes += is_whole and data[at + 2 : at + 4] == b"\x01\x07"
        at = data.find(b"\xb5\x62", end if is_whole else at + 1)
    return messages, fixes


def _counts(found: list[SerialReading | BadFrame]) -> dict[str, int]:
    groups = [each.group for each in found if isinstance(each, SerialReading)]
    return {group: groups.count(group) for group in set(groups)}


def _numbers(found: list[SerialReading | BadFrame], group: str, index: int) -> list[float | None]:
    return [each.values[index].number for each in found if isinstance(each, SerialReading) and each.group == group]


def _texts(data: bytes, label: bytes) -> list[bytes]:
    """All texts under a label, as a search for its line finds them; a line that the recording cuts off is none."""
    whole = data[: data.rindex(b"Checksum")]
    return re.findall(rb"\r\n" + label + rb"\t([^\r]*)\r", whole)


def _sums_between_checksums(data: bytes) -> list[int]:
    """What a reader finds that takes every byte between two check bytes for one block."""
    sums: list[int] = []
    first = 0
    while (end := data.find(b"Checksum\t", first)) >= 0:
        stop = end + len(b"Checksum\t") + 1
        sums.append(sum(data[first:stop]) & 0xFF)
        first = stop
    return sums
