"""Interest windows: which publications of a topic a subscriber is owed.

They refuse to know what it got. A publication is known by its position (place in the
log, -1 where there is none) and by its index (order in which they were begun).
"""

from collections.abc import Mapping

__all__ = ["Window"]


class Window:
    """What is owed from a subscription to its end.

    It begins behind the head that the target named, or with the first delivery. What
    is begun after the target has confirmed is owed too, whatever its position; and
    after a first delivery that has none.

    Args:
        position: The first that is owed; None where it is not known yet.
        index: All from this one on are owed; None where it is not known yet.

    Attributes:
        is_open: Whether it goes on.
        highest: Of a window that is over: publisher -> number of its last message
            that came. What is before that was owed.
    """

    __slots__ = ("_last", "first", "highest", "index", "is_open")

    def __init__(self, position: int | None, index: int | None) -> None:
        self.first = position
        self.index = index
        self.is_open = True
        self.highest: Mapping[int, int] = {}
        self._last = -1

    @property
    def has_begun(self) -> bool:
        """Whether it is known from where on something is owed."""
        return self.first is not None or self.index is not None

    def begin(self, position: int, index: int) -> None:
        """Take the first delivery, where it says when the window began.

        Args:
            position: Its position, or -1.
            index: How many publications have begun by now.
        """
        if self.first is not None:
            return
        if position >= 0:
            self.first = position
        elif self.index is None:
            self.index = index

    def close(self, last: int, highest: Mapping[int, int]) -> None:
        """End it.

        Args:
            last: The last position that is owed; -1 for none.
            highest: Publisher -> the last of its messages that came, where their
                order says that the earlier ones were owed.
        """
        self.is_open = False
        self._last = last
        self.highest = highest

    def owes(self, position: int, index: int) -> bool:
        """Tell whether a publication is in it.

        Of a window that is over, one without position is in it where `is_behind`
        says so of its number.
        """
        if not self.is_open and position > self._last:
            return False
        if self.first is not None and position >= self.first:
            return True
        return self.index is not None and index >= self.index

    def is_behind(self, publisher: int, number: int) -> bool:
        """Tell whether a later message of the publisher came before it was over."""
        return number < self.highest.get(publisher, 0)

    def may_owe(self, position: int, index: int) -> bool:
        """Tell whether it owes anything up to a position and an index.

        Args:
            position: The highest of some publications.
            index: The last of them.
        """
        return (self.first is not None and position >= self.first) or (
            self.index is not None and index >= self.index
        )

    def __repr__(self) -> str:
        """Show where it begins and whether it is over."""
        end = "on" if self.is_open else f"to {self._last}"
        return f"<Window from {self.first} or index {self.index} {end}>"
