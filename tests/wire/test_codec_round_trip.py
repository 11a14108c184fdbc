"""What is decoded equals what was encoded, and what no reader would take is not written."""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_examples import (
    EPOCH,
    EXAMPLES,
    GATEWAY,
    SITE,
    START_MS,
    batches,
    identifiers,
    keys,
    layouts,
    numbers,
)
from wire.codec import (
    MAX_POINTS,
    MAX_RECORDS,
    MAX_VALUES,
    decode_batch,
    decode_commit,
    decode_inventory,
    decode_status,
    encode_batch,
    encode_commit,
    encode_inventory,
    encode_status,
)
from wire.errors import TooLargeError, WireError
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import (
    BusStatus,
    Commit,
    DeviceInventory,
    DeviceStatus,
    EpochStatus,
    GroupInventory,
    Inventory,
    Refusal,
    Refused,
    Status,
)
from wire.records import (
    MAX_EPOCH,
    MAX_SEQ,
    MAX_TIME_MS,
    Batch,
    Loss,
    LossReason,
    Mode,
    PointLayout,
    Quality,
    Record,
    Stream,
    TimeQuality,
    Value,
)

seqs = st.integers(1, MAX_SEQ)
times = st.integers(0, MAX_TIME_MS)
totals = st.none() | st.integers(0, 2**64 - 1)


def wide_stream(points: int, *, device: str = "d", text: str = "") -> Stream:
    layout = tuple(PointLayout(key=f"p{n}{text}", quantity=f"q{n}{text}", unit="1") for n in range(points))
    return Stream(site=SiteId("s"), device=DeviceId(device), group="g", measurement="m", mode=Mode.LIVE, points=layout)


def batch_of(*records: Record) -> Batch:
    return Batch(gateway=GATEWAY, epoch=EPOCH, records=records)


@given(batch=batches())
def test_every_batch_is_read_as_it_was_written(batch: Batch) -> None:
    assert decode_batch(encode_batch(batch)) == batch


@given(batch=batches(), order=st.randoms(use_true_random=False))
def test_records_come_back_sorted_by_seq(batch: Batch, order: random.Random) -> None:
    shuffled = list(batch.records)
    order.shuffle(shuffled)
    assert decode_batch(encode_batch(dataclasses.replace(batch, records=tuple(shuffled)))) == batch


@given(column=st.lists(numbers, min_size=1, max_size=40))
def test_every_number_keeps_its_value_beside_any_others(column: list[float]) -> None:
    stream = wide_stream(1)
    records = [
        Record(seq=seq, stream=stream, time_ms=START_MS + seq, values=(Value(number),))
        for seq, number in enumerate(column, start=1)
    ]
    decoded = decode_batch(encode_batch(batch_of(*records)))
    assert [record.values[0].number for record in decoded.records] == column


@pytest.mark.parametrize("number", [5e-324, 1.7976931348623157e308, -0.0, 2.0**53, 2.0**53 + 2, 1e-15, 1e22, 0.1 + 0.2])
def test_numbers_at_the_edges_keep_their_value(number: float) -> None:
    record = Record(seq=1, stream=wide_stream(1), time_ms=START_MS, values=(Value(number),))
    assert decode_batch(encode_batch(batch_of(record))).records[0].values[0].number == number


def test_an_integer_that_is_no_float64_is_refused_rather_than_rounded() -> None:
    record = Record(seq=1, stream=wide_stream(1), time_ms=START_MS, values=(Value(2**53 + 1),))
    with pytest.raises(WireError, match="float64"):
        encode_batch(batch_of(record))


def test_good_values_pay_nothing_for_qualities() -> None:
    stream = wide_stream(1)
    good = [Record(seq=n, stream=stream, time_ms=START_MS + n, values=(Value(n % 7),)) for n in range(1, 101)]
    one_bad = dataclasses.replace(good[50], values=(Value(good[50].values[0].number, Quality.STALE),))
    all_good = encode_batch(batch_of(*good))
    assert len(all_good) < len(encode_batch(batch_of(*good[:50], one_bad, *good[51:])))


@given(
    commit=st.builds(
        Commit,
        gateway=st.just(GATEWAY),
        epoch=st.integers(0, MAX_EPOCH),
        final=st.lists(st.tuples(seqs, seqs).map(lambda pair: (min(pair), max(pair))), max_size=5).map(tuple),
        refused=st.lists(st.builds(Refused, seq=seqs, reason=st.sampled_from(Refusal)), max_size=3).map(tuple),
        credit=st.integers(0, 1000),
        hub_time_ms=times,
        gateways=st.integers(0, 10_000),
    )
)
def test_every_commit_is_read_as_it_was_written(commit: Commit) -> None:
    assert decode_commit(encode_commit(commit)) == commit


@given(
    status=st.builds(
        Status,
        gateway=st.just(GATEWAY),
        online=st.booleans(),
        site=st.just(SITE),
        agent_version=st.text(max_size=20),
        boot_ms=times,
        time_quality=st.sampled_from(TimeQuality),
        accepted_total=totals,
        final_total=totals,
        in_flight=totals,
        oldest_uncommitted_ms=totals,
        lost_total=st.dictionaries(st.sampled_from(LossReason), st.integers(0, 2**64 - 1)),
        epochs=st.lists(
            st.builds(EpochStatus, epoch=st.integers(0, MAX_EPOCH), accepted_hi=st.integers(0, MAX_SEQ)), max_size=3
        ).map(tuple),
        devices=st.lists(
            st.builds(
                DeviceStatus,
                device=identifiers.map(DeviceId),
                quality=st.sampled_from(Quality),
                last_good_ms=totals,
                errors=st.dictionaries(st.text(max_size=8), st.integers(0, 10**9), max_size=3),
            ),
            max_size=3,
        ).map(tuple),
        machine=st.dictionaries(keys, numbers, max_size=3),
        buses=st.lists(
            st.builds(BusStatus, bus=st.text(max_size=8), numbers=st.dictionaries(keys, numbers, max_size=3)),
            max_size=3,
        ).map(tuple),
    )
)
def test_every_status_is_read_as_it_was_written(status: Status) -> None:
    assert decode_status(encode_status(status)) == status


@given(
    inventory=st.builds(
        Inventory,
        gateway=st.just(GATEWAY),
        site=st.just(SITE),
        devices=st.lists(
            st.builds(
                DeviceInventory,
                device=identifiers.map(DeviceId),
                profile=st.text(max_size=20),
                revision=st.integers(0, 1000),
                bus=st.text(max_size=10),
                groups=st.lists(
                    st.builds(
                        GroupInventory,
                        group=keys,
                        measurement=keys,
                        every_s=st.floats(0, 1e6) | st.integers(0, 3600).map(float),
                        points=layouts,
                    ),
                    max_size=2,
                ).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
    )
)
def test_every_inventory_is_read_as_it_was_written(inventory: Inventory) -> None:
    assert decode_inventory(encode_inventory(inventory)) == inventory


def test_a_full_batch_of_one_device_and_of_a_thousand_devices_fits() -> None:
    one = wide_stream(5)
    many = [wide_stream(5, device=f"x{n * 7919 % 100_003}y") for n in range(MAX_RECORDS)]
    for streams in ([one] * MAX_RECORDS, many):
        records = [
            Record(
                seq=n + 1, stream=stream, time_ms=START_MS + n, values=tuple(Value(n * k % 997 / 10) for k in range(5))
            )
            for n, stream in enumerate(streams)
        ]
        assert decode_batch(encode_batch(batch_of(*records))) == batch_of(*records)


def test_one_record_of_the_most_points_always_fits() -> None:
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
    points = tuple(
        PointLayout(
            key=f"k{n:03}" + "".join(chance.choices(letters, k=59)),
            quantity="q" + "".join(chance.choices(letters, k=62)),
            unit="".join(chance.choices(letters, k=32)),
        )
        for n in range(MAX_POINTS)
    )
    stream = dataclasses.replace(wide_stream(1), points=points)
    record = Record(
        seq=1, stream=stream, time_ms=START_MS, values=tuple(Value(chance.gauss(0, 1), Quality.STUCK) for _ in points)
    )
    assert decode_batch(encode_batch(batch_of(record))) == batch_of(record)


def test_too_many_records_or_values_ask_for_smaller_batches() -> None:
    narrow, wide = wide_stream(1), wide_stream(MAX_POINTS)
    records = [Record(seq=n + 1, stream=narrow, time_ms=START_MS, values=(Value(1),)) for n in range(MAX_RECORDS + 1)]
    with pytest.raises(TooLargeError, match="send fewer"):
        encode_batch(batch_of(*records))
    row = tuple(Value(1) for _ in range(MAX_POINTS))
    records = [
        Record(seq=n + 1, stream=wide, time_ms=START_MS, values=row) for n in range(MAX_VALUES // MAX_POINTS + 1)
    ]
    with pytest.raises(TooLargeError, match="send fewer"):
        encode_batch(batch_of(*records))


def test_a_batch_that_would_not_fit_a_payload_asks_for_less() -> None:
    chance = random.Random(1)
    stream = wide_stream(100)
    records = [
        Record(seq=n + 1, stream=stream, time_ms=START_MS, values=tuple(Value(chance.gauss(0, 1)) for _ in range(100)))
        for n in range(400)
    ]
    with pytest.raises(TooLargeError, match="send less"):
        encode_batch(batch_of(*records))


def test_what_no_reader_would_take_is_not_written() -> None:
    record = Record(seq=1, stream=wide_stream(1), time_ms=START_MS, values=(Value(1),))
    long_unit = (PointLayout(key="k", quantity="k", unit="x" * 33),)
    refused = [
        batch_of(record, record),
        Batch(gateway=GatewayId("Not A Name"), epoch=EPOCH, records=()),
        Batch(gateway=GATEWAY, epoch=2**64, records=()),
        Batch(gateway=GATEWAY, epoch=1, records=(), losses=(Loss(first=5, last=4, reason=LossReason.FULL),)),
        batch_of(dataclasses.replace(record, stream=dataclasses.replace(record.stream, points=long_unit))),
    ]
    for batch in refused:
        with pytest.raises(WireError):
            encode_batch(batch)
    with pytest.raises(WireError):
        encode_commit(Commit(gateway=GATEWAY, epoch=1, final=((5, 4),), credit=1, hub_time_ms=0))


def test_a_payload_of_another_kind_is_refused_by_name() -> None:
    commit = EXAMPLES["commit"]
    assert isinstance(commit, Commit)
    with pytest.raises(WireError, match=r"expected 1 \(batch\)"):
        decode_batch(encode_commit(commit))
