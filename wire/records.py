"""The record: what one poll of one device's point group gave, at one time.

A record is the atom that is accepted, sent, stored and counted. `(gateway, epoch, seq)` names it for ever.

I1. A value that is not known is None, never 0, -1 or NaN; its quality says why.
I2. A record is immutable once it was sent; its time is never moved after that. Only a provisional time is moved, once.
"""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from wire.identifiers import (
    QUALITY_SUFFIX,
    DeviceId,
    GatewayId,
    SiteId,
    check_identifier,
    check_key,
    check_point_key,
)

MAX_EPOCH = 2**64 - 1
MAX_SEQ = 2**53
MAX_TIME_MS = 2**63 // 1_000_000 - 1  # the year 2262: what databases hold as 64-bit nanoseconds


class Mode(StrEnum):
    """How a value came about. It is stored with every point, so that none can pretend."""

    LIVE = "live"
    BACKFILLED = "backfilled"
    PERIODIC = "periodic"
    MANUAL = "manual"
    ESTIMATED = "estimated"
    FORECAST = "forecast"
    SIMULATED = "simulated"
    EXERCISE = "exercise"


class Quality(IntEnum):
    """How good a value is; the number is stored. Higher is worse, so the worst of several is their maximum."""

    GOOD = 0
    TIME_ESTIMATED = 1
    WARMING_UP = 2
    STALE = 3
    STUCK = 4
    OUT_OF_RANGE = 5
    SENSOR_FAULT = 6
    EXCEPTION = 7
    TIMEOUT = 8


class TimeQuality(IntEnum):
    """How the record's time is known. Higher is worse.

    UNANCHORED is a gateway's own: a provisional time, which becomes one of the others before the record is sent.
    """

    SYNCED = 0
    ESTIMATED = 1
    UNSYNCED = 2
    UNANCHORED = 3


class RecordKind(IntEnum):
    """A sample is taken when it is due; an event happened (a vehicle passed, an alarm was raised)."""

    SAMPLE = 0
    EVENT = 1


@dataclass(frozen=True, slots=True)
class Value:
    """One point's value in its quantity's unit, or None with the reason in `quality`."""

    number: float | None
    quality: Quality = Quality.GOOD

    def __post_init__(self) -> None:
        """Refuse numbers that are none (NaN, infinities) and values missing without a reason."""
        if self.number is None:
            if self.quality is Quality.GOOD:
                msg = "a value that is None needs a quality that says why"
                raise ValueError(msg)
        elif not math.isfinite(self.number):
            msg = f"{self.number} is not a number; use None with a quality"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLayout:
    """One column of a stream: the point's key, its quantity, and its unit (riding along so a batch explains itself)."""

    key: str
    quantity: str
    unit: str

    def __post_init__(self) -> None:
        """Refuse a key that may not name a field."""
        check_point_key(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What all records of one device's point group have in common.

    Everything that becomes a tag of the stored point is here, so that a retry always gives the same point.
    """

    site: SiteId
    device: DeviceId
    group: str
    measurement: str
    mode: Mode
    kind: RecordKind = RecordKind.SAMPLE
    points: tuple[PointLayout, ...]

    def __post_init__(self) -> None:
        """Refuse names that may not become tags, and streams without points or with a point twice."""
        check_identifier(self.site, what="site")
        check_identifier(self.device, what="device")
        check_key(self.group, what="group")
        check_key(self.measurement, what="measurement")
        keys = [point.key for point in self.points]
        shadowed = {key + QUALITY_SUFFIX for key in keys} & set(keys)
        if shadowed:
            msg = f"device {self.device} group {self.group}: {', '.join(shadowed)} is where a point's quality is stored"
            raise ValueError(msg)
        if not keys or len(set(keys)) != len(keys):
            msg = f"device {self.device} group {self.group}: expected distinct points, at least one, found {keys}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One poll of one device's point group. `values` stand in the order of `stream.points`.

    `time_ms` is UTC, milliseconds since 1970, of the end of the answer the values were read from.
    """

    seq: int
    stream: Stream
    time_ms: int
    time_quality: TimeQuality = TimeQuality.SYNCED
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        """Refuse a record whose values do not fit its stream, or whose numbers leave their range."""
        if len(self.values) != len(self.stream.points):
            msg = f"{len(self.values)} values for {len(self.stream.points)} points of {self.stream.device}"
            raise ValueError(msg)
        if not 0 < self.seq <= MAX_SEQ or not 0 <= self.time_ms <= MAX_TIME_MS:
            msg = f"seq {self.seq} or time {self.time_ms} ms out of range"
            raise ValueError(msg)

    @property
    def worst_quality(self) -> Quality:
        """The worst quality among the values."""
        return max(value.quality for value in self.values)


class LossReason(StrEnum):
    """Why a record that had been accepted was given up."""

    FULL = "full"
    CORRUPT = "corrupt"
    TAIL = "tail"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A tombstone: records first..last of the batch's epoch were given up by the gateway, and why."""

    first: int
    last: int
    reason: LossReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one epoch of one gateway on the wire together. A batch has no identity of its own."""

    gateway: GatewayId
    epoch: int
    records: tuple[Record, ...]
    losses: tuple[Loss, ...] = ()
