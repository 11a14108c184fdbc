"""No point can forge a line: whatever the names, either the line says exactly the point, or there is no line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.series.line_protocol import lines_of
from hub.series.sheet import Point, sheets_of
from wire.records import Mode, Quality

nasty = st.text(alphabet="ab1_-,= \n\r\t\"'\\\0#é", max_size=8)
good = st.sampled_from(["voltage", "current", "gw1", "link_quality"])
doubtful = st.sampled_from(["meter-1", "quality", "time", "site", "voltage_quality"])
names = st.one_of(good, good, good, good, good, good, doubtful, nasty)
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.one_of(finite, finite, finite, st.floats())
qualities = st.sampled_from(Quality)


@st.composite
def points(draw: st.DrawFn) -> Point:
    known = draw(st.dictionaries(names, numbers, max_size=4))
    marks = {key: draw(qualities) for key in known} | draw(st.dictionaries(names, qualities, max_size=2))
    return Point(
        measurement=draw(names),
        site=draw(names),
        gateway=draw(names),
        device=draw(names),
        group=draw(names),
        mode=draw(st.sampled_from(Mode)),
        time_ns=draw(st.one_of(st.integers(0, 2**62), st.integers(-(2**63), 2**63 - 1))),
        fields=known,
        qualities=marks,
    )


def read_back(line: str) -> tuple[str, dict[str, str], dict[str, str], int]:
    """A line without any escapes, taken apart as simply as can be."""
    head, fields, time_ns = line.split(" ")
    measurement, *tags = head.split(",")
    return (
        measurement,
        {tag.split("=")[0]: tag.split("=")[1] for tag in tags},
        {field.split("=")[0]: field.split("=")[1] for field in fields.split(",")},
        int(time_ns),
    )


@given(points())
def test_a_line_says_exactly_its_point_i1(point: Point) -> None:
    line = line_of(point)
    if line is None:
        return
    assert line.isascii()
    assert line.isprintable()
    measurement, tags, fields, time_ns = read_back(line)
    assert measurement == point.measurement
    assert tags == {
        "site": point.site,
        "gateway": point.gateway,
        "device": point.device,
        "group": point.group,
        "mode": point.mode.value,
    }
    assert time_ns == point.time_ns
    assert fields.pop("quality") == f"{max(point.qualities.values()).value}i"
    for key, quality in point.qualities.items():
        assert fields.pop(f"{key}_quality", "0i") == f"{quality.value}i"
    assert {key: float(text) for key, text in fields.items()} == dict(point.fields)
    assert not any(text.endswith("i") for text in fields.values())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_reads_back_the_same_i2(number: float) -> None:
    _, _, fields, _ = read_back(line_of(_point({"voltage": number})) or "")
    assert float(fields["voltage"]) == number
    assert math.copysign(1.0, float(fields["voltage"])) == math.copysign(1.0, number)


def test_a_point_without_any_number_still_has_a_field_i3() -> None:
    line = line_of(_point({}, {"voltage": Quality.TIMEOUT}))
    assert line == "m,device=d,gateway=g,group=main,mode=live,site=s voltage_quality=8i,quality=8i 7"


def test_an_integer_is_written_as_a_float_i2() -> None:
    assert " voltage=230.0,quality=0i " in (line_of(_point({"voltage": 230})) or "")


@pytest.mark.parametrize("name", ["b,name=x\nadmin,gw=9 v=666 1", "a b", "a=b", "a,b", "a\\", '"', "Ä", ""])
def test_a_name_that_could_forge_a_line_is_refused_i1(name: str) -> None:
    assert line_of(_point({name: 1.0})) is None


def line_of(point: Point) -> str | None:
    """The line of a point; None where it may not be written."""
    refused: dict[int, str] = {}
    text = b"".join(lines.text for lines in lines_of(sheets_of([point]), refused, most=10)).decode("ascii")
    if refused:
        assert not text
        return None
    assert text.endswith("\n")
    return text[:-1]


def _point(fields: dict[str, float], qualities: dict[str, Quality] | None = None) -> Point:
    return Point(
        measurement="m",
        site="s",
        gateway="g",
        device="d",
        group="main",
        mode=Mode.LIVE,
        time_ns=7,
        fields=fields,
        qualities=dict.fromkeys(fields, Quality.GOOD) | (qualities or {}),
    )
