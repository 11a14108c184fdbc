"""The ledger of one epoch of one gateway: what became of its records. Pure.

I1. `done` (stored or refused) and `declared` (given up by the gateway) only ever grow: merging two ledgers is a
    union, so a transaction that is repeated, or done by two workers, changes nothing.
I2. A record counts as lost only where it was declared lost and is not done: a record that was given up after it had
    been sent, and arrives, is stored.
I3. accepted = stored + refused + lost + in flight + unexplained, at every moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wire.identifiers import GatewayId
from wire.messages import EpochStatus, Refused
from wire.ranges import RangeSet
from wire.records import Loss, LossReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLedger:
    """What the hub knows about one epoch.

    `accepted_hi` is the gateway's own word (seqs 1..accepted_hi were accepted), 0 where it has not said.
    `refused_count` counts the seqs in `done` that were refused.
    """

    accepted_hi: int = 0
    done: RangeSet = field(default_factory=RangeSet)
    refused_count: int = 0
    declared: Mapping[LossReason, RangeSet] = field(default_factory=dict)

    @property
    def all_declared(self) -> RangeSet:
        """What the gateway gave up, for whatever reason."""
        return RangeSet.of(part for ranges in self.declared.values() for part in ranges.ranges)

    @property
    def accepted(self) -> RangeSet:
        """What was accepted: by the gateway's own word, or because a later record of it is here."""
        highest = max(self.accepted_hi, self.highest_final)
        return RangeSet(((1, highest),)) if highest else RangeSet()

    @property
    def final(self) -> RangeSet:
        """What needs no more work: stored, refused, or declared lost."""
        return self.done | self.all_declared

    @property
    def highest_final(self) -> int:
        """The highest seq that is final; 0 where none is."""
        ranges = self.final.ranges
        return ranges[-1][1] if ranges else 0

    @property
    def lost(self) -> dict[LossReason, int]:
        """How many records are lost, by the first reason declared for each."""
        counted = self.done
        lost: dict[LossReason, int] = {}
        for reason in LossReason:
            fresh = self.declared.get(reason, RangeSet()) - counted
            counted = counted | fresh
            if fresh:
                lost[reason] = len(fresh)
        return lost

    def with_declared(self, losses: Iterable[Loss]) -> Mapping[LossReason, RangeSet]:
        """`declared` with these tombstones added."""
        declared = dict(self.declared)
        for loss in losses:
            declared[loss.reason] = declared.get(loss.reason, RangeSet()) | RangeSet.of([(loss.first, loss.last)])
        return declared


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochView:
    """A ledger as one message needs it: with the refusals among the seqs that were asked for."""

    ledger: EpochLedger = field(default_factory=EpochLedger)
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of some records of one epoch; it is recorded as one.

    `days` says of each stored one to which UTC day (counted since 1970-01-01) its time belongs.
    """

    gateway: GatewayId
    epoch: int
    stored: RangeSet = field(default_factory=RangeSet)
    refused: tuple[Refused, ...] = ()
    losses: tuple[Loss, ...] = ()
    days: Mapping[int, RangeSet] = field(default_factory=dict)

    def applied_to(self, before: EpochLedger) -> EpochLedger:
        """The ledger afterwards."""
        return EpochLedger(
            accepted_hi=before.accepted_hi,
            done=before.done | self.stored | RangeSet.of_numbers(refused.seq for refused in self.refused),
            refused_count=before.refused_count + len(self.newly_refused(before)),
            declared=before.with_declared(self.losses),
        )

    def newly_refused(self, before: EpochLedger) -> list[Refused]:
        """The refusals that the ledger does not hold yet."""
        return [refused for refused in self.refused if refused.seq not in before.done]

    def newly_stored(self, before: EpochLedger) -> dict[int, int]:
        """How many of each day are stored that the ledger does not hold yet."""
        fresh = {day: len(seqs - before.done) for day, seqs in self.days.items()}
        return {day: count for day, count in fresh.items() if count}


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRange:
    """Records that were given up and never came, by the first reason declared for them."""

    epoch: int
    first: int
    last: int
    reason: LossReason


def lost_ranges(epoch: int, ledger: EpochLedger) -> list[LostRange]:
    """What `EpochLedger.lost` counts, seq by seq, in order."""
    counted, found = ledger.done, list[LostRange]()
    for reason in LossReason:
        fresh = ledger.declared.get(reason, RangeSet()) - counted
        counted = counted | fresh
        found += [LostRange(epoch=epoch, first=first, last=last, reason=reason) for first, last in fresh.ranges]
    return sorted(found, key=lambda one: one.first)


def open_ranges(ledger: EpochLedger) -> RangeSet:
    """What was accepted and is not final here: under way, or unexplained."""
    return ledger.accepted - ledger.final


def told_by_gateway(
    before: Mapping[int, EpochLedger], said: Sequence[EpochStatus], *, is_all: bool
) -> dict[int, EpochLedger]:
    """The ledgers that change by a gateway's word about its epochs.

    Its word that 1..accepted_hi were accepted never goes back. It speaks of every epoch of which it holds something:
    what was accepted in another one, or beyond its own word, and is not final here, it does not have any more. That is
    lost: the end of its log is gone.

    Args:
        before: the ledgers of this gateway by epoch: all of those with something open where `is_all`.
        said: its word.
        is_all: whether it speaks of all its epochs.
    """
    after: dict[int, EpochLedger] = {}
    for one in said:
        ledger = before.get(one.epoch, EpochLedger())
        if one.epoch not in before or ledger.accepted_hi < one.accepted_hi:
            after[one.epoch] = replace(ledger, accepted_hi=one.accepted_hi)
    if is_all:
        word = {one.epoch: one.accepted_hi for one in said}
        for epoch, ledger in before.items():
            held = RangeSet(((1, word[epoch]),)) if word.get(epoch) else RangeSet()
            gone = ledger.accepted - held - ledger.final
            if gone:
                losses = [Loss(first=first, last=last, reason=LossReason.TAIL) for first, last in gone.ranges]
                after[epoch] = replace(after.get(epoch, ledger), declared=ledger.with_declared(losses))
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfReport:
    """The last numbers a gateway gave about itself."""

    in_flight: int = 0
    lost_total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Where a gateway's records are, counted in records: accepted = stored + refused + lost + in_flight + unexplained.

    - `accepted`: in each epoch known to the hub, the larger of the gateway's word and the highest final seq.
    - `stored`, `refused`: in the database; in the dead letters. The database may hold more than `stored`, never less:
      a record that was written by a hub that died before its ledger, and was then given up, counts as lost.
    - `lost`: given up by the gateway with a tombstone, and not stored, by reason.
    - `in_flight`: accepted, not final here, and explained: the gateway says that it still holds as many, or it has
      counted them as lost and the tombstones are on their way, or they are younger than its last status.
    - `unexplained`: accepted by the gateway's last word, not final here, and held by nobody. Must be 0.
    """

    gateway: GatewayId
    accepted: int
    stored: int
    refused: int
    lost: Mapping[LossReason, int]
    in_flight: int
    unexplained: int

    @property
    def lost_total(self) -> int:
        """The losses of all reasons."""
        return sum(self.lost.values())


def accounts_of(gateway: GatewayId, ledgers: Iterable[EpochLedger], report: SelfReport) -> Accounts:
    """The accounts of one gateway from its epochs and its last report.

    The report may be older than the ledgers, never younger: a commit after the report only closes holes, so a hole the
    report does not explain is a loss nobody has counted.
    """
    accepted = stored = refused = declared = open_at_report = 0
    lost: dict[LossReason, int] = {}
    for ledger in ledgers:
        accepted += max(ledger.accepted_hi, ledger.highest_final)
        stored += len(ledger.done) - ledger.refused_count
        refused += ledger.refused_count
        declared += len(ledger.all_declared)
        if ledger.accepted_hi:
            open_at_report += len(RangeSet.of([(1, ledger.accepted_hi)]) - ledger.final)
        for reason, count in ledger.lost.items():
            lost[reason] = lost.get(reason, 0) + count
    still_open = accepted - stored - refused - sum(lost.values())
    tombstones_under_way = max(0, report.lost_total - declared)
    unexplained = max(0, open_at_report - report.in_flight - tombstones_under_way)
    return Accounts(
        gateway=gateway,
        accepted=accepted,
        stored=stored,
        refused=refused,
        lost=lost,
        in_flight=still_open - unexplained,
        unexplained=unexplained,
    )
