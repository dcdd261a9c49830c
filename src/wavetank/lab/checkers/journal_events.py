"""Journal events: operations that a user's own clients wrote down, as a history.

They refuse to judge, and to know who wrote them. A run of the lab needs none of this:
its journal has the findings, and `wavetank report` makes its verdict of them again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from wavetank.evidence import FaultBegan, FaultHealed, Kind, Operation, Record
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
from wavetank.lab.checkers.ids import digest_of, find_id

__all__ = ["UNFINISHED", "JournalEvents", "events_of"]

UNFINISHED = "unfinished"
"""Detail of a ``drained`` whose deadline passed while messages were still coming."""


class JournalEvents:
    """Reads operations one by one.

    ====================  ==================================================
    name and kind         what it is
    ====================  ==================================================
    open ok               a connection of that peer begins
    resume ok             the same, and the target goes on with the session
    close ok, abort, cut  it is over
    subscribe             ``since EPOCH SEQ`` in the detail of its invoke is
                          where it goes on; else ``seq`` of its ok is the head
    unsubscribe ok        the subscription is over, behind its ``seq`` where it has one
    publish               the payload is the detail of its invoke
    event                 a delivery; the payload is its detail
    replayed              the same, and the target says that it comes again
    damaged               something has come that is no message
    gap                   ``FIRST LAST`` in its detail; LAST may be missing, and
                          ``epoch NAME`` behind them where it is of an older one
    dropped               how many, in its detail
    kept                  a message of the history, the payload is its detail
    healed, reconnected   the final phase
    drained               its end; the detail may say that it is unfinished
    ====================  ==================================================

    An ok of a subscription or a publication names its epoch with ``epoch NAME`` in
    its detail. A journal cuts payloads: an id has to stand in their first hundred
    characters, and what is changed behind them is not seen.

    Args:
        subscribers: Peer -> the subscriber that it is a connection of; a peer that
            is not named is a subscriber of its own.
        digest: Makes a digest of a payload.
    """

    def __init__(
        self,
        *,
        subscribers: Mapping[str, str] | None = None,
        digest: Callable[[str], str] = digest_of,
    ) -> None:
        self._subscribers = subscribers or {}
        self._digest = digest
        self._opened: Counter[str] = Counter()
        # (peer, number of the operation) -> id of a message; or where it goes on.
        self._published: dict[tuple[str, int], str] = {}
        self._since: dict[tuple[str, int], list[str]] = {}
        self._topics: dict[str, str] = {}
        self._epochs: dict[tuple[str, str], str] = {}

    def read(self, record: Record) -> Event | None:
        """Return what a record is to a checker; None where it is nothing."""
        if not isinstance(record, Operation):
            return _fault(record)
        if record.kind is Kind.INVOKE:
            return self._begin(record)
        if record.name == "publish":
            return self._answer(record)
        if record.kind is Kind.OK:
            return self._happen(record)
        self._since.pop((record.peer, record.id), None)
        return self._hear(record) if record.kind is Kind.INFO else None

    def _begin(self, one: Operation) -> Event | None:
        if one.name == "subscribe":
            self._since[one.peer, one.id] = one.detail.split()
        id_ = find_id(one.detail) if one.name == "publish" else ""
        if not id_:
            return None
        self._published[one.peer, one.id] = id_
        digest = self._digest(one.detail)
        return PublishInvoked(one.at, one.peer, id_, one.topic, digest)

    def _answer(self, one: Operation) -> Event | None:
        """Return what became of a publication."""
        id_ = self._published.pop((one.peer, one.id), "")
        if not id_:
            return None
        if one.kind is Kind.OK:
            return PublishOk(one.at, id_, one.seq, _epoch(one.detail))
        ends = PublishFailed if one.kind is Kind.FAIL else PublishInfo
        return ends(one.at, id_)

    def _happen(self, one: Operation) -> Event | None:
        """Return what definitely happened."""
        who = self._who(one)
        match one.name:
            case "open" | "resume":
                self._opened[who] += 1
                begins = Connected if one.name == "open" else Resumed
                return begins(one.at, who, self._connection(who))
            case "close":
                return Closed(one.at, who, self._connection(who))
            case "subscribe":
                return self._subscribe(one, who)
            case "unsubscribe":
                self._epochs.pop((who, one.topic), None)
                return Unsubscribed(one.at, who, one.topic, one.seq)
        return None

    def _subscribe(self, one: Operation, who: str) -> Subscribed:
        self._topics[who] = one.topic
        now = _epoch(one.detail)
        match self._since.pop((one.peer, one.id), []):
            case ["since", epoch, seq]:
                head, since = _whole(seq), epoch
            case _:
                head, since = one.seq, now
        # Of what comes nobody says it: it is that of the answer.
        self._epochs[who, one.topic] = now or since
        return Subscribed(one.at, who, one.topic, head, since)

    def _hear(self, one: Operation) -> Event | None:
        """Return what nobody asked for."""
        who = self._who(one)
        topic = one.topic or self._topics.get(who, "")
        if one.name in {"event", "replayed"}:
            return self._deliver(one, who, topic)
        if one.name == "damaged":
            where = self._connection(who)
            return Damaged(one.at, who, where, topic, one.detail)
        if one.name in {"abort", "cut"}:
            return Closed(one.at, who, self._connection(who))
        if one.name in {"gap", "dropped"}:
            return _declared(one, who, topic)
        return _ended(one, topic)

    def _deliver(self, one: Operation, who: str, topic: str) -> Delivered:
        return Delivered(
            one.at,
            who,
            self._connection(who),
            topic,
            find_id(one.detail),
            one.seq,
            self._epochs.get((who, topic), ""),
            digest=self._digest(one.detail),
            replay=one.name == "replayed",
        )

    def _who(self, one: Operation) -> str:
        return self._subscribers.get(one.peer, one.peer)

    def _connection(self, who: str) -> str:
        return f"connection {self._opened[who]}"

    def __repr__(self) -> str:
        """Show how many publications are without an answer."""
        return f"<JournalEvents {len(self._published)} unanswered>"


def events_of(
    records: Iterable[Record],
    *,
    subscribers: Mapping[str, str] | None = None,
    digest: Callable[[str], str] = digest_of,
) -> Iterator[Event]:
    """Yield the history that the records of a journal tell, as `JournalEvents` does."""
    reader = JournalEvents(subscribers=subscribers, digest=digest)
    for record in records:
        event = reader.read(record)
        if event is not None:
            yield event


def _fault(record: Record) -> Event | None:
    match record:
        case FaultBegan():
            return FaultBegins(record.at, record.name)
        case FaultHealed():
            return FaultHeals(record.at, record.name)
    return None


def _declared(one: Operation, who: str, topic: str) -> Event | None:
    """Return what the target says it does not send."""
    numbers, _, epoch = one.detail.partition(" epoch ")
    match [_whole(word) for word in numbers.split()]:
        case [int() as count] if one.name == "dropped":
            return DropNotice(one.at, who, topic, count)
        case [int() as first]:
            return Gap(one.at, who, topic, first, None, epoch)
        case [int() as first, int() as last]:
            return Gap(one.at, who, topic, first, last, epoch)
    return None


def _ended(one: Operation, topic: str) -> Event | None:
    """Return what belongs to the end of a run."""
    match one.name:
        case "kept":
            return Kept(one.at, topic, find_id(one.detail))
        case "healed":
            return Healed(one.at)
        case "reconnected":
            return Reconnected(one.at)
        case "drained":
            return Drained(one.at, one.detail != UNFINISHED)
    return None


def _epoch(detail: str) -> str:
    """Return the epoch that a detail names; "" where it names none."""
    word, _, name = detail.partition(" ")
    return name if word == "epoch" else ""


def _whole(word: str) -> int | None:
    """Return a whole number; None where it is none."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 16 else None
