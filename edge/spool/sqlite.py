"""The spool on SQLite: write-ahead log, `synchronous=FULL`, one writer.

The records of one `accept` are one row holding the bytes of a wire batch: compressed, self-describing, and checked by
their own CRC. What the hub commits is forgotten in memory at once and deleted on disk together with the next `accept`
(a trim that a power cut undoes costs a retransmission, not a sync).

Source: https://www.sqlite.org/pragma.html#pragma_synchronous (WAL is durable against power cuts with FULL only).
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Self

import cbor2

from edge.spool.base import Reading, SpoolError, SpoolState
from edge.spool.ledger import (
    Chunk,
    EpochLedger,
    Portion,
    Trim,
    apply_trim,
    backlog_portion,
    epoch_statuses,
    live_portion,
    oldest_pending_ms,
    trim_of,
)
from edge.spool.spool_file import locked, opened, refused, size, wal
from wire.codec import MAX_LOSSES, MAX_RECORDS, decode_batch, encode_batch
from wire.errors import TooLargeError, WireError
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, Loss, LossReason, Record

_logger = logging.getLogger(__name__)
_CHECKPOINT_BYTES: Final = 2 * 1024 * 1024
_MAX_TRIMS_HELD: Final = 64
_ROW_BYTES: Final = 64  # what a chunk's row costs beside its body, roughly
_ACCEPTED_CLOSED: Final = "accepted_closed"


class SqliteSpool:
    """A spool in one file. Every method blocks on the disk; one thread at a time may call it."""

    def __init__(
        self, database: sqlite3.Connection, lock: int, path: Path, *, gateway: GatewayId, epoch: int, max_bytes: int
    ) -> None:
        # Changed only by the methods of this class, under one caller at a time.
        self._database = database
        self._lock = lock
        self._path = path
        self._gateway = gateway
        self._max_bytes = max_bytes
        self._totals: dict[str, int] = {}
        self._epochs: dict[int, EpochLedger] = {}
        self._held: list[tuple[EpochLedger, Trim]] = []
        self._bytes_written = 0
        self._wal_bytes = 0
        self._body_bytes = 0
        self._present = self._begin(epoch)

    @classmethod
    def open(cls, path: Path, *, gateway: GatewayId, max_bytes: int, random_u64: Callable[[], int]) -> Self:
        """Open or make the spool and begin a new epoch.

        A file that is damaged is set aside as `<name>.corrupt-<n>` and a new spool begun, so that the gateway starts.

        Args:
            path: the file.
            gateway: whose records these are.
            max_bytes: the bound on what is kept; beyond it the oldest records are given up and declared lost.
            random_u64: draws an epoch, 0 to 2**64 - 1.

        Raises:
            SpoolError: another agent uses it, a newer agent wrote it, or the disk refuses.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = locked(path)
        except OSError as error:
            raise SpoolError(f"spool {path}: {error.strerror}; choose a folder this user may write") from error
        try:
            database = opened(path)
            try:
                return cls(database, lock, path, gateway=gateway, epoch=random_u64(), max_bytes=max_bytes)
            except BaseException:
                database.close()
                raise
        except BaseException:
            os.close(lock)
            raise

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        """Make the readings durable; see `Spool.accept`."""
        first = self._present.accepted_hi + 1
        last = self._present.accepted_hi + len(readings)
        records = [
            Record(
                seq=seq,
                stream=reading.stream,
                time_ms=reading.time_ms,
                time_quality=reading.time_quality,
                values=reading.values,
            )
            for seq, reading in enumerate(readings, first)
        ]
        bodies = list(self._bodies(records))
        with self._transaction() as database:
            self._write_trims(database)
            chunks = [self._insert(database, part, body) for part, body in bodies]
            database.execute("UPDATE epoch SET accepted_hi = ? WHERE id = ?", (last, self._present.id))
            evicted = self._evict(database, sum(len(body) + _ROW_BYTES for _, body in bodies))
        self._held.clear()
        self._present.accepted_hi = last
        for chunk in chunks:
            self._present.chunks[chunk.id] = chunk
            self._body_bytes += chunk.size_bytes
        self._note_evicted(evicted)
        return first, last

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """What to send next; see `Spool.unsent`."""
        limit = min(limit, MAX_RECORDS)
        portion = self._live(skip, limit) if newest_first else self._oldest(skip, limit)
        if portion is None:
            return None
        records: list[Record] = []
        for chunk in portion.chunks:
            records.extend(record for record in self._read(portion.ledger, chunk) if record.seq in portion.seqs)
        if not records and not portion.losses:
            return self.unsent(skip=skip, limit=limit, newest_first=newest_first)  # its chunk was found damaged
        return Batch(gateway=self._gateway, epoch=portion.ledger.epoch, records=tuple(records), losses=portion.losses)

    def finish(self, epoch: int, final: RangeSet) -> int:
        """Forget what the hub committed; see `Spool.finish`."""
        ledger = self._epochs.get(epoch)
        if ledger is None:
            return 0
        trim = trim_of(ledger, final)
        if not trim.records:
            return 0
        self._body_bytes -= sum(ledger.chunks[number].size_bytes for number in trim.chunks)
        apply_trim(ledger, trim)
        self._held.append((ledger, trim))
        if len(self._held) >= _MAX_TRIMS_HELD:
            self._flush()
        return trim.records

    def state(self) -> SpoolState:
        """The spool in numbers."""
        in_flight = sum(ledger.in_flight for ledger in self._epochs.values())
        accepted = self._totals.get(_ACCEPTED_CLOSED, 0) + sum(ledger.accepted_hi for ledger in self._epochs.values())
        return SpoolState(
            epoch=self._present.epoch,
            accepted_total=accepted,
            final_total=accepted - in_flight,
            in_flight=in_flight,
            oldest_uncommitted_ms=oldest_pending_ms(self._epochs),
            lost_total={reason: n for reason in LossReason if (n := self._totals.get(f"lost_{reason}", 0))},
            epochs=epoch_statuses(self._epochs, self._present.epoch),
            bytes_written=self._bytes_written,
            bytes_on_disk=size(self._path) + size(wal(self._path)),
        )

    def close(self) -> None:
        """Release the files. Nothing accepted is lost."""
        try:
            self._flush()
            self._database.close()
        except (sqlite3.Error, SpoolError):
            _logger.exception("spool %s: closing", self._path)
        finally:
            os.close(self._lock)

    def _begin(self, epoch: int) -> EpochLedger:
        """Read what is there, forget epochs that are wholly final, and begin a new one."""
        with self._transaction() as database:
            self._totals = dict(database.execute("SELECT name, value FROM total"))
            closed = (
                "SELECT id FROM epoch WHERE id NOT IN (SELECT epoch_id FROM chunk) AND id NOT IN"
                " (SELECT epoch_id FROM loss)"
            )
            (accepted,) = database.execute(
                f"SELECT coalesce(sum(accepted_hi), 0) FROM epoch WHERE id IN ({closed})"  # noqa: S608 - our own words
            ).fetchone()
            self._add(database, _ACCEPTED_CLOSED, accepted)
            database.execute(f"DELETE FROM epoch WHERE id IN ({closed})")  # noqa: S608 - our own words
            inserted = database.execute(
                "INSERT INTO epoch (epoch, accepted_hi) VALUES (?, 0)", (epoch.to_bytes(8, "big"),)
            )
            present = EpochLedger(id=inserted.lastrowid or 0, epoch=epoch)
        self._totals[_ACCEPTED_CLOSED] = self._totals.get(_ACCEPTED_CLOSED, 0) + accepted
        for ledger in _ledgers(self._database):
            self._epochs[ledger.epoch] = ledger
            self._body_bytes += sum(chunk.size_bytes for chunk in ledger.chunks.values())
        self._epochs[epoch] = present
        return present

    def _bodies(self, records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], bytes]]:
        """The records as the bytes of as few batches as the codec's limits allow."""
        if len(records) > MAX_RECORDS:
            yield from self._bodies(records[:MAX_RECORDS])
            yield from self._bodies(records[MAX_RECORDS:])
            return
        try:
            body = encode_batch(Batch(gateway=self._gateway, epoch=self._present.epoch, records=tuple(records)))
        except TooLargeError:
            half = len(records) // 2
            if not half:
                raise
            yield from self._bodies(records[:half])
            yield from self._bodies(records[half:])
        else:
            yield records, body

    def _insert(self, database: sqlite3.Connection, records: Sequence[Record], body: bytes) -> Chunk:
        first, last = records[0].seq, records[-1].seq
        oldest_ms = min(record.time_ms for record in records)
        inserted = database.execute(
            "INSERT INTO chunk (epoch_id, first, last, oldest_ms, body) VALUES (?, ?, ?, ?, ?)",
            (self._present.id, first, last, oldest_ms, body),
        )
        return Chunk(
            id=inserted.lastrowid or 0,
            first=first,
            last=last,
            oldest_ms=oldest_ms,
            size_bytes=len(body) + _ROW_BYTES,
        )

    def _evict(self, database: sqlite3.Connection, more_bytes: int) -> list[tuple[EpochLedger, Chunk, list[int]]]:
        """Give up the oldest chunks until the new ones fit, leaving tombstones in the same transaction."""
        evicted: list[tuple[EpochLedger, Chunk, list[int]]] = []
        excess = self._body_bytes + more_bytes - self._max_bytes
        for ledger in self._epochs.values():
            for chunk in ledger.chunks.values():
                if excess <= 0:
                    return evicted
                excess -= chunk.size_bytes
                evicted.append((ledger, chunk, self._bury(database, ledger, chunk, LossReason.FULL)))
        return evicted

    def _bury(self, database: sqlite3.Connection, ledger: EpochLedger, chunk: Chunk, reason: LossReason) -> list[int]:
        """Replace a chunk by tombstones for what of it is not final; returns their row numbers."""
        database.execute("DELETE FROM chunk WHERE id = ?", (chunk.id,))
        pending = chunk.pending
        self._add(database, f"lost_{reason}", len(pending))
        return [
            database.execute(
                "INSERT INTO loss (epoch_id, first, last, reason) VALUES (?, ?, ?, ?)",
                (ledger.id, first, last, reason),
            ).lastrowid
            or 0
            for first, last in pending.ranges
        ]

    def _note_evicted(
        self, evicted: Sequence[tuple[EpochLedger, Chunk, list[int]]], reason: LossReason = LossReason.FULL
    ) -> None:
        for ledger, chunk, rows in evicted:
            del ledger.chunks[chunk.id]
            self._body_bytes -= chunk.size_bytes
            for row, (first, last) in zip(rows, chunk.pending.ranges, strict=True):
                ledger.losses[row] = Loss(first=first, last=last, reason=reason)
            name = f"lost_{reason}"
            self._totals[name] = self._totals.get(name, 0) + len(chunk.pending)
        if evicted:
            lost = sum(len(chunk.pending) for _, chunk, _ in evicted)
            _logger.error("spool %s: %d records given up (%s)", self._path, lost, reason)

    def _live(self, skip: Mapping[int, RangeSet], limit: int) -> Portion | None:
        return live_portion(self._present, skip.get(self._present.epoch, RangeSet()), limit)

    def _oldest(self, skip: Mapping[int, RangeSet], limit: int) -> Portion | None:
        for ledger in self._epochs.values():
            portion = backlog_portion(ledger, skip.get(ledger.epoch, RangeSet()), limit, MAX_LOSSES)
            if portion is not None:
                return portion
        return None

    def _read(self, ledger: EpochLedger, chunk: Chunk) -> tuple[Record, ...]:
        """A chunk's records; none, and a declared loss, where its bytes are damaged."""
        row = self._database.execute("SELECT body FROM chunk WHERE id = ?", (chunk.id,)).fetchone()
        try:
            if row is not None:
                return decode_batch(row[0]).records
        except WireError:
            _logger.exception("spool %s: records %d..%d are damaged", self._path, chunk.first, chunk.last)
        with self._transaction() as database:
            rows = self._bury(database, ledger, chunk, LossReason.CORRUPT)
        self._note_evicted([(ledger, chunk, rows)], LossReason.CORRUPT)
        return ()

    def _write_trims(self, database: sqlite3.Connection) -> None:
        for _, trim in self._held:
            database.executemany("DELETE FROM chunk WHERE id = ?", [(number,) for number in trim.chunks])
            database.executemany("DELETE FROM loss WHERE id = ?", [(number,) for number in trim.losses])
            database.executemany(
                "UPDATE chunk SET final = ? WHERE id = ?",
                [(cbor2.dumps(chunk.final.ranges), chunk.id) for chunk in trim.partly],
            )

    def _flush(self) -> None:
        if self._held:
            with self._transaction() as database:
                self._write_trims(database)
            self._held.clear()

    def _add(self, database: sqlite3.Connection, name: str, more: int) -> None:
        database.execute(
            "INSERT INTO total (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
            (name, more, more),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable once left."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
            self._database.execute("COMMIT")
        except BaseException as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise refused(self._path, error) from error
            raise
        self._count_bytes()

    def _count_bytes(self) -> None:
        """Count what went to disk: the growth of the log, and the pages a checkpoint copies out of it."""
        log_bytes = size(wal(self._path))
        self._bytes_written += max(0, log_bytes - self._wal_bytes)
        self._wal_bytes = log_bytes
        if log_bytes >= _CHECKPOINT_BYTES:
            before = size(self._path)
            with closing(self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")) as checkpoint:
                checkpoint.fetchone()
            self._bytes_written += max(before, size(self._path))
            self._wal_bytes = size(wal(self._path))


def _ledgers(database: sqlite3.Connection) -> list[EpochLedger]:
    """Every epoch with something left, in the order of opening."""
    ledgers = {
        number: EpochLedger(id=number, epoch=int.from_bytes(epoch, "big"), accepted_hi=accepted_hi)
        for number, epoch, accepted_hi in database.execute("SELECT id, epoch, accepted_hi FROM epoch ORDER BY id")
    }
    for number, epoch_id, first, last, oldest_ms, final, body_bytes in database.execute(
        "SELECT id, epoch_id, first, last, oldest_ms, final, length(body) FROM chunk ORDER BY id"
    ):
        ledgers[epoch_id].chunks[number] = Chunk(
            id=number,
            first=first,
            last=last,
            oldest_ms=oldest_ms,
            size_bytes=body_bytes + _ROW_BYTES,
            final=RangeSet() if final is None else RangeSet(tuple((a, b) for a, b in cbor2.loads(final))),
        )
    for number, epoch_id, first, last, reason in database.execute("SELECT id, epoch_id, first, last, reason FROM loss"):
        ledgers[epoch_id].losses[number] = Loss(first=first, last=last, reason=LossReason(reason))
    return list(ledgers.values())
