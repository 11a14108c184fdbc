"""What is in a spool that is opened: read from its segments, whatever happened to them.

Records that are known to have been accepted, and cannot be found, are given up and declared: as the torn end of the log
where nothing sound came after them (perhaps the cut came before they were accepted), else as corrupt.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from edge.spool.contents import Contents
from edge.spool.disk import PAGE_BYTES, Disk
from edge.spool.frames import MARK_BYTES, Found, Frame, Mark, found_in, head_at, is_sound
from edge.spool.index import FrameIndex, Place
from edge.spool.ledger import DamagedError, EpochLedger
from edge.spool.notes import note_in
from wire.codec import decode_batch
from wire.errors import WireError
from wire.ranges import RangeSet
from wire.records import LossReason

_logger = logging.getLogger(__name__)
_PREFIX: Final = "segment-"
_FIRST_LOOK_BYTES: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A spool as it was found.

    `noted` is what its frames say, `contents` what they prove; `numbers` are the segments' numbers by slot, 0 where one
    holds nothing.
    """

    contents: Contents
    noted: Contents
    index: FrameIndex
    numbers: Mapping[int, int]
    present: int | None
    end: int
    declared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """A segment as it was found."""

    slot: int
    found: Found


def name_of(slot: int) -> str:
    """The file of a segment."""
    return f"{_PREFIX}{slot:05d}"


def slots_of(sizes: Mapping[str, int]) -> dict[int, int]:
    """The segments among some files, with their bytes."""
    return {
        int(name.removeprefix(_PREFIX)): size
        for name, size in sizes.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).isdigit()
    }


def recovered(disk: Disk) -> Recovered:
    """What the segments of a spool hold.

    Raises:
        OSError: the disk cannot be read at all.
    """
    sizes = slots_of(disk.sizes())
    segments = [_Segment(slot=slot, found=_found(disk, slot, size)) for slot, size in sorted(sizes.items())]
    used = sorted((one for one in segments if one.found.number), key=lambda one: one.found.number)
    noted, is_known = _noted(used)
    index = FrameIndex()
    marks = [mark for one in used for mark in (*(frame.mark for frame in one.found.frames), *one.found.tails)]
    for segment in used:
        for frame in segment.found.frames:
            if frame.mark.seqs and (segment is not used[-1] or _is_sound(disk, segment.slot, frame)):
                index.put(_place(segment.slot, frame))
    contents = _with_epochs(disk, noted, index, marks, is_known=is_known)
    contents, declared = _with_losses(contents, index)
    return Recovered(
        contents=contents,
        noted=noted if is_known else Contents(),
        index=index,
        numbers={one.slot: one.found.number for one in segments},
        present=used[-1].slot if used else None,
        end=used[-1].found.end if used else 0,
        declared=declared,
    )


def body_of(disk: Disk, place: Place) -> tuple[Mark, bytes]:
    """The mark and the body of a frame.

    Raises:
        DamagedError: it is not what was written there, or cannot be read.
    """
    where = f"records {place.first}..{place.last}"
    try:
        mark = head_at(disk.read(name_of(place.slot), place.offset, MARK_BYTES))
        if mark is None or (mark.epoch_id, mark.first, mark.last) != (place.epoch_id, place.first, place.last):
            raise DamagedError(f"{where}: others stand in their place")
        body = disk.read(name_of(place.slot), place.offset + MARK_BYTES + mark.note_bytes, mark.body_bytes)
    except OSError as error:
        raise DamagedError(f"{where}: {error.strerror}") from error
    if not is_sound(mark, body):
        raise DamagedError(f"{where}: wrong checksum")
    return mark, body


def _found(disk: Disk, slot: int, size: int) -> Found:
    """The frames of a segment, by their heads; all of it is read only behind the last."""
    frames = list(_chain(disk, slot, size))
    at = frames[-1].end if frames else 0
    rest = found_in(_all_of(disk, slot, at, size))
    number = frames[0].mark.segment if frames else rest.number
    if rest.number > number or not frames:
        return _moved(rest, at) if not frames else found_in(_all_of(disk, slot, 0, size))
    more = _moved(rest, at) if rest.number == number else Found()
    return Found(number=number, frames=(*frames, *more.frames), tails=more.tails)


def _chain(disk: Disk, slot: int, size: int) -> Iterator[Frame]:
    """Frame after frame, as long as they follow each other."""
    at, number = 0, 0
    while at + MARK_BYTES <= size:
        try:
            look = disk.read(name_of(slot), at, _FIRST_LOOK_BYTES)
            mark = head_at(look)
            if mark is None or (number and mark.segment != number) or at + mark.frame_bytes > size:
                return
            if MARK_BYTES + mark.note_bytes > len(look):
                look = disk.read(name_of(slot), at, MARK_BYTES + mark.note_bytes)
        except OSError:
            return
        frame = Frame.of(look, mark, offset=at)
        yield frame
        at, number = frame.end, mark.segment


def _moved(found: Found, by: int) -> Found:
    return replace(found, frames=tuple(replace(frame, offset=frame.offset + by) for frame in found.frames))


def _all_of(disk: Disk, slot: int, start: int, size: int) -> bytes:
    """A part of a segment; what the disk cannot read any more is zeros."""
    try:
        return disk.read(name_of(slot), start, size - start)
    except OSError as error:
        _logger.error("spool %s: %s; what can be read of it is read", name_of(slot), error.strerror)  # noqa: TRY400 - the text says all there is
    parts = []
    for at in range(start, size, PAGE_BYTES):
        length = min(PAGE_BYTES, size - at)
        try:
            parts.append(disk.read(name_of(slot), at, length))
        except OSError:
            parts.append(bytes(length))
    return b"".join(parts)


def _noted(used: list[_Segment]) -> tuple[Contents, bool]:
    """What the notes say since the last that said everything; whether there was one."""
    notes = [(frame.mark.is_whole, frame.note) for one in used for frame in one.found.frames if frame.mark.note_bytes]
    wholes = [at for at, (is_whole, note) in enumerate(notes) if is_whole and note is not None]
    contents = Contents()
    for is_whole, data in notes[wholes[-1] if wholes else 0 :]:
        if data is None:
            continue
        try:
            note = note_in(data)
        except DamagedError as error:
            _logger.error("spool: %s", error)  # noqa: TRY400 - the text says all there is
            continue
        contents = note.applied_to(Contents() if is_whole else contents)
    return contents, bool(wholes)


def _is_sound(disk: Disk, slot: int, frame: Frame) -> bool:
    try:
        body_of(disk, _place(slot, frame))
    except DamagedError as error:
        _logger.error("spool: %s", error)  # noqa: TRY400 - the text says all there is
        return False
    return True


def _place(slot: int, frame: Frame) -> Place:
    mark = frame.mark
    return Place(epoch_id=mark.epoch_id, first=mark.first, last=mark.last, slot=slot, offset=frame.offset)


def _with_epochs(disk: Disk, contents: Contents, index: FrameIndex, marks: list[Mark], *, is_known: bool) -> Contents:
    """With what the frames themselves prove: that their epochs were there, and how far they came."""
    highest: dict[int, int] = {}
    for mark in marks:
        if mark.seqs:
            highest[mark.epoch_id] = max(highest.get(mark.epoch_id, 0), mark.last)
    for number, last in sorted(highest.items()):
        ledger = contents.ledgers.get(number)
        if ledger is None:
            if is_known and number <= contents.totals.openings:
                continue  # nothing of it is left to be told
            epoch = _epoch_of(disk, index, number)
            if epoch is None:
                continue
            ledger = EpochLedger(id=number, epoch=epoch)
        contents = contents.with_ledger(replace(ledger, accepted_hi=max(ledger.accepted_hi, last)))
    openings = max([contents.totals.openings, *contents.ledgers])
    ledgers = {number: contents.ledgers[number] for number in sorted(contents.ledgers)}
    return Contents(totals=replace(contents.totals, openings=openings), ledgers=ledgers)


def _epoch_of(disk: Disk, index: FrameIndex, epoch_id: int) -> int | None:
    """The epoch with this id, by the first of its frames that can be read."""
    for place in index.holding(epoch_id, RangeSet(((1, 2**53),))):
        try:
            return decode_batch(body_of(disk, place)[1]).epoch
        except (DamagedError, WireError):
            continue
    return None


def _with_losses(contents: Contents, index: FrameIndex) -> tuple[Contents, int]:
    """With everything given up that is to be sent and is not there; and how many records that were."""
    declared = 0
    for number, ledger in contents.ledgers.items():
        found = RangeSet.of(one for place in index.holding(number, ledger.pending) for one in place.seqs.ranges)
        missing = ledger.pending - found
        last = max((place.last for place in index.holding(number, RangeSet(((1, 2**53),)))), default=0)
        torn = missing & RangeSet(((last + 1, 2**53),))
        contents = contents.with_given_up(number, torn, LossReason.TAIL)
        contents = contents.with_given_up(number, missing - torn, LossReason.CORRUPT)
        declared += len(missing)
    return contents, declared
