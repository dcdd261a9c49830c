"""Duplicates: who has published what before, by idempotency key or by counting.

They refuse to know where publications are kept, and what is answered.

A note is made with the append. Until that append is durable it can be taken back,
and then everything is as it was before: what a note has displaced comes back too.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

import msgspec

from wavetank.errors import LocalError
from wavetank.hub.rules import Objection
from wavetank.protocol import ErrorCode, Producer, Publish

__all__ = [
    "FORGOTTEN_AT_ONCE",
    "FRESH",
    "KEY_AGE",
    "MOST_KEYS",
    "MOST_PRODUCERS",
    "MOST_SEQS",
    "NODE_NOTES",
    "Budget",
    "Duplicate",
    "Duplicates",
    "Fresh",
    "KeptKey",
    "KeptProducer",
    "Origin",
]

KEY_AGE = 300.0
"""Seconds after which a key is forgotten."""

USER_KEYS = 100_000
"""Most keys of one user in one topic."""

MOST_KEYS = 200_000
"""Most keys of one topic, of all users together."""

MOST_PRODUCERS = 10_000
"""Most producers of one topic; whoever has not published for longest goes first."""

MOST_SEQS = 1000
"""Newest publications of a producer whose seq in the log is remembered."""

NODE_NOTES = 1_000_000
"""Most keys, and most seqs of producers, that one node remembers."""

FORGOTTEN_AT_ONCE = 1000
"""Keys that are forgotten in one go, so that the loop is not held up."""

_MOST_STEPS = 200_000
"""Notes of one topic that can be taken back; no log holds so many at once."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """How a publication can be known again; kept with its entry.

    Attributes:
        user: Who published it.
        key: Its idempotency key, or None.
        producer: Its producer and number, or None; one of both is there.
    """

    user: str
    key: str | None = None
    producer: Producer | None = None

    @classmethod
    def of(cls, user: str, command: Publish) -> "Origin | None":
        """Return the origin of a publication; None where it cannot be known again."""
        if command.key is None and command.producer is None:
            return None
        return cls(user=user, key=command.key, producer=command.producer)


class KeptKey(msgspec.Struct, frozen=True):
    """A key that was used.

    Attributes:
        user: By whom.
        key: The key.
        seq: Of the entry that it was published with.
        at: When, in seconds since 1970.
    """

    user: str
    key: str
    seq: int
    at: float


class KeptProducer(msgspec.Struct, frozen=True):
    """How far a producer has counted.

    Attributes:
        user: Whose it is.
        name: Of the producer.
        epoch: Its newest life.
        last: Its newest number.
        seqs: Seqs in the log of its newest numbers, oldest first; at least one.
    """

    user: str
    name: str
    epoch: int
    last: int
    seqs: Sequence[int]


class Notes(Protocol):
    """What a log has kept of a topic's origins."""

    @property
    def keys(self) -> Sequence[KeptKey]:
        """Keys that were used."""
        ...

    @property
    def producers(self) -> Sequence[KeptProducer]:
        """Producers that have published."""
        ...


class Fresh(msgspec.Struct, frozen=True):
    """Nobody has published this before."""


class Duplicate(msgspec.Struct, frozen=True):
    """It was published before: as ``seq``, or too long ago to know (None)."""

    seq: int | None


FRESH = Fresh()
"""The most frequent answer, made once."""


class Budget:
    """How much one node remembers over all its topics.

    Beyond it a topic gives up its own oldest notes for its newer ones.

    Args:
        most: Keys, and as many seqs of producers.

    Attributes:
        keys: That are remembered now.
        seqs: That are remembered now.
    """

    __slots__ = ("keys", "most", "seqs")

    def __init__(self, most: int = NODE_NOTES) -> None:
        self.most = most
        self.keys = 0
        self.seqs = 0

    def __repr__(self) -> str:
        """Show how much is used."""
        return f"<Budget {self.keys} keys and {self.seqs} seqs of {self.most}>"


_Place = tuple[str, str]
"""User and key, or user and name of a producer."""


class _Count:
    """How far one producer has counted in its newest life."""

    __slots__ = ("epoch", "last", "seqs")

    def __init__(self, epoch: int, last: int, seqs: Iterable[int]) -> None:
        self.epoch = epoch
        self.last = last
        self.seqs = deque(seqs)

    def find(self, number: int) -> int | None:
        """Return the seq of one of its publications; None where it is too old."""
        back = self.last - number
        return self.seqs[-1 - back] if back < len(self.seqs) else None


class _Step(msgspec.Struct):
    """What one note has displaced, so that it can be taken back.

    Attributes:
        seq: Of the note.
        keys: That had to go.
        place: Of the producer that has counted on; None where it was a key.
        before: What the producer was in the life before; None if there was none.
        is_new: Whether a life of the producer has begun.
        dropped: Seqs that the producer had to forget, oldest first.
        gone: The producer that had to go.
    """

    seq: int
    keys: list[KeptKey] = []
    place: _Place | None = None
    before: _Count | None = None
    is_new: bool = False
    dropped: list[int] = []
    gone: tuple[_Place, _Count] | None = None


class Duplicates:
    """What is remembered of one topic's publications.

    Args:
        budget: Of the node; left out, the topic has one of its own.
    """

    __slots__ = ("_at", "_budget", "_by_user", "_counts", "_keys", "_steps")

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        self._keys: OrderedDict[_Place, KeptKey] = OrderedDict()
        self._by_user: dict[str, deque[KeptKey]] = {}
        self._counts: OrderedDict[_Place, _Count] = OrderedDict()
        self._steps: deque[_Step] = deque(maxlen=_MOST_STEPS)
        self._at = 0.0

    @classmethod
    def restore(cls, kept: Notes, budget: Budget | None = None) -> Self:
        """Go on with what a log has kept."""
        self = cls(budget)
        for key in sorted(kept.keys, key=_seq_of):
            self._forget_key(self._keys.get((key.user, key.key)))
            self._add_key(key)
            self._at = max(self._at, key.at)
            self._shed_keys(key.user)
        for kept_one in sorted(kept.producers, key=_newest_of):
            count = _Count(kept_one.epoch, kept_one.last, kept_one.seqs)
            self._add_count((kept_one.user, kept_one.name), count)
            self._shed_seqs(count)
            self._shed_counts()
        return self

    # Judging.

    def judge(
        self, user: str, command: Publish, wall: float
    ) -> Fresh | Duplicate | Objection:
        """Tell whether a publication was there before.

        Args:
            user: Who publishes.
            command: What they publish.
            wall: Seconds since 1970.
        """
        if command.key is not None:
            note = self._keys.get((user, command.key))
            if note is None or wall - note.at > KEY_AGE:
                return FRESH
            return Duplicate(note.seq)
        if command.producer is not None:
            return self._judge_producer(user, command.producer)
        return FRESH

    def _judge_producer(
        self, user: str, producer: Producer
    ) -> Fresh | Duplicate | Objection:
        count = self._counts.get((user, producer.name))
        last = 0
        if count is not None:
            if producer.epoch < count.epoch:
                words = f"a producer of this name is at epoch {count.epoch}"
                return Objection(ErrorCode.PRODUCER_FENCED, words)
            if producer.epoch == count.epoch:
                last = count.last
                if producer.seq <= last:
                    return Duplicate(count.find(producer.seq))
        if producer.seq == last + 1:
            return FRESH
        words = f"producer seq {producer.seq} does not follow {last}"
        return Objection(ErrorCode.PRODUCER_GAP, words, expected=last + 1)

    # Noting.

    def note(self, origin: Origin, seq: int, wall: float) -> None:
        """Remember a publication that was judged fresh, and appended.

        Args:
            origin: Of the publication.
            seq: Of its entry.
            wall: Seconds since 1970.

        Raises:
            LocalError: If the key is known, so that the publication is none.
        """
        if origin.key is not None:
            self._note_key(origin.user, origin.key, seq, wall)
        elif origin.producer is not None:
            self._note_producer(origin.user, origin.producer, seq)

    def _note_key(self, user: str, key: str, seq: int, wall: float) -> None:
        self.tend(wall)
        known = self._keys.get((user, key))
        if known is not None and self._at - known.at <= KEY_AGE:
            raise LocalError(f"key {key!r} of {user!r} is known")
        self._forget_key(known)
        self._add_key(KeptKey(user, key, seq, self._at))
        gone = self._shed_keys(user)
        if gone:
            self._steps.append(_Step(seq, keys=gone))

    def _add_key(self, note: KeptKey) -> None:
        self._keys[note.user, note.key] = note
        self._by_user.setdefault(note.user, deque()).append(note)
        self._budget.keys += 1

    def _forget_key(self, note: KeptKey | None) -> None:
        """Forget a key that is its user's oldest; as a rule it is."""
        if note is None:
            return
        del self._keys[note.user, note.key]
        own = self._by_user[note.user]
        own.remove(note)
        if not own:
            del self._by_user[note.user]
        self._budget.keys -= 1

    def _shed_keys(self, user: str) -> list[KeptKey]:
        """Forget the oldest keys beyond all bounds, and return them."""
        gone = []
        own = self._by_user[user]
        while len(own) > USER_KEYS:
            gone.append(own[0])
            self._forget_key(own[0])
        while len(self._keys) > 1 and (
            len(self._keys) > MOST_KEYS or self._budget.keys > self._budget.most
        ):
            oldest = next(iter(self._keys.values()))
            gone.append(oldest)
            self._forget_key(oldest)
        return gone

    def _note_producer(self, user: str, producer: Producer, seq: int) -> None:
        place = (user, producer.name)
        count = self._counts.get(place)
        step = _Step(seq, place=place)
        if count is None or producer.epoch > count.epoch:
            step.before, step.is_new = count, True
            self._drop_count(place)
            count = _Count(producer.epoch, producer.seq, (seq,))
            self._add_count(place, count)
        else:
            count.last = producer.seq
            count.seqs.append(seq)
            self._budget.seqs += 1
            self._counts.move_to_end(place)
        step.dropped = self._shed_seqs(count)
        step.gone = self._shed_counts()
        self._steps.append(step)

    def _add_count(self, place: _Place, count: _Count) -> None:
        self._counts[place] = count
        self._budget.seqs += len(count.seqs)

    def _drop_count(self, place: _Place) -> None:
        count = self._counts.pop(place, None)
        if count is not None:
            self._budget.seqs -= len(count.seqs)

    def _shed_seqs(self, count: _Count) -> list[int]:
        """Let a producer forget its oldest seqs beyond all bounds."""
        dropped = []
        seqs, budget = count.seqs, self._budget
        while len(seqs) > 1 and (len(seqs) > MOST_SEQS or budget.seqs > budget.most):
            dropped.append(seqs.popleft())
            budget.seqs -= 1
        return dropped

    def _shed_counts(self) -> tuple[_Place, _Count] | None:
        """Forget the producer that was quiet for longest, if there is no room."""
        counts, budget = self._counts, self._budget
        is_over = len(counts) > MOST_PRODUCERS or budget.seqs > budget.most
        if not is_over or len(counts) == 1:
            return None
        place, count = next(iter(counts.items()))
        self._drop_count(place)
        return place, count

    # Forgetting.

    def settle(self, seq: int) -> None:
        """Note that nothing up to ``seq`` will be taken back any more."""
        while self._steps and self._steps[0].seq <= seq:
            self._steps.popleft()

    def take_back(self, seq: int) -> None:
        """Forget the notes of ``seq`` and all later ones, as if they had not been."""
        self._budget.keys -= len(self._keys)
        while self._steps and self._steps[-1].seq >= seq:
            self._undo(self._steps.pop())
        ordered = sorted(self._keys.values(), key=_seq_of)
        self._keys.clear()
        self._by_user.clear()
        for note in ordered:
            if note.seq < seq:
                self._add_key(note)
        places = sorted(self._counts.items(), key=lambda item: item[1].seqs[-1])
        self._counts.clear()
        for place, count in places:
            self._counts[place] = count
            if count.seqs[-1] >= seq:
                # Its step is forgotten. Better no memory than a wrong one.
                self._drop_count(place)

    def _undo(self, step: _Step) -> None:
        for note in step.keys:
            self._keys[note.user, note.key] = note
        if step.gone is not None:
            self._add_count(*step.gone)
        if step.place is None:
            return
        count = self._counts[step.place]
        if step.is_new:
            self._drop_count(step.place)
            if step.before is not None:
                self._add_count(step.place, step.before)
        else:
            count.seqs.pop()
            count.last -= 1
            count.seqs.extendleft(reversed(step.dropped))
            self._budget.seqs += len(step.dropped) - 1

    def tend(self, wall: float) -> None:
        """Forget keys that are too old, some at a time; ``judge`` knows their age.

        Args:
            wall: Seconds since 1970; time that goes back does not count.
        """
        self._at = max(self._at, wall)
        for _ in range(min(FORGOTTEN_AT_ONCE, len(self._keys))):
            oldest = next(iter(self._keys.values()))
            if self._at - oldest.at <= KEY_AGE:
                return
            self._forget_key(oldest)

    def release(self) -> None:
        """Give everything back to the node's budget; this is not used any more."""
        self._budget.keys -= len(self._keys)
        self._budget.seqs -= sum(len(count.seqs) for count in self._counts.values())
        self._keys.clear()
        self._by_user.clear()
        self._counts.clear()
        self._steps.clear()

    # Looking at it.

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing left to remember."""
        return not self._keys and not self._counts

    @property
    def keys(self) -> list[KeptKey]:
        """The keys, oldest first."""
        return list(self._keys.values())

    @property
    def producers(self) -> list[KeptProducer]:
        """The producers; whoever was quiet for longest comes first."""
        return [
            KeptProducer(user, name, count.epoch, count.last, list(count.seqs))
            for (user, name), count in self._counts.items()
        ]

    def __repr__(self) -> str:
        """Show how much is remembered."""
        return f"<Duplicates {len(self._keys)} keys, {len(self._counts)} producers>"


def _seq_of(note: KeptKey) -> int:
    return note.seq


def _newest_of(producer: KeptProducer) -> int:
    return producer.seqs[-1]
