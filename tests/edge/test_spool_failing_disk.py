"""What the spool says when the disk fails, and that it then accepts nothing falsely (I1, I2)."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.spool.base import SpoolBrokenError, SpoolError
from edge.spool.sqlite import SqliteSpool
from tests.support.failing_calls import SYNC, WRITE, where_calls_fail
from tests.support.readings import readings, wide_readings
from tests.support.spools import held, open_spool
from wire.ranges import RangeSet


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SqliteSpool]:
    made = open_spool(tmp_path / "spool.sqlite")
    made.accept(readings(5))
    yield made
    made.close()


def after_a_power_cut(spool_path: Path, folder: Path) -> SqliteSpool:
    """What another agent finds when this one is gone without a word."""
    folder.mkdir()
    for part in spool_path.parent.glob("spool.sqlite*"):
        shutil.copy(part, folder)
    return open_spool(folder / "spool.sqlite")


def test_a_full_disk_refuses_without_accepting(spool: SqliteSpool, tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"spool\.sqlite: database or disk is full; nothing was accepted\. Free space"):
        where_calls_fail(WRITE, errno.ENOSPC, lambda: spool.accept(readings(7)))
    assert spool.state().accepted_total == 5
    assert spool.accept(readings(3)) == (6, 8), "it accepts again as soon as there is space"
    assert held(spool).seqs(spool.state().epoch) == set(range(1, 9))
    other = after_a_power_cut(tmp_path / "spool.sqlite", tmp_path / "other")
    assert held(other).seqs(spool.state().epoch) == set(range(1, 9))
    other.close()


def test_a_commit_is_heard_while_the_disk_is_full(spool: SqliteSpool) -> None:
    epoch = spool.state().epoch

    def finish_one_by_one() -> int:
        return sum(spool.finish(epoch, RangeSet.of([(seq, seq)])) for seq in range(1, 101))

    spool.accept(readings(95))
    assert where_calls_fail(WRITE, errno.ENOSPC, finish_one_by_one) == 100
    assert spool.state().in_flight == 0


def test_after_a_failed_sync_nothing_is_accepted_any_more(spool: SqliteSpool, tmp_path: Path) -> None:
    """A second sync may succeed although the data are gone: https://www.sqlite.org/atomiccommit.html, section 9.1."""
    epoch = spool.state().epoch
    with pytest.raises(SpoolBrokenError, match="the disk failed; look at `dmesg`, replace the card"):
        where_calls_fail(SYNC, errno.EIO, lambda: spool.accept(readings(5)))
    with pytest.raises(SpoolBrokenError):
        spool.accept(readings(5))
    other = after_a_power_cut(tmp_path / "spool.sqlite", tmp_path / "other")
    assert held(other).seqs(epoch) >= set(range(1, 6))
    assert other.state().epoch != epoch
    other.close()


def test_i2_a_checkpoint_that_fails_takes_nothing_back(spool: SqliteSpool, tmp_path: Path) -> None:
    """The log is synced, the file is not: the records are durable, and their seqs are used."""
    grow_log(spool, tmp_path)
    epoch, accepted = spool.state().epoch, spool.state().accepted_total
    first, last = where_calls_fail_in_checkpoint(spool)
    assert first == accepted + 1
    other = after_a_power_cut(tmp_path / "spool.sqlite", tmp_path / "other")
    assert held(other).seqs(epoch) == set(range(1, last + 1))
    other.close()


def grow_log(spool: SqliteSpool, folder: Path) -> None:
    """Accept until the next group makes the log due for a checkpoint."""
    log = folder / "spool.sqlite-wal"
    while log.stat().st_size < 2 * 1024 * 1024 - 40_000:
        spool.accept(wide_readings(30))


def where_calls_fail_in_checkpoint(spool: SqliteSpool) -> tuple[int, int]:
    """Accept while another reader holds the file, so that the checkpoint cannot be made."""
    path = Path(spool._database.execute("PRAGMA database_list").fetchone()[2])  # noqa: SLF001 - where it is
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunk").fetchone()
    accepted = spool.accept(wide_readings(60))
    reader.close()
    return accepted


def test_another_program_that_holds_the_file_is_named_as_the_cause(spool: SqliteSpool, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool.sqlite", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpoolError, match="another program has it open, close that one"):
            spool.accept(readings(1))
        writer.execute("ROLLBACK")
    writer.close()
    assert spool.accept(readings(1)) == (6, 6)


def test_a_read_only_disk_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite.lock").mkdir()
    with pytest.raises(SpoolError, match=r"spool\.sqlite: .*; choose a folder this user may write"):
        open_spool(tmp_path / "spool.sqlite")
