"""Points as InfluxDB line protocol. Pure.

I1. A line says exactly what its point says: no name or value can begin another field, tag or line. Names outside the
    allow-list are refused rather than escaped.
I2. Every number is written as a float, every quality as an integer, so that a field never changes its type.
I3. A line is never without a field: `quality` is always there.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from hub.series.names import faults_of
from hub.series.sheet import Integers, Sheet, Source, together
from wire.identifiers import QUALITY_KEY, QUALITY_SUFFIX
from wire.records import Quality

# One piece of every line: the same for all, or one for each.
_Piece = bytes | Sequence[bytes]

_SOURCES_REMEMBERED = 50_000
# The pieces of more lines than these are so much memory that the system is asked for it each time.
_ROWS_AT_ONCE: Final = 2000
_QUALITY: Final = QUALITY_KEY.encode("ascii")
# Stands in no line: names hold only what `hub.series.names` lets through.
_CUT: Final = b"\0"


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines and their points' places among the points they were made of."""

    rows: Integers
    text: bytes

    def halves(self) -> "tuple[Lines, Lines]":
        """The first and the second half."""
        lines = self.text.splitlines(keepends=True)
        middle = len(lines) // 2
        return (
            Lines(self.rows[:middle], b"".join(lines[:middle])),
            Lines(self.rows[middle:], b"".join(lines[middle:])),
        )


def lines_of(sheets: Sequence[Sheet], refused: dict[int, str], *, most: int) -> Iterator[Lines]:
    """The points of all sheets, at most `most` at a time; times are in nanoseconds.

    Args:
        sheets: whose points are counted through.
        refused: where the points that may never be written are noted, with the reason.
        most: lines at a time.
    """
    rows: list[Integers] = []
    text: list[bytes] = []
    room = most
    for sheet, places in _by_keys(sheets, refused):
        start = 0
        while start < len(sheet):
            end = min(len(sheet), start + room)
            rows.append(places[start:end])
            text.append(text_of(sheet.rows(slice(start, end))))
            room -= end - start
            start = end
            if not room:
                yield Lines(np.concatenate(rows), b"".join(text))
                rows, text, room = [], [], most
    if rows:
        yield Lines(np.concatenate(rows), b"".join(text))


def text_of(sheet: Sheet) -> bytes:
    """A line for each point of the sheet, each with its end. All points are such as may be written."""
    parts = (sheet.rows(slice(start, start + _ROWS_AT_ONCE)) for start in range(0, len(sheet), _ROWS_AT_ONCE))
    return b"".join([_side_by_side(_pieces(part), len(part)) for part in parts])


def _by_keys(sheets: Sequence[Sheet], refused: dict[int, str]) -> Iterator[tuple[Sheet, Integers]]:
    """Sheets of the same keys as one, without the points that may not be written; and each point's place."""
    alike: dict[tuple[str, ...], list[tuple[Sheet, Integers]]] = {}
    begin = 0
    for sheet in sheets:
        places = np.arange(begin, begin + len(sheet))
        alike.setdefault(sheet.keys, []).append((sheet, places))
        begin += len(sheet)
    for some in alike.values():
        whole = together([sheet for sheet, _ in some])
        places = np.concatenate([places for _, places in some])
        if faults := faults_of(whole):
            refused.update({int(places[row]): reason for row, reason in faults.items()})
            whole, places = whole.without(faults), np.delete(places, list(faults))
        yield whole, places


def _pieces(sheet: Sheet) -> list[_Piece]:
    heads = [_head(source) for source in sheet.sources]
    pieces: list[_Piece] = [[heads[source] for source in sheet.source_of.tolist()]]
    for place, key in enumerate(sheet.keys):
        fields = _around_each(sheet.numbers[place], before=f"{key}=".encode("ascii"), after=b",")
        if sheet.missing is not None:
            for row in np.flatnonzero(sheet.missing[place]).tolist():
                fields[row] = b""
        pieces.append(fields)
    *of_keys, of_points = _quality_pieces(sheet)
    pieces += of_keys
    if isinstance(of_points, bytes):
        return [*pieces, _around_each(sheet.times_ns, before=of_points, after=b"\n")]
    return [*pieces, of_points, _around_each(sheet.times_ns, before=b"", after=b"\n")]


def _quality_pieces(sheet: Sheet) -> list[_Piece]:
    if sheet.qualities is None:
        return [b"%s=%di " % (_QUALITY, Quality.GOOD.value)]
    pieces: list[_Piece] = []
    for key, codes in zip(sheet.keys, sheet.qualities, strict=True):
        if codes.any():
            name = f"{key}{QUALITY_SUFFIX}".encode("ascii")
            texts = [b"%s=%di," % (name, quality.value) if quality else b"" for quality in Quality]
            pieces.append([texts[code] for code in codes.tolist()])
    texts = [b"%s=%di " % (_QUALITY, quality.value) for quality in Quality]
    return [*pieces, [texts[code] for code in sheet.worst_qualities]]


@lru_cache(maxsize=_SOURCES_REMEMBERED)
def _head(source: Source) -> bytes:
    """What a line of this source begins with: measurement and tags."""
    tags = (
        f"device={source.device},gateway={source.gateway},group={source.group},"
        f"mode={source.mode.value},site={source.site}"
    )
    return f"{source.measurement},{tags} ".encode("ascii")


def _around_each(column: npt.NDArray[np.float64] | Integers, *, before: bytes, after: bytes) -> list[bytes]:
    """Each number in its shortest exact form, with its surroundings.

    Written, surrounded and cut as a whole, which is many times faster than singly.
    """
    text = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
    whole = b"%s%s%s" % (before, text[1:-1].replace(b",", after + _CUT + before), after)
    return whole.split(_CUT)


def _side_by_side(pieces: Sequence[_Piece], rows: int) -> bytes:
    """The pieces of each row, row after row."""
    parts = [b""] * (rows * len(pieces))
    for place, piece in enumerate(pieces):
        parts[place :: len(pieces)] = [piece] * rows if isinstance(piece, bytes) else piece
    return b"".join(parts)
