"""Random histories: a sound run first, then something is done to it.

They refuse to know what a checker makes of them.
"""

import random
from collections.abc import Callable

from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Damaged,
    Delivered,
    Drained,
    DropNotice,
    Event,
    FaultBegins,
    FaultHeals,
    Gap,
    Healed,
    Kept,
    PublishFailed,
    PublishInfo,
    PublishInvoked,
    PublishOk,
    Reconnected,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.promises import Promise

__all__ = ["random_history", "random_promise", "sound_run"]

RUN = "r1"


class Server:
    """A target that keeps every promise, and what is seen of it."""

    def __init__(self, rng: random.Random, *, has_seqs: bool, goes_back: bool) -> None:
        self.goes_back = goes_back
        self.rng = rng
        self.has_seqs = has_seqs
        self.at = 0.0
        self.events: list[Event] = []
        self.topics = [f"t{n}" for n in range(rng.randint(1, 2))]
        self.publishers = [f"p{n}" for n in range(rng.randint(1, 3))]
        self.who = [f"s{n}" for n in range(rng.randint(1, 3))]
        self.log: dict[str, list[str]] = {topic: [] for topic in self.topics}
        self.counts = dict.fromkeys(self.publishers, 0)
        self.cursors: dict[tuple[str, str], int] = {}
        self.connections = dict.fromkeys(self.who, 0)
        self.is_on = dict.fromkeys(self.who, False)

    def add(self, kind: Callable[..., Event], *values: object) -> None:
        """Add an event at a later moment."""
        self.at += self.rng.choice([0.0, 0.001, 0.1])
        self.events.append(kind(self.at, *values))

    def connect(self, who: str) -> None:
        """Connect a subscriber, which then goes on where it was."""
        self.connections[who] += 1
        self.is_on[who] = True
        if self.goes_back and self.rng.random() < 0.5:
            for key in self.cursors:
                if key[0] == who:
                    self.cursors[key] = max(self.cursors[key] - 2, 0)
        kind = self.rng.choice([Connected, Resumed])
        self.add(kind, who, f"c{self.connections[who]}")
        for topic in self.topics:
            if (who, topic) in self.cursors or self.rng.random() < 0.8:
                self.subscribe(who, topic)

    def subscribe(self, who: str, topic: str) -> None:
        """Subscribe, at the head for the first time."""
        is_new = (who, topic) not in self.cursors
        head = self.cursors.setdefault((who, topic), len(self.log[topic]))
        said = (
            head if self.has_seqs and (not is_new or self.rng.random() < 0.8) else None
        )
        self.add(Subscribed, who, topic, said, "e1", self.rng.random() < 0.9)

    def unsubscribe(self, who: str, topic: str) -> None:
        """End a subscription."""
        head = self.cursors.pop((who, topic))
        said = head if self.has_seqs and self.rng.random() < 0.5 else None
        self.add(Unsubscribed, who, topic, said)

    def publish(self, publisher: str) -> None:
        """Publish, and mostly acknowledge."""
        self.counts[publisher] += 1
        topic = self.rng.choice(self.topics)
        id_ = f"w-{RUN}-{publisher}-{self.counts[publisher]}"
        digest = f"d{id_}" if self.rng.random() < 0.9 else ""
        self.add(PublishInvoked, publisher, id_, topic, digest)
        if self.rng.random() < 0.1:
            self.add(PublishFailed, id_)
            return
        self.log[topic].append(id_)
        if self.rng.random() < 0.3:
            self.deliver()
        seq = len(self.log[topic]) if self.has_seqs else None
        if self.rng.random() < 0.1:
            self.add(PublishInfo, id_)
        else:
            self.add(PublishOk, id_, seq, self.rng.choice(["", "e1"]))

    def deliver(self, *, everything: bool = False) -> None:
        """Deliver what is due, or some of it."""
        for who, topic in list(self.cursors):
            due = self.log[topic][self.cursors[who, topic] :]
            for id_ in due if self.is_on[who] else []:
                if not everything and self.rng.random() < 0.4:
                    break
                self.cursors[who, topic] += 1
                seq = self.cursors[who, topic] if self.has_seqs else None
                name = f"c{self.connections[who]}"
                self.add(Delivered, who, name, topic, id_, seq, "e1", f"d{id_}")

    def step(self) -> None:
        """Do one thing."""
        rng = self.rng
        who = rng.choice(self.who)
        chance = rng.random()
        if chance < 0.5:
            self.publish(rng.choice(self.publishers))
        elif chance < 0.8:
            self.deliver()
        elif chance < 0.9:
            if self.is_on[who]:
                self.is_on[who] = False
                self.add(Closed, who, f"c{self.connections[who]}")
            else:
                self.connect(who)
        elif self.is_on[who]:
            topic = rng.choice(self.topics)
            if (who, topic) in self.cursors:
                self.unsubscribe(who, topic)
            else:
                self.subscribe(who, topic)

    def finish(self) -> None:
        """Go through the final phase."""
        self.add(Healed)
        for who in self.who:
            if not self.is_on[who]:
                self.connect(who)
        self.add(Reconnected)
        self.deliver(everything=True)
        self.add(Drained)


def sound_run(
    rng: random.Random,
    *,
    steps: int = 25,
    has_seqs: bool = True,
    goes_back: bool = False,
) -> list[Event]:
    """Return the history of a target that keeps every promise.

    Args:
        rng: Dice.
        steps: How much happens at most.
        has_seqs: Whether there are sequence numbers.
        goes_back: Whether some messages come again after a resume.
    """
    server = Server(rng, has_seqs=has_seqs, goes_back=goes_back)
    for who in server.who:
        server.connect(who)
    for _ in range(rng.randint(0, steps)):
        server.step()
    server.finish()
    return server.events


def random_promise(rng: random.Random) -> Promise:
    """Return some promise."""
    return Promise(
        acknowledges=rng.random() < 0.8,
        resumable=rng.random() < 0.6,
        fifo=rng.random() < 0.8,
        one_order=rng.random() < 0.8,
        stale_after=rng.choice([None, 0.05, 0.5]),
    )


def random_history(rng: random.Random) -> list[Event]:
    """Return a sound run to which some things were done."""
    events = sound_run(rng, has_seqs=rng.random() < 0.7, goes_back=rng.random() < 0.3)
    if rng.random() < 0.2:
        del events[rng.randint(len(events) // 2, len(events)) :]
    for _ in range(rng.randint(0, 6)):
        if events:
            rng.choice(_WRECKS)(rng, events)
    return events


# What is done to a run


def _pick(
    rng: random.Random, events: list[Event], *kinds: type[Event]
) -> tuple[int, Event] | None:
    found = [(at, one) for at, one in enumerate(events) if isinstance(one, kinds)]
    return rng.choice(found) if found else None


def _remove(rng: random.Random, events: list[Event]) -> None:
    """Forget an event: a delivery mostly."""
    kinds = (Delivered,) if rng.random() < 0.7 else (object,)
    found = _pick(rng, events, *kinds)
    if found is None:
        return
    place, one = found
    del events[place]
    if isinstance(one, Delivered) and one.seq and rng.random() < 0.3:
        place = rng.randint(0, len(events))
        gap = Gap(one.at, one.subscriber, one.topic, one.seq, one.seq + 1, one.epoch)
        drops = DropNotice(one.at, one.subscriber, one.topic, 1)
        events.insert(place, rng.choice([gap, drops]))


def _repeat(rng: random.Random, events: list[Event]) -> None:
    """Let an event happen again, later."""
    kinds = (Delivered,) if rng.random() < 0.7 else (object,)
    found = _pick(rng, events, *kinds)
    if found is not None:
        events.insert(rng.randint(found[0], len(events)), found[1])


def _swap(rng: random.Random, events: list[Event]) -> None:
    """Let two events change places."""
    first = _pick(rng, events, Delivered)
    second = _pick(rng, events, Delivered if rng.random() < 0.8 else object)
    if first is not None and second is not None:
        events[first[0]], events[second[0]] = second[1], first[1]


def _change(rng: random.Random, events: list[Event]) -> None:
    """Change what a delivery says."""
    found = _pick(rng, events, Delivered)
    other = _pick(rng, events, Delivered)
    if found is None or other is None:
        return
    place, one = found
    assert isinstance(one, Delivered)
    assert isinstance(other[1], Delivered)
    seq = 1 if one.seq is None else one.seq
    changes: list[dict[str, object]] = [
        {"digest": "other"},
        {"digest": ""},
        {"id": other[1].id},
        {"id": f"w-{RUN}-p0-999"},
        {"id": "w-earlier-p0-1"},
        {"id": "nonsense"},
        {"id": one.id + "x"},
        {"topic": other[1].topic},
        {"topic": "elsewhere"},
        {"subscriber": other[1].subscriber},
        {"connection": "c0"},
        {"seq": seq + rng.choice([-2, -1, 1, 2, 5])},
        {"seq": -1},
        {"seq": None},
        {"epoch": rng.choice(["", "e2"])},
        {"replay": True},
    ]
    events[place] = one._replace(**rng.choice(changes))


def _answer(rng: random.Random, events: list[Event]) -> None:
    """Let a publication come out otherwise."""
    found = _pick(rng, events, PublishOk, PublishFailed, PublishInfo)
    if found is None:
        return
    place, one = found
    assert isinstance(one, PublishOk | PublishFailed | PublishInfo)
    events[place] = rng.choice(
        [
            PublishOk(one.at, one.id, rng.choice([None, 1, 2, 7]), ""),
            PublishFailed(one.at, one.id),
            PublishInfo(one.at, one.id),
        ]
    )


def _retry(rng: random.Random, events: list[Event]) -> None:
    """Let a publication be sent again."""
    found = _pick(rng, events, PublishInvoked)
    if found is not None:
        place, one = found
        assert isinstance(one, PublishInvoked)
        again = rng.randint(place + 1, len(events))
        events.insert(again, one)
        end = rng.choice([PublishOk, PublishFailed, PublishInfo])
        events.insert(rng.randint(again + 1, len(events)), end(one.at, one.id))


def _insert(rng: random.Random, events: list[Event]) -> None:
    """Let something else happen."""
    place = rng.randrange(len(events))
    at = events[place].at
    first = rng.randint(0, 6)
    ids = [one.id for one in events if isinstance(one, PublishInvoked)] or ["none"]
    epoch = rng.choice(["", "e1", "e2"])
    events.insert(
        place,
        rng.choice(
            [
                Closed(at, "s0", "c1"),
                Connected(at, "s0", "c9"),
                Damaged(at, "s0", "c1", "t0"),
                Drained(at, rng.random() < 0.5),
                DropNotice(at, "s0", "t0", rng.randint(0, 3)),
                FaultBegins(at, "f1"),
                FaultHeals(at, "f1"),
                Gap(at, "s0", "t0", first, rng.choice([None, first + 2]), epoch),
                Kept(at, rng.choice(["t0"]), rng.choice(ids)),
                Subscribed(at, "s0", "t0", first, epoch),
                Subscribed(at, "s1", "t0", None, epoch, rng.random() < 0.5),
                Subscribed(at, "s0", "t0", entitled=False),
                Unsubscribed(at, "s0", "t0", rng.choice([None, first])),
            ]
        ),
    )


_WRECKS = (_remove, _remove, _repeat, _swap, _change, _change, _answer, _retry, _insert)
