"""The worker in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hub.ingest.breaker import BreakerState
from wire.identifiers import GatewayId

# What is simply counted up.
COUNTED: Final = (
    "received",
    "dropped_full",
    "foreign",
    "unreadable",
    "forged",
    "ignored_unknown",
    "ignored_blocked",
    "records_stored",
    "records_refused",
    "records_again",
    "conflicts",
    "commits",
    "retries",
    "held_back",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestCounters:
    """Since the worker started; messages unless the name says records.

    `dropped_full`: found the queue full, and will be sent again. `dropped_flood`: were more than their gateway's share,
    and will be sent again. `held_back`: messages and records that were refused while the breaker was open. `foreign`:
    on a topic that is none of ours. `unreadable`, `forged`, `conflicts`: in the dead letters. `records_again`: sent
    again after they were done. `retries`: tries that the store or the registry did not take. `trouble`: why ingest
    holds at the moment, or None. `write_delay_s`: how long the newest write took, None before the first.
    """

    received: int
    dropped_full: int
    dropped_flood: Mapping[GatewayId, int]
    foreign: int
    unreadable: int
    forged: int
    ignored_unknown: int
    ignored_blocked: int
    records_stored: int
    records_refused: int
    records_again: int
    conflicts: int
    commits: int
    retries: int
    queue_messages: int
    queue_bytes: int
    trouble: str | None
    breaker: BreakerState
    held_back: int
    write_delay_s: float | None
