"""Conflation: when those who want at most so many events a second get the newest.

It refuses to know bytes, and how they are written.
"""

from collections.abc import Callable
from math import inf
from typing import Protocol

from wavetank.hub.aio.topic import Subscriber, Topic, TopicPace
from wavetank.hub.cursors import Place
from wavetank.hub.deadlines import Deadlines
from wavetank.hub.pace import Pace

__all__ = ["LOOK_AHEAD", "Beat", "Conflation", "Loop", "Timer"]

LOOK_AHEAD = 5.0
"""Longest deadline that is set, in seconds; then it is set again.

One that is dropped keeps its place among the deadlines until its time comes, and a
client may ask for one event in a year.
"""

Beat = tuple[Topic, TopicPace]
"""A pace whose time has come, and its topic."""


class Timer(Protocol):
    """Something that will be called back."""

    def cancel(self) -> object:
        """Do not call back."""
        ...


class Loop(Protocol):
    """What fan-out needs of the event loop."""

    def call_soon(self, callback: Callable[[], None]) -> object:
        """Call in the next turn."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call after so many seconds."""
        ...

    def time(self) -> float:
        """Return seconds that never go back."""
        ...


class Conflation:
    """The paces of all topics, with one timer for them.

    Args:
        loop: Has the time, and calls back.
        rouse: Called when beats are due: ``take`` is to follow soon.
    """

    __slots__ = ("_deadlines", "_due", "_loop", "_rouse", "_timer", "_timer_at")

    def __init__(self, loop: Loop, rouse: Callable[[], None]) -> None:
        self._loop = loop
        self._rouse = rouse
        self._due: dict[tuple[Topic, float], None] = {}
        self._deadlines: Deadlines[tuple[Topic, float]] = Deadlines()
        self._timer: Timer | None = None
        self._timer_at = inf

    # Who comes and goes.

    def enter(
        self, subscriber: Subscriber, topic: Topic, place: Place, *, rate: float
    ) -> None:
        """Begin a subscription with a rate."""
        pace = topic.paces.get(rate)
        if pace is None:
            pace = topic.paces[rate] = Pace(rate, topic.log.visible)
        subscriber.paces[topic] = pace
        pace.enter(subscriber, place)
        if not subscriber.is_paused:
            self.wake(subscriber, topic)

    def leave(self, subscriber: Subscriber, topic: Topic) -> int:
        """End a subscription with a rate; return the last entry that it got."""
        pace = subscriber.paces.pop(topic)
        until = pace.leave(subscriber, form=subscriber.window)
        if not len(pace.cursors):
            del topic.paces[pace.rate]
            topic.resting.pop(pace.rate, None)
            self._due.pop((topic, pace.rate), None)
            self._deadlines.drop((topic, pace.rate))
        return until

    def wake(self, subscriber: Subscriber, topic: Topic) -> None:
        """Note that somebody out of step takes bytes now."""
        pace, visible = subscriber.paces[topic], topic.log.visible
        now = self._loop.time()
        pace.wake(subscriber, now)
        # Thousands may come at once: nobody looks at all the others for each.
        if pace.owes(subscriber, visible):
            self._due[topic, pace.rate] = None
            self._rouse()
            return
        form = subscriber.window
        pace.join(subscriber, subscriber.try_write, form=form, now=now, visible=visible)
        topic.resting[pace.rate] = pace

    # When.

    def published(self, topic: Topic) -> None:
        """Plan the beats of those who rested: there is a newer entry."""
        for pace in list(topic.resting.values()):
            self.plan(topic, pace)

    def take(self) -> list[Beat]:
        """Return the beats that are due; ``plan`` has to follow for each."""
        due, self._due = self._due, {}
        beats = [(topic, topic.paces[rate]) for topic, rate in due]
        for topic, pace in beats:
            self._regroup(topic, pace)
        return beats

    def done(self, topic: Topic, pace: TopicPace) -> None:
        """Note that a beat was written; plan the next one."""
        self._regroup(topic, pace)
        self.plan(topic, pace)

    def plan(self, topic: Topic, pace: TopicPace) -> None:
        """Find out when a pace has to be looked at."""
        key = (topic, pace.rate)
        due_at = pace.due_at(topic.log.visible)
        if due_at == inf:
            self._deadlines.drop(key)
            # Whoever sleeps is planned for when it wakes.
            if pace.is_listening:
                topic.resting[pace.rate] = pace
            else:
                topic.resting.pop(pace.rate, None)
            return
        topic.resting.pop(pace.rate, None)
        now = self._loop.time()
        if due_at <= now:
            self._due[key] = None
            self._rouse()
        else:
            self._deadlines.set(key, min(due_at, now + LOOK_AHEAD))
            self._set_timer()

    def _regroup(self, topic: Topic, pace: TopicPace) -> None:
        """Bring in step whoever can be."""
        now, visible = self._loop.time(), topic.log.visible
        for each in list(pace.awake):
            pace.join(each, each.try_write, form=each.window, now=now, visible=visible)

    def _set_timer(self) -> None:
        at = self._deadlines.next_at()
        if at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(at - self._loop.time(), self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, inf
        due = self._deadlines.due(self._loop.time())
        if due:
            self._due.update(dict.fromkeys(due))
            self._rouse()
        self._set_timer()

    def __repr__(self) -> str:
        """Show how much is planned."""
        return f"<Conflation {len(self._due)} due, {self._deadlines!r}>"
