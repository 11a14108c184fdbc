"""Profiles as people write them: all faults at once, each in its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.faults import FileFaults
from device_profiles.parse import parse_profile

GOOD = """\
profile: acme/t100
revision: 1
device: {vendor: Acme, model: T100, kind: thermometer}
source: {document: Manual, section: "4"}
line: {baud: 9600}
defaults: {table: input, type: i16, every_s: 30}
modbus:
  groups:
    - name: climate
      measurement: weather
      points:
        - {key: temperature, quantity: temperature, address: 0x0001, scale: 0.1}
"""

TWENTY_FAULTS = """\
profile: Acme T100
revision: "1"
device: {vendor: Acme, model: 120, kind: thermometer}
sauce: {document: Manual}
line: {baud: 9600, parity: X, stop_bits: 3}
defaults: {table: input, address: 0x0001, type: u16}
modbus:
  unit: 0
  timeout_ms: soon
  limits:
    max_registers: 4
    forbidden: [{table: input, first: 0x0050, last: 0x0060}]
  groups:
    - name: Climate!
      measurement: weather
      every_s: 30
      points:
        - {key: temperature, quantity: temprature, address: 0x0001}
        - {key: temperature, quantity: temperature, address: 0x0002, scale: 0.1}
        - {key: humidity, quantity: humidity, address: 70000}
        - {key: pressure, quantity: pressure, adress: 0x0003}
        - {key: wind, quantity: wind_speed, address: 0x0055}
        - {key: gust, quantity: wind_gust, address: 0x0010, bit: 14, bit_width: 4}
        - {key: rain, quantity: rain_rate, address: 0x0011, rollover: 100}
        - {key: lux, quantity: illuminance, address: 0x0012, minimum: 9, maximum: 3}
        - {key: uv, quantity: uv_index, address: 0x0013, states: {0: "low"}}
        - {key: door, quantity: door, address: 0x0014, table: coil, bit: 1}
        - {key: part, quantity: number, address: 0x0015, type: u24}
        - {key: fine, quantity: number, address: 0x0016, scale: 0.1, scale: 0.2}
"""


def faults_of(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(FileFaults) as found:
        parse_profile(text, "t100.yaml")
    return [(fault.line, fault.where, str(fault)) for fault in found.value.faults]


def test_a_good_profile_is_read() -> None:
    profile = parse_profile(GOOD, "t100.yaml")
    (group,) = profile.groups
    assert (group.name, group.every_s, group.layout[0].unit) == ("climate", 30.0, "degC")


def test_every_fault_of_a_file_is_told_at_once_with_its_line() -> None:
    found = {(line, where) for line, where, _ in faults_of(TWENTY_FAULTS)}
    points = "modbus.groups[0].points"
    expected = {
        (1, "profile"),
        (2, "revision"),
        (3, "device.model"),
        (1, ""),  # no source
        (4, "sauce"),
        (5, "line.parity"),
        (5, "line.stop_bits"),
        (6, "defaults.address"),
        (8, "modbus.unit"),
        (9, "modbus.timeout_ms"),
        (14, "modbus.groups[0].name"),
        (18, f"{points}[0].quantity"),
        (19, f"{points}[1].key"),
        (20, f"{points}[2].address"),
        (21, f"{points}[3]"),  # no address
        (21, f"{points}[3].adress"),
        (22, f"{points}[4].address"),
        (23, f"{points}[5].bit_width"),
        (24, f"{points}[6].rollover"),
        (25, f"{points}[7].minimum"),
        (26, f"{points}[8].states"),
        (27, f"{points}[9].bit"),
        (28, f"{points}[10].type"),
        (29, f"{points}[11].scale"),
    }
    assert found == expected
    assert len(found) >= 20


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("quantity: temperature", "quantity: temprature", "did you mean temperature"),
        ("model: T100", "model: 100", "found 100, expected text (put it in quotes)"),
        ("baud: 9600", 'baud: "9600"', "found '9600', expected a whole number (without quotes)"),
        ("address: 0x0001", "adress: 0x0001", "did you mean address"),
        ("baud: 9600", "baud: 9600, parity: n", "expected one of 'N', 'E' or 'O'"),
        ("revision: 1", "revision: 0", "found 0, expected 1 or more"),
        ("revision: 1", "revision: 01", "found 01, expected a decimal number or 0x hex"),
        ("scale: 0.1", "scale: .nan", "found .nan, expected a decimal number"),
        ("scale: 0.1", "scale: 1e999", "found 1e999, expected a decimal number"),
        ("scale: 0.1", "scale: 0", "scale 0"),
        ("scale: 0.1", "unavailable: [x]", "expected a number"),
        ("kind: thermometer", "kind: yes", None),
        ("kind: thermometer", "kind: true", "found true, expected text (put it in quotes)"),
        ("kind: thermometer", "kind: &a thermometer", "found the anchor &a"),
        ("kind: thermometer", "kind: !!str thermometer", None),
        ("kind: thermometer", "kind: !python/name:os.system x", "found the tag !python/name:os.system"),
        ("line: {baud: 9600}", "line: {<<: {baud: 9600}}", "found the merge key <<"),
        ("line: {baud: 9600}", "line:\n  {baud: 9600", "text that is not YAML"),
        ("points:", "points: []\n      note:", "expected a list of at least 1"),
        ("modbus:", "serial: {}\nmodbus:", "exactly one of them"),
        ("type: i16,", "", "found neither type nor bit"),
        ("every_s: 30", "every: 30", "did you mean every_s"),
    ],
)
def test_a_fault_is_told_in_plain_words(old: str, new: str, told: str | None) -> None:
    text = GOOD.replace(old, new, 1)
    if told is None:
        parse_profile(text, "t100.yaml")
    else:
        assert told in "\n".join(message for _, _, message in faults_of(text))


def test_a_fault_inside_defaults_is_told_once_and_where_it_stands() -> None:
    text = GOOD.replace("type: i16", "type: int16").replace("scale: 0.1}", "scale: 0.1}\n" + " " * 8 + POINT)
    assert {line for line, _, _ in faults_of(text)} == {6}


POINT = "- {key: humidity, quantity: humidity, address: 2}"


def test_words_yaml_used_to_guess_at_stay_text() -> None:
    text = GOOD.replace("scale: 0.1", "states: {0: off, 1: on, 2: no, 0x10: y}").replace(
        "quantity: temperature", "quantity: state"
    )
    profile = parse_profile(text, "t100.yaml")
    assert profile.modbus is not None
    assert profile.modbus.groups[0].points[0].states == {0: "off", 1: "on", 2: "no", 16: "y"}


def test_an_empty_file_says_so() -> None:
    assert "found nothing" in faults_of("")[0][2]


def test_a_file_nested_without_end_is_refused() -> None:
    assert faults_of("a: " + "[" * 2000)


def test_what_hidden_faults_a_serial_device_has_is_told_with_the_others() -> None:
    text = """\
profile: acme/s1
revision: 1
device: {vendor: Acme, model: S1, kind: dust sensor}
source: {document: Manual, section: "4"}
line: {baud: 9600}
serial:
  mode: stream
  binary: {header: "AA", length: 4, checks: [{kind: sum8, at: 3}]}
  groups:
    - name: dust
      measurement: air_quality
      points:
        - {key: pm10, quantity: pm99, at: 1, type: u8}
        - {key: pm1, quantity: pm1, at: 9, type: u8}
"""
    lines = {line for line, _, _ in faults_of(text)}
    assert lines == {13, 14}


@given(st.text(max_size=200))
def test_any_text_gives_faults_and_never_anything_else(text: str) -> None:
    assert faults_of(text)


@given(st.data())
def test_a_profile_with_any_line_changed_is_read_or_gives_faults_of_real_lines(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.sampled_from(["", lines[at] * 2, "- x", "  y: [", "z: {a: 1}", lines[at][::-1], "\t"]))
    told: list[int] = []
    try:
        parse_profile("\n".join(lines), "t100.yaml")
    except FileFaults as found:
        told.extend(fault.line for fault in found.faults)
    assert all(1 <= line <= len(lines) + 1 for line in told)
