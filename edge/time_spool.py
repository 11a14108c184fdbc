"""A spool whose records have their times: what was read before the time was known gets it when it is first sent.

I1. What a record was sent with, it keeps: the anchor that moved it is durable before.
I2. A record without a time waits for one, but no longer than `hold_s` while it could be sent; then it goes with the
    best estimate, flagged. The others do not wait for it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from edge.clock import Clock
from edge.spool.base import Reading, Spool, SpoolError, SpoolState
from edge.time_anchors import Anchor, AnchorBook, Boot
from edge.time_trust import TimeTrust
from wire.errors import WireError
from wire.ranges import RangeSet
from wire.records import Batch, TimeQuality

_logger = logging.getLogger(__name__)
_HOLD_S: Final = 600.0
_SAVE_EVERY_S: Final = 600.0
_WORTH_SAVING_MS: Final = 1000


class BookFile(Protocol):
    """Where the book is kept."""

    def read(self) -> bytes | None:
        """What was written last; None where nothing was.

        Raises:
            OSError: it cannot be read.
        """
        ...

    def write(self, data: bytes) -> None:
        """Put this in its place, all or nothing; durable when it returns.

        Raises:
            OSError: it may be there or not.
        """
        ...


def book_in(file: BookFile) -> AnchorBook:
    """The book that is kept there; an empty one where it cannot be read, which costs estimated times."""
    try:
        data = file.read()
        return AnchorBook() if data is None else AnchorBook.of_bytes(data)
    except (OSError, WireError) as error:
        _logger.error("the book of times: %s; times of earlier boots are estimated", error)  # noqa: TRY400 - it says all
        return AnchorBook()


def trust_of(book: AnchorBook, boot_id: str) -> TimeTrust:
    """What is known of the time before anybody has spoken."""
    boot = book.boot(boot_id)
    if boot is None:
        return TimeTrust(floor_ms=book.floor_ms)
    return TimeTrust(floor_ms=book.floor_ms, known=boot.known, provisional_ms=boot.provisional_ms)


class TimedSpool:
    """A spool in front of another.

    Args:
        spool: what keeps the records; nobody else calls it.
        book: as it was at the start, by `book_in`.
        file: where the book is kept.
        boot_id: of the machine's present boot.
        trust: what is known of the time.
        clock: for monotonic time only.
        hold_s: how long records wait for their time while they could be sent, in seconds.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        book: AnchorBook,
        file: BookFile,
        boot_id: str,
        trust: TimeTrust,
        clock: Clock,
        hold_s: float = _HOLD_S,
    ) -> None:
        self._spool = spool
        self._file = file
        self._boot_id = boot_id
        self._trust = trust
        self._clock = clock
        self._hold_s = hold_s
        # Changed by the methods of this class, one caller at a time.
        self._waits: dict[int, RangeSet] = {}
        self._waits_since_s: float | None = None
        self._durable: AnchorBook | None = None
        self._saved_s = clock.monotonic_s()
        self._book = self._opened(book)
        try:
            self._save(self._book)
        except SpoolError as error:
            _logger.warning("%s", error)

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """See `Spool.accept`. A provisional time is accepted only when it is durable to which boot it belongs."""
        book = self._noted()
        is_due = self._durable is None or self._clock.monotonic_s() - self._saved_s >= _SAVE_EVERY_S
        must = any(one.time_quality is TimeQuality.UNANCHORED for one in readings) and self._durable is None
        if is_due or self._is_worth_saving(book):
            try:
                self._save(book)
            except SpoolError:
                if must:
                    raise
        return self._spool.accept(readings)

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """See `Spool.unsent`. Of what waits for its time nothing.

        Raises:
            SpoolError: an anchor cannot be made durable.
        """
        self._waits = {epoch: seqs for epoch, seqs in self._waits.items() if self._settled(epoch) is None}
        while True:
            without = dict(skip)
            for epoch, seqs in self._waits.items():
                without[epoch] = without.get(epoch, RangeSet()) | seqs
            batch = self._spool.unsent(skip=without, limit=limit, newest_first=newest_first)
            if batch is None:
                return None
            timed = self._timed(batch)
            if timed.records or timed.losses:
                return timed

    def finish(self, epoch: int, final: RangeSet) -> int:
        """See `Spool.finish`."""
        return self._spool.finish(epoch, final)

    def state(self) -> SpoolState:
        """The spool in numbers. A provisional time counts as it is."""
        return self._spool.state()

    def close(self) -> None:
        """Keep what is known of the time, and close the spool."""
        try:
            self._save(self._noted())
        except SpoolError as error:
            _logger.warning("%s", error)
        finally:
            self._spool.close()

    def _timed(self, batch: Batch) -> Batch:
        """The batch with times, without what must wait for them."""
        if all(record.time_quality is not TimeQuality.UNANCHORED for record in batch.records):
            return batch
        found = self._settled(batch.epoch)
        if found is None:
            waits = [record.seq for record in batch.records if record.time_quality is TimeQuality.UNANCHORED]
            self._waits[batch.epoch] = self._waits.get(batch.epoch, RangeSet()) | RangeSet.of_numbers(waits)
            ready = tuple(one for one in batch.records if one.time_quality is not TimeQuality.UNANCHORED)
            return replace(batch, records=ready)
        boot, anchor = found
        records = (
            boot.anchored(one, anchor) if one.time_quality is TimeQuality.UNANCHORED else one for one in batch.records
        )
        return replace(batch, records=tuple(records))

    def _settled(self, epoch: int) -> tuple[Boot, Anchor] | None:
        """The boot of an epoch with its anchor, which is durable; None while it is worth waiting for one."""
        boot = self._book.boot_of(epoch)
        if boot is None:  # the book was lost: the provisional time is all there is
            return _UNKNOWN, Anchor(offset_ms=0, quality=TimeQuality.ESTIMATED, at_ms=0)
        if boot.settled is not None:
            return boot, boot.settled
        anchor = self._best(boot)
        if anchor is None:
            return None
        settled = replace(boot, settled=anchor)
        self._save(self._noted().with_boot(settled))
        return settled, anchor

    def _best(self, boot: Boot) -> Anchor | None:
        if boot.boot_id == self._boot_id and self._trust.anchor is not None:
            return self._trust.anchor
        if boot.boot_id != self._boot_id and boot.known is not None:
            return boot.known
        now_s = self._clock.monotonic_s()
        if self._waits_since_s is None:
            self._waits_since_s = now_s
        is_over = now_s - self._waits_since_s >= self._hold_s
        if boot.boot_id == self._boot_id:
            at_ms = round(1000 * now_s)
            provisional = Anchor(offset_ms=boot.provisional_ms, quality=TimeQuality.UNSYNCED, at_ms=at_ms)
            return provisional if is_over else None
        if self._trust.anchor is not None or is_over:
            return self._book.placed(boot, self._trust.anchor)
        return None

    def _opened(self, book: AnchorBook) -> AnchorBook:
        """With the present boot and epoch, without what is not needed any more."""
        state = self._spool.state()
        told = {one.epoch for one in state.epochs}
        before = book.boot(self._boot_id)
        boot = before or Boot(
            boot_id=self._boot_id, provisional_ms=self._trust.provisional_ms, floor_ms=self._trust.floor_ms
        )
        epochs = (*(epoch for epoch in boot.epochs if epoch in told), state.epoch)
        return book.only(told, present=self._boot_id).with_boot(replace(boot, epochs=epochs))

    @property
    def _present(self) -> Boot:
        return next(boot for boot in self._book.boots if boot.boot_id == self._boot_id)

    def _noted(self) -> AnchorBook:
        """The book with what is known of the time by now."""
        boot = self._present
        latest_ms = round(1000 * self._clock.monotonic_s())
        now = replace(boot, known=self._trust.anchor or boot.known, latest_ms=max(boot.latest_ms, latest_ms))
        return replace(self._book, floor_ms=max(self._book.floor_ms, self._trust.floor_ms)).with_boot(now)

    def _is_worth_saving(self, book: AnchorBook) -> bool:
        """Whether the anchor is another than the durable one, by more than jitter."""
        after, before = book.boot(self._boot_id), (self._durable or AnchorBook()).boot(self._boot_id)
        if after is None or after.known is None:
            return False
        if before is None or before.known is None:
            return True
        is_moved = abs(after.known.offset_ms - before.known.offset_ms) > _WORTH_SAVING_MS
        return is_moved or after.known.is_vouched is not before.known.is_vouched

    def _save(self, book: AnchorBook) -> None:
        """Make the book durable; nothing relies on it before that.

        Raises:
            SpoolError: it is not.
        """
        self._saved_s = self._clock.monotonic_s()
        try:
            self._file.write(book.to_bytes())
        except OSError as error:
            raise SpoolError(
                f"the book of times: {error.strerror or error}; free space on its partition, or see whether the disk is"
                " read-only (`dmesg`)"
            ) from error
        self._book = self._durable = book


_UNKNOWN: Final = Boot(boot_id="", provisional_ms=0, floor_ms=0)
