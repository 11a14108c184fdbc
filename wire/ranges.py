"""Sets of sequence numbers as inclusive ranges: what is final, what is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RangeSet:
    """An immutable set of integers kept as sorted, disjoint, non-touching inclusive ranges."""

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
        for first, last in self.ranges:
            start = first
            for cut_first, cut_last in other.ranges:
                if cut_last < start or cut_first > last:
                    continue
                if cut_first > start:
                    left.append((start, cut_first - 1))
                start = cut_last + 1
            if start <= last:
                left.append((start, last))
        return RangeSet(tuple(left))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        """The numbers in both sets."""
        return self - (self - other)

    def __contains__(self, number: int) -> bool:
        """Whether the number is in the set."""
        return any(first <= number <= last for first, last in self.ranges)

    def __len__(self) -> int:
        """How many numbers are in the set."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """The numbers, ascending."""
        for first, last in self.ranges:
            yield from range(first, last + 1)
