"""Deadlines: who is due when, so that one timer serves all connections.

They refuse to know timers and what is due.
"""

import heapq
from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

__all__ = ["Deadlines"]

K = TypeVar("K", bound=Hashable)

SPARE = 1024
"""Entries without a key that the heap may hold, beside as many as there are keys."""


class Deadlines(Generic[K]):
    """One deadline for each key; the earliest is at hand."""

    # A heap with lazy moves: a deadline that moves back (nearly all do) costs
    # nothing until its old time comes.
    __slots__ = ("_count", "_heap", "_wanted")

    def __init__(self) -> None:
        self._wanted: dict[K, tuple[float, float]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many keys have a deadline."""
        return len(self._wanted)

    def set(self, key: K, at: float) -> None:
        """Give a key its deadline, in place of the one it had.

        Args:
            key: Whose.
            at: When, in seconds; infinity takes it away.
        """
        if at == inf:
            self.drop(key)
            return
        queued = self._wanted.get(key, (inf, inf))[1]
        if at < queued:
            self._push(key, at)
            queued = at
        self._wanted[key] = (at, queued)

    def drop(self, key: K) -> None:
        """Take a key's deadline away."""
        self._wanted.pop(key, None)
        if len(self._heap) > 2 * len(self._wanted) + SPARE:
            self._tidy()

    def _tidy(self) -> None:
        """Forget keys that are gone, whose old times may be far away."""
        self._heap = []
        for key, (at, _) in self._wanted.items():
            self._count += 1
            self._heap.append((at, self._count, key))
            self._wanted[key] = (at, at)
        heapq.heapify(self._heap)

    def next_at(self) -> float:
        """Return when to look again: never too late, sometimes too early."""
        return self._heap[0][0] if self._heap else inf

    def due(self, now: float) -> list[K]:
        """Return the keys whose deadline has come, and take it away from them."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            queued, _, key = heapq.heappop(self._heap)
            at, still_queued = self._wanted.get(key, (inf, inf))
            if still_queued != queued:
                continue
            if at <= now:
                del self._wanted[key]
                found.append(key)
            else:
                self._push(key, at)
                self._wanted[key] = (at, at)
        return found

    def _push(self, key: K, at: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, key))

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<Deadlines of {len(self)}, next at {self.next_at():.3f}>"
