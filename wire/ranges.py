"""Sets of sequence numbers as inclusive ranges: what is final, what is missing."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RangeSet:
    """An immutable set of integers kept as sorted, disjoint, non-touching inclusive ranges.

    `in` takes the logarithm of the number of ranges; `|`, `-` and `&` pass once over the ranges of both.
    """

    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> "RangeSet":
        """Build from inclusive ranges in any order, overlapping or touching.

        Raises:
            ValueError: a range whose end lies before its beginning.
        """
        merged: list[Range] = []
        for first, last in sorted(ranges):
            if last < first:
                msg = f"range {first}..{last} ends before it begins"
                raise ValueError(msg)
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def of_numbers(cls, numbers: Iterable[int]) -> "RangeSet":
        """Build from single numbers in any order."""
        return cls.of((number, number) for number in numbers)

    def __or__(self, other: "RangeSet") -> "RangeSet":
        """The numbers in either set."""
        return RangeSet.of((*self.ranges, *other.ranges))

    def __sub__(self, other: "RangeSet") -> "RangeSet":
        """The numbers in this set which are not in the other."""
        left: list[Range] = []
        cuts = iter(other.ranges)
        cut = next(cuts, None)
        for first, last in self.ranges:
            start = first
            while cut is not None and cut[0] <= last:
                if start < cut[0]:
                    left.append((start, cut[0] - 1))
                start = max(start, cut[1] + 1)
                if cut[1] > last:
                    break  # it may cut the next range too
                cut = next(cuts, None)
            if start <= last:
                left.append((start, last))
        return RangeSet(tuple(left))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        """The numbers in both sets."""
        return self - (self - other)

    def __contains__(self, number: int) -> bool:
        """Whether the number is in the set."""
        at = bisect_left(self.ranges, number, key=itemgetter(1))
        return at < len(self.ranges) and self.ranges[at][0] <= number

    def __len__(self) -> int:
        """How many numbers are in the set."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """The numbers, ascending."""
        for first, last in self.ranges:
            yield from range(first, last + 1)
