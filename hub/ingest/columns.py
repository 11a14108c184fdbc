"""A batch as columns: what `wire.columns` reads number by number, read for whole tables at once. Pure.

I1. The same bytes give the same records as `wire.codec.decode_batch`, or are refused as it refuses them.
I2. Nothing is spread out before `wire.batch_items` has counted it against the limits of a batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cbor2
import numpy as np
import numpy.typing as npt

from hub.series.sheet import Codes, Flags, Integers, Numbers
from wire import cbor, columns, items
from wire.batch_items import Layout, PackedBatch, PackedTable
from wire.cbor import Item
from wire.codec import decode_packed_batch
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


def read_batch(payload: bytes) -> BatchColumns:
    """The batch of a payload.

    Raises:
        WireError: any other bytes.
    """
    return batch_columns(decode_packed_batch(payload))


def batch_columns(packed: PackedBatch) -> BatchColumns:
    """The batch with its columns spread out.

    Raises:
        WireError: a column that is none, or numbers that no record may have.
    """
    tables = tuple(map(_table, packed.tables))
    return BatchColumns(
        gateway=packed.gateway,
        epoch=packed.epoch,
        tables=tables,
        seqs=_different([table.seqs for table in tables]),
        losses=packed.losses,
    )


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
        lengths = np.array(counts, np.int64)
        self.of_row = np.repeat(np.arange(self.number), lengths)
        self.starts = np.cumsum(lengths) - lengths
        self.row_in_run = np.arange(self.rows) - self.starts[self.of_row]
        self.inner = np.flatnonzero(self.row_in_run)


# A gateway's batches mostly have the same devices as often as before.
_runs = lru_cache(maxsize=256)(_Runs)


def _table(packed: PackedTable) -> RecordColumns:
    runs = _runs(tuple(packed.counts))
    points = [items.array(item, what="values of a point", maximum=3) or [None] for item in packed.values]
    numbers, integers = _columns([point[0] for point in points], [packed.seqs, packed.times_ms], runs)
    seqs, times_ms = integers
    if seqs.min() < 1 or seqs.max() > MAX_SEQ or times_ms.min() < 0 or times_ms.max() > MAX_TIME_MS:
        raise WireError("table: a seq or a time out of range")
    missing, qualities = _exceptions(points, runs.rows)
    _check_values(numbers, missing, qualities)
    return RecordColumns(
        layout=packed.layout,
        devices=packed.devices,
        device_of=runs.of_row,
        seqs=seqs,
        times_ms=times_ms,
        time_qualities=_codes(packed.time_qualities, runs.rows, TimeQuality.UNANCHORED, "time quality"),
        numbers=numbers,
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
    steps: list[int] = []
    differences: list[int] = []
    inner_rests = np.zeros((len(inner), len(runs.inner)), np.int64)
    for place, column in enumerate(inner):
        step, *more = column or [None]
        steps.append(items.integer(step, what="step", minimum=-2 * MAX_NUMBER, maximum=2 * MAX_NUMBER))
        if more:
            form, rest = items.fields(more, what="rest of a column", count=2)
            if items.choice(form, what="form", choices=_FORMS) is Form.DIFFERENCE:
                differences.append(place)
            inner_rests[place] = _typed(rest, len(runs.inner), _INTEGERS)
    if max(map(abs, steps)) > _SAFE_STEP or inner_rests.max() > _SAFE_REST or inner_rests.min() < -_SAFE_REST:
        exactly = [columns.spread(first, one, runs.counts) for first, one in zip(firsts.tolist(), inner, strict=True)]
        return np.array(exactly, np.int64)
    rests = np.zeros((len(inner), runs.rows), np.int64)
    rests[:, runs.inner] = inner_rests
    if differences:
        rests[differences] = _summed(rests[differences], runs)
    return _checked(firsts[:, runs.of_row] + np.array(steps)[:, np.newaxis] * runs.row_in_run + rests)


def _checked(numbers: Integers) -> Integers:
    if numbers.max() > MAX_NUMBER or numbers.min() < -MAX_NUMBER:
        raise WireError("column: an integer beyond 2**53")
    return numbers


def _summed(rests: Integers, runs: _Runs) -> Integers:
    """The sums of each run up to each row; at the first of a run stands 0."""
    sums: Integers = rests.cumsum(axis=1)
    if runs.number == 1:
        return sums
    return sums - sums[:, runs.starts][:, runs.of_row]


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


def _check_values(numbers: Numbers, missing: Flags | None, qualities: Codes | None) -> None:
    is_number = np.isfinite(numbers)
    if missing is not None:
        is_number |= missing
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
