"""The verdict on what publishers and subscribers of a hub have seen.

It refuses to know how they saw it: a history goes in, problems come out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

__all__ = ["Acknowledged", "Began", "Evidence", "Log", "Saw", "Sent", "Told", "chain"]

MOST_PROBLEMS = 20


class Sent(NamedTuple):
    """A publication that somebody sent, once or again and again.

    Attributes:
        topic: Where to.
        payload: Its bytes; no other publication has the same.
        is_once: Whether it had a key or a number that makes a second one a duplicate.
        counted: Who counts, and its number; None without a producer.
    """

    topic: str
    payload: bytes
    is_once: bool = False
    counted: tuple[str, int] | None = None


class Acknowledged(NamedTuple):
    """The hub's word that a publication is in the log, and where."""

    topic: str
    epoch: str
    seq: int
    payload: bytes


class Log(NamedTuple):
    """What a topic's log had in it at the end.

    Attributes:
        epoch: Of the log.
        tag: That the hub gave to its top.
        entries: Seq and payload, oldest first.
    """

    epoch: str
    tag: str
    entries: Sequence[tuple[int, bytes]]


class Began(NamedTuple):
    """A subscription began behind ``seq``; ``recovered`` as the reply says it."""

    epoch: str
    seq: int
    tag: str
    recovered: bool | None = None


class Saw(NamedTuple):
    """An event came."""

    seq: int
    payload: bytes


class Told(NamedTuple):
    """A heartbeat named a top and its tag."""

    seq: int
    tag: str


Story = Sequence[Began | Saw | Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was seen.

    Attributes:
        sent: Every publication.
        acknowledged: Every acknowledgement.
        logs: Topic -> its log at the end.
        stories: What each subscriber saw of each topic, over all its connections.
    """

    sent: Sequence[Sent] = ()
    acknowledged: Sequence[Acknowledged] = ()
    logs: dict[str, Log] = field(default_factory=dict)
    stories: dict[tuple[str, str], Story] = field(default_factory=dict)

    def judge(self) -> list[str]:
        """Return what is wrong with it, the first problems of many."""
        found: list[str] = []
        for problem in self._problems():
            found.append(problem)
            if len(found) == MOST_PROBLEMS:
                break
        return found

    def _problems(self) -> Iterator[str]:
        for topic, log in self.logs.items():
            yield from _judge_log(topic, log)
        yield from _judge_sent(self)
        yield from _judge_acknowledged(self)
        for (who, topic), story in self.stories.items():
            for problem in _judge_story(story, self.logs[topic]):
                yield f"{who} on {topic}: {problem}"

    def __len__(self) -> int:
        """Return how much there is to judge."""
        stories = sum(map(len, self.stories.values()))
        return len(self.sent) + len(self.acknowledged) + stories


def chain(tag: str, seq: int, payload: bytes) -> str:
    """Return the tag of an entry, from that of the entry before it."""
    start = crc32(seq.to_bytes(8, "big"), int(tag, 16))
    return f"{crc32(payload, start):08x}"


def _judge_log(topic: str, log: Log) -> Iterator[str]:
    tag = "00000000"
    for place, (seq, payload) in enumerate(log.entries, start=1):
        if seq != place:
            yield f"log of {topic}: entry {seq} stands at place {place}"
            return
        tag = chain(tag, seq, payload)
    if tag != log.tag:
        yield f"log of {topic}: its top has the tag {log.tag}, and not {tag}"


def _judge_sent(evidence: Evidence) -> Iterator[str]:
    """Each in its own log, once where that was promised, and producers in order."""
    known = {each.payload: each for each in evidence.sent}
    times: Counter[bytes] = Counter()
    last: defaultdict[tuple[str, str], int] = defaultdict(int)
    for topic, log in evidence.logs.items():
        for seq, payload in log.entries:
            sent = known.get(payload)
            if sent is None or sent.topic != topic:
                yield f"log of {topic}: nobody sent entry {seq} there: {payload[:60]!r}"
                continue
            times[payload] += 1
            if sent.counted is None:
                continue
            who, number = sent.counted
            before, last[who, topic] = last[who, topic], number
            if number != before + 1:
                yield f"log of {topic}: number {number} of {who} follows {before}"
    for sent in evidence.sent:
        if sent.is_once and times[sent.payload] > 1:
            words = f"{times[sent.payload]} times"
            yield f"log of {sent.topic}: {sent.payload[:60]!r} is there {words}"


def _judge_acknowledged(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged is in the log; and everything was, in the end."""
    entries = {topic: dict(log.entries) for topic, log in evidence.logs.items()}
    for topic, epoch, seq, payload in evidence.acknowledged:
        log = evidence.logs.get(topic)
        if log is None or log.epoch != epoch:
            yield f"entry {seq} of {topic} was acknowledged in epoch {epoch}, now gone"
        elif entries[topic].get(seq) != payload:
            words = f"acknowledged {payload[:60]!r}, now "
            there = entries[topic].get(seq, b"nothing")[:60]
            yield f"entry {seq} of {topic}: {words}{there!r}"
    answered = {each.payload for each in evidence.acknowledged}
    for sent in evidence.sent:
        if sent.payload not in answered:
            yield f"never acknowledged: {sent.payload[:60]!r}"


def _judge_story(story: Story, log: Log) -> Iterator[str]:
    """One order without holes over all connections, which is that of the log."""
    entries = dict(log.entries)
    place: tuple[int, str] | None = None
    for each in story:
        if isinstance(each, Began):
            if each.epoch != log.epoch:
                yield f"began in epoch {each.epoch}, and the log is {log.epoch}"
            if each.recovered is False or (place and not each.recovered):
                yield f"did not recover at {each.seq}"
            if place not in (None, (each.seq, each.tag)):
                yield f"went on behind {each.seq} {each.tag}, and was at {place}"
            place = (each.seq, each.tag)
        elif place is None:
            yield f"{each} came before it began"
            return
        elif isinstance(each, Told):
            if place != (each.seq, each.tag):
                yield f"was told of {each.seq} {each.tag} when it was at {place}"
        else:
            if each.seq != place[0] + 1:
                yield f"event {each.seq} follows {place[0]}"
            if entries.get(each.seq) != each.payload:
                there = entries.get(each.seq, b"nothing")[:60]
                yield f"event {each.seq}: {each.payload[:60]!r}, in the log {there!r}"
            place = (each.seq, chain(place[1], each.seq, each.payload))
    top = len(log.entries)
    if place != (top, log.tag):
        yield f"ended at {place}, and the log at {top} {log.tag}"
