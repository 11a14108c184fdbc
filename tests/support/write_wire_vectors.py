"""Writes `wire/vectors/` from the examples, after a deliberate change of the format.

Run from the top: `python -m tests.support.write_wire_vectors`.
"""

import json
from pathlib import Path

from tests.support.wire_examples import EXAMPLES, Message, readable
from wire import codec
from wire.envelope import MessageKind, unwrap
from wire.messages import Commit, Inventory, Status
from wire.records import Batch

VECTORS = Path(__file__).resolve().parents[2] / "wire" / "vectors"


def encode(message: Message) -> tuple[MessageKind, bytes]:
    """The message's kind and payload."""
    match message:
        case Batch():
            return MessageKind.BATCH, codec.encode_batch(message)
        case Commit():
            return MessageKind.COMMIT, codec.encode_commit(message)
        case Status():
            return MessageKind.STATUS, codec.encode_status(message)
        case Inventory():
            return MessageKind.INVENTORY, codec.encode_inventory(message)


def vector(message: Message) -> dict[str, object]:
    """What one vector file holds. `body` is what stands in the envelope, expanded."""
    kind, payload = encode(message)
    return {
        "kind": kind.name.lower(),
        "payload": payload.hex(),
        "body": unwrap(kind, payload).hex(),
        "contents": readable(message),
    }


def main() -> None:
    """Write all vectors anew."""
    VECTORS.mkdir(exist_ok=True)
    for name, message in EXAMPLES.items():
        text = json.dumps(vector(message), indent=1, ensure_ascii=False) + "\n"
        (VECTORS / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
