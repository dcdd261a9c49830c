"""How much a stream may hold before it is not read from any more.

It refuses to know who stops reading, and how.
"""

from typing import Final

__all__ = [
    "MOST_CROWDED",
    "MOST_FLYING",
    "MOST_HELD",
    "MOST_ITEMS",
    "MOST_TOGETHER",
    "Room",
]

MOST_HELD: Final = 1024 * 1024
"""Bytes that wait for something before a stream stops reading; it goes on at half."""
MOST_FLYING: Final = 64 * 1024 * 1024
"""Bytes that are on their way, due at a known time, before it stops; likewise.

A delay needs as many as come while it lasts: with less it would be a bandwidth, too.
"""
MOST_ITEMS: Final = 262_144
"""Items that wait, whatever their size, before it stops; likewise."""
MOST_TOGETHER: Final = 512 * 1024 * 1024
"""Bytes that the streams of a proxy have together before each has `MOST_CROWDED`."""
MOST_CROWDED: Final = 64 * 1024
"""Bytes that a stream may have, of whatever kind, where all have too much."""


class Room:
    """What the streams of one proxy have together.

    Attributes:
        taken: Bytes: held by toxics, of frames that are not whole yet, and written to
            sides that take no more.
    """

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Room {self.taken} bytes taken>"

    @property
    def is_crowded(self) -> bool:
        """Whether all of them have too much."""
        return self.taken > MOST_TOGETHER

    def is_full(self, held: int, flying: int, items: int, *, was_full: bool) -> bool:
        """Tell whether a stream has too much.

        Args:
            held: Bytes that are in it.
            flying: Those of them that are on their way.
            items: How many items that is.
            was_full: Whether it had too much before: then half of it has to go.
        """
        share = 2 if was_full else 1
        if self.is_crowded and held > MOST_CROWDED // share:
            return True
        return (
            held - flying > MOST_HELD // share
            or flying > MOST_FLYING // share
            or items > MOST_ITEMS // share
        )
