"""Readings become durable together, in their order, each once (I1, I2 of `edge/spool/group_commit.py`)."""

import asyncio
import errno
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.spool.base import Reading, Spool, SpoolBrokenError, SpoolState
from edge.spool.group_commit import GroupCommit
from edge.spool.keeper import SpoolKeeper
from edge.spool.memory import MemorySpool
from tests.support.failing_calls import SYNC, WRITE, where_calls_fail
from tests.support.manual_clock import ManualClock
from tests.support.readings import reading, readings, stream
from tests.support.spools import GATEWAY, held, open_spool
from wire.ranges import RangeSet
from wire.records import Batch, PointLayout, RecordKind, Value


def event() -> Reading:
    """Something that happened."""
    return replace(reading(), stream=replace(stream(), kind=RecordKind.EVENT))


class GatedSpool:
    """A spool whose `accept` waits at a gate, and whose disk fails when told to."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.gate = threading.Event()
        self.gate.set()
        self.groups: list[int] = []
        self.fails: tuple[Sequence[str], int] | None = None

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        self.gate.wait(10)
        if self.fails is None:
            accepted = self.spool.accept(readings)
        else:
            accepted = where_calls_fail(*self.fails, lambda: self.spool.accept(readings))
        self.groups.append(len(readings))
        return accepted

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        return self.spool.unsent(skip=skip, limit=limit, newest_first=newest_first)

    def finish(self, epoch: int, final: RangeSet) -> int:
        return self.spool.finish(epoch, final)

    def state(self) -> SpoolState:
        return self.spool.state()

    def close(self) -> None:
        self.spool.close()


class Bench:
    """A group commit at work over a gated spool, in the time of a manual clock."""

    def __init__(self, spool: Spool, *, max_held: int, seconds: float = 1.0) -> None:
        self.spool = GatedSpool(spool)
        self.keeper = SpoolKeeper(self.spool)
        self.clock = ManualClock()
        self.group = GroupCommit(self.keeper, self.clock, records=10, seconds=seconds, max_held=max_held)

    async def until(self, holds: Callable[[], bool], *, step_s: float = 0.0) -> None:
        """Wait for the spool's thread; the clock goes on by `step_s` each time it is looked at."""
        async with asyncio.timeout(10):
            while not holds():
                await self.clock.advance(step_s)
                await SystemClock().sleep(0.002)

    async def accepted(self, groups: list[int]) -> None:
        await self.until(lambda: self.spool.groups == groups)

    async def nothing_happens(self) -> None:
        """Let everything come to rest; what was to be made durable would be."""
        await self.clock.advance(0)
        await self.keeper.state()


@asynccontextmanager
async def bench(spool: Spool | None = None, *, max_held: int = 1000) -> AsyncIterator[Bench]:
    made = Bench(spool or MemorySpool(gateway=GATEWAY, random_u64=lambda: 7), max_held=max_held)
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.group.run())
            yield made
            running.cancel()
    finally:
        made.keeper.close()


async def test_a_group_waits_a_second_for_more() -> None:
    async with bench() as made:
        for one in readings(3):
            made.group.add(one)
        await made.clock.advance(0.9)
        await made.nothing_happens()
        assert made.spool.groups == []
        await made.clock.advance(0.1)
        await made.accepted([3])


async def test_a_full_group_waits_for_nothing() -> None:
    async with bench() as made:
        for one in readings(10):
            made.group.add(one)
        await made.accepted([10])


async def test_an_urgent_reading_waits_for_nothing() -> None:
    async with bench() as made:
        made.group.add(reading())
        made.group.add(reading(value=99.0), urgent=True)
        await made.accepted([2])


async def test_i3_an_event_waits_for_nothing_and_many_cost_one_commit_a_second() -> None:
    async with bench() as made:
        made.group.add(event())
        await made.accepted([1])
        for _ in range(5):
            await made.clock.advance(0.1)
            made.group.add(event())
        await made.nothing_happens()
        assert made.spool.groups == [1], "the second within a second waits for the others"
        await made.clock.advance(0.5)
        await made.accepted([1, 5])


async def test_i3_a_long_window_holds_up_no_event() -> None:
    made = Bench(MemorySpool(gateway=GATEWAY, random_u64=lambda: 7), max_held=1000, seconds=3600.0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.group.run())
        made.group.add(reading())
        await made.clock.advance(60.0)
        await made.nothing_happens()
        assert made.spool.groups == []
        made.group.add(event())
        await made.accepted([2])
        made.group.add(event())
        await made.clock.advance(1.0)
        await made.accepted([2, 1])
        running.cancel()
    made.keeper.close()


async def test_readings_that_come_while_a_group_is_written_wait_for_their_own(tmp_path: Path) -> None:
    async with bench(open_spool(tmp_path / "spool")) as made:
        made.spool.gate.clear()
        for one in readings(10):
            made.group.add(one)
        await made.clock.advance(0)
        made.group.add(reading())
        made.spool.gate.set()
        await made.accepted([10])
        await made.nothing_happens()
        assert made.spool.groups == [10], "one reading is not worth a sync of its own"
        await made.clock.advance(1.0)
        await made.accepted([10, 1])


async def test_i1_order_is_kept_across_groups() -> None:
    async with bench() as made:
        for one in readings(25):
            made.group.add(one)
        await made.group.commit()
        assert list(held(made.spool).readings.values()) == readings(25)


async def test_i1_a_hand_over_that_was_cancelled_is_finished_and_not_repeated() -> None:
    made = Bench(MemorySpool(gateway=GATEWAY, random_u64=lambda: 7), max_held=1000)
    made.spool.gate.clear()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.group.run())
        for one in readings(10):
            made.group.add(one)
        await made.clock.advance(0)
        running.cancel()
        await asyncio.wait((running,))
        made.group.add(reading(value=99.0))
        made.spool.gate.set()
        assert await made.group.commit()
    assert list(held(made.spool).readings.values()) == [*readings(10), reading(value=99.0)]
    made.keeper.close()


async def test_i1_two_commits_at_once_accept_each_reading_once() -> None:
    async with bench() as made:
        for one in readings(9):
            made.group.add(one)
        await asyncio.gather(made.group.commit(), made.group.commit())
        assert len(held(made.spool).readings) == 9


async def test_i2_what_the_spool_refuses_is_kept_and_offered_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(open_spool(tmp_path / "spool")) as made:
        made.spool.fails = (WRITE, errno.ENOSPC)
        for one in readings(10):
            made.group.add(one)
        await made.until(lambda: made.group.held().trouble is not None)
        for one in readings(3):
            made.group.add(one)
        await made.clock.advance(5.0)
        waiting = made.group.held()
        assert (waiting.held, waiting.dropped) == (13, 0)
        assert "Free space" in (waiting.trouble or "")
        made.spool.fails = None
        await made.until(lambda: made.group.held().held == 0, step_s=0.5)
        assert made.group.held().trouble is None
        assert list(held(made.spool).readings.values()) == [*readings(10), *readings(3)]
    said = [one.levelno for one in caplog.records if one.name == "edge.spool.group_commit"]
    assert said == [logging.ERROR, logging.WARNING], "the change is said, not the state"


async def test_i2_beyond_the_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    async with bench(open_spool(tmp_path / "spool"), max_held=20) as made:
        made.spool.fails = (WRITE, errno.ENOSPC)
        given_readings = readings(35)
        for one in given_readings:
            made.group.add(one)
        await made.until(lambda: made.group.held().trouble is not None)
        made.spool.fails = None
        waiting = made.group.held()
        assert (waiting.held, waiting.dropped) == (20, 15)
        assert await made.group.commit()
        assert list(held(made.spool).readings.values()) == given_readings[15:]


async def test_a_failed_disk_ends_the_group_commit(tmp_path: Path) -> None:
    with pytest.RaisesGroup(SpoolBrokenError):
        async with bench(open_spool(tmp_path / "spool")) as made:
            made.spool.fails = (SYNC, errno.EIO)
            for one in readings(10):
                made.group.add(one)
            await made.until(lambda: False)


async def test_a_reading_no_payload_can_hold_does_not_hold_up_the_others(tmp_path: Path) -> None:
    points = tuple(PointLayout(key=f"t{n}", quantity="temperature", unit="degC") for n in range(513))
    monster = replace(
        reading(), stream=replace(stream(device="monster"), points=points), values=tuple(Value(1.0) for _ in points)
    )
    async with bench(open_spool(tmp_path / "spool")) as made:
        for one in [*readings(7), monster, *readings(8)]:
            made.group.add(one)
        assert await made.group.commit()
        assert list(held(made.spool).readings.values()) == [*readings(7), *readings(8)]
        assert (made.group.held().held, made.group.held().unsendable) == (0, 1)
