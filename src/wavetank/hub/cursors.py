"""Cursors of one topic: which subscription is where, and what it gets next.

They refuse to know how bytes are written and what a subscriber is.

Nearly all subscriptions are at the same place, so they have no cursor of their
own: they are *in step* at ``level``, and one step moves them all. Only those
that replay or lag have a place to themselves.
"""

from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

import msgspec

from wavetank.hub.log import Mark

__all__ = ["Cursors", "Form", "Place"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Form = int | None
"""How somebody gets events: deflated in a window of so many bits, or as they are."""


class Place(msgspec.Struct):
    """Where one subscription is that is not in step.

    Attributes:
        seq: The last entry that it got.
        offset: Bytes of the topic up to that entry.
        at: Append time of that entry, or when it fell out of step (s since 1970).
        is_live: Whether it had reached the top before: then it lags. Otherwise it
            replays, and being far from the top is no fault of its own.
        is_latest: Whether it jumps to the newest entry instead of going on.
        start: Where it begins, as long as its topic has to be announced to it.
        not_before: When it may get the next event, where it wants only so many a
            second; minus infinity is at once.
    """

    seq: int
    offset: int
    at: float
    is_live: bool
    is_latest: bool = False
    start: Mark | None = None
    not_before: float = -inf


class Cursors(Generic[K, V]):
    """Who is where in one topic.

    Attributes:
        level: The last entry that everybody in step has got.
        in_step: Subscribers at ``level``, by the form of what they get, each with
            what the shell wants to have at hand for them: a step of thousands
            should touch nothing else. There is no empty form.
        behind: Subscribers with a place of their own.
        latest: Those, in step or not, who jump to the newest entry when behind.
    """

    __slots__ = ("behind", "in_step", "latest", "level")

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.in_step: dict[Form, dict[K, V]] = {}
        self.behind: dict[K, Place] = {}
        self.latest: set[K] = set()

    def __len__(self) -> int:
        """Return how many subscriptions there are."""
        return self._count_in_step() + len(self.behind)

    def __contains__(self, key: K) -> bool:
        """Tell whether somebody has a subscription."""
        return key in self.behind or any(key in each for each in self.in_step.values())

    def is_in_step(self, key: K, form: Form = None) -> bool:
        """Tell whether somebody is at the level, and gets what all get there."""
        return key in self.in_step.get(form, ())

    def enter(self, key: K, value: V, place: Place, *, form: Form = None) -> bool:
        """Begin a subscription.

        Returns:
            Whether it is in step from the start.
        """
        if place.is_latest:
            self.latest.add(key)
        self.behind[key] = place
        return place.start is None and self.rejoin(key, value, form=form)

    def leave(self, key: K, *, form: Form = None) -> int:
        """End a subscription; return the last entry that it got."""
        self.latest.discard(key)
        place = self.behind.pop(key, None)
        if place is not None:
            return place.seq
        self._step_out(key, form)
        return self.level

    def fall_behind(self, key: K, place: Place, *, form: Form = None) -> None:
        """Give somebody in step a place of its own, at the level."""
        self._step_out(key, form)
        place.is_latest = key in self.latest
        self.behind[key] = place

    def rejoin(self, key: K, value: V, *, form: Form = None) -> bool:
        """Put somebody back in step, if its place is the level.

        Returns:
            Whether it is in step now.
        """
        if self.behind[key].seq != self.level:
            return False
        del self.behind[key]
        self.in_step.setdefault(form, {})[key] = value
        return True

    def pending(self, top: int) -> int:
        """Return how many entries up to ``top`` are still owed, summed."""
        owed = sum(top - place.seq for place in self.behind.values())
        return owed + self._count_in_step() * (top - self.level)

    def _count_in_step(self) -> int:
        return sum(map(len, self.in_step.values()))

    def _step_out(self, key: K, form: Form) -> None:
        group = self.in_step[form]
        del group[key]
        if not group:
            del self.in_step[form]

    def __repr__(self) -> str:
        """Show how many are where."""
        return (
            f"<Cursors {self._count_in_step()} in step at {self.level}, "
            f"{len(self.behind)} behind>"
        )
