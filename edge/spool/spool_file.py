"""The file a spool lives in: its lock, its opening, its soundness, its bytes, and what its errors mean."""

import fcntl
import os
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Final

from edge.spool.base import SpoolBrokenError, SpoolError
from edge.spool.ledger import DamagedError

SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x53656E78  # schema/0001.sql sets it
_BUSY_S: Final = 0.2
_PRIMARY_CODE: Final = 0xFF  # https://www.sqlite.org/rescode.html: extended codes keep the primary one in the low byte
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# https://www.sqlite.org/fileformat2.html#walformat
_LOG_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24


def locked(path: Path) -> int:
    """Hold the spool against a second agent; the descriptor is the lock, and goes with the process.

    Raises:
        SpoolError: another agent holds it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolError(f"spool {path}: {error.strerror}; choose a folder this user may write") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SpoolError(
            f"spool {path}: another agent uses it; stop that one first (`sen-edge status` tells of it)"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(f"spool {path}: {error.strerror}; choose a file system that has locks") from error
    return descriptor


def opened(path: Path) -> sqlite3.Connection:
    """The database, sound and of our schema; made where there is none.

    Raises:
        DamagedError: what is there is damaged, or is no spool.
        SpoolError: a newer agent wrote it, or the disk refuses.
    """
    try:
        database = connected(path)
        try:
            _check(database, path)
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        if is_damage(error):
            raise DamagedError(str(error)) from error
        raise refused(path, error) from error
    return database


def connected(path: Path) -> sqlite3.Connection:
    """The database, whatever it holds. It writes ahead to a log and syncs it with each commit."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA wal_autocheckpoint=0")  # the spool checkpoints, so that it can count
        database.execute("PRAGMA secure_delete=OFF")  # Debian's default writes zeros over what is deleted
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, path: Path) -> None:
    (objects,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if not objects and not version:
        schema = files("edge.spool").joinpath("schema/0001.sql").read_text(encoding="utf-8")
        database.executescript(f"BEGIN; {schema} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        return
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION_ID:
        raise DamagedError("a database of another program")
    if version > SCHEMA_VERSION:
        raise SpoolError(
            f"spool {path}: written by a newer agent (schema {version}, this one knows {SCHEMA_VERSION});"
            " install that agent again, or move the file away to begin a new spool"
        )
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise DamagedError(found.splitlines()[-1])


def set_aside(path: Path) -> Path:
    """Rename the file, and the log that belongs to it; returns the new name.

    Raises:
        SpoolError: the disk refuses.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm", ""):  # the log first: without its file it means nothing to a new one
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise SpoolError(f"spool {path}: {error.strerror}; it is damaged, move it away by hand") from error
    return aside


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error speaks of the file's contents rather than of the disk."""
    return _code(error) in _DAMAGE or (_code(error) == sqlite3.SQLITE_ERROR and "no such" in str(error))


def refused(path: Path, error: sqlite3.Error) -> SpoolError:
    """What a database error means for the agent."""
    if _code(error) == sqlite3.SQLITE_IOERR:
        return SpoolBrokenError(f"spool {path}: {error}: the disk failed; look at `dmesg`, replace the card")
    if is_damage(error):
        return SpoolBrokenError(
            f"spool {path}: {error}: it is damaged; the next start sets it aside and saves the rest"
        )
    if _code(error) in _BUSY:
        return SpoolError(f"spool {path}: {error}; another program has it open, close that one (`fuser {path}`)")
    return SpoolError(
        f"spool {path}: {error}; nothing was accepted. Free space on its partition, or see whether the disk is"
        " read-only (`dmesg`)"
    )


def log_of(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def size_bytes(path: Path) -> int:
    """A file's bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def used_bytes(database: sqlite3.Connection) -> int:
    """The bytes of the pages that hold something; the free ones are written again before the file grows."""
    (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (free,) = database.execute("PRAGMA freelist_count").fetchone()
    return int(page_bytes * (pages - free))


def checkpoint_bytes(path: Path) -> int:
    """What a checkpoint of the log will write into the database: each page of the log once."""
    try:
        log = log_of(path).read_bytes()
    except OSError:
        return 0
    page_bytes = int.from_bytes(log[8:12], "big")
    pages = {
        log[at : at + 4]
        for at in range(_LOG_HEADER_BYTES, len(log), _FRAME_HEADER_BYTES + page_bytes)
        if log[at + 8 : at + 16] == log[16:24]  # the salts say that the frame is of this log
    }
    return len(pages) * page_bytes


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & _PRIMARY_CODE
