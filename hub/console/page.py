"""What the page says, from the API's views to words and numbers. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from hub.api.shown import Health
from hub.api.views import FleetView, GatewayView, LatestView, Presence, SiteView
from hub.console.formats import age_text, name_text, number_text, unit_text
from hub.console.texts import Texts
from hub.registry.model import GatewayState
from hub.series.base import Aggregate
from wire.quantities import QUANTITIES, QuantityKind
from wire.records import Mode

_ORDER: Final = (
    QuantityKind.GAUGE,
    QuantityKind.ANGLE,
    QuantityKind.TALLY,
    QuantityKind.COUNTER,
    QuantityKind.STATE,
)

MOST_VALUES: Final = 400
_NOT_REAL: Final = frozenset({Mode.SIMULATED, Mode.EXERCISE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number of the summary; `tone` is good, warn or bad."""

    label: str
    text: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the hub."""

    label: str
    kind: str
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCard:
    """One gateway."""

    gateway: str
    presence: str
    presence_text: str
    last_word: str
    version: str
    accounts: tuple[tuple[str, str, str], ...]
    waiting: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCard:
    """One place and its gateways."""

    name: str
    gateways: tuple[GatewayCard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRow:
    """One value: `query` finds its series in the API, `aggregate` is how it may be put together over time."""

    name: str
    value: str | None
    unit: str
    age: str
    time_ms: int
    is_stale: bool
    mode: str
    mode_text: str
    is_real: bool
    quality: str
    quality_text: str
    query: str
    aggregate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCard:
    """One device and its values."""

    device: str
    place: str
    rows: tuple[ValueRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything on the page that changes."""

    now_ms: int
    parts: tuple[Part, ...]
    tiles: tuple[Tile, ...]
    not_real: str | None
    sites: tuple[SiteCard, ...]
    unknown: tuple[tuple[str, str], ...]
    devices: tuple[DeviceCard, ...]
    more: str | None
    trouble: str | None


def page_in_trouble(health: Health, trouble: str, t: Texts) -> Page:
    """The page while the hub cannot read its stores: which part is in trouble, and no value at all."""
    return Page(
        now_ms=health.now_ms,
        parts=_parts(health, t),
        tiles=(),
        not_real=None,
        sites=(),
        unknown=(),
        devices=(),
        more=None,
        trouble=trouble,
    )


def page_of(
    health: Health, fleet: FleetView, sites: Sequence[SiteView], latest: Sequence[LatestView], t: Texts
) -> Page:
    """The page in the reader's language; at most `MOST_VALUES` values, and a word about the others."""
    shown = latest[:MOST_VALUES]
    fake = sum(item.series.mode in _NOT_REAL for item in shown)
    left_out = len(latest) - len(shown)
    return Page(
        now_ms=health.now_ms,
        parts=_parts(health, t),
        tiles=_tiles(fleet, latest, t),
        not_real=t("not_real", count=fake, all=len(shown)) if fake else None,
        sites=_sites(fleet, sites, t),
        unknown=tuple((item.gateway, _ago(item.age_s, t)) for item in fleet.unknown),
        devices=_devices(shown, sites, t),
        more=t("more_series", count=left_out) if left_out else None,
        trouble=None,
    )


def _parts(health: Health, t: Texts) -> tuple[Part, ...]:
    parts = (("broker", health.broker), ("series", health.series), ("registry", health.registry))
    told = [Part(label=t(name), kind=part.kind, trouble=part.trouble) for name, part in parts]
    alarms = [Part(label=t(f"alarm_{alarm.kind}"), kind="", trouble=alarm.text) for alarm in health.alarms]
    return (*told, Part(label=t("ingest"), kind="", trouble=health.ingest.trouble), *alarms)


def _tiles(fleet: FleetView, latest: Sequence[LatestView], t: Texts) -> tuple[Tile, ...]:
    gateways = fleet.gateways
    online = sum(item.presence is Presence.ONLINE for item in gateways)
    fresh = sum(not item.stale for item in latest)
    waiting = sum(item.accounts.in_flight for item in gateways)
    missing = sum(item.accounts.unexplained for item in gateways)
    count = _count(missing, t)
    return (
        Tile(
            label=t("gateways"),
            text=t("online_of", online=online, all=len(gateways)),
            tone="good" if online == len(gateways) else "warn",
        ),
        Tile(
            label=t("values"),
            text=t("fresh_of", fresh=fresh, all=len(latest)),
            tone="good" if fresh == len(latest) else "warn",
        ),
        Tile(label=t("waiting"), text=t("records", count=_count(waiting, t)), tone="plain"),
        Tile(
            label=t("unexplained"),
            text=t("unexplained_some", count=count) if missing else t("unexplained_none"),
            tone="bad" if missing else "good",
        ),
    )


def _sites(fleet: FleetView, sites: Sequence[SiteView], t: Texts) -> tuple[SiteCard, ...]:
    names = {site.site: site.name or site.site for site in sites}
    ordered = sorted(fleet.gateways, key=lambda item: (item.site is None, item.site or "", item.gateway))
    return tuple(
        SiteCard(
            name=t("no_site") if site is None else names.get(site, site),
            gateways=tuple(_gateway(item, t) for item in members),
        )
        for site, members in groupby(ordered, key=lambda item: item.site)
    )


def _gateway(view: GatewayView, t: Texts) -> GatewayCard:
    blocked = view.state is GatewayState.BLOCKED
    accounts = view.accounts
    numbers = (
        ("accepted", accounts.accepted, "plain"),
        ("stored", accounts.stored, "plain"),
        ("in_flight", accounts.in_flight, "plain"),
        ("refused", accounts.refused, "warn"),
        ("lost", accounts.lost, "bad"),
        ("unexplained", accounts.unexplained, "bad"),
    )
    waiting = ""
    if view.spool_in_flight is not None:
        waiting = f"{t('spool')}: {_count(view.spool_in_flight, t)}"
        if view.spool_in_flight and view.oldest_uncommitted_age_s is not None:
            waiting += f" ({t('oldest', age=age_text(view.oldest_uncommitted_age_s, t.language))})"
    return GatewayCard(
        gateway=view.gateway,
        presence="blocked" if blocked else view.presence.value,
        presence_text=t("state_blocked") if blocked else t(f"presence_{view.presence.value}"),
        last_word="" if view.status_age_s is None else t("last_word", age=age_text(view.status_age_s, t.language)),
        version=view.agent_version,
        accounts=tuple((t(name), _count(count, t), tone if count else "plain") for name, count, tone in numbers),
        waiting=waiting,
    )


def _devices(latest: Iterable[LatestView], sites: Sequence[SiteView], t: Texts) -> tuple[DeviceCard, ...]:
    names = {site.site: site.name or site.site for site in sites}
    ordered = sorted(
        latest,
        key=lambda item: (item.series.site, item.series.gateway, item.series.device, _rank(item.series.quantity)),
    )
    grouped = groupby(ordered, key=lambda item: (item.series.site, item.series.gateway, item.series.device))
    return tuple(
        DeviceCard(
            device=device,
            place=f"{names.get(site, site)} · {gateway}",
            rows=tuple(_row(item, t) for item in members),
        )
        for (site, gateway, device), members in grouped
    )


def _row(view: LatestView, t: Texts) -> ValueRow:
    series = view.series
    parts = ("measurement", "site", "gateway", "device", "group", "mode", "field")
    return ValueRow(
        name=name_text(series.quantity, series.field, t.language),
        value=None if view.value is None else number_text(view.value, t.language),
        unit=unit_text(series.unit),
        age=_ago(view.age_s, t),
        time_ms=view.time_ms,
        is_stale=view.stale,
        mode=series.mode.value,
        mode_text=t(f"mode_{series.mode.value}"),
        is_real=series.mode not in _NOT_REAL,
        quality=view.quality,
        quality_text=t(f"quality_{view.quality}"),
        query=urlencode({part: str(getattr(series, part)) for part in parts}),
        aggregate=_aggregate(series.quantity).value,
    )


def _rank(name: str) -> int:
    """Measurements come before counters, and counters before states, which are many and seldom change."""
    quantity = QUANTITIES.get(name)
    return len(_ORDER) if quantity is None else _ORDER.index(quantity.kind)


def _aggregate(name: str) -> Aggregate:
    """Only a gauge may be averaged."""
    quantity = QUANTITIES.get(name)
    match quantity.kind if quantity else None:
        case QuantityKind.GAUGE:
            return Aggregate.MEAN
        case QuantityKind.TALLY:
            return Aggregate.SUM
        case QuantityKind.ANGLE | QuantityKind.COUNTER | QuantityKind.STATE | None:
            return Aggregate.LAST


def _ago(age_s: float, t: Texts) -> str:
    return t("ago" if age_s > -1 else "ahead", age=age_text(age_s, t.language))


def _count(count: int, t: Texts) -> str:
    return number_text(count, t.language)
