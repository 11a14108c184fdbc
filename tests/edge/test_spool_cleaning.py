"""Loss begins where what is pending fills the spool, not where it is scattered (I1, I2 of the segment spool).

What fills it is counted here from the readings, not by the spool: the bytes of each group of which a record is pending.
"""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.spool import chunks
from edge.spool.base import Reading, record_of
from edge.spool.frames import MARK_BYTES
from edge.spool.segment_spool import MOST_CARRIED, SegmentSpool
from tests.support.fake_disk import FakeDisk
from tests.support.readings import START_MS, reading, wide_readings
from tests.support.spools import GATEWAY, held
from wire.ranges import RangeSet

BOUND = 160 * 1024
SEGMENT_BYTES = 20 * 1024
SEGMENTS = 8
# An eighth of a segment is the largest group; so much of a frame is not records.
LARGEST_GROUP = SEGMENT_BYTES // 8
AROUND = 2 * MARK_BYTES + 200
LIMIT = int(MOST_CARRIED * SEGMENT_BYTES * (SEGMENTS - 1))

Finishes = Callable[[random.Random, int], RangeSet]


def every_other(chance: random.Random, last: int) -> RangeSet:
    start = max(1, last - chance.randint(20, 200))
    return RangeSet.of_numbers(range(start, last + 1, 2))


def all_but_a_few(chance: random.Random, last: int) -> RangeSet:
    return RangeSet(((1, last),)) - RangeSet.of_numbers(chance.randint(1, last) for _ in range(3))


def all_but_the_oldest(chance: random.Random, last: int) -> RangeSet:
    first = min(last, chance.randint(2, 30))
    return RangeSet(((first, last),))


def anything(chance: random.Random, last: int) -> RangeSet:
    ends = [sorted((chance.randint(1, last), chance.randint(1, last))) for _ in range(chance.randint(1, 8))]
    return RangeSet.of((first, min(final, first + 40)) for first, final in ends)


PATTERNS: tuple[Finishes, ...] = (every_other, all_but_a_few, all_but_the_oldest, anything)


class Pressed:
    """A small spool that is kept as full as it may be; `bytes_given` counts what it was given, in frames of its own."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.disk = FakeDisk()
        self.bytes_given = 0
        self.groups: dict[tuple[int, int], tuple[RangeSet, int]] = {}
        self.open()

    def open(self) -> None:
        self.spool = SegmentSpool.on(
            self.disk, "test", gateway=GATEWAY, max_bytes=BOUND, random_u64=lambda: self.chance.getrandbits(64)
        )
        self.epoch = self.spool.state().epoch

    def some(self) -> list[Reading]:
        if self.chance.random() < 0.3:
            return wide_readings(2, seed=self.chance.getrandbits(30))
        at_ms, count = START_MS + self.chance.randint(0, 10**7), self.chance.randint(1, 12)
        return [reading(device=f"d{n % 3}", value=self.chance.random(), time_ms=at_ms + n) for n in range(count)]

    def accept(self) -> int:
        some = self.some()
        first, last = self.spool.accept(some)
        records = [record_of(one, seq) for seq, one in enumerate(some, first)]
        size_bytes = AROUND + sum(len(body) for _, body in chunks.bodies_of(GATEWAY, self.epoch, records))
        assert size_bytes <= LARGEST_GROUP
        self.groups[self.epoch, first] = (RangeSet(((first, last),)), size_bytes)
        self.bytes_given += size_bytes - 200
        return size_bytes

    def finish(self, epoch: int, final: RangeSet) -> None:
        expected = sum(len(seqs & final) for (of, _), (seqs, _) in self.groups.items() if of == epoch)
        heard = self.spool.finish(epoch, final)
        # Where a commit would leave too many holes it is heard in part only: then the spool is asked.
        pending = None if heard == expected else held(self.spool).seqs(epoch)
        for key in [key for key in self.groups if key[0] == epoch]:
            seqs, size_bytes = self.groups.pop(key)
            left = seqs - final if pending is None else RangeSet.of_numbers(seq for seq in seqs if seq in pending)
            if left:
                self.groups[key] = (left, size_bytes)

    def pending_bytes(self) -> int:
        return sum(size_bytes for _, size_bytes in self.groups.values())

    def press(self, steps: int, patterns: tuple[Finishes, ...], *, share: float = 1.0) -> None:
        """Accept as much as may be pending, then finish after one pattern or another, and so on; reopen sometimes."""
        for _ in range(steps):
            room = share * LIMIT - self.pending_bytes()
            while room >= LARGEST_GROUP:
                room -= self.accept()
            epoch, first = self.chance.choice(list(self.groups))
            last = max(seq for of, seq in self.groups if of == epoch)
            self.finish(epoch, self.chance.choice(patterns)(self.chance, max(first, last)))
            while self.pending_bytes() + 4 * LARGEST_GROUP > share * LIMIT:
                (epoch, first) = self.chance.choice(list(self.groups))
                self.finish(epoch, self.groups[epoch, first][0])
            if self.chance.random() < 0.05:
                self.spool.close()
                self.open()


@given(seed=st.integers(0, 2**32), pattern=st.sampled_from([*PATTERNS, None]))
@settings(max_examples=8)
def test_i1_nothing_is_given_up_below_the_bound_whatever_is_finished_in_whatever_order(
    seed: int, pattern: Finishes | None
) -> None:
    pressed = Pressed(seed)
    pressed.press(8, PATTERNS if pattern is None else (pattern,))
    assert not pressed.spool.state().lost_total
    found = held(pressed.spool)
    assert not found.lost
    assert {(epoch, seq) for (epoch, _), (seqs, _) in pressed.groups.items() for seq in seqs} == found.readings.keys()


def test_i1_loss_begins_when_the_segments_are_full_of_what_is_pending() -> None:
    """With nothing final, seven segments of eight are full to their last frame before the first record is given up."""
    pressed = Pressed(1)
    while not pressed.spool.state().lost_total:
        pressed.accept()
    assert pressed.bytes_given > 0.9 * SEGMENT_BYTES * (SEGMENTS - 1)


@pytest.mark.parametrize(("share", "most"), [(0.25, 1.6), (0.5, 2.2), (1.0, 1 / (1 - MOST_CARRIED) + 0.5)])
def test_i2_carrying_on_costs_so_much_and_no_more(share: float, most: float) -> None:
    """Bytes written for each byte of frames, at the worst: every segment as full of what is pending as the others.

    The half is for what a byte costs anyway: whole pages, and notes.
    """
    pressed = Pressed(7)
    written = []
    for _ in range(3):
        before, given_before = pressed.disk.bytes_laid, pressed.bytes_given
        pressed.press(8, (anything, all_but_a_few), share=share)
        written.append((pressed.disk.bytes_laid - before) / (pressed.bytes_given - given_before))
    assert max(written) < most, written
