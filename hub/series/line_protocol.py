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

import numpy as np
import numpy.typing as npt
import orjson

from hub.series.names import faults_of
from hub.series.sheet import Integers, Sheet, Source, together
from wire.identifiers import QUALITY_KEY, QUALITY_SUFFIX
from wire.records import Quality

# One piece of every line: the same for all, or one for each.
_Piece = str | Sequence[str]

_SOURCES_REMEMBERED = 50_000


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
    return _side_by_side(_pieces(sheet), len(sheet))


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
        tokens = _tokens(sheet.numbers[place])
        missing = None if sheet.missing is None else sheet.missing[place]
        if missing is None or not missing.any():
            pieces += [f"{key}=", tokens, ","]
        else:
            known = zip(tokens, missing.tolist(), strict=True)
            pieces.append(["" if is_missing else f"{key}={token}," for token, is_missing in known])
    pieces += _quality_pieces(sheet)
    return [*pieces, _tokens(sheet.times_ns), "\n"]


def _quality_pieces(sheet: Sheet) -> list[_Piece]:
    if sheet.qualities is None:
        return [f"{QUALITY_KEY}={Quality.GOOD.value}i "]
    pieces: list[_Piece] = []
    for key, codes in zip(sheet.keys, sheet.qualities, strict=True):
        if codes.any():
            texts = [f"{key}{QUALITY_SUFFIX}={quality.value}i," if quality else "" for quality in Quality]
            pieces.append([texts[code] for code in codes.tolist()])
    texts = [f"{QUALITY_KEY}={quality.value}i " for quality in Quality]
    return [*pieces, [texts[code] for code in sheet.worst_qualities]]


@lru_cache(maxsize=_SOURCES_REMEMBERED)
def _head(source: Source) -> str:
    """What a line of this source begins with: measurement and tags."""
    tags = (
        f"device={source.device},gateway={source.gateway},group={source.group},"
        f"mode={source.mode.value},site={source.site}"
    )
    return f"{source.measurement},{tags} "


def _tokens(column: npt.NDArray[np.float64] | Integers) -> list[str]:
    """Each number in its shortest exact form; written and cut as a whole, which is many times faster than singly."""
    text = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].decode("ascii").split(",")


def _side_by_side(pieces: Sequence[_Piece], rows: int) -> bytes:
    """The pieces of each row, row after row."""
    joined: list[_Piece] = []
    for piece in pieces:  # neighbours that are the same in every line are one
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    parts = [""] * (rows * len(joined))
    for place, piece in enumerate(joined):
        parts[place :: len(joined)] = [piece] * rows if isinstance(piece, str) else piece
    return "".join(parts).encode("ascii")
