"""Requests, answers and the steps around them: what is sent, and what is taken for an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.asking import Answer, Taken, behind, is_reply, moves, next_sequence, request_bytes
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.encode_error import EncodeError
from device_profiles.encode_serial import encode_frame
from device_profiles.framing.base import Frame
from device_profiles.library import load_all
from device_profiles.model import DeviceProfile
from device_profiles.numbers import ByteOrder, NumberType
from device_profiles.point_model import scaled
from device_profiles.serial_model import SerialDevice, SerialGroup, SerialPoint
from device_profiles.serial_parts import Condition, Items, Repeat
from device_profiles.serial_request import AddressField, Request, SequenceField, Step
from device_profiles.simulate_serial import SerialResponder

ASKED = {
    name: profile
    for name, profile in load_all().items()
    if profile.serial is not None and profile.serial.binary is not None and profile.serial.mode == "request"
}
ADDRESS = 3


def serial(profile: DeviceProfile) -> SerialDevice:
    assert profile.serial is not None
    return profile.serial


def sample_of(point: SerialPoint) -> float:
    """A number that the device can tell for a point."""
    if point.block_number:
        return 1.0
    if point.states:
        return float(max(point.states))
    return scaled(1 if point.bit is not None else 41, point)


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_device_that_is_asked_as_its_profile_says_answers_with_its_values(name: str) -> None:
    device = serial(ASKED[name])
    responder = SerialResponder(ASKED[name], ADDRESS)
    values = {point.key: sample_of(point) for group in device.groups for point in group.points}
    for step in moves(device.start):
        (heard,) = responder.feed(step.send)
        assert step.expect in responder.reply(heard, None)
    for group in device.groups:
        if group.request is None:
            continue
        for step in moves(group.request.before):
            (heard,) = responder.feed(step.send)
            assert responder.reply(heard, None) == step.expect
        (asked,) = responder.feed(request_bytes(group.request, address=ADDRESS, sequence=1))
        said = behind(responder.reply(asked, values), bytes.fromhex(group.request.expect))
        assert said is not None
        readings = read(device, group.request, said)
        for key, number in readings[group.name].items():
            assert number == pytest.approx(values[key], abs=0.01)


def read(device: SerialDevice, request: Request, said: bytes) -> dict[str, dict[str, float | None]]:
    reader = FrameReader(device)
    answer = Answer(request, address=ADDRESS, sequence=1)
    frames = [*reader.frames(said), *reader.give_up()]
    assert all(isinstance(frame, Frame) for frame in frames)
    taken = [answer.take(frame) for frame in frames if isinstance(frame, Frame)]
    assert Taken.FOREIGN not in taken
    assert (taken[-1] is Taken.LAST) or answer.may_end_here
    keys = {group.name: [point.key for point in group.points] for group in device.groups}
    return {
        reading.group: dict(zip(keys[reading.group], (value.number for value in reading.values), strict=True))
        for frame in answer.frames
        for reading in reader.readings(frame)
    }


def test_a_toggle_bit_is_one_bit_of_the_request_and_no_part_of_the_reply() -> None:
    request = Request(send="10 58 00", sequence=SequenceField(at=1, bit=5))
    assert request_bytes(request, sequence=1) == b"\x10\x78\x00"
    assert request_bytes(request, sequence=2) == b"\x10\x58\x00"
    assert is_reply(request, Frame(raw=b"\x00\x00"), sequence=1)
    assert next_sequence(request, 1, answered=False) == 1
    assert next_sequence(request, 1, answered=True) == 2
    plain = Request(send="10 00", sequence=SequenceField(at=1))
    assert next_sequence(plain, 255, answered=False) == 0


def test_an_address_may_be_sent_without_coming_back() -> None:
    request = Request(send="3C 00", address=AddressField(at=1))
    assert request_bytes(request, address=0x80) == b"\x3c\x80"
    assert is_reply(request, Frame(raw=b"\x00"), address=0x80)
    with pytest.raises(EncodeError, match="by its address"):
        request_bytes(request)


def test_a_reply_is_told_by_its_conditions_and_an_unaddressed_frame_by_its_name() -> None:
    request = Request(
        send="01",
        address=AddressField(at=0, reply_at=0),
        reply=(Condition(at=1, one_of=(0x90,)),),
        unaddressed=("single",),
    )
    assert is_reply(request, Frame(raw=b"\x07\x90"), address=7)
    assert not is_reply(request, Frame(raw=b"\x07\x91"), address=7)
    assert not is_reply(request, Frame(raw=b"\x08\x90"), address=7)
    assert is_reply(request, Frame(raw=b"\xe5", form="single"), address=7)


def test_an_answer_of_several_frames_ends_with_its_last_or_with_a_silence() -> None:
    until = Request(send="01", frames=5, until=(Condition(at=0, one_of=(9,)),))
    answer = Answer(until)
    assert [answer.take(Frame(raw=bytes((number,)))) for number in (1, 2, 9)] == [Taken.PART, Taken.PART, Taken.LAST]
    by_gap = Answer(Request(send="01", frames=2, gap_ms=100))
    assert (by_gap.patience_s, by_gap.may_end_here) == (None, False)
    by_gap.take(Frame(raw=b"\x01"))
    assert (by_gap.patience_s, by_gap.may_end_here) == (0.1, True)
    assert by_gap.take(Frame(raw=b"\x01")) is Taken.LAST


@given(st.binary(max_size=20), st.binary(min_size=1, max_size=3), st.binary(max_size=20))
def test_what_comes_before_the_expected_bytes_is_passed_over(before: bytes, expected: bytes, after: bytes) -> None:
    rest = behind(before + expected + after, expected)
    assert rest is not None
    assert (before + expected + after).endswith(expected + rest)
    assert behind(expected[:-1], expected) is None


@pytest.mark.parametrize(("send", "told"), [("", "sends, expects or waits"), ("0", "as hex")])
def test_a_step_that_does_nothing_or_is_no_hex_is_refused(send: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Step(send=send)


def test_an_answer_of_several_frames_needs_an_end() -> None:
    with pytest.raises(ValueError, match="its end"):
        Request(send="01", frames=4)
    with pytest.raises(ValueError, match="its end"):
        Request(send="01", gap_ms=100)


@given(st.integers(0, 4), st.integers(1, 5), st.integers(0, 6), st.integers(0, 6))
def test_blocks_that_fill_a_frame_are_counted_by_its_length(blocks: int, every: int, first: int, after: int) -> None:
    repeat = Repeat(first=first, every=every, at_most=4, after=after)
    data = bytes(first + blocks * every + after)
    assert repeat.count(data) == blocks
    assert [len(block) for block in repeat.blocks(data)] == [every] * blocks
    if every > 1 and blocks:
        assert repeat.count(data + b"\0") == 0


def test_blocks_that_a_byte_counts_must_all_be_there() -> None:
    repeat = Repeat(first=2, every=3, at_most=3, count_at=1)
    assert repeat.blocks(b"\x00\x02abcdefx") == [b"abc", b"def"]
    assert repeat.blocks(b"\x00\x03abcdef") == []
    assert repeat.blocks(b"\x00\x04" + bytes(20)) == []
    assert Repeat(first=0, every=2, at_most=2).blocks(b"aabbcc") == [b"aa", b"bb"]


ITEMS = Items(first=1, after=1, length_adds=1, tag_at=1, tag_type=NumberType.U16, tag_order=ByteOrder.LITTLE)


def test_items_are_found_by_their_tags_whatever_their_lengths() -> None:
    assert ITEMS.by_tag(b"\x00\x03\x64\x00\x07\x02\x65\x00\xff") == {100: b"\x03\x64\x00\x07", 101: b"\x02\x65\x00"}


@given(st.binary(max_size=40))
def test_no_bytes_make_items_run_over_the_frame(data: bytes) -> None:
    found = ITEMS.by_tag(data)
    assert found is None or sum(len(item) for item in found.values()) <= max(0, len(data) - 2)


def test_a_failed_item_has_no_value_and_leaves_the_others_theirs() -> None:
    device = serial(ASKED["lufft/ws-umb"])
    (group,) = device.groups
    values = [sample_of(point) for point in group.points]
    frame = encode_frame(device, group.name, [None, *values[1:]])
    (reading,) = (each for each in FrameReader(device).feed(frame) if isinstance(each, SerialReading))
    assert [value.number for value in reading.values] == [None, *values[1:]]


def test_a_group_has_blocks_or_items_and_its_points_say_which() -> None:
    point = SerialPoint(key="n", quantity="number", at=0, type=NumberType.U8, tag=1)
    device = serial(ASKED["winsen/mh-z19b"])
    request = Request(send="01")
    for group, message in (
        (SerialGroup(name="g", measurement="m", every_s=1, request=request, points=(point,)), "has a tag exactly"),
        (
            SerialGroup(
                name="g",
                measurement="m",
                every_s=1,
                request=request,
                items=ITEMS,
                repeat=Repeat(first=0, every=1, at_most=1),
                points=(point,),
            ),
            "not both",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            SerialDevice(mode=device.mode, binary=device.binary, groups=(group,))
