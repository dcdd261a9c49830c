"""Buffer: items between the connection and their reader, bounded.

It refuses to know who fills and who empties it.
"""

from collections import deque

from wavetank.client.items import Event, Item, Stale

__all__ = ["Buffer"]

_OVERHEAD = 200
"""Bytes that an item costs beside its payload, roughly."""


class Buffer:
    """Items that wait for their reader.

    Full is full until half of it is gone: so a reader that is a little too slow
    does not make the subscription come and go with each event.

    Args:
        entries: Most items.
        size: Most bytes; one item may be larger if it is alone.

    Attributes:
        has_room: Whether more events should come.
        size: Bytes in it, roughly.
    """

    __slots__ = ("_items", "_most", "_most_size", "has_room", "size")

    def __init__(self, *, entries: int, size: int) -> None:
        self._items: deque[Item] = deque()
        self._most = entries
        self._most_size = size
        self.has_room = True
        self.size = 0

    def __len__(self) -> int:
        """Return how many items are in it."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Add an item.

        It is never refused: gaps and staleness come one by one and have to be
        told. ``has_room`` keeps events away.
        """
        if isinstance(item, Stale):
            self._put_stale(item)
            return
        self._add(item)
        if len(self._items) >= self._most or self.size >= self._most_size:
            self.has_room = False

    def _put_stale(self, item: Stale) -> None:
        """Add it; stale, fresh, stale in a row are told as the first one alone.

        Otherwise a flapping connection would fill memory while nobody reads.
        """
        items = self._items
        is_again = (
            item.is_stale
            and len(items) >= 2
            and isinstance(items[-1], Stale)
            and isinstance(items[-2], Stale)
        )
        if is_again:
            items.pop()
            self.size -= _OVERHEAD
        else:
            self._add(item)

    def _add(self, item: Item) -> None:
        self._items.append(item)
        self.size += _cost(item)

    def take(self, most: int) -> list[Item]:
        """Take the oldest items.

        Args:
            most: How many at most.
        """
        items = self._items
        taken = [items.popleft() for _ in range(min(most, len(items)))]
        self.size -= sum(map(_cost, taken))
        if len(items) <= self._most // 2 and self.size <= self._most_size // 2:
            self.has_room = True
        return taken

    def clear(self) -> None:
        """Drop everything."""
        self.take(len(self._items))

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Buffer {len(self)} of {self._most}, {self.size} bytes>"


def _cost(item: Item) -> int:
    return _OVERHEAD + len(item.data) if isinstance(item, Event) else _OVERHEAD
