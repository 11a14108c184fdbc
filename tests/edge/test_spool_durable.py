"""What the spool accepted survives kill -9 and restarts (I1 to I4 of `edge/spool/base.py`), on a real folder."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from edge.spool.base import SpoolError, UnsendableError
from tests.support.processes import wait_until
from tests.support.readings import START_MS, reading, readings, wide_readings
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
spool = open_spool(Path(sys.argv[1]), max_bytes=200_000)
epoch = spool.state().epoch
while True:
    first, last = spool.accept(readings({GROUP}))
    print(epoch, last, flush=True)
    if last > {KEPT}:
        spool.finish(epoch, RangeSet(((1, last - {KEPT}),)))
"""


def test_i1_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "spool"
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


def test_i2_an_epoch_that_is_known_is_not_drawn_again(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = open_spool(path, seed=5)
    spool.accept(readings(3))
    first = spool.state().epoch
    spool.close()
    spool = open_spool(path, seed=5)
    assert spool.state().epoch != first
    assert held(spool).seqs(first) == {1, 2, 3}
    spool.close()


def test_totals_survive_restarts(tmp_path: Path) -> None:
    path = tmp_path / "spool"
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


def test_many_restarts_take_no_room(tmp_path: Path) -> None:
    for _ in range(200):
        spool = open_spool(tmp_path / "spool", max_bytes=200_000)
        spool.accept(readings(2))
        spool.close()
    spool = open_spool(tmp_path / "spool", max_bytes=200_000)
    assert spool.state().in_flight == 400
    assert not spool.state().lost_total
    spool.close()


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    with pytest.raises(SpoolError, match="another agent uses it; stop that one first"):
        open_spool(tmp_path / "spool")
    spool.close()
    open_spool(tmp_path / "spool").close()


def test_the_bound_survives_a_restart_and_so_do_the_losses(tmp_path: Path) -> None:
    path, bound = tmp_path / "spool", 200_000
    spool = open_spool(path, max_bytes=bound)
    for n in range(60):
        spool.accept(wide_readings(10, seed=n))
    lost = spool.state().lost_total
    assert lost[LossReason.FULL] > 0
    spool.close()
    assert sum(part.stat().st_size for part in path.iterdir()) <= bound
    spool = open_spool(path, max_bytes=bound)
    assert spool.state().lost_total == lost
    assert len(held(spool).lost) == lost[LossReason.FULL]
    spool.close()


def test_forgetting_costs_no_write_of_its_own(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    spool.accept(readings(60))
    written = spool.state().bytes_written
    assert spool.finish(spool.state().epoch, RangeSet.of([(1, 60)])) == 60
    assert spool.state().bytes_written == written
    spool.close()


def test_the_bytes_written_are_counted_in_pages(tmp_path: Path) -> None:
    """A small group is one page, two where it crosses into the next."""
    spool = open_spool(tmp_path / "spool", max_bytes=4_000_000)
    begun = spool.state().bytes_written
    for _ in range(600):
        spool.accept(readings(60))
        spool.finish(spool.state().epoch, RangeSet.of([(1, spool.state().accepted_total)]))
    grown = spool.state().bytes_on_disk - begun if spool.state().bytes_on_disk > begun else 0
    per_group = (spool.state().bytes_written - begun - grown) / 600
    assert 4096 <= per_group < 2 * 4096
    spool.close()


def test_a_group_that_no_segment_can_hold_is_refused_whole(tmp_path: Path) -> None:
    """The group commit then halves it."""
    spool = open_spool(tmp_path / "spool", max_bytes=64 * 1024)
    with pytest.raises(UnsendableError, match=r"bytes in one piece; raise spool\.max_mb"):
        spool.accept(wide_readings(40))
    assert spool.state().accepted_total == 0
    assert spool.accept(wide_readings(10)) == (1, 10)
    spool.close()


def test_of_what_is_given_up_one_group_of_each_minute_stays_at_first(tmp_path: Path) -> None:
    """An hour at one group a second, into a spool that holds a quarter of it; then another hour."""
    spool = open_spool(tmp_path / "spool", max_bytes=400_000)
    minutes: set[int] = set()
    for second in range(3600):
        at_ms = START_MS // 60_000 * 60_000 + 1000 * second
        spool.accept([reading(device=f"d{n}", value=second / 7 + n, time_ms=at_ms) for n in range(5)])
    for one in held(spool).readings.values():
        minutes.add((one.time_ms - START_MS // 60_000 * 60_000) // 60_000)
    assert len(minutes) > 30
    assert min(minutes) < 15, "the past is told in less detail rather than not at all"
    assert 3599 // 60 in minutes
    spool.close()


def test_a_newer_agents_spool_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    open_spool(path).close()
    segment = path / "segment-00001"
    data = segment.read_bytes().replace(b"SnH1", b"SnH2")
    segment.write_bytes(data)
    with pytest.raises(SpoolError, match="written by a newer agent; install that one again"):
        open_spool(path)
    assert segment.read_bytes() == data


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match=r"file/spool: Not a directory; choose a folder this user may write"):
        open_spool(tmp_path / "file" / "spool")
