"""What a spool promises.

I1. `accept` returns only when the records are durable against a power cut. Only then may the poller forget them.
I2. `(epoch, seq)` is never used twice: every opening for writing has a new random epoch.
I3. A record leaves the spool only by `finish` (the hub's commit) or by an eviction that leaves its tombstone in
    the same transaction.
I4. What is accepted equals what is final plus what is in flight, at every moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wire.messages import EpochStatus
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, Record, Stream, TimeQuality, Value


class SpoolError(Exception):
    """The spool cannot keep its promises: what, where, and what to do."""


class SpoolBrokenError(SpoolError):
    """The disk failed a write or a sync, so that what it holds is no longer known: the process must end."""


class UnsendableError(SpoolError):
    """Among the readings is one that no payload can hold. Nothing was accepted; without it the others will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A record before it is accepted: it has no seq yet."""

    stream: Stream
    time_ms: int
    time_quality: TimeQuality = TimeQuality.SYNCED
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        """Refuse what could not become a record: a fault of one device must not hold up the readings of all."""
        record_of(self, 1)


def record_of(reading: Reading, seq: int) -> Record:
    """The record a reading becomes."""
    return Record(
        seq=seq,
        stream=reading.stream,
        time_ms=reading.time_ms,
        time_quality=reading.time_quality,
        values=reading.values,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """The spool in numbers. Totals count records over the spool's whole life, all epochs.

    `oldest_uncommitted_ms` is the time of the records that wait longest. `bytes_written` counts what this opening
    wrote to the device, in whole pages; `bytes_per_record` is that for each record accepted meanwhile, the first
    filling of the files left out, and None before there is one. `bytes_held` is, nearly, how much of the files is
    waiting. `is_crowded`: the disk has no room for as much as the spool might hold.
    """

    epoch: int
    accepted_total: int
    final_total: int
    in_flight: int
    oldest_uncommitted_ms: int | None
    lost_total: Mapping[LossReason, int] = field(default_factory=dict)
    epochs: tuple[EpochStatus, ...] = ()
    bytes_written: int = 0
    bytes_per_record: float | None = None
    bytes_on_disk: int = 0
    bytes_held: int = 0
    is_crowded: bool = False


class Spool(Protocol):
    """Durable store-and-forward. One writer; every method may block on the disk, so callers use a thread."""

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """Make the readings durable as records first..last of the present epoch, and return (first, last).

        Raises:
            SpoolError: not durable; nothing was accepted. UnsendableError: nor will it ever be, with all of these.
        """
        ...

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """Up to `limit` records of one epoch that are not final and not in `skip[epoch]`, with its tombstones.

        `newest_first` chooses the live lane: the newest records of the present epoch. Otherwise the oldest epoch
        comes first, and in it the oldest records. None where there is nothing to send.
        """
        ...

    def finish(self, epoch: int, final: RangeSet) -> int:
        """Forget what the hub committed; returns how many records became final. Unknown epochs and seqs are ignored."""
        ...

    def state(self) -> SpoolState:
        """The spool in numbers."""
        ...

    def close(self) -> None:
        """Release the files. Nothing accepted is lost."""
        ...
