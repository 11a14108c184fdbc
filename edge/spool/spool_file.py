"""The file a spool lives in: its lock, its opening, its repair, and what its errors mean."""

import fcntl
import logging
import os
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Final

from edge.spool.base import SpoolBrokenError, SpoolError

SCHEMA_VERSION: Final = 1
_PRIMARY_CODE: Final = 0xFF  # https://www.sqlite.org/rescode.html: extended codes keep the primary one in the low byte
_logger = logging.getLogger(__name__)


def opened(path: Path) -> sqlite3.Connection:
    """The database, sound and of our schema; a damaged file is set aside first."""
    try:
        return _sound(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
            raise refused(path, error) from error
        aside = _set_aside(path)
        _logger.exception("spool %s is damaged and was set aside as %s; a new one is begun", path, aside)
    try:
        return _sound(path)
    except sqlite3.DatabaseError as error:
        raise refused(path, error) from error


def _sound(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA wal_autocheckpoint=0")  # the spool checkpoints, so that it can count
        _check(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise SpoolError(
            f"spool {path}: written by a newer agent (schema {version}, this one knows {SCHEMA_VERSION});"
            " install that agent again, or move the file away to begin a new spool"
        )
    (found,) = database.execute("PRAGMA quick_check").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)
    if version == 0:
        schema = files("edge.spool").joinpath("schema/0001.sql").read_text(encoding="utf-8")
        database.executescript(f"BEGIN; {schema} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    database.execute("SELECT count(*) FROM epoch").fetchone()


def locked(path: Path) -> int:
    """Hold the spool against a second agent; the descriptor is the lock, and goes with the process."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SpoolError(
            f"spool {path}: another agent uses it; stop that one first (`sen-edge status` tells of it)"
        ) from error
    return descriptor


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _is_damage(error: sqlite3.OperationalError) -> bool:
    """Whether an operational error speaks of the file's contents (a table is missing) rather than of the disk."""
    return "no such table" in str(error) or "no such column" in str(error)


def refused(path: Path, error: sqlite3.Error) -> SpoolError:
    """What a database error means for the agent."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
    if code == sqlite3.SQLITE_IOERR:
        return SpoolBrokenError(f"spool {path}: {error}: the disk failed; look at `dmesg`, replace the card")
    return SpoolError(
        f"spool {path}: {error}; nothing was accepted. Free space on its partition, or see whether the disk is"
        " read-only (`dmesg`)"
    )


def wal(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def size(path: Path) -> int:
    """A file's bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
