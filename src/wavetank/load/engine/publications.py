"""Publish scenarios: publishers publish, subscribers account for every message.

They refuse to know which frames are the same for whom.
"""

import random
from collections import Counter

from wavetank.dialects import Capability, Event, Publish, Reply
from wavetank.load.engine.population import Population
from wavetank.load.engine.requests import frame_head
from wavetank.load.engine.roster import Roster
from wavetank.load.engine.user import Setting, User, masked
from wavetank.load.exchange import Operation
from wavetank.load.feed import Feed, Follower
from wavetank.load.introduction import FIRST_FREE_ID
from wavetank.load.marks import WIDTH, Mark, mark_head, write_mark
from wavetank.load.meter import Meter
from wavetank.load.payloads import Texts
from wavetank.load.plan import Scenario
from wavetank.load.segments import dealt, members
from wavetank.load.splitting import join_frames, split_frame
from wavetank.wire.frames import apply_mask

__all__ = ["Publications", "Publisher", "Subscriber", "topic_of"]


_MOST_FRAMES, _MOST_BYTES = 65_536, 16 * 1024 * 1024
"""What a worker keeps of all topics together for those who come last; at least"""
_LEAST_FRAMES, _LEAST_BYTES = 256, 65_536
"""of each."""


class Subscriber(User):
    """A user that is subscribed to one topic, and accounts for what comes."""

    def __init__(
        self, setting: Setting, number: int, *, population: "Publications", topic: str
    ) -> None:
        super().__init__(
            setting,
            number,
            topic=topic if population.has_topics else "",
            path=population.scenario.path,
            on_ready=population.became_ready,
            on_lost=population.was_lost,
        )
        self._population = population
        self._feed = population.feeds[topic]
        self.follower = self._follow(from_start=not population.scenario.population)
        self._has_started = False
        self._joined_at = 0

    def join(self) -> None:
        """Note how far its topic is: what comes from here on is for it, too."""
        self._joined_at = self._feed.count

    @property
    def is_deaf(self) -> bool:
        """Whether nothing came, though others got what it was there for."""
        is_silent = not any(each.received for each in self.follower.counts())
        return is_silent and self._feed.count > self._joined_at

    def unheard(self) -> int:
        """Return how many others got while it was there, and nothing came."""
        return self._feed.count - self._joined_at if self.is_deaf else 0

    def gaps(self) -> int:
        """Return how many did not come that were before one that did."""
        return sum(sequence.lost for sequence in self.follower.counts())

    def _follow(self, *, from_start: bool) -> Follower:
        meter = self._population.deliveries
        return self._feed.follow(meter, from_start=from_start)

    def start(self) -> None:
        """Connect; who comes back is owed what is published from then on."""
        if self._has_started:
            self._population.bid_farewell(self)
            self._feed.leave(self.follower)
            self.follower = self._follow(from_start=False)
        self._has_started = True
        super().start()

    def account(self) -> None:
        """Count what came again, and what came late."""
        tally = self._population.deliveries.tally
        for sequence in self.follower.counts():
            tally.duplicated += sequence.repeated
            tally.reordered += sequence.reordered

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take deliveries in."""
        return self.follower.receive(data, self.setting.micros())


class Publisher(User):
    """A connection that publishes to one topic, and may be answered."""

    def __init__(
        self, setting: Setting, number: int, *, population: "Publications", topic: str
    ) -> None:
        super().__init__(
            setting,
            number,
            path=population.scenario.publish_path,
            on_ready=population.became_ready,
            on_lost=population.was_lost,
        )
        self.head = mark_head(setting.job.run, number)
        self.to = topic
        self.sent = 0
        self.refused = 0
        self.outgoing: list[bytes] = []
        self.unanswered: dict[int, tuple[int, int]] = {}
        self._population = population
        self._rest = bytearray()

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take acknowledgements in; whatever else comes is of no use here."""
        self._population.publishes.tally.bytes_received += len(data)
        data = join_frames(self._rest, data)
        controls = []
        at = 0
        while (piece := split_frame(data, at)) is not None:
            payload = data[piece.start : piece.end]
            if piece.first & 0x08:
                controls.append((piece.first & 0x0F, payload))
            elif self._population.is_acknowledged:
                self._take_answer(payload)
            at = piece.end
        self._rest += data[at:]
        return controls

    def _take_answer(self, payload: bytes) -> None:
        """Take an answer in; an error without an id answers the oldest."""
        heard = self.setting.dialect.decode(payload.decode(errors="replace"))
        meter = self._population.publishes
        if not isinstance(heard, Reply):
            meter.tally.foreign += not isinstance(heard, Event)
            return
        id_ = heard.id if heard.id is not None else next(iter(self.unanswered), 0)
        times = self.unanswered.pop(id_, None)
        if times is None:
            meter.tally.foreign += 1
            return
        if not heard.ok:
            self.refused += 1
            meter.failed(f"refused: {heard.code} {heard.text}".rstrip())
            return
        now = self.setting.micros()
        meter.tally.received += 1
        meter.response[now - times[0]] += 1
        meter.service[now - times[1]] += 1


class Publications(Population):
    """The subscribers and publishers of a publish scenario."""

    def __init__(self, setting: Setting, scenario: Scenario, *, opening: int) -> None:
        pacing = dealt(setting.job.share, among=scenario.publishers)
        super().__init__(setting, scenario, opening=opening, pacing=pacing)
        job, have = setting.job, setting.dialect.capabilities
        self.deliveries = Meter(scenario.name, Operation.DELIVER)
        self.publishes = self.paced = Meter(scenario.name, Operation.PUBLISH)
        self.has_topics = Capability.SUBSCRIBE in have
        self.is_acknowledged = scenario.acknowledged and Capability.ACKNOWLEDGE in have
        topics = [topic_of(scenario, job.run, number) for number in _topics(scenario)]
        # Every worker makes up the same payloads: each verifies those of the others.
        dice = random.Random(f"{job.plan.seed}/{scenario.name}/payload")
        self._texts = Texts(scenario.payload, dice, marker=WIDTH)
        is_verbatim = Capability.VERBATIM in have or not self.has_topics
        self.feeds = {
            topic: Feed(
                job.run,
                publishers=scenario.publishers,
                topic=number,
                topics=len(topics),
                halves=self._halves if is_verbatim else None,
                most_frames=max(_LEAST_FRAMES, _MOST_FRAMES // len(topics)),
                most_bytes=max(_LEAST_BYTES, _MOST_BYTES // len(topics)),
            )
            for number, topic in enumerate(topics)
        }
        subscribers = [
            Subscriber(
                setting,
                number,
                population=self,
                topic=topics[number % len(topics)],
            )
            for number in members(scenario.users, job.share)
        ]
        self.publishers = [
            Publisher(
                setting, number, population=self, topic=topics[number % len(topics)]
            )
            for number in members(scenario.publishers, job.share)
        ]
        self.users = [*subscribers]
        self.subscribers = subscribers
        self.speaking: Roster[Publisher] = Roster()
        self._has_doubts = False
        # Topic and what one who is gone never got -> how many such there were.
        self._gaps: Counter[tuple[int, int]] = Counter()
        self._touched: list[Publisher] = []

    # Opening

    def open(self) -> None:
        """Open the publishers, too."""
        super().open()
        self.reopen(self.publishers)

    def seat(self, user: User) -> None:
        """Let a subscriber hear, or a publisher publish."""
        if isinstance(user, Publisher):
            self.speaking.add(user)
            return
        assert isinstance(user, Subscriber), "this population has no others"
        user.join()
        super().seat(user)

    def bid_farewell(self, subscriber: Subscriber) -> None:
        """Account for a subscriber that is gone: what came, and what stayed out."""
        subscriber.account()
        if gaps := subscriber.gaps():
            self._gaps[subscriber.number % len(self.feeds), gaps] += 1

    def was_lost(self, user: User, reason: str) -> None:
        """Expect nothing more on a connection that is gone."""
        was_ready = user in self.ready
        super().was_lost(user, reason)
        if was_ready:
            self.deliveries.failed(reason)
        elif isinstance(user, Publisher) and self.speaking.discard(user):
            self._give_up_publisher(user, reason)

    def _give_up_publisher(self, publisher: Publisher, reason: str) -> None:
        """Let nobody be owed what may never have come to the target."""
        left = len(publisher.unanswered)
        if left:
            self.publishes.failed(reason, left)
            publisher.refused += left
            publisher.unanswered.clear()
        if not self.is_acknowledged and publisher.sent:
            self._has_doubts = True

    def _halves(self, mark: Mark) -> tuple[bytes, bytes]:
        return self._texts.halves(mark.number, mark.publisher)

    # Sending

    def due(self, now: float) -> None:
        """Publish what is due."""
        self.hand_out(now, self.speaking, is_free=self._is_free, send=self._add)
        self._flush()

    def _is_free(self, publisher: Publisher) -> bool:
        most = self.scenario.in_flight
        return len(publisher.unanswered) < most and not publisher.is_blocked

    def _add(self, publisher: Publisher, intended: int, now: int) -> None:
        number = publisher.sent = publisher.sent + 1
        before, behind = self._texts.halves(number, publisher.number)
        payload = before + write_mark(publisher.head, number, intended) + behind
        if self.has_topics:
            id_ = FIRST_FREE_ID + number
            ask = Publish(id=id_, topic=publisher.to, payload=payload.decode())
            payload = self.setting.dialect.encode(ask).encode()
            if self.is_acknowledged:
                publisher.unanswered[id_] = (intended, now)
        key = masked(self.setting.rng)
        if not publisher.outgoing:
            self._touched.append(publisher)
        publisher.outgoing.append(
            frame_head(len(payload), masked=True) + key + apply_mask(payload, key)
        )

    def _flush(self) -> None:
        tally = self.publishes.tally
        for publisher in self._touched:
            data = b"".join(publisher.outgoing)
            publisher.outgoing.clear()
            tally.bytes_sent += len(data)
            if publisher.connection is not None:
                publisher.connection.send(data)
        self._touched.clear()

    # The end

    def published(self) -> dict[int, int]:
        """Return the number of each publisher's last message that was sent."""
        return {publisher.number: publisher.sent for publisher in self.publishers}

    @property
    def is_answered(self) -> bool:
        """Whether every publication was taken or refused."""
        return not any(publisher.unanswered for publisher in self.publishers)

    def refused(self) -> dict[int, int]:
        """Return how many publications of each publisher the target refused."""
        return {each.number: each.refused for each in self.publishers if each.refused}

    def is_drained(self, published: dict[int, int], *, refused: dict[int, int]) -> bool:
        """Tell whether all answers and all deliveries are there."""
        if not super().is_drained(published, refused=refused):
            return False
        if not self.is_answered:
            return False
        owed, excused = self._by_topic(published), self._by_topic(refused)
        return not any(self._missing(each, owed, excused) for each in self._present())

    @property
    def is_certain(self) -> bool:
        """Whether the target has everything that was published, as far as is known."""
        is_sent = not any(publisher.unsent for publisher in self.speaking)
        # Who came in the middle and hears nothing may have come too late for it.
        is_deaf = self.scenario.population and any(
            each.is_deaf for each in self._present()
        )
        is_known = not self._has_doubts and not is_deaf
        return super().is_certain and is_sent and is_known

    def _missing(
        self,
        subscriber: Subscriber,
        owed: list[dict[int, int]],
        excused: list[dict[int, int]],
    ) -> int:
        """Return how many messages a subscriber is owed and has not."""
        topic = subscriber.number % len(owed)
        missing = subscriber.follower.missing(owed[topic])
        return max(missing - sum(excused[topic].values()), 0)

    def _present(self) -> list[Subscriber]:
        return [each for each in self.subscribers if each.is_ready]

    def _by_topic(self, counts: dict[int, int]) -> list[dict[int, int]]:
        """Return the counts of publishers, those of each topic apart."""
        apart: list[dict[int, int]] = [{} for _ in _topics(self.scenario)]
        for publisher, count in counts.items():
            apart[publisher % len(apart)][publisher] = count
        return apart

    def settle(self, published: dict[int, int], *, refused: dict[int, int]) -> None:
        """Count what never came, came again, and came late."""
        super().settle(published, refused=refused)
        tally = self.deliveries.tally
        owed, excused = self._by_topic(published), self._by_topic(refused)
        for subscriber in self.subscribers:
            if not subscriber.is_ready:
                self.bid_farewell(subscriber)
                continue
            missing = self._missing(subscriber, owed, excused)
            if self.scenario.population:
                missing = max(missing, subscriber.unheard())
            came = sum(each.received for each in subscriber.follower.counts())
            tally.intended += came + missing
            tally.lost += missing
            subscriber.account()
        for (topic, gaps), count in self._gaps.items():
            tally.lost += max(gaps - sum(excused[topic].values()), 0) * count
        for publisher in self.publishers:
            self.publishes.tally.lost += len(publisher.unanswered)

    def meters(self) -> tuple[Meter, ...]:
        """Return those of publications and deliveries."""
        return (self.publishes, self.deliveries)

    @property
    def open_count(self) -> int:
        """How many connections are ready, those of publishers too."""
        return len(self.ready) + len(self.speaking)

    def close(self) -> None:
        """Close the publishers, too."""
        super().close()
        for publisher in self.publishers:
            publisher.close()


def _topics(scenario: Scenario) -> range:
    return range(max(scenario.topics, 1))


def topic_of(scenario: Scenario, run: str, number: int) -> str:
    """Return the name of a topic that no other run uses."""
    return f"{scenario.topic}.{run}.{number}"
