"""What is in a spool that is opened: read from its segments, whatever happened to them.

The newest segment whose beginning is sound tells of the others, which are read when they are needed: only it, what was
begun after it, and what is not as it says, is read now. Records that are known to have been accepted, and cannot be
found, are given up and declared: as the torn end of the log where nothing sound came after them (perhaps the cut came
before they were accepted), else as corrupt.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from edge.spool.contents import Contents
from edge.spool.disk import Disk
from edge.spool.frames import MARK_BYTES, Frame, Mark, Piece, found_in, head_at, is_sound
from edge.spool.index import SegmentIndex, Spans
from edge.spool.ledger import DamagedError, EpochLedger
from edge.spool.notes import Beginning, Notes, Sealed, beginning_in
from edge.spool.reading import all_of, name_of, piece_at, place_of, slots_of
from wire.codec import decode_batch
from wire.errors import WireError
from wire.ranges import RangeSet
from wire.records import LossReason

_logger = logging.getLogger(__name__)
_ALL_SEQS: Final = RangeSet(((1, 2**53),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A spool as it was found.

    `noted` is what its frames say, `contents` what they prove. By slot: `numbers` of the segments, 0 where one holds
    nothing; `spans` of what is in them; `indexes` of those that were read. `lifted` are the frames of a segment that
    was not begun to the end: they are to be written again.
    """

    contents: Contents
    noted: Contents
    numbers: Mapping[int, int]
    spans: Mapping[int, Spans]
    indexes: Mapping[int, SegmentIndex]
    present: int | None
    end: int
    lifted: tuple[Piece, ...]
    declared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """A segment that was read: its frames, those that are sound, and those of which only the tail is left."""

    slot: int
    number: int
    frames: tuple[Frame, ...] = ()
    sound: tuple[Frame, ...] = ()
    tails: tuple[Frame, ...] = ()

    @property
    def marks(self) -> Iterator[Mark]:
        """All marks."""
        yield from (frame.mark for frame in (*self.frames, *self.tails))

    def index(self) -> SegmentIndex:
        """Where its sound frames are."""
        index = SegmentIndex()
        for frame in self.sound:
            if frame.mark.seqs:
                index.put(place_of(frame))
        return index

    def beginning(self) -> Beginning | None:
        """How it was begun; None where that cannot be told, or was not done to the end."""
        if not self.frames or self.frames[0].offset or not self.frames[0].mark.is_whole or self.frames[0].note is None:
            return None
        try:
            beginning = beginning_in(self.frames[0].note)
        except DamagedError:
            return None
        begun = self.frames[: beginning.frames]
        is_complete = len(begun) == beginning.frames and all(
            frame in self.sound and frame.offset == end
            for frame, end in zip(begun, [0, *(one.end for one in begun)], strict=False)
        )
        return beginning if is_complete else None

    def is_half_begun(self) -> bool:
        """Whether it was not begun to the end, and therefore nothing was written behind its beginning."""
        later = [frame for frame in (*self.frames, *self.tails) if frame.offset and frame.mark.note_bytes]
        return self.beginning() is None and not later


@dataclass(slots=True)
class _Found:
    """What is known of the segments while they are looked at: those that were read, oldest first, and the others."""

    numbers: dict[int, int]
    read: list[_Segment] = field(default_factory=list)
    sealed: dict[int, Sealed] = field(default_factory=dict)
    indexes: dict[int, SegmentIndex] = field(default_factory=dict)

    def covered(self, epoch_id: int) -> RangeSet:
        """The records of an epoch that are there: what was read for certain, what was not as it was told."""
        spans = [one.spans[epoch_id] for one in self.sealed.values() if epoch_id in one.spans]
        return RangeSet.of([*spans, *(one for index in self.indexes.values() for one in index.seqs(epoch_id).ranges)])


def recovered(disk: Disk) -> Recovered:
    """What the segments of a spool hold.

    Raises:
        OSError: the disk cannot be read at all.
    """
    sizes = slots_of(disk.sizes())
    found = _looked_at(disk, sizes)
    noted, is_known = _noted(found.read)
    newest = found.read[-1] if found.read else None
    lifted: tuple[Piece, ...] = ()
    if newest is not None and newest.is_half_begun():
        del found.indexes[newest.slot]
        lifted = _lifted(disk, sizes, found, newest)
        newest = None
    contents = _with_epochs(disk, noted, found, lifted, is_known=is_known)
    contents, declared = _with_losses(contents, found, lifted)
    spans = {slot: one.spans for slot, one in found.sealed.items()}
    return Recovered(
        contents=contents,
        noted=noted if is_known else Contents(),
        numbers=found.numbers,
        spans={**spans, **{slot: index.spans() for slot, index in found.indexes.items()}},
        indexes=found.indexes,
        present=newest.slot if newest else None,
        end=newest.frames[-1].end if newest and newest.frames else 0,
        lifted=lifted,
        declared=declared,
    )


def _looked_at(disk: Disk, sizes: Mapping[int, int]) -> _Found:
    """The segments from the newest back to one that tells of the others, and those that are not as it tells."""
    found = _Found(numbers={slot: _number(disk, slot, size) for slot, size in sizes.items()})
    newest_first = sorted((slot for slot in sizes if found.numbers[slot]), key=lambda slot: -found.numbers[slot])
    for slot in newest_first:
        segment = _segment(disk, slot, sizes[slot])
        found.read.insert(0, segment)
        beginning = segment.beginning()
        if beginning is not None and beginning.sealed is not None:
            found.sealed = dict(beginning.sealed)
            break
    recent = {segment.slot for segment in found.read}
    for slot, one in list(found.sealed.items()):
        if slot in recent or found.numbers.get(slot) != one.number:
            del found.sealed[slot]
            if slot in sizes and slot not in recent:
                found.read.insert(0, _segment(disk, slot, sizes[slot]))
    found.indexes = {segment.slot: segment.index() for segment in found.read}
    return found


def _number(disk: Disk, slot: int, size: int) -> int:
    """The number of a segment, by its first head where there is one."""
    try:
        mark = head_at(disk.read(name_of(slot), 0, MARK_BYTES))
    except OSError:
        mark = None
    return mark.segment if mark is not None else found_in(all_of(disk, slot, size)).number


def _segment(disk: Disk, slot: int, size: int) -> _Segment:
    data = all_of(disk, slot, size)
    found = found_in(data)
    return _Segment(
        slot=slot,
        number=found.number,
        frames=found.frames,
        sound=tuple(frame for frame in found.frames if is_sound(frame.mark, frame.body_in(data))),
        tails=found.tails,
    )


def _noted(read: Sequence[_Segment]) -> tuple[Contents, bool]:
    """What the notes say since the last that said everything; whether there was one."""
    notes = Notes()
    is_known = False
    for frame in (frame for segment in read for frame in segment.frames if frame.mark.note_bytes):
        if frame.note is None:
            continue
        try:
            notes.add(frame.note, is_whole=frame.mark.is_whole)
        except DamagedError as error:
            _logger.error("spool: %s", error)  # noqa: TRY400 - the text says all there is
        else:
            is_known = is_known or frame.mark.is_whole
    try:
        return notes.contents(), is_known
    except DamagedError as error:
        _logger.error("spool: %s", error)  # noqa: TRY400 - the text says all there is
        return Contents(), False


def _lifted(disk: Disk, sizes: Mapping[int, int], found: _Found, segment: _Segment) -> tuple[Piece, ...]:
    """The sound frames of a segment that was not begun to the end, as far as they are nowhere else."""
    lifted = []
    for place in (place_of(frame) for frame in segment.sound if frame.mark.seqs):
        first, last = place.first, place.last
        for slot, one in list(found.sealed.items()):
            lowest, highest = one.spans.get(place.epoch_id, (1, 0))
            if lowest <= first and last <= highest:
                del found.sealed[slot]
                found.indexes[slot] = _segment(disk, slot, sizes[slot]).index()
        if not any(any(index.holding(place.epoch_id, place.seqs)) for index in found.indexes.values()):
            lifted.append(piece_at(disk, segment.slot, place))
    return tuple(lifted)


def _with_epochs(disk: Disk, contents: Contents, found: _Found, lifted: Sequence[Piece], *, is_known: bool) -> Contents:
    """With what the frames themselves prove: that their epochs were there, and how far they came."""
    highest: dict[int, int] = {}
    for mark in (mark for segment in found.read for mark in segment.marks if mark.seqs):
        highest[mark.epoch_id] = max(highest.get(mark.epoch_id, 0), mark.last)
    for number, last in sorted(highest.items()):
        ledger = contents.ledgers.get(number)
        if ledger is None:
            if is_known and number <= contents.totals.openings:
                continue  # nothing of it is left to be told
            epoch = _epoch_of(disk, found, lifted, number)
            if epoch is None:
                continue
            ledger = EpochLedger(id=number, epoch=epoch)
        contents = contents.with_ledger(replace(ledger, accepted_hi=max(ledger.accepted_hi, last)))
    openings = max([contents.totals.openings, *contents.ledgers])
    ledgers = {number: contents.ledgers[number] for number in sorted(contents.ledgers)}
    return Contents(totals=replace(contents.totals, openings=openings), ledgers=ledgers)


def _epoch_of(disk: Disk, found: _Found, lifted: Sequence[Piece], epoch_id: int) -> int | None:
    """The epoch with this id, by the first of its frames that can be read."""
    for body in _bodies(disk, found, lifted, epoch_id):
        try:
            return decode_batch(body).epoch
        except WireError:
            continue
    return None


def _bodies(disk: Disk, found: _Found, lifted: Sequence[Piece], epoch_id: int) -> Iterator[bytes]:
    yield from (piece.body for piece in lifted if piece.mark.epoch_id == epoch_id)
    for slot, index in found.indexes.items():
        for place in index.holding(epoch_id, _ALL_SEQS):
            try:
                yield piece_at(disk, slot, place).body
            except DamagedError:
                continue


def _with_losses(contents: Contents, found: _Found, lifted: Sequence[Piece]) -> tuple[Contents, int]:
    """With everything given up that is to be sent and is not there; and how many records that were."""
    declared = 0
    for number, ledger in contents.ledgers.items():
        held = [one for piece in lifted if piece.mark.epoch_id == number for one in piece.mark.seqs.ranges]
        there = RangeSet.of([*found.covered(number).ranges, *held])
        missing = ledger.pending - there
        last = there.ranges[-1][1] if there else 0
        torn = missing & RangeSet(((last + 1, 2**53),))
        contents = contents.with_given_up(number, torn, LossReason.TAIL)
        contents = contents.with_given_up(number, missing - torn, LossReason.CORRUPT)
        declared += len(missing)
    return contents, declared
