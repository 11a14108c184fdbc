"""What gateway and hub say to each other besides records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.records import LossReason, PointLayout, Quality, TimeQuality

# A payload holds about 9000 epochs of 14 bytes; the newest are worth telling each time.
MAX_EPOCHS_TOLD: Final = 1000


class Refusal(IntEnum):
    """Why the hub will never store a record. It is final: the record is in the hub's dead letters."""

    DATABASE = 1
    CONFLICT = 2
    UNKNOWN_UNIT = 3
    UNREADABLE = 4
    RESERVED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One record that is final because it was refused."""

    seq: int
    reason: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The hub's word that records are in the database, or were refused and why. Only this lets a gateway forget.

    `final` holds inclusive ranges of seq, refused ones and declared losses included. `credit` is how many
    batches the gateway may have in flight. `hub_time_ms` is the hub's UTC clock. `gateways` is how many the hub serves,
    so that they can come back one after another when all have lost it; 0 where it does not say.
    """

    gateway: GatewayId
    epoch: int
    final: tuple[tuple[int, int], ...]
    refused: tuple[Refused, ...] = ()
    credit: int
    hub_time_ms: int
    gateways: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """One device as its gateway sees it. `errors` counts failed polls by kind since the agent started."""

    device: DeviceId
    quality: Quality
    last_good_ms: int | None
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochStatus:
    """One epoch of a spool: seqs 1..accepted_hi were accepted."""

    epoch: int
    accepted_hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusStatus:
    """One bus in numbers, by the names of `wire.quantities`; counts since the agent started."""

    bus: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A gateway's word about itself: retained, and (with `online` false) its last will.

    Totals count records over the life of the spool. `epochs` lists the epochs that are not wholly final, and the
    present one: the newest `MAX_EPOCHS_TOLD` of them. `machine` is how the computer is, in numbers by the names of
    `wire.quantities`; what cannot be known is not there. A last will knows no numbers: its totals are None.
    """

    gateway: GatewayId
    online: bool
    site: SiteId
    agent_version: str
    boot_ms: int
    time_quality: TimeQuality = TimeQuality.SYNCED
    accepted_total: int | None = None
    final_total: int | None = None
    in_flight: int | None = None
    oldest_uncommitted_ms: int | None = None
    lost_total: dict[LossReason, int] = field(default_factory=dict)
    epochs: tuple[EpochStatus, ...] = ()
    devices: tuple[DeviceStatus, ...] = ()
    machine: Mapping[str, float] = field(default_factory=dict)
    buses: tuple[BusStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInventory:
    """One point group of a device: what a record of it holds, and how often it is promised, in seconds."""

    group: str
    measurement: str
    every_s: float
    points: tuple[PointLayout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInventory:
    """One device on a gateway: which profile reads it, over which bus."""

    device: DeviceId
    profile: str
    revision: int
    bus: str
    groups: tuple[GroupInventory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a gateway reads. Retained."""

    gateway: GatewayId
    site: SiteId
    devices: tuple[DeviceInventory, ...]
