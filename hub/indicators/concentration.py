"""Concentrations of gases by volume as concentrations by mass. Pure.

Limits are set for 25 degrees Celsius and 760 mmHg (QCVN 05:2023/BTNMT, Table 1: ug/Nm3), so that is where a volume is
weighed, whatever the weather was: one mole of gas fills 24.465 litres there.
"""

from collections.abc import Mapping
from typing import Final

# R x 298.15 K / 101.325 kPa.
LITRES_PER_MOLE: Final = 8.314462618 * 298.15 / 101.325
# g/mol (IUPAC 2021 standard atomic weights).
GRAMS_PER_MOLE: Final[Mapping[str, float]] = {"co": 28.010, "no2": 46.006, "o3": 47.997, "so2": 64.064}
_PPB: Final[Mapping[str, float]] = {"ppb": 1.0, "ppm": 1000.0}


def ug_per_m3(gas: str, amount: float, unit: str) -> float:
    """The mass of a gas in ug/m3.

    Args:
        gas: co, no2, o3 or so2.
        amount: in `unit`.
        unit: ppb or ppm by volume, or ug/m3, which is what it is.

    Raises:
        KeyError: a gas or a unit that is none of these: a mistake of ours, quantities have fixed units.
    """
    if unit == "ug/m3":
        return amount
    return amount * _PPB[unit] * GRAMS_PER_MOLE[gas] / LITRES_PER_MOLE
