"""The ledger of an epoch against plain sets, and its bytes against damage (I1, I2 of `edge/spool/ledger.py`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.spool.ledger import DamagedError, EpochLedger, Totals, newest, newest_portion, oldest, oldest_portion
from wire.ranges import RangeSet
from wire.records import LossReason

numbers = st.sets(st.integers(1, 80))
steps = st.lists(st.tuples(st.sampled_from(["finish", *LossReason]), numbers), max_size=8)


def range_set(seqs: set[int]) -> RangeSet:
    return RangeSet.of_numbers(seqs)


def ledger_after(accepted: int, done: list[tuple[str, set[int]]]) -> EpochLedger:
    ledger = EpochLedger(id=1, epoch=9, accepted_hi=accepted)
    for what, seqs in done:
        if what == "finish":
            ledger = ledger.finished(range_set(seqs))
        else:
            ledger = ledger.with_given_up(range_set(seqs), LossReason(what))
    return ledger


@given(accepted=st.integers(0, 60), done=steps)
def test_i1_each_record_is_pending_given_up_or_final(accepted: int, done: list[tuple[str, set[int]]]) -> None:
    final: set[int] = set()
    given_up: set[int] = set()
    everything = set(range(1, accepted + 1))
    for what, seqs in done:
        if what == "finish":
            final |= seqs & everything
            given_up -= seqs
        else:
            given_up |= (seqs & everything) - final
    ledger = ledger_after(accepted, done)
    assert set(ledger.final) == final
    assert set(ledger.buried) == given_up
    assert set(ledger.pending) == everything - final - given_up
    assert ledger.in_flight == accepted - len(final)


@given(accepted=st.integers(0, 60), done=steps)
def test_what_is_written_is_what_is_read(accepted: int, done: list[tuple[str, set[int]]]) -> None:
    ledger = ledger_after(accepted, done)
    again = EpochLedger.of_bytes(1, ledger.to_bytes())
    assert (again.pending, again.final, again.buried) == (ledger.pending, ledger.final, ledger.buried)


@given(accepted=st.integers(0, 60), done=steps, place=st.floats(0, 1), bit=st.integers(0, 7))
def test_i2_a_flipped_bit_is_never_believed(
    accepted: int, done: list[tuple[str, set[int]]], place: float, bit: int
) -> None:
    for data in (ledger_after(accepted, done).to_bytes(), Totals(openings=3, accepted_closed=accepted).to_bytes()):
        damaged = bytearray(data)
        damaged[int(place * (len(data) - 1))] ^= 1 << bit
        with pytest.raises(DamagedError):
            EpochLedger.of_bytes(1, bytes(damaged))
        with pytest.raises(DamagedError):
            Totals.of_bytes(bytes(damaged))


@given(st.binary(max_size=80))
def test_i2_garbage_is_never_believed(data: bytes) -> None:
    with pytest.raises(DamagedError):
        EpochLedger.of_bytes(1, data)
    with pytest.raises(DamagedError):
        Totals.of_bytes(data)


def test_i2_a_row_in_the_place_of_another_is_not_believed() -> None:
    with pytest.raises(DamagedError, match="epoch 2: another one stands in its place"):
        EpochLedger.of_bytes(2, EpochLedger(id=1, epoch=9).to_bytes())


def test_totals_are_read_as_written() -> None:
    totals = Totals(openings=3, accepted_closed=10**15).with_given_up(7, LossReason.FULL)
    totals = totals.with_given_up(2, LossReason.CORRUPT).with_given_up(1, LossReason.FULL)
    assert Totals.of_bytes(totals.to_bytes()) == totals
    assert totals.given_up == {LossReason.FULL: 8, LossReason.CORRUPT: 2}


@given(seqs=numbers, limit=st.integers(0, 90))
def test_the_newest_and_the_oldest_are_taken(seqs: set[int], limit: int) -> None:
    assert list(oldest(range_set(seqs), limit)) == sorted(seqs)[:limit]
    assert list(newest(range_set(seqs), limit)) == sorted(seqs)[max(0, len(seqs) - limit) :]


@given(accepted=st.integers(0, 60), done=steps, skipped=numbers, limit=st.integers(1, 30))
def test_a_portion_holds_only_what_may_be_sent(
    accepted: int, done: list[tuple[str, set[int]]], skipped: set[int], limit: int
) -> None:
    ledger, skip = ledger_after(accepted, done), range_set(skipped)
    free = set(ledger.pending) - skipped
    live = newest_portion(ledger, skip, limit)
    assert (set() if live is None else set(live.seqs)) == set(sorted(free)[-limit:])
    backlog = oldest_portion([ledger], {ledger.epoch: skip}, limit, 1000)
    said = set() if backlog is None else {seq for loss in backlog.losses for seq in range(loss.first, loss.last + 1)}
    assert said == set(ledger.buried) - skipped
    assert (set() if backlog is None else set(backlog.seqs)) == set(sorted(free)[:limit])
