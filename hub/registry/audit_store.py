"""What the ledger says is stored by day, and what audits found in the series store: for the audit."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, insert, select, update

from hub.registry.database import Database
from hub.registry.model import DayCount
from hub.registry.tables import AUDIT_DAY, STORED_DAY
from wire.identifiers import GatewayId


class AuditStore:
    """Days counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stored(self, *, first_day: int, last_day: int) -> dict[tuple[GatewayId, int], int]:
        """What the ledger says is stored of each gateway on each of these days (UTC, since 1970-01-01).

        Raises:
            RegistryError: the database cannot answer.
        """
        query = select(STORED_DAY).where(STORED_DAY.c.day.between(first_day, last_day))
        async with self._database.read() as connection:
            return {(GatewayId(row.gateway), row.day): row.stored for row in await connection.execute(query)}

    async def record(self, found: Sequence[DayCount]) -> None:
        """Keep what an audit found, in place of what was found before for the same days.

        Raises:
            RegistryError: nothing was kept.
        """
        async with self._database.write() as connection:
            for one in found:
                here = (AUDIT_DAY.c.gateway == one.gateway) & (AUDIT_DAY.c.day == one.day)
                values = {"stored": one.stored, "rows": one.rows, "audited_ms": one.audited_ms or 0}
                if not (await connection.execute(update(AUDIT_DAY).where(here).values(values))).rowcount:
                    row = {"gateway": one.gateway, "day": one.day}
                    await connection.execute(insert(AUDIT_DAY).values(row | values))

    async def differing(self) -> list[DayCount]:
        """The days on which the newest audit found another number than the ledger's, the newest first."""
        query = select(AUDIT_DAY).where(AUDIT_DAY.c.stored != AUDIT_DAY.c.rows)
        order = (AUDIT_DAY.c.day.desc(), AUDIT_DAY.c.gateway)
        async with self._database.read() as connection:
            return [_day_count(row) for row in (await connection.execute(query.order_by(*order))).mappings()]

    async def believe_rows(self, days: Sequence[DayCount]) -> None:
        """From now on the rows that were counted are what is expected of these days.

        Raises:
            RegistryError: nothing was changed.
        """
        async with self._database.write() as connection:
            for one in days:
                here = (STORED_DAY.c.gateway == one.gateway) & (STORED_DAY.c.day == one.day)
                if not (await connection.execute(update(STORED_DAY).where(here).values(stored=one.rows))).rowcount:
                    row = {"gateway": one.gateway, "day": one.day, "stored": one.rows}
                    await connection.execute(insert(STORED_DAY).values(row))


def _day_count(row: RowMapping) -> DayCount:
    return DayCount(**{**row, "gateway": GatewayId(row["gateway"])})
