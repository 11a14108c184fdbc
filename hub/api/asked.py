"""What a client asks for, from text to facts, with errors that say what was expected. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hub.series.base import Aggregate, SeriesKey, TimeRange

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN: Final = re.compile(r"([0-9]{1,7})([smhdw])\Z")
_UNIX_MS: Final = re.compile(r"[0-9]{11,14}\Z")
_EXAMPLES: Final = "a time such as 2026-11-23T10:00:00Z, a span back from now such as -6h, or now"
MAX_WINDOWS: Final = 11_000
MAX_SAMPLES: Final = 100_000
_SHOWN: Final = 8


class AskedError(ValueError):
    """The client asked for something that cannot be answered: what, and what was expected."""


class NothingThere(LookupError):  # noqa: N818 - it is no error of anybody's
    """What the client asked for is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """How samples are put together: one value for each window of `window_ns`."""

    aggregate: Aggregate
    window_ns: int


def span_s(text: str, *, what: str) -> int:
    """Seconds of a span such as ``30s``, ``15m``, ``6h``, ``7d`` or ``2w``.

    Raises:
        AskedError: it is none, or zero.
    """
    match = _SPAN.match(text)
    if not match or not int(match[1]):
        raise AskedError(f"{what}: found {text!r}, expected a span such as 30s, 15m, 6h, 7d or 2w")
    return int(match[1]) * _UNITS_S[match[2]]


def moment_ns(text: str, *, what: str, now_ms: int) -> int:
    """UTC nanoseconds of ``now``, ``-6h``, an ISO 8601 time with its offset, or Unix milliseconds.

    Raises:
        AskedError: it is none of these.
    """
    if text == "now":
        return now_ms * _NS_PER_MS
    if text.startswith("-"):
        return now_ms * _NS_PER_MS - span_s(text[1:], what=what) * _NS_PER_S
    if _UNIX_MS.match(text):
        return int(text) * _NS_PER_MS
    try:
        # In a URL a plus sign arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        moment = None
    if moment is None:
        raise AskedError(f"{what}: found {text!r}, expected {_EXAMPLES}")
    if moment.tzinfo is None:
        raise AskedError(f"{what}: found {text!r} without its offset from UTC, expected it: Z or +07:00 at the end")
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) * _NS_PER_MS


def time_range(start: str, end: str, *, now_ms: int) -> TimeRange:
    """The range between two moments.

    Raises:
        AskedError: a moment is none, or the range is empty.
    """
    asked = TimeRange(
        start_ns=moment_ns(start, what="from", now_ms=now_ms), end_ns=moment_ns(end, what="to", now_ms=now_ms)
    )
    if asked.start_ns >= asked.end_ns:
        raise AskedError(f"from {start} to {end}: expected from to lie before to")
    if asked.start_ns < 0:
        raise AskedError(f"from: found {start!r}, expected a time after 1970")
    return asked


def windowing(aggregate: Aggregate | None, window: str | None, asked: TimeRange) -> Windowing | None:
    """How samples shall be put together; None: not at all.

    Raises:
        AskedError: one of the two is missing, or there would be too many windows.
    """
    if aggregate is None and window is None:
        return None
    if aggregate is None or window is None:
        raise AskedError("aggregate and window: found one of them, expected both or none")
    window_ns = span_s(window, what="window") * _NS_PER_S
    windows = (asked.end_ns - asked.start_ns) // window_ns
    if windows > MAX_WINDOWS:
        raise AskedError(f"window {window}: found {windows} windows in this range, expected at most {MAX_WINDOWS}")
    return Windowing(aggregate=aggregate, window_ns=window_ns)


def the_one(found: list[SeriesKey]) -> SeriesKey:
    """The only series found.

    Raises:
        NothingThere: there is none.
        AskedError: there are several; the message says in what they differ.
    """
    if not found:
        raise NothingThere("no such series: /api/v1/series lists those there are")
    if len(found) == 1:
        return found[0]
    parts = ("measurement", "site", "gateway", "device", "group", "mode", "field")
    differing = {part: sorted({str(getattr(key, part)) for key in found}) for part in parts}
    ways = [f"{part} ({', '.join(values[:_SHOWN])})" for part, values in differing.items() if len(values) > 1]
    raise AskedError(f"found {len(found)} series, expected one: choose by {', '.join(ways)}")
