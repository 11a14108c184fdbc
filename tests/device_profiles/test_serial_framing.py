"""Invariants I1 to I4 of `device_profiles/framing/base.py`, on frames of the library's devices mixed with anything."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.checks import CheckKind
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.framing.cutters import cutter
from device_profiles.numbers import NumberType
from device_profiles.serial_framings import BinaryFraming, Check, LengthField
from device_profiles.serial_model import (
    SerialDevice,
    SerialGroup,
    SerialMode,
    SerialPoint,
)
from tests.support.good_frames import DEVICES, GOOD, NAMES, cut


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
