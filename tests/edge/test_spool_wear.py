"""How long a card lasts is arithmetic, and the arithmetic is what the real spool writes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.spool.base import Reading
from edge.spool.segment_spool import SegmentSpool
from edge.spool.wear import Card, Flow, Writing, writing_of
from tests.support.fake_disk import FakeDisk
from tests.support.readings import START_MS, stream
from tests.support.spools import GATEWAY
from wire.ranges import RangeSet
from wire.records import Value


def flows(devices: int, period_s: float) -> list[Flow]:
    return [Flow(stream=stream(device=f"d{n}"), period_s=period_s) for n in range(devices)]


def written(devices: int, *, in_commit: int, commits: int) -> float:
    """Bytes the real spool writes for each commit, the making of its segments left out."""
    disk = FakeDisk()
    spool = SegmentSpool.on(disk, "test", gateway=GATEWAY, max_bytes=10**7, random_u64=lambda: 2**63)
    epoch = spool.state().epoch
    begun = spool.state()
    for commit in range(commits):
        some = [
            Reading(
                stream=stream(device=f"d{n % devices}"),
                time_ms=START_MS + 1000 * commit + n,
                values=tuple(Value((commit * 7919 + n) % 1000 / 10) for _ in stream().points),
            )
            for n in range(in_commit)
        ]
        _, last = spool.accept(some)
        spool.finish(epoch, RangeSet(((1, last),)))
    ended = spool.state()
    filled = ended.bytes_on_disk - begun.bytes_on_disk
    return (ended.bytes_written - begun.bytes_written - filled) / commits


@pytest.mark.parametrize(("devices", "in_commit"), [(1, 2), (10, 11), (50, 51)])
def test_the_arithmetic_is_what_the_real_spool_writes(devices: int, in_commit: int) -> None:
    """A record a second from each device, a commit each second: as many records, and the one that began the second."""
    told = writing_of(GATEWAY, flows(devices, 1.0), commit_records=1000, commit_s=1.0)
    assert told.records_per_s == pytest.approx(devices)
    assert told.records_per_s / told.commits_per_s == pytest.approx(in_commit)
    per_commit = told.bytes_per_day / (86_400 * told.commits_per_s)
    assert per_commit == pytest.approx(written(devices, in_commit=in_commit, commits=300), rel=0.1)


def test_a_longer_window_spares_the_card_and_a_full_group_does_not_wait_for_it() -> None:
    def per_day(commit_s: float, commit_records: int = 1000) -> float:
        return writing_of(GATEWAY, flows(10, 1.0), commit_records=commit_records, commit_s=commit_s).bytes_per_day

    assert per_day(10.0) < per_day(1.0) / 5
    assert per_day(10.0, commit_records=1) > 5 * per_day(10.0, commit_records=60)
    assert per_day(3600.0, commit_records=60) == pytest.approx(per_day(6.0, commit_records=60), rel=0.05)


@given(gigabytes=st.floats(1, 1e4), cycles=st.floats(1, 1e5), bytes_per_day=st.floats(1, 1e12))
def test_twice_as_much_written_is_half_as_long_a_life(gigabytes: float, cycles: float, bytes_per_day: float) -> None:
    card = Card(gigabytes=gigabytes, cycles=cycles)
    assert card.years(2 * bytes_per_day) == pytest.approx(card.years(bytes_per_day) / 2)
    assert Card(gigabytes=2 * gigabytes, cycles=cycles).years(bytes_per_day) == pytest.approx(
        2 * card.years(bytes_per_day)
    )


def test_a_card_that_is_written_once_a_day_lasts_its_cycles() -> None:
    """32 GB a day in pages a quarter of the card's own are 128 GB a day of the card's: 500 cycles are 125 days."""
    assert Card(gigabytes=32, cycles=500).years(32e9) * 365.25 == pytest.approx(125)


def test_without_devices_nothing_is_written() -> None:
    none = writing_of(GATEWAY, [], commit_records=60, commit_s=1.0)
    assert none == Writing(records_per_s=0.0, commits_per_s=0.0, frame_bytes=0)
    assert none.bytes_per_day == none.bytes_per_record == 0
    assert Card(gigabytes=32, cycles=500).years(0) == math.inf
