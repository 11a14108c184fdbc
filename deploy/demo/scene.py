"""What the simulated field measures: a warm place with a road, a meter and some sun. Pure, and the same for one seed.

Values vary slowly around the curves of a day, so that panels show what a real place would show. They are drawn, not
measured: whoever serves them says `simulated`.
"""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_DAY_S: Final = 86_400
_HOUR_S: Final = 3600
_LOCAL_OFFSET_S: Final = 7 * _HOUR_S
_PERIODS_S: Final = (17.0, 59.0, 211.0, 907.0)
_NOMINAL_V: Final = 230.0

# FHWA 13 classes: of 100 vehicles so many, and how long they are in metres.
_CLASSES: Final = {1: (12, 2.1), 2: (62, 4.5), 3: (14, 5.4), 4: (2, 12.0), 5: (6, 8.5), 6: (2, 10.0), 9: (2, 18.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The place at one time, in the units of `wire.quantities`. None: there is no such value."""

    temperature: float | None
    humidity: float | None
    pressure: float | None
    wind_speed: float | None
    wind_gust: float | None
    wind_direction: float | None
    rain_total: float | None
    illuminance: float | None
    uv_index: float | None
    pm2_5: float | None
    pm10: float | None
    co2: float
    power: float
    vehicles_per_hour: float
    battery_charge: float
    water_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A vehicle that passes at `at_s`. `lane` counts from 1; `vehicle_class` is FHWA 13."""

    at_s: float
    lane: int
    vehicle_class: int
    speed_kmh: float


class Scene:
    """The place over time."""

    def __init__(self, seed: int) -> None:
        self._noise = {name: Noise(seed, name) for name in _NOISES}

    def at(self, unix_s: float) -> Moment:
        """The place at a time, seconds since 1970."""
        day_s = (unix_s + _LOCAL_OFFSET_S) % _DAY_S
        noise = {name: one.at(unix_s) for name, one in self._noise.items()}
        sun = max(0.0, math.sin(math.pi * (day_s / _HOUR_S - 6) / 12)) * (0.75 + 0.2 * noise["cloud"])
        temperature = 27.0 + 4.5 * _peak(day_s, 14.5, 24) + 0.6 * noise["temperature"]
        wind = max(0.0, 2.2 + 1.4 * noise["wind"])
        traffic = _traffic(day_s)
        pm2_5 = 28.0 + 22.0 * traffic + 6.0 * noise["dust"]
        return Moment(
            temperature=temperature,
            humidity=min(99.0, max(25.0, 74.0 - 3.0 * (temperature - 27.0) + 2.0 * noise["humidity"])),
            pressure=1009.0 + 1.3 * _peak(day_s, 10, 12) + 0.3 * noise["pressure"],
            wind_speed=wind,
            wind_gust=wind * 1.5 + 0.4,
            wind_direction=(135.0 + 50.0 * noise["direction"]) % 360,
            rain_total=_rain(unix_s),
            illuminance=95_000.0 * sun,
            uv_index=11.0 * sun,
            pm2_5=pm2_5,
            pm10=1.45 * pm2_5 + 4.0 + 2.0 * noise["coarse"],
            co2=430.0 + 320.0 * _office(day_s) + 25.0 * noise["co2"],
            power=350.0 + 1500.0 * _office(day_s) + 240.0 * noise["load"],
            vehicles_per_hour=120.0 + 1400.0 * traffic,
            battery_charge=72.0 + 16.0 * _peak(day_s, 16, 24) + noise["battery"],
            # A canal that the tide fills twice a day.
            water_level=2.1 + 0.7 * _peak(day_s, 4, 12) + 0.05 * noise["waves"],
        )


class Noise:
    """A smooth wandering between about -1 and 1: a few waves of periods that do not fit together."""

    def __init__(self, seed: int, name: str) -> None:
        chance = random.Random(f"{seed} {name}")  # noqa: S311 - drawn weather
        self._waves = [(period * chance.uniform(0.8, 1.25), chance.uniform(0, math.tau)) for period in _PERIODS_S]

    def at(self, unix_s: float) -> float:
        """The value at a time."""
        return sum(math.sin(math.tau * unix_s / period + phase) for period, phase in self._waves) / 2.2


class Meter:
    """What one to three phases carry, and what they have carried so far."""

    def __init__(self, seed: int, name: str, *, phases: int) -> None:
        self._voltage = [Noise(seed, f"{name} voltage {phase}") for phase in range(phases)]
        self._share = [Noise(seed, f"{name} share {phase}") for phase in range(phases)]
        # Changed by advance only.
        self.energy_wh = [1_250_000.0 + 10_000.0 * phase for phase in range(phases)]

    def advance(self, power_w: float, seconds: float) -> None:
        """Count the energy of the next seconds."""
        for phase in range(len(self.energy_wh)):
            self.energy_wh[phase] += power_w / len(self.energy_wh) * seconds / _HOUR_S

    def phases(self, power_w: float, unix_s: float) -> list[dict[str, float]]:
        """Voltage, current, powers and factor of each phase while the load takes `power_w` together."""
        found = []
        for voltage_noise, share in zip(self._voltage, self._share, strict=True):
            voltage = _NOMINAL_V + 3.0 * voltage_noise.at(unix_s)
            power = power_w / len(self._share) * (1 + 0.15 * share.at(unix_s))
            factor = 0.93 + 0.03 * share.at(unix_s / 3)
            apparent = power / factor
            reactive = math.sqrt(apparent**2 - power**2)
            found.append({
                "voltage": voltage,
                "current": apparent / voltage,
                "power": power,
                "apparent_power": apparent,
                "reactive_power": reactive,
                "power_factor": factor,
                "phase_angle": math.degrees(math.acos(factor)),
            })  # fmt: skip
        return found


def vehicles(scene: Scene, seed: int, start_s: float) -> Iterator[Vehicle]:
    """Vehicles without end, from `start_s` (seconds since 1970) on, as many as the hour has."""
    chance = random.Random(f"{seed} vehicles")  # noqa: S311 - drawn traffic
    at_s = start_s
    kinds, weights = list(_CLASSES), [share for share, _ in _CLASSES.values()]
    while True:
        at_s += max(0.3, chance.expovariate(scene.at(at_s).vehicles_per_hour / _HOUR_S))
        kind = chance.choices(kinds, weights)[0]
        speed = max(8.0, chance.gauss(44.0 if kind < 4 else 37.0, 7.0))  # noqa: PLR2004 - lorries from class 4 on
        yield Vehicle(at_s=at_s, lane=chance.choice((1, 1, 2)), vehicle_class=kind, speed_kmh=speed)


def typical_length_m(vehicle_class: int) -> float:
    """How long a vehicle of an FHWA class usually is."""
    nearest = min(_CLASSES, key=lambda known: abs(known - vehicle_class))
    return _CLASSES[nearest][1]


_NOISES: Final[Mapping[str, None]] = dict.fromkeys(
    (
        "temperature",
        "humidity",
        "pressure",
        "wind",
        "direction",
        "cloud",
        "dust",
        "coarse",
        "co2",
        "load",
        "battery",
        "waves",
    )
)


def _peak(day_s: float, hour: float, period_h: float) -> float:
    """1 at an hour of the day, -1 half a period from it."""
    return math.cos(math.tau * (day_s / _HOUR_S - hour) / period_h)


def _bell(day_s: float, hour: float, width_h: float) -> float:
    return math.exp(-(((day_s / _HOUR_S - hour) / width_h) ** 2))


def _traffic(day_s: float) -> float:
    """0 in the dead of night, about 1 in the rush hours."""
    return min(1.0, _bell(day_s, 7.5, 1.5) + _bell(day_s, 17.5, 1.8) + 0.5 * _bell(day_s, 12.5, 3.5))


def _office(day_s: float) -> float:
    return min(1.0, _bell(day_s, 10, 2.5) + _bell(day_s, 15, 2.5))


def _rain(unix_s: float) -> float:
    """Millimetres since the day began: a shower of some minutes every hour or two."""
    passed_s = (unix_s + _LOCAL_OFFSET_S) % _DAY_S
    showers, within_s = divmod(passed_s, 5400)
    return 1.8 * showers + 1.8 * min(1.0, within_s / 900)
