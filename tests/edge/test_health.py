"""What is known of each device: numbers for those who ask, and a word in the log only where something changes."""

import logging

import pytest

from edge.health import Health
from wire.identifiers import DeviceId
from wire.records import PointLayout, Quality, Value

LAYOUT = (
    PointLayout(key="t", quantity="temperature", unit="degC"),
    PointLayout(key="h", quantity="humidity", unit="%"),
)
NOW_MS = 1_795_000_000_000


def test_a_device_lost_and_back_is_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    device = Health().device(DeviceId("d1"), profile="test/device", bus="line")
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            device.note_error("timeout", "line unit 1: no answer")
            device.note_silence()
        for _ in range(50):
            device.note_answer(time_ms=NOW_MS)
    assert [record.getMessage() for record in caplog.records] == [
        "d1 is silent: line unit 1: no answer",
        "d1 answers again",
    ]
    assert device.errors == {"timeout": 50}
    assert device.reads == 50


def test_status_tells_the_last_values_with_age_unit_and_quality() -> None:
    health = Health()
    device = health.device(DeviceId("d1"), profile="test/device", bus="line")
    device.note_answer(time_ms=NOW_MS - 1500)
    device.note_values("climate", LAYOUT, (Value(21.5), Value(None, Quality.SENSOR_FAULT)), time_ms=NOW_MS - 1500)
    (told,) = health.snapshot(now_ms=NOW_MS)
    assert told["last_answer_age_s"] == 1.5
    assert told["quality"] == "sensor_fault"
    assert told["values"] == [
        {"group": "climate", "point": "t", "value": 21.5, "unit": "degC", "quality": "good", "age_s": 1.5},
        {"group": "climate", "point": "h", "value": None, "unit": "%", "quality": "sensor_fault", "age_s": 1.5},
    ]


def test_a_device_that_never_answered_is_stale_and_has_no_age() -> None:
    health = Health()
    health.device(DeviceId("d1"), profile="test/device", bus="line")
    (status,) = health.statuses()
    assert (status.quality, status.last_good_ms) == (Quality.STALE, None)
    assert health.snapshot(now_ms=NOW_MS)[0]["last_answer_age_s"] is None


def test_kinds_of_errors_are_bounded_whatever_a_line_invents() -> None:
    device = Health().device(DeviceId("d1"), profile="test/device", bus="line")
    for n in range(1000):
        device.note_error(f"kind {n}", "noise")
    assert len(device.errors) == 32


def test_each_bus_tells_what_went_wrong_on_it_and_how_many_are_silent() -> None:
    health = Health()
    for name, bus in (("d1", "line"), ("d2", "line"), ("d3", "lan")):
        health.device(DeviceId(name), profile="test/device", bus=bus)
    first, second = health.of(DeviceId("d1")), health.of(DeviceId("d2"))
    for kind in ("timeout", "timeout", "garbled", "bad frame: check", "exception", "foreign", "something new"):
        first.note_error(kind, "line: trouble")
    second.note_error("timeout", "line: no answer")
    second.note_silence()
    assert health.bus_numbers() == {
        "line": {
            "error_timeout": 3.0,
            "error_check": 2.0,
            "error_exception": 1.0,
            "error_foreign": 1.0,
            "devices_silent": 1.0,
        },
        "lan": dict.fromkeys(
            ("error_timeout", "error_check", "error_exception", "error_foreign", "devices_silent"), 0.0
        ),
    }
