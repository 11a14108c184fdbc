"""What the spool accepted survives kill -9, power cuts and damage (I1 to I3 of `edge/spool/base.py`)."""

import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.spool.base import SpoolError
from edge.spool.sqlite import SqliteSpool
from tests.support.processes import wait_until
from tests.support.readings import readings
from wire.identifiers import GatewayId
from wire.ranges import RangeSet
from wire.records import LossReason

ROOT = Path(__file__).resolve().parent.parent.parent
GATEWAY = GatewayId("gw-1")

# Accepts groups for ever and prints what the spool acknowledged, as `epoch last`.
WRITER = """
import random, sys
from pathlib import Path
from edge.spool.sqlite import SqliteSpool
from tests.support.readings import readings
spool = SqliteSpool.open(Path(sys.argv[1]), gateway="gw-1", max_bytes=10**9,
                         random_u64=lambda: random.SystemRandom().getrandbits(64))
epoch = spool.state().epoch
while True:
    first, last = spool.accept(readings(7))
    print(epoch, last, flush=True)
"""


def open_spool(path: Path, *, max_bytes: int = 10**9, seed: int | None = None) -> SqliteSpool:
    chance = random.Random(seed)
    return SqliteSpool.open(path, gateway=GATEWAY, max_bytes=max_bytes, random_u64=lambda: chance.getrandbits(64))


def held(spool: SqliteSpool) -> dict[int, set[int]]:
    """Every record that can be sent, by epoch."""
    found: dict[int, set[int]] = {}
    skip: dict[int, RangeSet] = {}
    while (batch := spool.unsent(skip=skip, limit=1000, newest_first=False)) is not None:
        seqs = {record.seq for record in batch.records}
        found.setdefault(batch.epoch, set()).update(seqs)
        said = RangeSet.of((loss.first, loss.last) for loss in batch.losses)
        skip[batch.epoch] = skip.get(batch.epoch, RangeSet()) | RangeSet.of_numbers(seqs) | said
    return found


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    acknowledged: dict[int, int] = {}
    chance = random.Random(11)
    for run in range(6):
        log = tmp_path / f"acknowledged-{run}"
        with log.open("wb") as output:
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=output)
            enough = chance.randint(1, 4000)
            wait_until("the writer has written a while", lambda: log.stat().st_size > enough, within_s=30)  # noqa: B023
            writer.kill()
            writer.wait(10)
        lines = [line.split() for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        epoch = int(lines[-1][0])
        assert epoch not in acknowledged, "an epoch was used twice"
        acknowledged[epoch] = int(lines[-1][1])
    spool = open_spool(path)
    found = held(spool)
    for epoch, last in acknowledged.items():
        assert found[epoch] >= set(range(1, last + 1))
    spool.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.integers(1, 12), cut=st.floats(0, 1), garbage=st.binary(max_size=64), seed=st.integers(0, 2**32))
def test_a_power_cut_in_a_commit_loses_nothing_accepted_before(
    tmp_path_factory: pytest.TempPathFactory, groups: int, cut: float, garbage: bytes, seed: int
) -> None:
    """After an `accept` returned everything is synced; of what is written next any part may reach the disk, torn."""
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "spool.sqlite"
    spool = open_spool(path, seed=seed)
    for _ in range(groups):
        spool.accept(readings(5))
    epoch = spool.state().epoch
    wal = path.with_name("spool.sqlite-wal")
    synced = wal.stat().st_size
    spool.accept(readings(5))
    after = folder / "after"
    after.mkdir()
    shutil.copy(path, after)
    tail = wal.read_bytes()
    torn = synced + int((len(tail) - synced) * cut)
    (after / wal.name).write_bytes(tail[:torn] + garbage)
    spool.close()
    revived = open_spool(after / "spool.sqlite", seed=seed + 1)
    assert held(revived)[epoch] >= set(range(1, groups * 5 + 1))
    revived.close()


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool.sqlite")
    with pytest.raises(SpoolError, match="another agent"):
        open_spool(tmp_path / "spool.sqlite")
    spool.close()
    open_spool(tmp_path / "spool.sqlite").close()


def test_a_full_spool_gives_up_the_oldest_and_says_so(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool.sqlite", max_bytes=3000)
    for _ in range(40):
        spool.accept(readings(10))
    state = spool.state()
    lost = state.lost_total[LossReason.FULL]
    assert 0 < lost < 400
    assert (state.accepted_total, state.in_flight) == (400, 400), "a loss stays in flight until the hub knows of it"
    batch = spool.unsent(skip={}, limit=1000, newest_first=False)
    assert batch is not None
    assert sum(loss.last - loss.first + 1 for loss in batch.losses) == lost
    assert batch.records[0].seq == lost + 1
    spool.close()
    spool = open_spool(tmp_path / "spool.sqlite", max_bytes=3000)
    assert spool.state().lost_total == {LossReason.FULL: lost}
    assert spool.finish(batch.epoch, RangeSet.of([(1, 400)])) == 400
    assert spool.state().in_flight == 0
    spool.close()


def test_a_damaged_record_is_declared_lost_and_its_neighbours_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path)
    for _ in range(3):
        spool.accept(readings(5))
    epoch = spool.state().epoch
    spool.close()
    with sqlite3.connect(path) as database:
        (body,) = database.execute("SELECT body FROM chunk WHERE first = 6").fetchone()
        database.execute("UPDATE chunk SET body = ? WHERE first = 6", (body[:-1] + bytes([body[-1] ^ 1]),))
    database.close()
    spool = open_spool(path)
    assert held(spool)[epoch] == {*range(1, 6), *range(11, 16)}
    batch = spool.unsent(skip={}, limit=1000, newest_first=False)
    assert batch is not None
    assert [(loss.first, loss.last, loss.reason) for loss in batch.losses] == [(6, 10, LossReason.CORRUPT)]
    spool.close()


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
def test_a_destroyed_file_is_set_aside_and_the_gateway_starts(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path)
    for _ in range(30):
        spool.accept(readings(20))
    spool.close()
    whole = path.read_bytes()
    path.write_bytes({"garbage": b"\x5a" * len(whole), "truncated": whole[: len(whole) // 3], "empty": b""}[damage])
    spool = open_spool(path)
    assert spool.accept(readings(2)) == (1, 2)
    assert held(spool)[spool.state().epoch] == {1, 2}
    spool.close()
    if damage != "empty":
        assert path.with_name("spool.sqlite.corrupt-1").exists()


def test_a_newer_agents_spool_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    open_spool(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(SpoolError, match="newer agent"):
        open_spool(path)
    assert path.read_bytes()[:100] == before[:100]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="choose a folder"):
        open_spool(tmp_path / "file" / "spool.sqlite")


def test_a_full_disk_refuses_without_accepting(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool.sqlite")
    spool.accept(readings(5))
    spool._database.execute("PRAGMA max_page_count = 10")  # noqa: SLF001 - SQLite's own way to be full
    with pytest.raises(SpoolError, match="nothing was accepted"):
        spool.accept(readings(20_000))
    accepted = spool.state().accepted_total
    spool._database.execute("PRAGMA max_page_count = 1000000")  # noqa: SLF001
    assert spool.accept(readings(1))[0] == accepted + 1
    assert len(held(spool)[spool.state().epoch]) == accepted + 1
    spool.close()
