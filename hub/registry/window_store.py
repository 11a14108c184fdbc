"""Windows of the levels that several hubs touched, for the one of them that puts the levels together.

Rounds of putting together are numbered. A row remembers the newest round that was begun when somebody touched it: what
was touched since a round began is not forgotten by that round.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.registry.database import Database
from hub.registry.tables import LEVELS_ROUND, TOUCHED_WINDOW


@dataclass(frozen=True, slots=True, order=True)
class TouchedHour:
    """The windows of one hour (since 1970) of one gateway, as bits."""

    gateway: str
    hour: int
    windows: int


class WindowStore:
    """The windows. Every method is one transaction, durable when it returns, or RegistryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def round(self) -> int:
        """The round that was last begun."""
        async with self._database.read() as connection:
            return await _round(connection)

    async def begin_round(self) -> int:
        """Begin one; returns its number."""
        async with self._database.write() as connection:
            await connection.execute(update(LEVELS_ROUND).values(round=LEVELS_ROUND.c.round + 1))
            return await _round(connection)

    async def touched(self) -> list[TouchedHour]:
        """All that is to be put together."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(TOUCHED_WINDOW))).all()
        return [TouchedHour(row.gateway, row.hour, row.windows) for row in rows]

    async def put(self, touched: Iterable[TouchedHour]) -> int:
        """Remember these; returns the round that was last begun before they were remembered."""
        async with self._database.write() as connection:
            number = await _round(connection)
            await _put(connection, touched, number)
        return number

    async def forget(self, done: Sequence[TouchedHour], *, round_number: int) -> None:
        """A round put these together; what was touched since it began stays.

        Where another round was begun meanwhile, another hub leads, and what it wrote may just have been written over
        with older numbers: then all of it is put together once more.
        """
        async with self._database.write() as connection:
            if (number := await _round(connection)) != round_number:
                await _put(connection, done, number)
                return
            for one in sorted(done):
                here = (TOUCHED_WINDOW.c.gateway == one.gateway) & (TOUCHED_WINDOW.c.hour == one.hour)
                before = here & (TOUCHED_WINDOW.c.round < round_number)
                left = TOUCHED_WINDOW.c.windows.bitwise_and(~one.windows)
                await connection.execute(update(TOUCHED_WINDOW).where(before).values(windows=left))
            await connection.execute(delete(TOUCHED_WINDOW).where(TOUCHED_WINDOW.c.windows == 0))


async def _round(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(LEVELS_ROUND.c.round))).scalar_one())


async def _put(connection: AsyncConnection, touched: Iterable[TouchedHour], number: int) -> None:
    rows = [  # in one order, so that no two hubs wait for each other
        {"gateway": one.gateway, "hour": one.hour, "windows": one.windows, "round": number} for one in sorted(touched)
    ]
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(TOUCHED_WINDOW)
    is_newer = new.excluded.round > TOUCHED_WINDOW.c.round
    both = {
        "windows": TOUCHED_WINDOW.c.windows.bitwise_or(new.excluded.windows),
        "round": case((is_newer, new.excluded.round), else_=TOUCHED_WINDOW.c.round),
    }
    await connection.execute(new.on_conflict_do_update(index_elements=["gateway", "hour"], set_=both), rows)
