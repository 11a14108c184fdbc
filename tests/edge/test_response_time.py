"""What a device's answers teach about its next timeout."""

from hypothesis import given
from hypothesis import strategies as st

from edge.response_time import ResponseTime

LONGEST_S = 1.0


def taught(*latencies_s: float) -> ResponseTime:
    response = ResponseTime(LONGEST_S)
    for latency_s in latencies_s:
        response.heard(latency_s)
    return response


def test_an_unknown_device_is_waited_for_as_long_as_its_profile_says() -> None:
    assert ResponseTime(LONGEST_S).timeout_s == LONGEST_S
    assert taught(0.01, 0.01).timeout_s == LONGEST_S


def test_a_quick_device_that_falls_silent_costs_tens_of_milliseconds() -> None:
    assert taught(*[0.01] * 20).timeout_s < 0.1


def test_after_each_silence_the_next_answer_may_take_twice_as_long_up_to_what_the_profile_says() -> None:
    response = taught(*[0.01] * 20)
    first_s = response.timeout_s
    response.missed()
    assert response.timeout_s == 2 * first_s
    for _ in range(10):
        response.missed()
    assert response.timeout_s == LONGEST_S
    response.heard(0.01)
    assert response.timeout_s < 2 * first_s


@given(st.lists(st.floats(0.001, 0.2), min_size=3, max_size=60))
def test_i1_the_timeout_stays_between_what_was_last_usual_and_the_profile_s(latencies_s: list[float]) -> None:
    response = taught(*latencies_s)
    assert response.expected_s < response.timeout_s <= LONGEST_S


def test_a_device_that_suddenly_answers_late_is_late_however_long_that_lasts() -> None:
    response = taught(*[0.02] * 20)
    for _ in range(1000):
        response.heard(0.4)
        assert response.is_late
    assert response.usual_s < 0.03
    response.heard(0.02)
    assert not response.is_late


def test_a_device_that_has_always_been_slow_is_not_late() -> None:
    assert not taught(*[0.4] * 20).is_late
