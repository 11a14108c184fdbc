"""What a person has to look at, in words that say what, where, why and what to do. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.ingest.counters import IngestCounters
from hub.registry.dead_letter_store import DeadLetterCount
from hub.registry.ledger import Accounts
from hub.registry.model import DayCount

_MOST_NAMED: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One of them; `kind` is dead_letters, breaker, unexplained, audit, flood or store."""

    kind: str
    text: str


def day_name(day: int) -> str:
    """A UTC day counted since 1970-01-01, as people write it."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def alarms_of(
    *,
    ingest: IngestCounters,
    dead_letters: Sequence[DeadLetterCount] = (),
    accounts: Sequence[Accounts] = (),
    differing: Sequence[DayCount] = (),
    store_faults: Sequence[str] = (),
) -> list[Alarm]:
    """All there are, the gravest first."""
    return [
        *_breaker(ingest),
        *(Alarm(kind="store", text=fault) for fault in store_faults),
        *_unexplained(accounts),
        *_audit(differing),
        *_dead_letters(dead_letters),
        *_flood(ingest),
    ]


def _breaker(ingest: IngestCounters) -> Iterator[Alarm]:
    state = ingest.breaker
    if state.is_open:
        yield Alarm(
            kind="breaker",
            text=f"{len(state.refused)} of {state.heard} gateways are refused ({state.reason}): the fault may be the "
            "hub's, so what is refused is neither stored nor put aside, and its gateways keep it; mend the cause, or "
            "put it aside with `sen-hub breaker close DIR`",
        )


def _unexplained(accounts: Sequence[Accounts]) -> Iterator[Alarm]:
    for one in accounts:
        if one.unexplained:
            yield Alarm(
                kind="unexplained",
                text=f"gateway {one.gateway}: {one.unexplained} records were accepted and are neither stored, refused, "
                "lost nor under way; after an old registry was restored `sen-hub audit DIR --repair` finds them",
            )


def _audit(differing: Sequence[DayCount]) -> Iterator[Alarm]:
    missing = [one for one in differing if one.missing]
    if missing:
        named = "; ".join(f"{one.gateway} on {day_name(one.day)}: {one.missing}" for one in missing[:_MOST_NAMED])
        more = f"; and {len(missing) - _MOST_NAMED} more days" if len(missing) > _MOST_NAMED else ""
        yield Alarm(kind="audit", text=f"rows are missing in the series store ({named}{more}); see `sen-hub audit DIR`")


def _dead_letters(counts: Sequence[DeadLetterCount]) -> Iterator[Alarm]:
    kept = {one.gateway: one.kept for one in counts if one.kept}
    if kept:
        named = ", ".join(f"{gateway}: {count}" for gateway, count in sorted(kept.items())[:_MOST_NAMED])
        more = f" and {len(kept) - _MOST_NAMED} more gateways" if len(kept) > _MOST_NAMED else ""
        yield Alarm(
            kind="dead_letters",
            text=f"{sum(kept.values())} dead letters are open ({named}{more}): "
            "look at them with `sen-hub dead-letters list DIR`, then retry or drop them",
        )


def _flood(ingest: IngestCounters) -> Iterator[Alarm]:
    for gateway, count in sorted(ingest.dropped_flood.items()):
        yield Alarm(
            kind="flood",
            text=f"gateway {gateway} sent {count} messages more than its share since the hub started; they were "
            "dropped and not committed; is something wrong with it?",
        )
