"""What is written to a series store: points by column.

A point is one record as it is stored: known numbers by key, and a quality for every key, known or not. Stores keep
`quality` (the worst) as an integer always, and `<key>_quality` where a key is not good.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from wire.records import Mode, Quality

Integers: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]
_Cell = TypeVar("_Cell", np.bool_, np.uint8)
_GOOD: Final = Quality.GOOD.value


class Source(NamedTuple):
    """Whose point it is: its measurement and tags."""

    measurement: str
    site: str
    gateway: str
    device: str
    group: str
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One row of a sheet: the known numbers by key, and the quality of every key, known or not."""

    measurement: str
    site: str
    gateway: str
    device: str
    group: str
    mode: Mode
    time_ns: int
    fields: Mapping[str, float]
    qualities: Mapping[str, Quality]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """Points with the same keys. `source_of` says for each row which of the sources it is.

    `numbers`, `missing` and `qualities` have a row for each key and a column for each point: a number that is
    missing stands for nothing. `missing` is None where none is, `qualities` where all are good.
    """

    sources: Sequence[Source]
    source_of: Integers
    times_ns: Integers
    keys: tuple[str, ...]
    numbers: Numbers
    missing: Flags | None = None
    qualities: Codes | None = None

    def __len__(self) -> int:
        """How many points it holds."""
        return len(self.times_ns)

    @property
    def worst_qualities(self) -> list[int]:
        """The quality of each point as a whole."""
        return [_GOOD] * len(self) if self.qualities is None else self.qualities.max(axis=0).tolist()

    def known_numbers(self, place: int) -> list[float | None]:
        """The numbers of the key at this place, None where one is missing."""
        numbers: list[float | None] = self.numbers[place].tolist()
        if self.missing is not None:
            for row in np.flatnonzero(self.missing[place]).tolist():
                numbers[row] = None
        return numbers

    def key_qualities(self, place: int) -> list[int]:
        """The qualities of the key at this place."""
        return [_GOOD] * len(self) if self.qualities is None else self.qualities[place].tolist()

    def newest(self) -> list[tuple[Source, int]]:
        """The time of the newest point of each source that has one."""
        times_ns = np.full(len(self.sources), -1, np.int64)
        np.maximum.at(times_ns, self.source_of, self.times_ns)
        found = zip(self.sources, times_ns.tolist(), strict=True)
        return [(source, time_ns) for source, time_ns in found if time_ns >= 0]

    def without(self, rows: Collection[int]) -> "Sheet":
        """All points but these."""
        return self.rows(np.array([row for row in range(len(self)) if row not in rows], np.int64))

    def rows(self, rows: slice | Integers | Flags) -> "Sheet":
        """Some of its points."""
        return Sheet(
            sources=self.sources,
            source_of=self.source_of[rows],
            times_ns=self.times_ns[rows],
            keys=self.keys,
            numbers=self.numbers[:, rows],
            missing=None if self.missing is None else self.missing[:, rows],
            qualities=None if self.qualities is None else self.qualities[:, rows],
        )


def sheets_of(points: Sequence[Point]) -> list[Sheet]:
    """A sheet for each point, in order: for who has few."""
    return [_sheet(point) for point in points]


def without(sheets: Sequence[Sheet], places: Collection[int]) -> list[Sheet]:
    """All points but those at these places, counted through all sheets."""
    if not places:
        return list(sheets)
    left: list[Sheet] = []
    begin = 0
    for sheet in sheets:
        rows = {place - begin for place in places if begin <= place < begin + len(sheet)}
        left.append(sheet.without(rows) if rows else sheet)
        begin += len(sheet)
    return left


def together(sheets: Sequence[Sheet]) -> Sheet:
    """Sheets of the same keys as one, their points in order."""
    if len(sheets) == 1:
        return sheets[0]
    before = np.cumsum([0, *(len(sheet.sources) for sheet in sheets[:-1])])
    no_missing = all(sheet.missing is None for sheet in sheets)
    all_good = all(sheet.qualities is None for sheet in sheets)
    return Sheet(
        sources=[source for sheet in sheets for source in sheet.sources],
        source_of=np.concatenate([sheet.source_of + start for sheet, start in zip(sheets, before, strict=True)]),
        times_ns=np.concatenate([sheet.times_ns for sheet in sheets]),
        keys=sheets[0].keys,
        numbers=np.concatenate([sheet.numbers for sheet in sheets], axis=1),
        missing=None if no_missing else _joined([(sheet, sheet.missing) for sheet in sheets], np.bool_),
        qualities=None if all_good else _joined([(sheet, sheet.qualities) for sheet in sheets], np.uint8),
    )


def _joined(parts: Iterable[tuple[Sheet, npt.NDArray[_Cell] | None]], kind: type[_Cell]) -> npt.NDArray[_Cell]:
    return np.concatenate(
        [np.zeros(sheet.numbers.shape, kind) if part is None else part for sheet, part in parts], axis=1
    )


def _sheet(point: Point) -> Sheet:
    keys = tuple({**point.qualities, **point.fields})
    return Sheet(
        sources=[Source(point.measurement, point.site, point.gateway, point.device, point.group, point.mode)],
        source_of=np.zeros(1, np.int64),
        times_ns=np.array([point.time_ns], np.int64),
        keys=keys,
        numbers=np.array([[point.fields.get(key, 0.0)] for key in keys], np.float64).reshape(len(keys), 1),
        missing=np.array([[key not in point.fields] for key in keys], np.bool_).reshape(len(keys), 1),
        qualities=np.array([[point.qualities[key]] for key in keys], np.uint8).reshape(len(keys), 1),
    )
