"""The delivery checker as one would write it first: all history in lists and sets.

It refuses to be quick: every question is answered by looking at everything again.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import read_id
from wavetank.lab.checkers.promises import Anomaly, Promise

__all__ = ["count"]

Position = tuple[int, int]
"""Which epoch, in the order in which they were named, and the seq."""

Life = tuple[int, "Span"]
"""Which connection of a subscriber, and which of its subscriptions."""

MOST = 2**53 - 1

LATELY = 16
"""So many deliveries without position are compared; the checker's own bound."""


@dataclass
class Publication:
    """One message, and all that happened to it."""

    id: str
    topic: str
    place: int
    digest: str
    is_own_digest: bool
    ends: list[str] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    acked_at: float | None = None
    rank: int | None = None
    seen: bool = False
    kept: bool = False

    @property
    def state(self) -> str:
        """Say ok, failed or unknown of all its attempts together."""
        if "ok" in self.ends:
            return "ok"
        # Each attempt has to have failed before the next one began.
        attempts = "".join({"invoke": "i", "fail": "f"}.get(e, "?") for e in self.ends)
        while "ff" in attempts:  # the same answer again
            attempts = attempts.replace("ff", "f")
        return "failed" if attempts.replace("if", "") == "" else "unknown"

    @property
    def number(self) -> int:
        """Which of its publisher's messages."""
        return int(self.id.rpartition("-")[2])

    @property
    def publisher(self) -> str:
        """Who published it."""
        return self.id.rpartition("-")[0]


@dataclass
class Span:
    """One subscription of one subscriber to one topic."""

    first: Position | None
    place: int | None
    is_open: bool = True
    last: Position | None = None
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass
class Side:
    """One subscriber's side of a topic."""

    who: str
    topic: str
    spans: list[Span] = field(default_factory=list)
    entitled: bool = True
    epoch: str = ""
    since: tuple[int, Position] | None = None
    """Which connection asked for what is behind which position, on a resume."""
    got: list[tuple[Life, str]] = field(default_factory=list)
    """Life and id of each delivery."""
    came: list[tuple[Life, Position]] = field(default_factory=list)
    bare: list[tuple[Life, str]] = field(default_factory=list)
    """Life and id of each delivery without position that is no repetition."""
    numbers: list[tuple[Life, str, int]] = field(default_factory=list)
    top: Position | None = None
    holes: set[Position] = field(default_factory=set)
    gaps: list[tuple[Position, Position]] = field(default_factory=list)
    ended: Position | None = None
    """From where on the target has said that an epoch is over."""
    dropped: int = 0

    def go_on(self, epoch: int) -> None:
        """Count the epochs between one that is over and this one as declared."""
        if self.ended is not None and self.ended[0] < epoch:
            self.gaps.append((self.ended, (epoch - 1, MOST)))
        self.ended = None

    @property
    def is_open(self) -> bool:
        """Tell whether it is subscribed."""
        return bool(self.spans) and self.spans[-1].is_open

    def close(self, last: Position | None, *, in_order: bool) -> None:
        """End the subscription."""
        if not self.is_open:
            return
        span = self.spans[-1]
        span.is_open = False
        span.last = last or max((at for _, at in self.came), default=None)
        span.numbers = self.highest() if in_order else {}

    def highest(self) -> dict[str, int]:
        """Return publisher -> the highest number that came."""
        found: dict[str, int] = {}
        for _, publisher, number in self.numbers:
            found[publisher] = max(number, found.get(publisher, 0))
        return found

    def saw_before(self, first: str, second: str) -> bool:
        """Tell whether one came before another, in one life, without positions."""
        bare = [id_ for _, id_ in self.bare]
        if first not in bare or second not in bare:
            return False
        lives = {id_: life for life, id_ in self.got}
        order = {id_: place for place, id_ in enumerate(bare)}
        return _same(lives[first], lives[second]) and order[first] < order[second]

    def declares(self, position: Position) -> bool:
        """Tell whether the target said that it will not send it."""
        return any(first <= position <= last for first, last in self.gaps)


class World:
    """All that happened, event by event."""

    def __init__(self, promise: Promise) -> None:
        self.promise = promise
        self.counts: Counter[Anomaly] = Counter()
        self.publications: dict[str, Publication] = {}
        self.sides: dict[tuple[str, str], Side] = {}
        self.connections: dict[str, str] = {}
        self.lives: Counter[str] = Counter()
        self.away: set[str] = set()
        self.missed: set[str] = set()
        self.epochs: dict[str, list[str]] = {}
        self.faults: set[str] = set()
        self.was_hurt = self.is_back = self.is_final = False

    # Where things are

    def position(self, topic: str, seq: int, epoch: str) -> Position:
        """Return a position."""
        names = self.epochs.setdefault(topic, [])
        if not epoch:
            return max(len(names) - 1, 0), seq
        if epoch not in names:
            names.append(epoch)
        return names.index(epoch), seq

    def begun(self, topic: str) -> int:
        """Return how many publications of a topic have begun."""
        return sum(one.topic == topic for one in self.publications.values())

    def connect(self, who: str, connection: str) -> None:
        """Begin a connection."""
        if who in self.connections:
            self.disconnect(who)
        self.connections[who] = connection
        self.lives[who] += 1
        self.away.discard(who)
        self.missed.discard(who)

    def disconnect(self, who: str) -> None:
        """End a connection."""
        self.away.add(who)
        sides = [side for side in self.sides.values() if side.who == who]
        self.missed |= {who} if any(side.is_open for side in sides) else set()
        if not self.promise.resumable:
            for side in self.sides.values():
                if side.who == who:
                    side.close(None, in_order=self.promise.fifo)

    # Event by event

    def take(self, event: history.Event) -> None:
        """Take an event."""
        match event:
            case history.Connected() | history.Resumed():
                self.connect(event.subscriber, event.connection)
            case history.Closed():
                if self.connections.get(event.subscriber) == event.connection:
                    self.disconnect(event.subscriber)
            case history.Subscribed():
                self.subscribe(event)
            case history.Unsubscribed() | history.Gap() | history.DropNotice():
                side = self.sides.get((event.subscriber, event.topic))
                if side is not None:
                    self.tell(side, event)
            case history.PublishInvoked():
                self.invoke(event)
            case (
                history.PublishOk()
                | history.PublishFailed()
                | history.PublishInfo()
                | history.Kept()
            ):
                one = self.publications.get(event.id)
                if one is not None:
                    self.answer(one, event)
            case history.Delivered():
                self.deliver(event)
            case history.Damaged():
                self.hear(event.subscriber, event.connection)
                self.counts[Anomaly.CORRUPTED] += 1
            case _:
                self.finish(event)

    def finish(self, event: history.Event) -> None:
        """Take what is about the faults and the final phase."""
        match event:
            case history.FaultBegins():
                self.faults.add(event.name)
                self.was_hurt, self.is_back, self.is_final = True, False, False
            case history.FaultHeals():
                self.faults.discard(event.name)
            case history.Healed():
                self.faults.clear()
            case history.Reconnected():
                self.is_back = True
            case history.Drained():
                owed = {side.who for side in self.sides.values() if side.is_open}
                self.is_final = (
                    event.finished
                    and not self.faults
                    and not (owed | self.missed) & self.away
                    and (self.is_back or not self.was_hurt)
                )

    def subscribe(self, event: history.Subscribed) -> None:
        """Take a subscription."""
        key = (event.subscriber, event.topic)
        side = self.sides.setdefault(key, Side(*key))
        side.entitled = event.entitled
        side.epoch = event.epoch or side.epoch
        head = self.position(event.topic, event.head or 0, side.epoch)
        side.go_on(head[0])
        known = event.head is not None
        if side.is_open:
            side.since = (self.lives[side.who], head) if known else side.since
            return
        place = self.begun(event.topic) if event.confirmed else None
        first = (head[0], head[1] + 1) if known else None
        side.spans.append(Span(first=first, place=place))
        side.top = head if known else None

    def tell(
        self,
        side: Side,
        event: history.Unsubscribed | history.Gap | history.DropNotice,
    ) -> None:
        """Take what is about a subscription that there is, or was."""
        topic = side.topic
        match event:
            case history.Unsubscribed(head=None):
                side.close(None, in_order=self.promise.fifo)
            case history.Unsubscribed(head=int() as head):
                last = self.position(topic, head, side.epoch)
                side.close(last, in_order=self.promise.fifo)
            case history.Gap():
                end = MOST if event.last is None else event.last
                epoch = event.epoch or side.epoch
                first = self.position(topic, event.first, epoch)
                side.go_on(first[0])
                side.ended = first if event.last is None else None
                side.gaps.append((first, self.position(topic, end, epoch)))
            case history.DropNotice():
                side.dropped += event.dropped

    def invoke(self, event: history.PublishInvoked) -> None:
        """Take a publication that begins."""
        self.is_final = False
        known = self.publications.get(event.id)
        if known is None:
            known = self.publications[event.id] = Publication(
                id=event.id,
                topic=event.topic,
                place=self.begun(event.topic),
                digest=event.digest,
                is_own_digest=bool(event.digest),
            )
        known.ends.append("invoke")

    def answer(self, one: Publication, event: history.Event) -> None:
        """Take what became of a publication."""
        match event:
            case history.PublishOk():
                self.acknowledge(one, event)
            case history.PublishFailed():
                one.ends.append("fail")
            case history.PublishInfo():
                one.ends.append("info")
            case history.Kept():
                one.kept = True

    def acknowledge(self, one: Publication, event: history.PublishOk) -> None:
        """Take an acknowledgement."""
        one.ends.append("ok")
        if one.acked_at is None:
            one.acked_at = event.at
        if event.seq is not None:
            self.settle(one, self.position(one.topic, event.seq, event.epoch))

    def settle(self, one: Publication, position: Position) -> None:
        """Note where in the log a publication is."""
        if not one.positions and any(
            other.positions[:1] == [position]
            for other in self.publications.values()
            if other.topic == one.topic and other is not one
        ):
            self.counts[Anomaly.DISAGREEMENT] += 1
        one.positions.append(position)

    def hear(self, who: str, connection: str) -> None:
        """Take a connection for begun."""
        if self.connections.get(who) != connection:
            self.connect(who, connection)

    def deliver(self, event: history.Delivered) -> None:
        """Take a delivery."""
        self.hear(event.subscriber, event.connection)
        side = self.sides.get((event.subscriber, event.topic))
        if side is None or not side.is_open or not side.entitled:
            self.counts[Anomaly.MISROUTED] += 1
            return
        position = None
        if event.seq is not None:
            if not 0 <= event.seq <= MOST:
                self.counts[Anomaly.CORRUPTED] += 1
                return
            position = self.position(side.topic, event.seq, event.epoch or side.epoch)
        one = self.publications.get(event.id)
        if one is None or one.topic != side.topic:
            self.stray(event, side, position, one)
            return
        self.compare(one, event.digest)
        one.seen = True
        if one.rank is None:
            ranks = [other.rank or 0 for other in self.publications.values()]
            one.rank = max(ranks) + 1
        if position is not None:
            self.settle(one, position)
        span = side.spans[-1]
        if not any(life[1] is span for life, _ in side.got):
            if span.first is None and span.place is None and position is None:
                span.place = self.begun(side.topic)
            span.first = span.first or position
        self.receive(event, side, one, position)

    def life(self, side: Side) -> Life:
        """Return what tells this subscription in this connection from all others."""
        return self.lives[side.who], side.spans[-1]

    def stray(
        self,
        event: history.Delivered,
        side: Side,
        position: Position | None,
        one: Publication | None,
    ) -> None:
        """Take what is no publication of this topic."""
        if position is not None:
            self.come(side, position)
        said = read_id(event.id)
        runs = {known.split("-")[1] for known in self.publications}
        if one is not None:
            self.counts[Anomaly.MISROUTED] += 1
        elif said is not None and said.run not in runs:
            self.counts[Anomaly.LEFTOVER] += 1
        else:
            self.counts[Anomaly.UNEXPECTED] += 1

    def compare(self, one: Publication, digest: str) -> None:
        """Compare payloads."""
        if digest and not one.digest:
            one.digest = digest
        elif digest and digest != one.digest:
            wrong = Anomaly.CORRUPTED if one.is_own_digest else Anomaly.DISAGREEMENT
            self.counts[wrong] += 1

    def come(self, side: Side, position: Position, *, is_late: bool = False) -> None:
        """Note a position that came, and what was jumped over."""
        life = self.life(side)
        if any(
            at > position
            for earlier, at in side.came
            if _same(earlier, life) or (is_late and earlier[1] is life[1])
        ):
            self.counts[Anomaly.REORDERED] += 1
        side.came.append((life, position))
        side.holes.discard(position)
        if side.top is not None and position > side.top:
            epoch, seq = position
            begins = side.top[1] + 1 if side.top[0] == epoch else 1
            side.holes |= {(epoch, number) for number in range(begins, seq)}
        if side.top is None or position > side.top:
            side.top = position

    def receive(
        self,
        event: history.Delivered,
        side: Side,
        one: Publication,
        position: Position | None,
    ) -> None:
        """Judge one delivery of a publication against those before it."""
        life = self.life(side)
        before = [earlier for earlier, id_ in side.got if id_ == one.id]
        if position is not None and position != one.positions[0]:
            self.come(side, position)
        elif any(_same(earlier, life) for earlier in before):
            self.counts[Anomaly.REPEATED] += 1
            return
        else:
            self.counts[Anomaly.REDELIVERED] += bool(before)
            self.order(side, one, position, is_late=not before)
        side.got.append((life, one.id))
        if not before:
            self.time(event, one)

    def order(
        self, side: Side, one: Publication, position: Position | None, *, is_late: bool
    ) -> None:
        """Judge the order of a delivery that is no repetition.

        Args:
            side: Of whom.
            one: Which publication.
            position: The position that came with it.
            is_late: Whether it comes for the first time: then what came before a
                resume counts, where the subscriber has asked for what is behind it.
        """
        life = self.life(side)
        numbers = [
            number
            for earlier, publisher, number in side.numbers
            if _same(earlier, life) and publisher == one.publisher
        ]
        if one.number < max(numbers, default=0) and one.ends.count("invoke") == 1:
            self.counts[Anomaly.OVERTAKEN] += 1
        side.numbers.append((life, one.publisher, one.number))
        if position is not None:
            resumed, asked = side.since or (0, position)
            is_unasked = resumed == life[0] and position <= asked
            self.come(side, position, is_late=is_late and is_unasked)
            return
        side.bare.append((life, one.id))
        if self.promise.one_order and self.is_seen_otherwise(side, one):
            self.counts[Anomaly.DISAGREEMENT] += 1

    def is_seen_otherwise(self, side: Side, one: Publication) -> bool:
        """Tell whether another subscriber got this one before one that is earlier here.

        Of the two, the one that anybody got first is held to be the first.
        """
        life = self.life(side)
        here = [id_ for earlier, id_ in side.bare if _same(earlier, life)]
        earlier = [self.publications[id_] for id_ in here[-LATELY:]]
        later = [other for other in earlier if (other.rank or 0) > (one.rank or 0)]
        return any(
            other.saw_before(one.id, before.id)
            for before in later
            for other in self.sides.values()
            if other is not side and other.topic == side.topic
        )

    def time(self, event: history.Delivered, one: Publication) -> None:
        """Judge how late a delivery is."""
        bound = self.promise.stale_after
        lag = 0.0 if one.acked_at is None else event.at - one.acked_at
        if bound is not None and lag > bound:
            self.counts[Anomaly.STALE] += 1

    # At the end

    def judge(self) -> Counter[Anomaly]:
        """Count what did not come, and what should not have."""
        weak = self.promise.witnessed or not self.promise.acknowledges
        lost: set[str] = set()
        for side in self.sides.values():
            dropped = side.dropped
            for one in self.publications.values():
                is_real = one.state == "ok" or (
                    weak and one.seen and one.state != "failed"
                )
                if is_real and one.topic == side.topic:
                    name = self.missing(side, one, dropped)
                    if name is None:
                        continue
                    declared = one.positions and side.declares(one.positions[0])
                    dropped -= name is Anomaly.DECLARED and not declared
                    lost |= {one.id} if name is Anomaly.LOST else set()
                    self.counts[name] += 1
            holes = {at for at in side.holes if not side.declares(at)}
            self.counts[Anomaly.SKIPPED] += max(len(holes) - side.dropped, 0)
        for one in self.publications.values():
            twice = len(set(one.positions)) > 1
            self.counts[Anomaly.PUBLISHED_TWICE] += twice
            phantom = one.state == "failed" and one.seen
            self.counts[Anomaly.PHANTOM] += phantom
            recovered = one.state == "unknown" and one.seen and not weak
            self.counts[Anomaly.RECOVERED] += recovered
            gone = (
                one.state == "ok" and one.id in lost and not one.seen and not one.kept
            )
            self.counts[Anomaly.LOST_TO_ALL] += gone
        return self.counts

    def missing(self, side: Side, one: Publication, dropped: int) -> Anomaly | None:
        """Say what a publication is to somebody who did not get it."""
        if any(id_ == one.id for _, id_ in side.got):
            return None
        position = one.positions[0] if one.positions else None
        owing = [span for span in side.spans if _owes(span, one, position)]
        if not owing:
            return None
        if position is not None and side.declares(position):
            return Anomaly.DECLARED
        if position is not None:
            behind = any(at > position for _, at in side.came)
        else:
            fifo = self.promise.fifo
            behind = fifo and one.number < side.highest().get(one.publisher, 0)
        if not (self.is_final or behind or not owing[0].is_open):
            return Anomaly.PENDING
        return Anomaly.DECLARED if dropped else Anomaly.LOST


def _same(one: Life, other: Life) -> bool:
    """Tell whether two lives are one: the same subscription and connection."""
    return one[0] == other[0] and one[1] is other[1]


def _owes(span: Span, one: Publication, position: Position | None) -> bool:
    """Tell whether a publication is owed within a subscription."""
    is_late = span.place is not None and one.place >= span.place
    if position is None:
        if span.is_open:
            return is_late
        return is_late and one.number < span.numbers.get(one.publisher, 0)
    if not span.is_open and (span.last is None or position > span.last):
        return False
    return is_late or (span.first is not None and position >= span.first)


def count(events: Iterable[history.Event], promise: Promise) -> dict[Anomaly, int]:
    """Return how often each anomaly is in a history."""
    world = World(promise)
    for event in events:
        world.take(event)
    counts = world.judge()
    return {anomaly: counts[anomaly] for anomaly in Anomaly}
