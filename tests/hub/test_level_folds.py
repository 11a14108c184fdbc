"""How samples become one number: each aggregate is what its definition says, in parts as in whole."""

import math
from collections.abc import Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.levels.fold import Fold, fold, folds_by_window, natural, point_of, quantity_of_key
from hub.levels.level import FIVE_MINUTES_NS, HOUR_NS, Level, bucket_of
from hub.series.base import Sample, SeriesKey
from wire.quantities import QUANTITIES
from wire.records import Mode, Quality

numbers = st.floats(-1e6, 1e6)
qualities = st.sampled_from(list(Quality))


def key(field: str = "voltage", *, mode: Mode = Mode.LIVE, gateway: str = "gw-1") -> SeriesKey:
    return SeriesKey(
        measurement="power", site="hall", gateway=gateway, device="meter-1", group="main", mode=mode, field=field
    )


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    times = draw(st.lists(st.integers(0, 3 * HOUR_NS), unique=True, min_size=1, max_size=40))
    made = []
    for time_ns in sorted(times):
        number = draw(st.none() | numbers)
        quality = draw(qualities) if number is not None else draw(st.sampled_from(list(Quality)[2:]))
        made.append(Sample(time_ns=time_ns, number=number, quality=quality))
    return made


def chosen(some: Sequence[Sample]) -> list[float]:
    """The plain rule: the sound numbers, or where there are none, those there are."""
    known = [sample for sample in some if sample.number is not None]
    sound = [sample for sample in known if sample.quality in {Quality.GOOD, Quality.TIME_ESTIMATED}]
    return [sample.number for sample in sound or known if sample.number is not None]


@given(samples())
def test_an_aggregate_is_what_its_definition_says(some: list[Sample]) -> None:
    folded = fold(some, QUANTITIES["voltage"])
    plain = chosen(some)
    point = point_of({key(): folded}, lambda _: QUANTITIES["voltage"], start_ns=0)
    assert point.fields["voltage_count"] == len(plain)
    sound = [one for one in some if one.number is not None and one.quality <= Quality.TIME_ESTIMATED]
    assert point.fields["voltage_good"] == len(sound) / len(some)
    assert point.qualities["voltage"] == max(sample.quality for sample in some)
    if plain:
        assert point.fields["voltage"] == pytest.approx(fmean(plain), abs=1e-6)
        assert (point.fields["voltage_min"], point.fields["voltage_max"]) == (min(plain), max(plain))
        assert point.fields["voltage_last"] == plain[-1]
    else:
        assert "voltage" not in point.fields


@given(samples(), st.randoms(use_true_random=False))
def test_parts_put_together_in_any_order_are_the_whole(some: list[Sample], chance: object) -> None:
    whole = fold(some, QUANTITIES["wind_direction"])
    parts = list(folds_by_window(some, QUANTITIES["wind_direction"], window_ns=FIVE_MINUTES_NS).values())
    chance.shuffle(parts)  # type: ignore[attr-defined] # hypothesis gives a Random
    together = Fold()
    for part in parts:
        together = together.with_others(part)
    assert (together.samples, together.worst) == (whole.samples, whole.worst)
    for mine, theirs in ((together.sound, whole.sound), (together.doubtful, whole.doubtful)):
        assert (mine.count, mine.least, mine.most, mine.last) == (theirs.count, theirs.least, theirs.most, theirs.last)
        assert mine.total == pytest.approx(theirs.total, abs=1e-6)
        assert math.hypot(mine.sine - theirs.sine, mine.cosine - theirs.cosine) < 1e-6


@pytest.mark.parametrize(
    ("quantity", "values", "expected"),
    [
        ("temperature", [1.0, 2.0, 6.0], 3.0),
        ("wind_direction", [350.0, 10.0], 0.0),
        ("wind_direction", [80.0, 100.0], 90.0),
        ("wind_direction", [0.0, 180.0], None),
        ("phase_angle", [-10.0, -30.0], -20.0),
        ("energy", [5.0, 6.0, 1.0], 1.0),
        ("vehicle_count", [1.0, 2.0, 3.0], 6.0),
        ("charge_state", [3.0, 5.0, 3.0], 3.0),
        ("temperature", [1.7e308, 1.7e308], None),
    ],
)
def test_each_kind_of_quantity_has_its_own_aggregate(
    quantity: str, values: list[float], expected: float | None
) -> None:
    folded = fold(
        [Sample(time_ns=i, number=v, quality=Quality.GOOD) for i, v in enumerate(values)], QUANTITIES[quantity]
    )
    found = natural(folded, QUANTITIES[quantity])
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))
    point = point_of({key("x"): folded}, lambda _: QUANTITIES[quantity], start_ns=0)
    assert ("x" in point.fields) == (expected is not None)
    assert point.qualities["x"] == (Quality.GOOD if expected is not None else Quality.OUT_OF_RANGE)


def test_a_window_without_numbers_says_so_and_is_not_zero() -> None:
    folded = fold([Sample(time_ns=1, number=None, quality=Quality.TIMEOUT)], None)
    point = point_of({key(): folded}, lambda _: None, start_ns=0)
    assert point.fields == {"voltage_count": 0.0, "voltage_good": 0.0, "worst_mode": 0.0}
    assert point.qualities["voltage"] is Quality.TIMEOUT


def test_a_point_of_the_device_goes_before_a_derived_field_of_the_same_name() -> None:
    one = fold([Sample(time_ns=1, number=1.0, quality=Quality.GOOD)], None)
    seven = fold([Sample(time_ns=1, number=7.0, quality=Quality.GOOD)], None)
    long = "v" * 60
    found = point_of(
        {key("a"): one, key("a_max"): seven, key("worst_mode"): seven, key(long): one}, lambda _: None, start_ns=0
    )
    assert (found.fields["a_max"], found.fields["worst_mode"]) == (7.0, 7.0)
    assert found.fields["a_max_max"] == 7.0
    assert not any(len(name) > 63 for name in found.fields)


def test_a_key_with_an_ending_of_its_own_names_its_quantity() -> None:
    assert quantity_of_key("voltage_l1") == QUANTITIES["voltage"]
    assert quantity_of_key("pm2_5") == QUANTITIES["pm2_5"]
    assert quantity_of_key("nobody_knows") is None


def test_levels_have_buckets_of_their_own() -> None:
    assert [bucket_of("sen", level) for level in Level] == ["sen", "sen_5m", "sen_1h"]
