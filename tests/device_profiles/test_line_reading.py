"""Templates, layouts, units and flags of lines: what a line means, and what is refused with its line in the file."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.encode_error import EncodeError
from device_profiles.encode_serial import encode_frame
from device_profiles.faults import FileFaults, typed
from device_profiles.framing.base import BadFrame, FrameFault
from device_profiles.library import load_all, load_profile
from device_profiles.line_framings import LayoutKind, LineFraming, LineLayout
from device_profiles.line_template import LineTemplate
from device_profiles.model import DeviceProfile
from device_profiles.parse import parse_profile
from device_profiles.serial_model import SerialDevice, SerialGroup, SerialMode, SerialPoint, TextForm
from device_profiles.serial_parts import Condition
from device_profiles.simulate_serial import SerialResponder
from device_profiles.text_readings import number_text, text_number
from wire.records import Quality, Value

TEXT = """\
profile: acme/line
revision: 1
device: {vendor: Acme, model: Line, kind: thermometer}
source: {document: Manual, section: "4"}
line: {baud: 9600}
serial:
  mode: stream
  lines:
    ends: ["\\r\\n"]
    layout: {kind: template, template: "T {temperature} C"}
  groups:
    - name: climate
      measurement: weather
      points:
        - {key: temperature, quantity: temperature, label: temperature}
"""


Fact = int | str | bool | list[str] | list[float] | list[dict[str, str | float]]


def point(key: str, **facts: Fact) -> SerialPoint:
    made = typed({"key": key, "quantity": "number", **facts}, SerialPoint)[0]
    assert made is not None
    return made


def device_of(
    layout: LineLayout, *points: SerialPoint, ignored: tuple[str, ...] = (), prefixes: tuple[str, ...] = ()
) -> SerialDevice:
    group = SerialGroup(name="g", measurement="inputs", points=points, prefixes=prefixes)
    return SerialDevice(
        mode=SerialMode.STREAM, lines=LineFraming(ends=("\n",), layout=layout, ignored=ignored), groups=(group,)
    )


def read(device: SerialDevice, text: str) -> list[float | None] | None:
    """The numbers of the one reading that a line gives; None where it is no line of the device."""
    (found,) = FrameReader(device).feed(text.encode() + b"\n")
    return [value.number for value in found.values] if isinstance(found, SerialReading) else None


@pytest.mark.parametrize(
    ("template", "line", "fields"),
    [
        ("Acc {acc} {unit}{*}", "Acc   0.01 mm, LensBad", {"acc": "0.01", "unit": "mm"}),
        ("V{sign:1}{speed:5}", "V+001.9", {"sign": "+", "speed": "001.9"}),
        ("{a},{:2},{b}", "1,xx,2", {"a": "1", "b": "2"}),
        ("{a:#}{*}", "12.5kg", {"a": "12.5"}),
        ("{code:2}{:1}{rate:4}", "R   2.5", {"code": "R ", "rate": " 2.5"}),
        ("[{a}]^{b}", "[1]^2", {"a": "1", "b": "2"}),
        ("V{a}", "v1", None),
        ("V{a} x", "V1x", None),
        ("V{a}", "V", None),
        ("V{a}", "V1 2", None),
        ("V{a}", "V1,2", None),
        ("{a:3}", "12", None),
        ("{a:#}", "1e5", None),
        ("{a:#}{unit}", "12.5kg", {"a": "12.5", "unit": "kg"}),
        ("{a:#}{unit:2}{*}", "12.5kg.", {"a": "12.5", "unit": "kg"}),
    ],
)
def test_a_template_reads_its_lines_and_no_others(template: str, line: str, fields: dict[str, str] | None) -> None:
    assert LineTemplate(template).read(line) == fields


@given(st.dictionaries(st.sampled_from("abc"), st.text(string.digits + "+-.", min_size=1, max_size=9), min_size=3))
def test_a_template_reads_back_what_it_wrote(fields: dict[str, str]) -> None:
    template = LineTemplate("A {a} mm, B {b:#};{c}{*}")
    assert template.read(template.write(fields)) == fields


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{a}{b}", "a needs a width"),
        ("{a:#}{b:#}", "a needs a width"),
        ("{a", "found '{' alone"),
        ("no field", "has no field"),
        ("{*}{a}", "only at its end"),
        ("{a} {a}", "a stands in it twice"),
        ("{a:0}", "found {a:0}"),
        ("{}", "found {}"),
        ("{a:#}-{b}", "may belong to the number"),
    ],
)
def test_a_template_that_could_be_read_in_two_ways_is_refused(template: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LineTemplate(template)


def test_no_line_makes_a_template_slow() -> None:
    template = LineTemplate("{a} {b} {c}, {d} {e} {f}, {g}{*}")
    began = time.process_time()
    for line in ("a" * 4000, "a " * 2000, "1 2 3, " * 600, " " * 4000, "1, " * 1300):
        for _ in range(20):
            template.read(line)
    assert time.process_time() - began < 1


def test_fields_are_split_and_counted() -> None:
    layout = LineLayout(kind=LayoutKind.FIELDS, count=3)
    device = device_of(layout, point("a", at=0), point("c", at=2), ignored=(";",))
    assert read(device, " 1 ,x, -2.50") == [1, -2.5]
    assert read(device, "1,2") is None
    assert read(device, "1,2,3,4") is None
    assert read(device, "1,2,NAN") == [1, None]


def test_fields_without_a_count_need_the_ones_that_points_need() -> None:
    layout = LineLayout(kind=LayoutKind.FIELDS, separator=" ")
    device = device_of(layout, point("a", at=1), point("b", at=3, optional=True))
    assert read(device, "x  7   y") == [7, None]
    assert read(device, "x 7 y 8 z") == [7, 8]
    assert read(device, "x") is None


def test_numbers_may_be_parted_by_their_signs_alone() -> None:
    device = device_of(LineLayout(kind=LayoutKind.SIGNED), point("a", at=0), point("b", at=2), prefixes=("0",))
    assert read(device, "0+083-000.02+00") == [83, 0]
    assert read(device, "0+083x-1+2") is None


@pytest.mark.parametrize("line", ["Ta=1Ua=2", "Ta=1,Ta=2", "Ta=1,Ua", "=1,Ta=2", "Ta==1", "Ua=1"])
def test_a_damaged_list_of_pairs_is_not_half_read(line: str) -> None:
    device = device_of(LineLayout(kind=LayoutKind.PAIRS), point("t", label="Ta"))
    assert read(device, "Ta=21.5,Ua=3") == [21.5]
    assert read(device, line) is None


@pytest.mark.parametrize(
    "line", ['{"a":1', '{"a":1}x', '{"a":{"b":1}}', '{"b":1}', '{"a":1,"a":2}', "[1]", '{"a":[1]}', "[" * 200, "1"]
)
def test_json_that_is_no_flat_object_with_the_key_is_no_line(line: str) -> None:
    device = device_of(LineLayout(kind=LayoutKind.JSON), point("a", label="a"))
    assert read(device, '{"a": 1.50, "b": "x", "c": null}') == [1.5]
    assert read(device, line) is None


@pytest.mark.parametrize(
    ("said", "number"), [("null", None), ("NaN", None), ("true", None), ('"2"', 2), ("-0.5", -0.5)]
)
def test_a_json_value_that_is_no_number_is_no_value(said: str, number: float | None) -> None:
    device = device_of(LineLayout(kind=LayoutKind.JSON), point("a", label="a"))
    assert read(device, '{"a":' + said + "}") == [number]


def test_a_unit_scales_and_an_unknown_one_is_no_value() -> None:
    units: list[dict[str, str | float]] = [
        {"text": "M"},
        {"text": "K", "scale": 0.5, "offset": 1},
        {"text": "mK", "scale": 0.25},
    ]
    device = device_of(LineLayout(kind=LayoutKind.PAIRS), point("v", label="v", units=units, unavailable=[99.0]))
    assert [read(device, f"v={text}") for text in ("3M", "3K", "4mK", "3#", "3", "99K", "xM", "M")] == [
        [3],
        [2.5],
        [1],
        [None],
        [None],
        [None],
        [None],
        [None],
    ]


def test_a_unit_may_stand_in_a_field_of_its_own() -> None:
    units: list[dict[str, str | float]] = [{"text": "K"}, {"text": "M", "scale": 1.609344}]
    device = device_of(LineLayout(kind=LayoutKind.FIELDS), point("v", at=0, unit_at=1, units=units))
    assert [read(device, line) for line in ("10,K", "10,M", "10,P")] == [[10], [16.09344], [None]]


def test_a_flag_is_1_where_its_word_stands() -> None:
    layout = LineLayout(kind=LayoutKind.TEMPLATE, template="{a}{*}")
    device = device_of(layout, point("a", label="a"), point("bad", flag="LensBad"))
    assert read(device, "1, LensBad") == [1, 1]
    assert read(device, "1, TooCold") == [1, 0]
    assert encode_frame(device, "g", [1, 1]) == b"1, LensBad\n"


def test_a_line_that_nobody_reads_is_a_bad_frame_unless_it_is_ignored() -> None:
    layout = LineLayout(kind=LayoutKind.FIELDS, count=1)
    reader = FrameReader(device_of(layout, point("a", at=0), prefixes=("A",), ignored=("#", "Sen")))
    found = reader.feed(b"# hello\nA1\nSensor 1.2\nB2\n")
    assert [type(one) for one in found] == [SerialReading, BadFrame]
    assert (dict(reader.bad_frames), reader.frame_count, reader.garbage_bytes) == ({FrameFault.FORM: 1}, 1, 3)


def test_other_forms_of_a_line_may_lack_what_is_optional() -> None:
    layout = LineLayout(kind=LayoutKind.TEMPLATE, template="{a},{b}", also=("{b}",))
    device = device_of(layout, point("a", label="a", optional=True), point("b", label="b"))
    assert read(device, "1,2") == [1, 2]
    assert read(device, "2") == [None, 2]


def test_a_text_may_say_that_there_is_no_value() -> None:
    device = device_of(
        LineLayout(kind=LayoutKind.FIELDS), point("a", at=0, unavailable_text=["----", "999+"]), point("b", at=1)
    )
    (found,) = FrameReader(device).feed(b"999+,1\n")
    assert isinstance(found, SerialReading)
    assert found.values == (Value(None, Quality.SENSOR_FAULT), Value(1.0))
    assert encode_frame(device, "g", [None, 1]) == b"----,1\n"


def test_a_condition_on_a_field_chooses_the_group() -> None:
    groups = tuple(
        SerialGroup(
            name=name,
            measurement="inputs",
            points=(point("v", at=1),),
            when=(Condition(at=0, text=(letter,)),),
        )
        for name, letter in (("first", "A"), ("second", "B"))
    )
    layout = LineLayout(kind=LayoutKind.FIELDS)
    device = SerialDevice(mode=SerialMode.STREAM, lines=LineFraming(ends=("\n",), layout=layout), groups=groups)
    found = FrameReader(device).feed(b"A,1\nB,2\nC,3\n")
    assert [one.group for one in found if isinstance(one, SerialReading)] == ["first", "second"]
    assert encode_frame(device, "second", [2]) == b"B,2\n"


def test_a_number_too_long_for_its_columns_is_refused_and_decimals_give_way() -> None:
    layout = LineLayout(kind=LayoutKind.TEMPLATE, template="{a:4}")
    device = device_of(layout, point("a", label="a"))
    assert encode_frame(device, "g", [1.23456]) == b"1.23\n"
    assert encode_frame(device, "g", [-5]) == b"-005\n"
    with pytest.raises(EncodeError, match="more than the 4 characters"):
        encode_frame(device, "g", [12345])


@pytest.mark.parametrize(
    ("text", "form", "number"),
    [
        ("12,5", TextForm.DECIMAL_COMMA, 12.5),
        ("1.2,5", TextForm.DECIMAL_COMMA, None),
        ("-12", TextForm.DECIMAL_COMMA, -12),
        ("+1234-02", TextForm.MANTISSA_EXPONENT, 0.01234),
        ("-0100+01", TextForm.MANTISSA_EXPONENT, -1.0),
        ("1234", TextForm.MANTISSA_EXPONENT, None),
        ("1.5e-3", TextForm.SCIENTIFIC, 0.0015),
        ("1e999", TextForm.SCIENTIFIC, None),
        ("nan", TextForm.SCIENTIFIC, None),
        ("FFF6", TextForm.SIGNED_HEX, -10),
        ("02EB", TextForm.SIGNED_HEX, 747),
        ("----", TextForm.SIGNED_HEX, None),
        ("+5", TextForm.SIGNED_DECIMAL, 5),
    ],
)
def test_text_of_other_forms_reads_as_the_number_it_says(text: str, form: TextForm, number: float | None) -> None:
    assert text_number(text, form) == number


@given(st.integers(-9999, 9999), st.sampled_from([TextForm.DECIMAL_COMMA, TextForm.SIGNED_HEX, TextForm.SCIENTIFIC]))
def test_a_number_is_read_back_from_the_text_that_says_it(number: int, form: TextForm) -> None:
    assert text_number(number_text(number, form)[0], form) == number


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ('"T {temperature} C"', '"T {temperature}{unit} C"', 10, "temperature needs a width"),
        ("kind: template, ", "kind: pairs, ", 10, "a template exactly where its kind is template"),
        ("label: temperature", "label: temp", 15, "'temp' is no field of the template"),
        ("label: temperature", "at: 1", 15, "exactly where the layout counts fields"),
        ("label: temperature", "label: temperature, type: u8", 15, "a type exactly where the framing is binary"),
        ("label: temperature", "flag: x, label: temperature", 15, "a point has a place"),
        ("label: temperature", "label: temperature, unit_at: 3", 15, "there are no units"),
        ("label: temperature", "label: temperature, scale: 2, units: [{text: C}]", 15, "each unit has its scale"),
        ('ends: ["\\r\\n"]', "ends: []", 8, "lines have ends, or all one length"),
        ('ends: ["\\r\\n"]', 'ends: ["\\r", "\\r\\n"]', 8, "shares a character with another end"),
        ('ends: ["\\r\\n"]', 'ends: ["\\r"]\n    starts: ["#", "A#"]', 8, "another start may begin inside it"),
        ('ends: ["\\r\\n"]', 'ends: ["\\r\\n"]\n    starts: ["#"]', 13, "begin with none of the starts"),
        ('ends: ["\\r\\n"]', 'ends: ["\\r\\n"]\n    check: {kind: sum8}', 10, "expected one that is text"),
        ('    layout: {kind: template, template: "T {temperature} C"}\n', "", 11, "says its layout"),
    ],
)
def test_what_is_wrong_with_lines_is_told_with_its_line(old: str, new: str, line: int, told: str) -> None:
    assert parse_profile(TEXT, "line.yaml").serial is not None
    with pytest.raises(FileFaults, match=told) as faults:
        parse_profile(TEXT.replace(old, new), "line.yaml")
    assert line in [fault.line for fault in faults.value.faults]


def asked(profile: DeviceProfile) -> bool:
    """Whether the device answers requests."""
    return profile.serial is not None and profile.serial.mode is SerialMode.REQUEST


ASKED = [name for name, profile in load_all().items() if profile.serial and profile.serial.lines and asked(profile)]


@pytest.mark.parametrize("name", ASKED)
def test_a_device_that_is_asked_answers_its_own_requests_so_that_its_profile_reads_them(name: str) -> None:
    profile = load_profile(name)
    responder = SerialResponder(profile)
    assert profile.serial is not None
    for group in profile.serial.groups:
        assert group.request is not None
        steps = [
            each
            for byte in b"".join(step.sent for step in group.request.before)
            for each in responder.feed(bytes((byte,)))
        ]
        assert [step.group for step in steps] == [group.name] * len(group.request.before)
        (question,) = [each for byte in group.request.sent for each in responder.feed(bytes((byte,)))]
        # A value that the text can hold: a whole step of its scale.
        values = {each.key: float(min(each.states, default=round(max(1, each.scale), 1))) for each in group.points}
        reply = responder.reply(question, values)
        found = [one for one in FrameReader(profile.serial).feed(reply) if isinstance(one, SerialReading)]
        assert [one.group for one in found] == [group.name]
        numbers = [value.number for value in found[0].values]
        assert numbers == pytest.approx([values[each.key] for each in group.points], abs=1e-3)
