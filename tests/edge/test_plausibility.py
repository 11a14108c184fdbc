"""Sensors that stand still, jumps that nature does not make, and clocks that nobody vouches for."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.plausibility import Check, DeviceClock, Judge, as_stale, usual_check
from wire.quantities import quantity
from wire.records import PointLayout, Quality, Value

HOUR_S = 3600.0
MINUTE_S = 60.0


def judge_of(name: str = "temperature", **expected: float) -> Judge:
    point = PointLayout(key="p", quantity=name, unit=quantity(name).unit)
    return Judge((point,), {"p": Check(**expected)})


def told(judge: Judge, number: float | None, at_s: float) -> Quality:
    value = Value(number, Quality.GOOD if number is not None else Quality.TIMEOUT)
    (judged,) = judge.judged((value,), at_s=at_s)
    assert judged.number == number
    return judged.quality


values = st.one_of(
    st.floats(-50, 50).map(Value),
    st.sampled_from((Value(None, Quality.TIMEOUT), Value(3, Quality.OUT_OF_RANGE), Value(20), Value(20))),
)


@given(st.lists(st.tuples(values, st.floats(0, 4 * HOUR_S)), max_size=40))
def test_i1_a_judgement_only_ever_makes_a_good_value_s_quality_worse(readings: list[tuple[Value, float]]) -> None:
    judge, at_s = judge_of(stuck_after_s=HOUR_S, change_per_min=3), 0.0
    for value, passed_s in readings:
        at_s += passed_s
        (judged,) = judge.judged((value,), at_s=at_s)
        assert judged.number == value.number
        assert judged.quality is value.quality or (value.quality is Quality.GOOD and judged.quality > Quality.GOOD)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=60))
def test_i2_a_number_that_changes_is_not_stuck(numbers: list[float]) -> None:
    judge = judge_of(stuck_after_s=HOUR_S)
    changing = [one for one, after in pairwise(numbers) if one != after]
    assert all(told(judge, one, 2 * HOUR_S * index) is Quality.GOOD for index, one in enumerate(changing))


def test_a_sensor_that_repeats_itself_is_stuck_until_it_moves() -> None:
    judge = judge_of(stuck_after_s=3 * HOUR_S)
    qualities = [told(judge, 21.5, minute * MINUTE_S) for minute in range(200)]
    assert qualities == [Quality.GOOD] * 180 + [Quality.STUCK] * 20
    assert told(judge, 21.6, 200 * MINUTE_S) is Quality.GOOD


def test_silence_in_between_does_not_unstick_a_sensor() -> None:
    judge = judge_of(stuck_after_s=HOUR_S)
    assert [told(judge, 5.1, 300.0 * index) for index in range(10)] == [Quality.GOOD] * 10
    assert told(judge, None, 3300) is Quality.TIMEOUT
    assert told(judge, 5.1, HOUR_S) is Quality.STUCK


def test_a_few_equal_numbers_are_chance_however_long_they_take() -> None:
    judge = judge_of("voltage", stuck_after_s=HOUR_S)
    assert [told(judge, 230.1, 2 * HOUR_S * index) for index in range(9)] == [Quality.GOOD] * 9


@pytest.mark.parametrize(
    ("measurement", "name", "number", "is_stuck"),
    [
        ("weather", "wind_speed", 0.0, False),
        ("weather", "humidity", 100.0, False),
        ("weather", "solar_radiation", 1.0, False),
        ("air_quality", "pm2_5", 0.0, False),
        ("weather", "temperature", 0.0, True),
        ("weather", "humidity", 57.0, True),
    ],
)
def test_i2_where_a_quantity_may_rest_it_is_not_stuck(
    measurement: str, name: str, number: float, *, is_stuck: bool
) -> None:
    point = PointLayout(key="p", quantity=name, unit=quantity(name).unit)
    judge = Judge((point,), {"p": usual_check(measurement, name)})
    last = [told(judge, number, quarter * HOUR_S / 4) for quarter in range(100)][-1]
    assert last is (Quality.STUCK if is_stuck else Quality.GOOD)


def test_a_wrong_first_reading_casts_no_doubt_on_those_that_follow() -> None:
    judge = judge_of(change_per_min=3)
    assert {told(judge, number, 10.0 * index) for index, number in enumerate((85.0, 20.0, 20.1))} == {Quality.GOOD}
    assert told(judge, 85.0, 40.0) is Quality.OUT_OF_RANGE


def test_a_spike_is_doubted_and_what_follows_is_not() -> None:
    judge = judge_of(change_per_min=3)
    series = [20.0, 20.1, 85.0, 20.2, 20.1]
    assert [told(judge, one, 10.0 * index) for index, one in enumerate(series)] == [
        Quality.GOOD,
        Quality.GOOD,
        Quality.OUT_OF_RANGE,
        Quality.GOOD,
        Quality.GOOD,
    ]


def test_i3_a_step_is_believed_after_two_minutes() -> None:
    judge = judge_of(change_per_min=3)
    assert {told(judge, 20.0, at_s) for at_s in (-10.0, 0.0)} == {Quality.GOOD}
    qualities = [told(judge, 60.0 + index % 2, 10.0 * (index + 1)) for index in range(20)]
    assert qualities == [Quality.OUT_OF_RANGE] * 12 + [Quality.GOOD] * 8


def test_noise_all_over_the_place_is_never_believed() -> None:
    judge = judge_of(change_per_min=3)
    assert {told(judge, 20.0, at_s) for at_s in (-10.0, 0.0)} == {Quality.GOOD}
    assert {told(judge, 20.0 + 30 * math.sin(index) + 60, 10.0 * (index + 1)) for index in range(60)} == {
        Quality.OUT_OF_RANGE
    }


def test_slow_changes_are_believed_however_far_they_go() -> None:
    judge = judge_of(change_per_min=3)
    assert {told(judge, index * 0.4, 10.0 * index) for index in range(100)} == {Quality.GOOD}


def test_what_nothing_is_expected_of_may_rest_and_jump() -> None:
    assert usual_check("io", "relay") == usual_check("weather", "rain_total") == Check()
    judge = judge_of("setting")
    assert [told(judge, number, hour * HOUR_S) for hour, number in enumerate((5, 5, 500, 5))] == [Quality.GOOD] * 4


def test_every_usual_check_is_of_a_quantity_that_moves() -> None:
    assert usual_check("weather", "temperature").stuck_after_s == 3 * HOUR_S
    assert usual_check("soil", "temperature") == Check()


def test_readings_whose_device_tells_the_same_time_for_minutes_are_old() -> None:
    clock = DeviceClock()
    assert [clock.stands_still(1000 * second, at_s=second) for second in (0, 100, 200, 300)] == [False] * 4
    assert [clock.stands_still(300_000, at_s=at_s) for at_s in (310.0, 470.0, 480.0)] == [False, False, True]
    assert not clock.stands_still(481_000, at_s=481.0)
    assert not any(clock.stands_still(None, at_s=at_s) for at_s in (500.0, 900.0))
    assert as_stale((Value(5), Value(None, Quality.TIMEOUT))) == (Value(5, Quality.STALE), Value(None, Quality.TIMEOUT))
