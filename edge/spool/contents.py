"""What a spool knows of all its epochs, as one value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.spool.ledger import EpochLedger, Totals
from wire.ranges import RangeSet
from wire.records import LossReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Totals, and the ledgers by id, in the order of opening."""

    totals: Totals = field(default_factory=Totals)
    ledgers: Mapping[int, EpochLedger] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """All records ever accepted."""
        return self.totals.accepted_closed + sum(ledger.accepted_hi for ledger in self.ledgers.values())

    @property
    def in_flight(self) -> int:
        """The records that are not final."""
        return sum(ledger.in_flight for ledger in self.ledgers.values())

    def ledger_of(self, epoch: int) -> EpochLedger | None:
        """The ledger of an epoch; None where there is none, or no more."""
        return next((ledger for ledger in self.ledgers.values() if ledger.epoch == epoch), None)

    def with_ledger(self, ledger: EpochLedger) -> "Contents":
        """With this ledger as it is now."""
        return replace(self, ledgers={**self.ledgers, ledger.id: ledger})

    def with_given_up(self, ledger_id: int, seqs: RangeSet, reason: LossReason) -> "Contents":
        """With those of the seqs that were pending given up, and counted."""
        before = self.ledgers.get(ledger_id)
        if before is None:
            return self
        after = before.with_given_up(seqs, reason)
        lost = len(before.pending) - len(after.pending)
        return replace(self, totals=self.totals.with_given_up(lost, reason)).with_ledger(after) if lost else self

    def with_opening(self, epoch: int) -> "Contents":
        """With a new epoch begun."""
        totals = replace(self.totals, openings=self.totals.openings + 1)
        return replace(self, totals=totals).with_ledger(EpochLedger(id=totals.openings, epoch=epoch))

    def without_closed(self, *, present: int) -> "Contents":
        """With the epochs forgotten of which nothing is left, but not the present one."""
        closed = [one for one in self.ledgers.values() if not one.in_flight and one.id != present]
        if not closed:
            return self
        totals = replace(
            self.totals, accepted_closed=self.totals.accepted_closed + sum(one.accepted_hi for one in closed)
        )
        left = {number: one for number, one in self.ledgers.items() if one not in closed}
        return Contents(totals=totals, ledgers=left)
