"""The least a hub does: decode batches, keep their records, commit. It forgets nothing and is never wrong."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from wire.codec import decode_batch, decode_inventory, decode_status, encode_commit
from wire.identifiers import GatewayId
from wire.messages import Commit, Inventory, Refusal, Refused, Status
from wire.ranges import RangeSet
from wire.records import Batch, Record
from wire.topics import Down, Up, down_topic, parse_up

Message = tuple[str, bytes]


@dataclass
class HubStandIn:
    """What it heard, and how it answers.

    `refuses` are seqs that are final but refused; `ignores` are seqs it never commits. `speaks` decides whether a
    commit is said at all. `settled` is what it has committed, by epoch.
    """

    gateway: GatewayId
    credit: int = 4
    refuses: set[int] = field(default_factory=set)
    ignores: set[int] = field(default_factory=set)
    speaks: Callable[[], bool] = lambda: True
    batches: list[Batch] = field(default_factory=list)
    records: dict[tuple[int, int], Record] = field(default_factory=dict)
    losses: defaultdict[int, RangeSet] = field(default_factory=lambda: defaultdict(RangeSet))
    settled: defaultdict[int, RangeSet] = field(default_factory=lambda: defaultdict(RangeSet))
    statuses: list[Status] = field(default_factory=list)
    inventories: list[Inventory] = field(default_factory=list)

    def hear(self, topic: str, payload: bytes) -> list[Message]:
        """What it answers."""
        gateway, leaf = parse_up(topic)
        assert gateway == self.gateway
        match leaf:
            case Up.BATCH:
                return self._take(decode_batch(payload))
            case Up.STATUS:
                self.statuses.append(decode_status(payload))
            case Up.INVENTORY:
                self.inventories.append(decode_inventory(payload))
            case Up.REPLY:
                raise AssertionError("nobody asked")
        return []

    def _take(self, batch: Batch) -> list[Message]:
        self.batches.append(batch)
        for record in batch.records:
            before = self.records.setdefault((batch.epoch, record.seq), record)
            assert before == record, "a record came again and was another"
        lost = RangeSet.of((loss.first, loss.last) for loss in batch.losses)
        self.losses[batch.epoch] |= lost
        final = RangeSet.of_numbers(record.seq for record in batch.records if record.seq not in self.ignores) | lost
        if not self.speaks():
            return []
        self.settled[batch.epoch] |= final
        commit = Commit(
            gateway=self.gateway,
            epoch=batch.epoch,
            final=final.ranges,
            refused=tuple(Refused(seq=seq, reason=Refusal.DATABASE) for seq in sorted(self.refuses) if seq in final),
            credit=self.credit,
            hub_time_ms=1_795_000_000_000,
        )
        return [(down_topic(self.gateway, Down.COMMIT), encode_commit(commit))]
