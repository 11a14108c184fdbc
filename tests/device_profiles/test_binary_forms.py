"""The forms of binary frames: stuffing, delimiters, lengths, silences; told by the frames they cut."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.checks import CheckKind, check_bytes
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.framing.cutters import cutter
from device_profiles.framing.stuffing import stuffed, unstuffed
from device_profiles.numbers import NumberType
from device_profiles.serial_framings import BinaryFraming, Check, LengthField, Stuffing
from device_profiles.serial_model import (
    SerialDevice,
    SerialGroup,
    SerialMode,
    SerialPoint,
)
from tests.support.good_frames import DEVICES, GOOD

SHDLC = Stuffing(escape="7D", codes={"7E": "5E", "7D": "5D", "11": "31", "13": "33"})


def device_of(framing: BinaryFraming, *more: BinaryFraming) -> SerialDevice:
    point = SerialPoint(key="n", quantity="number", at=0, type=NumberType.U8)
    frame = framing.name or None
    return SerialDevice(
        mode=SerialMode.STREAM,
        binary=framing,
        more_frames=more,
        groups=(SerialGroup(name="g", measurement="m", frame=frame, points=(point,)),),
    )


@given(st.binary(max_size=200))
def test_i1_stuffing_is_undone_and_hides_what_may_not_stand_in_a_frame(plain: bytes) -> None:
    sent = stuffed(plain, SHDLC)
    assert unstuffed(sent, SHDLC) == plain
    assert not set(sent) & {0x7E, 0x11, 0x13}


@pytest.mark.parametrize("raw", [b"\x7d", b"ab\x7d", b"\x7d\x00", b"\x7d\x7d\x5d"])
def test_an_escape_that_escapes_nothing_is_no_stuffing(raw: bytes) -> None:
    assert unstuffed(raw, SHDLC) is None


def test_a_stuffed_frame_is_read_unstuffed_and_kept_as_it_came() -> None:
    good = GOOD["sensirion/sps30"]
    (frame,) = cutter(DEVICES["sensirion/sps30"]).feed(good)
    assert isinstance(frame, Frame)
    assert frame.raw == good
    assert (len(frame.data), frame.data[10], frame.data[20:22]) == (47, 0x11, b"\x7e\x42")


def test_listening_from_the_middle_of_a_delimited_frame_loses_that_frame_alone() -> None:
    good = GOOD["sensirion/sps30"]
    found = cutter(DEVICES["sensirion/sps30"]).feed(good[20:] + good + good)
    assert [each.raw for each in found if isinstance(each, Frame)] == [good, good]


def test_a_delimited_frame_without_an_end_stays_bounded() -> None:
    reader = cutter(DEVICES["houston-radar/dr500"])
    reader.feed(b"\xf3" + b"a" * 5000)
    assert reader.garbage_bytes >= 3900
    assert [each.raw for each in reader.feed(GOOD["houston-radar/dr500"]) if isinstance(each, Frame)] == [
        GOOD["houston-radar/dr500"]
    ]


def test_a_length_inside_a_stuffed_frame_must_be_its_length() -> None:
    wrong = bytearray(bytes.fromhex("00 03 00 02 AA"))
    wrong += check_bytes(CheckKind.SUM8_INVERTED, bytes(wrong))
    found = cutter(DEVICES["sensirion/sps30"]).feed(b"\x7e" + stuffed(bytes(wrong), SHDLC) + b"\x7e")
    assert found == [BadFrame(FrameFault.LENGTH)]


def test_a_byte_that_says_nothing_new_counts_only_where_an_answer_may_begin() -> None:
    """Inside a damaged frame the same byte is data: taken for an answer it would cost the vehicle in that frame."""
    good = GOOD["adec/tdc3"]
    assert 0xE5 in good
    damaged = good[:-2] + bytes((good[-2] ^ 1,)) + good[-1:]
    reader = cutter(DEVICES["adec/tdc3"])
    assert [each for each in reader.feed(damaged + b"\xe5") if isinstance(each, Frame)] == []
    reader.give_up()
    (nothing,) = reader.feed(b"\xe5")
    assert isinstance(nothing, Frame)
    assert nothing.form == "single"
    assert [type(each) for each in reader.feed(good + b"\xe5")] == [Frame, Frame]


def test_a_fixed_byte_at_the_wrong_place_refuses_a_header_without_waiting() -> None:
    good = GOOD["adec/tdc3"]
    assert cutter(DEVICES["adec/tdc3"]).feed(b"\x68\x40\x40\x00" + good) == [
        BadFrame(FrameFault.CHECK),
        Frame(raw=good, form="long"),
    ]


def test_a_silence_ends_a_frame_that_has_no_header_and_no_length() -> None:
    framing = BinaryFraming(header="", frame_gap_ms=50, max_length=8, checks=(Check(kind=CheckKind.XOR8, at=-1),))
    reader = cutter(device_of(framing))
    assert reader.feed(b"\x01\x02\x04") == []
    assert reader.feed(b"\x07") == []
    assert reader.give_up() == [Frame(raw=b"\x01\x02\x04\x07")]
    assert reader.feed(b"\x01\x02") == []
    assert reader.give_up() == [BadFrame(FrameFault.CHECK)]
    assert reader.feed(bytes(9)) == [BadFrame(FrameFault.LENGTH)]
    assert (reader.give_up(), reader.garbage_bytes) == ([], 11)
    assert reader.feed(b"\x01\x02\x03") == []
    assert reader.give_up() == [Frame(raw=b"\x01\x02\x03")]


def test_a_frame_without_a_header_begins_with_the_first_byte_behind_a_silence() -> None:
    framing = BinaryFraming(header="", length=4, frame_gap_ms=50, checks=(Check(kind=CheckKind.XOR8, at=-1),))
    reader = cutter(device_of(framing))
    reader.feed(b"\x09\x09\x01")
    assert reader.give_up() == [BadFrame(FrameFault.CUT)]
    assert reader.feed(b"\x01\x02\x04\x07") == [Frame(raw=b"\x01\x02\x04\x07")]
    good_by_chance = b"\x01\x02\x04\x07"
    assert reader.feed(b"\x09" + good_by_chance) == [BadFrame(FrameFault.CHECK)]
    reader.give_up()
    assert reader.feed(good_by_chance) == [Frame(raw=good_by_chance)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: BinaryFraming(header="01", checks=()), "a length or a length_field"),
        (lambda: BinaryFraming(header="01", frame_gap_ms=50, checks=()), "max_length"),
        (
            lambda: BinaryFraming(header="", length_field=LengthField(at=0, add=1), max_length=9, checks=()),
            "at least one byte",
        ),
        (lambda: BinaryFraming(header="7E", tail="7F", stuffing=SHDLC, max_length=9, checks=()), "have codes"),
        (lambda: BinaryFraming(header="7E 7E", tail="7E", stuffing=SHDLC, max_length=9, checks=()), "have codes"),
    ],
)
def test_a_framing_that_could_not_cut_is_refused(made: Callable[[], BinaryFraming], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        made()


def test_frames_of_several_forms_have_names_and_groups_name_them() -> None:
    one = BinaryFraming(name="one", header="01", length=3, checks=())
    two = BinaryFraming(name="two", header="02", length=2, checks=())
    found = cutter(device_of(one, two)).feed(b"\x02\x01\x01\x02\x02\x02\x00")
    assert [(each.form, each.raw) for each in found if isinstance(each, Frame)] == [
        ("two", b"\x02\x01"),
        ("one", b"\x01\x02\x02"),
        ("two", b"\x02\x00"),
    ]
    with pytest.raises(ValueError, match="name of its own"):
        device_of(one, BinaryFraming(name="one", header="02", length=2, checks=()))
    with pytest.raises(ValueError, match="`frame` is one of one, two"):
        SerialDevice(
            mode=SerialMode.STREAM,
            binary=one,
            more_frames=(two,),
            groups=(
                SerialGroup(
                    name="g",
                    measurement="m",
                    points=(SerialPoint(key="n", quantity="number", at=0, type=NumberType.U8),),
                ),
            ),
        )
