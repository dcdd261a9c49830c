"""Following: one subscription, to a topic or a pattern, over all its connections.

It refuses to know sockets, buffers and timers: what the hub says comes in, items
for the reader and the next command come out.

    OUT -> ASKED -> LIVE -> BROKEN -> ASKED ...
                    LIVE -> LEAVING -> OUT     (the reader has no room)

Whatever comes outside of LIVE is of a subscription that is over: the next answer
says where things go on, so nothing of it is needed.
"""

import enum
from collections.abc import Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from wavetank.client.backoff import Backoff
from wavetank.client.failures import Refused
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.client.tracker import Tracker, Verdict
from wavetank.protocol import (
    MAX_TOPIC,
    Error,
    Id,
    MaxRate,
    Position,
    Reason,
    Start,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    TopicAdded,
    Unsubscribe,
    is_pattern,
    matches,
    parse_tag,
    valid_topic,
)
from wavetank.protocol import Event as EventPush
from wavetank.protocol import Gap as GapPush

if TYPE_CHECKING:
    import random

__all__ = [
    "MOST_TOPICS",
    "MOST_TRIES",
    "POSITIONS_LOST",
    "Following",
    "Phase",
    "Want",
    "Wish",
]

_COMMAND_BYTES = 512
"""Bytes of a subscribe command without its positions, at most."""

_PLACE_BYTES = 110
"""Bytes of a position in a command without its topic, at most."""

MOST_TRIES = 3
"""How often a hub is asked again for one missing event before it counts as lost."""

MOST_TOPICS = 100_000
"""Most topics of one pattern; a hub that names more of them is out of its mind."""

POSITIONS_LOST = "positions_lost"
"""Reason of a gap before the first event: where it went on from is not known."""


class Phase(enum.Enum):
    """What the hub knows of it on this connection."""

    OUT = "out"
    """Nothing."""
    ASKED = "asked"
    """A subscribe was sent, and its answer has not come."""
    LIVE = "live"
    BROKEN = "broken"
    """It is subscribed, but something is missing: a new subscribe will mend it."""
    LEAVING = "leaving"
    """An unsubscribe was sent, and its answer has not come."""
    ENDED = "ended"
    """It was closed, or refused for good."""


class Want(enum.Enum):
    """What it wants to tell the hub now."""

    NOTHING = "nothing"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for.

    Attributes:
        topic: Topic or pattern.
        since: ``earliest``, or a time in seconds since 1970; None is live only.
        known: Topic to position, where one goes on that was here before; for a
            pattern even an empty one says that.
        deliver: What the hub does when this is behind or too fast.
        is_lost: Whether somebody was here before, but ``known`` could not be read.
    """

    topic: str
    since: Literal["earliest"] | float | None = None
    known: Mapping[str, Position] | None = None
    deliver: Literal["all", "latest"] | MaxRate = "all"
    is_lost: bool = False


class Following:
    """One subscription.

    Args:
        wish: What was asked for.
        backoff: Between attempts that are in vain.
        rng: Its dice.

    Attributes:
        phase: What the hub knows of it.
        retry_at: Before that it does not subscribe, in seconds of ``now``.
        refusal: Why it is over, if the hub said so.
        trackers: Where it is in each of its topics.
        is_asked: Whether the hub may have this subscription.
        placed: Topics that got their first place since somebody looked.
        healed: How often it subscribed again because something was missing.
        duplicates: Events that came again and were dropped.
    """

    def __init__(self, wish: Wish, *, backoff: Backoff, rng: "random.Random") -> None:
        self._wish = wish
        self._backoff = backoff
        self._rng = rng
        self._is_resuming = wish.known is not None
        self._vain = 0
        self._strange = 0
        self._stale: Stale | None = None
        self._catching: dict[str, int] = {}
        self.phase = Phase.OUT
        self.is_asked = False
        self.retry_at = 0.0
        self.refusal: Refused | None = None
        known = wish.known or {}
        self.trackers = {topic: Tracker.at(place) for topic, place in known.items()}
        self.placed: list[str] = list(self.trackers)
        self.healed = 0
        self.duplicates = 0

    @property
    def topic(self) -> str:
        """Topic or pattern, as it is subscribed."""
        return self._wish.topic

    @property
    def is_placed(self) -> bool:
        """Whether it goes on from positions from now on."""
        return self._is_resuming

    # Commands.

    def want(self, now: float, *, has_room: bool) -> Want:
        """Say what the hub should be told now.

        Args:
            now: The time, in seconds.
            has_room: Whether the reader takes more.
        """
        if not has_room:
            is_on = self.phase in {Phase.LIVE, Phase.BROKEN}
            return Want.UNSUBSCRIBE if is_on else Want.NOTHING
        if self.phase in {Phase.OUT, Phase.BROKEN} and now >= self.retry_at:
            return Want.SUBSCRIBE
        return Want.NOTHING

    def subscribe(self, id: Id, *, room: int | None = None) -> Subscribe:
        """Return the command that begins it, or goes on where it was.

        Args:
            id: Of the command.
            room: Most bytes of a message; None is unlimited. Topics of a pattern
                that do not fit are left out: they come again from their oldest
                entry, and what was seen of them is dropped.
        """
        wish = self._wish
        self.phase = Phase.ASKED
        self.is_asked = True
        start: dict[str, Any]
        if not self._is_resuming:
            is_time = isinstance(wish.since, float)
            start = {"since_time" if is_time else "since": wish.since}
        elif is_pattern(wish.topic):
            start = {"since_each": self._places(room)}
        else:
            start = {"since": self.trackers[wish.topic].position}
        return Subscribe(id=id, topic=wish.topic, deliver=wish.deliver, **start)

    def _places(self, room: int | None) -> dict[str, Position]:
        places = {topic: each.position for topic, each in self.trackers.items()}
        left = inf if room is None else room - _COMMAND_BYTES
        if len(places) * (_PLACE_BYTES + MAX_TOPIC) <= left:
            return places
        chosen = {}
        # The longest topics first: they would be the longest to come again.
        for topic in sorted(places, key=lambda name: -places[name].seq):
            left -= len(topic) + _PLACE_BYTES
            if left < 0:
                break
            chosen[topic] = places[topic]
        return chosen

    def unsubscribe(self, id: Id) -> Unsubscribe:
        """Return the command that ends it."""
        self.is_asked = False
        if self.phase is not Phase.ENDED:
            self.phase = Phase.LEAVING
        return Unsubscribe(id=id, topic=self.topic)

    # Answers.

    def subscribed(
        self, reply: Subscribed | SubscribedPattern, now: float, wall: float
    ) -> list[Item]:
        """Take the answer to a subscribe; return what the reader has to know.

        Args:
            reply: The answer.
            now: The time, in seconds.
            wall: The same, in seconds since 1970.
        """
        if self.phase is not Phase.ASKED:
            return []
        starts = self._starts(reply)
        self.phase = Phase.LIVE
        if not is_pattern(self.topic) and not starts:
            self._heal_unknown(now)
            return []
        items: list[Item] = []
        for topic, start in starts.items():
            gap = self._start(topic, start)
            if gap is not None:
                items.append(gap)
        self._is_resuming = True
        self._vain = 0
        self._catching = {
            topic: start.seq
            for topic, start in starts.items()
            if topic in self.trackers and self.trackers[topic].seq < start.seq
        }
        return [*items, *self._freshened(wall)]

    def _starts(self, reply: Subscribed | SubscribedPattern) -> dict[str, Start]:
        """Return the places that an answer names, but for topics that are not ours."""
        if isinstance(reply, Subscribed):
            starts = {reply.topic: reply.start}
        else:
            starts = reply.topics
        return {topic: start for topic, start in starts.items() if self._has(topic)}

    def _has(self, topic: str) -> bool:
        return valid_topic(topic) and matches(self.topic, topic)

    def _start(self, topic: str, start: Start) -> Gap | None:
        tracker = self.trackers.get(topic)
        if tracker is not None:
            return tracker.resume(topic, start)
        if not self._place(topic, Tracker.behind(start)):
            return None
        after = start.after
        if self._is_resuming and after.seq:
            # The topic came up while we were away, and lost its oldest entries again.
            reason = start.reason or Reason.TRUNCATED.value
            return _gap_before(start, topic=topic, first=1, reason=reason)
        self.placed.append(topic)
        if self._is_resuming or not self._wish.is_lost:
            return None
        # Nobody knows what is missing, and whether anything is.
        first = after.seq + 1
        return _gap_before(start, topic=topic, first=first, reason=POSITIONS_LOST)

    def _place(self, topic: str, tracker: Tracker) -> bool:
        if len(self.trackers) >= MOST_TOPICS:
            words = f"the hub names more than {MOST_TOPICS} topics"
            self._end(Refused(words, code="too_many_topics", topic=self.topic))
            return False
        self.trackers[topic] = tracker
        return True

    def refused(self, error: Error, now: float) -> None:
        """Take an error as the answer to a subscribe."""
        if self.phase is not Phase.ASKED:
            return
        self.phase = Phase.OUT
        self.is_asked = False
        if not error.retryable:
            words = f"{self.topic}: {error.message}"
            self._end(Refused(words, code=error.code, topic=self.topic))
            return
        self._wait(now, error.retry_after)

    def unsubscribed(self) -> None:
        """Take the answer to an unsubscribe; an error says the same."""
        if self.phase is Phase.LEAVING:
            self.phase = Phase.OUT

    def dismissed(self, reason: str | None, now: float) -> None:
        """Hear that the hub has ended it by itself."""
        if self.phase in {Phase.LEAVING, Phase.ENDED}:
            return
        self.phase = Phase.OUT
        self.is_asked = False
        if reason == Reason.FORBIDDEN:
            words = f"{self.topic}: the right to it was taken away"
            self._end(Refused(words, code="topic_forbidden", topic=self.topic))
        else:
            self._wait(now, None)

    def _end(self, refusal: Refused | None) -> None:
        self.phase = Phase.ENDED
        self.refusal = refusal

    def _wait(self, now: float, at_least: float | None) -> None:
        delay = self._backoff.delay(self._vain, self._rng)
        self._vain += 1
        self.retry_at = now + max(delay, min(at_least or 0.0, self._backoff.cap))

    def close(self) -> None:
        """End it; nothing more is wanted."""
        self._end(None)

    # Pushes.

    def offer(self, push: EventPush, now: float, wall: float) -> tuple[Item, ...]:
        """Take an event; return what the reader gets, mostly just that."""
        if self.phase is not Phase.LIVE:
            return ()
        tracker = self.trackers.get(push.topic)
        if tracker is None:
            self._heal_unknown(now)
            return ()
        payload = push.payload
        verdict = tracker.offer(push, payload)
        if verdict is Verdict.DUPLICATE:
            self.duplicates += 1
            return ()
        gaps: tuple[Gap, ...] = ()
        if verdict is not Verdict.EXPECTED:
            if not self._is_past_healing(tracker, now):
                return ()
            gaps = (tracker.force(push, verdict),)
        event = Event(
            topic=push.topic,
            epoch=tracker.epoch,
            seq=push.seq,
            at=push.at,
            data=payload,
            chain=tracker.tag,
        )
        if self._catching or gaps:
            return (*gaps, event, *self._caught_up(push.topic, push.seq, wall))
        return (event,)

    def skip(self, push: GapPush, now: float, wall: float) -> tuple[Item, ...]:
        """Take a gap that the hub announces."""
        if self.phase is not Phase.LIVE:
            return ()
        tracker = self.trackers.get(push.topic)
        if tracker is None:
            self._heal_unknown(now)
            return ()
        verdict = tracker.judge_gap(push)
        if verdict is Verdict.DUPLICATE:
            return ()
        if verdict is Verdict.HOLE and not self._is_past_healing(tracker, now):
            return ()
        tracker.tries = 0
        gap = tracker.skip(push)
        return (gap, *self._caught_up(push.topic, push.last, wall))

    def add(self, push: TopicAdded, now: float) -> tuple[Item, ...]:
        """Take a topic that is new to a pattern."""
        if self.phase is not Phase.LIVE or not self._has(push.topic):
            return ()
        after = push.after
        start = Start(
            epoch=push.epoch,
            seq=after.seq,
            tag=after.tag,
            oldest=after.seq + 1,
            recovered=True,
            reason=None,
            after=after,
        )
        tracker = self.trackers.get(push.topic)
        if tracker is None:
            if self._place(push.topic, Tracker.behind(start)):
                self.placed.append(push.topic)
            return ()
        is_hole = push.epoch == tracker.epoch and after.seq > tracker.seq
        if is_hole and not self._is_past_healing(tracker, now):
            return ()
        gap = tracker.resume(push.topic, start)
        return () if gap is None else (gap,)

    def beat(self, topic: str, seq: int, tag: str, now: float) -> None:
        """Take the top that a heartbeat names."""
        if self.phase is not Phase.LIVE:
            return
        tracker = self.trackers.get(topic)
        if tracker is None:
            self._heal_unknown(now)
        elif tracker.compare(seq, tag) is not Verdict.EXPECTED:
            self._heal(now, 0)

    def _is_past_healing(self, tracker: Tracker, now: float) -> bool:
        """Ask the hub again for what is missing, but not for ever."""
        if tracker.tries >= MOST_TRIES:
            return True
        self._heal(now, tracker.tries)
        tracker.tries += 1
        return False

    def _heal(self, now: float, tries: int) -> None:
        self.phase = Phase.BROKEN
        self.healed += 1
        wait = self._backoff.delay(tries, self._rng) if tries else 0.0
        self.retry_at = now + wait

    def _heal_unknown(self, now: float) -> None:
        """Ask again because of a topic that was never announced."""
        self._heal(now, self._strange)
        self._strange += 1

    # Fresh or not.

    def lost(self) -> None:
        """Hear that the connection is gone."""
        self.is_asked = False
        if self.phase is not Phase.ENDED:
            self.phase = Phase.OUT
            self.retry_at = 0.0

    def grow_stale(self, reason: str, since: float) -> list[Item]:
        """Hear that nothing comes; return what the reader has to know.

        Args:
            reason: ``disconnected`` or ``silent``.
            since: When the hub was heard last, in seconds since 1970.
        """
        if self._stale is not None or self.phase is Phase.ENDED:
            return []
        self._stale = Stale(is_stale=True, reason=reason, since=since)
        return [self._stale]

    def _freshened(self, wall: float) -> Iterator[Item]:
        if self._stale is not None and not self._catching:
            stale, self._stale = self._stale, None
            yield Stale(
                is_stale=False, reason=stale.reason, since=stale.since, until=wall
            )

    def _caught_up(self, topic: str, seq: int, wall: float) -> Iterator[Item]:
        if seq >= self._catching.get(topic, 0):
            self._catching.pop(topic, None)
        yield from self._freshened(wall)

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Following {self.topic} {self.phase.value} {len(self.trackers)}>"


def _gap_before(start: Start, *, topic: str, first: int, reason: str) -> Gap:
    after = start.after
    return Gap(
        topic=topic,
        epoch=start.epoch,
        first=first,
        last=after.seq,
        reason=reason,
        chain=parse_tag(after.tag),
    )
