"""The page that tells what the library covers says what is there, and counts only what is read as printed."""

from pathlib import Path

from typer.testing import CliRunner

from device_profiles.__main__ import app
from device_profiles.capture import Capture, Origin, parse_capture
from device_profiles.coverage import CLASSES, Coverage, coverage, coverage_document
from device_profiles.library import load_profile
from device_profiles.lint import MEASUREMENTS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "library.md"
EXCHANGES = """\
profile: generic/xy-md02
exchanges:
  - {request: "01 04 00 01 00 01 60 0A", reply: "01 04 02 01 31 79 74", expect: {temperature: 30.5}, origin: manual}
  - {request: "01 04 00 02 00 01 90 0A", reply: "01 04 02 02 22 D1 BA", refused: crc, origin: manual}
  - {table: input, address: 1, words: "00 65", expect: {temperature: 10.1}, origin: capture}
  - {table: input, address: 1, words: "00 66", expect: {temperature: 10.2}, origin: computed}
"""


def capture(text: str = EXCHANGES) -> Capture:
    return parse_capture(text, "x.capture.yaml")


def covered(text: str = EXCHANGES) -> Coverage:
    return coverage(load_profile("generic/xy-md02"), capture(text))


def test_the_page_in_the_documents_is_what_the_command_prints() -> None:
    shown = CliRunner().invoke(app, ["coverage"])
    assert shown.exit_code == 0
    assert shown.stdout == DOCUMENT.read_text(encoding="utf-8"), "run: sen-profile coverage > docs/library.md"


def test_examples_count_by_where_they_come_from_and_computed_ones_apart() -> None:
    row = covered()
    assert [row.examples[origin] for origin in Origin] == [1, 2, 0, 1]
    assert (row.real, row.real_read, row.real_refused) == (3, 3, 1)


def test_a_real_example_that_is_read_otherwise_does_not_count_as_read() -> None:
    row = covered(EXCHANGES.replace("30.5", "30.6"))
    assert (row.real, row.real_read) == (3, 2)
    assert "| 2 of 3 |" in coverage_document([row])


def test_a_damaged_example_that_is_taken_does_not_count_as_refused() -> None:
    row = covered(EXCHANGES.replace("02 22 D1 BA", "02 22 38 49"))
    assert (row.real_read, row.real_refused) == (2, 0)


def test_every_kind_of_measurement_has_its_chapter() -> None:
    assert set(MEASUREMENTS) <= set(CLASSES)
