"""The embedded series store: one SQLite file, nothing to install.

I1. A write that was answered survives a power cut: WAL with synchronous=FULL, read back when the file is opened.
I2. One write is one transaction: all of its points or none.
I3. One thread writes and one reads, each with its own connection; the event loop never waits for the disk.

`point` holds one row a record, so that counting records is exact; `value` holds one row a value.
"""

import asyncio
import itertools
import json
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, assert_never

from hub.series.base import (
    Aggregate,
    Latest,
    Sample,
    Selection,
    SeriesError,
    SeriesKey,
    SeriesSamples,
    TimeRange,
    WriteResult,
)
from hub.series.names import HUB_MEASUREMENTS, faults_of
from hub.series.sheet import Sheet, Source
from wire.records import Mode, Quality

_Result = TypeVar("_Result")

_SYNCHRONOUS_FULL = 2
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS source (
  id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL,
  device TEXT NOT NULL, grp TEXT NOT NULL, mode TEXT NOT NULL,
  UNIQUE (gateway, device, grp, measurement, site, mode)
) STRICT;
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source, field TEXT NOT NULL, UNIQUE (source_id, field)
) STRICT;
CREATE TABLE IF NOT EXISTS point (
  source_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, quality INTEGER NOT NULL, PRIMARY KEY (source_id, time_ns)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS value (
  series_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, number REAL, quality INTEGER NOT NULL,
  PRIMARY KEY (series_id, time_ns)
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS named_series AS
  SELECT series.id AS id, measurement, site, gateway, device, grp, mode, field
  FROM series JOIN source ON source.id = source_id;
"""
_NEW_SOURCE = """
INSERT OR IGNORE INTO source (measurement, site, gateway, device, grp, mode) VALUES (?, ?, ?, ?, ?, ?)
"""
_SOURCE_ID = """
SELECT id FROM source WHERE (measurement, site, gateway, device, grp, mode) = (?, ?, ?, ?, ?, ?)
"""
_SERIES = """
SELECT measurement, site, gateway, device, grp, mode, field FROM named_series
WHERE (:measurement IS NULL OR measurement = :measurement) AND (:site IS NULL OR site = :site)
  AND (:gateway IS NULL OR gateway = :gateway) AND (:device IS NULL OR device = :device)
  AND (:group IS NULL OR grp = :group) AND (:mode IS NULL OR mode = :mode) AND (:field IS NULL OR field = :field)
ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
_LATEST = """
SELECT measurement, site, gateway, device, grp, mode, field, time_ns, number, quality
FROM named_series JOIN value ON series_id = named_series.id
  AND time_ns = (SELECT max(newest.time_ns) FROM value AS newest WHERE newest.series_id = named_series.id)
WHERE (:measurement IS NULL OR measurement = :measurement) AND (:site IS NULL OR site = :site)
  AND (:gateway IS NULL OR gateway = :gateway) AND (:device IS NULL OR device = :device)
  AND (:group IS NULL OR grp = :group) AND (:mode IS NULL OR mode = :mode) AND (:field IS NULL OR field = :field)
ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
_SERIES_ID = """
SELECT id FROM named_series WHERE measurement = :measurement AND site = :site AND gateway = :gateway
  AND device = :device AND grp = :group AND mode = :mode AND field = :field
"""
_SAMPLES = """
SELECT time_ns, number, quality FROM value WHERE series_id = :series AND time_ns >= :start AND time_ns < :end
ORDER BY time_ns DESC LIMIT :limit
"""
_IDS = {"value": "SELECT id FROM series", "point": "SELECT id FROM source"}
_SPAN = """
SELECT measurement, site, gateway, device, grp, mode, field, time_ns, number, quality
FROM named_series JOIN value ON series_id = named_series.id AND time_ns >= :start AND time_ns < :end
WHERE (:measurement IS NULL OR measurement = :measurement) AND (:site IS NULL OR site = :site)
  AND (:gateway IS NULL OR gateway = :gateway) AND (:device IS NULL OR device = :device)
  AND (:group IS NULL OR grp = :group) AND (:mode IS NULL OR mode = :mode) AND (:field IS NULL OR field = :field)
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
"""
_COUNT = """
SELECT count(*) FROM point JOIN source ON source.id = source_id
WHERE gateway = ? AND measurement NOT IN (SELECT json_each.value FROM json_each(?)) AND time_ns >= ? AND time_ns < ?
"""
_NO_END_NS = 2**63 - 1
_WINDOWS = """
SELECT time_ns / :window * :window AS start_ns, avg(number), min(number), max(number), sum(number), count(number)
FROM value WHERE series_id = :series AND time_ns >= :start AND time_ns < :end AND number IS NOT NULL
GROUP BY start_ns ORDER BY start_ns
"""
# With max() as the only minimum or maximum, SQLite takes the bare column from the row that holds it.
_LAST_OF_WINDOWS = """
SELECT time_ns / :window * :window AS start_ns, number, max(time_ns)
FROM value WHERE series_id = :series AND time_ns >= :start AND time_ns < :end AND number IS NOT NULL
GROUP BY start_ns ORDER BY start_ns
"""


class SqliteSeriesStore:
    """Series in the SQLite file at `path`, which is made where it is not there.

    Raises:
        SeriesError: the file cannot be opened, or is not a series file of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._writer_db = _open(path)
            self._reader_db = _open(path)
            self._reader_db.execute("PRAGMA query_only = ON")
        except (sqlite3.Error, OSError) as error:
            raise SeriesError(
                f"series file {path}: {error}; check that the folder exists and may be written"
            ) from error
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="series-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="series-read")
        # Changed by the writer thread only, after a commit: what is here is in the file.
        self._source_ids: dict[Source, int] = {}
        self._series_ids: dict[tuple[int, str], int] = {}

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        """Store the points in one transaction."""
        refused: dict[int, str] = {}
        good: list[Sheet] = []
        begin = 0
        for sheet in sheets:
            faults = faults_of(sheet)
            refused |= {begin + row: reason for row, reason in faults.items()}
            begin += len(sheet)
            if len(faults) < len(sheet):
                good.append(sheet.without(faults) if faults else sheet)
        unknown = await asyncio.get_running_loop().run_in_executor(self._writer, self._write, good)
        return WriteResult(refused=refused, unknown=unknown)

    async def series(self, selection: Selection) -> list[SeriesKey]:
        """The series that match, sorted."""
        rows = await self._read(lambda db: db.execute(_SERIES, _named(selection)).fetchall())
        return [_series_key(row) for row in rows]

    async def latest(self, selection: Selection) -> list[Latest]:
        """The newest sample of each series that matches, found by the primary key."""
        rows = await self._read(lambda db: db.execute(_LATEST, _named(selection)).fetchall())
        return [Latest(series=_series_key(row), sample=_sample(row[7:])) for row in rows]

    async def samples(self, series: SeriesKey, time_range: TimeRange, *, limit: int) -> list[Sample]:
        """The newest `limit` samples of one series, in time order."""
        bounds = {"start": time_range.start_ns, "end": time_range.end_ns, "limit": limit}

        def read(db: sqlite3.Connection) -> list[tuple[int, float | None, int]]:
            return db.execute(_SAMPLES, bounds | {"series": _series_id(db, series)}).fetchall()

        return [_sample(row) for row in reversed(await self._read(read))]

    async def windows(
        self, series: SeriesKey, time_range: TimeRange, *, aggregate: Aggregate, window_ns: int
    ) -> list[Sample]:
        """One sample per window that has numbers."""
        statement = _LAST_OF_WINDOWS if aggregate is Aggregate.LAST else _WINDOWS
        column = _column(aggregate)
        bounds = {"start": time_range.start_ns, "end": time_range.end_ns, "window": window_ns}

        def read(db: sqlite3.Connection) -> list[tuple[int, float]]:
            rows = db.execute(statement, bounds | {"series": _series_id(db, series)}).fetchall()
            return [(row[0], float(row[column])) for row in rows]

        rows = await self._read(read)
        return [Sample(time_ns=start, number=number, quality=Quality.GOOD) for start, number in rows]

    async def span(self, selection: Selection, time_range: TimeRange) -> list[SeriesSamples]:
        """Every series that matches and has samples in the range, with all of them."""
        bounds = {"start": time_range.start_ns, "end": time_range.end_ns}
        rows = await self._read(lambda db: db.execute(_SPAN, _named(selection) | bounds).fetchall())
        return [
            SeriesSamples(series=_series_key(names), samples=tuple(_sample(row[7:]) for row in some))
            for names, some in itertools.groupby(rows, key=lambda row: row[:7])
        ]

    async def forget_before(self, time_ns: int) -> None:
        """Delete older records, one series at a time so that nobody waits long for the write lock."""
        loop = asyncio.get_running_loop()
        try:
            for table, column in (("value", "series_id"), ("point", "source_id")):
                ids = await loop.run_in_executor(self._reader, _ids, self._reader_db, _IDS[table])
                for one in ids:
                    delete = f"DELETE FROM {table} WHERE {column} = ? AND time_ns < ?"  # noqa: S608 - names of ours
                    await loop.run_in_executor(self._writer, self._writer_db.execute, delete, (one, time_ns))
        except sqlite3.Error as error:
            raise SeriesError(f"series file {self._path}: {error}; see `sen-hub status`") from error

    async def count_points(self, gateway: str, time_range: TimeRange | None = None) -> int:
        """How many records of one gateway are stored."""
        start_ns, end_ns = (0, _NO_END_NS) if time_range is None else (time_range.start_ns, time_range.end_ns)
        asked = (gateway, json.dumps(sorted(HUB_MEASUREMENTS)), start_ns, end_ns)
        return await self._read(lambda db: int(db.execute(_COUNT, asked).fetchone()[0]))

    async def close(self) -> None:
        """Finish what is under way and release the file."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, self._reader_db.close)
        await loop.run_in_executor(self._writer, self._writer_db.close)
        self._reader.shutdown()
        self._writer.shutdown()

    async def _read(self, query: Callable[[sqlite3.Connection], _Result]) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, query, self._reader_db)
        except sqlite3.Error as error:
            raise SeriesError(f"series file {self._path}: {error}; see `sen-hub status`") from error

    def _write(self, sheets: Sequence[Sheet]) -> str | None:
        """Write in the writer thread; a text where the outcome is not known."""
        if not sheets:
            return None
        sources: dict[Source, int] = {}
        series: dict[tuple[int, str], int] = {}
        try:
            self._writer_db.execute("BEGIN IMMEDIATE")
            try:
                for sheet in sheets:
                    self._write_in_transaction(sheet, sources, series)
                self._writer_db.execute("COMMIT")
            except BaseException:
                if self._writer_db.in_transaction:
                    self._writer_db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            return f"series file {self._path}: {error}"
        self._source_ids |= sources
        self._series_ids |= series
        return None

    def _write_in_transaction(
        self, sheet: Sheet, sources: dict[Source, int], series: dict[tuple[int, str], int]
    ) -> None:
        source_ids = {
            at: self._source_ids.get(source) or sources.get(source) or self._new_source(source, sources)
            for at in set(sheet.source_of.tolist())
            if (source := sheet.sources[at])
        }
        of_rows = [source_ids[at] for at in sheet.source_of.tolist()]
        times_ns = sheet.times_ns.tolist()
        self._writer_db.executemany(
            "INSERT OR REPLACE INTO point VALUES (?, ?, ?)", zip(of_rows, times_ns, sheet.worst_qualities, strict=True)
        )
        for place, key in enumerate(sheet.keys):
            series_ids = {
                id_: self._series_ids.get((id_, key)) or series.get((id_, key)) or self._new_series((id_, key), series)
                for id_ in source_ids.values()
            }
            values = zip(
                [series_ids[id_] for id_ in of_rows],
                times_ns,
                sheet.known_numbers(place),
                sheet.key_qualities(place),
                strict=True,
            )
            self._writer_db.executemany("INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)", values)

    def _new_source(self, source: Source, found: dict[Source, int]) -> int:
        self._writer_db.execute(_NEW_SOURCE, source)
        found[source] = int(self._writer_db.execute(_SOURCE_ID, source).fetchone()[0])
        return found[source]

    def _new_series(self, key: tuple[int, str], found: dict[tuple[int, str], int]) -> int:
        self._writer_db.execute("INSERT OR IGNORE INTO series (source_id, field) VALUES (?, ?)", key)
        query = "SELECT id FROM series WHERE (source_id, field) = (?, ?)"
        found[key] = int(self._writer_db.execute(query, key).fetchone()[0])
        return found[key]


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if db.execute("PRAGMA synchronous").fetchone()[0] != _SYNCHRONOUS_FULL:
        raise SeriesError(
            f"series file {path}: this SQLite does not keep synchronous=FULL, so nothing would be durable"
        )
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version not in {0, _SCHEMA_VERSION}:
        raise SeriesError(
            f"series file {path}: version {version}, expected {_SCHEMA_VERSION}; use the hub that wrote it"
        )
    db.executescript(_SCHEMA)
    db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    return db


def _ids(db: sqlite3.Connection, query: str) -> list[int]:
    return [int(one) for (one,) in db.execute(query)]


def _named(selected: Selection | SeriesKey) -> dict[str, str | None]:
    names = ("measurement", "site", "gateway", "device", "group", "mode", "field")
    return {name: getattr(selected, name) for name in names}


def _series_id(db: sqlite3.Connection, series: SeriesKey) -> int | None:
    row = db.execute(_SERIES_ID, _named(series)).fetchone()
    return None if row is None else int(row[0])


def _series_key(row: Sequence[str]) -> SeriesKey:
    measurement, site, gateway, device, group, mode, field = row[:7]
    return SeriesKey(
        measurement=measurement, site=site, gateway=gateway, device=device, group=group, mode=Mode(mode), field=field
    )


def _sample(row: tuple[int, float | None, int]) -> Sample:
    return Sample(time_ns=row[0], number=row[1], quality=Quality(row[2]))


def _column(aggregate: Aggregate) -> int:
    """Where the aggregate stands in a row of windows."""
    match aggregate:
        case Aggregate.MEAN | Aggregate.LAST:
            return 1
        case Aggregate.MIN:
            return 2
        case Aggregate.MAX:
            return 3
        case Aggregate.SUM:
            return 4
        case Aggregate.COUNT:
            return 5
        case _:
            assert_never(aggregate)
