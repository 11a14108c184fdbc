"""What a spool holds, in memory: chunks, tombstones and what of them the hub has not yet committed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wire.messages import EpochStatus
from wire.ranges import RangeSet
from wire.records import Loss

_NOTHING = RangeSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records first..last of an epoch, made durable together. `final` is what of them needs no sending any more."""

    id: int
    first: int
    last: int
    oldest_ms: int
    size_bytes: int
    final: RangeSet = _NOTHING

    @property
    def seqs(self) -> RangeSet:
        """All of its records."""
        return RangeSet(((self.first, self.last),))

    @property
    def pending(self) -> RangeSet:
        """Those of its records that are not final."""
        return self.seqs - self.final


@dataclass(slots=True, kw_only=True)
class EpochLedger:
    """One epoch: chunks in the order of their seqs, and tombstones by their row's number."""

    id: int
    epoch: int
    accepted_hi: int = 0
    chunks: dict[int, Chunk] = field(default_factory=dict)
    losses: dict[int, Loss] = field(default_factory=dict)

    @property
    def lost(self) -> RangeSet:
        """What was given up and is not yet committed by the hub."""
        return RangeSet.of((loss.first, loss.last) for loss in self.losses.values())

    @property
    def in_flight(self) -> int:
        """How many records are neither final nor forgotten."""
        return sum(len(chunk.pending) for chunk in self.chunks.values()) + len(self.lost)

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is left to be sent."""
        return not self.chunks and not self.losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """What a commit of the hub changes: rows to delete, and chunks of which more is final now."""

    chunks: tuple[int, ...] = ()
    losses: tuple[int, ...] = ()
    partly: tuple[Chunk, ...] = ()
    records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What to send: whole or partial chunks of one epoch, and tombstones."""

    ledger: EpochLedger
    seqs: RangeSet
    chunks: tuple[Chunk, ...]
    losses: tuple[Loss, ...]


def trim_of(ledger: EpochLedger, final: RangeSet) -> Trim:
    """What becomes of an epoch's rows when the hub says these seqs are final."""
    gone: list[int] = []
    partly: list[Chunk] = []
    records = 0
    for chunk in ledger.chunks.values():
        newly = chunk.pending & final
        if not newly:
            continue
        records += len(newly)
        done = chunk.final | newly
        if len(done) == chunk.last - chunk.first + 1:
            gone.append(chunk.id)
        else:
            partly.append(
                Chunk(
                    id=chunk.id,
                    first=chunk.first,
                    last=chunk.last,
                    oldest_ms=chunk.oldest_ms,
                    size_bytes=chunk.size_bytes,
                    final=done,
                )
            )
    said = [number for number, loss in ledger.losses.items() if not RangeSet(((loss.first, loss.last),)) - final]
    records += sum(ledger.losses[number].last - ledger.losses[number].first + 1 for number in said)
    return Trim(chunks=tuple(gone), losses=tuple(said), partly=tuple(partly), records=records)


def apply_trim(ledger: EpochLedger, trim: Trim) -> None:
    """Forget what became final."""
    for number in trim.chunks:
        del ledger.chunks[number]
    for number in trim.losses:
        del ledger.losses[number]
    for chunk in trim.partly:
        ledger.chunks[chunk.id] = chunk


def live_portion(ledger: EpochLedger, skip: RangeSet, limit: int) -> Portion | None:
    """The newest `limit` records that may be sent."""
    chunks: list[Chunk] = []
    seqs: list[tuple[int, int]] = []
    left = limit
    for chunk in reversed(ledger.chunks.values()):
        if left <= 0:
            break
        free = chunk.pending - skip
        if not free:
            continue
        taken = _newest(free, left)
        seqs.extend(taken.ranges)
        left -= len(taken)
        chunks.append(chunk)
    if not chunks:
        return None
    return Portion(ledger=ledger, seqs=RangeSet.of(seqs), chunks=tuple(reversed(chunks)), losses=())


def backlog_portion(ledger: EpochLedger, skip: RangeSet, limit: int, max_losses: int) -> Portion | None:
    """The oldest `limit` records that may be sent, with the tombstones not yet said."""
    chunks: list[Chunk] = []
    seqs: list[tuple[int, int]] = []
    left = limit
    for chunk in ledger.chunks.values():
        if left <= 0:
            break
        free = chunk.pending - skip
        if not free:
            continue
        taken = _oldest(free, left)
        seqs.extend(taken.ranges)
        left -= len(taken)
        chunks.append(chunk)
    unsaid = [loss for loss in ledger.losses.values() if RangeSet(((loss.first, loss.last),)) - skip]
    if not chunks and not unsaid:
        return None
    return Portion(ledger=ledger, seqs=RangeSet.of(seqs), chunks=tuple(chunks), losses=tuple(unsaid[:max_losses]))


def epoch_statuses(ledgers: Mapping[int, EpochLedger], present: int) -> tuple[EpochStatus, ...]:
    """The epochs worth telling the hub: those with something left, and the present one."""
    return tuple(
        EpochStatus(epoch=ledger.epoch, accepted_hi=ledger.accepted_hi)
        for ledger in ledgers.values()
        if not ledger.is_closed or ledger.epoch == present
    )


def oldest_pending_ms(ledgers: Mapping[int, EpochLedger]) -> int | None:
    """The time of the oldest record not yet final."""
    return min((chunk.oldest_ms for chunk in _all_chunks(ledgers)), default=None)


def _all_chunks(ledgers: Mapping[int, EpochLedger]) -> Iterator[Chunk]:
    for ledger in ledgers.values():
        yield from ledger.chunks.values()


def _oldest(seqs: RangeSet, limit: int) -> RangeSet:
    taken: list[tuple[int, int]] = []
    for first, last in seqs.ranges:
        if limit <= 0:
            break
        end = min(last, first + limit - 1)
        taken.append((first, end))
        limit -= end - first + 1
    return RangeSet(tuple(taken))


def _newest(seqs: RangeSet, limit: int) -> RangeSet:
    taken: list[tuple[int, int]] = []
    for first, last in reversed(seqs.ranges):
        if limit <= 0:
            break
        start = max(first, last - limit + 1)
        taken.append((start, last))
        limit -= last - start + 1
    return RangeSet(tuple(reversed(taken)))
