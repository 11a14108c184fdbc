"""Numbers and times as text says them. Pure. Text that says nothing readable is None, never 0."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from device_profiles.serial_model import TextForm

_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)\Z", re.ASCII)
_SCIENTIFIC: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_MANTISSA: Final = re.compile(r"([+-]?\d)(\d*)([+-]\d\d)\Z", re.ASCII)
_HEX: Final = re.compile(r"(0[xX])?[0-9a-fA-F]+\Z", re.ASCII)
# NMEA 0183: (d)ddmm.mmmm; the last two digits before the point are minutes. Longer than any real one is refused.
_ANGLE: Final = re.compile(r"(\d{0,3})(\d\d(?:\.\d{0,12})?)\Z", re.ASCII)
_CLOCK: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\.\d{0,9})?\Z", re.ASCII)
_DATE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)\Z", re.ASCII)
_MAX_DIGITS: Final = 40
_MINUTES_PER_DEGREE: Final = 60
# A two-digit year: GPS began in 1980.
_FIRST_YEAR: Final = 80
# The letters of the hemispheres, the greatest angle, and how many digits whole degrees have.
_ANGLES: Final = MappingProxyType({TextForm.LATITUDE: ("NS", 90, 2), TextForm.LONGITUDE: ("EW", 180, 3)})
DAY_MS: Final = 86_400_000


def text_number(text: str, form: TextForm, hemisphere: str = "") -> int | float | None:
    """The number that a text says; None for an empty or unreadable text.

    Args:
        text: without the separators around it.
        form: how it says the number.
        hemisphere: N, S, E or W, for latitude and longitude only; south and west give negative degrees.
    """
    if len(text) > _MAX_DIGITS:
        return None
    if form in _ANGLES:
        letters, greatest, _ = _ANGLES[form]
        return _angle(text, hemisphere, letters, greatest)
    return _READERS[form](text)


def number_text(number: float, form: TextForm) -> tuple[str, str]:
    """The text that says a number, and its hemisphere letter (empty for other forms); the inverse of `text_number`."""
    if form in _ANGLES:
        letters, _, width = _ANGLES[form]
        return _angle_text(abs(number), width), letters[number < 0]
    return _WRITERS[form](number), ""


def clock_ms(text: str) -> int | None:
    """Milliseconds since midnight of hhmmss or hhmmss.sss; a leap second reads as the next day's first."""
    found = _CLOCK.match(text)
    if not found:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if hour > 23 or minute > 59 or second > 60:  # noqa: PLR2004 - a clock
        return None
    fraction_ms = round(float("0" + found[4]) * 1000) if found[4] else 0
    return ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms


def date_ms(day: int, month: int, year: int) -> int | None:
    """The first millisecond of a day, UTC since 1970; None for a day that is in no calendar."""
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def short_date_ms(text: str) -> int | None:
    """The first millisecond of the day ddmmyy; the years 80 to 99 are of the last century."""
    found = _DATE.match(text)
    if not found:
        return None
    year = int(found[3])
    return date_ms(int(found[1]), int(found[2]), year + (1900 if year >= _FIRST_YEAR else 2000))


def nearest_day_ms(clock: int, reference_ms: int) -> int:
    """The time with this time of day (milliseconds since midnight) that is nearest to the reference."""
    guess = reference_ms - reference_ms % DAY_MS + clock
    days = round((reference_ms - guess) / DAY_MS)
    return guess + days * DAY_MS


def _angle(text: str, hemisphere: str, letters: str, greatest: int) -> float | None:
    found = _ANGLE.match(text)
    if not found or len(hemisphere) != 1 or hemisphere not in letters:
        return None
    degrees, minutes = int(found[1] or 0), float(found[2])
    angle = degrees + minutes / _MINUTES_PER_DEGREE
    if minutes >= _MINUTES_PER_DEGREE or angle > greatest:
        return None
    return -angle if hemisphere == letters[1] else angle


def _angle_text(angle: float, width: int) -> str:
    # In whole 1e-7 minutes, so that 59.99999999 minutes become a degree and never 60 minutes.
    degrees, minutes = divmod(round(angle * 600_000_000), 600_000_000)
    return f"{degrees:0{width}d}{minutes / 10_000_000:010.7f}"


def _decimal(text: str) -> int | float | None:
    if not _DECIMAL.match(text):
        return None
    return float(text) if "." in text else int(text)


def _scientific(text: str) -> float | None:
    number = float(text) if _SCIENTIFIC.match(text) else math.inf
    return number if math.isfinite(number) else None


def _decimal_text(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:.12f}".rstrip("0")


def _signed_hex(text: str) -> int | None:
    if not _HEX.match(text):
        return None
    digits = text[2:] if text[:2] in {"0x", "0X"} else text
    number, span = int(digits, 16), 16 ** len(digits)
    return number - span if number >= span // 2 else number


def _decimal_comma(text: str) -> int | float | None:
    return _decimal(text.replace(",", ".")) if "." not in text else None


def _mantissa(text: str) -> float | None:
    found = _MANTISSA.match(text)
    return float(f"{found[1]}.{found[2] or 0}e{found[3]}") if found else None


def _hex(text: str) -> int | None:
    return int(text, 16) if _HEX.match(text) else None


def _mantissa_text(number: float) -> str:
    mantissa, exponent = f"{number:+.3e}".split("e")
    return mantissa.replace(".", "") + exponent


def _signed_hex_text(number: float) -> str:
    digits = 4 if -0x8000 <= number <= 0x7FFF else 8  # noqa: PLR2004 - a 16-bit number
    return f"{round(number) & 16**digits - 1:0{digits}X}"


_READERS: Final[Mapping[TextForm, Callable[[str], int | float | None]]] = MappingProxyType({
    TextForm.DECIMAL: _decimal,
    TextForm.SIGNED_DECIMAL: _decimal,
    TextForm.DECIMAL_COMMA: _decimal_comma,
    TextForm.SCIENTIFIC: _scientific,
    TextForm.MANTISSA_EXPONENT: _mantissa,
    TextForm.HEX: _hex,
    TextForm.SIGNED_HEX: _signed_hex,
})  # fmt: skip
_WRITERS: Final[Mapping[TextForm, Callable[[float], str]]] = MappingProxyType({
    TextForm.DECIMAL: _decimal_text,
    TextForm.SIGNED_DECIMAL: lambda number: ("" if number < 0 else "+") + _decimal_text(number),
    TextForm.DECIMAL_COMMA: lambda number: _decimal_text(number).replace(".", ","),
    TextForm.SCIENTIFIC: repr,
    TextForm.MANTISSA_EXPONENT: _mantissa_text,
    TextForm.HEX: lambda number: f"0x{round(number):X}",
    TextForm.SIGNED_HEX: _signed_hex_text,
})  # fmt: skip
