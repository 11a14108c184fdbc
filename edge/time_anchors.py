"""What turns a boot's monotonic time into UTC, and the book in which that is kept through power cuts. Pure.

A reading that is made before the time is known is accepted with a provisional time: monotonic time on an offset that
its boot chose once. It is moved once, by its boot's anchor, and only before it is first sent:

I1. A boot's `settled` anchor never changes. It stands in the book before the first record that it moved is sent, so
    that a record that is sent again has the same time, whatever happened in between.
I2. Bytes that were altered on disk are no book: they end with their checksum.
"""

import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Self

from wire import cbor, items
from wire.cbor import Item
from wire.errors import WireError
from wire.records import MAX_EPOCH, MAX_TIME_MS, Record, TimeQuality

# No clock that says less has been set: nothing of Sen was read before 2024.
EARLIEST_MS: Final = 1_704_067_200_000
NEVER_BACK_MS: Final = 1000
_CRC_BYTES: Final = 4
_MOST_BOOTS: Final = 1000
_MOST_EPOCHS: Final = 10_000
_DRIFTED_AFTER_MS: Final = 10 * 3600 * 1000  # 50 millionths of ten hours are 1.8 s
_SAVED_EVERY_MS: Final = 600_000  # so old may be what the book says of a boot's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """UTC in milliseconds is `offset_ms` plus the milliseconds of the boot's monotonic clock.

    `at_ms` is when that was last confirmed, in monotonic milliseconds. `is_vouched`: a time server once confirmed it.
    """

    offset_ms: int
    quality: TimeQuality
    at_ms: int
    is_vouched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot of the machine, and the epochs that were opened in it.

    `provisional_ms` is the offset of its provisional times, `floor_ms` the time before which it cannot have been,
    `known` the best anchor up to now, `latest_ms` how far its monotonic clock was seen to come.
    """

    boot_id: str
    provisional_ms: int
    floor_ms: int
    latest_ms: int = 0
    known: Anchor | None = None
    settled: Anchor | None = None
    epochs: tuple[int, ...] = ()

    def anchored(self, record: Record, anchor: Anchor) -> Record:
        """The record at its time by this anchor, flagged where that is not certain."""
        at_ms = record.time_ms - self.provisional_ms
        time_ms = min(max(0, at_ms + anchor.offset_ms), MAX_TIME_MS)
        is_certain = time_ms >= self.floor_ms - NEVER_BACK_MS and anchor.at_ms - at_ms <= _DRIFTED_AFTER_MS
        quality = anchor.quality if is_certain else max(anchor.quality, TimeQuality.ESTIMATED)
        return replace(record, time_ms=time_ms, time_quality=quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorBook:
    """All boots of which the spool may still hold records, in their order; `floor_ms` is the latest certain time."""

    floor_ms: int = EARLIEST_MS
    boots: tuple[Boot, ...] = ()

    def boot(self, boot_id: str) -> Boot | None:
        """The boot with this id."""
        return next((boot for boot in self.boots if boot.boot_id == boot_id), None)

    def boot_of(self, epoch: int) -> Boot | None:
        """The boot in which an epoch was opened."""
        return next((boot for boot in self.boots if epoch in boot.epochs), None)

    def with_boot(self, boot: Boot) -> "AnchorBook":
        """With this boot as it is now: in its place, or as the last."""
        if self.boot(boot.boot_id) is None:
            return replace(self, boots=(*self.boots, boot))
        return replace(self, boots=tuple(boot if one.boot_id == boot.boot_id else one for one in self.boots))

    def only(self, epochs: Collection[int], *, present: str) -> "AnchorBook":
        """Without what no record needs any more."""
        boots = [replace(one, epochs=tuple(epoch for epoch in one.epochs if epoch in epochs)) for one in self.boots]
        return replace(self, boots=tuple(one for one in boots if one.epochs or one.boot_id == present))

    def placed(self, boot: Boot, next_anchor: Anchor | None) -> Anchor:
        """Where an earlier boot belongs that never knew its time: behind what was known then, before what followed.

        Args:
            boot: one that is over.
            next_anchor: of the present boot, if it is known.
        """
        after = self.boots[self.boots.index(boot) + 1 :]
        begins = [one.known.offset_ms for one in after if one.known is not None]
        if next_anchor is not None:
            begins.append(next_anchor.offset_ms)  # the present boot's monotonic clock began at zero
        offset_ms = max(boot.provisional_ms, boot.floor_ms + _SAVED_EVERY_MS)
        if begins:
            offset_ms = min(offset_ms, min(begins) - boot.latest_ms - _SAVED_EVERY_MS)
        return Anchor(offset_ms=max(boot.floor_ms, offset_ms), quality=TimeQuality.ESTIMATED, at_ms=boot.latest_ms)

    def to_bytes(self) -> bytes:
        """As it stands in its file."""
        data = cbor.dump([1, self.floor_ms, [_boot_item(boot) for boot in self.boots[-_MOST_BOOTS:]]])
        return data + zlib.crc32(data).to_bytes(_CRC_BYTES, "big")

    @classmethod
    def of_bytes(cls, data: bytes) -> Self:
        """Read it again.

        Raises:
            WireError: any other bytes.
        """
        if zlib.crc32(data[:-_CRC_BYTES]).to_bytes(_CRC_BYTES, "big") != data[-_CRC_BYTES:]:
            raise WireError("wrong checksum")
        version, floor_ms, boots = items.fields(cbor.load(data[:-_CRC_BYTES]), what="book", count=3)
        if version != 1:
            raise WireError(f"version {version!r}: this program reads version 1")
        return cls(
            floor_ms=_integer(floor_ms, "floor"),
            boots=tuple(_boot(one) for one in items.array(boots, what="boots", maximum=_MOST_BOOTS)),
        )


def _boot_item(boot: Boot) -> Item:
    epochs: list[Item] = [*boot.epochs[-_MOST_EPOCHS:]]
    times: list[Item] = [boot.provisional_ms, boot.floor_ms, boot.latest_ms]
    return [boot.boot_id, times, _anchor_item(boot.known), _anchor_item(boot.settled), epochs]


def _boot(item: Item) -> Boot:
    boot_id, times, known, settled, epochs = items.fields(item, what="boot", count=5)
    provisional_ms, floor_ms, latest_ms = items.fields(times, what="times", count=3)
    return Boot(
        boot_id=items.text(boot_id, what="boot id", maximum=64),
        provisional_ms=_integer(provisional_ms, "provisional"),
        floor_ms=_integer(floor_ms, "floor"),
        latest_ms=_integer(latest_ms, "latest"),
        known=_anchor(known),
        settled=_anchor(settled),
        epochs=tuple(
            items.integer(one, what="epoch", maximum=MAX_EPOCH)
            for one in items.array(epochs, what="epochs", maximum=_MOST_EPOCHS)
        ),
    )


def _anchor_item(anchor: Anchor | None) -> Item:
    if anchor is None:
        return None
    return [anchor.offset_ms, anchor.quality.value, anchor.at_ms, anchor.is_vouched]


def _anchor(item: Item) -> Anchor | None:
    if item is None:
        return None
    offset_ms, quality, at_ms, is_vouched = items.fields(item, what="anchor", count=4)
    return Anchor(
        offset_ms=_integer(offset_ms, "offset"),
        quality=items.choice(quality, what="time quality", choices=tuple(TimeQuality)),
        at_ms=_integer(at_ms, "confirmed"),
        is_vouched=items.boolean(is_vouched, what="vouched"),
    )


def _integer(item: Item, what: str) -> int:
    return items.integer(item, what=what, maximum=2**62)
