"""What the spool writes to the device for each record of about 100 bytes: accepting it and forgetting it together.

A card wears out by what is written. Beside Sen's segments, in the same run and on the same folder:

- SQLite rows: write-ahead log, `synchronous=FULL`, a row for each record, deleted when it is committed;
- SQLite blobs: the same with one row for each commit.

Their bytes are the log's growth and the pages that a checkpoint copies. Sen's own count is of whole pages, the first
filling of each segment left out (it happens once in the life of a card); where the kernel tells what the device
was given (/proc/self/io), that is shown too.
"""

import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.spool.base import Reading
from edge.spool.segment_spool import SegmentSpool
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.ranges import RangeSet
from wire.records import Mode, PointLayout, Stream, Value

RECORD_BYTES: Final = 100
GROUPS: Final = {1: 1500, 10: 600, 100: 300}
TARGETS: Final = {1: 9000, 100: 250}
BOUND_BYTES: Final = 16 * 1024 * 1024
_POINTS: Final = 12  # float64 values that nothing can compress: about a hundred bytes a record
_PAGE_BYTES: Final = 4096
_FRAME_BYTES: Final = 24
_CHECKPOINT_PAGES: Final = 500


@dataclass(frozen=True, kw_only=True)
class Written:
    """What one engine did with one size of group."""

    bytes_per_record: float
    kernel_bytes_per_record: float
    records_per_s: float


def some_readings(count: int, chance: random.Random) -> list[Reading]:
    """Readings of one device that are about 100 bytes each, compressed or not."""
    points = tuple(PointLayout(key=f"v{n}", quantity="voltage", unit="V") for n in range(_POINTS))
    stream = Stream(
        site=SiteId("bench"),
        device=DeviceId("meter-1"),
        group="mains",
        measurement="electricity",
        mode=Mode.SIMULATED,
        points=points,
    )
    return [
        Reading(
            stream=stream,
            time_ms=1_795_000_000_000 + 1000 * n,
            values=tuple(Value(chance.uniform(-1e6, 1e6)) for _ in points),
        )
        for n in range(count)
    ]


def kernel_bytes() -> int:
    """What the kernel was asked to write to devices by this process."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def timed(work: Callable[[], float], *, records: int) -> Written:
    """Do the work, which returns the bytes it counts itself."""
    before, begun = kernel_bytes(), time.perf_counter()
    counted = work()
    passed_s = time.perf_counter() - begun
    return Written(
        bytes_per_record=counted / records,
        kernel_bytes_per_record=(kernel_bytes() - before) / records,
        records_per_s=records / passed_s,
    )


def segments(folder: Path, size: int, groups: int) -> Written:
    """Sen's spool: each group accepted, and committed by the hub before the next."""
    chance = random.Random(1)  # noqa: S311 - the same readings each time
    some = [some_readings(size, chance) for _ in range(8)]
    spool = SegmentSpool.open(
        folder, gateway=GatewayId("gw-1"), max_bytes=BOUND_BYTES, random_u64=lambda: chance.getrandbits(64)
    )
    epoch = spool.state().epoch

    def work() -> float:
        begun = spool.state()
        for n in range(groups):
            _, last = spool.accept(some[n % len(some)])
            spool.finish(epoch, RangeSet(((1, last),)))
        ended = spool.state()
        filled = ended.bytes_on_disk - begun.bytes_on_disk
        return ended.bytes_written - begun.bytes_written - filled

    done = timed(work, records=size * groups)
    spool.close()
    return done


def sqlite_rows(folder: Path, size: int, groups: int, *, rows: int) -> Written:
    """A table of `rows` rows a group, each deleted when its group is committed."""
    folder.mkdir()
    database = sqlite3.connect(folder / "spool.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA wal_autocheckpoint=0")
    database.execute("PRAGMA secure_delete=OFF")
    database.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    chance = random.Random(1)  # noqa: S311 - the same readings each time
    bodies = [chance.randbytes(RECORD_BYTES * size // rows) for _ in range(rows)]
    log = folder / "spool.sqlite-wal"

    def work() -> float:
        copied = logged = 0
        for n in range(groups):
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO record (body) VALUES (?)", [(body,) for body in bodies])
            database.execute("COMMIT")
            database.execute("DELETE FROM record WHERE seq <= ?", ((n + 1) * rows,))
            frames = log.stat().st_size // (_PAGE_BYTES + _FRAME_BYTES)
            if frames >= _CHECKPOINT_PAGES or n == groups - 1:
                logged += log.stat().st_size
                data = log.read_bytes()
                pages = {data[at : at + 4] for at in range(32, len(data), _PAGE_BYTES + _FRAME_BYTES)}
                copied += len(pages) * _PAGE_BYTES
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return logged + copied

    done = timed(work, records=size * groups)
    database.close()
    return done


def main() -> int:
    """Print the table; 1 where a target is missed."""
    print(f"bytes to the device for each record of about {RECORD_BYTES} bytes, accepted and forgotten")
    print(f"{'records a commit':<18}{'engine':<16}{'bytes':>8}{'ratio':>8}{'kernel':>9}{'records/s':>12}{'target':>10}")
    is_missed = False
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        for size, groups in GROUPS.items():
            found = {
                "Sen": segments(Path(name) / f"sen-{size}", size, groups),
                "SQLite blobs": sqlite_rows(Path(name) / f"blobs-{size}", size, groups, rows=1),
                "SQLite rows": sqlite_rows(Path(name) / f"rows-{size}", size, groups, rows=size),
            }
            ours = found["Sen"].bytes_per_record
            for engine, one in found.items():
                target = TARGETS.get(size) if engine == "Sen" else None
                is_missed |= target is not None and one.bytes_per_record > target
                print(
                    f"{size:<18}{engine:<16}{one.bytes_per_record:>8.0f}{one.bytes_per_record / ours:>8.2f}"
                    f"{one.kernel_bytes_per_record:>9.0f}{one.records_per_s:>12.0f}"
                    f"{'' if target is None else f'<= {target}':>10}"
                )
    print("A target was missed." if is_missed else "All targets held.")
    return is_missed


if __name__ == "__main__":
    sys.exit(main())
