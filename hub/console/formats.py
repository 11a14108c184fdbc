"""Numbers, units, ages and names as people read them. Pure."""

import re
from typing import Final

from hub.console.texts import Language
from wire.quantities import QUANTITIES

_UNITS: Final = {
    "1": "", "degC": "°C", "deg": "°", "Ohm": "Ω", "By": "B",
    "uS/cm": "µS/cm", "ug/L": "µg/L", "ug/m3": "µg/m³", "um": "µm",
}  # fmt: skip
_POWER: Final = re.compile(r"(?<=m|s)([23])\b")
_POWERS: Final = {"2": "²", "3": "³"}
_AGES: Final = ((86400, "d", "ngày"), (3600, "h", "giờ"), (60, "min", "phút"), (1, "s", "giây"))
# A number keeps its unit of age up to twice the next one: "90 min" says more than "1 h".
_ROOM: Final = 2
_DIGITS: Final = 7
_EXACT: Final = 1e15


def number_text(number: float, language: Language) -> str:
    """A number with at most seven digits (whole ones with all), in the reader's notation: 1,234.5 or 1.234,5."""
    whole = float(number).is_integer() and abs(number) < _EXACT
    text = f"{number:.0f}" if whole else f"{number:.{_DIGITS}g}"
    if "e" not in text:
        decimals = len(text.partition(".")[2])
        text = f"{float(text):,.{decimals}f}"
    return text if language is Language.EN else text.translate(str.maketrans(",.", ".,"))


def unit_text(unit: str) -> str:
    """A unit as it is printed."""
    return _UNITS.get(unit) or ("" if unit in _UNITS else _POWER.sub(lambda match: _POWERS[match[1]], unit))


def age_text(seconds: float, language: Language) -> str:
    """A span of time in one unit: 5 s, 90 min, 3 d."""
    whole = max(0, round(abs(seconds)))
    for size, english, vietnamese in _AGES:
        if whole >= _ROOM * size or size == 1:
            return f"{whole // size} {english if language is Language.EN else vietnamese}"
    raise AssertionError  # the last size is 1


def name_text(quantity: str, field: str, language: Language) -> str:
    """What a value is called: its quantity's title, and what tells it from others of that quantity."""
    known = QUANTITIES.get(quantity)
    if known is None:
        return field.replace("_", " ")
    title = known.title if language is Language.EN else known.title_vi
    if field == quantity:
        return title
    rest = field.removeprefix(f"{quantity}_") if field.startswith(f"{quantity}_") else field
    return f"{title} · {rest.replace('_', ' ')}"
