"""What the registry knows, as plain facts. Pure.

Times are UTC, milliseconds since 1970. None means: not known, or never yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import BusStatus, GroupInventory
from wire.records import LossReason, Quality, TimeQuality


class RegistryError(Exception):
    """The registry cannot do what was asked: what, why, and what to do."""


class GatewayState(StrEnum):
    """Whether what a gateway sends is taken in. `blocked` was decided by a person."""

    ACTIVE = "active"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place: a name for people, a position in degrees (WGS 84), an administrative unit."""

    site: SiteId
    name: str
    latitude: float | None = None
    longitude: float | None = None
    admin_unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway a person registered, and the last it said about itself.

    `site` is where the person put it; `reported_site` is where the gateway believes to be. Totals are the gateway's
    own, over the life of its spool. `machine` and `buses` are its last numbers, by the names of `wire.quantities`.
    """

    gateway: GatewayId
    site: SiteId | None
    state: GatewayState
    registered_ms: int
    first_seen_ms: int | None = None
    last_seen_ms: int | None = None
    status_ms: int | None = None
    online: bool = False
    reported_site: SiteId | None = None
    agent_version: str = ""
    boot_ms: int | None = None
    time_quality: TimeQuality | None = None
    accepted_total: int | None = None
    final_total: int | None = None
    in_flight: int | None = None
    oldest_uncommitted_ms: int | None = None
    lost_total: Mapping[LossReason, int] = field(default_factory=dict)
    machine: Mapping[str, float] = field(default_factory=dict)
    buses: tuple[BusStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownGateway:
    """A name that spoke without being registered. Nothing it sent was kept."""

    gateway: GatewayId
    first_seen_ms: int
    last_seen_ms: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as its gateway's inventory and status describe it. `quality` is None before the first status."""

    gateway: GatewayId
    device: DeviceId
    profile: str
    revision: int
    bus: str
    groups: tuple[GroupInventory, ...]
    quality: Quality | None = None
    last_good_ms: int | None = None
    errors: Mapping[str, int] = field(default_factory=dict)


class DeadReason(StrEnum):
    """Why a message or a record was put aside."""

    REFUSED = "refused"
    UNREADABLE = "unreadable"
    FORGED = "forged"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Something a registered gateway sent that will never be stored, kept for a person to look at.

    `payload` is the message as it came, or for a single record a batch of that record alone. The same payload of the
    same gateway is one dead letter however often it comes; `times` counts.
    """

    gateway: GatewayId
    topic: str
    reason: DeadReason
    detail: str
    time_ms: int
    payload: bytes
    epoch: int | None = None
    seq: int | None = None
    times: int = 1
    letter_id: int | None = None


class Outcome(StrEnum):
    """What a person had done with a dead letter."""

    STORED = "stored"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLetter:
    """The trace of a dead letter that is dealt with. `digest` is the SHA-256 of its payload."""

    letter_id: int
    gateway: GatewayId
    digest: str
    reason: DeadReason
    detail: str
    epoch: int | None
    seq: int | None
    times: int
    outcome: Outcome
    closed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """A gateway's records of one UTC day (counted since 1970-01-01): stored by the ledger, rows in the database."""

    gateway: GatewayId
    day: int
    stored: int
    rows: int
    audited_ms: int | None = None

    @property
    def missing(self) -> int:
        """Records that the ledger says are stored and the database does not hold."""
        return max(0, self.stored - self.rows)

    @property
    def surplus(self) -> int:
        """Rows that the ledger does not know: a hub died before its ledger, or the ledger is an old one."""
        return max(0, self.rows - self.stored)
