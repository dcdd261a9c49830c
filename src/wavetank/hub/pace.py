"""Pace: those who want at most so many events of a topic a second, at one rate.

It refuses to know timers, bytes and how anything is written.

They are moved together, in beats: each beat brings everybody in step to the newest
entry with the same frame, however many entries are left out. Whoever has come, or
read on, between two beats gets the newest entry at once and then waits for a beat
to go along with.
"""

from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

from wavetank.hub.cursors import Cursors, Form, Place

__all__ = ["Pace"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Pace(Generic[K, V]):
    """The subscriptions of one topic with the same ``max_rate``.

    Args:
        rate: Most events in a second.
        level: The newest visible entry.

    Attributes:
        rate: Most events in a second.
        cursors: Who is where.
        next_at: When those in step may get the next event, in seconds.
        awake: Those with a place of their own who take bytes now.
    """

    __slots__ = ("_interval", "awake", "cursors", "next_at", "rate")

    def __init__(self, rate: float, level: int) -> None:
        self.rate = rate
        self.cursors: Cursors[K, V] = Cursors(level)
        self.next_at = -inf
        self.awake: dict[K, None] = {}
        self._interval = 1.0 / rate

    @property
    def is_listening(self) -> bool:
        """Whether anybody would get a new entry without being woken before."""
        return bool(self.cursors.in_step or self.awake)

    def enter(self, key: K, place: Place) -> None:
        """Begin a subscription; it sleeps until it is woken."""
        place.is_latest = True
        self.cursors.behind[key] = place

    def leave(self, key: K, *, form: Form) -> int:
        """End a subscription; return the last entry that it got."""
        self.awake.pop(key, None)
        return self.cursors.leave(key, form=form)

    def fall_behind(self, key: K, place: Place, *, form: Form) -> None:
        """Give somebody in step a place of its own; it sleeps until it is woken."""
        self.cursors.fall_behind(key, place, form=form)
        place.is_latest = True
        place.not_before = self.next_at

    def scatter(self, now: float, wall: float) -> None:
        """Give everybody in step a place of its own, from where it goes on at once.

        Args:
            now: Seconds.
            wall: Seconds since 1970.
        """
        level = self.cursors.level
        in_step = {form: list(each) for form, each in self.cursors.in_step.items()}
        for form, group in in_step.items():
            for key in group:
                place = Place(level, 0, wall, is_live=True)
                self.fall_behind(key, place, form=form)
                self.wake(key, now)

    def wake(self, key: K, now: float) -> None:
        """Note that somebody with a place of its own takes bytes now.

        If its time has come, it need not wait for a beat.
        """
        place = self.cursors.behind[key]
        if place.not_before <= now:
            place.not_before = -inf
        self.awake[key] = None

    def halt(self, key: K) -> None:
        """Note that somebody takes nothing for now."""
        self.awake.pop(key, None)

    def join(self, key: K, value: V, *, form: Form, now: float, visible: int) -> bool:
        """Put somebody awake in step, if the next beat is not too early for it.

        The first one sets the beat for the others.

        Returns:
            Whether it is in step now.
        """
        cursors = self.cursors
        place = cursors.behind[key]
        if place.start is not None or place.seq < visible:
            return False
        if not cursors.in_step:
            cursors.level = place.seq
            self.next_at = place.not_before
        elif place.not_before > max(now, self.next_at):
            return False
        if not cursors.rejoin(key, value, form=form):
            return False
        del self.awake[key]
        return True

    def stepped(self, now: float) -> None:
        """Note that those in step got an event."""
        self.next_at = now + self._interval

    def served(self, key: K, now: float) -> None:
        """Note that somebody with a place of its own got an event."""
        self.cursors.behind[key].not_before = now + self._interval

    def beats(self, now: float, visible: int) -> bool:
        """Tell whether it is time for those in step to get the newest entry."""
        return self._is_beat_due(visible) and self.next_at <= now

    def ready(self, now: float, visible: int) -> list[K]:
        """Return those awake who are to get the newest entry now.

        Whoever has got an event already goes along with the beat that is to come.

        Args:
            now: Seconds.
            visible: The newest visible entry.
        """
        is_beat_due = self._is_beat_due(visible)
        return [
            key
            for key, place in self._owed(visible)
            if place.not_before <= (-inf if is_beat_due else now)
        ]

    def due_at(self, visible: int) -> float:
        """Return when somebody is to get something: infinity is never.

        Args:
            visible: The newest visible entry.
        """
        times = [place.not_before for _, place in self._owed(visible)]
        earliest = min(times, default=inf)
        if earliest == -inf or not self._is_beat_due(visible):
            return earliest
        return self.next_at

    def _is_beat_due(self, visible: int) -> bool:
        return bool(self.cursors.in_step) and self.cursors.level < visible

    def owes(self, key: K, visible: int) -> bool:
        """Tell whether somebody with a place of its own has anything to get."""
        place = self.cursors.behind[key]
        return place.seq < visible or place.start is not None

    def _owed(self, visible: int) -> list[tuple[K, Place]]:
        behind = self.cursors.behind
        return [(key, behind[key]) for key in self.awake if self.owes(key, visible)]

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<Pace {self.rate:g}/s of {self.cursors!r}, {len(self.awake)} awake>"
