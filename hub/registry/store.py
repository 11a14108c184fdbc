"""The registry as one thing: opened once, asked through its three parts."""

from hub.registry.audit_store import AuditStore
from hub.registry.database import Database
from hub.registry.dead_letter_store import DeadLetterLimits, DeadLetterStore
from hub.registry.fleet import Fleet
from hub.registry.lease_store import LeaseStore
from hub.registry.ledger_store import LedgerStore
from hub.registry.window_store import WindowStore


class Registry:
    """The parts of the registry over one database.

    Sites, gateways and devices (`fleet`), what became of records (`ledger`), what was put aside (`dead_letters`), what
    is stored by day (`audits`); where several hubs share it, who of them leads (`lease`) and which windows of the
    levels they touched (`windows`).
    """

    def __init__(self, database: Database, limits: DeadLetterLimits | None = None) -> None:
        kept = limits or DeadLetterLimits()
        self._database = database
        self.fleet = Fleet(database)
        self.ledger = LedgerStore(database, kept)
        self.dead_letters = DeadLetterStore(database, kept)
        self.audits = AuditStore(database)
        self.lease = LeaseStore(database)
        self.windows = WindowStore(database)

    @classmethod
    async def open(cls, url: str, *, limits: DeadLetterLimits | None = None) -> "Registry":
        """Open the registry's database and bring it to the present schema.

        Args:
            url: SQLAlchemy's, for example ``sqlite+aiosqlite:////var/lib/sen/registry.sqlite``.
            limits: how many dead letters are kept of one gateway.

        Raises:
            RegistryError: the URL or the database is wrong, or it was written by a newer hub.
        """
        return cls(await Database.open(url), limits)

    async def close(self) -> None:
        """Release the connections."""
        await self._database.close()
