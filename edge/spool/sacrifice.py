"""What is carried on of a segment that has to be given up because the spool is full. Pure.

First the detail goes: of each minute one frame stays, later of each five, of a quarter of an hour, and so on, as long
as they are carried on. Frames with alarms and other events stay longest. A frame stays or goes whole: so that a long
absence leaves few holes to declare.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# One frame in so many milliseconds stays, by how often it was carried on already; after that none.
_INTERVALS_MS: Final = (60_000, 300_000, 900_000, 3_600_000, 21_600_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A frame with records that are still pending. `is_kept`: it has an event among them."""

    oldest_ms: int
    frame_bytes: int
    is_kept: bool
    rounds: int


def carried_on(frames: Sequence[Candidate], *, most_bytes: int, may_thin: bool) -> list[int]:
    """The indexes of those that stay, in their order, together at most so many bytes.

    Args:
        frames: in their order.
        most_bytes: what may stay.
        may_thin: whether there may be more holes: else only events stay.
    """
    kept = [index for index, frame in enumerate(frames) if frame.is_kept]
    if may_thin:
        thinned = sorted({*kept, *_one_of_each_interval(frames)})
        if _bytes(frames, thinned) <= most_bytes and len(thinned) < len(frames):
            return thinned
    while kept and _bytes(frames, kept) > most_bytes:
        del kept[: len(kept) // 2 or 1]
    return kept


def _one_of_each_interval(frames: Sequence[Candidate]) -> Iterable[int]:
    seen: set[tuple[int, int]] = set()
    for index, frame in enumerate(frames):
        if frame.rounds < len(_INTERVALS_MS):
            interval = (frame.rounds, frame.oldest_ms // _INTERVALS_MS[frame.rounds])
            if interval not in seen:
                seen.add(interval)
                yield index


def _bytes(frames: Sequence[Candidate], indexes: Iterable[int]) -> int:
    return sum(frames[index].frame_bytes for index in indexes)
