"""What to do with batches: whom to listen to, what to write, and what to say afterwards. Pure.

I1. A record that is done (stored or refused) is never written again: its sender only hears the commit again.
I2. A record that was declared lost, and arrives all the same, is written.
I3. A seq stands for one record: another content under the same seq is put aside, never stored.
I4. A commit speaks only of what its gateway asked about, and only after all of it is final.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hub.ingest.columns import BatchColumns, RecordColumns, ranges_of, within
from hub.registry.ledger import EpochView, Settlement
from hub.registry.model import GatewayState
from hub.series.names import HUB_MEASUREMENTS
from wire.batch_items import Layout
from wire.identifiers import GatewayId
from wire.messages import Commit, Refusal, Refused
from wire.quantities import QUANTITIES
from wire.ranges import RangeSet
from wire.records import Loss, Record

EpochKey = tuple[GatewayId, int]

# An honest gateway's epoch has a handful of holes; more than this many would make every ledger entry slow.
MAX_LEDGER_RANGES = 10_000
# As many as one message may hold (wire.message_items) and a gateway digests at once.
MAX_COMMIT_RANGES = 1000
# As few as a gateway begins with: how full the queue is says the next commit.
_CREDIT_OF_A_GREETING = 4
_MS_PER_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Accept:
    """The batch is taken in."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The sender is not listened to: it hears nothing, and a person sees that it speaks."""

    state: GatewayState | None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The batch is not what its sender may say: it is put aside and its sender hears nothing."""

    detail: str


Admission = Accept | Ignore | Quarantine


def admit(speaker: GatewayId, state: GatewayState | None, batch: BatchColumns, view: EpochView) -> Admission:
    """Whether a batch is taken in.

    Args:
        speaker: who sent it, by the topic that the broker guards.
        state: what the registry says of the speaker; None where it does not know it.
        batch: what was sent.
        view: the ledger of the batch's epoch.
    """
    if state is not GatewayState.ACTIVE:
        return Ignore(state)
    if batch.gateway != speaker:
        return Quarantine(f"gateway {speaker} sent a batch in the name of gateway {batch.gateway}")
    if len((view.ledger.done | batch.asked).ranges) > MAX_LEDGER_RANGES:
        return Quarantine(f"epoch {batch.epoch:016x}: more than {MAX_LEDGER_RANGES} holes between its records")
    return Accept()


@dataclass(frozen=True, slots=True)
class Item:
    """One record with its name."""

    gateway: GatewayId
    epoch: int
    record: Record

    @property
    def key(self) -> EpochKey:
        """The epoch it belongs to."""
        return self.gateway, self.epoch


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """A record that will never be stored, and why."""

    item: Item
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked about one epoch: the seqs, the tombstones, and the refusals that the ledger knows already."""

    asked: RangeSet = field(default_factory=RangeSet)
    losses: tuple[Loss, ...] = ()
    refused_before: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Records of one epoch that are to be written."""

    gateway: GatewayId
    epoch: int
    columns: RecordColumns

    def item(self, row: int) -> Item:
        """One of them."""
        return Item(self.gateway, self.epoch, self.columns.record(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Several accepted batches as one piece of work. `written` holds the seqs of all parts of an epoch."""

    write: tuple[Part, ...]
    written: Mapping[EpochKey, RangeSet]
    refused: tuple[RefusedItem, ...]
    conflicts: tuple[Item, ...]
    questions: Mapping[EpochKey, Question]


def workload_of(batches: Iterable[BatchColumns], views: Mapping[EpochKey, EpochView]) -> Workload:
    """Bring accepted batches together: each record that is not done once, whatever the batches' cuts."""
    seen: dict[EpochKey, _Seen] = {}
    write: list[Part] = []
    written: dict[EpochKey, RangeSet] = {}
    refused: list[RefusedItem] = []
    conflicts: list[Item] = []
    questions: dict[EpochKey, Question] = {}
    for batch in batches:
        view = views.get(batch.key, EpochView())
        questions[batch.key] = _asked_too(questions.get(batch.key), batch, view)
        before = seen.setdefault(batch.key, _Seen())
        doubled = batch.seqs & before.seqs
        conflicts += before.conflicts(batch, doubled)
        before.add(batch)
        fresh = batch.seqs - doubled - view.ledger.done
        for part in _parts(batch, fresh):
            if (detail := unfit(part.columns.layout)) is None:
                write.append(part)
            else:
                items = map(part.item, range(len(part.columns)))
                refused += [RefusedItem(item, Refusal.UNKNOWN_UNIT, detail) for item in items]
                fresh -= ranges_of(np.sort(part.columns.seqs))
        written[batch.key] = written.get(batch.key, RangeSet()) | fresh
    return Workload(
        write=tuple(write), written=written, refused=tuple(refused), conflicts=tuple(conflicts), questions=questions
    )


class _Seen:
    """The records of one epoch that came before in the same work."""

    def __init__(self) -> None:
        self.seqs = RangeSet()
        self._batches: list[BatchColumns] = []
        # Filled only where a seq comes twice: where each seq was first.
        self._places: dict[int, tuple[RecordColumns, int]] = {}

    def add(self, batch: BatchColumns) -> None:
        self.seqs |= batch.seqs
        self._batches.append(batch)

    def conflicts(self, batch: BatchColumns, doubled: RangeSet) -> list[Item]:
        """The records of the batch under a seq that stands for another record."""
        if not doubled:
            return []
        for earlier in self._batches:
            for table in earlier.tables:
                for row, seq in enumerate(table.seqs.tolist()):
                    self._places.setdefault(seq, (table, row))
        self._batches.clear()
        again = [part.item(row) for part in _parts(batch, doubled) for row in range(len(part.columns))]
        return [item for item in again if item.record != self._first(item.record.seq)]

    def _first(self, seq: int) -> Record:
        table, row = self._places[seq]
        return table.record(row)


def _parts(batch: BatchColumns, seqs: RangeSet) -> Iterator[Part]:
    """The records of the batch with these seqs."""
    is_whole = seqs == batch.seqs
    for table in batch.tables:
        chosen = table if is_whole else table.rows(within(table.seqs, seqs))
        if len(chosen):
            yield Part(batch.gateway, batch.epoch, chosen)


def unfit(layout: Layout) -> str | None:
    """Why no record of this layout may be stored: it pretends to be the hub's word, or speaks in another unit.

    None where it may be stored.

    A quantity that this hub does not know yet is stored: the inventory says what it is.
    """
    if layout.measurement in HUB_MEASUREMENTS:
        return f"measurement {layout.measurement}: only the hub writes there; give the group another in its profile"
    for point in layout.points:
        quantity = QUANTITIES.get(point.quantity)
        if quantity is not None and quantity.unit != point.unit:
            return f"point {point.key}: {point.quantity} in {point.unit!r}, expected {quantity.unit!r}"
    return None


def settlements_of(work: Workload, refused: Sequence[RefusedItem]) -> list[Settlement]:
    """What the ledger is to record after the write. `refused` holds all refusals of this work, ours and the store's."""
    refused_of: dict[EpochKey, list[Refused]] = {}
    for one in refused:
        refused_of.setdefault(one.item.key, []).append(Refused(seq=one.item.record.seq, reason=one.refusal))
    unstored = {key: RangeSet.of_numbers(one.seq for one in some) for key, some in refused_of.items()}
    days = _days_of(work.write, unstored)
    return [
        Settlement(
            gateway=key[0],
            epoch=key[1],
            stored=work.written[key] - unstored.get(key, RangeSet()),
            refused=tuple(refused_of.get(key, ())),
            losses=question.losses,
            days=days.get(key, {}),
        )
        for key, question in work.questions.items()
    ]


def _days_of(parts: Iterable[Part], unstored: Mapping[EpochKey, RangeSet]) -> dict[EpochKey, dict[int, RangeSet]]:
    """The seqs of what was written, by epoch and by the UTC day of its time."""
    days: dict[EpochKey, dict[int, RangeSet]] = {}
    for part in parts:
        key = (part.gateway, part.epoch)
        of_epoch = days.setdefault(key, {})
        day_of = part.columns.times_ms // _MS_PER_DAY
        for day in np.unique(day_of).tolist():
            seqs = ranges_of(np.sort(part.columns.seqs[day_of == day])) - unstored.get(key, RangeSet())
            of_epoch[day] = of_epoch.get(day, RangeSet()) | seqs
    return days


def commits_of(
    work: Workload, settlements: Iterable[Settlement], *, credit: int, hub_time_ms: int, gateways: int = 0
) -> list[Commit]:
    """What the gateways hear once the ledger holds the settlements: one commit an epoch, more where it is torn.

    Who asked about nothing hears what time it is.
    """
    commits: list[Commit] = []
    for settlement in settlements:
        question = work.questions[settlement.gateway, settlement.epoch]
        refused = _all_refused(question, settlement)
        for start in range(0, max(1, len(question.asked.ranges)), MAX_COMMIT_RANGES):
            final = RangeSet(question.asked.ranges[start : start + MAX_COMMIT_RANGES])
            commits.append(
                Commit(
                    gateway=settlement.gateway,
                    epoch=settlement.epoch,
                    final=final.ranges,
                    refused=tuple(one for one in refused if one.seq in final),
                    credit=credit,
                    hub_time_ms=hub_time_ms,
                    gateways=gateways,
                )
            )
    return commits


def greeting(gateway: GatewayId, *, hub_time_ms: int, gateways: int) -> Commit:
    """What a gateway hears when the hub hears again: nothing new is final, and there is no need to wait any longer."""
    return Commit(
        gateway=gateway,
        epoch=0,
        final=(),
        credit=_CREDIT_OF_A_GREETING,
        hub_time_ms=hub_time_ms,
        gateways=gateways,
    )


def credit_of(*, fill: float, most: int) -> int:
    """How many batches a gateway may have in flight when so much of the hub's queue is full (0 to 1)."""
    return max(1, min(most, int(most * (1.0 - fill))))


def _asked_too(before: Question | None, batch: BatchColumns, view: EpochView) -> Question:
    question = before or Question(refused_before=view.refused)
    return Question(
        asked=question.asked | batch.asked,
        losses=tuple(dict.fromkeys((*question.losses, *batch.losses))),
        refused_before=question.refused_before,
    )


def _all_refused(question: Question, settlement: Settlement) -> tuple[Refused, ...]:
    by_seq = {refused.seq: refused for refused in (*settlement.refused, *question.refused_before)}
    return tuple(by_seq[seq] for seq in sorted(by_seq))
