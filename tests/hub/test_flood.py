"""One gateway that sends too much is held to its share; a backlog drains, and nobody else is harmed."""

from hypothesis import given
from hypothesis import strategies as st

from hub.ingest.flood import FloodGuard, FloodLimits
from wire.identifiers import GatewayId

LOUD, QUIET = GatewayId("loud"), GatewayId("quiet")
LIMITS = FloodLimits(messages_per_s=10, burst_messages=50, bytes_per_s=1000, burst_bytes=20_000)


def test_a_million_messages_of_one_cost_the_others_none_of_theirs() -> None:
    guard = FloodGuard(LIMITS)
    loud = quiet = 0
    for tick in range(1000):
        loud += sum(guard.lets_through(LOUD, 10, now_s=tick / 100) for _ in range(100))
        if tick % 10 == 0:
            quiet += guard.lets_through(QUIET, 10, now_s=tick / 100)
    assert quiet == 100
    assert loud <= 50 + 10 * 10
    assert guard.dropped() == {LOUD: 100_000 - loud}


def test_a_backlog_goes_through_at_once_up_to_the_burst() -> None:
    guard = FloodGuard(LIMITS)
    assert all(guard.lets_through(LOUD, 400, now_s=0.0) for _ in range(50))
    assert not guard.lets_through(LOUD, 1, now_s=0.0)
    assert guard.lets_through(LOUD, 1, now_s=0.1)


@given(sent=st.lists(st.tuples(st.floats(0, 2), st.integers(0, 5000)), max_size=80))
def test_over_any_time_a_gateway_gets_through_its_burst_and_its_rate_and_no_more(sent: list[tuple[float, int]]) -> None:
    guard, now_s = FloodGuard(LIMITS), 0.0
    let: list[tuple[float, int]] = []
    for after_s, size in sent:
        now_s += after_s
        if guard.lets_through(LOUD, size, now_s=now_s):
            let.append((now_s, size))
    for start in range(len(let)):
        for end in range(start, len(let)):
            passed_s = let[end][0] - let[start][0]
            assert end - start + 1 <= 50 + 10 * passed_s + 1e-6
            assert sum(size for _, size in let[start : end + 1]) <= 20_000 + 1000 * passed_s + 1e-6


@given(sizes=st.lists(st.integers(0, 90), min_size=1, max_size=80))
def test_who_stays_below_the_rate_loses_nothing(sizes: list[int]) -> None:
    guard = FloodGuard(LIMITS)
    assert all(guard.lets_through(LOUD, size, now_s=place * 0.1) for place, size in enumerate(sizes))
    assert guard.dropped() == {}


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    guard = FloodGuard(LIMITS)
    let = sum(guard.lets_through(LOUD, 1, now_s=float(-number % 7)) for number in range(500))
    assert let <= 50 + 10 * 6
