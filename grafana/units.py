"""Units of `wire.quantities` as Grafana writes them. Pure."""

from typing import Final

from wire.quantities import quantity

_GRAFANA: Final = {
    "1": "none",
    "%": "percent",
    "degC": "celsius",
    "deg": "degree",
    "hPa": "pressurehpa",
    "kPa": "pressurekpa",
    "Pa": "pressurepa",
    "m/s": "velocityms",
    "km/h": "velocitykmh",
    "mm": "lengthmm",
    "m": "lengthm",
    "lx": "lux",
    "ug/m3": "conμgm3",
    "g/m3": "congm3",
    "ppm": "ppm",
    "ppb": "conppb",
    "dB": "dB",
    "dBm": "dBm",
    "V": "volt",
    "mV": "mvolt",
    "A": "amp",
    "W": "watt",
    "VA": "voltamp",
    "var": "voltampreact",
    "Wh": "watth",
    "Ah": "amph",
    "Hz": "hertz",
    "Ohm": "ohm",
    "s": "s",
    "ms": "ms",
    "By": "bytes",
    "kg": "masskg",
}


def grafana_unit(unit: str) -> str:
    """A unit as Grafana knows it; one it does not know is written behind the number as it is."""
    return _GRAFANA.get(unit, f"suffix: {unit}")


def unit_of(name: str) -> str:
    """The unit of a quantity as Grafana knows it.

    Raises:
        WireError: there is no such quantity.
    """
    return grafana_unit(quantity(name).unit)
