"""Read as columns, a batch is what it is read record by record: the same points, or refused alike."""

from collections.abc import Iterable, Iterator

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ingest.columns import BatchColumns, batch_columns, columns_together, ranges_of, within
from hub.ingest.points import point_times_ns, sheet_of
from hub.series.sheet import Point
from tests.support.points import point_of, points_of
from tests.support.wire_examples import EXAMPLES, START_MS, batches
from wire import cbor
from wire.batch_items import batch_items
from wire.cbor import Item
from wire.codec import decode_batch, decode_packed_batch, encode_batch
from wire.columns import MAX_NUMBER
from wire.envelope import MessageKind, wrap
from wire.errors import WireError
from wire.ranges import RangeSet
from wire.records import MAX_EPOCH, MAX_SEQ, Batch, Record


def read_singly(payload: bytes) -> Batch | None:
    try:
        return decode_batch(payload)
    except WireError:
        return None


def read_as_columns(payload: bytes) -> BatchColumns | None:
    try:
        return batch_columns(decode_packed_batch(payload))
    except WireError:
        return None


def records(batch: BatchColumns) -> list[Record]:
    return sorted((table.record(row) for table in batch.tables for row in range(len(table))), key=lambda one: one.seq)


def points(batch: BatchColumns) -> list[Point]:
    return list(points_of(sheet_of(batch.gateway, batch.epoch, table) for table in batch.tables))


def in_order(some: Iterable[Point]) -> list[Point]:
    return sorted(some, key=lambda point: (point.time_ns, point.device, repr(point)))


def assert_the_same(payload: bytes) -> None:
    singly, columns = read_singly(payload), read_as_columns(payload)
    assert (singly is None) == (columns is None), payload.hex()
    if singly is None or columns is None:
        return
    assert (columns.gateway, columns.epoch, columns.losses) == (singly.gateway, singly.epoch, singly.losses)
    assert columns.seqs == RangeSet.of_numbers(record.seq for record in singly.records)
    assert records(columns) == list(singly.records)
    expected = [point_of(singly.gateway, singly.epoch, record) for record in singly.records]
    assert in_order(points(columns)) == in_order(expected)


@given(batches())
def test_any_batch_gives_the_same_points_i1(batch: Batch) -> None:
    payload = encode_batch(batch)
    assert read_as_columns(payload) is not None
    assert_the_same(payload)


@given(st.lists(batches(), min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_batches_give_together_what_each_gives_alone_i1(some: list[Batch], chosen: list[int]) -> None:
    payloads = [encode_batch(some[place % len(some)]) for place in chosen]
    together = columns_together([decode_packed_batch(payload) for payload in payloads])
    for payload, columns in zip(payloads, together, strict=True):
        alone = batch_columns(decode_packed_batch(payload))
        assert (columns.key, columns.seqs, columns.losses) == (alone.key, alone.seqs, alone.losses)
        assert records(columns) == records(alone)
        assert points(columns) == points(alone)


@pytest.mark.parametrize("name", [name for name, message in EXAMPLES.items() if isinstance(message, Batch)])
def test_every_example_gives_the_same_points_i1(name: str) -> None:
    message = EXAMPLES[name]
    assert isinstance(message, Batch)
    assert_the_same(encode_batch(message))


@given(st.data(), batches())
def test_what_is_altered_is_read_or_refused_alike_i1(data: st.DataObject, batch: Batch) -> None:
    """Any item of the batch in the place of any other, or another thing; the checksum is right all the same."""
    item = batch_items(batch)
    paths = list(_paths(item))
    path = data.draw(st.sampled_from(paths))
    strange: list[Item] = [-1, 0, 1, MAX_NUMBER, -MAX_NUMBER, 2 * MAX_NUMBER, True, None, "a", b"", [], 1.5]
    other = data.draw(
        st.one_of(
            st.sampled_from(paths).map(lambda found: _at(item, found)),
            st.integers(-(2**64), 2**64 - 1),
            st.sampled_from(strange),
            _typed_arrays(),
        )
    )
    assert_the_same(wrap(MessageKind.BATCH, cbor.dump(_with(item, path, other))))


@given(
    st.integers(-MAX_NUMBER, MAX_NUMBER) | st.integers(-9, 9),
    st.integers(-2 * MAX_NUMBER, 2 * MAX_NUMBER) | st.integers(-9, 9),
    st.sampled_from([0, 1]),
    st.lists(st.sampled_from([0, 1, 2**52, 2**53, 2**54, 2**62, 2**63 - 1]), min_size=3, max_size=3),
    st.lists(st.sampled_from([1, -1]), min_size=3, max_size=3),
)
def test_numbers_that_leave_64_bits_are_read_exactly_or_refused_i1(
    base: int, step: int, form: int, sizes: list[int], signs: list[int]
) -> None:
    rest = cbor.typed_array(cbor.INT64, [size * sign for size, sign in zip(sizes, signs, strict=True)])
    layout: list[Item] = ["hall", "air", "weather", 0, 0, [["temperature", "degC"]]]
    values: list[Item] = [[[0, [base, step, form, rest]]]]
    table: list[Item] = [*layout, ["d1"], 4, [1, 1], [START_MS, 1000], None, values]
    assert_the_same(wrap(MessageKind.BATCH, cbor.dump(["gw-1", 7, [table], []])))


def test_the_limits_hold_before_anything_is_spread_out_i2() -> None:
    layout: list[Item] = ["hall", "air", "weather", 0, 0, [["temperature", "degC"]]]
    values: list[Item] = [[[0, [1, 1]]]]
    table: list[Item] = [*layout, ["d1"], 2**40, [1, 1], [START_MS, 1000], None, values]
    with pytest.raises(WireError, match="more than 1000 records"):
        decode_packed_batch(wrap(MessageKind.BATCH, cbor.dump(["gw-1", 7, [table], []])))


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_ranges_of_columns_are_ranges_of_numbers(some: set[int], others: set[int]) -> None:
    seqs = np.array(sorted(some), np.int64)
    assert ranges_of(seqs) == RangeSet.of_numbers(some)
    assert within(seqs, RangeSet.of_numbers(others)).tolist() == [seq in others for seq in sorted(some)]


@given(epoch=st.integers(0, MAX_EPOCH), seq=st.integers(1, MAX_SEQ - 1000), apart=st.integers(1, 1000))
def test_two_records_of_one_millisecond_stay_two_points(epoch: int, seq: int, apart: int) -> None:
    times_ms = np.full(2, START_MS, np.int64)
    first, second = point_times_ns(epoch=epoch, seqs=np.array([seq, seq + apart]), times_ms=times_ms).tolist()
    assert first != second
    assert first // 1_000_000 == second // 1_000_000 == START_MS


def _typed_arrays() -> st.SearchStrategy[Item]:
    widths = {cbor.INT8: 1, cbor.INT16: 2, cbor.INT32: 4, cbor.INT64: 8, cbor.FLOAT64: 8}
    return st.builds(
        lambda tag, packed: cbor2.CBORTag(tag, packed[: len(packed) // widths[tag] * widths[tag]]),
        st.sampled_from(sorted(widths)),
        st.binary(max_size=64),
    )


def _paths(item: Item, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    yield path
    if isinstance(item, list):
        for place, inner in enumerate(item):
            yield from _paths(inner, (*path, place))


def _at(item: Item, path: tuple[int, ...]) -> Item:
    for place in path:
        assert isinstance(item, list)
        item = item[place]
    return item


def _with(item: Item, path: tuple[int, ...], other: Item) -> Item:
    if not path:
        return other
    assert isinstance(item, list)
    return [_with(inner, path[1:], other) if place == path[0] else inner for place, inner in enumerate(item)]
