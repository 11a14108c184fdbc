"""Whether numbers that look good can be true: sensors that stand still, jumps that nature does not make. Pure.

I1. A judgement changes the quality of a value only, and only to a worse one; never its number, never a time.
I2. A number that changes is not stuck; one where its quantity may rest (no wind, fog at 100 %) is not either.
I3. A step that is real is doubted for two minutes only: then the new level is believed.

Source of the weather's limits: I. Zahumensky, Guidelines on Quality Control Procedures for Data from Automatic Weather
Stations, WMO CBS/OPAG-IOS/ET AWS-3/Doc. 4(1), 2004: the greatest change of instantaneous values, and the least one in
an hour. Sensors that resolve no more than that least change are given three hours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wire.quantities import QuantityKind, quantity
from wire.records import PointLayout, Quality, Value

_HOUR_S: Final = 3600.0
_MINUTE_S: Final = 60.0
_BELIEVED_AFTER_S: Final = 120.0
_LEAST_TIMES: Final = 10  # a few equal numbers are chance, however long they take
_CLOCK_STANDS_S: Final = 180.0  # some tell no more than the minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is expected of one point: that it moves within some time, and how far it goes in a minute at most.

    At and below `rests_below`, and at and above `rests_above`, its quantity may rest: no wind, night, fog.
    """

    stuck_after_s: float | None = None
    change_per_min: float | None = None
    rests_below: float | None = None
    rests_above: float | None = None

    def may_rest(self, number: float) -> bool:
        """Whether the quantity may stay at this number for as long as it likes."""
        low, high = self.rests_below, self.rests_above
        return (low is not None and number <= low) or (high is not None and number >= high)


# By measurement and quantity. What is not here may rest for ever, and jump.
_USUAL: Final[Mapping[tuple[str, str], Check]] = {
    ("weather", "temperature"): Check(stuck_after_s=3 * _HOUR_S, change_per_min=3),
    ("weather", "dew_point"): Check(stuck_after_s=3 * _HOUR_S, change_per_min=4),
    ("weather", "humidity"): Check(stuck_after_s=3 * _HOUR_S, change_per_min=15, rests_above=99),
    ("weather", "pressure"): Check(stuck_after_s=3 * _HOUR_S, change_per_min=2),
    ("weather", "sea_level_pressure"): Check(stuck_after_s=3 * _HOUR_S, change_per_min=2),
    ("weather", "wind_speed"): Check(stuck_after_s=3 * _HOUR_S, rests_below=0.5),
    ("weather", "solar_radiation"): Check(stuck_after_s=3 * _HOUR_S, change_per_min=1000, rests_below=10),
    ("air_quality", "pm1"): Check(stuck_after_s=6 * _HOUR_S, rests_below=1),
    ("air_quality", "pm2_5"): Check(stuck_after_s=6 * _HOUR_S, rests_below=1),
    ("air_quality", "pm10"): Check(stuck_after_s=6 * _HOUR_S, rests_below=1),
    ("air_quality", "co2"): Check(stuck_after_s=6 * _HOUR_S, rests_below=400),
    ("air_quality", "no2"): Check(stuck_after_s=6 * _HOUR_S, rests_below=1),
    ("air_quality", "o3"): Check(stuck_after_s=6 * _HOUR_S, rests_below=1),
    ("air_quality", "so2"): Check(stuck_after_s=12 * _HOUR_S, rests_below=1),
    ("air_quality", "sound_level"): Check(stuck_after_s=_HOUR_S),
    ("water", "water_level"): Check(stuck_after_s=24 * _HOUR_S),
    ("power", "voltage"): Check(stuck_after_s=_HOUR_S, rests_below=1),
}


def usual_check(measurement: str, quantity_name: str) -> Check:
    """What is expected where nobody said anything else."""
    return _USUAL.get((measurement, quantity_name), Check())


@dataclass(slots=True)
class _Past:
    """What is remembered of one point: its number, since when, and how often it was told; which level is believed.

    A level that only one reading has told is no evidence against another.
    """

    number: float
    since_s: float
    believed: float
    believed_s: float
    times: int = 1
    is_confirmed: bool = False
    doubted_since_s: float | None = None
    doubted: float = 0.0


class Judge:
    """The points of one group of one device.

    Args:
        points: of its stream.
        checks: by key of the point.
    """

    def __init__(self, points: Sequence[PointLayout], checks: Mapping[str, Check]) -> None:
        self._points = [
            (checks.get(point.key, Check()), quantity(point.quantity).kind is QuantityKind.ANGLE) for point in points
        ]
        # Changed by judged only; lost with the process, after which everything is believed at first.
        self._past: list[_Past | None] = [None] * len(self._points)

    def judged(self, values: Sequence[Value], *, at_s: float) -> tuple[Value, ...]:
        """The values of one reading, the good ones with what their past says of them.

        Args:
            values: in the order of the points.
            at_s: when they were read, in monotonic seconds.
        """
        return tuple(self._one(index, value, at_s) for index, value in enumerate(values))

    def _one(self, index: int, value: Value, at_s: float) -> Value:
        check, is_angle = self._points[index]
        if value.number is None or value.quality > Quality.TIME_ESTIMATED or check == Check():
            return value
        past = self._past[index]
        if past is None:
            self._past[index] = _Past(value.number, at_s, value.number, at_s)
            return value
        past.times += 1
        if past.number != value.number:
            past.number, past.since_s, past.times = value.number, at_s, 1
        per_min = math.inf if check.change_per_min is None or is_angle else check.change_per_min
        if not _is_believed(past, value.number, per_min, at_s):
            return replace(value, quality=Quality.OUT_OF_RANGE)
        past.believed, past.believed_s, past.doubted_since_s = value.number, at_s, None
        return replace(value, quality=Quality.STUCK) if _is_stuck(past, check, at_s) else value


def _is_stuck(past: _Past, check: Check, at_s: float) -> bool:
    """Whether a number has been told for long and often, and not where it may be so."""
    if check.stuck_after_s is None or check.may_rest(past.number) or past.times < _LEAST_TIMES:
        return False
    return at_s - past.since_s >= check.stuck_after_s


def _is_believed(past: _Past, number: float, per_min: float, at_s: float) -> bool:
    """Whether a number can follow what was believed, or has been told long enough to be believed itself."""
    minutes = max(1.0, (at_s - past.believed_s) / _MINUTE_S)
    if abs(number - past.believed) <= per_min * minutes:
        past.is_confirmed = True
        return True
    if not past.is_confirmed:
        return True
    if past.doubted_since_s is None or abs(number - past.doubted) > per_min:
        past.doubted_since_s = at_s
    past.doubted = number
    return at_s - past.doubted_since_s >= _BELIEVED_AFTER_S


class DeviceClock:
    """The clock of a device that tells its time: where it stands still while readings come, they are old."""

    def __init__(self) -> None:
        # Changed by stands_still only.
        self._told_ms: int | None = None
        self._since_s = 0.0

    def stands_still(self, told_ms: int | None, *, at_s: float) -> bool:
        """Whether the device has told the same time for minutes.

        Args:
            told_ms: the time of this reading by the device, UTC; None where it tells none.
            at_s: when it came, in monotonic seconds.
        """
        if told_ms is None or told_ms != self._told_ms:
            self._told_ms, self._since_s = told_ms, at_s
            return False
        return at_s - self._since_s >= _CLOCK_STANDS_S


def as_stale(values: Sequence[Value]) -> tuple[Value, ...]:
    """The values of a reading that is old; those that are worse stay what they are."""
    return tuple(replace(value, quality=max(value.quality, Quality.STALE)) for value in values)
