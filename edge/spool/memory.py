"""A spool in memory: for one-shot reads and tests. It keeps every promise but durability."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from edge.spool import chunks
from edge.spool.base import Reading, SpoolState, record_of
from edge.spool.contents import Contents
from edge.spool.ledger import EpochLedger, epoch_statuses, newest_portion, oldest_portion
from wire.codec import MAX_LOSSES, MAX_RECORDS
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, Record

_MAX_RECORDS: Final = 100_000


class MemorySpool:
    """Records in a dictionary.

    Args:
        gateway: whose records these are.
        random_u64: draws the epoch, 0 to 2**64 - 1.
        max_records: the bound; beyond it the oldest records are given up and declared lost.
    """

    def __init__(self, *, gateway: GatewayId, random_u64: Callable[[], int], max_records: int = _MAX_RECORDS) -> None:
        # Changed by the methods of this class, one caller at a time.
        self._gateway = gateway
        self._max_records = max_records
        self._contents = Contents().with_opening(random_u64())
        self._records: dict[int, Record] = {}

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """See `Spool.accept`."""
        before = self._present
        first, last = before.accepted_hi + 1, before.accepted_hi + len(readings)
        records = [record_of(reading, seq) for seq, reading in enumerate(readings, first)]
        chunks.bodies_of(self._gateway, before.epoch, records)
        self._records.update((record.seq, record) for record in records)
        contents = self._contents.with_ledger(replace(before, accepted_hi=last))
        excess = max(0, min(len(self._records) - self._max_records, len(self._records) - len(readings)))
        given_up = RangeSet.of_numbers(list(self._records)[:excess])
        self._take(contents.with_given_up(before.id, given_up, LossReason.FULL))
        return first, last

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """See `Spool.unsent`."""
        limit = min(limit, MAX_RECORDS)
        present = self._present
        if newest_first:
            portion = newest_portion(present, skip.get(present.epoch, RangeSet()), limit)
        else:
            portion = oldest_portion([present], skip, limit, MAX_LOSSES)
        if portion is None:
            return None
        records = tuple(self._records[seq] for seq in portion.seqs)
        return Batch(gateway=self._gateway, epoch=present.epoch, records=records, losses=portion.losses)

    def finish(self, epoch: int, final: RangeSet) -> int:
        """See `Spool.finish`."""
        before = self._present
        if epoch != before.epoch:
            return 0
        self._take(self._contents.with_ledger(before.finished(final)))
        return before.in_flight - self._present.in_flight

    def state(self) -> SpoolState:
        """The spool in numbers."""
        contents, present = self._contents, self._present
        return SpoolState(
            epoch=present.epoch,
            accepted_total=contents.accepted,
            final_total=contents.accepted - contents.in_flight,
            in_flight=contents.in_flight,
            oldest_uncommitted_ms=next((record.time_ms for record in self._records.values()), None),
            lost_total=dict(contents.totals.given_up),
            epochs=epoch_statuses([present], present=present.epoch),
        )

    def close(self) -> None:
        """Nothing to release."""

    @property
    def _present(self) -> EpochLedger:
        return self._contents.ledgers[self._contents.totals.openings]

    def _take(self, contents: Contents) -> None:
        self._contents = contents
        pending = self._present.pending
        first = pending.ranges[0][0] if pending else self._present.accepted_hi + 1
        for seq in [seq for seq in self._records if seq < first or seq not in pending]:
            del self._records[seq]
