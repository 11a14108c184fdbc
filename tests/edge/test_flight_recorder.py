"""The bytes around each fault: kept within bounds, at little cost, and readable after a power cut."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.diagnosis.fault_file import FaultFile
from edge.diagnosis.flight_recorder import FlightRecorder, incident_told, newest_of
from edge.health import Health
from tests.support.fake_clock import FakeClock
from wire.identifiers import DeviceId


def test_a_fault_keeps_the_bytes_of_two_seconds_before_and_after_it() -> None:
    clock = FakeClock()
    recorder = FlightRecorder(clock)
    tap = recorder.tap("line")
    health = Health(recorder.note).device(DeviceId("meter-1"), profile="a/b", bus="line")
    tap.sent(b"old")
    clock.advance(2.5)
    tap.sent(b"\x01\x04")
    clock.advance(0.25)
    tap.heard(b"\xff")
    health.note_error("garbled", "no frame")
    clock.advance(1)
    tap.heard(b"late")
    assert recorder.settle() == []
    clock.advance(1)
    tap.heard(b"after")
    (incident,) = recorder.settle()
    told = incident_told(incident)
    assert (told["device"], told["bus"], told["kind"], told["text"]) == ("meter-1", "line", "garbled", "no frame")
    assert [(one["at_ms"], one["dir"], one["bytes"]) for one in told["frames"]] == [
        (-250.0, "sent", "01 04"),
        (0.0, "heard", "ff"),
        (1000.0, "heard", b"late".hex(" ")),
        (2000.0, "heard", b"after".hex(" ")),
    ]
    assert told["time_ms"] == clock.now_ms() - 2000
    assert recorder.settle() == []
    assert recorder.incidents() == [incident]


def test_the_same_fault_again_and_again_is_counted_and_kept_ever_more_rarely() -> None:
    clock = FakeClock()
    recorder = FlightRecorder(clock)
    kept = []
    for _ in range(6 * 3600):
        recorder.note("line", "meter-1", "timeout", "no answer")
        clock.advance(1)
        kept += recorder.settle()
    assert sum(1 + one.repeats for one in kept) <= 6 * 3600
    assert 8 <= len(kept) <= 12
    assert kept[1].repeats == 59
    recorder.note("line", "meter-2", "timeout", "no answer")
    assert recorder.incidents()[-1].device == "meter-2"


@given(st.lists(st.tuples(st.sampled_from(("a", "b")), st.floats(0, 3), st.binary(max_size=600)), max_size=80))
@settings(max_examples=30)
def test_what_is_kept_is_bounded_whatever_happens(events: list[tuple[str, float, bytes]]) -> None:
    clock = FakeClock()
    recorder = FlightRecorder(clock)
    taps = {bus: recorder.tap(bus) for bus in ("a", "b")}
    for number, (bus, wait_s, data) in enumerate(events * 3):
        taps[bus].sent(data)
        taps[bus].heard(data)
        recorder.note(bus, f"d{number}", "garbled", "x")
        clock.advance(wait_s)
        recorder.settle()
    incidents = recorder.incidents()
    assert len(incidents) <= 32
    for one in incidents:
        assert len(one.pieces) <= 64
        assert all(len(piece.data) <= 512 for piece in one.pieces)
        assert all(abs(piece.at_s - one.at_s) <= 2 for piece in one.pieces)
        assert [piece.at_s for piece in one.pieces] == sorted(piece.at_s for piece in one.pieces)


def line_of(number: int) -> dict[str, object]:
    return {"time_ms": number, "device": "d", "text": "x" * 50}


def test_a_torn_line_costs_itself_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    file = FaultFile(path)
    file.append([line_of(1), line_of(2)])
    path.write_bytes(path.read_bytes()[:-20])
    file.append([line_of(3)])
    assert [one["time_ms"] for one in file.read()] == [1, 3]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40), st.integers(0, 200))
@settings(max_examples=30)
def test_the_file_keeps_the_newest_within_its_bound_wherever_it_was_torn(counts: list[int], torn: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "faults.jsonl"
        file = FaultFile(path, max_bytes=1000)
        number = 0
        for count in counts:
            file.append([line_of(number + k) for k in range(count)])
            number += count
            assert path.stat().st_size <= 1000
            assert file.read()[-1]["time_ms"] == number - 1
        path.write_bytes(path.read_bytes()[: -min(torn, 60) or None])
        file.append([line_of(number)])
        found = [one["time_ms"] for one in file.read()]
        assert found[-1] == number
        assert found == sorted(found)
        assert path.stat().st_size <= 1000


def test_of_the_faults_on_record_the_newest_of_a_device_are_shown() -> None:
    told = [{"device": name, "time_ms": number} for number, name in enumerate("abab")]
    assert [one["time_ms"] for one in newest_of(told, device="a", at_most=1)] == [2]
    assert [one["time_ms"] for one in newest_of(told, at_most=3)] == [1, 2, 3]


def test_what_is_no_fault_in_the_file_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    path.write_bytes(b"\x00\xff\n[1]\n" + json.dumps(line_of(5)).encode() + b"\n")
    assert [one["time_ms"] for one in FaultFile(path).read()] == [5]
    assert FaultFile(tmp_path / "none").read() == []
