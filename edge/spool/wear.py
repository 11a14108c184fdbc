"""What a card has to bear: how much is written to it in a day, and for how many years it lasts. Pure.

A commit is one frame behind the last, and what reaches the card is whole pages: the frame's own, and the rest of the
page it begins in, which is written again. The figures are within a tenth of what the real spool writes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.spool import chunks
from edge.spool.base import Reading, SpoolState, record_of
from edge.spool.disk import PAGE_BYTES
from edge.spool.frames import MARK_BYTES
from wire.codec import MAX_RECORDS
from wire.identifiers import GatewayId
from wire.records import Record, Stream, Value

_DAY_S: Final = 86_400
_LEAST_UPTIME_S: Final = 600.0
_YEAR_DAYS: Final = 365.25
_NOTE_BYTES: Final = 70  # what changed since the frame before, once a hub answers
# A card's own pages are larger than the file system's, 16 KiB on most: at worst it writes a whole one for each of ours.
_CARD_PAGES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One group of one device: a record each `period_s`."""

    stream: Stream
    period_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card of `gigabytes` of 10^9 bytes, each of whose cells can be written `cycles` times."""

    gigabytes: float
    cycles: float

    def years(self, bytes_per_day: float) -> float:
        """How long it lasts when so much is written to it each day and nothing else; for ever where that is nothing."""
        if bytes_per_day <= 0:
            return math.inf
        return self.gigabytes * 1e9 * self.cycles / (_CARD_PAGES * bytes_per_day * _YEAR_DAYS)

    def years_at(self, spool: SpoolState, *, uptime_s: float) -> float | None:
        """How long it lasts if it goes on as since this spool was opened; None while that is too short to tell."""
        accepted = next((one.accepted_hi for one in spool.epochs if one.epoch == spool.epoch), 0)
        if spool.bytes_per_record is None or uptime_s < _LEAST_UPTIME_S:
            return None
        return self.years(spool.bytes_per_record * accepted / uptime_s * _DAY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What a spool writes: `frame_bytes` is what one commit is long, before it is pages."""

    records_per_s: float
    commits_per_s: float
    frame_bytes: int

    @property
    def bytes_per_day(self) -> float:
        """What reaches the card."""
        return self.commits_per_s * _DAY_S * (self.frame_bytes + PAGE_BYTES - 1)

    @property
    def bytes_per_record(self) -> float:
        """The same for each record."""
        return self.bytes_per_day / (self.records_per_s * _DAY_S) if self.records_per_s else 0.0


def writing_of(gateway: GatewayId, flows: Sequence[Flow], *, commit_records: int, commit_s: float) -> Writing:
    """What these flows cost. A commit comes with its last record, or so long after its first."""
    records_per_s = math.fsum(1 / flow.period_s for flow in flows)
    if not records_per_s:
        return Writing(records_per_s=0.0, commits_per_s=0.0, frame_bytes=0)
    in_commit = min(commit_records, 1 + records_per_s * commit_s)
    body_bytes = sum(len(body) for _, body in chunks.bodies_of(gateway, 2**63, sample_of(flows, round(in_commit))))
    return Writing(
        records_per_s=records_per_s,
        commits_per_s=records_per_s / in_commit,
        frame_bytes=2 * MARK_BYTES + _NOTE_BYTES + body_bytes,
    )


def sample_of(flows: Sequence[Flow], count: int) -> list[Record]:
    """So many records, each flow as often as it comes, with values of one decimal that move as field values do."""
    due = sorted(
        (n * flow.period_s, at) for at, flow in enumerate(flows) for n in range(1, 1 + math.ceil(count / len(flows)))
    )
    return [
        record_of(
            Reading(
                stream=flows[at].stream,
                time_ms=1_800_000_000_000 + round(1000 * due_s),
                values=tuple(Value(((7919 * (seq + n)) % 1000) / 10) for n, _ in enumerate(flows[at].stream.points)),
            ),
            seq,
        )
        for seq, (due_s, at) in enumerate(due[: min(count, MAX_RECORDS)], 1)
    ]
