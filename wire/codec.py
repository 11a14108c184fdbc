"""Every message between gateway and hub to the bytes of its MQTT payload, and back.

I1. What is decoded equals what was encoded (a batch's records sorted by seq; -0.0 may become 0.0).
I2. Any bytes decode to a message or raise WireError, within the limits named here, and to nothing else.
"""

from collections.abc import Callable
from typing import TypeVar

from wire import batch_items, cbor, message_items
from wire.batch_items import MAX_LOSSES, MAX_POINTS, MAX_RECORDS, MAX_VALUES, PackedBatch
from wire.cbor import Item
from wire.envelope import MAX_EXPANDED_BYTES, MAX_PAYLOAD_BYTES, MessageKind, unwrap, wrap
from wire.errors import TooLargeError, WireError
from wire.messages import Commit, Inventory, Status
from wire.records import Batch

__all__ = [
    "MAX_EXPANDED_BYTES",
    "MAX_LOSSES",
    "MAX_PAYLOAD_BYTES",
    "MAX_POINTS",
    "MAX_RECORDS",
    "MAX_VALUES",
    "decode_batch",
    "decode_commit",
    "decode_inventory",
    "decode_packed_batch",
    "decode_status",
    "encode_batch",
    "encode_commit",
    "encode_inventory",
    "encode_status",
]

_Message = TypeVar("_Message")


def encode_batch(batch: Batch) -> bytes:
    """The payload of a batch.

    Raises:
        TooLargeError: over a limit; send its records in smaller batches. One record of up to MAX_POINTS points fits.
        WireError: what no reader would take: a bad name, a seq twice.
    """
    return _encode(MessageKind.BATCH, batch_items.batch_items(batch))


def decode_batch(payload: bytes) -> Batch:
    """The batch of a payload, its records sorted by seq.

    Raises:
        WireError: any other bytes.
    """
    return _decode(MessageKind.BATCH, payload, batch_items.batch)


def decode_packed_batch(payload: bytes) -> PackedBatch:
    """The batch of a payload with its columns still packed, for who reads them as columns.

    Raises:
        WireError: any other bytes. What is wrong in a column is found by who spreads it out.
    """
    return _decode(MessageKind.BATCH, payload, batch_items.packed_batch)


def encode_commit(commit: Commit) -> bytes:
    """The payload of a commit.

    Raises:
        WireError: what no reader would take; TooLargeError where it is over a limit.
    """
    return _encode_checked(MessageKind.COMMIT, message_items.commit_items(commit), message_items.commit)


def decode_commit(payload: bytes) -> Commit:
    """The commit of a payload.

    Raises:
        WireError: any other bytes.
    """
    return _decode(MessageKind.COMMIT, payload, message_items.commit)


def encode_status(status: Status) -> bytes:
    """The payload of a status.

    Raises:
        WireError: what no reader would take; TooLargeError where it is over a limit.
    """
    return _encode_checked(MessageKind.STATUS, message_items.status_items(status), message_items.status)


def decode_status(payload: bytes) -> Status:
    """The status of a payload.

    Raises:
        WireError: any other bytes.
    """
    return _decode(MessageKind.STATUS, payload, message_items.status)


def encode_inventory(inventory: Inventory) -> bytes:
    """The payload of an inventory.

    Raises:
        WireError: what no reader would take; TooLargeError where it is over a limit.
    """
    return _encode_checked(MessageKind.INVENTORY, message_items.inventory_items(inventory), message_items.inventory)


def decode_inventory(payload: bytes) -> Inventory:
    """The inventory of a payload.

    Raises:
        WireError: any other bytes.
    """
    return _decode(MessageKind.INVENTORY, payload, message_items.inventory)


def _encode_checked(kind: MessageKind, item: Item, read: Callable[[Item], object]) -> bytes:
    read(item)  # these messages are small and seldom: what the other side would refuse is not sent
    return _encode(kind, item)


def _encode(kind: MessageKind, item: Item) -> bytes:
    body = cbor.dump(item)
    if len(body) > cbor.MAX_ITEMS:  # fewer bytes cannot be more items
        try:
            cbor.check(body)
        except WireError as error:
            raise TooLargeError(f"{kind.name.lower()}: {error}") from error
    return wrap(kind, body)


def _decode(kind: MessageKind, payload: bytes, read: Callable[[Item], _Message]) -> _Message:
    item = cbor.load(unwrap(kind, payload))
    try:
        return read(item)
    except WireError:
        raise
    except ValueError as error:  # the words of wire.records and wire.messages refuse what they may not be
        raise WireError(f"{kind.name.lower()}: {error}") from error
