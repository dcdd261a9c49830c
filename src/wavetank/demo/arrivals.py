"""Arrivals: which numbers of one topic came, and which did not.

They refuse to know what the messages say.
"""

from bisect import bisect_right

__all__ = ["Arrivals"]

_MOST_RANGES = 10_000
"""Holes that are remembered one by one; in more of them all counts are lower bounds."""


class Arrivals:
    """Follows the numbers 1, 2, 3 and so on, in memory bounded by the holes.

    Attributes:
        received: Numbers that came, each counted once.
        repeated: How often one came that had come before.
        late: How many came after a higher one.
        top: Highest number that came.
    """

    def __init__(self) -> None:
        self.received = 0
        self.repeated = 0
        self.late = 0
        self.top = 0
        self._holes: list[tuple[int, int]] = []

    @property
    def holes(self) -> list[tuple[int, int]]:
        """First and last number of each hole below the top."""
        return list(self._holes)

    def receive(self, number: int) -> bool:
        """Take a number; return whether it is new."""
        if number > self.top:
            if number > self.top + 1:
                self._open(self.top + 1, number - 1)
            self.top = number
        elif self._fill(number):
            self.late += 1
        else:
            self.repeated += 1
            return False
        self.received += 1
        return True

    def missing(self, total: int | None = None) -> list[tuple[int, int]]:
        """Return first and last number of each hole.

        Args:
            total: How many there are, where that is known.
        """
        holes = self.holes
        if total is not None and total > self.top:
            holes.append((self.top + 1, total))
        return holes

    def _open(self, first: int, last: int) -> None:
        if len(self._holes) < _MOST_RANGES:
            self._holes.append((first, last))

    def _fill(self, number: int) -> bool:
        """Take a number out of its hole; return whether there was one."""
        place = bisect_right(self._holes, (number, self.top)) - 1
        if place < 0:
            return False
        first, last = self._holes[place]
        if number > last:
            return False
        rest = [(first, number - 1), (number + 1, last)]
        self._holes[place : place + 1] = [hole for hole in rest if hole[0] <= hole[1]]
        return True

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Arrivals {self.received} of {self.top}>"
