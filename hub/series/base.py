"""What a series store promises.

I1. `write` answers *stored* only for points that survive a crash of the database.
I2. Writing the same point again changes nothing: identity is measurement, tags and time.
I3. An outcome that is not known is never reported as stored or refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hub.series.sheet import Sheet
from wire.records import Mode, Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of the points of one `write`, by their place (counted through all sheets): all others are stored.

    `refused` maps a place to the database's reason, and is final. `unknown` is set when the outcome of those not
    refused cannot be known (time-out, connection lost, server in trouble): they must be written again.
    """

    refused: Mapping[int, str] = field(default_factory=dict)
    unknown: str | None = None


class Aggregate(StrEnum):
    """How the values of one window become one."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """One series: a field of a device's point group, in one mode."""

    measurement: str
    site: str
    gateway: str
    device: str
    group: str
    mode: Mode
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of a series at a time; `number` is None where the device gave none, and `quality` says why."""

    time_ns: int
    number: float | None
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest sample of one series."""

    series: SeriesKey
    sample: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which series: every given part must match. None matches all."""

    measurement: str | None = None
    site: str | None = None
    gateway: str | None = None
    device: str | None = None
    group: str | None = None
    mode: Mode | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """From `start_ns` (included) to `end_ns` (not included), UTC nanoseconds since 1970."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSamples:
    """One series and its samples in a time range, oldest first."""

    series: SeriesKey
    samples: tuple[Sample, ...]


class SeriesError(Exception):
    """The store could not answer a query: what, where and what to do."""


class SeriesStore(Protocol):
    """Where series live. One contract suite runs on every implementation."""

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        """Store the points of these sheets durably; the result says what became of each."""
        ...

    async def series(self, selection: Selection) -> list[SeriesKey]:
        """The series that match, sorted.

        Raises:
            SeriesError: the store cannot answer.
        """
        ...

    async def latest(self, selection: Selection) -> list[Latest]:
        """The newest sample of each series that matches, also where it has no number.

        Raises:
            SeriesError: the store cannot answer.
        """
        ...

    async def samples(self, series: SeriesKey, time_range: TimeRange, *, limit: int) -> list[Sample]:
        """The samples of one series in time order, at most `limit`, the newest where there are more.

        Raises:
            SeriesError: the store cannot answer.
        """
        ...

    async def windows(
        self, series: SeriesKey, time_range: TimeRange, *, aggregate: Aggregate, window_ns: int
    ) -> list[Sample]:
        """One sample per window that has numbers, stamped with the window's beginning (multiples of `window_ns`).

        `quality` is GOOD; windows without numbers are absent, never zero.

        Raises:
            SeriesError: the store cannot answer.
        """
        ...

    async def span(self, selection: Selection, time_range: TimeRange) -> list[SeriesSamples]:
        """Every series that matches and has samples in the range, sorted, with all of them: keep the range short.

        Raises:
            SeriesError: the store cannot answer.
        """
        ...

    async def forget_before(self, time_ns: int) -> None:
        """Drop what is older, where nobody else does: InfluxDB's own retention does it there, and this does nothing.

        Raises:
            SeriesError: the store did not do it.
        """
        ...

    async def count_points(self, gateway: str, time_range: TimeRange | None = None) -> int:
        """How many points (records) that one gateway sent are stored, at any time or in a range, counted in the store.

        What the hub itself writes about a gateway (`HUB_MEASUREMENTS`) is not counted.

        Raises:
            SeriesError: the store cannot answer.
        """
        ...

    async def close(self) -> None:
        """Release connections and files."""
        ...
