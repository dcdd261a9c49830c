"""The rings of all topics together: who gives memory up where it is too much.

They refuse to know what stands in them, and who reads it.
"""

from typing import Protocol

__all__ = ["Ring", "Rings"]

_MOST_STUCK = 8
"""Rings that may turn out to hold what nobody has got yet, before no more are asked."""


class Ring(Protocol):
    """One topic's newest entries."""

    @property
    def held(self) -> int:
        """Bytes that it holds."""
        ...

    def shed(self) -> None:
        """Give up what was handed out; who wants it again reads it from the log."""
        ...


class Rings:
    """Keeps the sum of all rings below a bound.

    Beyond it, the topics that were published to least recently give up theirs: what
    is read of them comes from the log then, as for anybody who is far behind.

    Args:
        most: Bytes of all together; None is "no limit".

    Attributes:
        size: Bytes of all together, as they were noted.
        shed: How many rings were given up.
    """

    __slots__ = ("_held", "_most", "shed", "size")

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._held: dict[Ring, int] = {}
        self.size = 0
        self.shed = 0

    def note(self, ring: Ring) -> None:
        """Note how much a ring holds now, and that it is the last one to go."""
        if self._most is None:
            return
        self._count(ring)
        if self.size > self._most:
            self._make_room(self._most, ring)

    def _count(self, ring: Ring) -> None:
        held = ring.held
        self.size += held - self._held.pop(ring, 0)
        if held:
            self._held[ring] = held

    def _make_room(self, most: int, newest: Ring) -> None:
        stuck = 0
        while self.size > most and stuck < _MOST_STUCK:
            ring = next(iter(self._held), newest)
            if ring is newest:
                # Its own bound is what holds for it.
                return
            ring.shed()
            self.shed += 1
            self._count(ring)
            stuck += ring in self._held

    def __repr__(self) -> str:
        """Show how much they hold."""
        return f"<Rings {len(self._held)}, {self.size} of {self._most} bytes>"
