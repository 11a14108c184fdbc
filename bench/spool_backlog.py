"""What a spool with a long backlog costs: opening it, what it takes in memory, sending from it, forgetting.

Records come ten a second with a commit each second, a week is six million; by default a tenth of that is put into a
spool, and a process of its own opens it. The baseline is the time this machine takes to read the same files and compute
their checksums: what any store that looks at everything when it is opened cannot undercut.

    python -m bench.spool_backlog [records, at least half a million]
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from edge.spool.base import Reading
from edge.spool.disk import FolderDisk
from edge.spool.segment_spool import SegmentSpool
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.ranges import RangeSet
from wire.records import Mode, PointLayout, Stream, Value

RECORDS: Final = 600_000
A_COMMIT: Final = 10
BOUND_BYTES: Final = 1_000_000_000
BATCH: Final = 1000
BATCHES: Final = 50
GATEWAY: Final = GatewayId("gw-1")
_Result = TypeVar("_Result")


class UnsyncedDisk(FolderDisk):
    """Filling the spool leaves out the sync of each second: it is the disk's, and not the subject."""

    def sync(self, name: str) -> None:
        """Nothing."""


def readings(second: int) -> list[Reading]:
    """One second of ten devices with one value each."""
    return [
        Reading(
            stream=Stream(
                site=SiteId("bench"),
                device=DeviceId(f"meter-{n}"),
                group="mains",
                measurement="electricity",
                mode=Mode.SIMULATED,
                points=(PointLayout(key="voltage", quantity="voltage", unit="V"),),
            ),
            time_ms=1_795_000_000_000 + 1000 * second + n,
            values=(Value(230 + (second * 7 + n) % 40 / 10),),
        )
        for n in range(A_COMMIT)
    ]


def opened(folder: Path) -> SegmentSpool:
    """The spool in the folder."""
    chance = random.SystemRandom()
    return SegmentSpool.open(folder, gateway=GATEWAY, max_bytes=BOUND_BYTES, random_u64=lambda: chance.getrandbits(64))


def resident_bytes() -> int:
    """What this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def checked(file: Path) -> int:
    """Read a file and compute its checksum; its length."""
    data = file.read_bytes()
    zlib.crc32(data)
    return len(data)


def timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    """The seconds a call takes, and what it gives."""
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def measured(folder: Path) -> dict[str, float]:
    """Everything that is measured in a process that has only opened the spool."""
    before = resident_bytes()
    open_s, spool = timed(lambda: opened(folder))
    after_open = resident_bytes()
    old = spool.state().epochs[0].epoch
    skip: dict[int, RangeSet] = {}
    oldest_s, finish_s = [], []
    for _ in range(BATCHES):
        seconds, batch = timed(partial(spool.unsent, skip=skip, limit=BATCH, newest_first=False))
        if batch is None:
            break
        oldest_s.append(seconds)
        final = RangeSet.of_numbers(record.seq for record in batch.records)
        finish_s.append(timed(partial(spool.finish, old, final))[0])
    groups = [readings(n) for n in range(200)]
    accept_s = [timed(partial(spool.accept, group))[0] for group in groups]
    newest_s = [timed(partial(spool.unsent, skip=skip, limit=BATCH, newest_first=True))[0] for _ in range(20)]
    state_s = [timed(spool.state)[0] for _ in range(20)]
    spool.close()
    return {
        "open_s": open_s,
        "memory_mb": (after_open - before) / 1e6,
        "memory_later_mb": (resident_bytes() - before) / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - before / 1e6,
        "oldest_first_s": max(oldest_s[:1]),
        "oldest_s": sorted(oldest_s)[len(oldest_s) // 2],
        "newest_s": sorted(newest_s)[len(newest_s) // 2],
        "finish_s": sorted(finish_s)[len(finish_s) // 2],
        "accept_s": sorted(accept_s)[len(accept_s) // 2],
        "state_s": sorted(state_s)[len(state_s) // 2],
    }


def damaged(folder: Path) -> float:
    """Seconds to open it again when one segment is gone, one is cut and the newest has lost its beginning."""
    gone, cut, *_, newest = sorted(folder.glob("segment-*"), key=lambda one: one.stat().st_mtime_ns)
    gone.unlink()
    os.truncate(cut, cut.stat().st_size // 2)
    with newest.open("r+b") as file:
        file.write(bytes(4096))
    seconds, spool = timed(lambda: opened(folder))
    spool.close()
    return seconds


def filled(folder: Path, records: int) -> float:
    """Put so many records there; the seconds that took."""
    spool = SegmentSpool.on(
        UnsyncedDisk(folder), str(folder), gateway=GATEWAY, max_bytes=BOUND_BYTES, random_u64=lambda: 1
    )
    begun = time.perf_counter()
    for second in range(records // A_COMMIT):
        spool.accept(readings(second))
    spool.close()
    return time.perf_counter() - begun


def main() -> int:
    """Print the table."""
    if len(sys.argv) > 2:  # the child: its word and its folder
        folder = Path(sys.argv[2])
        print(json.dumps({**measured(folder), "damaged_s": damaged(folder)}))
        return 0
    records = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name) / "spool"
        filled_s = filled(folder, records)
        segments = sorted(folder.glob("segment-*"))
        read_s, size_bytes = timed(lambda: sum(checked(one) for one in segments))
        told = subprocess.run(
            [sys.executable, "-m", "bench.spool_backlog", "measure", str(folder)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    found: dict[str, float] = json.loads(told)
    print(
        f"{records} records in {size_bytes / 1e6:.0f} MB of segments, {records / filled_s:.0f} records/s without syncs"
    )
    print(f"reading all of it and its checksums   {1000 * read_s:>9.1f} ms   1.000")
    for name, what in (
        ("open_s", "opening"),
        ("damaged_s", "opening it damaged"),
        ("oldest_first_s", "the oldest 1000, the first time"),
        ("oldest_s", "the oldest 1000"),
        ("newest_s", "the newest 1000"),
        ("finish_s", "forgetting 1000"),
        ("accept_s", "accepting 10"),
        ("state_s", "the state"),
    ):
        print(f"{what:<37} {1000 * found[name]:>9.1f} ms {found[name] / read_s:>7.3f}")
    for name, what in (
        ("memory_mb", "memory after opening"),
        ("memory_later_mb", "after that work"),
        ("peak_mb", "at most"),
    ):
        print(f"{what:<37} {found[name]:>9.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
