"""The spool as segment files of fixed size, written in place, one after the other, for ever.

The records of one `accept` are one frame, written behind the last and synced: one page for a small group. What is
final or given up rides along in the frame's note, so forgetting costs nothing of its own; where a power cut undoes it,
a retransmission. A segment of which nothing is pending is written again. When all are full the oldest is given up, and
the tombstone stands in the next segment before the old one is touched; one segment is always free for this.
"""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from edge.spool import chunks
from edge.spool.base import Reading, SpoolBrokenError, SpoolError, SpoolState, UnsendableError, record_of
from edge.spool.contents import Contents
from edge.spool.disk import Disk, FolderDisk, SyncFailedError
from edge.spool.frames import Mark, Piece, is_of_newer_agent
from edge.spool.ledger import DamagedError, EpochLedger, Portion, epoch_statuses, newest_portion, oldest_portion
from edge.spool.notes import note_of
from edge.spool.reading import name_of, slots_of
from edge.spool.recovery import Recovered, recovered
from edge.spool.sacrifice import Candidate, carried_on
from edge.spool.segments import Laid, Segments, pending_of, segment_bytes_of
from wire.codec import MAX_LOSSES, MAX_RECORDS
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, Record, RecordKind

_logger = logging.getLogger(__name__)
# This part of a segment at most is carried on from one to the next only because other records are still pending.
MOST_CARRIED: Final = 0.75
_MAX_UNWRITTEN_FINISHES: Final = 64
_MAX_DRAWS: Final = 8
# More ranges than this, and the ledgers here and at the hub become slow; each takes this much of a segment's beginning.
_MAX_RANGES: Final = 2000
_BYTES_A_RANGE: Final = 64


class SegmentSpool:
    """A spool in one folder. Every method blocks on the disk; one thread at a time may call it.

    Args:
        segments: the files.
        found: what is in them.
        where: the spool's name in errors.
        gateway: whose records these are.
        epoch: the new epoch.
    """

    def __init__(self, segments: Segments, found: Recovered, *, where: str, gateway: GatewayId, epoch: int) -> None:
        # Changed only by the methods of this class, under one caller at a time.
        self._segments = segments
        self._most_ranges = min(_MAX_RANGES, segments.segment_bytes // _BYTES_A_RANGE)
        self._where = where
        self._gateway = gateway
        self._contents = found.contents
        self._durable = found.contents
        self._told = found.noted
        self._unwritten_finishes = 0
        self._broken: SpoolBrokenError | None = None
        self._losses_said = dict(found.contents.totals.given_up)
        self._present_id = found.contents.totals.openings + 1
        self._write(found.contents.with_opening(epoch), found.lifted)

    @classmethod
    def open(cls, folder: Path, *, gateway: GatewayId, max_bytes: int, random_u64: Callable[[], int]) -> Self:
        """Open or make the spool in this folder and begin a new epoch.

        Damage costs the frames it hit: what they held is declared lost, everything else is sent.

        Args:
            folder: of the spool alone; a second agent is kept out of it.
            gateway: whose records these are.
            max_bytes: the bound on the files, and never more than half of the partition; beyond it the oldest records
                are given up, first in detail, events last, and declared lost. At least three segments.
            random_u64: draws an epoch, 0 to 2**64 - 1.

        Raises:
            SpoolError: another agent uses it, a newer agent wrote it, or the disk refuses.
        """
        disk = FolderDisk(folder)
        try:
            bound = min(max_bytes, disk.room_bytes())
            return cls.on(disk, str(folder), gateway=gateway, max_bytes=bound, random_u64=random_u64)
        except BaseException:
            disk.close()
            raise

    @classmethod
    def on(cls, disk: Disk, where: str, *, gateway: GatewayId, max_bytes: int, random_u64: Callable[[], int]) -> Self:
        """The same on any disk. Segments that are there keep their size.

        Raises:
            SpoolError: as `open`.
        """
        with _translated(where):
            sizes = slots_of(disk.sizes())
            for slot in sizes:
                if is_of_newer_agent(disk.read(name_of(slot), 0, 4)):
                    raise SpoolError(
                        f"spool {where}: {name_of(slot)} was written by a newer agent; install that one again, or move"
                        " the folder away to begin a new spool"
                    )
            found = recovered(disk)
        if found.declared:
            _logger.error("spool %s: %d records cannot be found again and are declared lost", where, found.declared)
        size = max(sizes.values(), default=segment_bytes_of(max_bytes))
        segments = Segments(disk, found, segment_bytes=size, max_bytes=max_bytes)
        epoch = _fresh_epoch(found.contents, random_u64, where)
        return cls(segments, found, where=where, gateway=gateway, epoch=epoch)

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """Make the readings durable; see `Spool.accept`."""
        present = self._ledger
        first, last = present.accepted_hi + 1, present.accepted_hi + len(readings)
        records = [record_of(reading, seq) for seq, reading in enumerate(readings, first)]
        bodies = chunks.bodies_of(self._gateway, present.epoch, records)
        pieces = [_piece(self._present_id, part, body) for part, body in bodies]
        if pieces:
            self._write(self._contents.with_ledger(replace(present, accepted_hi=last)), pieces)
        return first, last

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """What to send next; see `Spool.unsent`."""
        limit = min(limit, MAX_RECORDS)
        while (portion := self._portion(skip, limit, newest_first=newest_first)) is not None:
            records = self._records(portion)
            missing = portion.seqs - RangeSet.of_numbers(record.seq for record in records)
            if not missing:
                losses = portion.losses
                return Batch(gateway=self._gateway, epoch=portion.ledger.epoch, records=tuple(records), losses=losses)
            self._contents = self._contents.with_given_up(portion.ledger.id, missing, LossReason.CORRUPT)
            self._log_losses()
        return None

    def finish(self, epoch: int, final: RangeSet) -> int:
        """Forget what the hub committed; see `Spool.finish`."""
        before = self._contents.ledger_of(epoch)
        if before is None:
            return 0
        after = before.finished(final, most_ranges=self._most_ranges)
        if after.in_flight == before.in_flight:
            return 0
        self._contents = self._contents.with_ledger(after)
        self._unwritten_finishes += 1
        if self._unwritten_finishes >= _MAX_UNWRITTEN_FINISHES:
            self._write_later()
        return before.in_flight - after.in_flight

    def state(self) -> SpoolState:
        """The spool in numbers."""
        contents, present, segments = self._contents, self._ledger, self._segments
        return SpoolState(
            epoch=present.epoch,
            accepted_total=contents.accepted,
            final_total=contents.accepted - contents.in_flight,
            in_flight=contents.in_flight,
            oldest_uncommitted_ms=self._oldest_ms(),
            lost_total=dict(contents.totals.given_up),
            epochs=epoch_statuses(contents.ledgers.values(), present=present.epoch),
            bytes_written=segments.bytes_written,
            bytes_per_record=segments.bytes_used / present.accepted_hi if present.accepted_hi else None,
            bytes_on_disk=segments.bytes_on_disk,
            bytes_held=segments.bytes_held(self._durable),
            is_crowded=segments.is_crowded,
        )

    def close(self) -> None:
        """Release the files. A last frame stands behind what was accepted, so that its damage would show."""
        try:
            if self._broken is None:
                self._write_later()
        except SpoolError as error:
            _logger.warning("%s", error)
        finally:
            self._segments.close()

    @property
    def _ledger(self) -> EpochLedger:
        return self._contents.ledgers[self._present_id]

    def _portion(self, skip: Mapping[int, RangeSet], limit: int, *, newest_first: bool) -> Portion | None:
        if newest_first:
            return newest_portion(self._ledger, skip.get(self._ledger.epoch, RangeSet()), limit)
        return oldest_portion(self._contents.ledgers.values(), skip, limit, MAX_LOSSES)

    def _records(self, portion: Portion) -> list[Record]:
        """Those of a portion's records that are sound."""
        records: dict[int, Record] = {}
        epoch, wanted = portion.ledger.epoch, portion.seqs
        for slot, place in self._segments.holding(portion.ledger.id, wanted):
            try:
                body = self._segments.body(slot, place)
                found = chunks.records_of(body, epoch=epoch, first=place.first, last=place.last)
            except DamagedError as error:
                _logger.error("spool %s: %s", self._where, error)  # noqa: TRY400 - the text says all there is
            else:
                records = {**{one.seq: one for one in found if one.seq in wanted}, **records}
        return [records[seq] for seq in sorted(records)]

    def _oldest_ms(self) -> int | None:
        """The time of the oldest frame with a pending record; None where there is none, or it cannot be read."""
        for ledger in self._contents.ledgers.values():
            for first, _ in ledger.pending.ranges[:1]:
                for slot, place in self._segments.holding(ledger.id, RangeSet(((first, first),))):
                    return self._segments.oldest_ms(slot, place)
        return None

    def _write_later(self) -> None:
        """Write what was forgotten, if the disk lets us: it is only a retransmission."""
        try:
            self._write(self._contents)
        except SpoolBrokenError:
            raise
        except SpoolError as error:
            _logger.warning("%s", error)

    def _write(self, contents: Contents, pieces: Sequence[Piece] = ()) -> None:
        """Make new contents and records durable, all or nothing.

        Raises:
            SpoolError: nothing changed.
        """
        if self._broken is not None:
            raise self._broken
        contents = contents.without_closed(present=self._present_id)
        try:
            with _translated(self._where):
                self._contents = self._durable = self._told = self._put(contents, pieces)
        except SpoolBrokenError as error:
            self._broken = error
            raise
        self._unwritten_finishes = 0
        self._log_losses()

    def _put(self, contents: Contents, pieces: Sequence[Piece]) -> Contents:
        """Behind the last frame, or at the beginning of the next segment; returns the contents, with what that cost."""
        laid = self._segments.laid(pieces, note_of(self._told, contents), is_whole=not self._told.ledgers)
        if self._segments.has_room(len(laid.data)):
            self._segments.append(laid)
            return contents
        free, is_spare = self._segments.target(pending_of(self._durable), pending_of(contents))
        laid = self._begun(contents, pieces, without=free)
        if len(laid.data) > self._segments.segment_bytes:
            raise UnsendableError(f"spool {self._where}: {len(laid.data)} bytes in one piece; raise spool.max_mb")
        if free is not None and is_spare:
            self._segments.begin(free, laid)
            return contents
        return self._relieve(free, contents, pieces, self._segments.segment_bytes - len(laid.data))

    def _begun(
        self, contents: Contents, pieces: Sequence[Piece], *, without: int | None, also: int | None = None
    ) -> Laid:
        """The beginning of a segment, when these others hold nothing any more."""
        gone = [slot for slot in (without, also) if slot is not None]
        beginning = self._segments.beginning(max(1, len(pieces)), pending_of(contents), without=gone)
        return self._segments.laid(pieces, note_of(Contents(), contents, beginning), begins=True)

    def _relieve(self, free: int | None, contents: Contents, pieces: Sequence[Piece], room: int) -> Contents:
        """Begin the free segment so that another is free afterwards; that other where none is free."""
        after = pending_of(contents)
        most = min(room, int(MOST_CARRIED * self._segments.segment_bytes))
        for slot in self._segments.emptiest(after, but=free):
            if self._segments.live_bytes(slot, after) <= most:
                kept, carried = self._cleaned(slot, contents)
                break
        else:
            slot = self._segments.oldest(but=free)
            kept, carried = self._given_up(slot, contents, room // 2)
        laid = self._begun(kept, [*carried, *pieces], without=free, also=slot)
        if len(laid.data) > self._segments.segment_bytes:  # the note has grown by the holes
            kept, _ = self._given_up(slot, contents, 0)
            laid = self._begun(kept, pieces, without=free, also=slot)
        if len(laid.data) > self._segments.segment_bytes:
            raise UnsendableError(f"spool {self._where}: {len(laid.data)} bytes in one piece; raise spool.max_mb")
        self._segments.begin(slot if free is None else free, laid, relieved=slot)
        return kept

    def _cleaned(self, slot: int, contents: Contents) -> tuple[Contents, list[Piece]]:
        """All that is pending in a segment, to be carried on as it is; what is damaged of it is given up."""
        live = self._segments.live(slot, pending_of(contents))
        sound = self._segments.pieces(slot, live)
        for place in set(live) - {place for place, _ in sound}:
            contents = contents.with_given_up(place.epoch_id, place.seqs, LossReason.CORRUPT)
        return contents, [piece for _, piece in sound]

    def _given_up(self, slot: int, contents: Contents, most_bytes: int) -> tuple[Contents, list[Piece]]:
        """A segment given up but for what is carried on of it."""
        live = self._segments.live(slot, pending_of(contents))
        sound = self._segments.pieces(slot, live)
        stay = carried_on(
            [
                Candidate(
                    oldest_ms=piece.mark.oldest_ms,
                    frame_bytes=piece.mark.frame_bytes,
                    is_kept=piece.mark.is_kept,
                    rounds=piece.mark.rounds,
                )
                for _, piece in sound
            ],
            most_bytes=most_bytes,
            may_thin=sum(len(one.buried.ranges) for one in contents.ledgers.values()) < self._most_ranges,
        )
        kept = {sound[at][0] for at in stay}
        for place in live:
            if place not in kept:
                contents = contents.with_given_up(place.epoch_id, place.seqs, LossReason.FULL)
        carried = [replace(piece, mark=replace(piece.mark, rounds=piece.mark.rounds + 1)) for _, piece in sound]
        return contents, [carried[at] for at in stay]

    def _log_losses(self) -> None:
        """Say it at the first loss, and again whenever there are twice as many: a full spool loses all the time."""
        for reason, count in self._contents.totals.given_up.items():
            if count > 2 * self._losses_said.get(reason, 0):
                self._losses_said[reason] = count
                _logger.error("spool %s: records were given up (%s), %d up to now", self._where, reason, count)


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """The disk's errors as ours. After a failed sync nobody knows what the disk holds."""
    try:
        yield
    except SyncFailedError as error:
        raise SpoolBrokenError(
            f"spool {where}: {error.strerror}: the disk failed; look at `dmesg`, replace the card"
        ) from error
    except OSError as error:
        if error.errno == errno.EIO:
            raise SpoolBrokenError(
                f"spool {where}: {error.strerror}: the disk failed; look at `dmesg`, replace the card"
            ) from error
        raise SpoolError(
            f"spool {where}: {error.strerror}; nothing was accepted. Free space on its partition, or see whether the"
            " disk is read-only (`dmesg`)"
        ) from error


def _piece(epoch_id: int, records: Sequence[Record], body: bytes) -> Piece:
    mark = Mark(
        segment=0,
        epoch_id=epoch_id,
        first=records[0].seq,
        last=records[-1].seq,
        oldest_ms=min(record.time_ms for record in records),
        is_kept=any(record.stream.kind is RecordKind.EVENT for record in records),
    )
    return Piece(mark=mark, body=body)


def _fresh_epoch(contents: Contents, random_u64: Callable[[], int], where: str) -> int:
    for _ in range(_MAX_DRAWS):
        epoch = random_u64()
        if contents.ledger_of(epoch) is None:
            return epoch
    raise SpoolError(f"spool {where}: the source of randomness repeats itself; see whether /dev/urandom works")
