"""The registry's database: opened, brought to the present schema, and asked in transactions.

SQLite by default, PostgreSQL by its URL. A transaction that writes takes SQLite's write lock when it begins: two
workers can never both read, and then one fail to write.
"""

import importlib.resources
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from hub.registry.model import RegistryError

_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
_BEGIN = "sen_begin"
_MIGRATION_LOCK = 0x73656E  # "sen": any number that nobody else locks in this database


class Database:
    """An open registry database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Open the database and bring it to the present schema.

        Args:
            url: SQLAlchemy's, for example ``sqlite+aiosqlite:////var/lib/sen/registry.sqlite``.

        Raises:
            RegistryError: the URL or the database is wrong, or it was written by a newer hub.
        """
        try:
            engine = create_async_engine(url)
            _try_file(engine)
        except (ArgumentError, ImportError, sqlite3.Error) as error:
            raise RegistryError(f"registry database {_shown(url)}: {error}; check its address and folder") from error
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _set_pragmas)
            event.listen(engine.sync_engine, "begin", _begin)
        database = cls(engine)
        try:
            async with database.write() as connection:
                await connection.run_sync(_migrate)
        except BaseException:
            await database.close()
            raise
        return database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view.

        Raises:
            RegistryError: the database cannot answer.
        """
        try:
            async with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._error(error) from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, durable when the block ends, undone when it raises.

        Raises:
            RegistryError: the database did not take it; nothing was changed.
        """
        try:
            async with self._writer.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._error(error) from error

    async def close(self) -> None:
        """Release the connections."""
        await self._engine.dispose()

    def _error(self, error: SQLAlchemyError) -> RegistryError:
        cause = getattr(error, "orig", None) or error
        return RegistryError(f"registry database {_shown(str(self._engine.url))}: {cause}")


def _try_file(engine: AsyncEngine) -> None:
    """Open a SQLite file once: aiosqlite leaves a thread behind where opening fails."""
    if engine.dialect.name == "sqlite" and engine.url.database:
        sqlite3.connect(engine.url.database).close()


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return repr(url)


def _set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own way of beginning transactions is switched off: `_begin` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma, value in _PRAGMAS.items():
        cursor.execute(f"PRAGMA {pragma} = {value}")
        cursor.execute(f"PRAGMA {pragma}")
        found = cursor.fetchone()
        if found is None or found[0] not in {value, "memory"}:
            raise RegistryError(f"registry database: SQLite does not keep PRAGMA {pragma} = {value}, found {found}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # hubs that start together bring it up to date one after the other
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    config = Config()
    config.set_main_option(
        "script_location", str(importlib.resources.files("hub.registry") / "migrations").replace("%", "%%")
    )
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except SQLAlchemyError:
        raise
    except Exception as error:  # alembic's own errors have no common public parent
        raise RegistryError(f"registry database: {error}; was it written by a newer hub?") from error
