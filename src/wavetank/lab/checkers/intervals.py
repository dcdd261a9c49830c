"""Intervals: a set of whole numbers that mostly stand side by side, in bounded memory.

They refuse to know what the numbers count.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

__all__ = ["Intervals"]


class Intervals:
    """Numbers as stretches, lowest first, both ends included.

    Args:
        limit: How many stretches are kept. Beyond that the lowest is settled: its
            numbers are counted and no longer known one by one.

    Attributes:
        settled: How many numbers are counted and no longer known.
    """

    __slots__ = ("_ends", "_limit", "_starts", "settled")

    def __init__(self, *, limit: int = 10_000) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._limit = limit
        self.settled = 0

    def add(self, first: int, last: int) -> None:
        """Add all numbers from one up to another."""
        if first > last:
            return
        starts, ends = self._starts, self._ends
        # All stretches that overlap or touch become one.
        low = bisect_left(ends, first - 1)
        high = bisect_right(starts, last + 1)
        if low < high:
            first, last = min(first, starts[low]), max(last, ends[high - 1])
        starts[low:high], ends[low:high] = [first], [last]
        if len(starts) > self._limit:
            self.settled += ends.pop(0) - starts.pop(0) + 1

    def discard(self, first: int, last: int) -> None:
        """Take out whichever of the numbers from one up to another are in."""
        if first > last:
            return
        starts, ends = self._starts, self._ends
        low = bisect_left(ends, first)
        high = bisect_right(starts, last)
        if low >= high:
            return
        left = [(starts[low], first - 1), (last + 1, ends[high - 1])]
        kept = [(begin, end) for begin, end in left if begin <= end]
        starts[low:high] = [begin for begin, _ in kept]
        ends[low:high] = [end for _, end in kept]

    def without(self, other: "Intervals") -> "Intervals":
        """Return the numbers that are not in another set, too."""
        rest = Intervals(limit=self._limit)
        rest._starts, rest._ends = list(self._starts), list(self._ends)
        rest.settled = self.settled
        for first, last in other:
            rest.discard(first, last)
        return rest

    def __contains__(self, number: int) -> bool:
        """Tell whether a number is in."""
        place = bisect_right(self._starts, number)
        return place > 0 and number <= self._ends[place - 1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the stretches, lowest first."""
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        """Return how many stretches there are."""
        return len(self._starts)

    @property
    def size(self) -> int:
        """How many numbers there are, settled ones too."""
        return sum(self._ends) - sum(self._starts) + len(self._starts) + self.settled

    def __repr__(self) -> str:
        """Show how many numbers in how many stretches."""
        return f"<Intervals {self.size} in {len(self)}>"
