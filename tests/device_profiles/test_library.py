"""The library that comes with the project: one test per profile, and what profiles are together."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from device_profiles.faults import FileFaults
from device_profiles.library import (
    BLUEPRINT,
    LIBRARY,
    LINES_BLUEPRINT,
    SCHEMA,
    LibraryError,
    capture_path,
    load_profile,
    profile_files,
    profile_paths,
    read_text,
)
from device_profiles.lint import ProfileFiles, check_files, lint
from device_profiles.schema import profile_schema, schema_text

PATHS = profile_paths()
MODBUS = (
    "eastron/sdm120",
    "eastron/sdm630",
    "ecowitt/wn90lp",
    "generic/xy-md02",
    "senseair/s8",
    "wirenboard/wb-mcm8",
)

FIRST = """\
profile: acme/t100
revision: 1
device: {vendor: Acme, model: T100, kind: thermometer}
source: {document: Manual, section: "4"}
line: {baud: 9600}
modbus:
  groups:
    - name: climate
      measurement: weather
      every_s: 30
      points:
        - {key: temperature, quantity: temperature, table: input, address: 0x0001, type: i16, scale: 0.1}
        - {key: humidity, quantity: humidity, table: input, address: 0x0002, type: u16}
"""
CAPTURE = """\
profile: acme/t100
exchanges:
  - {table: input, address: 1, words: "00 65", expect: {temperature: 10.1}, origin: computed}
"""


@cache
def schema_check() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(profile_schema())


def files(text: str = FIRST, capture: str | None = CAPTURE, name: str = "acme/t100") -> ProfileFiles:
    return ProfileFiles(
        name=name, file=f"{name}.yaml", text=text, capture_file=f"{name}.capture.yaml", capture_text=capture
    )


@pytest.mark.parametrize("name", PATHS)
def test_a_profile_reads_its_capture_as_it_says(name: str) -> None:
    assert check_files(profile_files(PATHS[name])) == ()


def test_the_library_has_no_faults() -> None:
    assert lint(profile_files(path) for path in PATHS.values()) == ()


def test_the_modbus_devices_are_there() -> None:
    assert set(MODBUS) <= set(PATHS)


def test_the_schema_on_disk_is_the_generated_one() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("name", PATHS)
def test_the_schema_takes_every_profile(name: str) -> None:
    tree = YAML(typ="safe", pure=True).load(read_text(PATHS[name]))
    schema_check().validate(json.loads(json.dumps(tree)))


@pytest.mark.parametrize("blueprint", [BLUEPRINT, LINES_BLUEPRINT])
def test_a_blueprint_is_itself_a_good_profile(blueprint: Path) -> None:
    capture = capture_path(blueprint)
    files = ProfileFiles(
        name="vendor/model",
        file=blueprint.name,
        text=read_text(blueprint),
        capture_file=capture.name,
        capture_text=read_text(capture),
    )
    assert lint([files]) == ()


def test_no_file_of_the_library_lies_where_none_is_looked_for() -> None:
    known = {path for profile in PATHS.values() for path in (profile, profile.with_suffix(".capture.yaml"))}
    assert {path for path in LIBRARY.rglob("*") if path.is_file()} == known


def test_a_folder_goes_before_the_library(tmp_path: Path) -> None:
    mine = tmp_path / "eastron" / "sdm120.yaml"
    mine.parent.mkdir()
    mine.write_text(FIRST.replace("acme/t100", "eastron/sdm120"))
    assert load_profile("eastron/sdm120", [tmp_path]).device.vendor == "Acme"
    assert load_profile("eastron/sdm630", [tmp_path]).device.vendor == "Eastron"


def test_a_profile_that_is_not_there_is_told_with_near_ones() -> None:
    with pytest.raises(LibraryError, match="did you mean eastron/sdm120"):
        load_profile("eastron/sdm12")


def test_a_good_pair_of_files_has_no_faults() -> None:
    assert lint([files()]) == ()


@pytest.mark.parametrize(
    ("wrong", "line", "told"),
    [
        (files(name="acme/t200"), 1, "'acme/t200', as the file's path says"),
        (files(FIRST.replace(', section: "4"', "")), 4, "its section or url too"),
        (files(FIRST.replace("measurement: weather", "measurement: wether")), 9, "expected one of air_quality"),
        (files(FIRST.replace("0x0002", "0x0001")), 13, "humidity in the registers of temperature"),
        (
            files(FIRST.replace("0x0002, type: u16", "0x0000, type: u32")),
            12,
            "temperature in the registers of humidity",
        ),
        (files(FIRST.replace("every_s: 30", "every_s: 0.01")), 6, "less than the whole line"),
        (files(capture=None), 1, "expected a capture"),
        (files(capture=CAPTURE.replace("10.1", "10.2")), 3, "found 10.1 good, expected 10.2 good"),
        (files(capture=CAPTURE.replace("{temperature: 10.1}", "{temp: 10.1}")), 3, "found the key 'temp'"),
        (files(capture=CAPTURE.replace("words", "wods")), 3, "did you mean words"),
        (files(capture=CAPTURE.replace("acme/t100", "acme/t300")), 1, "expected 'acme/t100'"),
    ],
)
def test_lint_tells_what_is_wrong_and_where(wrong: ProfileFiles, line: int, told: str) -> None:
    faults = lint([wrong])
    assert [fault.line for fault in faults] == [line]
    assert told in str(faults[0])


def test_a_field_means_one_quantity_in_all_profiles() -> None:
    text = FIRST.replace("t100", "t200").replace("quantity: temperature", "quantity: dew_point")
    other = files(text, CAPTURE.replace("t100", "t200"), name="acme/t200")
    (fault,) = lint([files(), other])
    assert (fault.file, fault.line) == ("acme/t200.yaml", 12)
    assert "expected 'temperature', as weather.temperature is in acme/t100.yaml" in str(fault)


def test_one_name_belongs_to_one_file() -> None:
    assert any("a name of its own" in str(fault) for fault in lint([files(), files()]))


def test_faults_of_several_files_are_told_together() -> None:
    broken = files(FIRST.replace("revision: 1", "revision: x"))
    assert {fault.file for fault in lint([broken, files(capture=None)])} == {"acme/t100.yaml", "acme/t100.capture.yaml"}


def test_a_capture_with_faults_of_form_is_told_with_their_lines() -> None:
    with pytest.raises(FileFaults, match=r"capture\.yaml:3: .*origin"):
        check_files(files(capture=CAPTURE.replace("origin: computed", "origin: dreamt")))
