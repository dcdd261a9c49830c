"""Who got which number of a sequence: lost, repeated, reordered.

It refuses to know where the numbers come from, and stays within a bounded
memory whatever they are.
"""

import enum
from bisect import bisect_right
from itertools import takewhile
from typing import NamedTuple

__all__ = ["Arrival", "Gap", "Sequence"]


class Arrival(enum.Enum):
    """What one number meant when it came."""

    NEXT = "next"
    """The one behind the highest, or the very first."""
    AHEAD = "ahead"
    """Higher than the next one: what lies between is missing, so far."""
    LATE = "late"
    """A missing one, after a higher one: reordered."""
    REPEATED = "repeated"
    """It came before."""
    EARLY = "early"
    """From before the start that was agreed; not counted further."""


class Gap(NamedTuple):
    """Numbers that did not come, both ends included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


class Sequence:
    """The numbers that one receiver got, as intervals.

    A stream in order is one interval. Beyond ``limit`` intervals the oldest
    gap is settled: it stays lost for good and ``saturated`` says so. From then
    on ``lost`` and ``repeated`` may be too high and ``reordered`` too low (a
    number that comes after all into a settled gap counts as repeated), and
    `missing` no longer names that gap, though `count_missing` counts it.

    Args:
        first: The first number expected; None takes the lowest that comes.
        limit: How many intervals are kept, at least 2.

    Attributes:
        saturated: Whether gaps had to be settled, so that the counts are bounds.
    """

    __slots__ = (
        "_ends",
        "_first",
        "_limit",
        "_starts",
        "early",
        "received",
        "reordered",
        "repeated",
        "saturated",
    )

    def __init__(self, *, first: int | None = None, limit: int = 10_000) -> None:
        if limit < 2:
            raise ValueError(f"a sequence needs 2 intervals at least, not {limit}")
        self._first = first
        self._limit = limit
        # Received numbers are those of [starts[i], ends[i]]: ascending, apart by
        # one at least. An agreed start is an empty interval in front of it.
        self._starts: list[int] = [] if first is None else [first]
        self._ends: list[int] = [] if first is None else [first - 1]
        self.saturated = False
        self.received = 0
        self.repeated = 0
        self.reordered = 0
        self.early = 0

    def add(self, number: int) -> Arrival:
        """Take a number in and return what it meant."""
        ends = self._ends
        if ends and number == ends[-1] + 1:
            ends[-1] = number
            self.received += 1
            return Arrival.NEXT
        if self._first is not None and number < self._first:
            self.early += 1
            return Arrival.EARLY
        if not ends or number > ends[-1]:
            self.received += 1
            arrival = Arrival.AHEAD if ends else Arrival.NEXT
            self._insert(len(ends), number)
            return arrival
        return self._look_back(number)

    def add_range(self, first: int, last: int) -> None:
        """Take in a stretch of numbers that came in order; both ends included."""
        ends = self._ends
        number = first
        while number <= last:
            if ends and number == ends[-1] + 1:
                ends[-1] = last
                self.received += last - number + 1
                return
            self.add(number)
            number += 1

    def _look_back(self, number: int) -> Arrival:
        starts, ends = self._starts, self._ends
        place = bisect_right(starts, number)
        if place and number <= ends[place - 1]:
            self.repeated += 1
            return Arrival.REPEATED
        self.received += 1
        self.reordered += 1
        joins_left = place > 0 and ends[place - 1] == number - 1
        joins_right = starts[place] == number + 1
        if joins_left and joins_right:
            ends[place - 1] = ends.pop(place)
            starts.pop(place)
        elif joins_left:
            ends[place - 1] = number
        elif joins_right:
            starts[place] = number
        else:
            self._insert(place, number)
        return Arrival.LATE

    def _insert(self, place: int, number: int) -> None:
        self._starts.insert(place, number)
        self._ends.insert(place, number)
        if len(self._starts) > self._limit:
            self.saturated = True
            self._ends[0] = self._ends.pop(1)
            self._starts.pop(1)

    @property
    def highest(self) -> int | None:
        """Highest number received; None before the first."""
        return self._ends[-1] if self.received else None

    @property
    def lost(self) -> int:
        """How many numbers below the highest did not come."""
        return self._upto_highest() - self.received

    def _upto_highest(self) -> int:
        """Return how many numbers there are from the first one on."""
        return self._ends[-1] - self._starts[0] + 1 if self._ends else 0

    def count_missing(self, upto: int) -> int:
        """Return how many numbers up to one did not come, settled gaps included.

        Args:
            upto: The last number that should have come, in or behind the last gap
                that was settled. Nothing is owed while nothing came and no start
                was agreed.
        """
        if not self._ends:
            return 0
        if upto >= self._ends[-1]:
            return self.lost + upto - self._ends[-1]
        gaps = reversed(self._gaps())
        above = takewhile(lambda gap: gap.last > upto, gaps)
        return self.lost - sum(gap.last - max(gap.first - 1, upto) for gap in above)

    def missing(self, upto: int | None = None) -> list[Gap]:
        """Return the gaps, lowest first.

        Args:
            upto: The last number that should have come; None is the highest
                received. What lies above it is left out.
        """
        if upto is None:
            return self._gaps()
        gaps = [
            Gap(gap.first, min(gap.last, upto))
            for gap in self._gaps()
            if gap.first <= upto
        ]
        if self._ends and self._ends[-1] < upto:
            gaps.append(Gap(self._ends[-1] + 1, upto))
        return gaps

    def _gaps(self) -> list[Gap]:
        # One number fewer than the intervals: the zip ends with the shorter.
        return [
            Gap(end + 1, start - 1)
            for end, start in zip(self._ends, self._starts[1:], strict=False)
        ]

    def statistics(self) -> dict[str, int]:
        """Return every count by its name."""
        return {
            "received": self.received,
            "lost": self.lost,
            "repeated": self.repeated,
            "reordered": self.reordered,
            "early": self.early,
            "intervals": len(self._starts),
        }

    def __repr__(self) -> str:
        """Show the counts."""
        counts = " ".join(f"{name}={n}" for name, n in self.statistics().items())
        return f"<Sequence {counts} saturated={self.saturated}>"
