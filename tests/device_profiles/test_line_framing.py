"""Invariants I1 to I4 of `device_profiles/framing/base.py` for lines of text, mixed with anything."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.checks import CheckKind
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.framing.lines import LineCutter, checked_line
from device_profiles.library import load_profile
from device_profiles.line_framings import LineCheck, LineFraming

CHECKED = ("gill/windsonic", "vaisala/wxt530", "elsner/p03-3-rs485")
NAMES = (*CHECKED, "maxbotix/hrxl", "peetbros/ultimeter", "piera/ips-7100", "hikvision/cs-r-ascii")
STX_ETX = LineFraming(
    starts=("\x02",), ends=("\x03",), check=LineCheck(kind=CheckKind.XOR8_HEX, with_mark=True, behind_end=True)
)


def framing_of(name: str) -> LineFraming:
    device = load_profile(name).serial
    assert device is not None
    assert device.lines is not None
    return device.lines


FRAMINGS = {name: framing_of(name) for name in NAMES} | {"behind": STX_ETX}
GOOD = {
    "gill/windsonic": b"\x02Q,229,002.74,M,00,\x0316\r\n",
    "vaisala/wxt530": b"0r2,Ta=22.7C,Ua=55.5P,Pa=1004.7H@Fn\r\n",
    "elsner/p03-3-rs485": checked_line(FRAMINGS["elsner/p03-3-rs485"], "W+12.5082517N99904.2N"),
    "maxbotix/hrxl": b"R1234\r",
    "peetbros/ultimeter": b"!!005100BE02EB0064277002A8023A023A0025005800000000\r\n",
    "piera/ips-7100": b"32750000,8492000,4520500,428500,11500,780,268,0.27,0.21,0.69,0.90,0.95,0.98,1.86\r\n",
    "hikvision/cs-r-ascii": b"+125",
    "behind": b"\x02DA097\x033A",
}
KINDS = tuple(FRAMINGS)


def cut(cutter: LineCutter, pieces: Sequence[bytes]) -> list[Frame | BadFrame]:
    return [found for piece in pieces for found in cutter.feed(piece)]


def flipped(frame: bytes, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def streams(kind: str) -> st.SearchStrategy[bytes]:
    good = GOOD[kind]
    part = st.one_of(
        st.just(good),
        st.binary(max_size=40),
        st.integers(1, len(good) - 1).map(lambda count: good[:count]),
        st.integers(0, 8 * len(good) - 1).map(lambda bit: flipped(good, bit)),
        st.sampled_from([b"\r", b"\n", b"\r\n", b"\x02", b"\x03", b"R", b"!", b"!!", b"W", b"0r2,", b"9" * 300]),
    )
    return st.lists(part, max_size=12).map(b"".join)


def line_ends(data: bytes) -> int:
    return data.count(b"\r") + data.count(b"\n")


kinds_and_streams = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), streams(kind)))


@given(kinds_and_streams, st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from(["", "midway"]))
def test_i2_how_bytes_are_cut_changes_nothing(named: tuple[str, bytes], cuts: list[int], midway: str) -> None:
    kind, stream = named
    marks = sorted({0, len(stream), *(at % (len(stream) + 1) for at in cuts)})
    ways = [[stream], [stream[first:last] for first, last in pairwise(marks)], [bytes((byte,)) for byte in stream]]
    results = []
    for pieces in ways:
        cutter = LineCutter(FRAMINGS[kind])
        if midway:
            cutter.join_midway()
        found = cut(cutter, pieces)
        garbage = cutter.garbage_bytes
        results.append((found, garbage, cutter.give_up(), cutter.garbage_bytes))
    assert results[0] == results[1] == results[2]


@given(kinds_and_streams)
def test_i4_every_byte_is_in_a_line_or_garbage_or_an_end_between_lines(named: tuple[str, bytes]) -> None:
    kind, stream = named
    cutter = LineCutter(FRAMINGS[kind])
    lines = [one.raw for one in [*cutter.feed(stream), *cutter.give_up()] if isinstance(one, Frame)]
    without_ends = sum(len(raw) - line_ends(raw) for raw in lines) + cutter.garbage_bytes
    assert without_ends == len(stream) - line_ends(stream)


@given(kinds_and_streams)
def test_i4_what_waits_is_bounded(named: tuple[str, bytes]) -> None:
    kind, stream = named
    cutter = LineCutter(FRAMINGS[kind])
    cutter.feed(stream)
    before = cutter.garbage_bytes
    cutter.give_up()
    assert cutter.garbage_bytes - before <= FRAMINGS[kind].max_length + 8


@given(kinds_and_streams)
def test_i3_a_good_line_is_found_behind_anything(named: tuple[str, bytes]) -> None:
    """The first good line may end a bad one; from the next on all are read."""
    kind, before = named
    cutter = LineCutter(FRAMINGS[kind])
    found = cutter.feed(before + GOOD[kind] * 3)
    lines = [one.raw for one in found if isinstance(one, Frame)]
    assert lines[-2:] == [GOOD[kind]] * 2


@given(st.sampled_from((*CHECKED, "behind")), st.data())
def test_i1_a_line_with_one_bit_changed_is_no_line(kind: str, data: st.DataObject) -> None:
    good = GOOD[kind]
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    cutter = LineCutter(FRAMINGS[kind])
    assert [one for one in [*cutter.feed(flipped(good, bit)), *cutter.give_up()] if isinstance(one, Frame)] == []
    assert [type(one) for one in LineCutter(FRAMINGS[kind]).feed(good)] == [Frame]


def test_a_line_that_begins_again_is_cut_and_the_new_one_is_read() -> None:
    good = GOOD["gill/windsonic"]
    found = LineCutter(FRAMINGS["gill/windsonic"]).feed(good[:9] + good)
    assert found[0] == BadFrame(FrameFault.CUT)
    assert [one.raw for one in found if isinstance(one, Frame)] == [good]


def test_a_line_too_long_is_told_once_and_its_end_is_no_line() -> None:
    cutter = LineCutter(FRAMINGS["piera/ips-7100"])
    assert cutter.feed(b"1," * 400 + b"2\r\n") == [BadFrame(FrameFault.LENGTH)]
    assert [type(one) for one in cutter.feed(GOOD["piera/ips-7100"])] == [Frame]


def test_joined_midway_the_first_half_line_is_no_line() -> None:
    good = GOOD["piera/ips-7100"]
    cutter = LineCutter(FRAMINGS["piera/ips-7100"])
    cutter.join_midway()
    found = cutter.feed(good[4:] + good)
    assert [one.raw for one in found if isinstance(one, Frame)] == [good]
    assert cutter.garbage_bytes == len(good) - 4 - 2


def test_joined_midway_a_line_with_a_start_is_read_at_once() -> None:
    cutter = LineCutter(FRAMINGS["maxbotix/hrxl"])
    cutter.join_midway()
    assert [type(one) for one in cutter.feed(b"34\rR1234\r")] == [Frame]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"\x0212\x07\x0300", FrameFault.CHECK),
        (b"\x02Q\x07\x03" + b"%02X" % (0x02 ^ 0x51 ^ 0x07 ^ 0x03), FrameFault.FORM),
        (b"\x02Q\xe9\x03" + b"%02X" % (0x02 ^ 0x51 ^ 0xE9 ^ 0x03), FrameFault.FORM),
        (b"\x02" + b"Q" * 300, FrameFault.LENGTH),
        (b"\x02Q\x02", FrameFault.CUT),
    ],
)
def test_what_is_no_line_is_told_by_its_fault(line: bytes, fault: FrameFault) -> None:
    assert LineCutter(STX_ETX).feed(line)[0] == BadFrame(fault)


def test_a_check_is_only_asked_of_the_lines_that_carry_one() -> None:
    framing = LineFraming(
        ends=("\n",), check=LineCheck(kind=CheckKind.XOR8_HEX, after="\x02", mark="\x03", prefixes=("PUS",))
    )
    text = "PUS,\x02A,338,"
    assert checked_line(framing, text).startswith(text.encode() + b"\x03")
    (wind,) = LineCutter(framing).feed(checked_line(framing, text))
    (met,) = LineCutter(framing).feed(b"MET,12.1,22\n")
    assert isinstance(wind, Frame)
    assert isinstance(met, Frame)
    assert (wind.text, wind.is_checked, met.text, met.is_checked) == (text, True, "MET,12.1,22", False)
    assert LineCutter(framing).feed(b"PUS,\x02A,338,12\n") == [BadFrame(FrameFault.CHECK)]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_bytes_take_no_longer_than_good_ones(kind: str) -> None:
    """At 115200 baud a line brings 11,520 bytes a second; ten times that must be cut in the time."""
    good = GOOD[kind]
    stream = (good * 20 + good[:-1] * 20 + good[:1] * 600 + b"1" * 700 + b"!\x02R") * 8
    cutter = LineCutter(FRAMINGS[kind])
    began = time.process_time()
    for at in range(0, len(stream), 16):
        cutter.feed(stream[at : at + 16])
    assert time.process_time() - began < len(stream) / 115_200 + 1
