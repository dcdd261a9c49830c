"""Fan-out: once per turn of the loop, each subscriber gets what is new in one write.

It refuses to know sessions, commands and sockets: a subscriber is a place to write
to, and says by itself when it takes no more.

Nothing here runs per message *and* subscriber. Whoever is in step with a topic
gets the same joined bytes, and whoever lags costs a cursor, not a queue.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from wavetank.hub.accounting import Account, Fates
from wavetank.hub.aio.conflation import Beat, Conflation, Loop
from wavetank.hub.aio.logs.base import Log
from wavetank.hub.aio.logs.memory import EAGER_BYTES
from wavetank.hub.aio.parcels import (
    DEFLATED_AT_ONCE,
    PAGE_BYTES,
    PAGES_AT_ONCE,
    REST_BYTES,
    Page,
    Pages,
    Parcel,
    Step,
)
from wavetank.hub.aio.readings import Readings
from wavetank.hub.aio.topic import (
    Deliver,
    Publisher,
    Subscriber,
    Topic,
    TopicCursors,
    TopicPace,
)
from wavetank.hub.aio.writes import write_all
from wavetank.hub.cursors import Place
from wavetank.hub.effects import Behind
from wavetank.hub.gathering import Gathering
from wavetank.hub.tally import Tally
from wavetank.protocol import MaxRate

__all__ = ["PAGE_BYTES", "FanOut", "Publisher", "Subscriber", "Topic"]


class FanOut:
    """Writes events to subscribers.

    Args:
        loop: Has the time, and calls back.
        log: Where entries are that memory forgot.
        wall: Reads the time, in seconds since 1970.
        now: Reads a finer clock than the loop's, in seconds; None: that one.
        start: Starts a coroutine as a task of the node.
        tally: Where it counts.

    Attributes:
        is_hurried: Whether nothing waits for anything: the node is about to stop.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        *,
        wall: Callable[[], float],
        now: Callable[[], float] | None = None,
        start: Callable[[Coroutine[Any, Any, None]], object],
        tally: Tally | None = None,
    ) -> None:
        self._loop = loop
        self._wall = wall
        self._now = now or loop.time
        self._tally = tally or Tally()
        self._readings = Readings(
            log, start=start, deliver=self._deliver_read, wake=self._wake
        )
        self._dirty: list[Topic] = []
        self._catching: dict[Subscriber, None] = {}
        self._paused: list[Subscriber] = []
        self._pages = Pages()
        self._conflation = Conflation(loop, self._schedule)
        self._gathering, self._most = Gathering(), 0
        self._is_scheduled = self._is_flushing = False
        self._is_whole = True
        self.is_hurried = False

    # What happens.

    def published(self, topic: Topic) -> None:
        """Note that more of a topic is visible."""
        cursors, log = topic.cursors, topic.log
        if topic.resting:
            self._conflation.published(topic)
        if not cursors.in_step:
            # Whoever is behind goes on by itself, from its own place.
            cursors.level = log.visible
            log.settle(log.visible)
            return
        if not topic.is_dirty:
            topic.is_dirty = True
            self._dirty.append(topic)
            self._schedule()
        waiting = log.ring.total - log.ring.offset(cursors.level)
        if waiting > EAGER_BYTES and not self._is_flushing:
            self.flush()

    def enter(
        self,
        subscriber: Subscriber,
        topic: Topic,
        after: int,
        *,
        deliver: Deliver = "all",
        is_announced: bool = True,
    ) -> None:
        """Begin a subscription: everything behind ``after`` is owed.

        Args:
            subscriber: Who; it has no subscription to this topic, and what was
                written to it before stands before all events.
            topic: The topic.
            after: Seq of the last entry that it does not get.
            deliver: What it wants when it is behind, or the rate that it wants.
            is_announced: Whether it knows of the topic; else it is told first, and
                memory has to know that place (a LocalError else).
        """
        log, form = topic.log, subscriber.window
        place = Place(
            seq=after,
            offset=log.ring.offset(after) if log.is_in_memory(after) else 0,
            at=self._wall(),
            is_live=after == log.visible,
            is_latest=deliver == "latest",
            start=None if is_announced else topic.start_at(after),
        )
        topic.account.subscribed(after)
        subscriber.topics[log.topic] = topic
        if isinstance(deliver, MaxRate):
            rate = deliver.max_rate
            self._conflation.enter(subscriber, topic, place, rate=rate)
            return
        if topic.cursors.enter(subscriber, subscriber.try_write, place, form=form):
            if not subscriber.is_paused:
                return
            topic.cursors.fall_behind(subscriber, place, form=form)
        self._fell_behind(subscriber, topic)

    def leave(self, subscriber: Subscriber, topic: Topic) -> None:
        """End a subscription; nothing of it is written from now on."""
        del subscriber.topics[topic.log.topic]
        if topic in subscriber.paces:
            until = self._conflation.leave(subscriber, topic)
        else:
            subscriber.behind.pop(topic, None)
            if not subscriber.behind:
                self._catching.pop(subscriber, None)
            until = topic.cursors.leave(subscriber, form=subscriber.window)
        topic.account.unsubscribed(until)

    def leave_all(self, subscriber: Subscriber) -> list[Topic]:
        """End all subscriptions of somebody; return their topics."""
        topics = list(subscriber.topics.values())
        for topic in topics:
            self.leave(subscriber, topic)
        return topics

    def paused(self, subscriber: Subscriber) -> None:
        """Note that somebody takes nothing more for now."""
        subscriber.is_paused = True
        self._paused.append(subscriber)
        if not self._is_flushing:
            self._settle_paused()

    def resumed(self, subscriber: Subscriber) -> None:
        """Note that somebody takes bytes again: it goes on from its cursors."""
        subscriber.is_paused = False
        if subscriber.behind:
            self._catch(subscriber)
        for topic in subscriber.paces:
            self._wake(subscriber, topic)

    def behind(self, subscriber: Subscriber) -> Behind | None:
        """Say how far somebody lags: replays, and who jumps to the newest, do not."""
        wall = self._wall()
        lags = [topic.lag_of(subscriber, wall) for topic in subscriber.behind]
        found = [lag for lag in lags if lag is not None]
        if not found:
            return None
        return Behind(max(lag.age for lag in found), sum(lag.size for lag in found))

    def is_settled(self, subscriber: Subscriber, topic: Topic) -> bool:
        """Tell whether somebody has all that is meant for it, so far."""
        return topic.is_settled(subscriber)

    def settled(self) -> None:
        """Hear that nothing more comes in this turn: no need to wait for the next."""
        if self._dirty and not self._must_wait():
            self.flush(is_whole=False)

    # The flush.

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        if self._must_wait():
            self._loop.call_soon(self._flush_turn)
            return
        self._is_scheduled = False
        self.flush(is_whole=False)

    def _must_wait(self) -> bool:
        """Tell whether what is to come should go with what is there."""
        if self.is_hurried:
            return False
        return self._gathering.is_on(self._now(), is_more=self._is_more_coming())

    def _is_more_coming(self) -> bool:
        """Tell whether the log still works on entries of what is to be written."""
        return any(topic.log.top > topic.log.visible for topic in self._dirty)

    def flush(self, *, is_whole: bool = True) -> None:
        """Write to everybody in step all that is new, and a page to those behind.

        Where it is not whole, a short rest behind a full page goes with what comes
        next, in a write that is worth its cost.
        """
        self._is_whole = is_whole or self.is_hurried
        beats, started, self._most = self._conflation.take(), self._now(), 0
        self._is_flushing = True
        try:
            self._step_all(beats)
            for topic, pace in beats:
                self._serve(topic, pace)
            if self._catching:
                self._catch_up()
        finally:
            self._is_flushing = False
            self._pages.clear()
            if self._most:
                self._gathering.swept(started, self._now(), self._most)
            for topic, pace in beats:
                self._conflation.done(topic, pace)
        if self._catching:
            self._schedule()

    def _step_all(self, beats: list[Beat]) -> None:
        """Bring everybody in step to the top, where something is new or due."""
        dirty, self._dirty = self._dirty, []
        pages, now = self._pages, self._loop.time()
        steps = [Step(topic, topic.cursors, pages.page) for topic in dirty]
        for topic, pace in beats:
            if not pace.beats(now, topic.log.visible):
                continue
            if topic.log.has_newest:
                steps.append(Step(topic, pace.cursors, pages.leap, pace))
            else:
                # Memory has given it up: each reads it from the log.
                pace.scatter(now, self._wall())
        for topic in dirty:
            topic.is_dirty = False
        if len(steps) == 1:
            self._step(steps[0])
        elif steps:
            self._step_together(steps)
        for topic in dirty:
            topic.log.settle(topic.cursors.level)

    def _step(self, step: Step) -> None:
        """Bring everybody in step in one place to the top."""
        cursors, log = step.cursors, step.topic.log
        if step.pace is not None:
            step.pace.stepped(self._loop.time())
        while cursors.in_step and cursors.level < log.visible:
            self._hand_out(step)
            self._settle_paused()
            waiting = log.ring.offset(log.visible) - log.ring.offset(cursors.level)
            if not self._is_whole and step.pace is None and 0 < waiting < REST_BYTES:
                self.published(step.topic)
                return
        cursors.level = log.visible

    def _hand_out(self, step: Step) -> None:
        """Write one page to everybody in step."""
        topic, cursors, make, _ = step
        level = to = cursors.level
        broken: list[Subscriber] = []
        for form, group in list(cursors.in_step.items()):
            page = make(topic, level, form)
            to = page.to
            count, failed = write_all(group, page.data)
            topic.account.settle(page.fates, count)
            self._tally.delivered += page.fates.delivered * count
            broken += failed
        self._tally.fanout.observe(self._wall() - topic.log.at, to - level)
        for subscriber in broken:
            self._break(subscriber, topic, cursors, level)
        self._most = max(self._most, to - level)
        cursors.level = to

    def _step_together(self, steps: list[Step]) -> None:
        """Bring everybody in step in several places to their tops, in one write each.

        What would be more than a page follows as for somebody who is behind.
        """
        parcels: dict[Subscriber, Parcel] = {}
        for step in steps:
            cursors, log = step.cursors, step.topic.log
            while cursors.in_step and cursors.level < log.visible:
                self._pack(step, parcels)
            cursors.level = log.visible
            if step.pace is not None:
                step.pace.stepped(self._loop.time())
        for subscriber, parcel in parcels.items():
            data = self._pages.join(parcel.parts)
            if not self._write(subscriber, data, parcel):
                for (topic, cursors), start in parcel.starts.items():
                    self._break(subscriber, topic, cursors, start)
        for step in steps:
            self._tally.fanout.observe(self._wall() - step.topic.log.at)
        self._settle_paused()

    def _pack(self, step: Step, parcels: dict[Subscriber, Parcel]) -> None:
        """Add a page to the parcel of everybody in step."""
        topic, cursors, make, _ = step
        level = to = cursors.level
        for form, group in list(cursors.in_step.items()):
            page = make(topic, level, form)
            to = page.to
            for subscriber in list(group):
                parcel = parcels.get(subscriber)
                if parcel is None:
                    parcel = parcels[subscriber] = Parcel()
                if not parcel.offer(topic, cursors, page):
                    self._fall_behind(subscriber, topic, cursors)
                    self._wake(subscriber, topic)
        cursors.level = to

    def _write(
        self,
        subscriber: Subscriber,
        data: bytes,
        contents: Iterable[tuple[Account, Fates]],
    ) -> bool:
        """Write to one subscriber; tell whether that was possible: others go on."""
        try:
            subscriber.write(data)
        except Exception:  # noqa: BLE001 - see above
            subscriber.is_paused = True
            return False
        for account, fates in contents:
            account.settle(fates)
            self._tally.handed_out(fates.delivered, gapped=fates.gapped)
        return True

    # Those who are not in step.

    def _settle_paused(self) -> None:
        """Give a place of its own to whoever has just stopped taking bytes."""
        for subscriber in self._paused:
            form = subscriber.window
            for topic in subscriber.topics.values():
                cursors = topic.cursors_of(subscriber)
                if cursors.is_in_step(subscriber, form):
                    self._fall_behind(subscriber, topic, cursors)
            for pace in subscriber.paces.values():
                pace.halt(subscriber)
        self._paused.clear()

    def _fall_behind(
        self,
        subscriber: Subscriber,
        topic: Topic,
        cursors: TopicCursors,
    ) -> None:
        """Give somebody in step a place of its own; with a rate, it sleeps there."""
        level, form = cursors.level, subscriber.window
        pace = subscriber.paces.get(topic)
        offset = 0 if pace is not None else topic.log.ring.offset(level)
        place = Place(level, offset, self._wall(), is_live=True)
        if pace is not None:
            pace.fall_behind(subscriber, place, form=form)
            return
        cursors.fall_behind(subscriber, place, form=form)
        self._tally.slow["lag"] += 1
        self._fell_behind(subscriber, topic)

    def _fell_behind(self, subscriber: Subscriber, topic: Topic) -> None:
        subscriber.behind[topic] = None
        if not subscriber.is_paused:
            self._catch(subscriber)

    def _catch(self, subscriber: Subscriber) -> None:
        self._catching[subscriber] = None
        self._schedule()

    def _wake(self, subscriber: Subscriber, topic: Topic) -> None:
        """Let somebody go on from a place of its own, if it has one here."""
        if topic in subscriber.behind:
            self._catch(subscriber)
        elif topic in subscriber.paces and topic.place_of(subscriber) is not None:
            self._conflation.wake(subscriber, topic)

    def _break(
        self, subscriber: Subscriber, topic: Topic, cursors: TopicCursors, level: int
    ) -> None:
        """Keep whoever could not be written to where it was; it will be gone soon."""
        subscriber.is_paused = True
        if cursors.is_in_step(subscriber, subscriber.window):
            self._fall_behind(subscriber, topic, cursors)
        cursors.behind[subscriber].seq = level

    def _serve(self, topic: Topic, pace: TopicPace) -> None:
        """Write the newest event to those out of step who may have it now."""
        now = self._loop.time()
        for subscriber in pace.ready(now, topic.log.visible):
            if subscriber.is_paused:
                pace.halt(subscriber)
                continue
            place = pace.cursors.behind[subscriber]
            page = self._pages.follow(topic, place, subscriber.window)
            if page is None:
                pace.halt(subscriber)
                self._readings.read(subscriber, topic, place)
            elif not self._deliver(subscriber, topic, place, page):
                pace.halt(subscriber)
            elif page.fates.delivered:
                pace.served(subscriber, now)
        self._settle_paused()

    def _catch_up(self) -> None:
        """Write a page each to those who are behind, as many as go in one turn."""
        for _ in range(min(PAGES_AT_ONCE, len(self._catching))):
            subscriber = next(iter(self._catching))
            del self._catching[subscriber]
            if not subscriber.is_paused and self._advance(subscriber):
                self._catching[subscriber] = None
            if self._pages.deflated > DEFLATED_AT_ONCE:
                break
        self._settle_paused()

    def _advance(self, subscriber: Subscriber) -> bool:
        """Go on with the topic whose turn it is; tell whether more can follow."""
        topic, form = next(iter(subscriber.behind)), subscriber.window
        cursors = topic.cursors
        place = cursors.behind[subscriber]
        if place.start is None and cursors.rejoin(
            subscriber, subscriber.try_write, form=form
        ):
            del subscriber.behind[topic]
            if not subscriber.behind:
                subscriber.caught_up()
            return bool(subscriber.behind)
        page = self._pages.follow(topic, place, form)
        if page is None:
            self._readings.read(subscriber, topic, place)
            return False
        self._deliver(subscriber, topic, place, page)
        # The other topics have their turn before this one has another.
        subscriber.behind[topic] = subscriber.behind.pop(topic)
        return True

    def _deliver(
        self, subscriber: Subscriber, topic: Topic, place: Place, page: Page
    ) -> bool:
        """Write to somebody with a place of its own; tell whether that was possible."""
        if place.start is not None:
            page = self._pages.announced(topic, place.start, page)
        fates = page.fates
        if not self._write(subscriber, page.data, ((topic.account, fates),)):
            return False
        if not place.is_live:
            self._tally.replayed += fates.delivered
        if place.is_latest and fates.conflated:
            self._tally.slow["conflate"] += 1
        place.start, place.seq, place.at = None, page.to, self._wall()
        place.offset += page.size
        # What follows behind a gap is a replay of all that is left.
        place.is_live = place.is_live and not fates.gapped
        return True

    def _deliver_read(
        self, waiting: list[Subscriber], topic: Topic, page: Page
    ) -> None:
        """Write a page that was read from the log to all who wait for it."""
        for subscriber in waiting:
            if not subscriber.is_paused:
                place = topic.cursors.behind[subscriber]
                self._deliver(subscriber, topic, place, page)
        self._pages.clear()

    def __repr__(self) -> str:
        """Show how much there is to do."""
        return (
            f"<FanOut {len(self._dirty)} dirty, {len(self._catching)} catching up, "
            f"{self._conflation!r}>"
        )
