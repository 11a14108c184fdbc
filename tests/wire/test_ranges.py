"""A RangeSet is a set of integers, whatever its ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.ranges import RangeSet

number_sets = st.sets(st.integers(-5, 60), max_size=40)
ranges = st.tuples(st.integers(-5, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def is_normal(number_set: RangeSet) -> bool:
    """Sorted, disjoint, not touching, none empty."""
    edges = [edge for first, last in number_set.ranges for edge in (first, last)]
    gaps = zip(number_set.ranges, number_set.ranges[1:], strict=False)
    return edges == sorted(edges) and all(left[1] + 1 < right[0] for left, right in gaps)


@given(one=number_sets, other=number_sets)
def test_the_operations_are_those_of_sets(one: set[int], other: set[int]) -> None:
    left, right = RangeSet.of_numbers(one), RangeSet.of_numbers(other)
    for result, expected in ((left | right, one | other), (left - right, one - other), (left & right, one & other)):
        assert list(result) == sorted(expected)
        assert len(result) == len(expected)
        assert is_normal(result)


@given(numbers=number_sets, probe=st.integers(-7, 70))
def test_membership_is_that_of_sets(numbers: set[int], probe: int) -> None:
    assert (probe in RangeSet.of_numbers(numbers)) == (probe in numbers)


@given(given_ranges=st.lists(ranges, max_size=12))
def test_ranges_in_any_order_overlapping_or_touching_make_one_normal_set(given_ranges: list[tuple[int, int]]) -> None:
    made = RangeSet.of(given_ranges)
    assert is_normal(made)
    assert set(made) == {number for first, last in given_ranges for number in range(first, last + 1)}


@given(numbers=number_sets)
def test_equal_sets_are_equal(numbers: set[int]) -> None:
    assert RangeSet.of_numbers(numbers) == RangeSet.of(RangeSet.of_numbers(sorted(numbers, reverse=True)).ranges)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match=r"range 5\.\.4"):
        RangeSet.of([(5, 4)])


def test_sets_of_many_ranges_are_subtracted_in_one_pass() -> None:
    even = RangeSet.of((n, n) for n in range(0, 400_000, 2))
    by_four = RangeSet.of((n, n) for n in range(0, 400_000, 4))
    assert len(even - by_four) == 100_000
    assert len(even & by_four) == 100_000
