"""A batch as CBOR items and back: tables of rows with one layout, sorted by device and seq, stored by column.

    batch  [gateway, epoch, tables, losses]
    table  [site, group, measurement, mode, kind, points, devices, rows, seqs, times, time qualities, values]

`rows` is the track of rows per device. `points` holds `[key, unit]`, or `[key, unit, quantity]` where key and quantity
differ. `values` holds one `[numbers, missing, qualities]` per point, or only numbers where all are there and good.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby, pairwise
from operator import attrgetter

from wire import columns, device_names, items
from wire.cbor import Item
from wire.device_names import MAX_NAME_CHARACTERS
from wire.errors import TooLargeError, WireError
from wire.identifiers import DeviceId, GatewayId, SiteId, check_identifier, check_key
from wire.records import (
    MAX_EPOCH,
    MAX_SEQ,
    Batch,
    Loss,
    LossReason,
    Mode,
    PointLayout,
    Quality,
    Record,
    RecordKind,
    Stream,
    TimeQuality,
    Value,
)

MAX_RECORDS = 1000
MAX_VALUES = 100_000
MAX_POINTS = 512
MAX_LOSSES = 1000
MAX_UNIT_CHARACTERS = 32

# The index is what is sent: append only.
MODES = (
    Mode.LIVE,
    Mode.BACKFILLED,
    Mode.PERIODIC,
    Mode.MANUAL,
    Mode.ESTIMATED,
    Mode.FORECAST,
    Mode.SIMULATED,
    Mode.EXERCISE,
)
LOSS_REASONS = (LossReason.FULL, LossReason.CORRUPT, LossReason.TAIL, LossReason.EXPIRED)


# Layouts are few, and come again with each batch; the bound is for a sender that makes new ones up.
_LAYOUTS_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What all rows of a table have in common."""

    site: SiteId
    group: str
    measurement: str
    mode: Mode
    kind: RecordKind
    points: tuple[PointLayout, ...]

    def stream(self, device: DeviceId) -> Stream:
        """The stream of one of its devices."""
        return Stream(
            site=self.site,
            device=device,
            group=self.group,
            measurement=self.measurement,
            mode=self.mode,
            kind=self.kind,
            points=self.points,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTable:
    """A table whose rows are counted, within the limits, but whose columns are still as they were sent.

    `counts` has the rows of each device, at least one; `values` one item a point. What spreads them out checks them.
    """

    layout: Layout
    devices: Sequence[DeviceId]
    counts: Sequence[int]
    seqs: Item
    times_ms: Item
    time_qualities: Item
    values: Sequence[Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """A batch whose tables are still packed."""

    gateway: GatewayId
    epoch: int
    tables: tuple[PackedTable, ...]
    losses: tuple[Loss, ...]

    @property
    def values(self) -> int:
        """How many values it holds."""
        return sum(sum(table.counts) * len(table.values) for table in self.tables)


def batch_items(batch: Batch) -> Item:
    """The items of a batch.

    Raises:
        TooLargeError: more records, values, points or losses than a reader takes.
        WireError: a name, a seq twice, or a number that no reader would take.
    """
    check_identifier(batch.gateway, what="gateway")
    _check_size(len(batch.records), sum(len(record.values) for record in batch.records), len(batch.losses))
    _check_seqs(sorted(record.seq for record in batch.records))
    epoch = items.integer(batch.epoch, what="epoch", maximum=MAX_EPOCH)
    losses: list[Item] = [[loss.first, loss.last, LOSS_REASONS.index(loss.reason)] for loss in batch.losses]
    for loss in losses:
        _loss(loss)
    tables: list[Item] = [_table_items(layout, records) for layout, records in _tables(batch.records).items()]
    return [batch.gateway, epoch, tables, losses]


def batch(item: Item) -> Batch:
    """The batch again, its records sorted by seq.

    Raises:
        WireError: not a batch, or larger than the limits; found out before anything is spread out.
    """
    packed = packed_batch(item)
    records = sorted(chain.from_iterable(map(_records, packed.tables)), key=attrgetter("seq"))
    _check_seqs([record.seq for record in records])
    return Batch(gateway=packed.gateway, epoch=packed.epoch, records=tuple(records), losses=packed.losses)


def packed_batch(item: Item) -> PackedBatch:
    """The batch without its rows spread out.

    Raises:
        WireError: not a batch, or larger than the limits.
    """
    gateway, epoch, tables, losses = items.fields(item, what="batch", count=4)
    left = _Left(records=MAX_RECORDS, values=MAX_VALUES)
    return PackedBatch(
        gateway=GatewayId(name(gateway, what="gateway")),
        epoch=items.integer(epoch, what="epoch", maximum=MAX_EPOCH),
        tables=tuple(_packed_table(table, left) for table in items.array(tables, what="tables", maximum=MAX_RECORDS)),
        losses=tuple(_loss(loss) for loss in items.array(losses, what="losses", maximum=MAX_LOSSES)),
    )


def name(item: Item, *, what: str) -> str:
    """Text that may name a site, gateway or device."""
    return check_identifier(items.text(item, what=what, maximum=MAX_NAME_CHARACTERS), what=what)


def key(item: Item, *, what: str) -> str:
    """Text that may name a group, a measurement, a point or a quantity."""
    return check_key(items.text(item, what=what, maximum=MAX_NAME_CHARACTERS), what=what)


def point_items(points: Sequence[PointLayout]) -> Item:
    """The points of a layout."""
    return [
        [point.key, point.unit] if point.key == point.quantity else [point.key, point.unit, point.quantity]
        for point in points
    ]


def points(item: Item) -> tuple[PointLayout, ...]:
    """The points of a layout again."""
    listed = items.array(item, what="points", maximum=MAX_POINTS)
    described = [tuple(point) for point in listed if isinstance(point, list)]
    if len(described) == len(listed):
        with suppress(TypeError):  # an array in a point: the next line refuses it in its own words
            return _known_points(tuple(described))
    return tuple(map(_point, listed))


@lru_cache(maxsize=_LAYOUTS_REMEMBERED)
def _known_points(listed: tuple[tuple[Item, ...], ...]) -> tuple[PointLayout, ...]:
    return tuple(_point(list(point)) for point in listed)


class _Left:
    """How many records and values a payload may still hold. Counted down before each table is spread out."""

    def __init__(self, *, records: int, values: int) -> None:
        self.records = records
        self.values = values

    def take(self, *, records: int, points: int) -> None:
        self.records -= records
        self.values -= records * points
        if self.records < 0 or self.values < 0:
            raise WireError(f"batch: more than {MAX_RECORDS} records or {MAX_VALUES} values")


def _check_size(records: int, values: int, losses: int) -> None:
    if records > MAX_RECORDS or values > MAX_VALUES or losses > MAX_LOSSES:
        raise TooLargeError(
            f"batch of {records} records, {values} values, {losses} losses: expected at most "
            f"{MAX_RECORDS}, {MAX_VALUES}, {MAX_LOSSES}; send fewer at once"
        )


def _check_seqs(seqs: Iterable[int]) -> None:
    for before, after in pairwise(seqs):
        if before == after:
            raise WireError(f"batch: two records with seq {after}")


def _tables(records: Sequence[Record]) -> dict[Layout, list[Record]]:
    # Records of one stream mostly share the object, and a layout is dear to hash: so look by identity first.
    of_stream: dict[int, list[Record]] = {}
    tables: dict[Layout, list[Record]] = {}
    for record in records:
        rows = of_stream.get(id(record.stream))
        if rows is None:
            rows = of_stream[id(record.stream)] = tables.setdefault(_layout(record.stream), [])
        rows.append(record)
    return tables


def _layout(stream: Stream) -> Layout:
    return Layout(
        site=stream.site,
        group=stream.group,
        measurement=stream.measurement,
        mode=stream.mode,
        kind=stream.kind,
        points=stream.points,
    )


def _table_items(layout: Layout, records: list[Record]) -> Item:
    records.sort(key=lambda record: (record.stream.device, record.seq))
    devices = {device: len(list(rows)) for device, rows in groupby(records, key=lambda record: record.stream.device)}
    counts = list(devices.values())
    described = point_items(layout.points)
    points(described)  # what a reader would refuse is not sent
    return [
        layout.site,
        layout.group,
        layout.measurement,
        MODES.index(layout.mode),
        layout.kind.value,
        described,
        device_names.devices_item(list(devices)),
        columns.track_item(counts),
        columns.column_item([record.seq for record in records], counts),
        columns.column_item([record.time_ms for record in records], counts),
        columns.runs_item([record.time_quality for record in records]),
        [_values_items(values, counts) for values in zip(*(record.values for record in records), strict=True)],
    ]


def _values_items(values: Sequence[Value], counts: Sequence[int]) -> Item:
    filled: list[float] = []
    last = next((value.number for value in values if value.number is not None), 0.0)
    for value in values:
        if value.number is not None:
            last = value.number
        filled.append(last)  # a missing number repeats the one before, which costs nothing
    numbers = columns.numbers_item(filled, counts)
    missing = columns.runs_item([value.number is None for value in values])
    qualities = columns.runs_item([value.quality for value in values])
    return [numbers] if missing is None and qualities is None else [numbers, missing, qualities]


def _packed_table(item: Item, left: _Left) -> PackedTable:
    site, group, measurement, mode, kind, layout, devices, rows, seqs, times, time_qualities, values = items.fields(
        item, what="table", count=12
    )
    described = points(layout)
    named = device_names.devices(devices, maximum=left.records)
    counts = columns.track(rows, count=len(named))
    if min(counts, default=0) < 1:
        raise WireError("table: a device without rows")
    left.take(records=sum(counts), points=len(described))
    shared = Layout(
        site=SiteId(name(site, what="site")),
        group=key(group, what="group"),
        measurement=key(measurement, what="measurement"),
        mode=items.choice(mode, what="mode", choices=MODES),
        kind=items.choice(kind, what="kind", choices=tuple(RecordKind)),
        points=described,
    )
    shared.stream(named[0])  # a stream knows which points may not stand together
    return PackedTable(
        layout=shared,
        devices=named,
        counts=counts,
        seqs=seqs,
        times_ms=times,
        time_qualities=time_qualities,
        values=items.fields(values, what="values", count=len(described)),
    )


def _records(table: PackedTable) -> list[Record]:
    counts = table.counts
    streams = map(table.layout.stream, table.devices)
    known = columns.runs(table.time_qualities, count=sum(counts)) or bytes(sum(counts))
    values = [_values(item, counts) for item in table.values]
    return [
        Record(stream=stream, seq=seq, time_ms=time_ms, time_quality=TimeQuality(time_quality), values=row)
        for stream, seq, time_ms, time_quality, row in zip(
            chain.from_iterable([stream] * count for stream, count in zip(streams, counts, strict=True)),
            columns.column(table.seqs, counts),
            columns.column(table.times_ms, counts),
            known,
            zip(*values, strict=True),
            strict=True,
        )
    ]


def _values(item: Item, counts: Sequence[int]) -> list[Value]:
    packed, *exceptions = items.array(item, what="values of a point", maximum=3) or [None]
    numbers = columns.numbers(packed, counts)
    if not exceptions:
        good = {number: Value(number) for number in set(numbers)}
        return [good[number] for number in numbers]
    missing_item, qualities_item = items.fields(exceptions, what="missing and qualities", count=2)
    missing = columns.runs(missing_item, count=len(numbers)) or bytes(len(numbers))
    qualities = columns.runs(qualities_item, count=len(numbers)) or bytes(len(numbers))
    return [
        Value(None if is_missing else number, Quality(code))
        for number, is_missing, code in zip(numbers, missing, qualities, strict=True)
    ]


def _point(item: Item) -> PointLayout:
    point_key, unit, *quantity = items.array(item, what="point", maximum=3) or [None, None]
    (point_quantity,) = quantity or [point_key]
    return PointLayout(
        key=key(point_key, what="point"),
        quantity=key(point_quantity, what="quantity"),
        unit=items.text(unit, what="unit", maximum=MAX_UNIT_CHARACTERS),
    )


def _loss(item: Item) -> Loss:
    first_item, last_item, reason = items.fields(item, what="loss", count=3)
    first = items.integer(first_item, what="first of a loss", minimum=1, maximum=MAX_SEQ)
    last = items.integer(last_item, what="last of a loss", minimum=first, maximum=MAX_SEQ)
    return Loss(first=first, last=last, reason=items.choice(reason, what="loss reason", choices=LOSS_REASONS))
