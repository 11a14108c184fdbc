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


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_i2_a_checkpoint_that_fails_takes_nothing_back(spool: SqliteSpool, tmp_path: Path, error: int) -> None:
    """The log is synced, the file is not: the records are durable, and their seqs are used."""
    path = tmp_path / "spool.sqlite"
    epoch, last = spool.state().epoch, until_a_checkpoint_is_due(spool, path)
    accepted = where_calls_fail(WRITE, error, lambda: spool.accept(wide_readings(60)), on=path)
    assert accepted == (last + 1, last + 60)
    if error == errno.EIO:
        with pytest.raises(SpoolBrokenError):
            spool.accept(readings(1))
    else:
        assert spool.accept(readings(1)) == (last + 61, last + 61)
    other = after_a_power_cut(path, tmp_path / "other")
    assert held(other).seqs(epoch) >= set(range(1, last + 61))
    assert not held(other).lost
    other.close()


def test_a_checkpoint_that_another_program_holds_up_is_made_later(spool: SqliteSpool, tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    until_a_checkpoint_is_due(spool, path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunk").fetchone()
    spool.accept(wide_readings(60))
    log = path.with_name("spool.sqlite-wal")
    assert log.stat().st_size > CHECKPOINT_BYTES
    reader.close()
    while log.stat().st_size:
        assert log.stat().st_size < 3 * CHECKPOINT_BYTES
        spool.accept(wide_readings(60))


CHECKPOINT_BYTES = 2 * 1024 * 1024


def until_a_checkpoint_is_due(spool: SqliteSpool, path: Path) -> int:
    """Accept until the next group of 60 makes the log due for a checkpoint; the last seq."""
    log, last = path.with_name("spool.sqlite-wal"), 0
    while log.stat().st_size < CHECKPOINT_BYTES - 60_000:
        _, last = spool.accept(wide_readings(30))
    return last


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
