"""The segments of a spool: which is written, which is free, where each frame is. What they mean is not known here."""

import errno
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge.spool.contents import Contents
from edge.spool.disk import PAGE_BYTES, Disk
from edge.spool.frames import MARK_BYTES, Mark, frame_of, head_at
from edge.spool.index import FrameIndex, Place
from edge.spool.ledger import DamagedError
from edge.spool.recovery import Recovered, body_of, name_of, slots_of
from wire.ranges import RangeSet

_logger = logging.getLogger(__name__)
_SEGMENTS: Final = 8
_LEAST_SEGMENTS: Final = 3
_LEAST_BYTES: Final = 16 * 1024
_MOST_BYTES: Final = 4 * 1024 * 1024
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def segment_bytes_of(max_bytes: int) -> int:
    """How large the segments of a spool with this bound are: whole pages."""
    size = max_bytes // _SEGMENTS // PAGE_BYTES * PAGE_BYTES
    return max(_LEAST_BYTES, min(_MOST_BYTES, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A frame before it has its place; without records it is a note alone."""

    mark: Mark
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Frames as bytes, each with where it will be, counted from their beginning."""

    data: bytes
    places: tuple[Place, ...]


class Segments:
    """The files, and the frames in them.

    Args:
        disk: where they are; closed with this.
        found: what is there.
        segment_bytes: the size of each.
        max_bytes: the bound on all of them.
    """

    def __init__(self, disk: Disk, found: Recovered, *, segment_bytes: int, max_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.index: FrameIndex = found.index
        self.is_crowded = False  # the disk has no room for as many segments as it might have
        # Changed by the methods of this class, one caller at a time.
        self._disk = disk
        self._most = max(_LEAST_SEGMENTS, max_bytes // segment_bytes)
        self._spans = found.index.spans()
        self._numbers = {slot: found.numbers.get(slot, 0) for slot in slots_of(disk.sizes())}
        self._present = found.present
        self._end = found.end

    @property
    def bytes_written(self) -> int:
        """What went to the device."""
        return self._disk.bytes_written

    @property
    def bytes_on_disk(self) -> int:
        """All segments."""
        return len(self._numbers) * self.segment_bytes

    def bytes_held(self, durable: Contents) -> int:
        """The segments that may not be written again yet."""
        return (len(self._numbers) - len(self._free(durable))) * self.segment_bytes

    def has_room(self, size_bytes: int) -> bool:
        """Whether so many bytes fit behind the last frame."""
        return self._present is not None and self._end + size_bytes <= self.segment_bytes

    def append(self, laid: Laid) -> None:
        """Write behind the last frame, durably.

        Raises:
            OSError: not durable.
        """
        if self._present is None:
            raise OSError(errno.ENOENT, "no segment was begun")
        self._disk.write(name_of(self._present), self._end, laid.data)
        self._disk.sync(name_of(self._present))
        self._remember(self._present, self._end, laid)

    def target(self, durable: Contents) -> tuple[int, int | None]:
        """The segment to write next, and the one to give up for it: None as long as another stays free.

        Args:
            durable: what is known for certain to be on the disk; what is final only in memory keeps its segment.

        Raises:
            OSError: there is none, and none can be made.
        """
        free = self._free(durable)
        while len(free) < 2 and self._grow(must=not free and len(self._numbers) < _LEAST_SEGMENTS):  # noqa: PLR2004 - one to write, one to keep
            free = self._free(durable)
        if len(free) > 1:
            return free[0], None
        oldest_first = sorted(self._numbers, key=lambda slot: self._numbers[slot])
        victim = next((slot for slot in oldest_first if slot not in {*free, self._present}), self._present)
        if victim is None:
            raise OSError(errno.ENOSPC, "no segment is free")
        # Without a free one the disk has lied, or was damaged: the victim is written over. A cut then leaves its
        # records neither there nor given up, and the next opening declares them.
        return (free[0] if free else victim), victim

    def next_number(self) -> int:
        """The number of the segment that is begun next."""
        return max(self._numbers.values(), default=0) + 1

    def begin(self, target: int, laid: Laid) -> None:
        """Write the first frames of a segment, durably; from now on it is the present one.

        Raises:
            OSError: not durable.
        """
        number = self.next_number()
        self._disk.write(name_of(target), 0, laid.data)
        self._disk.sync(name_of(target))
        self.forget(target)
        self._numbers[target], self._present, self._end = number, target, 0
        self._remember(target, 0, laid)

    def forget(self, slot: int) -> None:
        """Nothing in a segment is needed any more."""
        self.index.drop_slot(slot)
        self._spans.pop(slot, None)

    def frames_in(self, slot: int) -> list[tuple[Place, Piece]]:
        """The sound frames of a segment, in their order."""
        found: list[tuple[Place, Piece]] = []
        for place in self.index.in_slot(slot):
            try:
                mark, body = body_of(self._disk, place)
            except DamagedError as error:
                _logger.error("spool: %s", error)  # noqa: TRY400 - the text says all there is
            else:
                found.append((place, Piece(mark=mark, body=body)))
        return found

    def body(self, place: Place) -> bytes:
        """The body of a frame.

        Raises:
            DamagedError: it is not what was written there, or cannot be read.
        """
        return body_of(self._disk, place)[1]

    def oldest_ms(self, place: Place) -> int | None:
        """The time of a frame's oldest record; None where it cannot be read."""
        try:
            mark = head_at(self._disk.read(name_of(place.slot), place.offset, MARK_BYTES))
        except OSError:
            return None
        return mark.oldest_ms if mark else None

    def close(self) -> None:
        """Let the files go."""
        self._disk.close()

    def laid(self, pieces: Sequence[Piece], note: bytes, *, is_whole: bool = False, begins: bool = False) -> Laid:
        """Frames as bytes, to `append`, or to `begin` a segment with; the first carries the note."""
        number = self.next_number() if begins or self._present is None else self._numbers[self._present]
        parts: list[bytes] = []
        places: list[Place] = []
        offset = 0
        for at, piece in enumerate(pieces or (Piece(mark=Mark(segment=number)),)):
            mark = replace(piece.mark, segment=number, is_whole=(is_whole or begins) and at == 0)
            parts.append(frame_of(mark, note if at == 0 else b"", piece.body))
            if mark.seqs:
                places.append(Place(epoch_id=mark.epoch_id, first=mark.first, last=mark.last, slot=0, offset=offset))
            offset += len(parts[-1])
        return Laid(data=b"".join(parts), places=tuple(places))

    def _remember(self, slot: int, offset: int, laid: Laid) -> None:
        spans = self._spans.setdefault(slot, {})
        for place in laid.places:
            self.index.put(replace(place, slot=slot, offset=offset + place.offset))
            lowest, highest = spans.get(place.epoch_id, (place.first, place.last))
            spans[place.epoch_id] = (min(lowest, place.first), max(highest, place.last))
        self._end = offset + len(laid.data)

    def _free(self, durable: Contents) -> list[int]:
        """The segments without pending records, those first that were never written, then the oldest."""
        pending = {number: ledger.pending for number, ledger in durable.ledgers.items()}
        others = sorted((slot for slot in self._numbers if slot != self._present), key=lambda slot: self._numbers[slot])
        free = [slot for slot in others if not self._may_hold(slot, pending)]
        for slot in others:
            if len(free) < 2 and slot not in free and not self._holds(slot, pending):  # noqa: PLR2004 - see `target`
                self.forget(slot)
                free.append(slot)
        return free

    def _may_hold(self, slot: int, pending: Mapping[int, RangeSet]) -> bool:
        """Whether a pending record lies between the first and the last of its epoch in a segment."""
        return any(
            first <= highest and last >= lowest
            for epoch_id, (lowest, highest) in self._spans.get(slot, {}).items()
            for first, last in pending.get(epoch_id, RangeSet()).ranges
        )

    def _holds(self, slot: int, pending: Mapping[int, RangeSet]) -> bool:
        """Whether a segment holds a pending record. It takes long."""
        return any(place.seqs & pending.get(place.epoch_id, RangeSet()) for place in self.index.in_slot(slot))

    def _grow(self, *, must: bool) -> bool:
        """Make a segment more, if the bound and the disk allow it."""
        if len(self._numbers) >= self._most:
            return False
        slot = max(self._numbers, default=0) + 1
        try:
            self._disk.create(name_of(slot), self.segment_bytes)
        except OSError as error:
            if must or error.errno not in _NO_ROOM:
                raise
            self.is_crowded = True
            return False
        self.is_crowded = False
        self._numbers[slot] = 0
        return True
