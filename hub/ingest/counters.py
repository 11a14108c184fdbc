"""The worker in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestCounters:
    """Since the worker started; messages unless the name says records.

    `dropped_full`: found the queue full, and will be sent again. `foreign`: on a topic that is none of ours.
    `unreadable`, `forged`, `conflicts`: in the dead letters. `records_again`: sent again after they were done.
    `retries`: tries that the store or the registry did not take. `trouble`: why ingest holds at the moment, or None.
    """

    received: int
    dropped_full: int
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
