"""What the hub knows of a gateway and of itself, as points of the measurements `gateway` and `hub`. Pure.

I1. Nothing is made up: a number nobody gave is not a field, and a group without a number is no point.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hub.ingest.counters import IngestCounters
from hub.registry.ledger import Accounts
from hub.registry.model import DayCount, Gateway
from hub.series.sheet import Point
from wire.errors import WireError
from wire.identifiers import check_identifier
from wire.quantities import QUANTITIES
from wire.records import LossReason, Mode, Quality

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1000
_AGENT: Final = "agent"
_HUB: Final = "hub"
_NOWHERE: Final = "unknown"
_DELIVERY_FROM_MACHINE: Final = frozenset({"commit_delay_s"})
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class HubNumbers:
    """The hub itself: its ingest, its dead letters, its memory in bytes (None: cannot be known)."""

    ingest: IngestCounters
    dead_letters_open: int
    memory_bytes: float | None


def gateway_points(gateway: Gateway, accounts: Accounts, *, is_online: bool, now_ms: int) -> Iterator[Point]:
    """How a gateway is: its delivery by the ledger, its machine and its buses by its own word."""
    site = gateway.site or gateway.reported_site or _NOWHERE
    groups: list[tuple[str, str, dict[str, float]]] = [
        (_AGENT, "delivery", _delivery(gateway, accounts, is_online=is_online, now_ms=now_ms))
    ]
    if is_online:  # what a gateway said before it fell silent is no number of now
        machine = {name: number for name, number in gateway.machine.items() if name not in _DELIVERY_FROM_MACHINE}
        if gateway.time_quality is not None:
            machine["time_quality"] = float(gateway.time_quality.value)
        groups.append((_AGENT, "machine", machine))
        groups += [(bus_tag(bus.bus), "bus", dict(bus.numbers)) for bus in gateway.buses]
    for device, group, numbers in groups:
        fields = known_numbers(numbers)
        if fields:
            yield _point("gateway", site, gateway.gateway, device, group, fields, now_ms)


def hub_points(numbers: HubNumbers, *, now_ms: int) -> Iterator[Point]:
    """How the hub is."""
    ingest = numbers.ingest
    fields = {
        "queue_messages": float(ingest.queue_messages),
        "queue_bytes": float(ingest.queue_bytes),
        "stored": float(ingest.records_stored),
        "refused": float(ingest.records_refused),
        "dead_letters_open": float(numbers.dead_letters_open),
        "breaker_open": float(ingest.breaker.is_open),
    }
    if numbers.memory_bytes is not None:
        fields["memory_bytes"] = numbers.memory_bytes
    if ingest.write_delay_s is not None:
        fields["write_delay_s"] = ingest.write_delay_s
    yield _point("hub", _HUB, _HUB, _HUB, "ingest", fields, now_ms)


def audit_point(found: list[DayCount], *, now_ms: int) -> Point:
    """What an audit found in all: rows that are missing, and records checked.

    A count cannot tell a row that another overwrote from one that was deleted: both are missing.
    """
    fields = {
        "missing": float(sum(one.missing for one in found)),
        "checked": float(sum(one.stored for one in found)),
    }
    return _point("hub", _HUB, _HUB, _HUB, "audit", fields, now_ms)


def bus_tag(name: str) -> str:
    """A bus's name as a tag: people may call a bus what they like, tags are a-z 0-9 _ -."""
    try:
        return check_identifier(name, what="bus")
    except WireError:
        return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-") or "bus"


def known_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """Those whose names are quantities: a newer gateway may say more than this hub understands."""
    return {name: float(number) for name, number in numbers.items() if name in QUANTITIES}


def _delivery(gateway: Gateway, accounts: Accounts, *, is_online: bool, now_ms: int) -> dict[str, float]:
    told: dict[str, float] = {
        "accepted": accounts.accepted,
        "stored": accounts.stored,
        "refused": accounts.refused,
        **{f"lost_{reason.value}": accounts.lost.get(reason, 0) for reason in LossReason},
        "in_flight": accounts.in_flight,
        "unexplained": accounts.unexplained,
        "online": float(is_online),
    }
    if gateway.status_ms is not None:
        told["status_age_s"] = max(0, now_ms - gateway.status_ms) / _MS_PER_S
    if gateway.oldest_uncommitted_ms is not None:
        told["oldest_uncommitted_s"] = max(0, now_ms - gateway.oldest_uncommitted_ms) / _MS_PER_S
    if is_online:
        told |= {name: gateway.machine[name] for name in _DELIVERY_FROM_MACHINE if name in gateway.machine}
    return told


def _point(
    measurement: str, site: str, gateway: str, device: str, group: str, fields: Mapping[str, float], now_ms: int
) -> Point:
    return Point(
        measurement=measurement,
        site=site,
        gateway=gateway,
        device=device,
        group=group,
        mode=Mode.LIVE,
        time_ns=now_ms * _NS_PER_MS,
        fields=dict(fields),
        qualities=dict.fromkeys(fields, Quality.GOOD),
    )
