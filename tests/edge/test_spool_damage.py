"""A damaged spool opens by itself: what can be read is sent unaltered, and the rest is declared lost."""

import random
from collections.abc import Callable
from functools import lru_cache

import pytest

from edge.spool import chunks
from edge.spool.base import Reading
from edge.spool.frames import found_in
from edge.spool.segment_spool import SegmentSpool
from tests.support.fake_disk import FakeDisk
from tests.support.readings import reading, readings, wide_readings
from tests.support.spools import GATEWAY, held
from wire.codec import decode_batch
from wire.ranges import RangeSet
from wire.records import LossReason

SMALL_BYTES = 64 * 1024
SAMPLED = 500
# A spool so small that every one of its bytes can be damaged: three pages, each a segment.
TINY_SEGMENTS, TINY_SEGMENT_BYTES = 3, 4096
CUT_EVERY_BYTES = 512

Given = dict[tuple[int, int], Reading]


@pytest.fixture(autouse=True)
def _decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes are the same records: most of a disk is as it was in the state before."""
    monkeypatch.setattr(chunks, "decode_batch", lru_cache(maxsize=4096)(decode_batch))


def opened(disk: FakeDisk, seed: int = 0) -> SegmentSpool:
    chance = random.Random(seed)
    return SegmentSpool.on(
        disk, "test", gateway=GATEWAY, max_bytes=SMALL_BYTES, random_u64=lambda: chance.getrandbits(64)
    )


def written(*, closed: bool) -> tuple[FakeDisk, Given]:
    """A spool of several segments and two epochs, of which only some of the first is final; and what it holds."""
    disk, given = FakeDisk(), Given()
    for seed, groups in ((1, 12), (2, 30)):
        spool = opened(disk, seed)
        epoch = spool.state().epoch
        for n in range(groups):
            some = (
                wide_readings(2, seed=n) if n % 4 == 0 else [reading(device=f"d{k}", value=n + k / 8) for k in range(4)]
            )
            first, _ = spool.accept(some)
            given.update({(epoch, seq): one for seq, one in enumerate(some, first)})
        if seed == 1:
            spool.finish(epoch, RangeSet(((1, 6),)))
            given = {key: one for key, one in given.items() if key[1] > 6}
        if seed == 1 or closed:
            spool.close()
    return disk, given


def tiny() -> tuple[FakeDisk, Given]:
    """Two epochs in three segments that were used more than once, with nothing lost."""
    disk, given, epochs = FakeDisk(), Given(), []
    for slot in range(1, 1 + TINY_SEGMENTS):
        disk.create(f"segment-{slot:05d}", TINY_SEGMENT_BYTES)
    for seed, groups in ((1, 10), (2, 14)):
        spool = opened(disk, seed)
        epochs.append(spool.state().epoch)
        for n in range(groups):
            some = [reading(device=f"d{k}", value=100 * seed + n + k / 8) for k in range(2)]
            first, last = spool.accept(some)
            given.update({(epochs[-1], seq): one for seq, one in enumerate(some, first)})
            if n not in {3, groups - 1, groups - 2}:
                spool.finish(epochs[-1], RangeSet(((first, last),)))
                given = {key: one for key, one in given.items() if key not in {(epochs[-1], first), (epochs[-1], last)}}
        spool.accept([])
        spool.close()
    assert not opened(disk.copy(), 3).state().lost_total
    return disk, given


def hit_by(disk: FakeDisk, name: str, start: int, end: int) -> set[tuple[int, int]]:
    """The records, by epoch id and seq, of the frames that stand somewhere in these bytes."""
    frames = found_in(bytes(disk.files[name])).frames
    return {
        (frame.mark.epoch_id, seq)
        for frame in frames
        if frame.offset < end and start < frame.end
        for seq in frame.mark.seqs
    }


def check_every_byte(every: int) -> int:
    """Flip bytes, and end files at them: what was not hit is sent, what was is declared. How many were looked at."""
    disk, given = tiny()
    ids = {epoch: number for number, epoch in enumerate(dict.fromkeys(epoch for epoch, _ in given), 1)}
    looked_at = 0
    for name, data in disk.files.items():
        for at in range(0, len(data), every):

            def cut(files: dict[str, bytearray], name: str = name, at: int = at) -> None:
                del files[name][at:]

            for damage, end in ((flipped(name, at), at + 1), (cut, len(data))):
                hit = hit_by(disk, name, at, end)
                left = {key: one for key, one in given.items() if (ids[key[0]], key[1]) not in hit}
                after = damaged(disk, damage)
                check(after.copy(), given, may_end_early=damage is cut)
                assert check(after, left, may_end_early=damage is cut) == 0, f"{name}: {at}"
                looked_at += 1
    print(f"\n{looked_at} damaged spools opened")
    return looked_at


def test_wherever_a_byte_is_flipped_or_a_file_ends_what_was_not_hit_is_sent() -> None:
    """At one byte of seventeen, which is every place in a frame sooner or later."""
    assert check_every_byte(17) > 1000


@pytest.mark.soak
def test_wherever_any_byte_is_flipped_or_a_file_ends_what_was_not_hit_is_sent() -> None:
    assert check_every_byte(1) == 2 * TINY_SEGMENTS * TINY_SEGMENT_BYTES


def check(disk: FakeDisk, given: Given, *, may_end_early: bool = False) -> int:
    """Each record that was held is sent as it was, or declared; returns how many are declared.

    Where the end of the log is gone with all that told of it, the hub sees: what it heard of the epoch reaches further
    than what the gateway still speaks of.
    """
    spool = opened(disk, 3)
    found = held(spool)
    reach = {one.epoch: one.accepted_hi for one in spool.state().epochs}
    assert not found.readings.keys() & found.lost.keys()
    for key, one in given.items():
        is_beyond = may_end_early and key[1] > reach.get(key[0], 0)
        assert found.readings.get(key) == one or key in found.lost or is_beyond, f"{key} vanished"
    assert all(found.readings[key] == given[key] for key in found.readings.keys() & given.keys())
    spool.accept(readings(3))
    return len(found.lost.keys() & given.keys())


def damaged(disk: FakeDisk, damage: Callable[[dict[str, bytearray]], None]) -> FakeDisk:
    after = disk.copy()
    damage(after.files)
    return after


def flipped(name: str, at: int) -> Callable[[dict[str, bytearray]], None]:
    def flip(files: dict[str, bytearray]) -> None:
        files[name][at] ^= 0x40

    return flip


def check_flips(*, closed: bool, every: int) -> int:
    disk, given = written(closed=closed)
    places = [(name, at) for name, data in disk.files.items() for at in range(len(data))]
    chance = random.Random(5)
    some = places if every == 1 else chance.sample(places, SAMPLED)
    return sum(check(damaged(disk, flipped(name, at)), given) > 0 for name, at in some)


def test_an_undamaged_spool_has_lost_nothing() -> None:
    for closed in (True, False):
        disk, given = written(closed=closed)
        assert check(disk.copy(), given) == 0


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
def test_no_flipped_byte_makes_a_record_vanish_or_change(*, closed: bool) -> None:
    costly = check_flips(closed=closed, every=0)
    assert 0 < costly < SAMPLED / 2, "most bytes are of one frame, or of none"


@pytest.mark.soak
def test_no_flipped_byte_at_any_offset_makes_a_record_vanish_or_change(say: Callable[[str], None]) -> None:
    costly = check_flips(closed=False, every=1)
    say(f"every byte flipped in turn: {costly} of them cost records, all declared")
    assert costly > 0


def test_a_flipped_byte_costs_the_group_it_hits() -> None:
    disk, given = written(closed=True)
    for name in disk.files:
        for at in range(100, len(disk.files[name]), 1500):
            assert check(damaged(disk, flipped(name, at)), given) <= 4


def test_a_segment_cut_anywhere_is_read_as_far_as_it_goes() -> None:
    disk, given = written(closed=True)
    for name in disk.files:
        for size in range(0, len(disk.files[name]), CUT_EVERY_BYTES):

            def cut(files: dict[str, bytearray], name: str = name, size: int = size) -> None:
                files[name][size:] = bytes(len(files[name]) - size)

            check(damaged(disk, cut), given, may_end_early=True)


def test_a_file_that_was_cut_is_as_good_as_one_of_zeros() -> None:
    disk, given = written(closed=True)
    for name in disk.files:

        def cut(files: dict[str, bytearray], name: str = name) -> None:
            del files[name][5000:]

        check(damaged(disk, cut), given, may_end_early=True)


def test_pages_full_of_garbage_cost_what_they_hit() -> None:
    disk, given = written(closed=True)
    chance = random.Random(9)
    for _ in range(100):

        def smear(files: dict[str, bytearray]) -> None:
            name = chance.choice(list(files))
            at = chance.randrange(0, len(files[name]), 512)
            length = min(len(files[name]) - at, chance.choice((512, 4096, 8192)))
            files[name][at : at + length] = chance.randbytes(length)

        check(damaged(disk, smear), given, may_end_early=True)


def test_a_segment_that_is_gone_is_declared() -> None:
    disk, given = written(closed=True)
    for name in list(disk.files):
        after = disk.copy()
        del after.files[name]
        check(after, given, may_end_early=True)


def test_a_spool_without_a_sound_byte_begins_anew() -> None:
    disk, _ = written(closed=True)

    def smear(files: dict[str, bytearray]) -> None:
        chance = random.Random(1)
        for data in files.values():
            data[:] = chance.randbytes(len(data))

    assert check(damaged(disk, smear), {}) == 0


def test_what_a_bad_sector_takes_is_declared_and_the_rest_is_sent() -> None:
    """A page that the disk cannot read any more, while the spool is open and when it is opened again."""
    disk, given = written(closed=True)
    disk.unreadable = {("segment-00002", 1)}
    lost = check(disk, given)
    assert 0 < lost < len(given)


def test_a_record_that_is_found_damaged_when_it_is_sent_is_declared_as_corrupt() -> None:
    disk = FakeDisk()
    spool = opened(disk)
    for _ in range(3):
        spool.accept(readings(4))
    epoch = spool.state().epoch
    (name,) = [name for name, data in disk.files.items() if data.find(b"SnH1") == 0]
    second = disk.files[name].find(b"SnH1", disk.files[name].find(b"SnH1", disk.files[name].find(b"SnH1", 4) + 4) + 4)
    disk.files[name][second + 120] ^= 1
    found = held(spool)
    assert len(found.lost_seqs(epoch)) == 4
    assert set(found.lost.values()) == {LossReason.CORRUPT}
    assert len(found.seqs(epoch)) == 8
    assert spool.state().lost_total == {LossReason.CORRUPT: 4}
