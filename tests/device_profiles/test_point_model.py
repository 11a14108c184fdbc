import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.point_model import Meaning, scaled, unscaled, value_of
from wire.errors import WireError
from wire.records import Quality, Value


def test_scaling_is_decimal() -> None:
    assert value_of(305, Meaning(key="t", quantity="temperature", scale=0.1)) == Value(30.5)
    assert value_of(230.2, Meaning(key="v", quantity="voltage", scale=0.1, offset=-0.02)) == Value(23)


@given(st.integers(-(2**31), 2**31), st.integers(0, 6), st.integers(-1000, 1000))
def test_a_scaled_number_is_the_float_nearest_to_the_exact_decimal(raw: int, places: int, offset: int) -> None:
    meaning = Meaning(key="n", quantity="number", scale=float(f"1e-{places}"), offset=offset / 10)
    assert scaled(raw, meaning) == (raw * 10 + offset * 10**places) / 10 ** (places + 1)
    assert round(unscaled(scaled(raw, meaning), meaning)) == raw


def test_a_sentinel_is_none_with_a_quality() -> None:
    meaning = Meaning(
        key="t",
        quantity="temperature",
        scale=0.1,
        unavailable=(-9999,),
        unavailable_from=0x7FFF,
        unavailable_below=-20000,
    )
    fault = Value(None, Quality.SENSOR_FAULT)
    assert [value_of(raw, meaning) for raw in (None, -9999, 0x7FFF, 0x8000, -20001)] == [fault] * 5
    assert value_of(215, meaning) == Value(21.5)


def test_a_number_out_of_range_is_kept_and_marked() -> None:
    humidity = Meaning(key="h", quantity="humidity")
    assert value_of(101, humidity) == Value(101, Quality.OUT_OF_RANGE)
    assert value_of(-1, humidity) == Value(-1, Quality.OUT_OF_RANGE)
    narrow = Meaning(key="t", quantity="temperature", minimum=-40, maximum=80)
    assert value_of(81, narrow) == Value(81, Quality.OUT_OF_RANGE)
    assert value_of(80, narrow) == Value(80)


def test_a_state_without_a_name_is_kept_and_marked() -> None:
    meaning = Meaning(key="s", quantity="state", states={0: "off", 1: "on"})
    assert value_of(1, meaning) == Value(1)
    assert value_of(2, meaning) == Value(2, Quality.OUT_OF_RANGE)


def test_decimals_round_the_scaled_number() -> None:
    assert value_of(1.23456, Meaning(key="n", quantity="number", scale=2, decimals=3)) == Value(2.469)


def test_a_meaning_without_sense_is_refused() -> None:
    with pytest.raises(WireError, match="quantity 'warmth'"):
        Meaning(key="t", quantity="warmth")
    with pytest.raises(WireError, match="point 'T'"):
        Meaning(key="T", quantity="temperature")
    with pytest.raises(ValueError, match="scale 0"):
        Meaning(key="t", quantity="temperature", scale=0)
