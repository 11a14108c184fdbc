"""The part of a profile that says how a serial device's bytes come, are cut into frames, checked and read.

Four framings: `binary` frames, `blocks` of label TAB value lines, `sentences` (NMEA 0183), `lines` of other text. A
device has exactly one. Offsets in a binary frame count from the first header byte, from 0; fields of a sentence count
from 1 (0 is its name), those of a line from 0.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval, Len

from device_profiles.derived_model import DerivedPoint
from device_profiles.line_framings import LineFraming, LineLayout, Mark, UnitScale
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
    """How text says a number. `latitude`, `longitude`: (d)ddmm.mmmm, its hemisphere letter in the next field.

    `signed_decimal`: sent with its sign also where it is +. `decimal_comma`: 12,5. `scientific`: may have an exponent.
    `mantissa_exponent`: +1234-02 is 1.234e-2. `signed_hex`: two's complement of as many bits as it has digits.
    """

    DECIMAL = "decimal"
    SIGNED_DECIMAL = "signed_decimal"
    DECIMAL_COMMA = "decimal_comma"
    SCIENTIFIC = "scientific"
    MANTISSA_EXPONENT = "mantissa_exponent"
    HEX = "hex"
    SIGNED_HEX = "signed_hex"
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

    `texts` gives words their raw number (ON: 1); `unavailable_text` are those that say "no value". `units` are the ones
    the device may say, and take the place of scale and offset: right behind the number, or at `unit_at` or under
    `unit_label`; with any other there is no value. Where a `when` does not hold, the frame has no value for this point.
    An `optional` label or field may be absent from the group's frames. A `flag` instead of a place is a word that may
    stand anywhere in a line: 1 where it does, else 0. With `bit` the raw number is `bit_width` bits from there.
    A `block_number` has no place: it is the number of the repeated block, from 1. `tag` names the item it is read from.
    """

    at: Offset | None = None
    label: str | None = None
    flag: Mark | None = None
    type: NumberType | None = None
    order: ByteOrder = ByteOrder.BIG
    bit: Bit | None = None
    bit_width: BitWidth = 1
    block_number: bool = False
    tag: int | None = None
    form: TextForm = TextForm.DECIMAL
    texts: dict[str, int] = field(default_factory=dict, hash=False)
    unavailable_text: tuple[str, ...] = ()
    units: tuple[UnitScale, ...] = ()
    unit_at: Offset | None = None
    unit_label: str | None = None
    when: tuple[Condition, ...] = ()
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse what `Meaning` refuses, and a point without a place."""
        Meaning.__post_init__(self)
        if sum(place is not None for place in (self.at, self.label, self.flag)) + self.block_number != 1:
            raise ValueError(f"point {self.key}: a point has a place: `at`, or `label`, or it is a `flag` of a line")
        if self.units and (self.scale != 1 or self.offset != 0):
            raise ValueError(f"point {self.key}: each unit has its scale and offset; the point then has none")
        if not self.units and (self.unit_at is not None or self.unit_label is not None):
            raise ValueError(f"point {self.key}: the unit has a place, but there are no units")
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
    given), is the `sentence` (three letters, any talker), begins with one of the `prefixes` and behind that is of the
    `layout` (lines), carries the labels or fields of all points that are not optional, and every `when` holds. Where
    every `warming_up` holds the device is not ready and no value counts. In a stream at most one sample in `every_s`
    seconds is kept (0: all); with a `request` it is the period. Events are all kept. With `repeat` each block of the
    frame is a record. A group without a request in a device that is asked is read from what answers the others'
    requests. What is `optional` a device may not have: its silence is not recorded.
    """

    __pydantic_config__: ClassVar = STRICT

    name: str
    measurement: str
    kind: GroupKind = GroupKind.SAMPLE
    every_s: Annotated[float, Ge(0)] = 0.0
    frame_length: Annotated[int, Interval(ge=1, le=MAX_FRAME_BYTES)] | None = None
    sentence: str | None = None
    prefixes: tuple[Mark, ...] = ()
    layout: LineLayout | None = None
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
    lines: LineFraming | None = None
    more_frames: tuple[BinaryFraming, ...] = ()
    start: tuple[Step, ...] = ()
    stop: tuple[Step, ...] = ()
    warm_up_s: Annotated[float, Interval(ge=0, le=86400)] = 0.0
    min_interval_s: Annotated[float, Interval(ge=0, le=3600)] = 0.0
    time_sources: tuple[TimeSource, ...] = ()
    groups: Annotated[tuple[SerialGroup, ...], Len(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse a device without exactly one framing, and points that do not fit it."""
        framings = (self.binary, self.blocks, self.sentences, self.lines)
        if sum(framing is not None for framing in framings) != 1:
            raise ValueError("a serial device has one framing: binary, blocks, sentences or lines")
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
        if self.lines is not None:
            faults.extend(_line_faults(self.lines, group))
        elif group.layout is not None or group.prefixes:
            faults.append(f"group {group.name}: a group has prefixes or a layout only where the framing is lines")
        faults.extend(fault for point in group.points for fault in self._point_faults(group, point))
        return faults

    def _point_faults(self, group: SerialGroup, point: SerialPoint) -> list[str]:
        faults: list[str] = []
        if self.lines is None and point.flag is not None:
            faults.append(f"point {point.key}: a flag stands in a line; the framing is none of lines")
        elif self.lines is None and (point.label is not None) != (self.blocks is not None):
            faults.append(f"point {point.key}: a point has a label exactly where the framing is blocks")
        if (point.tag is not None) != (group.items is not None):
            faults.append(f"point {point.key}: a point has a tag exactly where its group has items")
        if point.block_number and group.repeat is None:
            faults.append(f"point {point.key}: there is no repeat whose blocks have a block_number")
        if (point.type is not None) != (self.binary is not None and not point.block_number):
            faults.append(f"point {point.key}: a point has a type exactly where the framing is binary")
        return faults + _misplaced(point, self._readable_bytes(group))

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


def _line_faults(framing: LineFraming, group: SerialGroup) -> list[str]:
    layout = group.layout or framing.layout
    if layout is None:
        return [f"group {group.name}: neither the group nor lines says its layout"]
    faults: list[str] = []
    # A start may be read as the first field of a template: then the template does not say it.
    beginnings = group.prefixes or tuple(text for text in (layout.template,) if not text.startswith("{"))
    if framing.starts and not all(text.startswith(framing.starts) for text in beginnings):
        faults.append(f"group {group.name}: its lines begin with none of the starts")
    labels = layout.labels
    for point in group.points:
        if point.flag is None and (point.at is not None) != layout.is_counted:
            faults.append(f"point {point.key}: a point has its field `at` exactly where the layout counts fields")
        named = (label for label in (point.label, point.unit_label) if label is not None and labels is not None)
        faults += [
            f"point {point.key}: {label!r} is no field of the template"
            for label in named
            if label not in (labels or ())
        ]
    return faults


def _misplaced(point: SerialPoint, readable_bytes: int | None) -> list[str]:
    if point.type is None or point.at is None or readable_bytes is None:
        return []
    if point.at + size_bytes(point.type) <= readable_bytes:
        return []
    return [f"point {point.key}: at {point.at} it ends behind the frame of {readable_bytes} bytes"]
