"""What is put aside, as the registry keeps it: always enough to look at it, and to replay it."""

from hub.ingest.decide import Item, RefusedItem
from hub.ingest.inbox import Message
from hub.registry.model import DeadLetter, DeadReason
from wire.codec import encode_batch
from wire.records import Batch
from wire.topics import Up, up_topic


def of_message(message: Message, reason: DeadReason, *, detail: str, now_ms: int) -> DeadLetter:
    """A whole message: one that cannot be read, or says what its sender may not say."""
    return DeadLetter(
        gateway=message.gateway,
        topic=message.topic,
        reason=reason,
        detail=detail,
        time_ms=now_ms,
        payload=message.payload,
    )


def refused(one: RefusedItem, *, now_ms: int) -> DeadLetter:
    """A record that will never be stored."""
    return _of_record(one.item, DeadReason.REFUSED, one.detail, now_ms)


def conflict(item: Item, *, now_ms: int) -> DeadLetter:
    """A second record under a seq that stands for another."""
    return _of_record(item, DeadReason.CONFLICT, f"seq {item.record.seq} stands for another record", now_ms)


def _of_record(item: Item, reason: DeadReason, detail: str, now_ms: int) -> DeadLetter:
    alone = Batch(gateway=item.gateway, epoch=item.epoch, records=(item.record,))
    return DeadLetter(
        gateway=item.gateway,
        topic=up_topic(item.gateway, Up.BATCH),
        reason=reason,
        detail=detail,
        time_ms=now_ms,
        payload=encode_batch(alone),
        epoch=item.epoch,
        seq=item.record.seq,
    )
