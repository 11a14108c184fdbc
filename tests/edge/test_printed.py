"""What is printed for a person: all that matters, in 80 columns."""

from typing import Any

import pytest

from device_profiles.library import load_all
from edge.printed import age_text, reading_text, size_text, status_text
from wire.records import Quality

COLUMNS = 80
LONGEST_AGE_S = 59 * 60 + 59.0


def value_of(group: str, point: str, *, unit: str = "V", value: float | None = 1.0) -> dict[str, Any]:
    return {"group": group, "point": point, "value": value, "unit": unit, "quality": "good", "age_s": LONGEST_AGE_S}


def device_of(values: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "device": "meter-at-the-main-distribution-board-of-the-east-wing",
        "profile": "wirenboard/wb-mcm8",
        "bus": "rs485-in-the-basement",
        "identity": {"serial_number": "0123456789" * 4, "firmware": "3.14.159"},
        "held_back": 12345678,
        "readings": {"good": 123456789},
        "silent": True,
        "quality": "timeout",
        "last_answer_age_s": LONGEST_AGE_S,
        "errors": dict.fromkeys(("timeout", "exception", "garbled", "foreign", "gone", "bad frame: checksum"), 123456),
        "trouble": "/dev/serial/by-id/usb-FTDI_USB-RS485-if00-port0 unit 17: no answer; is it on, wired A to A, "
        "with this address and baud?",
        "values": values,
    }


def status_with(*devices: dict[str, Any]) -> dict[str, Any]:
    return {
        "gateway": "gateway-of-the-east-wing",
        "site": "hospital-of-the-province",
        "mode": "simulated",
        "uptime_s": LONGEST_AGE_S,
        "link": {
            "broker": "mqtts://hub.operations.province.example:8883",
            "connected": False,
            "trouble": "mqtts://hub.operations.province.example:8883: [Errno -2] Name or service not known",
            "batches_sent": 12345678,
            "commits": 12345678,
            "bytes_sent": 123456789012,
            "bytes_received": 123456789012,
            "overhead_bytes_estimated": 123456789012,
        },
        "spool": {
            "in_flight": 12345678,
            "oldest_uncommitted_age_s": 400 * 86400.0,
            "accepted_total": 1234567890,
            "final_total": 1234567890,
            "lost": {"full": 12345678},
            "bytes_written": 123456789012,
            "bytes_per_record": 123456.789,
            "card_years": 99.94,
            "bytes_on_disk": 512_000_000,
            "trouble": "spool /var/lib/sen/state/spool: No space left on device; make room on the disk",
            "held": 12345,
        },
        "clock": {"quality": "estimated", "hub_ahead_s": 5.0},
        "devices": list(devices),
    }


def test_every_line_of_a_status_fits_the_terminal_for_every_point_of_the_library() -> None:
    values = [
        value_of(group.name, point.key, unit=point.unit, value=-123.45678901) | {"quality": quality.name.lower()}
        for profile in load_all().values()
        for group in profile.groups
        for point in group.layout
        for quality in Quality
    ]
    shown = status_text(status_with(device_of(values)))
    assert max(len(line) for line in shown.splitlines()) <= COLUMNS
    assert "NOT CONNECTED" in shown


def test_the_longest_names_a_profile_may_have_fit_too() -> None:
    shown = status_text(status_with(device_of([value_of("g" * 38, "p" * 38, value=None)])))
    assert max(len(line) for line in shown.splitlines()) <= COLUMNS
    assert f"{'g' * 38}.{'p' * 38}" in shown


def test_what_came_over_the_wire_is_broken_between_bytes_only() -> None:
    raw = " ".join(f"{byte:02x}" for byte in range(256))
    reading = device_of([value_of("power", "power")]) | {"raw": [raw], "error": "x " * 100}
    shown = reading_text(reading)
    assert max(len(line) for line in shown.splitlines()) <= COLUMNS
    assert raw in " ".join(shown.split())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12345678, "12345678"),
        (4294967295, "4294967295"),
        (1234567.89, "1234567.89"),
        (53.36133667, "53.36133667"),
        (-122.36133667, "-122.36133667"),
        (230.2, "230.2"),
        (0.0, "0"),
        (None, "-"),
    ],
)
def test_a_number_is_printed_with_all_its_digits(value: float | None, expected: str) -> None:
    reading = device_of([value_of("energy", "energy", value=value)]) | {"raw": [], "error": None}
    assert reading_text(reading).splitlines()[-1].split()[1] == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.25, "0.2 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(seconds: float, expected: str) -> None:
    assert age_text(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5_000_000, "5.0 MB"), (2 * 10**12, "2000.0 GB")],
)
def test_bytes_are_told_in_the_unit_that_suits(count: int, expected: str) -> None:
    assert size_text(count) == expected
