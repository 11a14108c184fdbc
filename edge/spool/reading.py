"""Reading segments: their names, their bytes, one frame's body."""

import logging
from collections.abc import Mapping
from typing import Final

from edge.spool.disk import PAGE_BYTES, Disk
from edge.spool.frames import Frame, Piece, head_at, is_sound
from edge.spool.index import Place
from edge.spool.ledger import DamagedError

_logger = logging.getLogger(__name__)
_PREFIX: Final = "segment-"


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


def place_of(frame: Frame) -> Place:
    """Where a frame stands."""
    mark = frame.mark
    return Place(
        epoch_id=mark.epoch_id,
        first=mark.first,
        last=mark.last,
        offset=frame.offset,
        frame_bytes=mark.frame_bytes,
    )


def all_of(disk: Disk, slot: int, size: int) -> bytes:
    """A segment; what the disk cannot read any more is zeros."""
    try:
        return disk.read(name_of(slot), 0, size)
    except OSError as error:
        _logger.error("spool %s: %s; what can be read of it is read", name_of(slot), error.strerror)  # noqa: TRY400 - the text says all there is
    parts = []
    for at in range(0, size, PAGE_BYTES):
        length = min(PAGE_BYTES, size - at)
        try:
            parts.append(disk.read(name_of(slot), at, length))
        except OSError:
            parts.append(bytes(length))
    return b"".join(parts)


def piece_in(data: bytes, place: Place) -> Piece:
    """The frame of this place, of which these are the bytes.

    Raises:
        DamagedError: they are not what was written there.
    """
    where = f"records {place.first}..{place.last}"
    mark = head_at(data)
    if mark is None or (mark.epoch_id, mark.first, mark.last) != (place.epoch_id, place.first, place.last):
        raise DamagedError(f"{where}: others stand in their place")
    body = Frame.of(data, mark).body_in(data)
    if not is_sound(mark, body):
        raise DamagedError(f"{where}: wrong checksum")
    return Piece(mark=mark, body=body)


def piece_at(disk: Disk, slot: int, place: Place) -> Piece:
    """The same, read from the disk.

    Raises:
        DamagedError: it is not what was written there, or cannot be read.
    """
    try:
        data = disk.read(name_of(slot), place.offset, place.frame_bytes)
    except OSError as error:
        raise DamagedError(f"records {place.first}..{place.last}: {error.strerror}") from error
    return piece_in(data, place)
