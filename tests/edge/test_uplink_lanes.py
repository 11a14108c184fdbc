"""The lanes: what is in flight, what is due, whose turn it is (I1 to I4 of `edge/uplink/lanes.py`)."""

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.uplink.lanes import FIRST_CREDIT, Lane, Lanes
from tests.support.readings import reading
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, Loss, LossReason, Record

STREAM = reading().stream
VALUES = reading().values


def batch(*seqs: int, epoch: int = 7, losses: tuple[Loss, ...] = ()) -> Batch:
    records = tuple(Record(seq=seq, stream=STREAM, time_ms=0, values=VALUES) for seq in seqs)
    return Batch(gateway=GatewayId("gw-1"), epoch=epoch, records=records, losses=losses)


def lanes(jitter: float = 1.0) -> Lanes:
    return Lanes(random_unit=lambda: jitter)


def test_it_begins_with_a_credit_of_four() -> None:
    made = lanes()
    for seq in range(1, FIRST_CREDIT + 1):
        assert made.may_send
        made.sent(batch(seq), now_s=0)
    assert not made.may_send


def test_the_hubs_credit_is_kept_but_one_batch_may_always_fly() -> None:
    made = lanes()
    made.committed(7, RangeSet(), credit=2, now_s=0)
    room = []
    for seq in (1, 2):
        made.sent(batch(seq), now_s=0)
        room.append(made.may_send)
    made.committed(7, RangeSet.of([(1, 2)]), credit=0, now_s=1)
    room.append(made.may_send)
    assert room == [True, False, True], "without a batch the hub would have no occasion to give credit again"


def delays_s(*, commit_s: float, line_s: float, batches: int = 900) -> tuple[list[float], int]:
    """A backlog sent as fast as may be to a hub that takes its time for each batch, over a line that takes its own.

    Returns how long each batch took from sending to commit, and how many were in flight at most.
    """
    made, now_s, free_s, most = lanes(), 0.0, 0.0, 0
    made.committed(7, RangeSet(), credit=32, now_s=0)
    flying: deque[tuple[int, float, float]] = deque()
    found: list[float] = []
    for seq in range(1, batches + 1):
        while not made.may_send:
            landed, sent_s, now_s = flying.popleft()
            found.append(now_s - sent_s)
            made.committed(7, RangeSet(((landed, landed),)), credit=32, now_s=now_s)
        free_s = max(free_s, now_s + line_s / 2) + commit_s
        flying.append((seq, now_s, free_s + line_s / 2))
        made.sent(batch(seq), now_s=now_s)
        most = max(most, made.in_flight)
    return found, most


@pytest.mark.parametrize("commit_s", [0.3, 0.6, 1.2, 3.0])
def test_i1_to_a_hub_that_takes_long_no_more_is_sent_than_it_soon_commits(commit_s: float) -> None:
    took_s, _ = delays_s(commit_s=commit_s, line_s=0.05)
    assert max(took_s[10:]) <= 1.0 + 3 * commit_s, "so long would a reading of now wait behind them"


@pytest.mark.parametrize("line_s", [0.01, 3.0], ids=["near", "far"])
def test_i1_a_quick_hub_is_sent_all_it_allows_however_far_it_is(line_s: float) -> None:
    _, most = delays_s(commit_s=0.01, line_s=line_s)
    assert most == 32


def test_three_of_four_sendings_are_live() -> None:
    made = lanes()
    turns = []
    for seq in range(1, 13):
        turns.append(made.lane())
        made.sent(batch(seq), now_s=0)
    assert turns == [Lane.LIVE, Lane.LIVE, Lane.LIVE, Lane.BACKLOG] * 3


def test_records_and_tombstones_in_flight_are_skipped_by_epoch() -> None:
    made = lanes()
    made.sent(batch(1, 2, 5, losses=(Loss(first=8, last=9, reason=LossReason.FULL),)), now_s=0)
    made.sent(batch(3, epoch=8), now_s=0)
    assert made.skip() == {7: RangeSet(((1, 2), (5, 5), (8, 9))), 8: RangeSet(((3, 3),))}


def test_a_commit_of_part_of_a_batch_leaves_the_rest_in_flight() -> None:
    made = lanes()
    made.sent(batch(1, 2, 3), now_s=10)
    landed = made.committed(7, RangeSet.of([(1, 2)]), credit=4, now_s=12.5)
    assert (landed.records, landed.delay_s) == (2, 2.5)
    assert made.skip() == {7: RangeSet(((3, 3),))}


def test_a_commit_of_another_epoch_lands_nothing() -> None:
    made = lanes()
    made.sent(batch(1), now_s=0)
    landed = made.committed(8, RangeSet.of([(1, 1)]), credit=4, now_s=1)
    assert (landed.records, landed.delay_s, made.in_flight) == (0, None, 1)


@pytest.mark.parametrize(("jitter", "due_s"), [(0.0, 15.0), (0.5, 22.5), (1.0, 30.0)])
def test_a_batch_without_a_commit_is_due_again_after_half_to_all_of_thirty_seconds(jitter: float, due_s: float) -> None:
    made = lanes(jitter)
    made.sent(batch(1), now_s=0)
    assert made.expire(now_s=due_s - 0.001) == 0
    assert made.expire(now_s=due_s) == 1
    assert made.skip() == {}


def waits_s(made: Lanes, rounds: int, *, batches: int = FIRST_CREDIT) -> list[float]:
    """How long each round of batches waits while the hub is silent."""
    now_s, found = 0.0, []
    for _ in range(rounds):
        for seq in range(1, batches + 1):
            made.sent(batch(seq), now_s=now_s)
        wait_s = next(wait_s for wait_s in range(1, 10_000) if made.expire(now_s=now_s + wait_s))
        assert made.in_flight == 0
        found.append(float(wait_s))
        now_s += wait_s
    return found


def test_i4_the_waits_double_up_to_a_quarter_of_an_hour() -> None:
    assert waits_s(lanes(), 7) == [30, 60, 120, 240, 480, 900, 900]


def test_i4_the_hubs_first_word_ends_the_long_waits() -> None:
    made = lanes()
    assert waits_s(made, 3) == [30, 60, 120]
    made.committed(7, RangeSet(), credit=4, now_s=0)
    assert waits_s(made, 1) == [30]


def test_i4_the_hubs_first_word_ends_the_wait_of_what_was_sent_while_it_was_silent() -> None:
    made = lanes()
    waits_s(made, 5)
    made.sent(batch(1), now_s=1000)
    made.committed(0, RangeSet(), credit=4, now_s=1100)
    assert made.expire(now_s=1129.9) == 0
    assert made.expire(now_s=1130) == 1


def test_i4_a_hub_that_speaks_all_the_time_shortens_no_wait() -> None:
    made = lanes()
    made.sent(batch(1), now_s=0)
    made.committed(0, RangeSet(), credit=4, now_s=1)
    assert made.expire(now_s=29.9) == 0
    assert made.expire(now_s=30) == 1


def test_i4_batches_of_one_silence_that_expire_one_after_another_are_one_silence() -> None:
    jitters = iter([0.0, 0.3, 0.6, 0.9, 1.0])
    made = Lanes(random_unit=lambda: next(jitters))
    for seq in range(1, 5):
        made.sent(batch(seq), now_s=0)
    assert [made.expire(now_s=now_s) for now_s in (15, 20, 25, 30)] == [1, 1, 1, 1]
    made.sent(batch(1), now_s=100)
    assert made.expire(now_s=159) == 0
    assert made.expire(now_s=160) == 1


def test_after_a_reconnect_everything_is_due_at_once() -> None:
    made = lanes()
    waits_s(made, 3)
    made.committed(7, RangeSet(), credit=32, now_s=0)
    made.sent(batch(1, 2), now_s=0)
    made.sent(batch(3), now_s=0)
    assert made.restart() == 2
    assert (made.in_flight, made.skip()) == (0, {})
    assert waits_s(made, 1) == [30], "and the credit is the first one again"


def test_i4_a_hub_that_is_silent_for_weeks_breaks_nothing() -> None:
    made = lanes()
    now_s = 0.0
    for _ in range(3000):
        made.sent(batch(1), now_s=now_s)
        now_s += 900
        assert made.expire(now_s=now_s) == 1


class LanesMachine(RuleBasedStateMachine):
    """Any order of sending, committing, waiting and reconnecting, against a plain set."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(random_unit=lambda: 0.5)
        self.now_s = 0.0
        self.credit = FIRST_CREDIT
        self.flying: dict[int, set[int]] = {1: set(), 2: set()}

    @precondition(lambda self: self.lanes.may_send)
    @rule(epoch=st.sampled_from([1, 2]), size=st.integers(1, 20), data=st.data())
    def send(self, epoch: int, size: int, data: st.DataObject) -> None:
        skip = self.lanes.skip().get(epoch, RangeSet())
        free = [seq for seq in range(1, 101) if seq not in skip]
        start = data.draw(st.integers(0, max(0, len(free) - 1)))
        chosen = free[start : start + size]
        if chosen:
            self.lanes.sent(batch(*chosen, epoch=epoch), now_s=self.now_s)
            self.flying[epoch] |= set(chosen)

    @rule(epoch=st.sampled_from([1, 2]), first=st.integers(1, 100), size=st.integers(0, 60), credit=st.integers(1, 8))
    def commit(self, epoch: int, first: int, size: int, credit: int) -> None:
        final = RangeSet(((first, first + size),))
        landed = self.lanes.committed(epoch, final, credit=credit, now_s=self.now_s)
        gone = {seq for seq in self.flying[epoch] if seq in final}
        assert landed.records == len(gone)
        self.flying[epoch] -= gone
        self.credit = credit

    @rule(seconds=st.floats(0, 1000))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        before = self.lanes.in_flight
        expired = self.lanes.expire(now_s=self.now_s)
        assert self.lanes.in_flight == before - expired
        left = self.lanes.skip()
        self.flying = {epoch: seqs & set(left.get(epoch, RangeSet())) for epoch, seqs in self.flying.items()}
        if seconds > 900:
            assert not left, "nothing waits for ever"

    @rule()
    def reconnect(self) -> None:
        self.lanes.restart()
        self.flying = {1: set(), 2: set()}
        self.credit = FIRST_CREDIT

    @invariant()
    def i1_the_credit_is_kept(self) -> None:
        assert self.lanes.in_flight < self.credit or not self.lanes.may_send
        assert self.lanes.may_send or self.lanes.in_flight

    @invariant()
    def i2_what_flies_is_skipped_and_nothing_else(self) -> None:
        skip = self.lanes.skip()
        assert {epoch: set(skip.get(epoch, RangeSet())) for epoch in (1, 2)} == self.flying


TestLanesMachine = LanesMachine.TestCase
TestLanesMachine.settings = settings(max_examples=60, stateful_step_count=30)
