"""What a full spool gives up: the detail first, then the oldest, and what happened last of all."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edge.spool.base import Reading
from edge.spool.sacrifice import Candidate, carried_on
from edge.spool.segment_spool import SegmentSpool
from tests.support.fake_disk import FakeDisk
from tests.support.readings import START_MS, reading, stream
from tests.support.spools import GATEWAY, held
from wire.records import RecordKind

MINUTE_MS = 60_000
BOUND = 128 * 1024

candidates = st.lists(
    st.builds(
        Candidate,
        oldest_ms=st.integers(0, 10**7),
        frame_bytes=st.integers(100, 2000),
        is_kept=st.booleans(),
        rounds=st.integers(0, 6),
    ),
    max_size=40,
)


@given(frames=candidates, most_bytes=st.integers(0, 20_000), may_thin=st.booleans())
def test_what_stays_fits_and_no_event_goes_while_there_is_room_for_all_events(
    frames: list[Candidate], most_bytes: int, *, may_thin: bool
) -> None:
    stay = carried_on(frames, most_bytes=most_bytes, may_thin=may_thin)
    assert stay == sorted(set(stay))
    assert sum(frames[at].frame_bytes for at in stay) <= most_bytes
    events = {at for at, frame in enumerate(frames) if frame.is_kept}
    if sum(frames[at].frame_bytes for at in events) <= most_bytes:
        assert events <= set(stay)
    else:
        assert set(stay) <= events, "detail goes before events"
        newest_gone = max(events - set(stay))
        assert all(at > newest_gone for at in stay), "of events the oldest go first"


@given(seed=st.integers(0, 1000), rounds=st.integers(0, 3))
def test_the_more_often_a_frame_was_carried_on_the_fewer_of_its_kind_stay(seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    times_ms = sorted(chance.randrange(60 * MINUTE_MS) for _ in range(200))

    def staying(round_: int) -> int:
        frames = [Candidate(oldest_ms=one, frame_bytes=1, is_kept=False, rounds=round_) for one in times_ms]
        return len(carried_on(frames, most_bytes=10**6, may_thin=True))

    assert staying(rounds) >= staying(rounds + 1)
    assert 0 < staying(0) <= 60


def some(hour_ms: int, *, is_event: bool, at: int) -> list[Reading]:
    made = [reading(device=f"d{n}", value=at + n / 7, time_ms=hour_ms + 1000 * at + n) for n in range(6)]
    if is_event:
        happened = replace(stream(device="door"), kind=RecordKind.EVENT)
        made = [Reading(stream=happened, time_ms=hour_ms + 1000 * at, values=made[0].values)]
    return made


def test_a_full_spool_keeps_every_event_long_after_the_samples_of_their_time_are_thinned() -> None:
    """Half an hour at one group a second, an event in each minute, into a spool that holds five minutes of it."""
    spool = SegmentSpool.on(FakeDisk(), "test", gateway=GATEWAY, max_bytes=BOUND, random_u64=lambda: 5)
    begun_ms = START_MS // MINUTE_MS * MINUTE_MS
    for second in range(1800):
        spool.accept(some(begun_ms, is_event=second % 60 == 0, at=second))
    found = held(spool)
    events = [one.time_ms for one in found.readings.values() if one.stream.kind is RecordKind.EVENT]
    samples = [one.time_ms for one in found.readings.values() if one.stream.kind is RecordKind.SAMPLE]
    assert len(events) == 30, "all of them"
    early = [time_ms for time_ms in samples if time_ms < begun_ms + 20 * MINUTE_MS]
    assert 0 < len(early) < 20 * 6 * 2, "of what is long past some groups are left, at most two of a minute"
    assert max(samples) > begun_ms + 1798 * 1000
    assert len(found.readings) + len(found.lost) == spool.state().accepted_total
