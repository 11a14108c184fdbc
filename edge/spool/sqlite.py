"""The spool on SQLite: write-ahead log, `synchronous=FULL`, one writer.

The records of one `accept` are one row holding the bytes of a wire batch: compressed, self-describing, and checked by
their own CRC. What is final or given up is a few ranges per epoch, kept in memory and written with the next `accept`:
forgetting costs no sync of its own, and where a power cut undoes it, a retransmission.

Source: https://www.sqlite.org/pragma.html#pragma_synchronous (WAL is durable against power cuts with FULL only).
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from edge.spool import chunks
from edge.spool.base import Reading, SpoolBrokenError, SpoolError, SpoolState, record_of
from edge.spool.chunks import Chunk
from edge.spool.contents import Contents, read_contents, write_contents
from edge.spool.ledger import DamagedError, EpochLedger, Portion, epoch_statuses, newest_portion, oldest_portion
from edge.spool.salvage import Salvaged, salvage
from edge.spool.spool_file import (
    checkpoint_bytes,
    is_damage,
    locked,
    log_of,
    opened,
    refused,
    set_aside,
    size_bytes,
    used_bytes,
)
from wire.codec import MAX_LOSSES, MAX_RECORDS
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, Record

_logger = logging.getLogger(__name__)
_CHECKPOINT_BYTES: Final = 2 * 1024 * 1024
_MAX_UNWRITTEN_FINISHES: Final = 64
_MAX_DRAWS: Final = 8
_LEAST_BYTES: Final = 64 * 1024  # the tables alone take five pages


class SqliteSpool:
    """A spool in one file. Every method blocks on the disk; one thread at a time may call it."""

    def __init__(
        self,
        database: sqlite3.Connection,
        lock: int,
        path: Path,
        *,
        contents: Contents,
        gateway: GatewayId,
        epoch: int,
        max_bytes: int,
    ) -> None:
        # Changed only by the methods of this class, under one caller at a time.
        self._database = database
        self._lock = lock
        self._path = path
        self._gateway = gateway
        self._max_bytes = max(max_bytes, _LEAST_BYTES)
        self._contents = contents
        self._on_disk = contents
        self._losses_said = dict(contents.totals.given_up)
        self._trimmable: dict[int, RangeSet] = {}
        self._unwritten_finishes = 0
        self._broken: SpoolBrokenError | None = None
        self._bytes_written = 0
        self._log_bytes = size_bytes(log_of(path))
        self._checkpoint_at = _CHECKPOINT_BYTES
        self._present_id = contents.totals.openings + 1
        self._write(contents.with_opening(epoch).without_closed(present=self._present_id))

    @classmethod
    def open(cls, path: Path, *, gateway: GatewayId, max_bytes: int, random_u64: Callable[[], int]) -> Self:
        """Open or make the spool and begin a new epoch.

        A file that is damaged, or is no spool, is set aside as `<name>.corrupt-<n>` and a new spool begun with what
        can still be read of it, so that the gateway starts.

        Args:
            path: the file. Beside it stand its log, `<name>-wal`, of up to about 2 MiB, and `<name>.lock`.
            gateway: whose records these are.
            max_bytes: the bound on the file; beyond it the oldest records are given up and declared lost. The records
                of the latest `accept` are kept in any case. At least 64 KiB.
            random_u64: draws an epoch, 0 to 2**64 - 1.

        Raises:
            SpoolError: another agent uses it, a newer agent wrote it, or the disk refuses.
        """
        lock = locked(path)
        try:
            database, contents = _opened(path)
            try:
                epoch = _fresh_epoch(path, contents, random_u64)
                return cls(database, lock, path, contents=contents, gateway=gateway, epoch=epoch, max_bytes=max_bytes)
            except BaseException:
                database.close()
                raise
        except BaseException:
            os.close(lock)
            raise

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """Make the readings durable; see `Spool.accept`."""
        present = self._present
        first, last = present.accepted_hi + 1, present.accepted_hi + len(readings)
        records = [record_of(reading, seq) for seq, reading in enumerate(readings, first)]
        parts = chunks.bodies_of(self._gateway, present.epoch, records)
        self._write(self._contents.with_ledger(replace(present, accepted_hi=last)), parts)
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
            self._forget(portion.ledger, self._contents.with_given_up(portion.ledger.id, missing, LossReason.CORRUPT))
        return None

    def finish(self, epoch: int, final: RangeSet) -> int:
        """Forget what the hub committed; see `Spool.finish`."""
        before = self._contents.ledger_of(epoch)
        if before is None:
            return 0
        after = before.finished(final)
        if after.in_flight == before.in_flight:
            return 0
        self._forget(before, self._contents.with_ledger(after))
        self._unwritten_finishes += 1
        if self._unwritten_finishes >= _MAX_UNWRITTEN_FINISHES:
            self._write_later()
        return before.in_flight - after.in_flight

    def state(self) -> SpoolState:
        """The spool in numbers."""
        contents, present = self._contents, self._present
        return SpoolState(
            epoch=present.epoch,
            accepted_total=contents.accepted,
            final_total=contents.accepted - contents.in_flight,
            in_flight=contents.in_flight,
            oldest_uncommitted_ms=self._oldest_ms(),
            lost_total=dict(contents.totals.given_up),
            epochs=epoch_statuses(contents.ledgers.values(), present=present.epoch),
            bytes_written=self._bytes_written,
            bytes_on_disk=size_bytes(self._path) + size_bytes(log_of(self._path)),
        )

    def close(self) -> None:
        """Release the files. Nothing accepted is lost."""
        try:
            if self._broken is None:
                self._write_later()
            self._database.close()
        except (sqlite3.Error, SpoolError) as error:
            _logger.warning("spool %s: closing: %s", self._path, error)
        finally:
            os.close(self._lock)

    @property
    def _present(self) -> EpochLedger:
        return self._contents.ledgers[self._present_id]

    def _portion(self, skip: Mapping[int, RangeSet], limit: int, *, newest_first: bool) -> Portion | None:
        if newest_first:
            return newest_portion(self._present, skip.get(self._present.epoch, RangeSet()), limit)
        return oldest_portion(self._contents.ledgers.values(), skip, limit, MAX_LOSSES)

    def _records(self, portion: Portion) -> list[Record]:
        """Those of a portion's records that are sound."""
        records: list[Record] = []
        with self._translated():
            for chunk in list(chunks.holding(self._database, portion.ledger.id, portion.seqs)):
                try:
                    body = chunks.body_of(self._database, chunk)
                    found = chunks.records_of(body, epoch=portion.ledger.epoch, chunk=chunk)
                except DamagedError as error:
                    _logger.error("spool %s: %s", self._path, error)  # noqa: TRY400 - the text says all there is
                else:
                    records.extend(record for record in found if record.seq in portion.seqs)
        return records

    def _oldest_ms(self) -> int | None:
        for ledger in self._contents.ledgers.values():
            for seq in ledger.pending:
                with self._translated():
                    return chunks.time_of(self._database, ledger.id, seq)
        return None

    def _forget(self, before: EpochLedger, contents: Contents) -> None:
        """Take over what is final or given up now; it is written with the next `accept`."""
        gone = before.pending - contents.ledgers[before.id].pending
        self._trimmable[before.id] = self._trimmable.get(before.id, RangeSet()) | gone
        self._contents = contents

    def _write_later(self) -> None:
        """Write what was forgotten, if the disk lets us: it is only a retransmission."""
        try:
            self._write(self._contents)
        except SpoolBrokenError:
            raise
        except SpoolError as error:
            _logger.warning("%s", error)

    def _write(self, contents: Contents, parts: Sequence[tuple[Sequence[Record], bytes]] = ()) -> None:
        """Make new contents and records durable, within the bound, all or nothing.

        Raises:
            SpoolError: nothing changed.
        """
        if not parts and contents == self._on_disk and not self._trimmable:
            return
        with self._transaction() as database:
            for number, gone in self._trimmable.items():
                chunks.trim(database, contents.ledgers[number], gone)
            for records, body in parts:
                chunk = Chunk(epoch_id=self._present_id, first=records[0].seq, last=records[-1].seq)
                chunks.insert(database, chunk, min(record.time_ms for record in records), body)
            newest = parts[0][0][0].seq if parts else contents.ledgers[self._present_id].accepted_hi + 1
            contents = self._evict(database, contents, newest).without_closed(present=self._present_id)
            write_contents(database, before=self._on_disk, after=contents)
        self._log_losses(contents)
        self._contents = self._on_disk = contents
        self._trimmable.clear()
        self._unwritten_finishes = 0
        self._count_and_checkpoint()

    def _evict(self, database: sqlite3.Connection, contents: Contents, newest: int) -> Contents:
        """Give up the oldest rows until the file holds to its bound, but not those from seq `newest` on."""
        while used_bytes(database) > self._max_bytes:
            chunk = chunks.oldest_chunk(database)
            if chunk is None or (chunk.epoch_id == self._present_id and chunk.first >= newest):
                break
            chunks.delete(database, chunk)
            contents = contents.with_given_up(chunk.epoch_id, chunk.seqs, LossReason.FULL)
        return contents

    def _log_losses(self, contents: Contents) -> None:
        """Say it at the first loss, and again whenever there are twice as many: a full spool loses all the time."""
        for reason, count in contents.totals.given_up.items():
            if count > 2 * self._losses_said.get(reason, 0):
                self._losses_said[reason] = count
                _logger.error("spool %s: records were given up (%s), %d up to now", self._path, reason, count)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable once left. After a failed sync nothing is believed any more."""
        with self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        if self._broken is not None:
            raise self._broken
        try:
            yield
        except sqlite3.Error as error:
            ours = refused(self._path, error)
            if isinstance(ours, SpoolBrokenError):
                self._broken = ours
            raise ours from error

    def _count_and_checkpoint(self) -> None:
        """Count the growth of the log, and the pages a checkpoint copies out of it.

        What fails here does not undo what is durable: a broken disk is told by the next call.
        """
        log_bytes = size_bytes(log_of(self._path))
        self._bytes_written += max(0, log_bytes - self._log_bytes)
        self._log_bytes = log_bytes
        if log_bytes < self._checkpoint_at:
            return
        self._checkpoint_at = log_bytes + _CHECKPOINT_BYTES  # where this one does not succeed
        copied = checkpoint_bytes(self._path)
        try:
            with self._translated():
                (busy, _, _) = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except SpoolError as error:
            _logger.error("%s", error)  # noqa: TRY400 - the text says all there is
            return
        if not busy:
            self._bytes_written += copied
            self._log_bytes = size_bytes(log_of(self._path))
            self._checkpoint_at = _CHECKPOINT_BYTES


def _opened(path: Path) -> tuple[sqlite3.Connection, Contents]:
    """The database and its contents, sound; where they are not, a new one with what could be saved."""
    try:
        return _sound(path)
    except DamagedError as damage:
        aside = set_aside(path)
        salvaged = _salvaged(path, aside)
        _logger.error(  # noqa: TRY400 - the text says all there is
            "spool %s is damaged (%s) and was set aside as %s; %d records were saved from it, %d are declared lost",
            path,
            damage,
            aside,
            salvaged.saved,
            salvaged.lost,
        )
    try:
        return _sound(path)
    except DamagedError as damage:
        raise SpoolBrokenError(f"spool {path}: {damage} in a new file: the disk failed; replace the card") from damage


def _sound(path: Path) -> tuple[sqlite3.Connection, Contents]:
    database = opened(path)
    try:
        return database, read_contents(database)
    except sqlite3.Error as error:
        database.close()
        if is_damage(error):
            raise DamagedError(str(error)) from error
        raise refused(path, error) from error
    except BaseException:
        database.close()
        raise


def _salvaged(path: Path, aside: Path) -> Salvaged:
    try:
        with closing(opened(path)) as database:
            return salvage(aside, database)
    except sqlite3.Error as error:
        raise refused(path, error) from error


def _fresh_epoch(path: Path, contents: Contents, random_u64: Callable[[], int]) -> int:
    for _ in range(_MAX_DRAWS):
        epoch = random_u64()
        if contents.ledger_of(epoch) is None:
            return epoch
    raise SpoolError(f"spool {path}: the source of randomness repeats itself; see whether /dev/urandom works")
