"""Sound runs that come to PASS, and deeds that no checker may overlook.

They refuse to know what a checker makes of them.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final, NamedTuple, TypeAlias

from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Delivered,
    Drained,
    Event,
    FaultBegins,
    FaultHeals,
    Gap,
    PublishFailed,
    PublishInfo,
    PublishInvoked,
    PublishOk,
    Reconnected,
    Resumed,
    Subscribed,
)
from wavetank.lab.checkers.promises import Promise

__all__ = ["DEEDS", "SHAPES", "Deed", "Shape", "steady_run"]

Deed: TypeAlias = Callable[[list[Event], int], list[Event] | None]
"""(a run, the place of a delivery in it) -> a run with the deed; None where it is none
there."""

_ROUNDS: Final = 4


class Shape(NamedTuple):
    """What a sound run is like.

    Attributes:
        publishers: How many.
        subscribers: How many.
        topics: How many.
        has_seqs: Whether there are sequence numbers.
        has_acks: Whether publications are acknowledged.
    """

    publishers: int
    subscribers: int
    topics: int
    has_seqs: bool
    has_acks: bool

    @property
    def promise(self) -> Promise:
        """What such a target promises: all that this shape lets one see."""
        return Promise(acknowledges=self.has_acks, exactly_once=True)

    def __str__(self) -> str:
        """Say it in one word, for the name of a test."""
        seqs = "numbered" if self.has_seqs else "bare"
        acks = "acked" if self.has_acks else "unacked"
        return "-".join([*map(str, self[:3]), seqs, acks])


SHAPES: Final = [
    Shape(publishers, subscribers, topics, has_seqs, has_acks)
    for publishers, subscribers, topics, has_seqs, has_acks in product(
        (1, 3), (1, 2), (1, 2), (True, False), (True, False)
    )
    # Of one subscriber without numbers and acknowledgements nothing can be known.
    if subscribers > 1 or has_acks
]


class _Run:
    """A run as it is written down."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.events: list[Event] = []
        self.topics = [f"t{n}" for n in range(shape.topics)]
        self.who = [f"s{n}" for n in range(shape.subscribers)]
        self.connections = dict.fromkeys(self.who, 1)
        self.epoch = "e1"
        self.tops = dict.fromkeys(self.topics, 0)
        self.number = 0

    def add(self, kind: Callable[..., Event], *values: object) -> None:
        """Add an event, a tenth of a second after the last one."""
        self.events.append(kind(len(self.events) / 10, *values))

    def subscribe(self, who: str) -> None:
        """Subscribe to all topics, behind their tops."""
        for topic in self.topics:
            head = self.tops[topic] if self.shape.has_seqs else None
            self.add(Subscribed, who, topic, head, self.epoch)

    def publish(self, *, is_late: bool = False) -> list[Delivered]:
        """Publish once by each publisher to each topic; return what is due of it.

        Args:
            is_late: Whether the acknowledgement is lost, though the message was taken.
        """
        self.number += 1
        due = []
        for publisher, topic in product(range(self.shape.publishers), self.topics):
            # A publisher has a name for each topic: its numbers have no gaps then.
            name = f"p{publisher}.{topic}"
            id_ = f"w-r1-{name}-{self.number}"
            self.tops[topic] += 1
            seq = self.tops[topic] if self.shape.has_seqs else None
            self.add(PublishInvoked, name, id_, topic, f"d{id_}")
            if is_late or not self.shape.has_acks:
                self.add(PublishInfo, id_)
            else:
                self.add(PublishOk, id_, seq, self.epoch)
            one = Delivered(0.0, "", "", topic, id_, seq, self.epoch, f"d{id_}")
            due.append(one)
        return due

    def deliver(self, who: str, due: list[Delivered], *, replay: bool = False) -> None:
        """Deliver what is due to a subscriber."""
        connection = f"c{self.connections[who]}"
        for one in due:
            at = len(self.events) / 10
            self.events.append(
                one._replace(
                    at=at, subscriber=who, connection=connection, replay=replay
                )
            )

    def all_get(self, due: list[Delivered]) -> None:
        """Deliver what is due to everybody."""
        for who in self.who:
            self.deliver(who, due)


def steady_run(shape: Shape) -> list[Event]:
    """Return a run with a reconnection, and with a new epoch where there are numbers.

    All of it is acknowledged where the shape says so, since of what nobody has
    acknowledged only what somebody got is known.
    """
    run = _Run(shape)
    for who in run.who:
        run.add(Connected, who, "c1")
        run.subscribe(who)
    for _ in range(_ROUNDS):
        run.all_get(run.publish())
    first, others = run.who[0], run.who[1:]
    tops = dict(run.tops)
    run.add(FaultBegins, "cut")
    run.add(Closed, first, "c1")
    due = [one for _ in range(2) for one in run.publish()]
    for who in others:
        run.deliver(who, due)
    run.connections[first] = 2
    run.add(Resumed, first, "c2")
    for topic in run.topics:
        head = tops[topic] if shape.has_seqs else None
        run.add(Subscribed, first, topic, head, "e1")
    run.add(FaultHeals, "cut")
    run.deliver(first, due, replay=True)
    if shape.has_seqs:
        _begin_epoch(run)
    for _ in range(_ROUNDS):
        run.all_get(run.publish())
    run.add(Reconnected)
    run.add(Drained)
    return run.events


def _begin_epoch(run: _Run) -> None:
    """Let the target start again without its logs, and say so."""
    for who in run.who:
        run.add(Closed, who, f"c{run.connections[who]}")
    olds, run.tops = run.tops, dict.fromkeys(run.topics, 0)
    run.epoch = "e2"
    for who in run.who:
        run.connections[who] += 1
        run.add(Connected, who, f"c{run.connections[who]}")
        for topic in run.topics:
            run.add(Gap, who, topic, olds[topic] + 1, None, "e1")
        run.subscribe(who)


# The deeds


def _others(events: list[Event], place: int) -> Iterator[int]:
    """Yield the places of the later deliveries to the same subscriber and topic."""
    one = events[place]
    assert isinstance(one, Delivered)
    for later in range(place + 1, len(events)):
        other = events[later]
        if (
            isinstance(other, Delivered)
            and other.subscriber == one.subscriber
            and other.topic == one.topic
        ):
            yield later


def _changed(events: list[Event], place: int, **changes: object) -> list[Event]:
    one = events[place]
    assert isinstance(one, Delivered)
    return [*events[:place], one._replace(**changes), *events[place + 1 :]]  # type: ignore[arg-type]


def _delivery(events: list[Event], place: int) -> Delivered:
    one = events[place]
    assert isinstance(one, Delivered)
    return one


def lose(events: list[Event], place: int) -> list[Event]:
    """Let it not come to one of them."""
    return [*events[:place], *events[place + 1 :]]


def lose_for_all(events: list[Event], place: int) -> list[Event] | None:
    """Let it come to nobody; without acknowledgements that is as if it never was."""
    id_ = _delivery(events, place).id
    if not any(isinstance(one, PublishOk) and one.id == id_ for one in events):
        return None
    return [one for one in events if not (isinstance(one, Delivered) and one.id == id_)]


def lose_from_here(events: list[Event], place: int) -> list[Event]:
    """Let nothing more come of this topic to this subscriber."""
    gone = {place, *_others(events, place)}
    return [one for at, one in enumerate(events) if at not in gone]


def double(events: list[Event], place: int) -> list[Event]:
    """Let it come twice."""
    return [*events[: place + 1], *events[place:]]


def double_at_the_end(events: list[Event], place: int) -> list[Event]:
    """Let it come again behind all others, in whatever connection there is then."""
    last = max([place, *_others(events, place)])
    connection = _delivery(events, last).connection
    again = _delivery(events, place)._replace(connection=connection)
    return [*events[: last + 1], again, *events[last + 1 :]]


def double_under_another_number(events: list[Event], place: int) -> list[Event] | None:
    """Let it come twice, at two places of the log."""
    one = _delivery(events, place)
    if one.seq is None:
        return None
    return [*events[: place + 1], one._replace(seq=one.seq + 1), *events[place + 1 :]]


def swap(events: list[Event], place: int) -> list[Event] | None:
    """Let it come behind the next one of its publisher, in the same connection."""
    one = _delivery(events, place)
    for later in _others(events, place):
        other = _delivery(events, later)
        publisher = one.id.rpartition("-")[0]
        if (
            other.connection == one.connection
            and other.id.rpartition("-")[0] == publisher
        ):
            wrecked = list(events)
            wrecked[place], wrecked[later] = other, one
            return wrecked
    return None


def delay_past_a_resume(events: list[Event], place: int) -> list[Event] | None:
    """Let it come late, though the subscriber has said that it needs no more of it."""
    one = _delivery(events, place)
    others = list(_others(events, place))
    here = [at for at in others if _delivery(events, at).connection == one.connection]
    later = [at for at in others if at not in here]
    if one.seq is None or not here or not later:
        return None
    connection = _delivery(events, later[0]).connection
    late = one._replace(connection=connection)
    return [*events[:place], *events[place + 1 : later[0]], late, *events[later[0] :]]


def misroute(events: list[Event], place: int) -> list[Event]:
    """Let it come on a topic that nobody has asked for."""
    return _changed(events, place, topic="elsewhere")


def misroute_to_the_other(events: list[Event], place: int) -> list[Event] | None:
    """Let it come on another topic of the same subscriber."""
    one = _delivery(events, place)
    if not any(isinstance(each, Subscribed) and each.topic == "t1" for each in events):
        return None
    return _changed(events, place, topic="t0" if one.topic == "t1" else "t1")


def corrupt(events: list[Event], place: int) -> list[Event]:
    """Change its payload."""
    return _changed(events, place, digest="other")


def forge(events: list[Event], place: int) -> list[Event]:
    """Let another one come in its place that nobody has published."""
    return _changed(events, place, id="w-r1-p0.t0-999999")


def forge_one_more(events: list[Event], place: int) -> list[Event]:
    """Let one come behind it that nobody has published, without a number."""
    one = _delivery(events, place)._replace(id="w-r1-p0.t0-999999", seq=None)
    return [*events[: place + 1], one, *events[place + 1 :]]


def bring_back(events: list[Event], place: int) -> list[Event]:
    """Let one of an earlier run come behind it."""
    one = _delivery(events, place)._replace(id="w-r0-p0.t0-1", seq=None)
    return [*events[: place + 1], one, *events[place + 1 :]]


def refuse(events: list[Event], place: int) -> list[Event]:
    """Refuse it, and deliver it all the same."""
    id_ = _delivery(events, place).id
    return [
        PublishFailed(one.at, id_)
        if isinstance(one, PublishOk | PublishInfo) and one.id == id_
        else one
        for one in events
    ]


def renumber(events: list[Event], place: int) -> list[Event] | None:
    """Give it the number of the next one."""
    seq = _delivery(events, place).seq
    return None if seq is None else _changed(events, place, seq=seq + 1)


def exchange_ids(events: list[Event], place: int) -> list[Event] | None:
    """Let it and the next one come under each other's number."""
    one = _delivery(events, place)
    later = next(_others(events, place), None)
    if one.seq is None or later is None:
        return None
    other = _delivery(events, later)
    wrecked = _changed(events, place, id=other.id, digest=other.digest)
    return _changed(wrecked, later, id=one.id, digest=one.digest)


DEEDS: Final[tuple[Deed, ...]] = (
    lose,
    lose_for_all,
    lose_from_here,
    double,
    double_at_the_end,
    double_under_another_number,
    swap,
    delay_past_a_resume,
    misroute,
    misroute_to_the_other,
    corrupt,
    forge,
    forge_one_more,
    bring_back,
    refuse,
    renumber,
    exchange_ids,
)
