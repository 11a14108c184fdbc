"""What every spool promises (`edge/spool/base.py`, I1 to I4), run on each implementation."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edge.spool.base import Reading, Spool, UnsendableError
from edge.spool.memory import MemorySpool
from edge.spool.segment_spool import SegmentSpool
from tests.support.readings import START_MS, reading, readings, stream, wide_readings
from tests.support.spools import GATEWAY, held
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, PointLayout, Stream, Value

# Both bounds hold about fifty of the wide readings.
SMALL_BYTES = 64 * 1024
SMALL_RECORDS = 50


def random_u64() -> int:
    return random.getrandbits(64)


@pytest.fixture(params=["memory", "segments"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spool(kind: str, tmp_path: Path) -> Iterator[Spool]:
    made: Spool = MemorySpool(gateway=GATEWAY, random_u64=random_u64)
    if kind == "segments":
        made = SegmentSpool.open(tmp_path / "spool", gateway=GATEWAY, max_bytes=10**8, random_u64=random_u64)
    yield made
    made.close()


@pytest.fixture
def small_spool(kind: str, tmp_path: Path) -> Iterator[Spool]:
    made: Spool = MemorySpool(gateway=GATEWAY, random_u64=random_u64, max_records=SMALL_RECORDS)
    if kind == "segments":
        made = SegmentSpool.open(tmp_path / "spool", gateway=GATEWAY, max_bytes=SMALL_BYTES, random_u64=random_u64)
    yield made
    made.close()


def batch_of(
    spool: Spool, *, skip: Mapping[int, RangeSet] | None = None, limit: int = 1000, newest_first: bool = False
) -> Batch:
    batch = spool.unsent(skip=skip or {}, limit=limit, newest_first=newest_first)
    assert batch is not None
    return batch


def seqs(batch: Batch) -> list[int]:
    return [record.seq for record in batch.records]


def test_seqs_count_up_without_gaps(spool: Spool) -> None:
    assert spool.accept(readings(3)) == (1, 3)
    assert spool.accept(readings(1)) == (4, 4)
    assert seqs(batch_of(spool)) == [1, 2, 3, 4]


def test_accepting_nothing_changes_nothing(spool: Spool) -> None:
    assert spool.accept([]) == (1, 0)
    assert spool.state().accepted_total == 0


def test_an_empty_spool_has_nothing_to_send(spool: Spool) -> None:
    assert spool.unsent(skip={}, limit=10, newest_first=False) is None
    assert spool.unsent(skip={}, limit=10, newest_first=True) is None


def test_what_is_sent_is_what_was_accepted(spool: Spool) -> None:
    given = [reading(device="a", value=1.5), reading(device="b", value=None), reading(device="a", value=-7.25)]
    spool.accept(given)
    assert list(held(spool).readings.values()) == given
    assert batch_of(spool).gateway == GATEWAY


def test_the_live_lane_has_the_newest_and_the_backlog_the_oldest(spool: Spool) -> None:
    for _ in range(5):
        spool.accept(readings(4))
    assert seqs(batch_of(spool, limit=6, newest_first=True)) == list(range(15, 21))
    assert seqs(batch_of(spool, limit=6)) == list(range(1, 7))


def test_no_batch_is_larger_than_the_wire_allows(spool: Spool) -> None:
    spool.accept(readings(2500))
    assert len(batch_of(spool, limit=5000).records) == 1000


def test_records_in_flight_are_skipped(spool: Spool) -> None:
    spool.accept(readings(10))
    skip = {spool.state().epoch: RangeSet.of([(1, 3), (6, 7)])}
    assert seqs(batch_of(spool, skip=skip)) == [4, 5, 8, 9, 10]


def test_only_what_is_final_is_forgotten(spool: Spool) -> None:
    spool.accept(readings(5))
    spool.accept(readings(5))
    epoch = spool.state().epoch
    assert spool.finish(epoch, RangeSet.of([(2, 3), (6, 10)])) == 7
    assert seqs(batch_of(spool)) == [1, 4, 5]
    assert spool.finish(epoch, RangeSet.of([(1, 10)])) == 3
    assert spool.unsent(skip={}, limit=10, newest_first=False) is None


def test_a_commit_counts_once(spool: Spool) -> None:
    spool.accept(readings(5))
    epoch = spool.state().epoch
    assert spool.finish(epoch, RangeSet.of([(1, 4)])) == 4
    assert spool.finish(epoch, RangeSet.of([(1, 4)])) == 0


def test_foreign_commits_change_nothing(spool: Spool) -> None:
    spool.accept(readings(2))
    assert spool.finish(spool.state().epoch ^ 1, RangeSet.of([(1, 2)])) == 0
    assert spool.finish(spool.state().epoch, RangeSet.of([(50, 60)])) == 0
    spool.accept(readings(60))
    assert seqs(batch_of(spool)) == list(range(1, 63))


def test_i4_what_is_accepted_is_final_or_in_flight(spool: Spool) -> None:
    spool.accept(readings(8))
    spool.finish(spool.state().epoch, RangeSet.of([(1, 5)]))
    state = spool.state()
    assert (state.accepted_total, state.final_total, state.in_flight) == (8, 5, 3)
    assert [(one.epoch, one.accepted_hi) for one in state.epochs] == [(state.epoch, 8)]


def test_the_time_of_what_waits_longest_is_known(spool: Spool) -> None:
    assert spool.state().oldest_uncommitted_ms is None
    spool.accept([reading(time_ms=START_MS)])
    spool.accept([reading(time_ms=START_MS + 5000)])
    assert spool.state().oldest_uncommitted_ms == START_MS
    spool.finish(spool.state().epoch, RangeSet.of([(1, 1)]))
    assert spool.state().oldest_uncommitted_ms == START_MS + 5000


def test_i3_a_full_spool_gives_up_the_oldest_and_leaves_tombstones(small_spool: Spool) -> None:
    spool = small_spool
    for n in range(30):
        spool.accept(wide_readings(10, seed=n))
    state = spool.state()
    lost = state.lost_total[LossReason.FULL]
    assert 200 < lost < 290
    assert (state.accepted_total, state.in_flight) == (300, 300), "a loss is in flight until the hub knows of it"
    found = held(spool)
    assert len(found.lost_seqs(state.epoch)) == lost
    assert set(found.lost.values()) == {LossReason.FULL}
    assert found.seqs(state.epoch) == set(range(1, 301)) - found.lost_seqs(state.epoch)
    assert max(found.lost_seqs(state.epoch)) == lost or 1 in found.seqs(state.epoch), "one of each minute may stay"


def test_many_losses_are_few_tombstones(small_spool: Spool) -> None:
    for n in range(40):
        small_spool.accept(wide_readings(10, seed=n))
    assert len(batch_of(small_spool).losses) == 1


def test_a_tombstone_is_forgotten_as_far_as_it_is_committed(small_spool: Spool) -> None:
    spool = small_spool
    for n in range(30):
        spool.accept(wide_readings(10, seed=n))
    epoch, lost = spool.state().epoch, spool.state().lost_total[LossReason.FULL]
    assert spool.finish(epoch, RangeSet.of([(1, 100)])) == 100
    assert held(spool).lost_seqs(epoch) == set(range(101, lost + 1))
    assert spool.finish(epoch, RangeSet.of([(101, 300)])) == 200
    state = spool.state()
    assert (state.in_flight, state.lost_total) == (0, {LossReason.FULL: lost}), "what was lost stays counted"


def test_what_was_just_accepted_is_kept_however_full_the_spool(small_spool: Spool) -> None:
    for n in range(30):
        first, last = small_spool.accept(wide_readings(10, seed=n))
        assert held(small_spool).seqs(small_spool.state().epoch) >= set(range(first, last + 1))


def test_a_reading_no_payload_can_hold_is_refused_with_its_device(spool: Spool) -> None:
    points = tuple(PointLayout(key=f"t{n}", quantity="temperature", unit="degC") for n in range(513))
    too_wide = Stream(
        site=stream().site,
        device=stream(device="monster").device,
        group="climate",
        measurement="weather",
        mode=stream().mode,
        points=points,
    )
    monster = Reading(stream=too_wide, time_ms=START_MS, values=tuple(Value(1.0) for _ in points))
    with pytest.raises(UnsendableError, match="monster"):
        spool.accept([reading(), monster])
    assert spool.accept(readings(1)) == (1, 1)


def test_a_reading_that_is_no_record_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="2 values for 1 points"):
        Reading(stream=stream(), time_ms=START_MS, values=(Value(1.0), Value(2.0)))
