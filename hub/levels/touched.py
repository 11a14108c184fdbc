"""Which windows have to be put together again: remembered on disk before their points are committed to any gateway.

I1. A window that was written to is remembered, durably, before `touch` returns.
I2. It is forgotten only after it was put together from what was stored by then: a crash in between costs repetition.
I3. What is remembered is bounded: at most one row for each gateway and hour of the time that raw series are kept.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from hub.clock import Clock
from hub.levels.level import NS_PER_S, GatewayHour, Touched, closed_bits, touched_by
from hub.series.base import SeriesError
from hub.series.sheet import Sheet

_Result = TypeVar("_Result")

# Points from so far ahead belong to clocks that are wrong: no window waits for them.
AHEAD_NS: Final = 86_400 * NS_PER_S
# How long after its end a window waits for what is under way.
SETTLE_NS: Final = 20 * NS_PER_S
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS touched (
  gateway TEXT NOT NULL, hour INTEGER NOT NULL, windows INTEGER NOT NULL, PRIMARY KEY (gateway, hour)
) STRICT, WITHOUT ROWID;
"""
_PUT: Final = """
INSERT INTO touched VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET windows = windows | excluded.windows
"""
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """Windows to put together now."""

    key: GatewayHour
    bits: int


class Windows(Protocol):
    """The windows to put together again, wherever they are remembered."""

    async def touch(self, sheets: Sequence[Sheet]) -> None:
        """Remember the windows that these points lie in.

        Raises:
            SeriesError: they are not remembered.
        """
        ...

    async def due(self) -> list[Due]:
        """The windows that ended and had time to settle, the newest hours first.

        Raises:
            SeriesError: nobody can say.
        """
        ...

    def take(self, due: Due) -> None:
        """The window is about to be read."""
        ...

    async def done(self, some: Sequence[Due]) -> None:
        """These windows were put together: forget them, but for those that were touched meanwhile.

        Raises:
            SeriesError: they will be put together once more.
        """
        ...


def oldest_ns(now_ns: int, keep_ns: int | None) -> int:
    """From when on windows may still be put together."""
    return 0 if keep_ns is None else now_ns - keep_ns


def due_of(found: Iterable[tuple[GatewayHour, int]], *, now_ns: int) -> list[Due]:
    """Those that ended and had time to settle, the newest hours first."""
    due = [Due(key, closed_bits(key, bits, now_ns=now_ns - SETTLE_NS)) for key, bits in found]
    return sorted((one for one in due if one.bits), key=lambda one: one.key, reverse=True)


class TouchedWindows:
    """The windows to put together again, in the SQLite file at `path`.

    Args:
        path: the file, made where it is not there; it belongs to this hub alone.
        keep_ns: how far back windows may still be put together: as long as raw series are kept. None is for ever.
        clock: the hub's clock.

    Raises:
        SeriesError: the file cannot be opened.
    """

    def __init__(self, path: Path, *, keep_ns: int | None, clock: Clock) -> None:
        self._path = path
        self._keep_ns = keep_ns
        self._clock = clock
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise SeriesError(f"file {path}: {error}; check that the folder exists and may be written") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="touched-windows")
        # Both changed on the event loop only. `_on_disk`: windows known to be remembered, so that each is written once
        # and not with every record. `_since`: windows that somebody touched since they were last taken; set before the
        # disk is asked, so that nobody forgets on disk what is on its way there.
        self._on_disk: dict[GatewayHour, int] = {}
        self._since: dict[GatewayHour, int] = {}

    async def touch(self, sheets: Sequence[Sheet]) -> None:
        """Remember the windows that these points lie in.

        Raises:
            SeriesError: the disk did not take it.
        """
        now_ns = self._now_ns()
        touched = touched_by(sheets, start_ns=oldest_ns(now_ns, self._keep_ns), end_ns=now_ns + AHEAD_NS)
        await self.put({key: bits for key, bits in touched.items() if bits & ~self._on_disk.get(key, 0)})

    async def put(self, touched: Touched) -> None:
        """Remember these windows.

        Raises:
            SeriesError: the disk did not take it.
        """
        if not touched:
            return
        rows = [(key.gateway, key.hour, bits) for key, bits in touched.items()]
        for key, bits in touched.items():
            self._since[key] = self._since.get(key, 0) | bits
        await self._do(lambda db: _in_one(db, _PUT, rows))
        for key, bits in touched.items():
            if kept := bits & self._since.get(key, 0):  # what was taken meanwhile may be forgotten already
                self._on_disk[key] = self._on_disk.get(key, 0) | kept

    async def due(self) -> list[Due]:
        """The windows that ended and had time to settle, the newest hours first."""
        rows = await self._do(lambda db: db.execute("SELECT gateway, hour, windows FROM touched").fetchall())
        found = [(GatewayHour(hour, gateway), bits) for gateway, hour, bits in rows]
        return due_of(found, now_ns=self._now_ns())

    def take(self, due: Due) -> None:
        """What is stored from now on has to be remembered anew: the window is about to be read."""
        for known in (self._on_disk, self._since):
            if left := known.get(due.key, 0) & ~due.bits:
                known[due.key] = left
            else:
                known.pop(due.key, None)

    async def done(self, some: Sequence[Due]) -> None:
        """These windows were put together: forget them, but for those that were touched since `take`.

        Raises:
            SeriesError: the disk did not do it; they will be put together once more.
        """
        rows = [(due.bits & ~self._since.get(due.key, 0), due.key.gateway, due.key.hour) for due in some]

        def forget(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("UPDATE touched SET windows = windows & ~? WHERE (gateway, hour) = (?, ?)", rows)
            db.execute("DELETE FROM touched WHERE windows = 0")
            db.execute("COMMIT")

        await self._do(forget)

    async def close(self) -> None:
        """Release the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

    def _now_ns(self) -> int:
        return self._clock.now_ms() * _NS_PER_MS

    async def _do(self, act: Callable[[sqlite3.Connection], _Result]) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _or_undone, act, self._db)
        except sqlite3.Error as error:
            raise SeriesError(f"file {self._path}: {error}; is the disk full?") from error


def _in_one(db: sqlite3.Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany(statement, rows)
    db.execute("COMMIT")


def _or_undone(act: Callable[[sqlite3.Connection], _Result], db: sqlite3.Connection) -> _Result:
    try:
        return act(db)
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
