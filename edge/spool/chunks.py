"""The records that were made durable together, as the bytes of a wire batch."""

from collections.abc import Iterator, Sequence

from edge.spool.base import UnsendableError
from edge.spool.ledger import DamagedError
from wire.codec import MAX_RECORDS, decode_batch, encode_batch
from wire.errors import TooLargeError, WireError
from wire.identifiers import GatewayId
from wire.records import Batch, Record


def bodies_of(gateway: GatewayId, epoch: int, records: Sequence[Record]) -> list[tuple[Sequence[Record], bytes]]:
    """The records as the bytes of as few batches as the codec's limits allow.

    Raises:
        UnsendableError: among them is one that no reader would take.
    """
    try:
        return list(_bodies(gateway, epoch, records)) if records else []
    except WireError as error:
        devices = ", ".join(sorted({record.stream.device for record in records}))
        raise UnsendableError(f"readings of {devices}: {error}") from error


def _bodies(gateway: GatewayId, epoch: int, records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], bytes]]:
    if len(records) > MAX_RECORDS:
        yield from _bodies(gateway, epoch, records[:MAX_RECORDS])
        yield from _bodies(gateway, epoch, records[MAX_RECORDS:])
        return
    try:
        body = encode_batch(Batch(gateway=gateway, epoch=epoch, records=tuple(records)))
    except TooLargeError:
        half = len(records) // 2
        if not half:
            raise
        yield from _bodies(gateway, epoch, records[:half])
        yield from _bodies(gateway, epoch, records[half:])
    else:
        yield records, body


def records_of(body: bytes, *, epoch: int, first: int, last: int) -> tuple[Record, ...]:
    """The records first..last of an epoch.

    Raises:
        DamagedError: they are not those that were put there.
    """
    try:
        batch = decode_batch(body)
    except WireError as error:
        raise DamagedError(f"records {first}..{last}: {error}") from error
    if batch.epoch != epoch or [record.seq for record in batch.records] != list(range(first, last + 1)):
        raise DamagedError(f"records {first}..{last}: others stand in their place")
    return batch.records
