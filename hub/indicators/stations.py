"""What the stations of a gateway measured, as hourly means in ug/m3 that may be trusted. Pure.

I1. A mean stands for its hour only where three quarters of the values that were promised for it were good. A device
    that is in no inventory promised nothing: then three quarters of what came must be good.
I2. What was measured, what was forecast, what was simulated and what belongs to an exercise are worlds apart: a station
    has its own hours in each, and within the real one the least doubtful mode is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.indicators.concentration import ug_per_m3
from hub.indicators.vn_aqi import Pollutant
from hub.levels.level import HOUR_NS
from hub.registry.model import Device
from hub.series.base import SeriesKey, SeriesSamples
from wire.quantities import QUANTITIES
from wire.records import Mode

LEAST_SHARE: Final = 0.75
_HOUR_S: Final = 3600.0
_APART: Final = frozenset({Mode.FORECAST, Mode.SIMULATED, Mode.EXERCISE})
_MODES: Final = tuple(Mode)

# Which quantities say how much there is of a pollutant: what the device weighed goes before what it counted by volume.
_QUANTITIES: Final[Mapping[Pollutant, tuple[str, ...]]] = {
    Pollutant.PM2_5: ("pm2_5",),
    Pollutant.PM10: ("pm10",),
    Pollutant.O3: ("o3_mass", "o3"),
    Pollutant.NO2: ("no2_mass", "no2"),
    Pollutant.SO2: ("so2_mass", "so2"),
    Pollutant.CO: ("co_mass", "co"),
}
_GAS: Final = {Pollutant.O3: "o3", Pollutant.NO2: "no2", Pollutant.SO2: "so2", Pollutant.CO: "co"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One point of a device that measures a pollutant. `rank`: the lower one is taken where a device has several."""

    pollutant: Pollutant
    quantity: str
    rank: tuple[int, str, str]
    every_s: float | None


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of one hour in ug/m3, and how it came about."""

    concentration: float
    mode: Mode


@dataclass(slots=True)
class Station:
    """A device in one world. `means` by pollutant and hour since 1970."""

    site: str
    device: str
    means: dict[Pollutant, dict[int, Mean]] = field(default_factory=dict)

    def hours(self) -> set[int]:
        """In which hours it measured anything."""
        return {hour for by_hour in self.means.values() for hour in by_hour}

    def of(self, pollutant: Pollutant, hours: Iterable[int]) -> list[Mean | None]:
        """The means of these hours."""
        by_hour = self.means.get(pollutant, {})
        return [by_hour.get(hour) for hour in hours]


Channels = Mapping[tuple[str, str, str], Channel]


def channels_of(devices: Iterable[Device]) -> dict[tuple[str, str, str], Channel]:
    """The points of these devices that measure pollutants, by device, group and key."""
    return {
        (device.device, group.group, point.key): channel
        for device in devices
        for group in device.groups
        for point in group.points
        if (channel := _channel(point.key, point.quantity, group.group, group.every_s)) is not None
    }


def stations_of(found: Sequence[SeriesSamples], channels: Channels) -> list[Station]:
    """The stations in series of the hourly level of one gateway."""
    by_key = {item.series: {sample.time_ns: sample.number for sample in item.samples} for item in found}
    fields = {item.series.field for item in found}
    stations: dict[tuple[str, str, bool | Mode], Station] = {}
    ranked = sorted(
        ((channel, series) for series in by_key if (channel := _channel_of(series, channels, fields)) is not None),
        key=lambda pair: (pair[0].rank, _MODES.index(pair[1].mode)),
    )
    for channel, series in ranked:
        world = series.mode in _APART and series.mode
        station = stations.setdefault((series.site, series.device, world), Station(series.site, series.device))
        by_hour = station.means.setdefault(channel.pollutant, {})
        for time_ns, concentration in _trusted(series, channel, by_key).items():
            by_hour.setdefault(time_ns // HOUR_NS, Mean(concentration, series.mode))
    return list(stations.values())


def _channel_of(series: SeriesKey, channels: Channels, fields: set[str]) -> Channel | None:
    at = (series.device, series.group, series.field)
    if at in channels or f"{series.field}_count" not in fields:
        return channels.get(at)
    return _channel(series.field, series.field, series.group, None)


def _channel(key: str, quantity: str, group: str, every_s: float | None) -> Channel | None:
    for pollutant, quantities in _QUANTITIES.items():
        if quantity in quantities:
            rank = (quantities.index(quantity), "" if key == quantity else key, group)
            return Channel(pollutant=pollutant, quantity=quantity, rank=rank, every_s=every_s)
    return None


def _trusted(
    series: SeriesKey, channel: Channel, by_key: Mapping[SeriesKey, Mapping[int, float | None]]
) -> dict[int, float]:
    """The hours whose mean may be trusted, in ug/m3, by their beginnings."""
    counts, shares = (by_key.get(_beside(series, ending), {}) for ending in ("_count", "_good"))
    trusted = {}
    for time_ns, number in by_key[series].items():
        share = shares.get(time_ns) or 0.0
        good = counts.get(time_ns) or 0.0 if share > 0 else 0.0
        if number is not None and _is_enough(good, share, channel.every_s):
            trusted[time_ns] = _weighed(channel, number)
    return trusted


def _is_enough(good: float, share: float, every_s: float | None) -> bool:
    if every_s is None or every_s <= 0:
        return share >= LEAST_SHARE
    return good >= LEAST_SHARE * max(1.0, _HOUR_S / every_s)


def _weighed(channel: Channel, number: float) -> float:
    gas = _GAS.get(channel.pollutant)
    return number if gas is None else ug_per_m3(gas, number, QUANTITIES[channel.quantity].unit)


def _beside(series: SeriesKey, ending: str) -> SeriesKey:
    return SeriesKey(
        measurement=series.measurement,
        site=series.site,
        gateway=series.gateway,
        device=series.device,
        group=series.group,
        mode=series.mode,
        field=series.field + ending,
    )
