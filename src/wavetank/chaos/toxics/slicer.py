"""Slicer: what goes by comes in small pieces, with a pause behind each.

It refuses to know what it cuts.
"""

from typing import TYPE_CHECKING

from wavetank.chaos.store import Store
from wavetank.chaos.toxic import NEVER, Item, Open, Timed
from wavetank.chaos.toxics.noop import Noop

if TYPE_CHECKING:
    import random

__all__ = ["Slicer"]


class Slicer(Noop):
    """Cuts at places that depend on its dice alone, wherever TCP cut before.

    Args:
        average_size: Bytes of a piece on average.
        size_variation: Bytes more or less at most; each size is equally likely.
        delay: Microseconds behind each piece.
        rng: Its dice.
    """

    def __init__(
        self,
        *,
        average_size: int,
        size_variation: int,
        delay: float,
        rng: "random.Random",
    ) -> None:
        super().__init__()
        self._least = max(average_size - size_variation, 1)
        self._most = max(average_size + size_variation, 1)
        self._delay = delay / 1e6
        self._rng = rng
        self._store = Store()
        self._left = 0  # Bytes to the end of the piece that is going by.
        self._free_at = -NEVER

    @property
    def kept(self) -> int:
        """Bytes that wait for their turn."""
        return self._store.kept

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Cut off what may go at once."""
        if isinstance(item, Open):
            return [(now, item)]
        self._store.add(item)
        return self.wake(now)

    def wake(self, now: float) -> list[Timed]:
        """Cut off what is due."""
        due: list[Timed] = []
        while self._store and self._free_at <= now:
            due.append((now, self._piece()))
            self._free_at = now + self._delay
        self.wakes_at = self._free_at if self._store else NEVER
        return due

    def heal(self, now: float) -> list[Timed]:
        """Let the rest go, uncut."""
        return [(now, item) for item in self._store.take_all()]

    def take_over(self, old: "Slicer") -> None:
        """Cut what the older one has not cut yet."""
        self._store = old._store
        self._free_at = old._free_at
        self.wakes_at = old.wakes_at

    def _piece(self) -> Item:
        """Return a piece; a short one where nothing more has come yet."""
        if not self._left:
            self._left = self._rng.randint(self._least, self._most)
        size = min(self._left, self._store.next)
        self._left -= size
        return self._store.take(max(size, 1))
