"""Dead letters in the registry's database: bounded for each gateway, the oldest go first, and what goes is counted."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.registry.database import Database
from hub.registry.model import ClosedLetter, DeadLetter, DeadReason, Outcome
from hub.registry.tables import DEAD_LETTER, DEAD_LETTER_CLOSED, DEAD_LETTER_DROPPED
from wire.identifiers import GatewayId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimits:
    """How much is kept of one gateway."""

    letters: int = 1000
    payload_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterCount:
    """How many dead letters of one gateway are kept, and how many were dropped to make room."""

    gateway: GatewayId
    kept: int
    dropped: int


class DeadLetterStore:
    """What was put aside."""

    def __init__(self, database: Database, limits: DeadLetterLimits) -> None:
        self._database = database
        self._limits = limits

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these, durably.

        Raises:
            RegistryError: the database did not take them.
        """
        async with self._database.write() as connection:
            await add_dead_letters(connection, letters, self._limits)

    async def letters(self, gateway: GatewayId | None = None, *, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters, of one gateway or of all."""
        query = select(DEAD_LETTER).order_by(DEAD_LETTER.c.letter_id.desc()).limit(limit)
        if gateway is not None:
            query = query.where(DEAD_LETTER.c.gateway == gateway)
        async with self._database.read() as connection:
            return [_letter(row) for row in (await connection.execute(query)).mappings()]

    async def letter(self, letter_id: int) -> DeadLetter | None:
        """One dead letter, or None."""
        query = select(DEAD_LETTER).where(DEAD_LETTER.c.letter_id == letter_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else _letter(row)

    async def open_count(self) -> int:
        """How many there are of all gateways."""
        async with self._database.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(DEAD_LETTER)) or 0)

    async def close(self, letter: DeadLetter, outcome: Outcome, *, now_ms: int) -> bool:
        """Take a letter away for good and keep its trace; one that was put aside once more since it was read stays.

        Returns:
            Whether it went.

        Raises:
            RegistryError: the database did not take it; nothing was changed.
        """
        async with self._database.write() as connection:
            return await close_dead_letter(connection, letter, outcome, now_ms=now_ms)

    async def closed(self, gateway: GatewayId | None = None, *, limit: int = 100) -> list[ClosedLetter]:
        """The traces of those that people dealt with, the newest first."""
        query = select(DEAD_LETTER_CLOSED).order_by(DEAD_LETTER_CLOSED.c.closed_id.desc()).limit(limit)
        if gateway is not None:
            query = query.where(DEAD_LETTER_CLOSED.c.gateway == gateway)
        async with self._database.read() as connection:
            return [_closed(row) for row in (await connection.execute(query)).mappings()]

    async def counts(self) -> list[DeadLetterCount]:
        """For each gateway that has or had dead letters."""
        kept_query = select(DEAD_LETTER.c.gateway, func.count()).group_by(DEAD_LETTER.c.gateway)
        async with self._database.read() as connection:
            kept = {gateway: int(count) for gateway, count in (await connection.execute(kept_query)).all()}
            dropped = {gateway: int(count) for gateway, count in (await connection.execute(select(*_DROPPED))).all()}
        return [
            DeadLetterCount(gateway=GatewayId(gateway), kept=kept.get(gateway, 0), dropped=dropped.get(gateway, 0))
            for gateway in sorted(kept.keys() | dropped.keys())
        ]


_DROPPED = (DEAD_LETTER_DROPPED.c.gateway, DEAD_LETTER_DROPPED.c.dropped)


async def add_dead_letters(
    connection: AsyncConnection, letters: Sequence[DeadLetter], limits: DeadLetterLimits
) -> None:
    """Keep these as part of the connection's transaction; one that is there already is counted once more."""
    for letter in letters:
        await _add(connection, letter)
    for gateway in sorted({letter.gateway for letter in letters}):
        await _make_room(connection, gateway, limits)


async def close_dead_letter(connection: AsyncConnection, letter: DeadLetter, outcome: Outcome, *, now_ms: int) -> bool:
    """Do what `DeadLetterStore.close` says as part of the connection's transaction."""
    same = (DEAD_LETTER.c.letter_id == letter.letter_id) & (DEAD_LETTER.c.times == letter.times)
    if not (await connection.execute(delete(DEAD_LETTER).where(same))).rowcount:
        return False
    trace = {
        "letter_id": letter.letter_id,
        "gateway": letter.gateway,
        "digest": hashlib.sha256(letter.payload).hexdigest(),
        "reason": letter.reason.value,
        "detail": letter.detail,
        "epoch": None if letter.epoch is None else f"{letter.epoch:016x}",
        "seq": letter.seq,
        "times": letter.times,
        "outcome": outcome.value,
        "closed_ms": now_ms,
    }
    await connection.execute(insert(DEAD_LETTER_CLOSED).values(trace))
    return True


async def _add(connection: AsyncConnection, letter: DeadLetter) -> None:
    digest = hashlib.sha256(letter.payload).hexdigest()
    again = (DEAD_LETTER.c.gateway == letter.gateway) & (DEAD_LETTER.c.digest == digest)
    seen = {"time_ms": letter.time_ms, "times": DEAD_LETTER.c.times + letter.times}
    if (await connection.execute(update(DEAD_LETTER).where(again).values(seen))).rowcount:
        return
    row = {
        "gateway": letter.gateway,
        "digest": digest,
        "topic": letter.topic,
        "reason": letter.reason.value,
        "detail": letter.detail,
        "time_ms": letter.time_ms,
        "payload": letter.payload,
        "payload_bytes": len(letter.payload),
        "epoch": None if letter.epoch is None else f"{letter.epoch:016x}",
        "seq": letter.seq,
        "times": letter.times,
    }
    await connection.execute(insert(DEAD_LETTER).values(row))


async def _make_room(connection: AsyncConnection, gateway: str, limits: DeadLetterLimits) -> None:
    of_gateway = DEAD_LETTER.c.gateway == gateway
    sizes = select(DEAD_LETTER.c.letter_id, DEAD_LETTER.c.payload_bytes).where(of_gateway)
    newest_first = (await connection.execute(sizes.order_by(DEAD_LETTER.c.letter_id.desc()))).all()
    held = 0
    for kept, (letter_id, size) in enumerate(newest_first):
        held += size
        if kept >= limits.letters or held > limits.payload_bytes:
            too_old = of_gateway & (DEAD_LETTER.c.letter_id <= letter_id)
            gone = await connection.execute(delete(DEAD_LETTER).where(too_old))
            await _count_dropped(connection, gateway, gone.rowcount)
            return


async def _count_dropped(connection: AsyncConnection, gateway: str, count: int) -> None:
    more = update(DEAD_LETTER_DROPPED).where(DEAD_LETTER_DROPPED.c.gateway == gateway)
    counted = await connection.execute(more.values(dropped=DEAD_LETTER_DROPPED.c.dropped + count))
    if not counted.rowcount:
        await connection.execute(insert(DEAD_LETTER_DROPPED).values(gateway=gateway, dropped=count))


def _closed(row: RowMapping) -> ClosedLetter:
    return ClosedLetter(
        letter_id=row["letter_id"],
        gateway=GatewayId(row["gateway"]),
        digest=row["digest"],
        reason=DeadReason(row["reason"]),
        detail=row["detail"],
        epoch=None if row["epoch"] is None else int(row["epoch"], 16),
        seq=row["seq"],
        times=row["times"],
        outcome=Outcome(row["outcome"]),
        closed_ms=row["closed_ms"],
    )


def _letter(row: RowMapping) -> DeadLetter:
    return DeadLetter(
        letter_id=row["letter_id"],
        gateway=GatewayId(row["gateway"]),
        topic=row["topic"],
        reason=DeadReason(row["reason"]),
        detail=row["detail"],
        time_ms=row["time_ms"],
        payload=row["payload"],
        epoch=None if row["epoch"] is None else int(row["epoch"], 16),
        seq=row["seq"],
        times=row["times"],
    )
