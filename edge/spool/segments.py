"""The segments of a spool: which is written, which is free, where each frame is. What they mean is not known here."""

import errno
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge.spool.contents import Contents
from edge.spool.disk import PAGE_BYTES, Disk
from edge.spool.frames import Mark, Piece, found_in, frame_of
from edge.spool.index import Place, SegmentIndex, Spans, overlapping
from edge.spool.ledger import DamagedError
from edge.spool.notes import Beginning, Sealed
from edge.spool.reading import all_of, name_of, piece_at, piece_in, place_of, slots_of
from edge.spool.recovery import Recovered
from wire.ranges import RangeSet

_logger = logging.getLogger(__name__)
_SEGMENTS: Final = 8
_LEAST_SEGMENTS: Final = 3
_LEAST_BYTES: Final = 16 * 1024
_MOST_BYTES: Final = 4 * 1024 * 1024
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
# So many frames are known at a time, besides those of one segment: about two megabytes.
_MAX_FRAMES_KNOWN: Final = 100_000
# What may be said of the other segments at the beginning of one: one part in so many.
_SAID_OF_OTHERS: Final = 16
_SPAN_BYTES: Final = 24  # as they stand in a note, at most

Pending = Mapping[int, RangeSet]


def segment_bytes_of(max_bytes: int) -> int:
    """How large the segments of a spool with this bound are: whole pages."""
    size = max_bytes // _SEGMENTS // PAGE_BYTES * PAGE_BYTES
    return max(_LEAST_BYTES, min(_MOST_BYTES, size))


def pending_of(contents: Contents) -> Pending:
    """The records that are to be sent, by epoch id."""
    return {number: pending for number, ledger in contents.ledgers.items() if (pending := ledger.pending)}


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
        self.is_crowded = False  # the disk has no room for as many segments as it might have
        # Changed by the methods of this class, one caller at a time.
        self._disk = disk
        self._most = max(_LEAST_SEGMENTS, max_bytes // segment_bytes)
        sizes = slots_of(disk.sizes())
        self._numbers = {slot: found.numbers.get(slot, 0) for slot in sizes}
        self._short = {slot for slot, size in sizes.items() if size != segment_bytes}
        self._spans: dict[int, Spans] = {slot: spans for slot, spans in found.spans.items() if slot in sizes}
        self._indexes = {slot: index for slot, index in found.indexes.items() if slot in sizes}
        # A beginning that a power cut undid, unseen, may have had the number after the newest.
        self._next_number = max(self._numbers.values(), default=0) + 2
        self._filled_bytes = 0
        self._present = found.present
        self._end = segment_bytes if found.present in self._short else found.end

    @property
    def bytes_written(self) -> int:
        """What went to the device."""
        return self._disk.bytes_written

    @property
    def bytes_used(self) -> int:
        """The same without what filled new files with zeros."""
        return self._disk.bytes_written - self._filled_bytes

    @property
    def bytes_on_disk(self) -> int:
        """All segments."""
        return len(self._numbers) * self.segment_bytes

    def bytes_held(self, durable: Contents) -> int:
        """What of the segments is pending, as nearly as can be told without reading."""
        pending = pending_of(durable)
        shares = {slot: self._share(slot, pending) for slot in self._numbers}
        written = {slot: self._end if slot == self._present else self.segment_bytes for slot in shares}
        return round(sum(share * written[slot] for slot, share in shares.items()))

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
        self._write(self._present, self._end, laid)
        self._remember(self._present, self._end, laid)

    def target(self, durable: Pending, after: Pending) -> tuple[int | None, bool]:
        """A free segment to write next, and whether another will then be free for the time after.

        Args:
            durable: what is certainly pending on the disk; what is final only in memory keeps its segment.
            after: what is pending once the segment is begun.

        Raises:
            OSError: there is none, and none can be made.
        """
        free = self._free(durable)
        while not free or not self._is_spare(after, free[0]):
            if not self._grow(must=not free and len(self._numbers) < _LEAST_SEGMENTS):
                break
            free = self._free(durable)
        return (free[0], self._is_spare(after, free[0])) if free else (None, False)

    def emptiest(self, after: Pending, *, but: int | None) -> Iterator[int]:
        """The other segments of which something is final, the emptiest first, as far as can be told without reading."""
        shares = {slot: self._share(slot, after) for slot in self._numbers if slot != but}
        yield from (slot for slot in sorted(shares, key=lambda slot: shares[slot]) if shares[slot] < 1)

    def oldest(self, *, but: int | None) -> int:
        """The segment that was begun first of all but this one."""
        others = (slot for slot in self._numbers if slot != but)
        return min(others, key=lambda slot: (slot == self._present, self._numbers[slot]))

    def begin(self, target: int, laid: Laid, *, relieved: int | None = None) -> None:
        """Write the first frames of a segment, durably; from now on it is the present one.

        Args:
            target: the segment.
            laid: the frames.
            relieved: a segment of which nothing is needed any more once this is durable.

        Raises:
            OSError: not durable.
        """
        if target in self._short:
            self._disk.create(name_of(target), self.segment_bytes)
            self._short.discard(target)
        number = self._next_number
        self._write(target, 0, laid)
        self._next_number = number + 1
        for slot in {target, target if relieved is None else relieved}:
            self._spans.pop(slot, None)
            self._indexes.pop(slot, None)
        self._numbers[target], self._present = number, target
        self._remember(target, 0, laid)

    def beginning(self, frames: int, after: Pending, *, without: Sequence[int]) -> Beginning:
        """How a segment is begun: with so many frames, beside those with something pending."""
        sealed = {
            slot: Sealed(number=self._numbers[slot], spans=spans)
            for slot, spans in self._spans.items()
            if slot not in without and self._share(slot, after) > 0
        }
        size_bytes = _SPAN_BYTES * sum(1 + len(one.spans) for one in sealed.values())
        is_short = size_bytes <= self.segment_bytes // _SAID_OF_OTHERS
        return Beginning(frames=frames, sealed=sealed if is_short else None)

    def live(self, slot: int, pending: Pending) -> list[Place]:
        """The frames of a segment that hold a pending record, in their order."""
        return self._index(slot).live(pending)

    def live_bytes(self, slot: int, pending: Pending) -> int:
        """How long they are."""
        return self._index(slot).live_bytes(pending)

    def pieces(self, slot: int, places: Sequence[Place]) -> list[tuple[Place, Piece]]:
        """Those of these frames of a segment that are sound, in their order."""
        data = all_of(self._disk, slot, self.segment_bytes) if places else b""
        found: list[tuple[Place, Piece]] = []
        for place in places:
            try:
                found.append((place, piece_in(data[place.offset : place.offset + place.frame_bytes], place)))
            except DamagedError as error:
                _logger.error("spool: %s", error)  # noqa: TRY400 - the text says all there is
        return found

    def holding(self, epoch_id: int, seqs: RangeSet) -> Iterator[tuple[int, Place]]:
        """The frames that hold some of these records, and their segments, the newest first."""
        for slot in sorted(self._spans, key=lambda slot: -self._numbers[slot]):
            span = self._spans[slot].get(epoch_id)
            if span is not None and overlapping(seqs, *span):
                for place in self._index(slot).holding(epoch_id, seqs):
                    yield slot, place

    def body(self, slot: int, place: Place) -> bytes:
        """The body of a frame.

        Raises:
            DamagedError: it is not what was written there, or cannot be read.
        """
        return piece_at(self._disk, slot, place).body

    def oldest_ms(self, slot: int, place: Place) -> int | None:
        """The time of a frame's oldest record; None where it cannot be read."""
        try:
            return piece_at(self._disk, slot, place).mark.oldest_ms
        except DamagedError:
            return None

    def close(self) -> None:
        """Let the files go."""
        self._disk.close()

    def laid(self, pieces: Sequence[Piece], note: bytes, *, is_whole: bool = False, begins: bool = False) -> Laid:
        """Frames as bytes, to `append`, or to `begin` a segment with; the first carries the note."""
        number = self._next_number if begins or self._present is None else self._numbers[self._present]
        parts: list[bytes] = []
        places: list[Place] = []
        offset = 0
        for at, piece in enumerate(pieces or (Piece(mark=Mark(segment=number)),)):
            mark = replace(piece.mark, segment=number, is_whole=(is_whole or begins) and at == 0)
            parts.append(frame_of(mark, note if at == 0 else b"", piece.body))
            if mark.seqs:
                places.append(
                    Place(
                        epoch_id=mark.epoch_id,
                        first=mark.first,
                        last=mark.last,
                        offset=offset,
                        frame_bytes=len(parts[-1]),
                    )
                )
            offset += len(parts[-1])
        return Laid(data=b"".join(parts), places=tuple(places))

    def _write(self, slot: int, offset: int, laid: Laid) -> None:
        try:
            self._disk.write(name_of(slot), offset, laid.data)
            self._disk.sync(name_of(slot))
        except OSError:
            # Whatever of it arrived shall never be taken for a part of what is written next.
            self._next_number += 1
            if slot == self._present:
                self._end = self.segment_bytes
            raise

    def _remember(self, slot: int, offset: int, laid: Laid) -> None:
        index = self._indexes.setdefault(slot, SegmentIndex())
        for place in laid.places:
            index.put(replace(place, offset=offset + place.offset))
        self._spans[slot] = index.spans()
        self._end = offset + len(laid.data)

    def _index(self, slot: int) -> SegmentIndex:
        """Where the frames of a segment are; it is read where that is not known, and others are forgotten for it."""
        index = self._indexes.pop(slot, None)
        if index is None:
            index = self._read_index(slot)
        self._indexes[slot] = index  # at the end: asked for last
        while sum(map(len, self._indexes.values())) > _MAX_FRAMES_KNOWN + len(index):
            forgotten = next((one for one in self._indexes if one not in {slot, self._present}), None)
            if forgotten is None:
                break
            del self._indexes[forgotten]
        return index

    def _read_index(self, slot: int) -> SegmentIndex:
        index = SegmentIndex()
        if self._spans.get(slot):
            found = found_in(all_of(self._disk, slot, self.segment_bytes))
            for frame in found.frames if found.number == self._numbers[slot] else ():
                if frame.mark.seqs:
                    index.put(place_of(frame))
        return index

    def _free(self, durable: Pending) -> list[int]:
        """The segments without pending records, those first that were never written, then the oldest."""
        others = sorted((slot for slot in self._numbers if slot != self._present), key=lambda slot: self._numbers[slot])
        return [slot for slot in others if not self._share(slot, durable)] or [
            slot for slot in others if self._share(slot, durable) < 1 and not self.live_bytes(slot, durable)
        ]

    def _is_spare(self, after: Pending, target: int) -> bool:
        """Whether another segment than this will be free."""
        return any(not self._share(slot, after) for slot in self._numbers if slot != target)

    def _share(self, slot: int, pending: Pending) -> float:
        """Which part of a segment's records is pending, as far as can be told from the first of an epoch and its last.

        None certainly is where it is 0, and all are where it is 1.
        """
        live = records = 0
        for epoch_id, (lowest, highest) in self._spans.get(slot, {}).items():
            records += highest - lowest + 1
            for first, last in overlapping(pending.get(epoch_id, RangeSet()), lowest, highest):
                live += min(last, highest) - max(first, lowest) + 1
        return live / records if records else 0.0

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
        self._filled_bytes += self.segment_bytes
        self._numbers[slot] = 0
        return True
