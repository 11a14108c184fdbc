"""The frames a segment is made of: what was made durable together, found again whatever was damaged. Pure.

    head | note | body | tail

Head and tail say the same: where the frame belongs, which records it holds, how long it is, and its checksums. The note
is what the spool knew then (`notes.py`), the body the bytes of a wire batch. A head that was damaged is found by its
tail; between two damaged frames the search goes on at the next head, so that damage costs what it hit and no more.

A segment is written again and again. Its number is new each time: frames of an older number are not believed.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from wire.ranges import RangeSet

_HEAD_MAGIC: Final = b"SnH1"
_TAIL_MAGIC: Final = b"SnT1"
_MAGIC: Final = re.compile(rb"Sn[HT]1")
# Magic, segment, place (epoch id), flags, first, last, oldest_ms, note bytes, body bytes, note CRC, body CRC, own CRC.
_LAYOUT: Final = struct.Struct("<4sIIIQQQIIIII")
MARK_BYTES: Final = _LAYOUT.size
_CRC_BYTES: Final = 4
_WHOLE: Final = 1  # the note holds all there is to know, not only what changed
_KEPT: Final = 2  # among the records is one that is given up last
_ROUND_SHIFT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What head and tail say.

    Records first..last of the epoch with this id are in the body; none where `last` is before `first`. `rounds` is how
    often the frame was carried on when its segment was given up.
    """

    segment: int
    epoch_id: int = 0
    first: int = 1
    last: int = 0
    oldest_ms: int = 0
    note_bytes: int = 0
    body_bytes: int = 0
    note_crc: int = 0
    body_crc: int = 0
    is_whole: bool = False
    is_kept: bool = False
    rounds: int = 0

    @property
    def seqs(self) -> RangeSet:
        """Its records."""
        return RangeSet(((self.first, self.last),)) if self.first <= self.last else RangeSet()

    @property
    def frame_bytes(self) -> int:
        """The whole frame."""
        return 2 * MARK_BYTES + self.note_bytes + self.body_bytes

    def to_bytes(self, magic: bytes) -> bytes:
        """As it stands at the head or the tail."""
        flags = _WHOLE * self.is_whole | _KEPT * self.is_kept | self.rounds << _ROUND_SHIFT
        told = _LAYOUT.pack(
            magic,
            self.segment,
            self.epoch_id,
            flags,
            self.first,
            self.last,
            self.oldest_ms,
            self.note_bytes,
            self.body_bytes,
            self.note_crc,
            self.body_crc,
            0,
        )[:-_CRC_BYTES]
        return told + zlib.crc32(told).to_bytes(_CRC_BYTES, "little")

    @classmethod
    def at(cls, data: bytes | memoryview, offset: int, magic: bytes) -> Self | None:
        """The mark that stands there; None where none does."""
        told = data[offset : offset + MARK_BYTES]
        if len(told) < MARK_BYTES or told[: len(magic)] != magic:
            return None
        _, segment, epoch_id, flags, first, last, oldest_ms, *rest, crc = _LAYOUT.unpack(told)
        if zlib.crc32(told[:-_CRC_BYTES]) != crc:
            return None
        note_bytes, body_bytes, note_crc, body_crc = rest
        return cls(
            segment=segment,
            epoch_id=epoch_id,
            first=first,
            last=last,
            oldest_ms=oldest_ms,
            note_bytes=note_bytes,
            body_bytes=body_bytes,
            note_crc=note_crc,
            body_crc=body_crc,
            is_whole=bool(flags & _WHOLE),
            is_kept=bool(flags & _KEPT),
            rounds=flags >> _ROUND_SHIFT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A frame before it has its place; without records it is a note alone."""

    mark: Mark
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame that was found. `note` is None where it is damaged; the body was not looked at."""

    offset: int
    mark: Mark
    note: bytes | None

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + self.mark.frame_bytes

    @classmethod
    def of(cls, data: bytes, mark: Mark, *, start: int = 0, offset: int = 0) -> Self:
        """The frame of a mark, with the note that stands behind it in `data`, where the head stands at `start`."""
        note = data[start + MARK_BYTES : start + MARK_BYTES + mark.note_bytes]
        is_whole = len(note) == mark.note_bytes and zlib.crc32(note) == mark.note_crc
        return cls(offset=offset, mark=mark, note=note if is_whole else None)

    def body_in(self, data: bytes) -> bytes:
        """Its body, where `offset` counts from the beginning of these bytes."""
        start = self.offset + MARK_BYTES + self.mark.note_bytes
        return data[start : start + self.mark.body_bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a segment holds: the frames of its newest number, and those of which only the tail is left.

    `number` is 0 where there is no frame at all, and `end` is where the next frame may be written.
    """

    number: int = 0
    frames: tuple[Frame, ...] = ()
    tails: tuple[Frame, ...] = ()

    @property
    def end(self) -> int:
        """Behind the last frame."""
        return self.frames[-1].end if self.frames else 0


def frame_of(mark: Mark, note: bytes, body: bytes) -> bytes:
    """The bytes of a frame; the mark's lengths and checksums are filled in."""
    whole = Mark(
        segment=mark.segment,
        epoch_id=mark.epoch_id,
        first=mark.first,
        last=mark.last,
        oldest_ms=mark.oldest_ms,
        note_bytes=len(note),
        body_bytes=len(body),
        note_crc=zlib.crc32(note),
        body_crc=zlib.crc32(body),
        is_whole=mark.is_whole,
        is_kept=mark.is_kept,
        rounds=mark.rounds,
    )
    return b"".join((whole.to_bytes(_HEAD_MAGIC), note, body, whole.to_bytes(_TAIL_MAGIC)))


def head_at(data: bytes) -> Mark | None:
    """The head these bytes begin with; None where they do not."""
    return Mark.at(data, 0, _HEAD_MAGIC)


def is_of_newer_agent(data: bytes) -> bool:
    """Whether a segment begins as ours do, but with a version that is not known here."""
    return data[:3] == _HEAD_MAGIC[:3] and data[3:4] > _HEAD_MAGIC[3:] and data[3:4].isdigit()


def found_in(data: bytes) -> Found:
    """What a segment holds, whatever was done to it."""
    found = list(_marks(data))
    number = max((mark.segment for mark, _, _ in found), default=0)
    heads = [(mark, offset) for mark, offset, is_head in found if is_head and mark.segment == number]
    frames = tuple(Frame.of(data, mark, start=offset, offset=offset) for mark, offset in heads)
    headed = {(mark.epoch_id, mark.first) for mark, _ in heads}
    tails = tuple(
        Frame(offset=offset + MARK_BYTES - mark.frame_bytes, mark=mark, note=None)
        for mark, offset, is_head in found
        if not is_head and mark.segment == number and (mark.epoch_id, mark.first) not in headed
    )
    return Found(number=number, frames=frames, tails=tails)


def is_sound(mark: Mark, body: bytes) -> bool:
    """Whether a body is what was written."""
    return len(body) == mark.body_bytes and zlib.crc32(body) == mark.body_crc


def _marks(data: bytes) -> Iterator[tuple[Mark, int, bool]]:
    """All heads, and the tails that are met where no head says that they come; with offset and whether it is a head."""
    at = 0
    while at + MARK_BYTES <= len(data):
        head = Mark.at(data, at, _HEAD_MAGIC)
        if head is not None and at + head.frame_bytes <= len(data):
            yield head, at, True
            at += head.frame_bytes
            continue
        tail = Mark.at(data, at, _TAIL_MAGIC)
        if tail is not None:
            yield tail, at, False
        at = _next_magic(data, at + 1)


def _next_magic(data: bytes, start: int) -> int:
    found = _MAGIC.search(data, start)
    return found.start() if found else len(data)
