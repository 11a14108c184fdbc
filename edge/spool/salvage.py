"""What can still be read of a damaged spool goes into a new one; what cannot is declared lost.

The loss may be declared too large where the damage hides what was already final; the hub counts only what it has not.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge.spool import chunks
from edge.spool.chunks import Chunk
from edge.spool.contents import Contents, blob, write_contents
from edge.spool.ledger import DamagedError, EpochLedger, Totals
from edge.spool.spool_file import connected
from wire.codec import decode_batch
from wire.errors import WireError
from wire.ranges import RangeSet
from wire.records import LossReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """How many records were saved, and how many were declared lost."""

    saved: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row of the chunk table whose records were read and are sound."""

    chunk: Chunk
    epoch: int
    oldest_ms: int
    body: bytes


def salvage(damaged: Path, database: sqlite3.Connection) -> Salvaged:
    """Copy what a damaged spool still holds into a new, empty one.

    Raises:
        sqlite3.Error: the disk refuses the new one.
    """
    contents = Contents()
    saved: dict[int, RangeSet] = {}
    database.execute("BEGIN IMMEDIATE")
    for source in _readable_database(damaged):
        contents = _contents(source)
        for row in _rows(source):
            number = row.chunk.epoch_id
            ledger = contents.ledgers.get(number) or EpochLedger(id=number, epoch=row.epoch)
            if ledger.epoch != row.epoch:
                continue
            contents = contents.with_ledger(replace(ledger, accepted_hi=max(ledger.accepted_hi, row.chunk.last)))
            saved[number] = saved.get(number, RangeSet()) | row.chunk.seqs
            chunks.insert(database, row.chunk, row.oldest_ms, row.body)
    before = contents.totals.given_up.get(LossReason.CORRUPT, 0)
    for number, ledger in contents.ledgers.items():
        missing = ledger.pending - saved.get(number, RangeSet())
        contents = contents.with_given_up(number, missing, LossReason.CORRUPT)
    openings = max([contents.totals.openings, *contents.ledgers])
    contents = replace(contents, totals=replace(contents.totals, openings=openings))
    write_contents(database, before=Contents(), after=contents)
    database.execute("COMMIT")
    return Salvaged(
        saved=sum(len(ledger.pending) for ledger in contents.ledgers.values()),
        lost=contents.totals.given_up.get(LossReason.CORRUPT, 0) - before,
    )


def _readable_database(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, once, where it can be opened at all."""
    try:
        source = connected(path)
    except sqlite3.Error:
        return
    with closing(source):
        yield source


def _contents(source: sqlite3.Connection) -> Contents:
    """The ledgers that are sound."""
    totals = Totals()
    ledgers: dict[int, EpochLedger] = {}
    for (body,) in _readable(source, "SELECT body FROM total"):
        with suppress(DamagedError):
            totals = Totals.of_bytes(blob(body))
    for number, body in _readable(source, "SELECT id, body FROM epoch ORDER BY id"):
        with suppress(DamagedError):
            if isinstance(number, int):
                ledgers[number] = EpochLedger.of_bytes(number, blob(body))
    return Contents(totals=totals, ledgers=ledgers)


def _rows(source: sqlite3.Connection) -> Iterator[_Row]:
    """The sound rows, from the beginning up to where nothing can be read, then from the end down to there."""
    last_place = 0
    for found in _readable(source, "SELECT place, last, oldest_ms, body FROM chunk ORDER BY place"):
        row = _sound(found)
        if row is not None:
            last_place = chunks.place_of(row.chunk)
            yield row
    for found in _readable(source, "SELECT place, last, oldest_ms, body FROM chunk ORDER BY place DESC"):
        row = _sound(found)
        if row is not None:
            if chunks.place_of(row.chunk) <= last_place:
                return
            yield row


def _sound(found: tuple[object, ...]) -> _Row | None:
    match found:
        case int(place), int(last), int(oldest_ms), bytes(body) if place > 0:
            chunk = chunks.chunk_at(place, last)
        case _:
            return None
    try:
        epoch = decode_batch(body).epoch
        chunks.records_of(body, epoch=epoch, chunk=chunk)
    except (WireError, DamagedError):
        return None
    return _Row(chunk=chunk, epoch=epoch, oldest_ms=oldest_ms, body=body)


def _readable(source: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    """The rows of a query up to the first that cannot be read."""
    with suppress(sqlite3.Error):
        yield from source.execute(query)
