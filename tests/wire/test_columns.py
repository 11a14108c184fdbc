"""Columns come back as they were, and regular ones cost next to nothing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import cbor, columns
from wire.device_names import devices, devices_item
from wire.errors import WireError
from wire.identifiers import DeviceId

EDGE = 2**53
integers = st.integers(-EDGE, EDGE) | st.integers(-200, 200)
counted = st.lists(st.lists(integers, min_size=1, max_size=6), min_size=1, max_size=5)


def through_bytes(item: cbor.Item) -> cbor.Item:
    return cbor.load(cbor.dump(item))


@given(numbers=st.lists(integers, max_size=20))
def test_a_track_comes_back(numbers: list[int]) -> None:
    assert columns.track(through_bytes(columns.track_item(numbers)), count=len(numbers)) == numbers


@given(runs=counted)
def test_a_column_comes_back(runs: list[list[int]]) -> None:
    numbers, counts = [number for run in runs for number in run], [len(run) for run in runs]
    assert columns.column(through_bytes(columns.column_item(numbers, counts)), counts) == numbers


@given(codes=st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_codes_come_back(codes: list[int]) -> None:
    assert (columns.runs(through_bytes(columns.runs_item(codes)), count=len(codes)) or [0] * len(codes)) == codes


@given(decimals=st.lists(st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 6)), min_size=1, max_size=20))
def test_decimals_travel_as_integers(decimals: list[tuple[int, int]]) -> None:
    numbers = [n / 10**exponent for n, exponent in decimals]
    scaled = columns.scaled_integers(numbers)
    assert scaled is not None
    exponent, found = scaled
    assert exponent <= max(exponent for _, exponent in decimals)
    assert [n / 10**exponent for n in found] == numbers


def test_what_is_no_decimal_travels_as_float64() -> None:
    assert columns.scaled_integers([0.1 + 0.2]) is None
    assert columns.scaled_integers([1e300, 0.1]) is None
    assert columns.scaled_integers([20.5, 5e-324]) is None


def test_a_constant_step_costs_no_array() -> None:
    numbers = [device + 20 * row for device in range(20) for row in range(50)]
    assert columns.column_item(numbers, [50] * 20) == [[0, 1], 20]


def test_regular_times_with_jitter_cost_one_byte_each() -> None:
    chance = random.Random(1)
    times = [1_795_400_000_000 + 1000 * row + round(chance.gauss(0, 3)) for row in range(200)]
    assert len(cbor.dump(columns.column_item(times, [200]))) < 200 + 30


def test_good_codes_cost_one_byte_in_all() -> None:
    assert cbor.dump(columns.runs_item([0] * 1000)) == b"\xf6"


@pytest.mark.parametrize(
    "item",
    [
        None,
        5,
        [],
        [[1, 1]],
        [[1, 1], 1],
        [1, 1, 2, None],
        [1, 2.5],
        [1, 2**60],
        [2**54],
        [1, 1, 0, cbor.typed_array(72, [1])],
    ],
)
def test_columns_of_the_wrong_shape_are_refused(item: cbor.Item) -> None:
    with pytest.raises(WireError):
        columns.column(item, [4])


@pytest.mark.parametrize("item", [[EDGE, 1], [0, 2**54, 1, cbor.typed_array(79, [2**62, 2**62])]])
def test_integers_that_are_no_exact_float_are_refused(item: list[cbor.Item]) -> None:
    with pytest.raises(WireError, match=r"2\*\*53"):
        columns.column(item, [3])


@given(
    names=st.lists(
        st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,4}[a-z0-9])?", fullmatch=True)
        | st.builds("{}{:0{}}".format, st.sampled_from(["aq-", "m", ""]), st.integers(0, 200), st.integers(1, 3)),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_names_of_devices_come_back_in_their_order(names: list[str]) -> None:
    item = through_bytes(devices_item([DeviceId(name) for name in names]))
    assert devices(item, maximum=len(names)) == tuple(names)


def test_numbered_devices_cost_next_to_nothing() -> None:
    names = [DeviceId(f"aq-{number:02}") for number in range(1, 21)]
    assert devices_item(names) == ["aq-", 2, 20, [1, 1]]


@pytest.mark.parametrize("item", [["a", "a"], ["a", "b", "c"], ["A"], ["x", 1, 2, [1, 0]], ["X", 1, 1, 5], "ab", [1]])
def test_devices_that_may_not_be_are_refused(item: cbor.Item) -> None:
    with pytest.raises(WireError):
        devices(item, maximum=2)
