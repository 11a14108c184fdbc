"""What becomes of readings while clocks are wrong: none is lost, none overwritten, none out of order without a flag."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.short_cuts import handed_on
from tests.support.time_machine import HOUR_MS, YEAR_MS, Life, TimeMachine
from wire.records import TimeQuality

NO_CLOCK = None
STALE_MS = -3 * HOUR_MS

SCENARIOS: dict[str, tuple[Life, Life, Life]] = {
    "all well": (Life(ntp_after_s=0),) * 3,
    "no clock of its own, a time server late": (Life(clock_error_ms=NO_CLOCK, ntp_after_s=40, hub_after_s=45),) * 3,
    "no clock of its own, no time server, a hub": (Life(clock_error_ms=NO_CLOCK),) * 3,
    "no clock of its own, nobody, then a hub": (
        Life(clock_error_ms=NO_CLOCK, hub_after_s=None),
        Life(clock_error_ms=NO_CLOCK, hub_after_s=None),
        Life(clock_error_ms=NO_CLOCK),
    ),
    "the time of the last shutdown, a time server late": (
        Life(clock_error_ms=STALE_MS, ntp_after_s=40, hub_after_s=45),
    )
    * 3,
    "the time of the last shutdown, no time server": (Life(clock_error_ms=STALE_MS),) * 3,
    "a clock that stands at one date": (
        Life(clock_error_ms=-YEAR_MS),
        Life(clock_error_ms=-YEAR_MS - 200_000, hub_after_s=None),
        Life(clock_error_ms=-YEAR_MS - 400_000),
    ),
    "two boots that claim the same time": (
        Life(clock_error_ms=STALE_MS, hub_after_s=None),
        Life(clock_error_ms=STALE_MS - 190_000, hub_after_s=None),
        Life(clock_error_ms=STALE_MS - 380_000, ntp_after_s=50),
    ),
    "a second forward": (Life(ntp_after_s=0, steps={30: 1000}),) * 3,
    "a second back": (Life(ntp_after_s=0, steps={30: -1000}),) * 3,
    "two hours forward": (Life(steps={30: 2 * HOUR_MS}),) * 3,
    "two hours back": (Life(steps={30: -2 * HOUR_MS}),) * 3,
    "two hours forward although a time server is followed": (Life(ntp_after_s=0, steps={30: 2 * HOUR_MS}),) * 3,
    "two hours back although a time server is followed": (Life(ntp_after_s=0, steps={30: -2 * HOUR_MS}),) * 3,
    "ten years forward and back again": (Life(ntp_after_s=0, steps={30: 10 * YEAR_MS, 60: -10 * YEAR_MS}),) * 3,
    "ten years forward, no hub": (Life(ntp_after_s=0, hub_after_s=None, steps={30: 10 * YEAR_MS}),) * 3,
    "ten years back": (Life(ntp_after_s=0, steps={30: -10 * YEAR_MS}),) * 3,
    "ten years ahead from the start": (Life(clock_error_ms=10 * YEAR_MS),) * 3,
    "a time server that is ten years ahead": (Life(ntp_after_s=10, ntp_error_ms=10 * YEAR_MS, hub_after_s=40),) * 3,
    "a time server right, a hub three years ahead": (Life(ntp_after_s=20, hub_error_ms=3 * YEAR_MS),) * 3,
    "a time server right, a hub ten years behind": (Life(ntp_after_s=20, hub_error_ms=-10 * YEAR_MS),) * 3,
    "a hub ten years behind and nobody else": (Life(hub_error_ms=-10 * YEAR_MS),) * 3,
    "a time server two hours ahead, then right": (
        Life(ntp_after_s=5, ntp_error_ms=2 * HOUR_MS, hub_after_s=None),
        Life(ntp_after_s=5),
        Life(ntp_after_s=5),
    ),
    "the agent starts anew in one boot": (
        Life(clock_error_ms=NO_CLOCK, hub_after_s=None, same_boot=False),
        Life(clock_error_ms=NO_CLOCK, hub_after_s=None, same_boot=True),
        Life(clock_error_ms=NO_CLOCK, ntp_after_s=30, same_boot=True),
    ),
}


@pytest.fixture(autouse=True)
def _messages_are_handed_on() -> Iterator[None]:
    """What is tested here is no codec."""
    with handed_on():
        yield


AGREED = {"all well", "no clock of its own, a time server late", "the time of the last shutdown, a time server late"}


def judge(world: TimeMachine) -> None:
    """Whatever the clocks said."""
    assert world.sent.keys() == world.accepted.keys(), "lost"
    for number, sent in world.sent.items():
        assert len(set(sent.times)) == 1, f"number {number} was stamped anew: {sent.times}"
        assert sent.times[0][1] is not TimeQuality.UNANCHORED
    points = [point for sent in world.sent.values() for point in sent.points]
    assert len(points) == len(set(points)) == len(world.accepted), "overwritten"
    certain = [
        (number, sent.times[0][0])
        for number, sent in sorted(world.sent.items())
        if sent.times[0][1] is TimeQuality.SYNCED
    ]
    highest = 0
    for number, time_ms in certain:
        assert time_ms >= highest - 1000, f"number {number} lies {highest - time_ms} ms back, without a flag"
        highest = max(highest, time_ms)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_overwritten_or_out_of_order_without_a_flag(name: str, seed: int) -> None:
    world = TimeMachine(seed)
    for life in SCENARIOS[name]:
        world.live(life)
    world.drain()
    judge(world)
    if name in AGREED:
        wrong = [one for one in range(1, 226) if abs(world.sent[one].times[0][0] - world.accepted[one]) > 1000]
        assert not wrong, "all are right by a second, those before the time was known too"


def test_an_earlier_boot_that_never_knew_the_time_is_placed_between_those_that_did() -> None:
    world = TimeMachine()
    for life in (
        Life(ntp_after_s=0),
        Life(clock_error_ms=NO_CLOCK, hub_after_s=None),
        Life(clock_error_ms=NO_CLOCK, ntp_after_s=20),
    ):
        world.live(life)
    world.drain()
    judge(world)
    times = {number: sent.times[0] for number, sent in world.sent.items()}
    second = [times[number] for number in times if 75 < number <= 150]
    before, after = max(times[number][0] for number in times if number <= 75), times[151][0]
    assert {quality for _, quality in second} == {TimeQuality.ESTIMATED}
    assert all(before - 600_000 <= time_ms <= after for time_ms, _ in second)
    ordered = [time_ms for time_ms, _ in (times[number] for number in sorted(times) if 75 < number <= 150)]
    assert all(late - early == 1000 for early, late in pairwise(ordered)), "a second apart, as they were read"


lives = st.builds(
    Life,
    lasts_s=st.integers(1, 60),
    clock_error_ms=st.sampled_from([0, NO_CLOCK, STALE_MS, -YEAR_MS, YEAR_MS, 10 * YEAR_MS, 1500, -1500]),
    ntp_after_s=st.none() | st.integers(0, 50),
    hub_after_s=st.none() | st.integers(0, 50),
    hub_error_ms=st.sampled_from([0, 0, 0, YEAR_MS, -YEAR_MS, 600_000, -600_000]),
    steps=st.dictionaries(
        st.integers(0, 60), st.sampled_from([1000, -1000, 2 * HOUR_MS, -2 * HOUR_MS, 10 * YEAR_MS, -10 * YEAR_MS])
    ),
    same_boot=st.booleans(),
    off_s=st.integers(1, 10_000),
    is_cut=st.booleans(),
)


@settings(max_examples=40)
@given(st.lists(lives, min_size=1, max_size=4), st.integers(0, 10**6))
def test_whatever_the_clocks_do_each_reading_keeps_the_time_it_was_sent_with(some: list[Life], seed: int) -> None:
    world = TimeMachine(seed)
    for life in [Life(lasts_s=1), *some]:
        world.live(life)
    world.drain()
    judge(world)
