"""VN_AQI gives what Decision 1459/QD-TCMT prints (but for its misprint), and nothing where hours are missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.indicators.concentration import ug_per_m3
from hub.indicators.vn_aqi import (
    Band,
    Pollutant,
    band_of,
    day_index,
    hour_index,
    nowcast,
    ozone_8h_index,
    rounded_half_up,
    sub_index,
)

# Printed for 09:00 to 20:00, the newest last.
PRINTED = (26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6)
NEWEST_FIRST = PRINTED[::-1]
P = Pollutant

# Table 2, each column at its breakpoints.
TABLE = [
    (P.O3, (0, 160, 200, 300, 400, 800, 1000, 1200)),
    (P.CO, (0, 10_000, 30_000, 45_000, 60_000, 90_000, 120_000, 150_000)),
    (P.SO2, (0, 125, 350, 550, 800, 1600, 2100, 2630)),
    (P.NO2, (0, 100, 200, 700, 1200, 2350, 3100, 3850)),
    (P.PM10, (0, 50, 150, 250, 350, 420, 500, 600)),
    (P.PM2_5, (0, 25, 50, 80, 150, 250, 350, 500)),
]
INDEX = (0, 50, 100, 150, 200, 300, 400, 500)


def test_the_printed_series_gives_the_printed_nowcast_and_index() -> None:
    found = nowcast(NEWEST_FIRST)
    assert found is not None
    assert found.hours == 12
    assert round(found.concentration, 1) == 20.3
    assert rounded_half_up(sub_index(P.PM2_5, found.concentration)) == 41


@pytest.mark.parametrize(
    ("pollutant", "concentration", "expected"),
    [
        (P.PM2_5, 55.7, 110),
        (P.O3, 136.1, 43),
        (P.O3, 114.6, 36),
        (P.NO2, 130.8, 65),
        (P.NO2, 118.7, 59),  # the Decision prints 60: its own formula gives 59.35
        (P.PM2_5, 25.05, 50),  # no gap between bands
        (P.PM2_5, 400.0, 433),  # 250 to 500 is not one straight line
        (P.PM2_5, 10_000.0, 500),
        (P.SO2, -3.0, 0),
    ],
)
def test_printed_and_derived_indices(pollutant: Pollutant, concentration: float, expected: int) -> None:
    assert rounded_half_up(sub_index(pollutant, concentration)) == expected


def test_ozone_of_eight_hours_has_its_own_column_up_to_400() -> None:
    assert rounded_half_up(ozone_8h_index(89.3) or 0) == 45
    assert [ozone_8h_index(at) for at in (0, 100, 120, 170, 210, 400)] == [0, 50, 100, 150, 200, 300]
    assert ozone_8h_index(400.1) is None


@pytest.mark.parametrize(("pollutant", "breakpoints"), TABLE)
def test_every_breakpoint_has_its_index_and_between_them_it_is_straight(
    pollutant: Pollutant, breakpoints: tuple[float, ...]
) -> None:
    assert [sub_index(pollutant, at) for at in breakpoints] == list(INDEX)
    for place in range(7):
        middle = (breakpoints[place] + breakpoints[place + 1]) / 2
        assert sub_index(pollutant, middle) == pytest.approx((INDEX[place] + INDEX[place + 1]) / 2)


@pytest.mark.parametrize(
    ("index", "band"),
    [
        (0, Band.GOOD), (50, Band.GOOD), (51, Band.MODERATE), (100, Band.MODERATE), (101, Band.POOR), (150, Band.POOR),
        (151, Band.BAD), (200, Band.BAD), (201, Band.VERY_BAD), (300, Band.VERY_BAD), (301, Band.HAZARDOUS),
        (500, Band.HAZARDOUS),
    ],
)  # fmt: skip
def test_bands_begin_and_end_where_table_1_says(index: int, band: Band) -> None:
    assert band_of(index) is band


@given(st.sampled_from(list(Pollutant)), st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_is_never_better(pollutant: Pollutant, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert sub_index(pollutant, low) <= sub_index(pollutant, high)


@pytest.mark.parametrize(
    ("recent", "is_there"),
    [
        ((1.0, 2.0, 3.0), True),
        ((None, 2.0, 3.0), True),
        ((1.0, None, 3.0), True),
        ((1.0, 2.0, None), True),
        ((1.0, None, None), False),
        ((None, None, 3.0), False),
        ((None, None, None), False),
    ],
)
def test_nowcast_needs_two_of_the_last_three_hours(recent: tuple[float | None, ...], *, is_there: bool) -> None:
    assert (nowcast((*recent, *[5.0] * 9)) is not None) == is_there


def test_a_missing_hour_does_not_make_the_air_look_cleaner() -> None:
    # Weights of one half: 10 against 100. Not divided by the weights that are there, this would be 68.1.
    found = nowcast((100.0, None, 100.0, 100.0, 100.0, 10.0, *[None] * 6))
    assert found is not None
    assert found.hours == 5
    assert 90 < found.concentration < 100


@given(st.lists(st.none() | st.floats(0, 1000), min_size=0, max_size=20))
def test_a_nowcast_lies_between_the_least_and_the_most_of_its_hours(hours: list[float | None]) -> None:
    found = nowcast(hours)
    known = [number for number in hours[:12] if number is not None]
    if found is not None:
        assert min(known) - 1e-9 <= found.concentration <= max(known) + 1e-9
        assert found.hours == len(known)


def test_the_hourly_index_is_the_worst_part_and_needs_particles() -> None:
    found = hour_index({P.PM2_5: NEWEST_FIRST, P.O3: [136.1], P.NO2: [None], P.SO2: []})
    assert found.parts == {P.PM2_5: 41, P.O3: 43}
    assert found.index == 43
    without = hour_index({P.O3: [136.1], P.PM10: [20.0]})
    assert without.index is None
    assert without.parts == {P.O3: 43}


def test_the_daily_index_is_that_of_the_printed_day() -> None:
    o3 = [None] * 8 + [89.3] * 7 + [114.6] + [60.0] * 8
    no2 = [50.0] * 23 + [130.8]
    found = day_index({P.PM2_5: [55.7] * 24, P.NO2: no2, P.O3: [50.0] * 8 + o3[8:]})
    assert (found.index, found.parts[P.PM2_5], found.parts[P.NO2], found.hours) == (110, 110, 65, 24)
    assert found.parts[P.O3] == rounded_half_up((89.3 * 7 + 114.6) / 8 / 2)


def test_eight_hours_of_ozone_above_400_leave_the_hour_to_judge() -> None:
    assert day_index({P.PM10: [10.0] * 24, P.O3: [500.0] * 24}).parts[P.O3] == 225


@pytest.mark.parametrize(("missing", "expected"), [(0, 50), (6, 50), (7, None), (24, None)])
def test_a_day_needs_eighteen_hours(missing: int, expected: int | None) -> None:
    found = day_index({P.PM2_5: [None] * missing + [25.0] * (24 - missing), P.NO2: [400.0] * 17 + [None] * 7})
    assert found.index == expected
    assert found.hours == 24 - missing
    assert P.NO2 not in found.parts


@pytest.mark.parametrize(
    ("gas", "amount", "unit", "expected"),
    [
        ("o3", 50.0, "ppb", 98.1),
        ("no2", 50.0, "ppb", 94.0),
        ("so2", 50.0, "ppb", 130.9),
        ("co", 1.0, "ppm", 1144.9),
        ("o3", 50.0, "ug/m3", 50.0),
    ],
)
def test_volumes_are_weighed_at_25_degrees(gas: str, amount: float, unit: str, expected: float) -> None:
    assert ug_per_m3(gas, amount, unit) == pytest.approx(expected, abs=0.1)
