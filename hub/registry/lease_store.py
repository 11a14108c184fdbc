"""Who of several hubs does what only one may do: a name in the registry that has to be kept alive.

No clock is compared with another: a holder counts its beats, and whoever waits sees by its own clock for how long they
have not changed.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from hub.registry.database import Database
from hub.registry.tables import LEASE

_NAME: Final = "leader"
_HERE: Final = LEASE.c.name == _NAME


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds it, and how often that was said."""

    holder: str
    beat: int


class LeaseStore:
    """The lease. Every method is one transaction, durable when it returns, or RegistryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self) -> Lease | None:
        """The lease as it is; None where nobody has it."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(LEASE.c.holder, LEASE.c.beat).where(_HERE))).one_or_none()
        return None if row is None else Lease(row.holder, row.beat)

    async def take(self, holder: str, *, seen: Lease | None) -> bool:
        """Make it the holder's if it still is as it was seen; returns whether it is."""
        async with self._database.write() as connection:
            if seen is None:
                try:
                    async with connection.begin_nested():
                        await connection.execute(insert(LEASE).values(name=_NAME, holder=holder, beat=1))
                except IntegrityError:
                    return False
                return True
            same = _HERE & (LEASE.c.holder == seen.holder) & (LEASE.c.beat == seen.beat)
            taken = await connection.execute(update(LEASE).where(same).values(holder=holder, beat=seen.beat + 1))
            return bool(taken.rowcount)

    async def beat(self, holder: str) -> bool:
        """Say that the holder lives; returns whether the lease is still its own."""
        own = _HERE & (LEASE.c.holder == holder)
        async with self._database.write() as connection:
            return bool((await connection.execute(update(LEASE).where(own).values(beat=LEASE.c.beat + 1))).rowcount)

    async def give_back(self, holder: str) -> None:
        """The holder ends: others need not wait."""
        async with self._database.write() as connection:
            await connection.execute(delete(LEASE).where(_HERE & (LEASE.c.holder == holder)))
