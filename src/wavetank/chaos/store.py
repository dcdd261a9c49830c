"""A store of what waits to go on, cut as it leaves.

It refuses to know when that is.
"""

from collections import deque

from wavetank.chaos.toxic import Bytes, Item, data_of, size_of

__all__ = ["Store"]


class Store:
    """Items in order, counted in bytes.

    Attributes:
        kept: Bytes in it.
    """

    def __init__(self) -> None:
        self.kept = 0
        self._items: deque[Item] = deque()
        self._cut = 0  # Bytes of the first item that have gone already.

    def __bool__(self) -> bool:
        return bool(self._items)

    def __repr__(self) -> str:
        return f"Store({len(self._items)} items, {self.kept} bytes)"

    @property
    def next(self) -> int:
        """Bytes that are left of the first item."""
        return size_of(self._items[0]) - self._cut

    def add(self, item: Item) -> None:
        """Put an item behind all others."""
        self._items.append(item)
        self.kept += size_of(item)

    def take(self, most: int) -> Item:
        """Take the first item, or the first bytes of it where it is longer.

        Args:
            most: Bytes at most; 1 at least.
        """
        first = self._items[0]
        if self.next <= most:
            return self._take_rest()
        piece = data_of(first)[self._cut : self._cut + most]
        self._cut += most
        self.kept -= most
        return Bytes(piece)

    def take_all(self) -> list[Item]:
        """Take everything."""
        taken = []
        while self._items:
            taken.append(self._take_rest())
        return taken

    def _take_rest(self) -> Item:
        first = self._items.popleft()
        if self._cut:
            first = Bytes(data_of(first)[self._cut :])
            self._cut = 0
        self.kept -= size_of(first)
        return first
