"""A batch as columns: what `wire.columns` reads number by number, read for whole tables at once. Pure.

I1. The same bytes give the same records as `wire.codec.decode_batch`, or are refused as it refuses them; alone or
    together with others.
I2. Nothing is spread out before `wire.batch_items` has counted it against the limits of a batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import cbor2
import numpy as np
import numpy.typing as npt

from hub.series.sheet import Codes, Flags, Integers, Numbers
from wire import cbor, columns, items
from wire.batch_items import Layout, PackedBatch, PackedTable
from wire.cbor import Item
from wire.columns import MAX_EXPONENT, MAX_NUMBER, Form
from wire.errors import WireError
from wire.identifiers import DeviceId, GatewayId
from wire.ranges import RangeSet
from wire.records import MAX_SEQ, MAX_TIME_MS, Loss, Quality, Record, TimeQuality, Value

_POWERS: Final = np.array([10.0**exponent for exponent in range(MAX_EXPONENT + 1)])
_INTEGERS: Final = {
    tag: np.dtype(f"<i{width}") for tag, width in ((cbor.INT8, 1), (cbor.INT16, 2), (cbor.INT32, 4), (cbor.INT64, 8))
}
_FLOATS: Final = {cbor.FLOAT64: np.dtype("<f8")}
# Within these a column of any batch stays within 64 bits; beyond them Python's own integers are asked.
_SAFE_STEP: Final = 2**40
_SAFE_REST: Final = 2**52
# As many rows as the columns of a usual table have in a processor's cache.
_ROWS_A_PASS: Final = 4000
_FORMS: Final = (Form.LINE, Form.DIFFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordColumns:
    """Records of one layout: a row is a record, `device_of` says whose. Rows of one device stand together.

    `numbers`, `missing` and `qualities` have a row for each point and a column for each record: a number that is
    missing stands for nothing. `missing` is None where none is, `qualities` where all are good, `time_qualities`
    where all times are synced.
    """

    layout: Layout
    devices: Sequence[DeviceId]
    device_of: Integers
    seqs: Integers
    times_ms: Integers
    time_qualities: Codes | None
    numbers: Numbers
    missing: Flags | None
    qualities: Codes | None

    def __len__(self) -> int:
        """How many records it holds."""
        return len(self.seqs)

    def rows(self, rows: Flags) -> "RecordColumns":
        """Some of its records."""
        return RecordColumns(
            layout=self.layout,
            devices=self.devices,
            device_of=self.device_of[rows],
            seqs=self.seqs[rows],
            times_ms=self.times_ms[rows],
            time_qualities=None if self.time_qualities is None else self.time_qualities[rows],
            numbers=self.numbers[:, rows],
            missing=None if self.missing is None else self.missing[:, rows],
            qualities=None if self.qualities is None else self.qualities[:, rows],
        )

    def record(self, row: int) -> Record:
        """One record as an object."""
        points = range(len(self.numbers))
        return Record(
            seq=int(self.seqs[row]),
            stream=self.layout.stream(self.devices[int(self.device_of[row])]),
            time_ms=int(self.times_ms[row]),
            time_quality=TimeQuality.SYNCED if self.time_qualities is None else TimeQuality(self.time_qualities[row]),
            values=tuple(
                Value(
                    None if self.missing is not None and self.missing[point, row] else float(self.numbers[point, row]),
                    Quality.GOOD if self.qualities is None else Quality(self.qualities[point, row]),
                )
                for point in points
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchColumns:
    """A batch by column. `seqs` are those of its records."""

    gateway: GatewayId
    epoch: int
    tables: tuple[RecordColumns, ...]
    seqs: RangeSet
    losses: tuple[Loss, ...]

    @property
    def key(self) -> tuple[GatewayId, int]:
        """The epoch it speaks of."""
        return self.gateway, self.epoch

    @property
    def values(self) -> int:
        """How many values it holds."""
        return sum(table.numbers.size for table in self.tables)

    @property
    def asked(self) -> RangeSet:
        """The seqs its sender wants to hear of: its records and its tombstones."""
        return self.seqs | RangeSet.of((loss.first, loss.last) for loss in self.losses)


def batch_columns(packed: PackedBatch) -> BatchColumns:
    """The batch with its columns spread out.

    Raises:
        WireError: a column that is none, or numbers that no record may have.
    """
    (batch,) = columns_together([packed])
    return batch


def columns_together(packed: Sequence[PackedBatch]) -> list[BatchColumns]:
    """Each batch with its columns spread out; tables whose rows stand alike are spread in one pass.

    Raises:
        WireError: one of them is at fault, as `batch_columns` finds it.
    """
    tables = iter(_tables([table for one in packed for table in one.tables]))
    return [_batch(one, tuple(islice(tables, len(one.tables)))) for one in packed]


def ranges_of(seqs: Integers) -> RangeSet:
    """Different numbers in ascending order as ranges."""
    if not len(seqs):
        return RangeSet()
    ends = np.flatnonzero(np.diff(seqs) != 1)
    firsts = [int(seqs[0]), *seqs[ends + 1].tolist()]
    return RangeSet(tuple(zip(firsts, [*seqs[ends].tolist(), int(seqs[-1])], strict=True)))


def within(seqs: Integers, ranges: RangeSet) -> Flags:
    """Which of these are in the ranges."""
    if not ranges.ranges:
        return np.zeros(len(seqs), np.bool_)
    firsts, lasts = np.array(ranges.ranges, np.int64).T
    at = np.searchsorted(lasts, seqs)
    inside: Flags = firsts[np.minimum(at, len(firsts) - 1)] <= seqs
    return inside & (at < len(lasts))


class _Runs:
    """How the rows of a column stand: in runs of one device each. Nothing here changes."""

    def __init__(self, counts: tuple[int, ...]) -> None:
        self.counts = counts
        self.number = len(counts)
        self.rows = sum(counts)
        self.lengths = np.array(counts, np.int64)
        self.of_row = np.repeat(np.arange(self.number), self.lengths)
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.row_in_run = np.arange(self.rows) - self.starts[self.of_row]
        self.is_inner = self.row_in_run > 0


# A gateway's batches mostly have the same devices as often as before.
_runs = lru_cache(maxsize=256)(_Runs)


def _batch(packed: PackedBatch, tables: tuple[RecordColumns, ...]) -> BatchColumns:
    return BatchColumns(
        gateway=packed.gateway,
        epoch=packed.epoch,
        tables=tables,
        seqs=_different([table.seqs for table in tables]),
        losses=packed.losses,
    )


def _tables(packed: Sequence[PackedTable]) -> list[RecordColumns]:
    """The tables in order."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, table in enumerate(packed):
        alike.setdefault(tuple(table.counts), []).append(place)
    found: dict[int, RecordColumns] = {}
    for counts, places in alike.items():
        runs = _runs(counts)
        most = max(1, _ROWS_A_PASS // runs.rows)
        for start in range(0, len(places), most):
            some = places[start : start + most]
            found |= zip(some, _tables_alike([packed[place] for place in some], runs), strict=True)
    return [found[place] for place in range(len(packed))]


def _tables_alike(packed: Sequence[PackedTable], runs: _Runs) -> Iterator[RecordColumns]:
    """Tables whose rows stand in the same runs."""
    points = [
        [items.array(item, what="values of a point", maximum=3) or [None] for item in one.values] for one in packed
    ]
    whole = [*(one.seqs for one in packed), *(one.times_ms for one in packed)]
    numbers, integers = _columns([point[0] for some in points for point in some], whole, runs)
    seqs, times_ms = integers[: len(packed)], integers[len(packed) :]
    if seqs.min() < 1 or seqs.max() > MAX_SEQ or times_ms.min() < 0 or times_ms.max() > MAX_TIME_MS:
        raise WireError("table: a seq or a time out of range")
    is_number = np.isfinite(numbers)
    end = 0
    for place, (one, some) in enumerate(zip(packed, points, strict=True)):
        begin, end = end, end + len(some)
        missing, qualities = _exceptions(some, runs.rows)
        _check_values(is_number[begin:end], missing, qualities)
        yield RecordColumns(
            layout=one.layout,
            devices=one.devices,
            device_of=runs.of_row,
            seqs=seqs[place],
            times_ms=times_ms[place],
            time_qualities=_codes(one.time_qualities, runs.rows, TimeQuality.UNANCHORED, "time quality"),
            numbers=numbers[begin:end],
            missing=missing,
            qualities=qualities,
        )


def _columns(packed: Sequence[Item], whole: Sequence[Item], runs: _Runs) -> tuple[Numbers, Integers]:
    """The numbers of points, and columns of integers."""
    numbers = np.empty((len(packed), runs.rows), np.float64)
    scaled: list[tuple[int, int]] = []
    waiting = list(whole)
    for place, item in enumerate(packed):
        exponent, column = items.fields(item, what="numbers", count=2)
        if exponent is None:
            numbers[place] = _typed(column, runs.rows, _FLOATS)
        else:
            scaled.append((place, items.integer(exponent, what="exponent", maximum=MAX_EXPONENT)))
            waiting.append(column)
    integers = _integers(waiting, runs)
    if scaled:
        places, exponents = zip(*scaled, strict=True)
        numbers[list(places)] = integers[len(whole) :] / _POWERS[list(exponents), np.newaxis]
    return numbers, integers[: len(whole)]


def _integers(packed: Sequence[Item], runs: _Runs) -> Integers:
    """Columns of integers, a row for each."""
    parts = [items.array(item, what="column", maximum=4) or [None] for item in packed]
    tracks = [part[0] for part in parts]
    if runs.number == 1:
        firsts = np.array([columns.track(track, count=1) for track in tracks], np.int64)
    else:
        lists = [items.array(track, what="track", maximum=4) or [None] for track in tracks]
        bases = np.array([columns.track(one[0], count=1) for one in lists], np.int64)
        firsts = _spread(bases, [one[1:] for one in lists], _runs((runs.number,)))
    return _spread(firsts, [part[1:] for part in parts], runs)


def _spread(firsts: Integers, inner: Sequence[Sequence[Item]], runs: _Runs) -> Integers:
    """As `wire.columns` spreads one: the firsts of the runs, and what follows them."""
    if runs.rows == runs.number:
        for items_of_column in inner:
            items.fields(list(items_of_column), what="rest of a column of single rows", count=0)
        return firsts
    steps, differences, rests = _inner(inner, runs)
    if max(map(abs, steps)) > _SAFE_STEP or rests.max() > _SAFE_REST or rests.min() < -_SAFE_REST:
        exactly = [columns.spread(first, one, runs.counts) for first, one in zip(firsts.tolist(), inner, strict=True)]
        return np.array(exactly, np.int64)
    if differences:
        sums = rests[differences].cumsum(axis=1)
        rests[differences] = sums
        firsts = firsts.copy()
        firsts[differences] -= sums[:, runs.starts]  # what the runs before have come to
    rests += firsts.repeat(runs.lengths, axis=1)
    for place, step in enumerate(steps):
        if step:
            rests[place] += step * runs.row_in_run
    return _checked(rests)


def _inner(inner: Sequence[Sequence[Item]], runs: _Runs) -> tuple[list[int], list[int], Integers]:
    """The step of each column, the places of those whose rests are differences, and the rests (0 at a run's first)."""
    steps: list[int] = []
    differences: list[int] = []
    rests = np.zeros((len(inner), runs.rows), np.int64)
    for place, column in enumerate(inner):
        step, *more = column or [None]
        steps.append(items.integer(step, what="step", minimum=-2 * MAX_NUMBER, maximum=2 * MAX_NUMBER))
        if more:
            form, rest = items.fields(more, what="rest of a column", count=2)
            if items.choice(form, what="form", choices=_FORMS) is Form.DIFFERENCE:
                differences.append(place)
            rests[place, runs.is_inner] = _typed(rest, runs.rows - runs.number, _INTEGERS)
    return steps, differences, rests


def _checked(numbers: Integers) -> Integers:
    if numbers.max() > MAX_NUMBER or numbers.min() < -MAX_NUMBER:
        raise WireError("column: an integer beyond 2**53")
    return numbers


def _typed(item: Item, count: int, kinds: Mapping[int, np.dtype[Any]]) -> npt.NDArray[np.number]:
    """The numbers of a typed array of one of these kinds."""
    if not isinstance(item, cbor2.CBORTag) or item.tag not in kinds:
        raise WireError(f"expected a typed array of {' or '.join(map(str, kinds.values()))}")
    kind = kinds[item.tag]
    packed: bytes = item.value
    if len(packed) != count * kind.itemsize:
        raise WireError(f"expected {count} numbers of {kind.itemsize} bytes, found {len(packed)} bytes")
    return np.frombuffer(packed, kind)


def _codes(item: Item, rows: int, worst: int, what: str) -> Codes | None:
    codes = columns.runs(item, count=rows)
    if codes is None:
        return None
    if max(codes) > worst:
        raise WireError(f"{what}: {max(codes)}, expected at most {worst}")
    return np.array(codes, np.uint8)


def _exceptions(points: Sequence[Sequence[Item]], rows: int) -> tuple[Flags | None, Codes | None]:
    """Which numbers are missing, and the qualities."""
    if all(len(point) == 1 for point in points):
        return None, None
    missing = np.zeros((len(points), rows), np.bool_)
    qualities = np.zeros((len(points), rows), np.uint8)
    for place, (_, *exceptions) in enumerate(points):
        if exceptions:
            missing_item, qualities_item = items.fields(exceptions, what="missing and qualities", count=2)
            missing[place] = columns.runs(missing_item, count=rows) or 0
            codes = _codes(qualities_item, rows, max(Quality), "quality")
            qualities[place] = 0 if codes is None else codes
    return missing, qualities


def _check_values(is_number: Flags, missing: Flags | None, qualities: Codes | None) -> None:
    if missing is not None:
        is_number = is_number | missing
        if (missing & (qualities == Quality.GOOD)).any():
            raise WireError("a value that is None needs a quality that says why")
    if not is_number.all():
        raise WireError("a value is not a number; expected None with a quality")


def _different(parts: Sequence[Integers]) -> RangeSet:
    """The seqs of all tables."""
    if not parts:
        return RangeSet()
    seqs = np.sort(np.concatenate(parts))
    twice = np.flatnonzero(seqs[1:] == seqs[:-1])
    if len(twice):
        raise WireError(f"batch: two records with seq {seqs[twice[0]]}")
    return ranges_of(seqs)
