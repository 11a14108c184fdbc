"""What the spool accepted survives kill -9, power cuts and damage (I1 to I3 of `edge/spool/base.py`)."""

import random
import shutil
import sqlite3
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.spool.base import Reading, SpoolError
from tests.support.processes import wait_until
from tests.support.readings import readings, wide_readings
from tests.support.spools import held, open_spool
from wire.ranges import RangeSet
from wire.records import LossReason

ROOT = Path(__file__).resolve().parent.parent.parent
GROUP = 7
KEPT = 70

# Accepts groups for ever, prints what the spool acknowledged as `epoch last`, and forgets all but the last few.
WRITER = f"""
import sys
from pathlib import Path
from tests.support.readings import readings
from tests.support.spools import open_spool
from wire.ranges import RangeSet
spool = open_spool(Path(sys.argv[1]))
epoch = spool.state().epoch
while True:
    first, last = spool.accept(readings({GROUP}))
    print(epoch, last, flush=True)
    if last > {KEPT}:
        spool.finish(epoch, RangeSet(((1, last - {KEPT}),)))
"""


def test_i1_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    acknowledged: dict[int, int] = {}
    chance = random.Random(11)
    for run in range(6):
        log = tmp_path / f"acknowledged-{run}"
        with log.open("wb") as output:
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=output)
            enough = chance.randint(1, 25_000)
            wait_until("the writer has written a while", lambda: log.stat().st_size > enough, within_s=30)  # noqa: B023
            writer.kill()
            writer.wait(10)
        lines = [line.split() for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        epoch = int(lines[-1][0])
        assert epoch not in acknowledged, "I2: an epoch was used twice"
        acknowledged[epoch] = int(lines[-1][1])
    spool = open_spool(path)
    found = held(spool)
    given_each_time = readings(GROUP)
    for epoch, last in acknowledged.items():
        assert found.seqs(epoch) >= set(range(max(1, last - KEPT + 1), last + 1))
    for (_, seq), one in found.readings.items():
        assert one == given_each_time[(seq - 1) % GROUP]
    assert not found.lost
    spool.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.integers(1, 12),
    cut=st.floats(0, 1),
    garbage=st.binary(max_size=64),
    flips=st.lists(st.floats(0, 1), max_size=4),
    seed=st.integers(0, 2**32),
)
def test_i1_a_power_cut_in_a_commit_loses_nothing_accepted_before(
    tmp_path_factory: pytest.TempPathFactory, groups: int, cut: float, garbage: bytes, flips: list[float], seed: int
) -> None:
    """After an `accept` returned everything is synced; of what is written next any part may reach the disk, torn."""
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "spool.sqlite"
    spool = open_spool(path, seed=seed)
    for _ in range(groups):
        spool.accept(readings(5))
    epoch = spool.state().epoch
    log = path.with_name("spool.sqlite-wal")
    synced = log.stat().st_size
    spool.accept(readings(5))
    after = folder / "after"
    after.mkdir()
    shutil.copy(path, after)
    written = bytearray(log.read_bytes())
    for flip in flips:
        written[synced + int((len(written) - synced - 1) * flip)] ^= 0x5A
    torn = synced + int((len(written) - synced) * cut)
    (after / log.name).write_bytes(written[:torn] + garbage)
    spool.close()
    revived = open_spool(after / "spool.sqlite", seed=seed + 1)
    found = held(revived)
    assert found.seqs(epoch) in ({*range(1, 5 * groups + 1)}, {*range(1, 5 * groups + 6)}), "all of a group, or none"
    assert not found.lost
    revived.close()
    shutil.rmtree(folder)


def test_i1_what_the_disk_holds_at_each_return_is_all_that_was_accepted(tmp_path: Path) -> None:
    """Through several checkpoints, each of which moves the log's pages into the file."""
    spool = open_spool(tmp_path / "spool.sqlite")
    epoch = spool.state().epoch
    group, kept = wide_readings(40), 120
    for step in range(190):
        _, last = spool.accept(group)
        if step % 9 == 0:
            folder = tmp_path / f"after-{step}"
            folder.mkdir()
            for part in tmp_path.glob("spool.sqlite*"):
                shutil.copy(part, folder)
            revived = open_spool(folder / "spool.sqlite")
            assert held(revived).seqs(epoch) >= set(range(max(1, last - kept + 1), last + 1))
            revived.close()
            shutil.rmtree(folder)
        if last > kept:
            spool.finish(epoch, RangeSet(((1, last - kept),)))
    assert spool.state().bytes_written > 3 * spool.state().bytes_on_disk, "it went through checkpoints"
    spool.close()


def test_i2_an_epoch_that_is_known_is_not_drawn_again(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path, seed=5)
    spool.accept(readings(3))
    first = spool.state().epoch
    spool.close()
    spool = open_spool(path, seed=5)
    assert spool.state().epoch != first
    assert held(spool).seqs(first) == {1, 2, 3}
    spool.close()


def test_totals_survive_restarts(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    for life in range(3):
        spool = open_spool(path)
        spool.accept(readings(10))
        spool.finish(spool.state().epoch, RangeSet.of([(1, 10 if life < 2 else 4)]))
        spool.close()
    spool = open_spool(path)
    state = spool.state()
    assert (state.accepted_total, state.final_total, state.in_flight) == (30, 24, 6)
    assert len(state.epochs) == 2, "epochs with nothing left are not spoken of"
    spool.close()


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool.sqlite")
    with pytest.raises(SpoolError, match="another agent uses it; stop that one first"):
        open_spool(tmp_path / "spool.sqlite")
    spool.close()
    open_spool(tmp_path / "spool.sqlite").close()


def test_the_bound_survives_a_restart_and_so_do_the_losses(tmp_path: Path) -> None:
    path, bound = tmp_path / "spool.sqlite", 200_000
    spool = open_spool(path, max_bytes=bound)
    for n in range(60):
        spool.accept(wide_readings(10, seed=n))
    lost = spool.state().lost_total
    assert lost[LossReason.FULL] > 0
    spool.close()
    assert path.stat().st_size <= bound + 12_000, "the bound holds for the file, but for the last group"
    spool = open_spool(path, max_bytes=bound)
    assert spool.state().lost_total == lost
    assert len(held(spool).lost) == lost[LossReason.FULL]
    spool.close()


def test_forgetting_costs_no_write_of_its_own(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool.sqlite")
    spool.accept(readings(60))
    written = spool.state().bytes_written
    assert spool.finish(spool.state().epoch, RangeSet.of([(1, 60)])) == 60
    assert spool.state().bytes_written == written
    spool.close()


def test_the_bytes_written_are_counted(tmp_path: Path) -> None:
    """60 records of one point are one page of records and one of the ledger, in the log and again in the file."""
    spool = open_spool(tmp_path / "spool.sqlite")
    for _ in range(600):
        spool.accept(readings(60))
        spool.finish(spool.state().epoch, RangeSet.of([(1, spool.state().accepted_total)]))
    per_record = spool.state().bytes_written / 36_000
    assert 100 < per_record < 250
    spool.close()


def test_a_damaged_record_is_declared_lost_and_its_neighbours_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path)
    for _ in range(3):
        spool.accept(readings(5))
    epoch = spool.state().epoch
    spool.close()
    with sqlite3.connect(path) as database:
        ((place, body),) = database.execute("SELECT place, body FROM chunk WHERE last = 10").fetchall()
        damaged = body[:-1] + bytes([body[-1] ^ 1])
        database.execute("UPDATE chunk SET body = ? WHERE place = ?", (damaged, place))
    database.close()
    for _ in range(2):  # it stays so after a restart
        spool = open_spool(path)
        found = held(spool)
        assert found.seqs(epoch) == {*range(1, 6), *range(11, 16)}
        assert found.lost == {(epoch, seq): LossReason.CORRUPT for seq in range(6, 11)}
        assert spool.state().lost_total == {LossReason.CORRUPT: 5}
        spool.close()


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "text"])
def test_a_destroyed_file_is_set_aside_and_the_gateway_starts(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path)
    for _ in range(30):
        spool.accept(readings(20))
    spool.close()
    whole = path.read_bytes()
    damaged = {
        "garbage": b"\x5a" * len(whole),
        "truncated": whole[: len(whole) // 3],
        "empty": b"",
        "text": b"gateway: gw-1\n",
    }[damage]
    path.write_bytes(damaged)
    spool = open_spool(path)
    assert spool.accept(readings(2)) == (1, 2)
    assert held(spool).seqs(spool.state().epoch) == {1, 2}
    spool.close()
    if damage != "empty":
        assert path.with_name("spool.sqlite.corrupt-1").read_bytes() == damaged, "it is kept for whoever can read it"


def test_a_database_of_another_program_is_set_aside_untouched(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE recipe (name TEXT)")
        database.execute("INSERT INTO recipe VALUES ('pho')")
    database.close()
    open_spool(path).close()
    aside = sqlite3.connect(path.with_name("spool.sqlite.corrupt-1"))
    assert aside.execute("SELECT name FROM recipe").fetchall() == [("pho",)]
    aside.close()


def test_every_file_that_is_damaged_gets_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    for number in (1, 2, 3):
        path.write_bytes(b"no database")
        open_spool(path).close()
        path.unlink()
        assert path.with_name(f"spool.sqlite.corrupt-{number}").exists()


def test_what_can_be_read_of_a_damaged_file_is_sent_and_the_rest_is_declared_lost(tmp_path: Path) -> None:
    """Any one page but the first may be destroyed: of the accepted records none goes unmentioned."""
    original = tmp_path / "spool.sqlite"
    epoch, page_bytes, accepted = one_spool(original), 4096, 200
    whole = original.read_bytes()
    saved = []
    for page in range(1, len(whole) // page_bytes):
        damaged = bytearray(whole)
        damaged[page * page_bytes : (page + 1) * page_bytes] = random.Random(page).randbytes(page_bytes)
        found = revived(tmp_path / f"page-{page}", damaged, epoch)
        assert found.seqs | found.lost >= set(range(1, accepted + 1)), f"page {page}"
        saved.append(len(found.seqs))
    assert sum(saved) / len(saved) > 0.8 * accepted, "the damage of one page costs little"


def test_no_flipped_bit_makes_a_record_vanish_or_change(tmp_path: Path) -> None:
    original = tmp_path / "spool.sqlite"
    epoch, accepted = one_spool(original), 200
    whole = original.read_bytes()
    chance = random.Random(19)
    for _ in range(150):
        damaged = bytearray(whole)
        at = chance.randrange(4096, len(whole))
        damaged[at] ^= 1 << chance.randrange(8)
        found = revived(tmp_path / "flipped", damaged, epoch)
        assert found.seqs | found.lost >= set(range(1, accepted + 1)), f"byte {at}"


class Found:
    """What a damaged spool gave of one epoch; a record that is not what was accepted fails the test."""

    def __init__(self, path: Path, epoch: int) -> None:
        spool = open_spool(path)
        everything = held(spool)
        spool.close()
        expected = one_spools_readings()
        for (_, seq), one in everything.readings.items():
            assert one == expected[seq - 1]
        self.seqs = everything.seqs(epoch)
        self.lost = everything.lost_seqs(epoch)


@cache
def one_spools_readings() -> list[Reading]:
    return [*readings(140), *wide_readings(60)]


def one_spool(path: Path) -> int:
    """A spool with 200 records of one epoch in some twenty chunks."""
    spool = open_spool(path)
    given_readings = one_spools_readings()
    for start in range(0, 200, 10):
        spool.accept(given_readings[start : start + 10])
    epoch = spool.state().epoch
    spool.close()
    return epoch


def revived(folder: Path, content: bytearray, epoch: int) -> Found:
    folder.mkdir()
    (folder / "spool.sqlite").write_bytes(content)
    found = Found(folder / "spool.sqlite", epoch)
    shutil.rmtree(folder)
    return found


def test_a_newer_agents_spool_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    open_spool(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(SpoolError, match=r"newer agent .*schema 99, this one knows 1.*; install that agent again"):
        open_spool(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="choose a folder"):
        open_spool(tmp_path / "file" / "spool.sqlite")
