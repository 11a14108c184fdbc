"""VN_AQI, the Vietnamese air quality index, by the hour and by the day. Pure.

Source: Decision 1459/QD-TCMT of 12 November 2019: Table 1 (bands), Table 2 (breakpoints), sections on Nowcast, hourly
and daily index. Concentrations are ug/m3, carbon monoxide too.

I1. PM10 or PM2.5 is compulsory: without either there is no index.
I2. An hour or a day without enough values has no index; it is never computed from what is too little.
I3. Numbers are rounded half up, and only at the end.

Where this differs from the Decision's letter: its Nowcast for w = 1/2 is not divided by the sum of its weights, so that
a missing hour would make the air look cleaner (by a quarter where the hour before is missing). Here it always is;
with all twelve hours the difference is 0.02 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FORMULA_VERSION: Final = 1
NOWCAST_HOURS: Final = 12
DAY_HOURS: Final = 24
# A day's mean stands for the day when three quarters of its hours do; so does a mean of eight hours.
DAY_LEAST_HOURS: Final = 18
EIGHT_HOURS: Final = 8
EIGHT_LEAST_HOURS: Final = 6
# Nowcast needs two of the last three hours.
_RECENT_HOURS: Final = 3
_RECENT_LEAST: Final = 2
_LEAST_WEIGHT: Final = 0.5
# Above this mean of eight hours, ozone is judged by its hour alone.
_OZONE_8H_MOST: Final = 400.0


class Pollutant(StrEnum):
    """What the index is made of."""

    PM2_5 = "pm25"
    PM10 = "pm10"
    O3 = "o3"
    NO2 = "no2"
    SO2 = "so2"
    CO = "co"


class Band(StrEnum):
    """Table 1."""

    GOOD = "good"
    MODERATE = "moderate"
    POOR = "poor"
    BAD = "bad"
    VERY_BAD = "very bad"
    HAZARDOUS = "hazardous"


_BAND_ENDS: Final = (50, 100, 150, 200, 300, 500)
_PARTICLES: Final = (Pollutant.PM2_5, Pollutant.PM10)
_GASES: Final = (Pollutant.O3, Pollutant.NO2, Pollutant.SO2, Pollutant.CO)

# Table 2: the index at each breakpoint, and the breakpoints.
_INDEX: Final = (0, 50, 100, 150, 200, 300, 400, 500)
_BREAKPOINTS: Final[Mapping[Pollutant, tuple[float, ...]]] = {
    Pollutant.O3: (0, 160, 200, 300, 400, 800, 1000, 1200),
    Pollutant.CO: (0, 10_000, 30_000, 45_000, 60_000, 90_000, 120_000, 150_000),
    Pollutant.SO2: (0, 125, 350, 550, 800, 1600, 2100, 2630),
    Pollutant.NO2: (0, 100, 200, 700, 1200, 2350, 3100, 3850),
    Pollutant.PM10: (0, 50, 150, 250, 350, 420, 500, 600),
    Pollutant.PM2_5: (0, 25, 50, 80, 150, 250, 350, 500),
}
_OZONE_8H: Final = (0, 100, 120, 170, 210, 400)

Hours = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nowcast:
    """A weighted mean of particles over the last twelve hours, in ug/m3, and how many of the hours there were."""

    concentration: float
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HourIndex:
    """The index of one hour. `index` is None without particles (I1); `parts` holds what each pollutant gives alone."""

    index: int | None
    parts: Mapping[Pollutant, int] = field(default_factory=dict)
    nowcasts: Mapping[Pollutant, Nowcast] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayIndex:
    """The index of one day. `hours` counts the hours of the particles it rests on."""

    index: int | None
    parts: Mapping[Pollutant, int] = field(default_factory=dict)
    hours: int = 0


def sub_index(pollutant: Pollutant, concentration: float) -> float:
    """The index of one pollutant, not rounded: the hour's column of Table 2, 500 from its last breakpoint on.

    Args:
        pollutant: which.
        concentration: ug/m3; an analyser's small negative is none of it.
    """
    return _along(_BREAKPOINTS[pollutant], concentration)


def ozone_8h_index(concentration: float) -> float | None:
    """The index of a mean of ozone over eight hours, in ug/m3; None above 400, where its hour alone is used."""
    return None if concentration > _OZONE_8H_MOST else _along(_OZONE_8H, concentration)


def nowcast(hours: Hours) -> Nowcast | None:
    """The Nowcast of the last twelve hourly means.

    Args:
        hours: c1 (the hour itself), c2 (the one before) to c12; None where there is no mean.

    Returns:
        None where fewer than two of c1, c2, c3 are there.
    """
    known = {age: number for age, number in enumerate(hours[:NOWCAST_HOURS]) if number is not None}
    if sum(age < _RECENT_HOURS for age in known) < _RECENT_LEAST:
        return None
    most = max(known.values())
    if most <= 0:
        return Nowcast(concentration=0.0, hours=len(known))
    weight = max(min(known.values()) / most, _LEAST_WEIGHT)
    weights = {age: weight**age for age in known}
    total = sum(weights[age] * number for age, number in known.items())
    return Nowcast(concentration=total / sum(weights.values()), hours=len(known))


def hour_index(history: Mapping[Pollutant, Hours]) -> HourIndex:
    """The index of one hour.

    Args:
        history: for each pollutant its hourly means in ug/m3, the hour itself first; gases need no more than that.
    """
    nowcasts = {one: found for one in _PARTICLES if (found := nowcast(history.get(one, ()))) is not None}
    parts = {one: sub_index(one, found.concentration) for one, found in nowcasts.items()}
    for gas in _GASES:
        hours = history.get(gas, ())
        if hours and (now := hours[0]) is not None:
            parts[gas] = sub_index(gas, now)
    rounded = {one: rounded_half_up(part) for one, part in parts.items()}
    return HourIndex(index=max(rounded.values()) if nowcasts else None, parts=rounded, nowcasts=nowcasts)


def day_index(day: Mapping[Pollutant, Hours]) -> DayIndex:
    """The index of one day.

    Args:
        day: for each pollutant the hourly means in ug/m3 of the 24 hours from 00:00 to 24:00 local time, in order.
    """
    parts: dict[Pollutant, float] = {}
    known = {one: _known(day.get(one, ())) for one in Pollutant}
    enough = {one: hours for one, hours in known.items() if len(hours) >= DAY_LEAST_HOURS}
    for one, hours in enough.items():
        if one in _PARTICLES:
            parts[one] = sub_index(one, sum(hours) / len(hours))
        elif one is Pollutant.O3:
            parts[one] = _ozone_of_day(max(hours), day[one])
        else:
            parts[one] = sub_index(one, max(hours))
    rounded = {one: rounded_half_up(part) for one, part in parts.items()}
    has_particles = any(one in rounded for one in _PARTICLES)
    return DayIndex(
        index=max(rounded.values()) if has_particles else None,
        parts=rounded,
        hours=max(len(known[one]) for one in _PARTICLES),
    )


def band_of(index: int) -> Band:
    """The band of a rounded index."""
    for band, end in zip(Band, _BAND_ENDS, strict=True):
        if index <= end:
            return band
    return Band.HAZARDOUS


def rounded_half_up(number: float) -> int:
    """The nearest whole number, the upper one where two are as near."""
    return math.floor(number + 0.5)


def _along(breakpoints: Sequence[float], concentration: float) -> float:
    if concentration <= 0:
        return 0.0
    for place in range(1, len(breakpoints)):
        low, high = breakpoints[place - 1], breakpoints[place]
        if concentration <= high:
            step = (_INDEX[place] - _INDEX[place - 1]) / (high - low)
            return step * (concentration - low) + _INDEX[place - 1]
    return float(_INDEX[len(breakpoints) - 1])


def _ozone_of_day(most_of_an_hour: float, hours: Hours) -> float:
    by_hour = sub_index(Pollutant.O3, most_of_an_hour)
    means = []
    for start in range(len(hours) - EIGHT_HOURS + 1):
        known = _known(hours[start : start + EIGHT_HOURS])
        if len(known) >= EIGHT_LEAST_HOURS:
            means.append(sum(known) / len(known))
    by_eight = ozone_8h_index(max(means)) if means else None
    return by_hour if by_eight is None else max(by_hour, by_eight)


def _known(hours: Hours) -> list[float]:
    return [number for number in hours if number is not None]
