"""Computes VN_AQI from the hourly level and stores it, again whenever an hour it rests on changes.

I1. The same stored hours always give the same points: computing again changes nothing.
I2. A point carries the worst mode of what it was made of, the version of the formula, and whether it is `indicative`:
    every station is, until `hub.yaml` names it as one whose data are quality-controlled (Decision 1459, Table 3).
    Where an hour of a worse mode comes later, its index stands beside the earlier one: nothing stored is taken back.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.indicators.stations import Mean, Station, channels_of, stations_of
from hub.indicators.vn_aqi import DAY_HOURS, FORMULA_VERSION, NOWCAST_HOURS, Pollutant, day_index, hour_index
from hub.levels.level import HOUR_NS, Level
from hub.registry.fleet import Fleet
from hub.series.base import Selection, SeriesError, SeriesStore, TimeRange
from hub.series.sheet import Point, sheets_of
from wire.identifiers import GatewayId
from wire.records import Mode, Quality

MEASUREMENT: Final = "indicator"
GROUP: Final = "vn_aqi"
_SOURCE_MEASUREMENT: Final = "air_quality"
_MODES: Final = tuple(Mode)
_PARTICLES: Final = (Pollutant.PM2_5, Pollutant.PM10)


@dataclass(frozen=True, slots=True, kw_only=True)
class AirQualityRules:
    """What the province decides: its time of day, and which stations (`gateway/device`) are no mere indication."""

    utc_offset_hours: int = 7
    reference_stations: frozenset[str] = frozenset()


class AirQualityIndex:
    """Follows the hourly level. `stores` holds every level: an indicator is written to each of them whole."""

    def __init__(self, *, fleet: Fleet, stores: Mapping[Level, SeriesStore], rules: AirQualityRules) -> None:
        self._fleet = fleet
        self._stores = stores
        self._rules = rules

    async def hours_changed(self, gateway: str, changed: Sequence[int]) -> None:
        """Compute what rests on these hours (since 1970) of this gateway: twelve hours' Nowcast each, and their days.

        Raises:
            SeriesError: a store did not answer or take it.
            RegistryError: the registry cannot say what the devices promised.
        """
        channels = channels_of(await self._fleet.devices(GatewayId(gateway)))
        hours = sorted({hour + later for hour in changed for later in range(NOWCAST_HOURS)})
        days = sorted({self._day_of(hour) for hour in changed}, key=lambda day: day[0])
        asked = TimeRange(
            start_ns=min(days[0][0], hours[0] - NOWCAST_HOURS + 1) * HOUR_NS,
            end_ns=(max(days[-1][-1], hours[-1]) + 1) * HOUR_NS,
        )
        wanted = Selection(gateway=gateway, measurement=_SOURCE_MEASUREMENT)
        found = await self._stores[Level.HOURLY].span(wanted, asked)
        points = [
            point
            for station in stations_of(found, channels)
            for point in index_points(
                station, gateway, hours, days, is_indicative=self._is_indicative(gateway, station)
            )
        ]
        for store in self._stores.values():
            await _write(store, points)

    def _day_of(self, hour: int) -> range:
        """The 24 hours of the local day that an hour lies in."""
        offset = self._rules.utc_offset_hours
        start = (hour + offset) // DAY_HOURS * DAY_HOURS - offset
        return range(start, start + DAY_HOURS)

    def _is_indicative(self, gateway: str, station: Station) -> bool:
        return f"{gateway}/{station.device}" not in self._rules.reference_stations


def index_points(
    station: Station, gateway: str, hours: Iterable[int], days: Iterable[Sequence[int]], *, is_indicative: bool
) -> Iterator[Point]:
    """The points of a station: those of `hours` in which it measured anything, and those of `days`. Pure."""
    facts = {"formula": float(FORMULA_VERSION), "indicative": float(is_indicative)}
    measured = station.hours()
    for hour in hours:
        if hour in measured:
            fields, inputs = _hour_fields(station, hour)
            yield _point(station, gateway, hour, fields | facts, inputs, expected="aqi")
    for day in days:
        by_pollutant = {one: station.of(one, day) for one in Pollutant}
        index = day_index({one: _numbers(means) for one, means in by_pollutant.items()})
        if index.index is not None:
            inputs = [mean for one in index.parts for mean in by_pollutant[one] if mean is not None]
            fields = {"aqi_daily": float(index.index), "daily_hours": float(index.hours)}
            yield _point(station, gateway, day[0], fields | facts, inputs, expected="aqi_daily")


def _hour_fields(station: Station, hour: int) -> tuple[dict[str, float], list[Mean]]:
    ages = range(hour, hour - NOWCAST_HOURS, -1)
    history = {one: station.of(one, ages if one in _PARTICLES else ages[:1]) for one in Pollutant}
    index = hour_index({one: _numbers(means) for one, means in history.items()})
    fields = {f"aqi_{one.value}": float(part) for one, part in index.parts.items()}
    for one, found in index.nowcasts.items():
        fields |= {f"{one.value}_nowcast": found.concentration, f"{one.value}_hours": float(found.hours)}
    if index.index is not None:
        fields["aqi"] = float(index.index)
    return fields, [mean for means in history.values() for mean in means if mean is not None]


def _point(
    station: Station, gateway: str, hour: int, fields: Mapping[str, float], inputs: Collection[Mean], *, expected: str
) -> Point:
    # The index itself is there or said to be missing.
    missing = {} if expected in fields else {expected: Quality.STALE}
    return Point(
        measurement=MEASUREMENT,
        site=station.site,
        gateway=gateway,
        device=station.device,
        group=GROUP,
        mode=max((mean.mode for mean in inputs), key=_MODES.index),
        time_ns=hour * HOUR_NS,
        fields=fields,
        qualities=dict.fromkeys(fields, Quality.GOOD) | missing,
    )


def _numbers(means: Sequence[Mean | None]) -> list[float | None]:
    return [None if mean is None else mean.concentration for mean in means]


async def _write(store: SeriesStore, points: Sequence[Point]) -> None:
    result = await store.write(sheets_of(points))
    if result.unknown is not None or result.refused:
        raise SeriesError(result.unknown or f"an indicator is refused: {next(iter(result.refused.values()))}")
