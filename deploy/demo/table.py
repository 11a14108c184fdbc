"""The newest values as a table for a terminal, and as plain lines. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

# What a person looks for first; a device with none of these shows its first values.
_TELLING: Final = (
    "voltage", "power", "energy_import", "temperature", "humidity", "pressure", "wind_speed", "rain_total", "co2",
    "pulses_1", "pulses_2", "pm2_5", "pm10", "latitude", "longitude", "satellites", "battery_voltage", "pv_power",
    "state_of_charge", "speed", "vehicle_class",
)  # fmt: skip
_EACH: Final = 3

# An item of the API's JSON.
Item = Mapping[str, Any]


def told_rows(latest: Sequence[Item]) -> list[str]:
    """One line a value, a few values a device."""
    return [_row(item) for item in _chosen(latest)]


def head() -> str:
    """The names of the columns."""
    return f"{'device':12} {'value of':20} {'newest':>16} {'':8} {'age':>7}  {'mode':10} quality"


def fleet_line(fleet: Item) -> str:
    """The records of all gateways in one line."""
    counted = ("accepted", "stored", "refused", "lost", "in_flight", "unexplained")
    totals = {key: sum(gateway["accounts"][key] for gateway in fleet["gateways"]) for key in counted}
    online = sum(gateway["presence"] == "online" for gateway in fleet["gateways"])
    told = ", ".join(f"{number} {key.replace('_', ' ')}" for key, number in totals.items())
    return f"{online} of {len(fleet['gateways'])} gateways online; records: {told}"


def _chosen(latest: Sequence[Item]) -> list[Item]:
    by_device: dict[str, list[Item]] = {}
    for item in latest:
        by_device.setdefault(item["series"]["device"], []).append(item)
    chosen: list[Item] = []
    for _, items in sorted(by_device.items()):
        one_each = {item["series"]["field"]: item for item in items}
        telling = [one_each[key] for key in _TELLING if key in one_each]
        chosen += telling[:_EACH] or items[:_EACH]
    return chosen


def _row(item: Item) -> str:
    series, value = item["series"], item["value"]
    number = "-" if value is None else f"{value:,.8g}" if abs(value) < 1e6 else f"{value:,.0f}"  # noqa: PLR2004
    quality = item["quality"] + (", STALE" if item["stale"] else "")
    age = f"{item['age_s']:.1f} s"
    unit = "" if series["unit"] == "1" else series["unit"]
    return f"{series['device']:12} {series['field']:20} {number:>16} {unit:8} {age:>7}  {series['mode']:10} {quality}"
