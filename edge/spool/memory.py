"""A spool in memory: for one-shot reads and tests. It keeps every promise but durability."""

from collections.abc import Callable, Mapping, Sequence

from edge.spool.base import Reading, SpoolState
from wire.identifiers import GatewayId
from wire.messages import EpochStatus
from wire.ranges import RangeSet
from wire.records import Batch, Record


class MemorySpool:
    """Records in a dictionary."""

    def __init__(self, *, gateway: GatewayId, random_u64: Callable[[], int]) -> None:
        # Changed by `accept` and `finish`.
        self._gateway = gateway
        self._epoch = random_u64()
        self._accepted = 0
        self._records: dict[int, Record] = {}

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """See `Spool.accept`."""
        first = self._accepted + 1
        for seq, reading in enumerate(readings, first):
            self._records[seq] = Record(
                seq=seq,
                stream=reading.stream,
                time_ms=reading.time_ms,
                time_quality=reading.time_quality,
                values=reading.values,
            )
        self._accepted += len(readings)
        return first, self._accepted

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """See `Spool.unsent`."""
        skipped = skip.get(self._epoch, RangeSet())
        free = [seq for seq in self._records if seq not in skipped]
        chosen = free[-limit:] if newest_first else free[:limit]
        if not chosen:
            return None
        return Batch(gateway=self._gateway, epoch=self._epoch, records=tuple(self._records[seq] for seq in chosen))

    def finish(self, epoch: int, final: RangeSet) -> int:
        """See `Spool.finish`."""
        gone = [seq for seq in self._records if seq in final] if epoch == self._epoch else []
        for seq in gone:
            del self._records[seq]
        return len(gone)

    def state(self) -> SpoolState:
        """The spool in numbers."""
        return SpoolState(
            epoch=self._epoch,
            accepted_total=self._accepted,
            final_total=self._accepted - len(self._records),
            in_flight=len(self._records),
            oldest_uncommitted_ms=min((record.time_ms for record in self._records.values()), default=None),
            epochs=(EpochStatus(epoch=self._epoch, accepted_hi=self._accepted),),
        )

    def close(self) -> None:
        """Nothing to release."""
