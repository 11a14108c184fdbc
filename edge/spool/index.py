"""Where the frames of a segment are: sorted by their first record, twenty bytes for each. Pure.

A week without the hub is some hundred thousand frames, on a machine with little memory.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from wire.ranges import Range, RangeSet

# Of one segment: for each epoch with frames in it, its first record and its last.
Spans = Mapping[int, Range]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A frame with the records first..last of an epoch: where it stands in its segment, and how long it is."""

    epoch_id: int
    first: int
    last: int
    offset: int
    frame_bytes: int

    @property
    def seqs(self) -> RangeSet:
        """Its records."""
        return RangeSet(((self.first, self.last),))


@dataclass(slots=True)
class _Epoch:
    """The frames of one epoch, as columns."""

    firsts: "array[int]" = field(default_factory=lambda: array("Q"))
    counts: "array[int]" = field(default_factory=lambda: array("I"))
    offsets: "array[int]" = field(default_factory=lambda: array("I"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))

    def columns(self) -> "tuple[array[int], ...]":
        return self.firsts, self.counts, self.offsets, self.sizes

    def after(self, last: int) -> int:
        """The number of the frame that is the first to begin after a record."""
        return bisect_right(self.firsts, last)

    def holding(self, first: int) -> int:
        """The number of the frame that holds this record, or else of the next one."""
        at = bisect_right(self.firsts, first)
        return at - 1 if at and self.firsts[at - 1] + self.counts[at - 1] > first else at


class SegmentIndex:
    """The frames of one segment by epoch and first record. No record is in two of them: what is put last counts."""

    def __init__(self) -> None:
        # Changed by `put` and `drop`.
        self._epochs: dict[int, _Epoch] = {}

    def __len__(self) -> int:
        """How many frames there are."""
        return sum(len(epoch.firsts) for epoch in self._epochs.values())

    def put(self, place: Place) -> None:
        """Remember where a frame is."""
        epoch = self._epochs.setdefault(place.epoch_id, _Epoch())
        if epoch.firsts and place.first <= epoch.firsts[-1] + epoch.counts[-1] - 1:
            self.drop(place)
            epoch = self._epochs.setdefault(place.epoch_id, _Epoch())
        at = bisect_left(epoch.firsts, place.first)
        values = (place.first, place.last - place.first + 1, place.offset, place.frame_bytes)
        for column, value in zip(epoch.columns(), values, strict=True):
            column.insert(at, value)

    def drop(self, other: Place) -> None:
        """Forget the frames that hold a record of another frame."""
        epoch = self._epochs.get(other.epoch_id)
        if epoch is None:
            return
        start, end = epoch.holding(other.first), epoch.after(other.last)
        for column in epoch.columns() if start < end else ():
            del column[start:end]
        if not epoch.firsts:
            del self._epochs[other.epoch_id]

    def holding(self, epoch_id: int, seqs: RangeSet) -> Iterator[Place]:
        """The frames that hold some of these records, in their order, each once."""
        epoch = self._epochs.get(epoch_id, _Epoch())
        for start, end in _runs(epoch, seqs):
            for at in range(start, end):
                yield _place(epoch_id, epoch, at)

    def live(self, pending: Mapping[int, RangeSet]) -> list[Place]:
        """The frames that hold a pending record, in the order they stand in the segment."""
        found = [place for number, seqs in pending.items() for place in self.holding(number, seqs)]
        return sorted(found, key=lambda place: place.offset)

    def live_bytes(self, pending: Mapping[int, RangeSet]) -> int:
        """How long the frames are that hold a pending record."""
        return sum(
            sum(epoch.sizes[start:end])
            for number, epoch in self._epochs.items()
            for start, end in _runs(epoch, pending.get(number, RangeSet()))
        )

    def spans(self) -> dict[int, Range]:
        """For each epoch the first record and the last."""
        return {
            number: (epoch.firsts[0], epoch.firsts[-1] + epoch.counts[-1] - 1) for number, epoch in self._epochs.items()
        }

    def seqs(self, epoch_id: int) -> RangeSet:
        """All records of an epoch that are here."""
        epoch = self._epochs.get(epoch_id, _Epoch())
        return RangeSet.of((first, first + count - 1) for first, count in zip(epoch.firsts, epoch.counts, strict=True))


def overlapping(seqs: RangeSet, first: int, last: int) -> tuple[Range, ...]:
    """Those ranges of a set, whole, that hold some number from first to last."""
    start = bisect_left(seqs.ranges, first, key=itemgetter(1))
    return seqs.ranges[start : bisect_right(seqs.ranges, last, key=itemgetter(0))]


def _runs(epoch: _Epoch, seqs: RangeSet) -> Iterator[tuple[int, int]]:
    """From which frame to before which, so that each has some of the records, and none comes twice."""
    begin = 0
    if not epoch.firsts:
        return
    for first, last in overlapping(seqs, epoch.firsts[0], epoch.firsts[-1] + epoch.counts[-1] - 1):
        start, end = max(begin, epoch.holding(first)), epoch.after(last)
        if start < end:
            yield start, end
            begin = end


def _place(epoch_id: int, epoch: _Epoch, at: int) -> Place:
    first = epoch.firsts[at]
    return Place(
        epoch_id=epoch_id,
        first=first,
        last=first + epoch.counts[at] - 1,
        offset=epoch.offsets[at],
        frame_bytes=epoch.sizes[at],
    )
