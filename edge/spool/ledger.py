"""What a spool knows of its records without looking at them: per epoch, what is accepted, final and given up. Pure.

I1. Of the seqs 1..accepted_hi each is pending, given up, or final; `in_flight` counts the first two.
I2. A ledger that was altered on disk is not believed: its bytes end with their checksum.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from wire import cbor, items
from wire.cbor import Item
from wire.errors import WireError
from wire.messages import EpochStatus
from wire.ranges import RangeSet
from wire.records import MAX_EPOCH, Loss, LossReason

_CRC_BYTES: Final = 4
_MAX_RANGES: Final = cbor.MAX_ITEMS // 4
# The index is what is on disk: append only.
_REASONS: Final = (LossReason.FULL, LossReason.CORRUPT, LossReason.TAIL, LossReason.EXPIRED)


class DamagedError(Exception):
    """Bytes of the spool that are not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLedger:
    """One epoch. `id` counts the spool's openings; `given_up` holds the tombstones the hub has not committed yet."""

    id: int
    epoch: int
    accepted_hi: int = 0
    final: RangeSet = field(default_factory=RangeSet)
    given_up: Mapping[LossReason, RangeSet] = field(default_factory=dict)

    @property
    def buried(self) -> RangeSet:
        """All tombstones."""
        return RangeSet.of(seqs for ranges in self.given_up.values() for seqs in ranges.ranges)

    @property
    def pending(self) -> RangeSet:
        """The records that are to be sent."""
        everything = RangeSet(((1, self.accepted_hi),)) if self.accepted_hi else RangeSet()
        return everything - self.final - self.buried

    @property
    def in_flight(self) -> int:
        """How many records are not final: pending, or given up without the hub knowing."""
        return self.accepted_hi - len(self.final)

    def finished(self, final: RangeSet, *, most_ranges: int = _MAX_RANGES) -> "EpochLedger":
        """After the hub's commit. What was never accepted stays so.

        A commit that would leave more ranges than this is heard only as far as it settles the oldest records: the rest
        is sent once more.
        """
        known = final & RangeSet(((1, self.accepted_hi),)) if self.accepted_hi else RangeSet()
        whole = self.final | known
        if len(whole.ranges) > max(most_ranges, len(self.final.ranges)):
            known &= RangeSet(tuple(one for one in whole.ranges[:1] if one[0] == 1))
        given_up = {reason: rest for reason, seqs in self.given_up.items() if (rest := seqs - known)}
        return replace(self, final=self.final | known, given_up=given_up)

    def with_given_up(self, seqs: RangeSet, reason: LossReason) -> "EpochLedger":
        """With those of the seqs that were pending given up."""
        lost = seqs & self.pending
        return replace(self, given_up={**self.given_up, reason: self.given_up.get(reason, RangeSet()) | lost})

    def to_bytes(self) -> bytes:
        """As it stands in the file."""
        given_up: list[Item] = [
            [_REASONS.index(reason), _range_items(seqs)] for reason, seqs in self.given_up.items() if seqs
        ]
        return _checked([self.id, self.epoch, self.accepted_hi, _range_items(self.final), given_up])

    @classmethod
    def of_bytes(cls, number: int, data: bytes) -> Self:
        """Read it again.

        Raises:
            DamagedError: any other bytes.
        """
        try:
            found, epoch, accepted_hi, final, given_up = items.fields(_item(data), what="epoch", count=5)
            if found != number:
                raise DamagedError(f"epoch {number}: another one stands in its place")
            return cls(
                id=number,
                epoch=items.integer(epoch, what="epoch", maximum=MAX_EPOCH),
                accepted_hi=items.integer(accepted_hi, what="accepted"),
                final=_ranges(final),
                given_up=dict(_given_up(one) for one in items.array(given_up, what="losses", maximum=len(_REASONS))),
            )
        except ValueError as error:
            raise DamagedError(f"epoch {number}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What outlives the epochs: how many there were, what the forgotten ones had, and all that was ever given up."""

    openings: int = 0
    accepted_closed: int = 0
    given_up: Mapping[LossReason, int] = field(default_factory=dict)

    def with_given_up(self, records: int, reason: LossReason) -> "Totals":
        """With so many records more given up."""
        return replace(self, given_up={**self.given_up, reason: self.given_up.get(reason, 0) + records})

    def to_bytes(self) -> bytes:
        """As it stands in the file."""
        given_up: list[Item] = [[_REASONS.index(reason), count] for reason, count in self.given_up.items()]
        return _checked([self.openings, self.accepted_closed, given_up])

    @classmethod
    def of_bytes(cls, data: bytes) -> Self:
        """Read it again.

        Raises:
            DamagedError: any other bytes.
        """
        try:
            openings, accepted_closed, given_up = items.fields(_item(data), what="totals", count=3)
            pairs = [
                items.fields(one, what="loss", count=2)
                for one in items.array(given_up, what="losses", maximum=len(_REASONS))
            ]
            return cls(
                openings=items.integer(openings, what="openings"),
                accepted_closed=items.integer(accepted_closed, what="accepted"),
                given_up={
                    items.choice(reason, what="reason", choices=_REASONS): items.integer(count, what="count")
                    for reason, count in pairs
                },
            )
        except ValueError as error:
            raise DamagedError(f"totals: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What to send: records and tombstones of one epoch."""

    ledger: EpochLedger
    seqs: RangeSet
    losses: tuple[Loss, ...] = ()


def newest_portion(ledger: EpochLedger, skip: RangeSet, limit: int) -> Portion | None:
    """The newest `limit` records that may be sent."""
    free = ledger.pending - skip
    return Portion(ledger=ledger, seqs=newest(free, limit)) if free else None


def oldest_portion(
    ledgers: Iterable[EpochLedger], skip: Mapping[int, RangeSet], limit: int, max_losses: int
) -> Portion | None:
    """Of the first epoch with something to say, the oldest `limit` records and the tombstones."""
    for ledger in ledgers:
        skipped = skip.get(ledger.epoch, RangeSet())
        seqs = oldest(ledger.pending - skipped, limit)
        losses = tuple(
            Loss(first=first, last=last, reason=reason)
            for reason, given_up in ledger.given_up.items()
            for first, last in (given_up - skipped).ranges
        )
        if seqs or losses:
            return Portion(ledger=ledger, seqs=seqs, losses=losses[:max_losses])
    return None


def epoch_statuses(ledgers: Iterable[EpochLedger], *, present: int) -> tuple[EpochStatus, ...]:
    """The epochs worth telling the hub: those with something left, and the present one."""
    return tuple(
        EpochStatus(epoch=ledger.epoch, accepted_hi=ledger.accepted_hi)
        for ledger in ledgers
        if ledger.in_flight or ledger.epoch == present
    )


def oldest(seqs: RangeSet, limit: int) -> RangeSet:
    """The first `limit` numbers of a set."""
    taken: list[tuple[int, int]] = []
    for first, last in seqs.ranges:
        if limit <= 0:
            break
        end = min(last, first + limit - 1)
        taken.append((first, end))
        limit -= end - first + 1
    return RangeSet(tuple(taken))


def newest(seqs: RangeSet, limit: int) -> RangeSet:
    """The last `limit` numbers of a set."""
    taken: list[tuple[int, int]] = []
    for first, last in reversed(seqs.ranges):
        if limit <= 0:
            break
        start = max(first, last - limit + 1)
        taken.append((start, last))
        limit -= last - start + 1
    return RangeSet(tuple(reversed(taken)))


def _checked(item: Item) -> bytes:
    data = cbor.dump(item)
    return data + zlib.crc32(data).to_bytes(_CRC_BYTES, "big")


def _item(data: bytes) -> Item:
    if zlib.crc32(data[:-_CRC_BYTES]).to_bytes(_CRC_BYTES, "big") != data[-_CRC_BYTES:]:
        raise WireError("wrong checksum")
    return cbor.load(data[:-_CRC_BYTES])


def _range_items(seqs: RangeSet) -> Item:
    return [number for one in seqs.ranges for number in one]


def _ranges(item: Item) -> RangeSet:
    numbers = [
        items.integer(number, what="seq") for number in items.array(item, what="ranges", maximum=2 * _MAX_RANGES)
    ]
    return RangeSet(tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _given_up(item: Item) -> tuple[LossReason, RangeSet]:
    reason, seqs = items.fields(item, what="loss", count=2)
    return items.choice(reason, what="reason", choices=_REASONS), _ranges(seqs)
