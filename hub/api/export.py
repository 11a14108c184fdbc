"""Series as one long CSV: any number of series, any number of values, never more than a slice of time in memory.

I1. No cell is a formula to a spreadsheet: text that could be one begins with an apostrophe.
I2. Each row says its unit, mode and quality; modes are never put together.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from hub.api.views import Meanings
from hub.levels.level import HOUR_NS, Level
from hub.series.base import Selection, SeriesSamples, SeriesStore, TimeRange
from hub.series.names import HUB_MEASUREMENTS

COLUMNS: Final = (
    "measurement", "site", "gateway", "device", "group", "field", "unit", "mode", "time", "value", "quality",
)  # fmt: skip
# What is read at a time, so that a slice of a large fleet fits into memory.
_SLICE_NS: Final = {Level.RAW: HOUR_NS // 4, Level.FIVE_MINUTES: 24 * HOUR_NS, Level.HOURLY: 14 * 24 * HOUR_NS}
_NS_PER_MS: Final = 1_000_000
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


async def csv_of(
    store: SeriesStore, meanings: Meanings, asked: Selection, time_range: TimeRange, *, level: Level
) -> AsyncIterator[str]:
    """The rows in order of time slices, in a slice by series; with a line of column names first.

    Raises:
        SeriesError: the store cannot answer.
    """
    yield _lines([COLUMNS])
    for some in slices(time_range, level):
        found = await store.span(asked, some)
        for item in found:
            if asked.measurement is not None or item.series.measurement not in HUB_MEASUREMENTS:
                yield _lines(rows_of(item, meanings))


def slices(time_range: TimeRange, level: Level) -> Iterator[TimeRange]:
    """The range in pieces that begin at multiples of their length, but for the first."""
    step = _SLICE_NS[level]
    start = time_range.start_ns
    while start < time_range.end_ns:
        end = min((start // step + 1) * step, time_range.end_ns)
        yield TimeRange(start_ns=start, end_ns=end)
        start = end


def rows_of(item: SeriesSamples, meanings: Meanings) -> Iterator[tuple[str, ...]]:
    """One row for each sample."""
    told = meanings.series(item.series)
    place = (told.measurement, told.site, told.gateway, told.device, told.group, told.field, told.unit, told.mode.value)
    safe = tuple(no_formula(text) for text in place)
    for sample in item.samples:
        number = "" if sample.number is None else repr(sample.number)
        yield (*safe, time_text(sample.time_ns // _NS_PER_MS), number, sample.quality.name.lower())


def no_formula(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet might compute it."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def time_text(time_ms: int) -> str:
    """UTC to the millisecond, as ISO 8601 has it."""
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
