"""Spools for tests: opening them, and looking at all they would send."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from edge.spool.base import Reading, Spool
from edge.spool.segment_spool import SegmentSpool
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, LossReason

GATEWAY = GatewayId("gw-1")
PLENTY_BYTES = 10**9


def open_spool(path: Path, *, max_bytes: int = PLENTY_BYTES, seed: int | None = None) -> SegmentSpool:
    """The spool in this folder; its epoch comes from the seed."""
    chance = random.Random(seed)
    return SegmentSpool.open(path, gateway=GATEWAY, max_bytes=max_bytes, random_u64=lambda: chance.getrandbits(64))


@dataclass(frozen=True)
class Held:
    """Everything a spool would send: readings by epoch and seq, and the seqs its tombstones name."""

    readings: dict[tuple[int, int], Reading] = field(default_factory=dict)
    lost: dict[tuple[int, int], LossReason] = field(default_factory=dict)

    def seqs(self, epoch: int) -> set[int]:
        """The seqs of an epoch that would be sent."""
        return {seq for of, seq in self.readings if of == epoch}

    def lost_seqs(self, epoch: int) -> set[int]:
        """The seqs of an epoch that are declared lost."""
        return {seq for of, seq in self.lost if of == epoch}


def seqs_of(batch: Batch) -> RangeSet:
    """What a batch settles once it is committed."""
    ranges = [(record.seq, record.seq) for record in batch.records]
    return RangeSet.of([*ranges, *((loss.first, loss.last) for loss in batch.losses)])


def held(spool: Spool) -> Held:
    """All there is to send, taken as a sender does: batch by batch, skipping what is in flight."""
    found = Held()
    skip: dict[int, RangeSet] = {}
    while (batch := spool.unsent(skip=skip, limit=1000, newest_first=False)) is not None:
        for record in batch.records:
            key = (batch.epoch, record.seq)
            assert key not in found.readings, f"{key} was given twice although it was skipped"
            found.readings[key] = Reading(
                stream=record.stream,
                time_ms=record.time_ms,
                time_quality=record.time_quality,
                values=record.values,
            )
        for loss in batch.losses:
            found.lost.update(((batch.epoch, seq), loss.reason) for seq in range(loss.first, loss.last + 1))
        skip[batch.epoch] = skip.get(batch.epoch, RangeSet()) | seqs_of(batch)
    return found
