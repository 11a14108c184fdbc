"""What each simulated device measures of the scene, in the keys of its profile. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.demo.layout import ROAD
from deploy.demo.scene import Meter, Moment, Noise, Vehicle, typical_length_m
from device_profiles.model import DeviceProfile
from device_profiles.simulate_serial import serial_bytes

Values = Mapping[str, float | None]

COUNTER_PROFILE: Final = "wirenboard/wb-mcm8"
CHANNELS: Final = 8
TURBINE_PULSES_PER_S: Final = 0.5
_BATTERY_AH: Final = 200.0
_S8_STATUS: Final = (
    "fatal_error", "offset_error", "algorithm_error", "output_error", "self_test_error", "range_error", "memory_error",
    "alarm_status", "output_status",
)  # fmt: skip


@dataclass(slots=True)
class FieldState:
    """What the field has counted. Changed by the field's ticks only.

    `turbine_pulses_per_s` is the speed of the water meter's turbine on the last input of the counter.
    """

    seed: int
    unix_s: float
    turbine_pulses_per_s: float = TURBINE_PULSES_PER_S
    single: Meter = field(init=False)
    three: Meter = field(init=False)
    pulses: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    flow_pulses: float = 0.0
    yield_wh: float = 0.0

    def __post_init__(self) -> None:
        """Start the meters."""
        self.single = Meter(self.seed, "single", phases=1)
        self.three = Meter(self.seed, "three", phases=3)

    def advance(self, moment: Moment, unix_s: float) -> None:
        """Count what passed since the last tick."""
        seconds = max(0.0, unix_s - self.unix_s)
        self.unix_s = unix_s
        self.single.advance(0.3 * moment.power, seconds)
        self.three.advance(moment.power, seconds)
        self.yield_wh += _pv_power(moment) * seconds / 3600
        self.flow_pulses += self.turbine_pulses_per_s * seconds
        self.pulses[CHANNELS - 1] = int(self.flow_pulses)

    def count(self, vehicle: Vehicle) -> int:
        """Count a vehicle on the input of its lane; returns the input's index in `pulses`."""
        index = (vehicle.lane - 1) % (CHANNELS - 1)
        self.pulses[index] += 1
        return index


def modbus_values(profile: str, moment: Moment, state: FieldState) -> Values:
    """What a Modbus device measures now."""
    return _MODBUS[profile](moment, state)


def stream_bytes(profile: DeviceProfile, moment: Moment, state: FieldState) -> bytes:
    """What a streaming device sends in this second."""
    time_ms = int(state.unix_s * 1000)
    frames = stream_values(profile.profile, moment, state)
    return b"".join(serial_bytes(profile, group, values, time_ms=time_ms) for group, values in frames)


def stream_values(profile: str, moment: Moment, state: FieldState) -> list[tuple[str, Values]]:
    """What a streaming device measures now, by point group."""
    return _STREAMS[profile](moment, state)


def vehicle_values(vehicle: Vehicle) -> Values:
    """How the radar sees a vehicle. Its range, and its length by its class, are typical: a tube knows neither."""
    length = typical_length_m(vehicle.vehicle_class)
    return {
        "lane": vehicle.lane,
        "range": 4.0 + 3.5 * vehicle.lane,
        "duration": round(length / max(vehicle.speed_kmh, 1.0) * 3.6, 3),
        "speed": vehicle.speed_kmh,
        "vehicle_class": vehicle.vehicle_class,
        "length": length,
    }


def _wobble(name: str, unix_s: float) -> float:
    return Noise(0, name).at(unix_s)


def _sdm120(moment: Moment, state: FieldState) -> Values:
    (phase,) = state.single.phases(0.3 * moment.power, state.unix_s)
    (energy,) = state.single.energy_wh
    return {**phase, "frequency": 50.0 + 0.02 * _wobble("grid", state.unix_s), **_energies(energy)}


def _sdm630(moment: Moment, state: FieldState) -> Values:
    phases = state.three.phases(moment.power, state.unix_s)
    values: dict[str, float | None] = {"frequency": 50.0 + 0.02 * _wobble("grid", state.unix_s)}
    for number, phase in enumerate(phases, start=1):
        values |= {f"{key}_l{number}": phase[key] for key in ("voltage", "current", "power", "power_factor")}
        energy = state.three.energy_wh[number - 1]
        values |= {f"energy_import_l{number}": energy, f"energy_export_l{number}": 0.0, f"energy_l{number}": energy}
    values |= {f"{key}_l1": phases[0][key] for key in ("apparent_power", "reactive_power", "phase_angle")}
    totals = {key: sum(phase[key] for phase in phases) for key in ("power", "apparent_power", "reactive_power")}
    factor = totals["power"] / totals["apparent_power"]
    return {**values, **totals, "power_factor": factor, **_energies(sum(state.three.energy_wh))}


def _energies(energy_wh: float) -> dict[str, float]:
    return {
        "energy_import": energy_wh,
        "energy_export": 0.0,
        "reactive_energy_import": 0.36 * energy_wh,
        "reactive_energy_export": 0.0,
        "energy": energy_wh,
        "reactive_energy": 0.36 * energy_wh,
    }


def _indoor(moment: Moment, _: FieldState) -> Values:
    temperature, humidity = moment.temperature or 26.0, moment.humidity or 60.0
    return {"temperature": 24.0 + (temperature - 24.0) * 0.4, "humidity": 0.8 * humidity}


def _weather(moment: Moment, _: FieldState) -> Values:
    keys = (
        "illuminance",
        "uv_index",
        "temperature",
        "humidity",
        "wind_speed",
        "wind_gust",
        "wind_direction",
        "pressure",
    )
    values: dict[str, float | None] = {key: getattr(moment, key) for key in keys}
    rain = moment.rain_total
    return {**values, "rain_total": None if rain is None else rain % 6553, "rain_total_fine": rain}


def _carbon_dioxide(moment: Moment, _: FieldState) -> Values:
    return {**dict.fromkeys(_S8_STATUS, 0.0), "co2": moment.co2}


def _gauge(moment: Moment, state: FieldState) -> Values:
    return {
        "water_level": moment.water_level,
        "error_code": 0,
        "temperature": 26.0 + 0.8 * _wobble("canal", state.unix_s),
    }


def _pulse_counter(_: Moment, state: FieldState) -> Values:
    values: dict[str, float | None] = {}
    for number, count in enumerate(state.pulses, start=1):
        values |= {f"pulses_{number}": count, f"input_{number}": count % 2, f"frequency_{number}": 0.0}
    return {**values, f"frequency_{CHANNELS}": state.turbine_pulses_per_s}


def _sds011(moment: Moment, _: FieldState) -> list[tuple[str, Values]]:
    if moment.pm2_5 is None or moment.pm10 is None:
        return []  # the sensor has no word for "no value": it stays silent
    return [("particles", {"pm2_5": moment.pm2_5, "pm10": moment.pm10})]


def _pms5003(moment: Moment, _: FieldState) -> list[tuple[str, Values]]:
    if moment.pm2_5 is None or moment.pm10 is None:
        return []
    fine, coarse = 0.9 * moment.pm2_5, 0.9 * moment.pm10
    counts = {"n_0_3": 150, "n_0_5": 45, "n_1_0": 8, "n_2_5": 0.8, "n_5_0": 0.2, "n_10": 0.1}
    numbers = {key: 10.0 * round(share * fine) for key, share in counts.items()}
    return [("particles", {"pm1": 0.65 * fine, "pm2_5": fine, "pm10": coarse, **numbers, "error_code": 0})]


def _gnss(_: Moment, state: FieldState) -> list[tuple[str, Values]]:
    latitude = round(ROAD.latitude + 8e-6 * _wobble("north", state.unix_s), 6)
    longitude = round(ROAD.longitude + 8e-6 * _wobble("east", state.unix_s), 6)
    position = {"latitude": latitude, "longitude": longitude}
    fix = {"fix": 1, "satellites": 9 + round(2 * _wobble("sky", state.unix_s)), "hdop": 0.9, "altitude": 6.4}
    return [("rmc", {**position, "speed": 0.0}), ("gga", {**position, **fix})]


def _charger(moment: Moment, state: FieldState) -> list[tuple[str, Values]]:
    power = round(_pv_power(moment))
    voltage = round(12.4 + 0.012 * moment.battery_charge + 0.4 * min(1.0, power / 100), 2)
    state_code = 0 if power < 1 else 3
    charger = {
        "battery_voltage": voltage,
        "battery_current": round(0.96 * power / voltage, 1),
        "pv_voltage": round(18.5 + 0.8 * _wobble("panel", state.unix_s), 2) if power else 0.01,
        "pv_power": power,
        "charger_state": state_code,
        "error_code": 0,
    }
    today = 10.0 * round(state.yield_wh / 10)
    peaks = {"max_power_today": power, "max_power_yesterday": 182, "yield_yesterday": 940.0, "day_number": 211}
    return [("charger", charger), ("yield", {"yield_total": 182_720.0 + today, "yield_today": today, **peaks})]


def _battery(moment: Moment, state: FieldState) -> list[tuple[str, Values]]:
    charge = round(moment.battery_charge, 1)
    current = round((_pv_power(moment) - 45.0) / 12.6, 2)
    battery = {
        "battery_voltage": round(12.0 + 0.008 * charge, 3),
        "battery_current": current,
        "battery_power": round(12.6 * current),
        "consumed_charge": round((charge - 100.0) / 100.0 * _BATTERY_AH, 1),
        "state_of_charge": charge,
        "alarm": 0,
        "relay": 0,
        "alarm_reason": 0,
    }
    history = {
        "deepest_discharge": -122.4, "last_discharge": -31.2, "average_discharge": -28.0, "charge_cycles": 214,
        "full_discharges": 0, "drawn_charge": -6120.0, "lowest_voltage": 11.702, "highest_voltage": 14.511,
        "since_full_charge": 3600 + round(state.unix_s) % 86_400, "synchronisations": 180, "low_voltage_alarms": 1,
        "high_voltage_alarms": 0, "discharged_energy": 71_200.0, "charged_energy": 79_830.0,
    }  # fmt: skip
    return [("battery", battery), ("history", history)]


def _pv_power(moment: Moment) -> float:
    return 200.0 * (moment.illuminance or 0.0) / 95_000.0


_MODBUS: Final[Mapping[str, Callable[[Moment, FieldState], Values]]] = {
    "eastron/sdm120": _sdm120,
    "eastron/sdm630": _sdm630,
    "generic/xy-md02": _indoor,
    "generic/xy-md02-hundredths": _indoor,
    "ecowitt/wn90lp": _weather,
    "senseair/s8": _carbon_dioxide,
    COUNTER_PROFILE: _pulse_counter,
    "yosemitech/y700": _gauge,
}
_STREAMS: Final[Mapping[str, Callable[[Moment, FieldState], list[tuple[str, Values]]]]] = {
    "nova/sds011": _sds011,
    "plantower/pms5003": _pms5003,
    "nmea/gnss": _gnss,
    "victron/vedirect-mppt": _charger,
    "victron/vedirect-bmv": _battery,
}
