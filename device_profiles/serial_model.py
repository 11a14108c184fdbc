"""The part of a profile that says how a serial device's bytes come, are cut into frames, checked and read.

Three framings: `binary` frames, `blocks` of label TAB value lines, `sentences` (NMEA 0183). A device has exactly one.
Offsets in a binary frame count from the first header byte, from 0; fields of a sentence count from 1 (0 is its name).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval, Len

from device_profiles.numbers import ByteOrder, NumberType, size_bytes
from device_profiles.point_model import STRICT, GroupKind, Meaning
from device_profiles.serial_framings import (
    MAX_FRAME_BYTES,
    BinaryFraming,
    BlockFraming,
    Check,
    Offset,
    SentenceFraming,
    hex_bytes,
)
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
    26-22, minute 21-16, second 15-10, millisecond 9-0). `clock_date`: hhmmss.sss at `at`, ddmmyy at `date_at`.
    `clock_day_month_year`: hhmmss.sss at `at`, day, month and four-digit year in the fields from `date_at`.
    `clock`: hhmmss.sss at `at`; the day is that of the nearest full time read from the same stream.
    """

    PACKED_DATE_TIME = "packed_date_time"
    CLOCK_DATE = "clock_date"
    CLOCK_DAY_MONTH_YEAR = "clock_day_month_year"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Holds when the field has one of the numbers (`one_of`), one of the texts (`text`), or is at least `at_least`.

    With `not_text` it holds unless the field has one of these texts; a field that is not there has none. A condition
    on a label alone holds when the block carries it.
    """

    __pydantic_config__: ClassVar = STRICT

    at: Offset | None = None
    label: str | None = None
    type: NumberType = NumberType.U8
    order: ByteOrder = ByteOrder.BIG
    one_of: tuple[int, ...] = ()
    text: tuple[str, ...] = ()
    not_text: tuple[str, ...] = ()
    at_least: float | None = None

    def __post_init__(self) -> None:
        """Refuse a condition without a place."""
        if (self.at is None) == (self.label is None):
            raise ValueError("a condition has a place: `at`, or `label`")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPoint(Meaning):
    """One value of a frame: a number of `type` at `at` (binary), or text at field `at` or under `label`.

    `texts` gives words their raw number (ON: 1). Where a `when` does not hold, the frame has no value for this point.
    An `optional` label may be absent from the group's blocks.
    """

    at: Offset | None = None
    label: str | None = None
    type: NumberType | None = None
    order: ByteOrder = ByteOrder.BIG
    form: TextForm = TextForm.DECIMAL
    texts: dict[str, int] = field(default_factory=dict, hash=False)
    when: tuple[Condition, ...] = ()
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse what `Meaning` refuses, and a point without a place."""
        Meaning.__post_init__(self)
        if (self.at is None) == (self.label is None):
            raise ValueError(f"point {self.key}: a point has a place: `at`, or `label`")


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
class SequenceField:
    """A sequence number, one byte at `at`; the reply carries at the same place the request's plus `reply_adds`."""

    __pydantic_config__: ClassVar = STRICT

    at: Offset
    reply_adds: Annotated[int, Interval(ge=0, le=255)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressField:
    """The device's address in the request; the reply carries it at `reply_at`."""

    __pydantic_config__: ClassVar = STRICT

    at: Offset
    type: NumberType = NumberType.U8
    order: ByteOrder = ByteOrder.BIG
    reply_at: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent to be answered: hex bytes, 00 at the places of address, sequence number and checks."""

    __pydantic_config__: ClassVar = STRICT

    send: str
    address: AddressField | None = None
    sequence: SequenceField | None = None
    checks: tuple[Check, ...] = ()
    timeout_ms: Annotated[int, Interval(ge=10, le=60000)] = 1000

    def __post_init__(self) -> None:
        """Refuse bytes that are not hex."""
        if not hex_bytes(self.send):
            raise ValueError("a request sends at least one byte")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialGroup:
    """Points that one frame carries together; each such frame becomes one record.

    A frame belongs to the group when it has `frame_length` (if given), is the `sentence` (three letters, any talker),
    carries the labels of all points that are not optional, and every `when` holds. Where every `warming_up` holds the
    device is not ready and no value counts. In a stream at most one sample in `every_s` seconds is kept (0: all);
    with a `request` it is the period. Events are all kept.
    """

    __pydantic_config__: ClassVar = STRICT

    name: str
    measurement: str
    kind: GroupKind = GroupKind.SAMPLE
    every_s: Annotated[float, Ge(0)] = 0.0
    frame_length: Annotated[int, Interval(ge=2, le=MAX_FRAME_BYTES)] | None = None
    sentence: str | None = None
    when: tuple[Condition, ...] = ()
    warming_up: tuple[Condition, ...] = ()
    request: Request | None = None
    time: DeviceTime | None = None
    points: Annotated[tuple[SerialPoint, ...], Len(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse names that may not become tags."""
        check_key(self.name, what="group")
        check_key(self.measurement, what="measurement")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialDevice:
    """How a serial device is listened to or asked."""

    __pydantic_config__: ClassVar = STRICT

    mode: SerialMode
    binary: BinaryFraming | None = None
    blocks: BlockFraming | None = None
    sentences: SentenceFraming | None = None
    time_sources: tuple[TimeSource, ...] = ()
    groups: Annotated[tuple[SerialGroup, ...], Len(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse a device without exactly one framing, and points that do not fit it."""
        if sum(framing is not None for framing in (self.binary, self.blocks, self.sentences)) != 1:
            raise ValueError("a serial device has one framing: binary, blocks or sentences")
        if self.time_sources and self.sentences is None:
            raise ValueError("time_sources are sentences: the framing is none of sentences")
        faults = [fault for group in self.groups for fault in self._faults(group)]
        if faults:
            raise ValueError("; ".join(faults))

    def _faults(self, group: SerialGroup) -> list[str]:
        faults: list[str] = []
        if (group.sentence is not None) != (self.sentences is not None):
            faults.append(f"group {group.name}: a group has a sentence exactly where the framing is sentences")
        if (group.request is not None) != (self.mode is SerialMode.REQUEST):
            faults.append(f"group {group.name}: a group has a request exactly where the mode is request")
        if group.request is not None and group.every_s <= 0:
            faults.append(f"group {group.name}: a group with a request needs its period every_s")
        for point in group.points:
            if (point.label is not None) != (self.blocks is not None):
                faults.append(f"point {point.key}: a point has a label exactly where the framing is blocks")
            if (point.type is not None) != (self.binary is not None):
                faults.append(f"point {point.key}: a point has a type exactly where the framing is binary")
            faults.extend(_misplaced(point, self._frame_bytes(group)))
        return faults

    def _frame_bytes(self, group: SerialGroup) -> int | None:
        return group.frame_length or (self.binary.length if self.binary else None)


def _misplaced(point: SerialPoint, frame_bytes: int | None) -> list[str]:
    if point.type is None or point.at is None or frame_bytes is None:
        return []
    if point.at + size_bytes(point.type) <= frame_bytes:
        return []
    return [f"point {point.key}: at {point.at} it ends behind the frame of {frame_bytes} bytes"]
