"""The rows of the spool's `chunk` table: records made durable together, as the bytes of a wire batch."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from edge.spool.base import UnsendableError
from edge.spool.ledger import DamagedError, EpochLedger
from wire.codec import MAX_RECORDS, decode_batch, encode_batch
from wire.errors import TooLargeError, WireError
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import Batch, Record

_SEQ_BITS: Final = 40
_SEQ_MASK: Final = (1 << _SEQ_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Where a row stands: the records first..last of the epoch with this id."""

    epoch_id: int
    first: int
    last: int

    @property
    def seqs(self) -> RangeSet:
        """Its records."""
        return RangeSet(((self.first, self.last),))


def place_of(chunk: Chunk) -> int:
    """The key of a chunk's row."""
    return _place(chunk.epoch_id, chunk.first)


def chunk_at(place: int, last: int) -> Chunk:
    """The chunk of a row."""
    return Chunk(epoch_id=place >> _SEQ_BITS, first=place & _SEQ_MASK, last=last)


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


def records_of(body: bytes, *, epoch: int, chunk: Chunk) -> tuple[Record, ...]:
    """The records of a row.

    Raises:
        DamagedError: they are not those that were put there.
    """
    try:
        batch = decode_batch(body)
    except WireError as error:
        raise DamagedError(f"records {chunk.first}..{chunk.last}: {error}") from error
    if batch.epoch != epoch or [record.seq for record in batch.records] != list(range(chunk.first, chunk.last + 1)):
        raise DamagedError(f"records {chunk.first}..{chunk.last}: others stand in their place")
    return batch.records


def insert(database: sqlite3.Connection, chunk: Chunk, oldest_ms: int, body: bytes) -> None:
    """Add a row; within a transaction. `oldest_ms` is the UTC time of its oldest record."""
    database.execute(
        "INSERT INTO chunk (place, last, oldest_ms, body) VALUES (?, ?, ?, ?)",
        (place_of(chunk), chunk.last, oldest_ms, body),
    )


def delete(database: sqlite3.Connection, chunk: Chunk) -> None:
    """Remove a row; within a transaction."""
    database.execute("DELETE FROM chunk WHERE place = ?", (place_of(chunk),))


def trim(database: sqlite3.Connection, ledger: EpochLedger, finished: RangeSet) -> None:
    """Remove the rows that hold some of the finished records and no pending one; within a transaction."""
    pending = ledger.pending
    for chunk in list(holding(database, ledger.id, finished)):
        if not chunk.seqs & pending:
            delete(database, chunk)


def holding(database: sqlite3.Connection, epoch_id: int, seqs: RangeSet) -> Iterator[Chunk]:
    """The rows that hold some of these records, in their order, each once."""
    after = 0
    for first, last in seqs.ranges:
        rows = database.execute(
            "SELECT place, last FROM chunk WHERE place BETWEEN"
            " coalesce((SELECT max(place) FROM chunk WHERE place <= ?), 0) AND ? AND last >= ? ORDER BY place",
            (_place(epoch_id, first), _place(epoch_id, last), first),
        )
        for place, chunk_last in rows:
            chunk = chunk_at(place, chunk_last)
            if chunk.epoch_id == epoch_id and chunk.first > after:
                after = chunk.first
                yield chunk


def body_of(database: sqlite3.Connection, chunk: Chunk) -> bytes:
    """A row's bytes.

    Raises:
        DamagedError: the row is gone.
    """
    row = database.execute("SELECT body FROM chunk WHERE place = ?", (place_of(chunk),))
    for (body,) in row:
        return bytes(body)
    raise DamagedError(f"records {chunk.first}..{chunk.last}: their row is gone")


def oldest_chunk(database: sqlite3.Connection) -> Chunk | None:
    """The first row of all."""
    row = database.execute("SELECT place, last FROM chunk ORDER BY place LIMIT 1").fetchone()
    return None if row is None else chunk_at(*row)


def time_of(database: sqlite3.Connection, epoch_id: int, seq: int) -> int | None:
    """The time (UTC, ms) of the row that holds this record."""
    row = database.execute(
        "SELECT oldest_ms FROM chunk WHERE place <= ? ORDER BY place DESC LIMIT 1", (_place(epoch_id, seq),)
    ).fetchone()
    return None if row is None else int(row[0])


def _place(epoch_id: int, seq: int) -> int:
    return epoch_id << _SEQ_BITS | seq
