"""The ledger's arithmetic, against a plain model of single seqs."""

from hypothesis import given
from hypothesis import strategies as st

from hub.registry.ledger import EpochLedger, SelfReport, Settlement, accounts_of
from wire.identifiers import GatewayId
from wire.messages import Refusal, Refused
from wire.ranges import RangeSet
from wire.records import Loss, LossReason

GATEWAY = GatewayId("gw-1")
HIGHEST = 30

seqs = st.integers(1, HIGHEST)
losses = st.builds(
    lambda a, b, reason: Loss(first=min(a, b), last=max(a, b), reason=reason), seqs, seqs, st.sampled_from(LossReason)
)


@st.composite
def settlements(draw: st.DrawFn) -> Settlement:
    done = draw(st.sets(seqs, max_size=10))
    refused = draw(st.sets(st.sampled_from(sorted(done)))) if done else set()
    return Settlement(
        gateway=GATEWAY,
        epoch=7,
        stored=RangeSet.of_numbers(done - refused),
        refused=tuple(Refused(seq=seq, reason=Refusal.DATABASE) for seq in sorted(refused)),
        losses=tuple(draw(st.lists(losses, max_size=3))),
    )


def applied(steps: list[Settlement], accepted_hi: int = 0) -> EpochLedger:
    ledger = EpochLedger(accepted_hi=accepted_hi)
    for step in steps:
        ledger = step.applied_to(ledger)
    return ledger


def seqs_of(loss: Loss) -> set[int]:
    return set(range(loss.first, loss.last + 1))


@given(st.lists(settlements(), max_size=8), seqs, st.integers(0, HIGHEST), st.integers(0, HIGHEST))
def test_every_accepted_record_is_in_exactly_one_account_i3(
    steps: list[Settlement], accepted_hi: int, in_flight: int, lost_total: int
) -> None:
    accounts = accounts_of(
        GATEWAY, [applied(steps, accepted_hi)], SelfReport(in_flight=in_flight, lost_total=lost_total)
    )
    done = {seq for step in steps for seq in (*step.stored, *(refused.seq for refused in step.refused))}
    given_up = {seq for step in steps for loss in step.losses for seq in seqs_of(loss)}
    assert accounts.stored + accounts.refused == len(done)
    assert accounts.lost_total == len(given_up - done)
    parts = accounts.stored + accounts.refused + accounts.lost_total + accounts.in_flight + accounts.unexplained
    assert accounts.accepted == parts
    assert accounts.in_flight >= 0


@given(st.lists(settlements(), max_size=6))
def test_settling_again_changes_nothing_i1(steps: list[Settlement]) -> None:
    once = applied(steps)
    assert applied([*steps, *steps]) == once
    assert applied([*steps, *reversed(steps)]) == once


def test_a_record_given_up_that_arrives_all_the_same_is_stored_not_lost_i2() -> None:
    given_up = Settlement(gateway=GATEWAY, epoch=7, losses=(Loss(first=1, last=10, reason=LossReason.FULL),))
    arrived = Settlement(gateway=GATEWAY, epoch=7, stored=RangeSet.of([(4, 5)]))
    for order in ([given_up, arrived], [arrived, given_up]):
        accounts = accounts_of(GATEWAY, [applied(order)], SelfReport())
        assert (accounts.stored, accounts.lost) == (2, {LossReason.FULL: 8})


def test_a_hole_that_the_gateway_still_holds_is_in_flight() -> None:
    ledger = EpochLedger(accepted_hi=10, done=RangeSet.of([(1, 6)]))
    accounts = accounts_of(GATEWAY, [ledger], SelfReport(in_flight=4))
    assert (accounts.in_flight, accounts.unexplained) == (4, 0)


def test_a_hole_that_nobody_holds_is_unexplained() -> None:
    ledger = EpochLedger(accepted_hi=10, done=RangeSet.of([(1, 6)]))
    accounts = accounts_of(GATEWAY, [ledger], SelfReport(in_flight=1))
    assert (accounts.in_flight, accounts.unexplained) == (1, 3)


def test_losses_whose_tombstones_are_under_way_are_explained() -> None:
    ledger = EpochLedger(accepted_hi=10, done=RangeSet.of([(1, 6)]))
    accounts = accounts_of(GATEWAY, [ledger], SelfReport(in_flight=1, lost_total=3))
    assert accounts.unexplained == 0


def test_holes_younger_than_the_last_status_are_not_judged() -> None:
    ledger = EpochLedger(accepted_hi=5, done=RangeSet.of([(1, 5), (8, 9)]))
    accounts = accounts_of(GATEWAY, [ledger], SelfReport())
    assert (accounts.accepted, accounts.in_flight, accounts.unexplained) == (9, 2, 0)
