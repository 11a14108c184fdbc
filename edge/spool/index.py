"""Where the spool's frames are: sorted by their first record, twenty bytes for each. Pure.

A week without the hub is some hundred thousand frames, on a machine with little memory.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from wire.ranges import RangeSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A frame with the records first..last of an epoch: in which segment, and where in it."""

    epoch_id: int
    first: int
    last: int
    slot: int
    offset: int

    @property
    def seqs(self) -> RangeSet:
        """Its records."""
        return RangeSet(((self.first, self.last),))


@dataclass(slots=True)
class _Epoch:
    """The frames of one epoch, as columns."""

    firsts: "array[int]" = field(default_factory=lambda: array("Q"))
    counts: "array[int]" = field(default_factory=lambda: array("I"))
    slots: "array[int]" = field(default_factory=lambda: array("I"))
    offsets: "array[int]" = field(default_factory=lambda: array("I"))

    def columns(self) -> "tuple[array[int], ...]":
        return self.firsts, self.counts, self.slots, self.offsets


class FrameIndex:
    """Frames by epoch and first record. A frame that is put again has moved."""

    def __init__(self) -> None:
        # Changed by `put` and `drop_slot`.
        self._epochs: dict[int, _Epoch] = {}

    def put(self, place: Place) -> None:
        """Remember where a frame is."""
        columns = self._epochs.setdefault(place.epoch_id, _Epoch()).columns()
        values = (place.first, place.last - place.first + 1, place.slot, place.offset)
        firsts = columns[0]
        at = len(firsts) if not firsts or place.first > firsts[-1] else bisect_left(firsts, place.first)
        if at < len(firsts) and firsts[at] == place.first:
            for column, value in zip(columns, values, strict=True):
                column[at] = value
            return
        for column, value in zip(columns, values, strict=True):
            column.insert(at, value)

    def holding(self, epoch_id: int, seqs: RangeSet) -> Iterator[Place]:
        """The frames that hold some of these records, in their order, each once."""
        epoch = self._epochs.get(epoch_id)
        if epoch is None:
            return
        begin = 0
        for first, last in seqs.ranges:
            start = max(begin, bisect_right(epoch.firsts, first) - 1)
            for at in range(start, len(epoch.firsts)):
                if epoch.firsts[at] > last:
                    break
                begin = at + 1
                if epoch.firsts[at] + epoch.counts[at] > first:
                    yield self._place(epoch_id, epoch, at)

    def in_slot(self, slot: int) -> Iterator[Place]:
        """The frames of one segment."""
        for epoch_id, epoch in self._epochs.items():
            for at, found in enumerate(epoch.slots):
                if found == slot:
                    yield self._place(epoch_id, epoch, at)

    def spans(self) -> dict[int, dict[int, tuple[int, int]]]:
        """For each segment the epochs it holds frames of, each from its first record to its last."""
        spans: dict[int, dict[int, tuple[int, int]]] = {}
        for epoch_id, epoch in self._epochs.items():
            for at, slot in enumerate(epoch.slots):
                first, last = epoch.firsts[at], epoch.firsts[at] + epoch.counts[at] - 1
                of_slot = spans.setdefault(slot, {})
                lowest, highest = of_slot.get(epoch_id, (first, last))
                of_slot[epoch_id] = (min(lowest, first), max(highest, last))
        return spans

    def drop_slot(self, slot: int) -> None:
        """Forget the frames of one segment."""
        for epoch_id in list(self._epochs):
            epoch = self._epochs[epoch_id]
            if slot not in epoch.slots:
                continue
            stay = [at for at, found in enumerate(epoch.slots) if found != slot]
            if stay:
                self._epochs[epoch_id] = _Epoch(
                    *(array(column.typecode, [column[at] for at in stay]) for column in epoch.columns())
                )
            else:
                del self._epochs[epoch_id]

    def _place(self, epoch_id: int, epoch: _Epoch, at: int) -> Place:
        first = epoch.firsts[at]
        return Place(
            epoch_id=epoch_id,
            first=first,
            last=first + epoch.counts[at] - 1,
            slot=epoch.slots[at],
            offset=epoch.offsets[at],
        )
