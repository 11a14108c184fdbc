"""Invariants I1 to I4 of `device_profiles/framing/base.py`, on frames of the library's devices mixed with anything."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.checks import CheckKind, check_bytes
from device_profiles.encode_serial import encode_frame
from device_profiles.framing.base import BadFrame, Cutter, Frame, FrameFault
from device_profiles.framing.cutters import cutter
from device_profiles.framing.stuffing import stuffed, unstuffed
from device_profiles.library import load_profile
from device_profiles.numbers import NumberType
from device_profiles.serial_framings import BinaryFraming, Check, LengthField, Stuffing
from device_profiles.serial_model import (
    SerialDevice,
    SerialGroup,
    SerialMode,
    SerialPoint,
)

NAMES = (
    "nova/sds011",
    "plantower/pms5003",
    "nmea/gnss",
    "victron/vedirect-bmv",
    "wavetronix/ss125",
    "sensirion/sps30",
    "houston-radar/dr500",
    "adec/tdc3",
    "u-blox/nav-pvt",
)


def serial(name: str) -> SerialDevice:
    found = load_profile(name).serial
    assert found is not None
    return found


DEVICES = {name: serial(name) for name in NAMES}
GOOD = {
    "nova/sds011": encode_frame(DEVICES["nova/sds011"], "particles", [12.3, 26.1]),
    "plantower/pms5003": encode_frame(DEVICES["plantower/pms5003"], "particles", [1, 2, 3, 40, 50, 60, 70, 80, 90, 0]),
    "nmea/gnss": encode_frame(DEVICES["nmea/gnss"], "rmc", [10.5, 106.7, 1.852], time_ms=1_700_000_000_000),
    "victron/vedirect-bmv": encode_frame(DEVICES["victron/vedirect-bmv"], "autonomy", [600]),
    "wavetronix/ss125": encode_frame(
        DEVICES["wavetronix/ss125"], "vehicle", [1, 12.5, 0.25, 67.75, 2, 4.5], time_ms=1_700_000_000_000
    ),
    "sensirion/sps30": bytes.fromhex(
        "7E 00 03 00 28 40 DF 03 DA 41 7D 31 62 AE 41 27 9E 32 41 2C 10 7D 5E 42 30 7D 5E D3 42 55 C0 4C 42 5E 09 08"
        "42 5F A2 8A 42 5F E4 43 3F 40 FA 1F FF 7E"
    ),
    "houston-radar/dr500": encode_frame(DEVICES["houston-radar/dr500"], "traffic", [47]),
    "adec/tdc3": encode_frame(DEVICES["adec/tdc3"], "vehicle", [54, 1, 0xE5 / 100, 1.2]),
    "u-blox/nav-pvt": encode_frame(
        DEVICES["u-blox/nav-pvt"], "fix", [3, 9, 106.7, 10.8, 12.5, 1.5, 2.5, 0, 90, 1.1], time_ms=1_700_000_000_000
    ),
}


def cut(device: Cutter, pieces: Sequence[bytes]) -> list[Frame | BadFrame]:
    return [found for piece in pieces for found in device.feed(piece)]


def pieces_of(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(stream), *(at % (len(stream) + 1) for at in cuts)})
    return [stream[first:last] for first, last in pairwise(marks)]


def streams(name: str) -> st.SearchStrategy[bytes]:
    good = GOOD[name]
    part = st.one_of(
        st.just(good),
        st.binary(max_size=40),
        st.integers(1, len(good) - 1).map(lambda count: good[:count]),
        st.integers(0, 8 * len(good) - 1).map(lambda bit: flipped(good, bit)),
        st.sampled_from(
            [
                b"$",
                b"\xaa",
                b"\xaa\xc0",
                b"BM",
                b"Z1",
                b"\r\n",
                b":",
                b"\n",
                b"\r\nChecksum\t",
                b"~",
                b"~}",
                b"\xf3",
                b"h",
                b"\xe5",
            ]
        ),
    )
    return st.lists(part, max_size=12).map(b"".join)


def flipped(frame: bytes, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


named_streams = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), streams(name)))


@given(named_streams, st.lists(st.integers(0, 10_000), max_size=8))
def test_i2_how_bytes_are_cut_changes_nothing(named: tuple[str, bytes], cuts: list[int]) -> None:
    name, stream = named
    whole, cut_up, singly = cutter(DEVICES[name]), cutter(DEVICES[name]), cutter(DEVICES[name])
    expected = whole.feed(stream)
    assert cut(cut_up, pieces_of(stream, cuts)) == expected
    assert cut(singly, [bytes((byte,)) for byte in stream]) == expected
    assert singly.garbage_bytes == cut_up.garbage_bytes == whole.garbage_bytes
    assert singly.give_up() == cut_up.give_up() == whole.give_up()


@given(st.sampled_from(NAMES[:2] + NAMES[4:]), st.data())
def test_i4_every_byte_is_in_a_frame_or_garbage(name: str, data: st.DataObject) -> None:
    stream = data.draw(streams(name))
    reader = cutter(DEVICES[name])
    found = [*reader.feed(stream), *reader.give_up()]
    assert sum(len(frame.raw) for frame in found if isinstance(frame, Frame)) + reader.garbage_bytes == len(stream)


@given(st.sampled_from(NAMES[:2] + NAMES[4:]), st.data())
def test_i3_a_good_frame_is_found_behind_anything(name: str, data: st.DataObject) -> None:
    """Enough good frames in a row: a false header may reach at most over the first of them."""
    before = data.draw(streams(name))
    reader = cutter(DEVICES[name])
    found = reader.feed(before + GOOD[name] * 40)
    assert found
    assert isinstance(found[-1], Frame)
    assert found[-1].raw == GOOD[name]


@given(st.sampled_from(NAMES), st.data())
def test_i1_a_frame_with_one_bit_changed_is_no_frame(name: str, data: st.DataObject) -> None:
    good = GOOD[name]
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    found = cutter(DEVICES[name]).feed(flipped(good, bit))
    whole = cutter(DEVICES[name]).feed(good)
    # The line end of a sentence is not covered by its check.
    assert [frame.fields for frame in found if isinstance(frame, Frame)] in (
        [],
        [frame.fields for frame in whole if isinstance(frame, Frame)],
    )
    if name != "nmea/gnss" or bit < 8 * (len(good) - 2):
        assert [frame for frame in found if isinstance(frame, Frame)] == []


def test_a_false_header_inside_data_does_not_lose_the_frame() -> None:
    good = GOOD["nova/sds011"]
    reader = cutter(DEVICES["nova/sds011"])
    found = reader.feed(b"\x07\xaa\xc0" + good + good)
    assert [type(each) for each in found] == [BadFrame, Frame, Frame]
    assert reader.garbage_bytes == 3


def test_a_false_length_is_refused_by_the_heads_own_check_without_waiting() -> None:
    good = GOOD["wavetronix/ss125"]
    damaged = good[:9] + b"\xff" + good[10:]
    found = cutter(DEVICES["wavetronix/ss125"]).feed(damaged + good)
    assert found == [BadFrame(FrameFault.CHECK), Frame(raw=good)]


def test_a_length_beyond_the_greatest_is_refused_without_waiting() -> None:
    good = GOOD["plantower/pms5003"]
    assert cutter(DEVICES["plantower/pms5003"]).feed(b"BM\xff\xff" + good) == [
        BadFrame(FrameFault.LENGTH),
        Frame(raw=good),
    ]


def test_giving_up_finds_the_frame_that_an_unfinished_one_hid() -> None:
    good = GOOD["plantower/pms5003"]
    reader = cutter(DEVICES["plantower/pms5003"])
    assert reader.feed(b"BM\x00\x24" + good) == []
    assert reader.give_up() == [BadFrame(FrameFault.CUT), Frame(raw=good)]
    assert reader.garbage_bytes == 4


def test_a_wrong_tail_is_refused() -> None:
    good = GOOD["nova/sds011"]
    assert cutter(DEVICES["nova/sds011"]).feed(good[:-1] + b"\xac" + good) == [
        BadFrame(FrameFault.TAIL),
        Frame(raw=good),
    ]


def test_a_sentence_cut_by_the_next_is_counted_and_the_next_is_read() -> None:
    good = GOOD["nmea/gnss"]
    found = cutter(DEVICES["nmea/gnss"]).feed(good[:20] + good)
    assert found[0] == BadFrame(FrameFault.CUT)
    assert isinstance(found[1], Frame)
    assert found[1].fields[0] == "RMC"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"$GPRMC,,V\r\n", FrameFault.FORM),
        (b"$GPRMC,,V*00\r\n", FrameFault.CHECK),
        (b"$GPRMC,,V*5\r\n", FrameFault.CHECK),
        (b"$" + b"A" * 300, FrameFault.LENGTH),
    ],
)
def test_a_line_that_is_no_sentence_is_counted_by_its_fault(line: bytes, fault: FrameFault) -> None:
    assert cutter(DEVICES["nmea/gnss"]).feed(line) == [BadFrame(fault)]


@given(st.integers(0, 200))
def test_a_hex_frame_anywhere_in_a_block_is_no_part_of_its_sum(at: int) -> None:
    good = GOOD["victron/vedirect-bmv"]
    at %= len(good) - 1  # not before the check byte: there a colon is the check byte
    found = cutter(DEVICES["victron/vedirect-bmv"]).feed(good[:at] + b":7F0ED0071\n" + good[at:])
    assert [frame.labels for frame in found if isinstance(frame, Frame)] == [{"TTG": "10"}]


def test_a_block_with_a_label_twice_is_refused_though_its_sum_is_right() -> None:
    half = b"\r\nV\t12000\r\nV\t12000\r\nChecksum\t"
    raw = half + bytes((-sum(half) & 0xFF,))
    assert cutter(DEVICES["victron/vedirect-bmv"]).feed(raw) == [BadFrame(FrameFault.FORM)]


def test_a_block_without_an_end_stays_bounded() -> None:
    reader = cutter(DEVICES["victron/vedirect-bmv"])
    found = reader.feed(b"\r\nV\t" + b"1" * 5000)
    assert found == [BadFrame(FrameFault.LENGTH)]
    assert reader.garbage_bytes == 5004


@given(st.sampled_from(NAMES), st.binary(max_size=3000))
def test_random_bytes_end_nothing(name: str, noise: bytes) -> None:
    reader = cutter(DEVICES[name])
    reader.feed(noise)
    reader.give_up()
    assert reader.feed(b"") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_day_of_bytes_is_cut_faster_than_a_line_can_bring_them(name: str) -> None:
    """At 115200 baud a line brings 11,520 bytes a second; ten times that must be cut in the time."""
    stream = (GOOD[name] + b"\xaa\xc0BM$Z1") * (115_200 // len(GOOD[name]))
    reader = cutter(DEVICES[name])
    began = time.process_time()
    for at in range(0, len(stream), 64):
        reader.feed(stream[at : at + 64])
    assert time.process_time() - began < 10


def test_a_tail_check_and_a_little_endian_length_are_read_as_declared() -> None:
    device = SerialDevice(
        mode=SerialMode.STREAM,
        binary=BinaryFraming(
            header="7E",
            length_field=LengthField(at=1, type=NumberType.U8, add=4),
            max_length=20,
            tail="7F",
            checks=(Check(kind=CheckKind.XOR8, start=1, at=-2),),
        ),
        groups=(
            SerialGroup(
                name="g",
                measurement="m",
                points=(SerialPoint(key="n", quantity="number", at=2, type=NumberType.U8),),
            ),
        ),
    )
    assert cutter(device).feed(bytes.fromhex("7E 02 05 06 01 7F")) == [Frame(raw=bytes.fromhex("7E 02 05 06 01 7F"))]
    assert cutter(device).feed(bytes.fromhex("7E 02 05 06 02 7F")) == [BadFrame(FrameFault.CHECK)]


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
