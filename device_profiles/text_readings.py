"""Numbers and times as text says them. Pure. Text that says nothing readable is None, never 0."""

import re
from datetime import UTC, datetime
from typing import Final, assert_never

from device_profiles.serial_model import TextForm

_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)\Z", re.ASCII)
_HEX: Final = re.compile(r"(0[xX])?[0-9a-fA-F]+\Z", re.ASCII)
# NMEA 0183: (d)ddmm.mmmm; the last two digits before the point are minutes. Longer than any real one is refused.
_ANGLE: Final = re.compile(r"(\d{0,3})(\d\d(?:\.\d{0,12})?)\Z", re.ASCII)
_CLOCK: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\.\d{0,9})?\Z", re.ASCII)
_DATE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)\Z", re.ASCII)
_MAX_DIGITS: Final = 40
_MINUTES_PER_DEGREE: Final = 60
# A two-digit year: GPS began in 1980.
_FIRST_YEAR: Final = 80
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
    match form:
        case TextForm.DECIMAL:
            if not _DECIMAL.match(text):
                return None
            return float(text) if "." in text else int(text)
        case TextForm.HEX:
            return int(text, 16) if _HEX.match(text) else None
        case TextForm.LATITUDE:
            return _angle(text, hemisphere, "NS", 90)
        case TextForm.LONGITUDE:
            return _angle(text, hemisphere, "EW", 180)
        case _:
            assert_never(form)


def number_text(number: float, form: TextForm) -> tuple[str, str]:
    """The text that says a number, and its hemisphere letter (empty for other forms); the inverse of `text_number`."""
    match form:
        case TextForm.DECIMAL:
            return (str(int(number)) if number == int(number) else f"{number:.12f}".rstrip("0")), ""
        case TextForm.HEX:
            return f"0x{int(number):X}", ""
        case TextForm.LATITUDE:
            return _angle_text(abs(number), 2), "S" if number < 0 else "N"
        case TextForm.LONGITUDE:
            return _angle_text(abs(number), 3), "W" if number < 0 else "E"
        case _:
            assert_never(form)


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
