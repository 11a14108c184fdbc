"""Frames of a serial device to readings. Pure; remembers only the last full time the device told.

I1. A reading's values stand in the order of its group's points, and come from one frame.
I2. What a frame does not carry gives no value: an absent label is no stale value.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from device_profiles.binary_times import packed_ms, ubx_utc_ms
from device_profiles.derive import Deriver
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.framing.cutters import cutter
from device_profiles.framing.lines import LineCutter
from device_profiles.line_views import line_view, unread
from device_profiles.numbers import ByteOrder, NumberType, decode_number, size_bytes
from device_profiles.point_model import value_of
from device_profiles.serial_model import (
    DeviceTime,
    SerialDevice,
    SerialGroup,
    SerialPoint,
    TextForm,
    TimeForm,
)
from device_profiles.serial_parts import Condition
from device_profiles.text_readings import clock_ms, date_ms, nearest_day_ms, short_date_ms, text_number
from device_profiles.text_values import text_at, text_value
from wire.records import MAX_TIME_MS, Quality, Value

_NO_VALUE: Final = Value(None, Quality.SENSOR_FAULT)
_NOT_READY: Final = Value(None, Quality.WARMING_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialReading:
    """What one frame gave for one group: values in the order of the group's points.

    `device_time_ms` is the UTC time that the device told with them, or None.
    """

    group: str
    values: tuple[Value, ...]
    device_time_ms: int | None = None


class FrameReader:
    """Bytes of one device to readings, in any cuts."""

    def __init__(self, device: SerialDevice) -> None:
        self._device = device
        self._cutter = cutter(device)
        # Changed by frames, readings and give_up only.
        self._frame_count = 0
        self._unread_bytes = 0
        self._bad: Counter[FrameFault] = Counter()
        self._last_time_ms: int | None = None
        self._derivers = {
            group.name: Deriver(group.derived, [point.key for point in group.points])
            for group in device.groups
            if group.derived
        }

    def feed(self, data: bytes) -> list[SerialReading | BadFrame]:
        """Take the next bytes; return the readings and bad frames that they completed, in order.

        A good frame that belongs to no group gives nothing.
        """
        found: list[SerialReading | BadFrame] = []
        for frame in self.frames(data):
            if isinstance(frame, BadFrame):
                found.append(frame)
            else:
                found += self.readings(frame)
        return found

    def frames(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return the frames that they completed, for whoever must tell a reply from others."""
        return self._counted(self._cutter.feed(data))

    def give_up(self) -> list[Frame | BadFrame]:
        """No more bytes will come (a timeout): return what the unfinished frame was, and what stood behind it."""
        return self._counted(self._cutter.give_up())

    def join_midway(self) -> None:
        """The next bytes come from amid a stream: a line without a start and a check may be half a one, and is none."""
        if isinstance(self._cutter, LineCutter):
            self._cutter.join_midway()

    def readings(self, frame: Frame, *, at_s: float = 0.0) -> list[SerialReading]:
        """What a frame gives: one reading for each group that it belongs to, or each block of it.

        Args:
            frame: a whole one.
            at_s: when it came, in monotonic seconds, for points derived over time.
        """
        for source in self._device.time_sources:
            if frame.fields and frame.fields[0] == source.sentence:
                self._told(source.time, frame)
        return [reading for group, seen in self._seen(frame) for reading in self._group_readings(group, seen, at_s)]

    @property
    def frame_count(self) -> int:
        """Frames whose checks held, whether a group reads them or not."""
        return self._frame_count

    @property
    def bad_frames(self) -> Mapping[FrameFault, int]:
        """Bad frames by fault."""
        return self._bad

    @property
    def garbage_bytes(self) -> int:
        """Bytes that were part of no good frame."""
        return self._cutter.garbage_bytes + self._unread_bytes

    @property
    def device_time_ms(self) -> int | None:
        """The last UTC time that the device told; None before the first."""
        return self._last_time_ms

    def _told(self, time: DeviceTime, frame: Frame) -> int | None:
        told_ms = _device_time_ms(time, frame, self._last_time_ms)
        if told_ms is not None:
            self._last_time_ms = told_ms
        return told_ms

    def _counted(self, found: list[Frame | BadFrame]) -> list[Frame | BadFrame]:
        frames = [known for frame in found if (known := self._known(frame)) is not None]
        for frame in frames:
            if isinstance(frame, BadFrame):
                self._bad[frame.fault] += 1
            else:
                self._frame_count += 1
        return frames

    def _known(self, frame: Frame | BadFrame) -> Frame | BadFrame | None:
        """The frame; of a line that no group reads what it then is, or None where it is to be ignored."""
        if isinstance(frame, BadFrame) or self._device.lines is None or any(self._seen(frame)):
            return frame
        known = unread(self._device.lines, frame)
        if isinstance(known, BadFrame):
            self._unread_bytes += len(frame.raw)
        return known

    def _seen(self, frame: Frame) -> Iterator[tuple[SerialGroup, Frame]]:
        """The groups that a frame belongs to, each with the frame as it sees it."""
        for group in self._device.groups:
            seen = frame if self._device.lines is None else line_view(self._device.lines, group, frame)
            if seen is not None and belongs(seen, group):
                yield group, seen

    def _group_readings(self, group: SerialGroup, frame: Frame, at_s: float) -> list[SerialReading]:
        if group.repeat is None:
            return [self._reading(group, frame, at_s)]
        repeat = group.repeat
        blocks = (Frame(raw=raw, number=number) for number, raw in enumerate(repeat.blocks(frame.data), start=1))
        return [
            self._reading(group, block, at_s) for block in blocks if all(holds(each, block) for each in repeat.when)
        ]

    def _reading(self, group: SerialGroup, frame: Frame, at_s: float) -> SerialReading:
        time_ms = self._told(group.time, frame) if group.time else None
        if group.warming_up and all(holds(condition, frame) for condition in group.warming_up):
            return SerialReading(group=group.name, values=(_NOT_READY,) * len(group.recorded), device_time_ms=time_ms)
        items = group.items.by_tag(frame.data) if group.items is not None else None
        values = tuple(_value(point, _item(items, point) or frame) for point in group.points)
        deriver = self._derivers.get(group.name)
        if deriver is not None:
            values += deriver.values(values, at_s=at_s)
        return SerialReading(group=group.name, values=values, device_time_ms=time_ms)


def belongs(frame: Frame, group: SerialGroup) -> bool:
    """Whether the group is read from this frame."""
    if not _has_form(frame, group):
        return False
    if group.sentence is not None and (not frame.fields or frame.fields[0] != group.sentence):
        return False
    if frame.labels is not None and not all(
        point.optional or point.label in frame.labels for point in group.points if point.label is not None
    ):
        return False
    return all(holds(condition, frame) for condition in group.when)


def _has_form(frame: Frame, group: SerialGroup) -> bool:
    """Whether a binary frame is laid out as the group's."""
    if group.frame is not None and frame.form != group.frame:
        return False
    if group.frame_length is not None and len(frame.data) != group.frame_length:
        return False
    if group.items is not None:
        return group.items.by_tag(frame.data) is not None
    return group.repeat is None or group.repeat.count(frame.data) > 0


def holds(condition: Condition, frame: Frame) -> bool:
    """Whether a condition holds in a frame; one on a field that is not there does not."""
    text = text_at(frame, condition.at, condition.label)
    if condition.not_text:
        return text not in condition.not_text
    if frame.labels is not None or frame.fields:
        if text is None:
            return False
        if condition.text:
            return text in condition.text
        number = text_number(text, TextForm.DECIMAL)
    else:
        number = _bits(
            _number(frame, condition.at, condition.type, condition.order), condition.bit, condition.bit_width
        )
    if condition.one_of:
        return number in condition.one_of
    if condition.at_least is None and condition.at_most is None:
        return True
    low = -math.inf if condition.at_least is None else condition.at_least
    high = math.inf if condition.at_most is None else condition.at_most
    return number is not None and low <= number <= high


def _item(items: Mapping[int, bytes] | None, point: SerialPoint) -> Frame | None:
    """The item that a point is read from, an empty one where the frame does not have it; None without items."""
    return None if items is None or point.tag is None else Frame(raw=items.get(point.tag, b""))


def _value(point: SerialPoint, frame: Frame) -> Value:
    if not all(holds(condition, frame) for condition in point.when):
        return _NO_VALUE
    if point.block_number:
        return value_of(frame.number, point)
    if point.type is None:
        return text_value(point, frame)
    return value_of(_bits(_number(frame, point.at, point.type, point.order), point.bit, point.bit_width), point)


def _number(frame: Frame, at: int | None, number_type: NumberType, order: ByteOrder) -> int | float | None:
    if at is None or at + size_bytes(number_type) > len(frame.data):
        return None
    return decode_number(frame.data[at : at + size_bytes(number_type)], number_type, order)


def _bits(number: float | None, bit: int | None, width: int) -> int | float | None:
    """Some bits of a whole number; all of it where no bit is named."""
    if bit is None or number is None:
        return number
    return int(number) >> bit & (1 << width) - 1


def _device_time_ms(time: DeviceTime, frame: Frame, last_ms: int | None) -> int | None:
    """The time that a frame tells; None where it tells none, or one before 1970 or beyond what a record may have."""
    if not all(holds(condition, frame) for condition in time.when):
        return None
    found = _told_ms(time, frame, last_ms)
    return found if found is not None and 0 <= found <= MAX_TIME_MS else None


def _told_ms(time: DeviceTime, frame: Frame, last_ms: int | None) -> int | None:
    if time.form is TimeForm.PACKED_DATE_TIME:
        return packed_ms(frame.data[time.at :])
    if time.form is TimeForm.UBX_UTC:
        return ubx_utc_ms(frame.data[time.at :])
    clock = clock_ms(text_at(frame, time.at, None) or "")
    if clock is None:
        return None
    match time.form:
        case TimeForm.CLOCK_DATE:
            day = short_date_ms(text_at(frame, time.date_at, None) or "")
        case TimeForm.CLOCK_DAY_MONTH_YEAR:
            day = _three_field_date_ms(frame, time.date_at or 0)
        case TimeForm.CLOCK:
            return None if last_ms is None else nearest_day_ms(clock, last_ms)
        case _:
            assert_never(time.form)
    return None if day is None else day + clock


def _three_field_date_ms(frame: Frame, at: int) -> int | None:
    texts = [text_at(frame, at + index, None) or "" for index in range(3)]
    numbers = [text_number(text, TextForm.DECIMAL) for text in texts]
    day, month, year = (number if isinstance(number, int) else 0 for number in numbers)
    return date_ms(day, month, year)
