"""What the hub shows of its fleet and values: facts of the registry and the stores, judged by the present time. Pure.

I1. Stale is computed from the promise (`every_s`) and the age, never claimed by whoever sent the value.
I2. Every value goes with its unit, age, mode and quality.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hub.freshness.promise import is_stale, stale_after
from hub.registry.ledger import Accounts
from hub.registry.model import Device, Gateway, GatewayState, Site, UnknownGateway
from hub.series.base import Latest, Sample, SeriesKey
from wire.messages import GroupInventory
from wire.quantities import QUANTITIES
from wire.records import Mode

_MS: Final = 1000
_NS_PER_MS: Final = 1_000_000
# A gateway speaks every 10 s; three missed and a little is silence.
SILENT_AFTER_S: Final = 35.0


def printable(text: str) -> str:
    """A gateway's own word as one line that a terminal obeys in nothing: what is no letter stands as its escape."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


class Presence(StrEnum):
    """Whether a gateway is there: `silent` has said nothing for too long, though not that it goes."""

    ONLINE = "online"
    SILENT = "silent"
    OFFLINE = "offline"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsView:
    """Where a gateway's records are: accepted = stored + refused + lost + in_flight + unexplained."""

    accepted: int
    stored: int
    refused: int
    lost: int
    lost_by_reason: dict[str, int]
    in_flight: int
    unexplained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """A gateway: where it is, whether it is there, and its accounts.

    `status_age_s` is the time since it last spoke about itself; `spool_in_flight` and `oldest_uncommitted_age_s` are
    its own word about what waits in its spool. None: not known.
    """

    gateway: str
    site: str | None
    reported_site: str | None
    state: GatewayState
    presence: Presence
    status_age_s: float | None
    agent_version: str
    time_quality: str | None
    spool_in_flight: int | None
    oldest_uncommitted_age_s: float | None
    accounts: AccountsView


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownGatewayView:
    """A name that spoke without being registered; nothing it sent was kept."""

    gateway: str
    age_s: float
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """All registered gateways, and the names that are not."""

    gateways: tuple[GatewayView, ...]
    unknown: tuple[UnknownGatewayView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """A place and how many of its gateways are there."""

    site: str
    name: str
    latitude: float | None
    longitude: float | None
    admin_unit: str
    gateways: int
    online: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointView:
    """One value a device gives."""

    key: str
    quantity: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """Values read together, and how often that is promised."""

    group: str
    measurement: str
    every_s: float
    points: tuple[PointView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device as its gateway sees it."""

    gateway: str
    site: str | None
    device: str
    profile: str
    revision: int
    bus: str
    quality: str | None
    last_good_age_s: float | None
    errors: dict[str, int]
    groups: tuple[GroupView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """One series, and what its numbers mean: `unit` is "" where the fleet no longer knows the point."""

    measurement: str
    site: str
    gateway: str
    device: str
    group: str
    mode: Mode
    field: str
    quantity: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestView:
    """The newest value of a series. `value` is None where the device gave none; `quality` says why.

    `age_s` is negative for a value from the future. `stale` is set when it is older than its promise allows, or from
    further ahead than clocks may differ.
    """

    series: SeriesView
    value: float | None
    quality: str
    time_ms: int
    age_s: float
    stale: bool
    stale_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleView:
    """One value at a time."""

    time_ms: int
    value: float | None
    quality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesView:
    """Values of one series over time; `truncated` is set where older ones were left out."""

    series: SeriesView
    aggregate: str | None
    window_s: float | None
    samples: tuple[SampleView, ...]
    truncated: bool


def presence_of(gateway: Gateway, *, now_ms: int) -> Presence:
    """Whether a gateway is there, by its last word and its age."""
    if gateway.status_ms is None:
        return Presence.NEVER
    if not gateway.online:
        return Presence.OFFLINE
    return Presence.ONLINE if _age_s(gateway.status_ms, now_ms) <= SILENT_AFTER_S else Presence.SILENT


def gateway_view(gateway: Gateway, accounts: Accounts | None, *, now_ms: int) -> GatewayView:
    """A gateway as it stands."""
    oldest_ms = gateway.oldest_uncommitted_ms
    return GatewayView(
        gateway=gateway.gateway,
        site=gateway.site,
        reported_site=gateway.reported_site,
        state=gateway.state,
        presence=presence_of(gateway, now_ms=now_ms),
        status_age_s=None if gateway.status_ms is None else _age_s(gateway.status_ms, now_ms),
        agent_version=gateway.agent_version,
        time_quality=None if gateway.time_quality is None else gateway.time_quality.name.lower(),
        spool_in_flight=gateway.in_flight,
        oldest_uncommitted_age_s=None if oldest_ms is None else _age_s(oldest_ms, now_ms),
        accounts=accounts_view(accounts),
    )


def accounts_view(accounts: Accounts | None) -> AccountsView:
    """A gateway's accounts; zeros for one that never sent anything."""
    if accounts is None:
        return AccountsView(accepted=0, stored=0, refused=0, lost=0, lost_by_reason={}, in_flight=0, unexplained=0)
    return AccountsView(
        accepted=accounts.accepted,
        stored=accounts.stored,
        refused=accounts.refused,
        lost=accounts.lost_total,
        lost_by_reason={reason.value: count for reason, count in accounts.lost.items()},
        in_flight=accounts.in_flight,
        unexplained=accounts.unexplained,
    )


def fleet_view(
    gateways: Sequence[Gateway], accounts: Sequence[Accounts], unknown: Sequence[UnknownGateway], *, now_ms: int
) -> FleetView:
    """All gateways as they stand."""
    by_gateway = {account.gateway: account for account in accounts}
    return FleetView(
        gateways=tuple(gateway_view(gateway, by_gateway.get(gateway.gateway), now_ms=now_ms) for gateway in gateways),
        unknown=tuple(
            UnknownGatewayView(gateway=item.gateway, age_s=_age_s(item.last_seen_ms, now_ms), messages=item.messages)
            for item in unknown
        ),
    )


def site_views(sites: Sequence[Site], gateways: Sequence[Gateway], *, now_ms: int) -> list[SiteView]:
    """All sites, with how many of their gateways are there."""
    return [_site_view(site, [item for item in gateways if item.site == site.site], now_ms) for site in sites]


def device_views(devices: Iterable[Device], gateways: Iterable[Gateway], *, now_ms: int) -> list[DeviceView]:
    """All devices, with the site of their gateway."""
    sites = {gateway.gateway: gateway.site for gateway in gateways}
    return [_device_view(device, sites.get(device.gateway), now_ms) for device in devices]


class Meanings:
    """What the fleet's inventory says about points: their quantity, their unit, and the promise of their group."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._groups: Mapping[tuple[str, str, str], GroupInventory] = {
            (device.gateway, device.device, group.group): group for device in devices for group in device.groups
        }

    def series(self, key: SeriesKey) -> SeriesView:
        """A series with its quantity and unit; where the inventory is silent, the quantity is guessed by the field."""
        group = self._group(key)
        point = next((item for item in group.points if item.key == key.field), None) if group else None
        known = QUANTITIES.get(point.quantity if point else key.field)
        return SeriesView(
            measurement=key.measurement,
            site=key.site,
            gateway=key.gateway,
            device=key.device,
            group=key.group,
            mode=key.mode,
            field=key.field,
            quantity=point.quantity if point else known.name if known else "",
            unit=printable(point.unit) if point else known.unit if known else "",
        )

    def latest(self, latest: Latest, *, now_ms: int) -> LatestView:
        """The newest value of a series, judged by its promise."""
        group = self._group(latest.series)
        stale_after_s = stale_after(group.every_s if group else None)
        time_ms = latest.sample.time_ns // _NS_PER_MS
        age_s = _age_s(time_ms, now_ms)
        return LatestView(
            series=self.series(latest.series),
            value=latest.sample.number,
            quality=latest.sample.quality.name.lower(),
            time_ms=time_ms,
            age_s=age_s,
            stale=is_stale(age_s, stale_after_s),
            stale_after_s=stale_after_s,
        )

    def _group(self, key: SeriesKey) -> GroupInventory | None:
        return self._groups.get((key.gateway, key.device, key.group))


def sample_view(sample: Sample) -> SampleView:
    """A value at a time."""
    return SampleView(time_ms=sample.time_ns // _NS_PER_MS, value=sample.number, quality=sample.quality.name.lower())


def _site_view(site: Site, gateways: Sequence[Gateway], now_ms: int) -> SiteView:
    return SiteView(
        site=site.site,
        name=site.name,
        latitude=site.latitude,
        longitude=site.longitude,
        admin_unit=site.admin_unit,
        gateways=len(gateways),
        online=sum(presence_of(gateway, now_ms=now_ms) is Presence.ONLINE for gateway in gateways),
    )


def _device_view(device: Device, site: str | None, now_ms: int) -> DeviceView:
    return DeviceView(
        gateway=device.gateway,
        site=site,
        device=device.device,
        profile=device.profile,
        revision=device.revision,
        bus=device.bus,
        quality=None if device.quality is None else device.quality.name.lower(),
        last_good_age_s=None if device.last_good_ms is None else _age_s(device.last_good_ms, now_ms),
        errors=dict(device.errors),
        groups=tuple(_group_view(group) for group in device.groups),
    )


def _group_view(group: GroupInventory) -> GroupView:
    points = tuple(PointView(key=item.key, quantity=item.quantity, unit=item.unit) for item in group.points)
    return GroupView(group=group.group, measurement=group.measurement, every_s=group.every_s, points=points)


def _age_s(then_ms: int, now_ms: int) -> float:
    return (now_ms - then_ms) / _MS
