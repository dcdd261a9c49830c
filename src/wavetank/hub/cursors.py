"""Cursors of one topic: which subscription is where, and what it gets next.

They refuse to know how bytes are written and what a subscriber is.

Nearly all subscriptions are at the same place, so they have no cursor of their
own: they are *in step* at ``level``, and one step moves them all. Only those
that replay or lag have a place to themselves.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

__all__ = ["Cursors", "Place"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Place(msgspec.Struct):
    """Where one subscription is that is not in step.

    Attributes:
        seq: The last entry that it got.
        offset: Bytes of the topic up to that entry.
        at: Append time of that entry, or when it fell out of step (s since 1970).
        is_live: Whether it had reached the top before: then it lags. Otherwise it
            replays, and being far from the top is no fault of its own.
    """

    seq: int
    offset: int
    at: float
    is_live: bool


class Cursors(Generic[K, V]):
    """Who is where in one topic.

    Attributes:
        level: The last entry that everybody in step has got.
        in_step: Subscribers at ``level``, each with what the shell wants to have at
            hand for them: a step of thousands should touch nothing else.
        behind: Subscribers with a place of their own.
    """

    __slots__ = ("behind", "in_step", "level")

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.in_step: dict[K, V] = {}
        self.behind: dict[K, Place] = {}

    def __len__(self) -> int:
        """Return how many subscriptions there are."""
        return len(self.in_step) + len(self.behind)

    def __contains__(self, key: K) -> bool:
        """Tell whether somebody has a subscription."""
        return key in self.in_step or key in self.behind

    def enter(self, key: K, value: V, place: Place) -> bool:
        """Begin a subscription.

        Returns:
            Whether it is in step from the start.
        """
        if place.seq == self.level:
            self.in_step[key] = value
            return True
        self.behind[key] = place
        return False

    def leave(self, key: K) -> int:
        """End a subscription; return the last entry that it got."""
        if key in self.in_step:
            del self.in_step[key]
            return self.level
        return self.behind.pop(key).seq

    def fall_behind(self, key: K, place: Place) -> None:
        """Give somebody in step a place of its own, at the level."""
        del self.in_step[key]
        self.behind[key] = place

    def rejoin(self, key: K, value: V) -> bool:
        """Put somebody back in step, if its place is the level.

        Returns:
            Whether it is in step now.
        """
        if self.behind[key].seq != self.level:
            return False
        del self.behind[key]
        self.in_step[key] = value
        return True

    def pending(self, top: int) -> int:
        """Return how many entries up to ``top`` are still owed, summed."""
        owed = sum(top - place.seq for place in self.behind.values())
        return owed + len(self.in_step) * (top - self.level)

    def __repr__(self) -> str:
        """Show how many are where."""
        return (
            f"<Cursors {len(self.in_step)} in step at {self.level}, "
            f"{len(self.behind)} behind>"
        )
