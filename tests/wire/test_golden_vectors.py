"""The vectors in `wire/vectors` are what both sides read and write, byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path

import cddl_verifier
import pytest
from hypothesis import given

from tests.support.wire_examples import EXAMPLES, Message, batches, readable
from tests.support.write_wire_vectors import VECTORS, encode
from wire import codec
from wire.envelope import MessageKind, unwrap
from wire.records import Batch

CDDL = (VECTORS.parent / "wire.cddl").read_text(encoding="utf-8")
FILES = sorted(VECTORS.glob("*.json"))

DECODE: dict[str, Callable[[bytes], Message]] = {
    "batch": codec.decode_batch,
    "commit": codec.decode_commit,
    "status": codec.decode_status,
    "inventory": codec.decode_inventory,
}


def read(file: Path) -> tuple[str, bytes, bytes, object]:
    vector = json.loads(file.read_text(encoding="utf-8"))
    return vector["kind"], bytes.fromhex(vector["payload"]), bytes.fromhex(vector["body"]), vector["contents"]


def assert_follows_cddl(data: bytes, *, rule: str) -> None:
    result = cddl_verifier.validate(CDDL, data, root_type=rule)
    assert result.valid, cddl_verifier.render_text(result.diagnostics)


def test_there_is_one_vector_for_each_example() -> None:
    assert {file.stem for file in FILES} == set(EXAMPLES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_payload_of_the_vectors_is_read_as_its_contents(file: Path) -> None:
    kind, payload, _, contents = read(file)
    message = DECODE[kind](payload)
    assert message == EXAMPLES[file.stem]
    assert json.loads(json.dumps(readable(message))) == contents


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_contents_of_the_vectors_are_written_as_their_bytes(file: Path) -> None:
    kind, payload, body, _ = read(file)
    written_kind, written = encode(EXAMPLES[file.stem])
    assert written_kind == MessageKind[kind.upper()]
    assert unwrap(written_kind, written) == body
    # What zstd makes of a body may differ between its versions; that it is read again is tested above.
    assert written == payload or len(body) > len(payload)


def test_the_vectors_hold_plain_and_compressed_payloads() -> None:
    shorter = {len(payload) < len(body) for _, payload, body, _ in map(read, FILES)}
    assert shorter == {True, False}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_vectors_follow_the_cddl(file: Path) -> None:
    kind, payload, body, _ = read(file)
    assert_follows_cddl(payload, rule="envelope")
    assert_follows_cddl(body, rule=kind)


@given(batch=batches())
def test_every_batch_follows_the_cddl(batch: Batch) -> None:
    payload = codec.encode_batch(batch)
    assert_follows_cddl(payload, rule="envelope")
    assert_follows_cddl(unwrap(MessageKind.BATCH, payload), rule="batch")
