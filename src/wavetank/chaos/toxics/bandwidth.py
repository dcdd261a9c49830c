"""Bandwidth: so many bytes a second, and no more.

It refuses to know what goes by.
"""

from typing import Final

from wavetank.chaos.store import Store
from wavetank.chaos.toxic import NEVER, Item, Open, Timed
from wavetank.chaos.toxics.noop import Noop

__all__ = ["Bandwidth"]

_PIECE: Final = 0.1
"""Seconds that a piece takes at most: what is longer is cut, as Toxiproxy does."""


class Bandwidth(Noop):
    """A slower line: each piece takes its time, and the next one waits for it.

    Args:
        rate: KB/s, 1000 bytes each; with 0 nothing goes by until it is taken out.
    """

    def __init__(self, *, rate: float) -> None:
        super().__init__()
        self._rate = rate * 1000
        self._most = max(int(self._rate * _PIECE), 1)
        self._store = Store()
        self._since = -NEVER  # When the line began with the piece that goes by.

    @property
    def kept(self) -> int:
        """Bytes that wait for the line."""
        return self._store.kept

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Put it on the line."""
        if isinstance(item, Open):
            return [(now, item)]
        if not self._store:
            self._since = now
        self._store.add(item)
        return self.wake(now)

    def wake(self, now: float) -> list[Timed]:
        """Let go what has gone by."""
        due: list[Timed] = []
        self._look()
        while self.wakes_at <= now:
            due.append((now, self._store.take(self._most)))
            self._since = now
            self._look()
        return due

    def heal(self, now: float) -> list[Timed]:
        """Let the rest go."""
        return [(now, item) for item in self._store.take_all()]

    def take_over(self, old: "Bandwidth") -> None:
        """Let what waits go by at the new rate."""
        self._store = old._store
        self._since = old._since
        self._look()

    def _look(self) -> None:
        """Find out when the first piece will have gone by."""
        if not self._store or not self._rate:
            self.wakes_at = NEVER
        else:
            size = min(self._store.next, self._most)
            self.wakes_at = self._since + size / self._rate
