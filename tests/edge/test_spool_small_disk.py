"""A real file system that is full, read-only or too small: said, survived, and nothing accepted is lost."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.spool.base import SpoolError
from edge.spool.group_commit import GroupCommit
from edge.spool.keeper import SpoolKeeper
from edge.spool.segment_spool import SegmentSpool
from tests.support.readings import readings, wide_readings
from tests.support.small_disk import small_disk
from tests.support.spools import PLENTY_BYTES, held, open_spool
from wire.records import LossReason

WITHIN_S = 30


@asynccontextmanager
async def group_commit(spool: SegmentSpool) -> AsyncIterator[GroupCommit]:
    """A group commit at work over a spool of its own thread."""
    keeper = SpoolKeeper(spool)
    group = GroupCommit(keeper, SystemClock(), records=10, seconds=0.05)
    try:
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(group.run())
            yield group
            running.cancel()
    finally:
        keeper.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await SystemClock().sleep(0.01)


async def test_when_the_kernel_makes_the_disk_read_only_it_is_said_readings_wait_and_what_was_accepted_is_there(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "card", kilobytes=2048) as disk:
        spool = open_spool(disk.folder / "spool")
        epoch = spool.state().epoch
        async with group_commit(spool) as group:
            for one in readings(20):
                group.add(one)
            await until(lambda: not group.held().held)
            disk.damage()
            for one in readings(15):
                group.add(one)
            await until(lambda: group.held().trouble is not None)
            waiting = group.held()
            assert (waiting.held, waiting.dropped) == (15, 0)
            assert "Read-only file system" in (waiting.trouble or "")
            assert "see whether the disk is read-only (`dmesg`)" in (waiting.trouble or "")
            assert spool.state().accepted_total == 20
        copy = tmp_path / "copy"
        shutil.copytree(disk.folder / "spool", copy)
    again = open_spool(copy)
    assert held(again).seqs(epoch) == set(range(1, 21))
    again.close()


def test_a_disk_without_room_at_the_start_is_said_with_what_to_do(tmp_path: Path) -> None:
    with small_disk(tmp_path / "card", kilobytes=512) as disk:
        disk.fill()
        with pytest.raises(SpoolError, match="No space left on device; free space on its partition"):
            open_spool(disk.folder / "spool")
        disk.empty()
        open_spool(disk.folder / "spool").close()


def test_a_spool_takes_half_of_a_partition_at_most_and_what_it_gives_up_is_declared(tmp_path: Path) -> None:
    with small_disk(tmp_path / "card", kilobytes=2048) as disk:
        spool = open_spool(disk.folder / "spool", max_bytes=PLENTY_BYTES)
        epoch = spool.state().epoch
        for seed in range(120):
            spool.accept(wide_readings(10, seed=seed))
        state = spool.state()
        partition = os.statvfs(disk.folder)
        assert state.bytes_on_disk <= partition.f_blocks * partition.f_frsize / 2
        assert state.lost_total.keys() == {LossReason.FULL}
        found = held(spool)
        assert found.seqs(epoch) | found.lost_seqs(epoch) == set(range(1, 1201))
        spool.close()


def test_a_spool_on_a_disk_that_others_fill_goes_on_in_what_it_has(tmp_path: Path) -> None:
    with small_disk(tmp_path / "card", kilobytes=4096) as disk:
        spool = open_spool(disk.folder / "spool", max_bytes=PLENTY_BYTES)
        epoch = spool.state().epoch
        spool.accept(wide_readings(10))
        spool.accept(wide_readings(10))
        disk.fill()
        for seed in range(200):
            spool.accept(wide_readings(10, seed=seed))
        assert spool.state().is_crowded
        lost = spool.state().lost_total[LossReason.FULL]
        disk.empty()
        for seed in range(100):
            spool.accept(wide_readings(10, seed=seed))
        assert not spool.state().is_crowded
        found = held(spool)
        assert found.seqs(epoch) | found.lost_seqs(epoch) == set(range(1, 3021))
        assert lost <= len(found.lost_seqs(epoch))
        spool.close()
