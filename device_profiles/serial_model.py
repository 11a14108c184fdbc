"""The part of a profile that says how a serial device's bytes come, are cut into frames, checked and read.

Three framings: `binary` frames, `blocks` of label TAB value lines, `sentences` (NMEA 0183). A device has exactly one.
Offsets in a binary frame count from the first header byte, from 0; fields of a sentence count from 1 (0 is its name).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval, Len

from device_profiles.derived_model import DerivedPoint
from device_profiles.numbers import ByteOrder, NumberType, size_bytes
from device_profiles.point_model import STRICT, GroupKind, Meaning
from device_profiles.serial_framings import (
    MAX_FRAME_BYTES,
    BinaryFraming,
    BlockFraming,
    Offset,
    SentenceFraming,
)
from device_profiles.serial_parts import Bit, BitWidth, Condition, Items, Repeat, bit_fault
from device_profiles.serial_request import Request, Step
from wire.identifiers import check_key


class SerialMode(StrEnum):
    """Whether the device sends by itself or answers requests."""

    STREAM = "stream"
    REQUEST = "request"


class TextForm(StrEnum):
    """How text says a number. `latitude`, `longitude`: (d)ddmm.mmmm, its hemisphere letter in the next field."""

    DECIMAL = "decimal"
    HEX = "hex"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"


class TimeForm(StrEnum):
    """How a frame carries the device's UTC time.

    `packed_date_time`: 8 bytes at `at`, big-endian: date (year bits 20-9, month 8-5, day 4-0), then time (hour bits
    26-22, minute 21-16, second 15-10, millisecond 9-0). `ubx_utc`: 16 bytes at `at`, as u-blox receivers lay them out:
    year, month, day, hour, minute, second, which of them are valid, accuracy, nanoseconds. `clock_date`: hhmmss.sss at
    `at`, ddmmyy at `date_at`. `clock_day_month_year`: hhmmss.sss at `at`, day, month and four-digit year in the fields
    from `date_at`. `clock`: hhmmss.sss at `at`; the day is that of the nearest full time read from the same stream.
    """

    PACKED_DATE_TIME = "packed_date_time"
    UBX_UTC = "ubx_utc"
    CLOCK_DATE = "clock_date"
    CLOCK_DAY_MONTH_YEAR = "clock_day_month_year"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPoint(Meaning):
    """One value of a frame: a number of `type` at `at` (binary), or text at field `at` or under `label`.

    `texts` gives words their raw number (ON: 1). Where a `when` does not hold, the frame has no value for this point.
    An `optional` label may be absent from the group's blocks. With `bit` the raw number is `bit_width` bits from there.
    A `block_number` has no place: it is the number of the repeated block, from 1. `tag` names the item it is read from.
    """

    at: Offset | None = None
    label: str | None = None
    type: NumberType | None = None
    order: ByteOrder = ByteOrder.BIG
    bit: Bit | None = None
    bit_width: BitWidth = 1
    block_number: bool = False
    tag: int | None = None
    form: TextForm = TextForm.DECIMAL
    texts: dict[str, int] = field(default_factory=dict, hash=False)
    when: tuple[Condition, ...] = ()
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse what `Meaning` refuses, and a point without a place."""
        Meaning.__post_init__(self)
        if (self.at is not None) + (self.label is not None) + self.block_number != 1:
            raise ValueError(f"point {self.key}: a point has a place: `at`, or `label`")
        if fault := bit_fault(self.type, self.bit, self.bit_width):
            raise ValueError(f"point {self.key}: {fault}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTime:
    """Where a group's frame carries the device's own UTC time; read only where every `when` holds."""

    __pydantic_config__: ClassVar = STRICT

    form: TimeForm
    at: Offset
    date_at: Offset | None = None
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a time whose date has no place."""
        needs_date = self.form in {TimeForm.CLOCK_DATE, TimeForm.CLOCK_DAY_MONTH_YEAR}
        if needs_date != (self.date_at is not None):
            raise ValueError(f"time {self.form}: date_at is {'missing' if needs_date else 'not used'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSource:
    """A sentence that belongs to no group but tells the full UTC time."""

    __pydantic_config__: ClassVar = STRICT

    sentence: str
    time: DeviceTime


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialGroup:
    """Points that one frame carries together; each such frame becomes one record.

    A frame belongs to the group when it is of the form `frame` (where there are several), has `frame_length` (if
    given), is the `sentence` (three letters, any talker), carries the labels of all points that are not optional, and
    every `when` holds. Where every `warming_up` holds the device is not ready and no value counts. In a stream at most
    one sample in `every_s` seconds is kept (0: all); with a `request` it is the period. Events are all kept. With
    `repeat` each block of the frame is a record. A group without a request in a device that is asked is read from
    what answers the others' requests. What is `optional` a device may not have: its silence is not recorded.
    """

    __pydantic_config__: ClassVar = STRICT

    name: str
    measurement: str
    kind: GroupKind = GroupKind.SAMPLE
    every_s: Annotated[float, Ge(0)] = 0.0
    frame_length: Annotated[int, Interval(ge=1, le=MAX_FRAME_BYTES)] | None = None
    sentence: str | None = None
    frame: str | None = None
    when: tuple[Condition, ...] = ()
    repeat: Repeat | None = None
    items: Items | None = None
    optional: bool = False
    warming_up: tuple[Condition, ...] = ()
    request: Request | None = None
    time: DeviceTime | None = None
    points: Annotated[tuple[SerialPoint, ...], Len(min_length=1)]
    derived: tuple[DerivedPoint, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that may not become tags."""
        check_key(self.name, what="group")
        check_key(self.measurement, what="measurement")
        keys = [point.key for point in self.points]
        for point in self.derived:
            if foreign := [key for key in point.of if key not in keys]:
                raise ValueError(f"point {point.key}: found {foreign[0]!r} in `of`, expected a key of the group")

    @property
    def recorded(self) -> tuple[Meaning, ...]:
        """What a record of the group holds, in its order."""
        return (*self.points, *self.derived)


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialDevice:
    """How a serial device is listened to or asked.

    `more_frames`: further binary frames on the same line; each form then has a name. `start` is sent when the line has
    been opened, and again when the device has fallen silent; `stop` when it is let go. For `warm_up_s` after a start no
    value counts. Between two requests pass at least `min_interval_s`.
    """

    __pydantic_config__: ClassVar = STRICT

    mode: SerialMode
    binary: BinaryFraming | None = None
    blocks: BlockFraming | None = None
    sentences: SentenceFraming | None = None
    more_frames: tuple[BinaryFraming, ...] = ()
    start: tuple[Step, ...] = ()
    stop: tuple[Step, ...] = ()
    warm_up_s: Annotated[float, Interval(ge=0, le=86400)] = 0.0
    min_interval_s: Annotated[float, Interval(ge=0, le=3600)] = 0.0
    time_sources: tuple[TimeSource, ...] = ()
    groups: Annotated[tuple[SerialGroup, ...], Len(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse a device without exactly one framing, and points that do not fit it."""
        if sum(framing is not None for framing in (self.binary, self.blocks, self.sentences)) != 1:
            raise ValueError("a serial device has one framing: binary, blocks or sentences")
        if self.time_sources and self.sentences is None:
            raise ValueError("time_sources are sentences: the framing is none of sentences")
        faults = self._form_faults()
        faults += [fault for group in self.groups for fault in self._faults(group)]
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def forms(self) -> tuple[BinaryFraming, ...]:
        """The forms of binary frames on the line."""
        return () if self.binary is None else (self.binary, *self.more_frames)

    def form(self, group: SerialGroup) -> BinaryFraming | None:
        """The form of the frames that a group is read from; None where there is none of this name."""
        if not self.more_frames:
            return self.binary
        return next((form for form in self.forms if form.name == group.frame), None)

    def _form_faults(self) -> list[str]:
        if self.more_frames and self.binary is None:
            return ["more_frames are binary: the framing is not"]
        names = {form.name for form in self.forms}
        if self.more_frames and ("" in names or len(names) != len(self.forms)):
            return ["where there are more_frames each form has a name of its own"]
        if any(form.frame_gap_ms is not None for form in self.more_frames):
            return ["frame_gap_ms belongs to `binary`: a silence ends frames of every form"]
        return []

    def _faults(self, group: SerialGroup) -> list[str]:
        faults = [*self._request_faults(group), *self._frame_faults(group)]
        if (group.sentence is not None) != (self.sentences is not None):
            faults.append(f"group {group.name}: a group has a sentence exactly where the framing is sentences")
        for point in group.points:
            if (point.label is not None) != (self.blocks is not None):
                faults.append(f"point {point.key}: a point has a label exactly where the framing is blocks")
            if (point.tag is not None) != (group.items is not None):
                faults.append(f"point {point.key}: a point has a tag exactly where its group has items")
            if point.block_number and group.repeat is None:
                faults.append(f"point {point.key}: there is no repeat whose blocks have a block_number")
            if (point.type is not None) != (self.binary is not None and not point.block_number):
                faults.append(f"point {point.key}: a point has a type exactly where the framing is binary")
            faults.extend(_misplaced(point, self._readable_bytes(group)))
        return faults

    def _frame_faults(self, group: SerialGroup) -> list[str]:
        faults: list[str] = []
        if self.form(group) is None and self.binary is not None:
            names = ", ".join(form.name for form in self.forms)
            faults.append(f"group {group.name}: `frame` is one of {names}")
        if group.frame is not None and not self.more_frames:
            faults.append(f"group {group.name}: `frame` names one of several forms, and there is one")
        if (group.repeat is not None or group.items is not None) and self.binary is None:
            faults.append(f"group {group.name}: blocks and items are in binary frames only")
        if group.repeat is not None and group.items is not None:
            faults.append(f"group {group.name}: a frame has repeated blocks or items, not both")
        return faults

    def _request_faults(self, group: SerialGroup) -> list[str]:
        faults: list[str] = []
        is_asked = any(each.request is not None for each in self.groups)
        if is_asked != (self.mode is SerialMode.REQUEST):
            faults.append(f"group {group.name}: a group has a request exactly where the mode is request")
        if group.request is not None and group.every_s <= 0:
            faults.append(f"group {group.name}: a group with a request needs its period every_s")
        if group.request is not None and group.every_s < self.min_interval_s:
            faults.append(f"group {group.name}: every_s is shorter than min_interval_s")
        return faults

    def _readable_bytes(self, group: SerialGroup) -> int | None:
        if group.items is not None:
            return None
        if group.repeat is not None:
            return group.repeat.every
        form = self.form(group)
        return group.frame_length or (form.length if form else None)


def _misplaced(point: SerialPoint, readable_bytes: int | None) -> list[str]:
    if point.type is None or point.at is None or readable_bytes is None:
        return []
    if point.at + size_bytes(point.type) <= readable_bytes:
        return []
    return [f"point {point.key}: at {point.at} it ends behind the frame of {readable_bytes} bytes"]
