"""How much a stream may hold before it is not read from any more.

It refuses to know who stops reading, and how.
"""

from typing import Final

__all__ = ["MOST_FLYING", "MOST_HELD", "MOST_ITEMS", "MOST_TOGETHER", "Room"]

MOST_HELD: Final = 1024 * 1024
"""Bytes that wait for something before a stream stops reading; it goes on at half."""
MOST_FLYING: Final = 64 * 1024 * 1024
"""Bytes that are on their way, due at a known time, before it stops; likewise.

A delay needs as many as come while it lasts: with less it would be a bandwidth, too.
"""
MOST_ITEMS: Final = 262_144
"""Items that wait, whatever their size, before it stops; likewise."""
MOST_TOGETHER: Final = 512 * 1024 * 1024
"""Bytes that the streams of a proxy have on their way before each has `MOST_HELD`."""


class Room:
    """What the streams of one proxy have on their way together.

    Attributes:
        taken: Bytes.
    """

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Room {self.taken} bytes taken>"

    def is_full(self, held: int, flying: int, items: int, *, was_full: bool) -> bool:
        """Tell whether a stream has too much.

        Args:
            held: Bytes that are in it.
            flying: Those of them that are on their way.
            items: How many items that is.
            was_full: Whether it had too much before: then half of it has to go.
        """
        share = 2 if was_full else 1
        is_crowded = self.taken > MOST_TOGETHER
        return (
            held - flying > MOST_HELD // share
            or flying > (MOST_HELD if is_crowded else MOST_FLYING) // share
            or items > MOST_ITEMS // share
        )
