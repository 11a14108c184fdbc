"""What the spool says when the disk fails, and that it then accepts nothing falsely (I1, I2)."""

import errno
import os
import random
from collections.abc import Callable

import pytest

from edge.spool.base import SpoolBrokenError, SpoolError
from edge.spool.segment_spool import SegmentSpool
from tests.support.fake_disk import FakeDisk
from tests.support.readings import readings, wide_readings
from tests.support.spools import GATEWAY, held
from wire.ranges import RangeSet
from wire.records import LossReason

BOUND = 200_000


def opened(disk: FakeDisk, seed: int = 0) -> SegmentSpool:
    chance = random.Random(seed)
    return SegmentSpool.on(disk, "card", gateway=GATEWAY, max_bytes=BOUND, random_u64=lambda: chance.getrandbits(64))


def failing(operation: str, error: int) -> Callable[[str], None]:
    def before(found: str) -> None:
        if found == operation:
            raise OSError(error, os.strerror(error))

    return before


@pytest.fixture
def disk() -> FakeDisk:
    return FakeDisk()


@pytest.fixture
def spool(disk: FakeDisk) -> SegmentSpool:
    made = opened(disk)
    made.accept(readings(5))
    return made


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_refuses_without_accepting(spool: SegmentSpool, disk: FakeDisk, error: int) -> None:
    disk.before = failing("write", error)
    with pytest.raises(SpoolError, match=r"nothing was accepted\. Free space on its partition"):
        spool.accept(readings(7))
    assert spool.state().accepted_total == 5
    disk.before = lambda _: None
    assert spool.accept(readings(3)) == (6, 8), "it accepts again as soon as the disk does"
    epoch = spool.state().epoch
    assert held(spool).seqs(epoch) == set(range(1, 9))
    assert held(opened(disk.copy(), 1)).seqs(epoch) == set(range(1, 9))


def test_a_commit_is_heard_while_the_disk_takes_nothing(spool: SegmentSpool, disk: FakeDisk) -> None:
    epoch = spool.state().epoch
    spool.accept(readings(95))
    disk.before = failing("write", errno.EROFS)
    assert sum(spool.finish(epoch, RangeSet.of([(seq, seq)])) for seq in range(1, 101)) == 100
    assert spool.state().in_flight == 0


@pytest.mark.parametrize("operation", ["sync", "write"])
def test_after_a_failed_sync_nothing_is_accepted_any_more(spool: SegmentSpool, disk: FakeDisk, operation: str) -> None:
    """A second sync may succeed although the data are gone."""
    epoch = spool.state().epoch
    disk.before = failing(operation, errno.EIO)
    with pytest.raises(SpoolBrokenError, match="the disk failed; look at `dmesg`, replace the card"):
        spool.accept(readings(7))
    disk.before = lambda _: None
    with pytest.raises(SpoolBrokenError):
        spool.accept(readings(1))
    found = held(opened(disk.after_power_cut(random.Random(1)), 1))
    assert found.seqs(epoch) >= {1, 2, 3, 4, 5}


def test_a_spool_whose_disk_is_full_gives_up_the_oldest_as_if_that_were_its_bound(
    spool: SegmentSpool, disk: FakeDisk
) -> None:
    epoch = spool.state().epoch
    disk.room_bytes = sum(disk.sizes().values())
    for n in range(60):
        spool.accept(wide_readings(10, seed=n))
    state = spool.state()
    assert state.is_crowded
    assert state.lost_total[LossReason.FULL] > 0
    assert state.bytes_on_disk == disk.room_bytes
    found = held(spool)
    assert found.seqs(epoch) | found.lost_seqs(epoch) == set(range(1, 606))
    disk.room_bytes = 1 << 40
    for n in range(20):
        spool.accept(wide_readings(10, seed=n))
    assert not spool.state().is_crowded, "it grows again when there is room"


def test_a_disk_without_room_for_a_spool_is_said_at_the_start(disk: FakeDisk) -> None:
    disk.room_bytes = 10_000
    with pytest.raises(SpoolError, match=r"spool card: No space left on device; .* Free space on its partition"):
        opened(disk)
