"""Any bytes decode to a message or raise WireError, and nothing is expanded that is over a limit."""

import contextlib
import tracemalloc
import zlib
from collections.abc import Callable

import cbor2
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_examples import EXAMPLES
from tests.support.write_wire_vectors import encode
from wire import cbor
from wire.codec import (
    MAX_EXPANDED_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_RECORDS,
    MAX_VALUES,
    decode_batch,
    decode_commit,
    decode_inventory,
    decode_status,
)
from wire.envelope import MessageKind, unwrap
from wire.errors import WireError

DECODERS: dict[MessageKind, Callable[[bytes], object]] = {
    MessageKind.BATCH: decode_batch,
    MessageKind.COMMIT: decode_commit,
    MessageKind.STATUS: decode_status,
    MessageKind.INVENTORY: decode_inventory,
}
PAYLOADS = {name: encode(message) for name, message in EXAMPLES.items()}
payloads = st.sampled_from(list(PAYLOADS.values()))
MODERATE_BYTES = 4 * MAX_EXPANDED_BYTES


def sealed(*fields: object) -> bytes:
    """A payload whose checksum is right, whatever its fields are."""
    start = cbor2.dumps([*fields, bytes(4)])[:-4]
    return start + zlib.crc32(start).to_bytes(4, "big")


def with_body(kind: MessageKind, body: bytes) -> bytes:
    return sealed(1, kind.value, None, body)


def with_tables(*tables: object) -> bytes:
    return with_body(MessageKind.BATCH, cbor2.dumps(["gw", 1, list(tables), []]))


def table(
    *, devices: object, rows: object, seqs: object, times: object = None, points: int = 1, values: object = None
) -> object:
    """A table of one group whose columns are what the test says."""
    layout = [[f"p{n}", "1"] for n in range(points)]
    return ["s", "g", "m", 0, 0, layout, devices, rows, seqs, times or seqs, None, values or [[[0, seqs]]] * points]


def zstd_frame(*, declared: int | None, content: bytes) -> bytes:
    """A frame whose header declares 8 bytes of content size, or none, whatever its content is."""
    whole = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    if declared is None:
        return whole
    # RFC 8878, 3.1.1: descriptor 0xC0 = 8 bytes of content size and a window byte, here that of the frame made.
    assert whole[4] & 0xE0 == 0
    return whole[:4] + bytes([whole[4] | 0xC0, whole[5]]) + declared.to_bytes(8, "little") + whole[6:]


def peak_bytes(payload: bytes, *, refused: str) -> int:
    """How much memory it takes at most to refuse a payload for this reason."""
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=refused):
            decode_batch(payload)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_single_flipped_bit_is_noticed(name: str) -> None:
    kind, payload = PAYLOADS[name]
    for place in range(len(payload)):
        for bit in range(8):
            damaged = bytearray(payload)
            damaged[place] ^= 1 << bit
            with pytest.raises(WireError):
                DECODERS[kind](bytes(damaged))


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_truncation_and_every_extra_byte_is_noticed(name: str) -> None:
    kind, payload = PAYLOADS[name]
    for length in range(len(payload)):
        with pytest.raises(WireError):
            DECODERS[kind](payload[:length])
    with pytest.raises(WireError):
        DECODERS[kind](payload + b"\0")


@given(payload=payloads, place=st.integers(0, 10_000), replacement=st.binary(min_size=1, max_size=4))
def test_replaced_bytes_are_noticed(payload: tuple[MessageKind, bytes], place: int, replacement: bytes) -> None:
    kind, whole = payload
    place %= len(whole)
    damaged = whole[:place] + replacement + whole[place + len(replacement) :]
    if damaged != whole:
        with pytest.raises(WireError):
            DECODERS[kind](damaged)


@given(data=st.binary(max_size=200), kind=st.sampled_from(MessageKind))
def test_random_bytes_are_refused(data: bytes, kind: MessageKind) -> None:
    with pytest.raises(WireError):
        DECODERS[kind](data)


@given(body=st.binary(max_size=80), kind=st.sampled_from(MessageKind), expanded=st.none() | st.integers(0, 200))
def test_random_bodies_under_a_right_checksum_raise_only_wire_errors(
    body: bytes, kind: MessageKind, expanded: int | None
) -> None:
    with contextlib.suppress(WireError):
        DECODERS[kind](sealed(1, kind.value, expanded, body))


@given(
    payload=payloads, places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3)
)
def test_damaged_bodies_under_a_right_checksum_raise_only_wire_errors(
    payload: tuple[MessageKind, bytes], places: list[tuple[int, int]]
) -> None:
    kind, whole = payload
    body = bytearray(unwrap(kind, whole))
    for place, byte in places:
        body[place % len(body)] = byte
    with contextlib.suppress(WireError):
        DECODERS[kind](with_body(kind, bytes(body)))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=9)
    | st.builds(cbor2.CBORTag, st.sampled_from([0, 2, 28, 29, 35, 72, 77, 79, 86, 258]), st.binary(max_size=16)),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 3), inner, max_size=2),
    max_leaves=20,
)


@given(payload=payloads, wrong=anything, path=st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_well_formed_bodies_of_the_wrong_shape_raise_only_wire_errors(
    payload: tuple[MessageKind, bytes], wrong: object, path: list[int]
) -> None:
    kind, whole = payload
    body = cbor2.loads(unwrap(kind, whole))
    holder, place = body, 0
    for step in path:
        if isinstance(holder, list) and holder:
            place = step % len(holder)
            if step == path[-1] or not isinstance(holder[place], list):
                holder[place] = wrong
                break
            holder = holder[place]
    with contextlib.suppress(WireError):
        DECODERS[kind](with_body(kind, cbor2.dumps(body)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(cbor2.dumps(cbor2.CBORTag(0, "2026-01-01T00:00:00Z")), id="date"),
        pytest.param(bytes.fromhex("c249") + b"\xff" * 9, id="bignum"),
        pytest.param(bytes.fromhex("d81c81d81d00"), id="cyclic reference"),
        pytest.param(cbor2.dumps(cbor2.CBORTag(35, "(a+)+$")), id="regular expression"),
        pytest.param(cbor2.dumps({"a": 1}), id="map"),
        pytest.param(bytes.fromhex("9f01ff"), id="indefinite array"),
        pytest.param(bytes.fromhex("9b7fffffffffffffff"), id="array longer than memory"),
        pytest.param(bytes.fromhex("5b7fffffffffffffff"), id="string longer than memory"),
        pytest.param(b"\x81" * 100_000 + b"\x00", id="nested deep"),
        pytest.param(b"\x9a" + (110_000).to_bytes(4, "big") + b"\xf6" * 110_000, id="too many items"),
        pytest.param(b"\x62\xff\xff", id="text that is no UTF-8"),
        pytest.param(b"\xf9\x3c\x00", id="half float"),
        pytest.param(b"\xd8\x48\x01", id="typed array of a number"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\x00", id="two items"),
    ],
)
def test_cbor_that_no_payload_holds_is_refused_before_it_is_built(body: bytes) -> None:
    for kind, decode in DECODERS.items():
        with pytest.raises(WireError, match="CBOR"):
            decode(with_body(kind, body))


def test_a_payload_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(WireError, match="payload of"):
        decode_batch(bytes(MAX_PAYLOAD_BYTES + 1))


def test_another_version_says_which_side_to_update() -> None:
    with pytest.raises(WireError, match="version 2"):
        decode_batch(sealed(2, 1, None, b""))


@pytest.mark.parametrize("claimed", [2**32, 2**64 - 1, MAX_EXPANDED_BYTES + 1])
def test_a_bomb_that_says_so_is_refused_before_it_is_expanded(claimed: int) -> None:
    frame = zstd_frame(declared=claimed, content=bytes(1000))
    assert peak_bytes(sealed(1, 1, claimed, frame), refused="claims to expand") < MAX_EXPANDED_BYTES
    assert peak_bytes(sealed(1, 1, 1000, frame), refused="does not announce") < MAX_EXPANDED_BYTES


def test_a_bomb_that_claims_to_be_small_is_refused_before_it_is_expanded() -> None:
    frame = zstd_frame(declared=1000, content=bytes(200_000_000))
    assert len(frame) < MAX_PAYLOAD_BYTES
    assert peak_bytes(sealed(1, 1, 1000, frame), refused="not one zstd frame") < MAX_EXPANDED_BYTES


def test_a_frame_that_does_not_say_its_size_is_refused() -> None:
    frame = zstd_frame(declared=None, content=bytes(1000))
    assert peak_bytes(sealed(1, 1, 1000, frame), refused="does not announce") < MAX_EXPANDED_BYTES


def test_frames_one_after_another_are_refused() -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(1000))
    assert peak_bytes(sealed(1, 1, 1000, frame + frame), refused="not one zstd frame") < MAX_EXPANDED_BYTES


def test_a_table_made_by_these_tests_is_read() -> None:
    read = decode_batch(with_tables(table(devices=["a", "b"], rows=[1, 0], seqs=[[1, 1]])))
    assert [(record.seq, record.stream.device) for record in read.records] == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param([table(devices=["d"], rows=MAX_RECORDS + 1, seqs=[1, 1])], id="one row too many"),
        pytest.param([table(devices=["d"], rows=2**53, seqs=[1, 1])], id="rows beyond memory"),
        pytest.param([table(devices=["d"], rows=MAX_RECORDS, seqs=[1, 1], points=101)], id="too many values"),
        pytest.param([table(devices=["d"], rows=600, seqs=[first, 1]) for first in (1, 601)], id="two tables"),
    ],
)
def test_rows_and_values_are_counted_before_columns_are_spread_out(tables: list[object]) -> None:
    refused = f"more than {MAX_RECORDS} records or {MAX_VALUES} values"
    assert peak_bytes(with_tables(*tables), refused=refused) < MODERATE_BYTES


def test_numbered_devices_are_counted_before_they_are_named() -> None:
    payload = with_tables(table(devices=["d", 1, 2**40, [1, 1]], rows=[1, 0], seqs=[[1, 1]]))
    assert peak_bytes(payload, refused="count of devices") < MODERATE_BYTES


@pytest.mark.parametrize(
    ("lengths", "codes"), [([2**50, 0], b"\1\2"), (3, b"\1"), ([3, -4], b"\1\2"), (2, b""), ([1, 0], b"\1\2\3")]
)
def test_runs_that_do_not_add_up_are_refused(lengths: object, codes: bytes) -> None:
    values = [[[0, [[1, 1]]], [lengths, codes], None]]
    payload = with_tables(table(devices=["a", "b"], rows=[1, 0], seqs=[[1, 1]], values=values))
    assert peak_bytes(payload, refused="runs") < MODERATE_BYTES


def test_a_missing_value_without_a_reason_is_refused() -> None:
    values = [[[0, [1]], [1, b"\1"], None]]
    with pytest.raises(WireError, match="quality that says why"):
        decode_batch(with_tables(table(devices=["a"], rows=1, seqs=[1], values=values)))


def test_a_seq_twice_is_refused() -> None:
    with pytest.raises(WireError, match="two records with seq 7"):
        decode_batch(with_tables(table(devices=["a", "b"], rows=[1, 0], seqs=[[7, 0]])))


def test_a_number_that_is_none_is_refused() -> None:
    for bad in (float("nan"), float("inf")):
        values = [[[None, cbor.typed_array(cbor.FLOAT64, [bad])]]]
        with pytest.raises(WireError, match="not a number"):
            decode_batch(with_tables(table(devices=["a"], rows=1, seqs=[1], values=values)))
