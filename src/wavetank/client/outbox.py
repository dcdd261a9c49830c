"""Outbox: publications on their way, in order, each until it is settled.

It refuses to know connections, disks and who waits for an answer.

Within a topic nothing overtakes: what has to be sent again goes before everything
behind it. Several entries of a topic fly at once only where the hub itself keeps
their order, which it does within one lane; an entry with a key of its own flies alone.
"""

import enum
import heapq
from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from wavetank.client.backoff import Backoff
from wavetank.client.lanes import Lane, Lanes
from wavetank.client.rate import Rate
from wavetank.protocol import Error, ErrorCode

if TYPE_CHECKING:
    import random

__all__ = ["WINDOW", "Entry", "Fate", "Outbox", "Outcome"]

WINDOW = 128
"""Most publications without an answer; a hub stops reading at 256 commands."""


class Entry(msgspec.Struct, kw_only=True):
    """One publication.

    Attributes:
        number: +1 for each entry of a publisher, never used twice.
        topic: The topic.
        data: The payload.
        key: Its own idempotency key; None where it is counted in a lane.
        ordinal: Place among the counted entries of its topic; 0 with a key.
        retries: How often it was in vain.
        is_doubtful: Whether an answer to it was lost, so that it may be published.
        lane: The lane that it was sent in last; None before, and with a key.
        is_flying: Whether an answer is waited for.
    """

    number: int
    topic: str
    data: bytes
    key: str | None = None
    ordinal: int = 0
    retries: int = 0
    is_doubtful: bool = False
    lane: Lane | None = None
    is_flying: bool = False


class Fate(enum.Enum):
    """What an answer means for an entry."""

    AGAIN = "again"
    FAILED = "failed"
    FENCED = "fenced"
    """Somebody else publishes under our name: everything is over."""


class Outcome(NamedTuple):
    """An entry, and what becomes of it."""

    entry: Entry
    fate: Fate


class _Line:
    """The entries of one topic.

    Attributes:
        entries: All of them, by number.
        waiting: Numbers of those that do not fly; a heap.
        flying: Those that do, by number.
        held_until: Nothing is sent before, in seconds.
    """

    __slots__ = ("entries", "flying", "held_until", "waiting")

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.waiting: list[int] = []
        self.flying: dict[int, Entry] = {}
        self.held_until = 0.0

    @property
    def oldest(self) -> int:
        """The lowest number that is not settled."""
        # A dict keeps the order in which entries were offered.
        return next(iter(self.entries))


class Outbox:
    """Publications that are not settled.

    Args:
        lanes: How they are numbered.
        backoff: Before one is sent again.
        rng: Its dice.
        max_retries: How often one may be sent again; None is endless.
        window: Most that fly at once.

    Attributes:
        size: Bytes of all payloads in it.
        retried: How often something had to be sent again.
    """

    def __init__(
        self,
        lanes: Lanes,
        *,
        backoff: Backoff,
        rng: "random.Random",
        max_retries: int | None = None,
        window: int = WINDOW,
    ) -> None:
        self._lanes = lanes
        self._backoff = backoff
        self._rng = rng
        self._max_retries = max_retries
        self._window = window
        # Fewer fly after an error: as with TCP, half as many, then one more each.
        self._allowed = window
        self._flying = 0
        self._count = 0
        self._held_until = 0.0
        self._rate = Rate(None, 0.0)
        self._lines: dict[str, _Line] = {}
        self._ready: dict[str, None] = {}
        self._held: list[tuple[float, str]] = []
        self._numbers: list[int] = []
        self._topics: dict[int, str] = {}
        self.size = 0
        self.retried = 0

    def __len__(self) -> int:
        """Return how many entries are in it."""
        return self._count

    @property
    def flying(self) -> int:
        """How many wait for an answer."""
        return self._flying

    @property
    def oldest(self) -> int | None:
        """The lowest number in it, or None."""
        while self._numbers and self._numbers[0] not in self._topics:
            heapq.heappop(self._numbers)
        return self._numbers[0] if self._numbers else None

    # In and out.

    def offer(self, entry: Entry) -> None:
        """Add an entry behind all others; its number is the highest so far."""
        line = self._lines.setdefault(entry.topic, _Line())
        line.entries[entry.number] = entry
        heapq.heappush(line.waiting, entry.number)
        self._topics[entry.number] = entry.topic
        heapq.heappush(self._numbers, entry.number)
        self._count += 1
        self.size += len(entry.data)
        self._look_at(entry.topic, line)

    def next(self, now: float) -> Entry | None:
        """Return the next entry to send; it flies from now on."""
        if self._flying >= self._allowed or now < self._held_until:
            return None
        while self._held and self._held[0][0] <= now:
            topic = heapq.heappop(self._held)[1]
            if topic in self._lines:
                self._look_at(topic, self._lines[topic])
        while self._ready:
            topic = next(iter(self._ready))
            line = self._lines[topic]
            if self._may_fly(line, now):
                if not self._rate.take(now):
                    return None
                # The other topics have their turn before this one has another.
                del self._ready[topic]
                entry = self._start(line)
                self._look_at(topic, line)
                return entry
            del self._ready[topic]
        return None

    def _may_fly(self, line: _Line, now: float) -> bool:
        """Tell whether the next entry of a topic may be sent beside those that fly."""
        if not line.waiting or now < line.held_until:
            return False
        if not line.flying:
            return True
        entry = line.entries[line.waiting[0]]
        other = next(iter(line.flying.values()))
        if entry.key is not None or other.lane is None:
            return False
        return other.lane is self._lanes.find(entry.topic, entry.number)

    def _start(self, line: _Line) -> Entry:
        entry = line.entries[heapq.heappop(line.waiting)]
        if entry.key is None:
            entry.lane = self._lanes.find(entry.topic, entry.number)
        entry.is_flying = True
        line.flying[entry.number] = entry
        self._flying += 1
        return entry

    def _look_at(self, topic: str, line: _Line) -> None:
        if line.waiting:
            self._ready[topic] = None

    @property
    def due_at(self) -> float:
        """When something that is held may be sent; ``inf`` where nothing is."""
        times = [held for held, _ in self._held[:1]]
        if self._ready:
            times.append(self._rate.due_at)
        # A topic may be due before all of them may go on.
        return max(min(times, default=inf), self._held_until)

    # Answers.

    def acknowledged(self, number: int) -> Entry | None:
        """Take the good answer; return the entry, None if nobody waits for it."""
        entry = self._land(number)
        if entry is None:
            return None
        self._allowed = min(self._window, self._allowed + 1)
        self._settle(entry)
        return entry

    def refused(self, number: int, error: Error, now: float) -> Outcome | None:
        """Take an error as the answer.

        Returns:
            The entry and its fate; None if nobody waits for it.
        """
        entry = self._land(number)
        if entry is None:
            return None
        if error.code == ErrorCode.PRODUCER_GAP and entry.lane is not None:
            return self._mend_gap(entry, now)
        if error.code == ErrorCode.PRODUCER_FENCED:
            self._settle(entry)
            return Outcome(entry, Fate.FENCED)
        if not error.retryable:
            return self._fail(entry)
        self._allowed = max(1, self._allowed // 2)
        wait = self._backoff.delay(entry.retries, self._rng)
        wait = max(wait, min(error.retry_after or 0.0, self._backoff.cap))
        if error.code == ErrorCode.RATE_LIMITED:
            # It is the connection that is too fast, not the topic.
            self._held_until = max(self._held_until, now + wait)
            wait = 0.0
        return self._again(entry, now + wait)

    def _mend_gap(self, entry: Entry, now: float) -> Outcome:
        """Send again what came too early, or what the hub has no memory of.

        Whatever is missing before it will come, if it is still here. Otherwise the
        hub has forgotten us, or a number was given up: a new lane begins.
        """
        line = self._lines[entry.topic]
        lane = self._lanes.find(entry.topic, entry.number)
        if line.oldest != entry.number or lane is not entry.lane:
            return self._again(entry, now, is_vain=False)
        if lane.seq(entry.ordinal) == 1:
            # Not even a first number is right: that is not about numbers.
            return self._again(
                entry, now + self._backoff.delay(entry.retries, self._rng)
            )
        self._lanes.break_before(entry.topic, entry.number, entry.ordinal)
        return self._again(entry, now, is_vain=False)

    def _again(self, entry: Entry, at: float, *, is_vain: bool = True) -> Outcome:
        if is_vain and self._is_spent(entry):
            return self._fail(entry)
        entry.retries += is_vain
        self.retried += 1
        line = self._lines[entry.topic]
        heapq.heappush(line.waiting, entry.number)
        if at > line.held_until:
            line.held_until = at
            heapq.heappush(self._held, (at, entry.topic))
        self._look_at(entry.topic, line)
        return Outcome(entry, Fate.AGAIN)

    def _is_spent(self, entry: Entry) -> bool:
        return self._max_retries is not None and entry.retries >= self._max_retries

    def _fail(self, entry: Entry) -> Outcome:
        if entry.lane is not None and not entry.is_doubtful:
            # Its number is free for sure, so a hole would stay. In doubt, the hub
            # will say whether there is one.
            self._lanes.break_behind(entry.topic, entry.number, entry.ordinal)
        self._settle(entry)
        return Outcome(entry, Fate.FAILED)

    def _land(self, number: int) -> Entry | None:
        topic = self._topics.get(number)
        entry = self._lines[topic].flying.pop(number, None) if topic else None
        if entry is not None:
            entry.is_flying = False
            self._flying -= 1
            self._look_at(entry.topic, self._lines[entry.topic])
        return entry

    def _settle(self, entry: Entry) -> None:
        line = self._lines[entry.topic]
        del line.entries[entry.number], self._topics[entry.number]
        self._count -= 1
        self.size -= len(entry.data)
        if entry.key is None:
            self._lanes.done(entry.topic)
        if line.entries:
            self._lanes.settle(entry.topic, line.oldest)
        else:
            del self._lines[entry.topic]
            self._ready.pop(entry.topic, None)

    # Connections.

    def connected(self, rate: float | None, now: float) -> None:
        """Hear that there is a connection.

        Args:
            rate: Publications a second that the hub takes; None is unlimited.
            now: The time.
        """
        self._rate = Rate(rate, now)

    def lost(self) -> list[Entry]:
        """Hear that the connection is gone: whatever flew may have arrived or not.

        Returns:
            Entries that were sent again too often, and are given up.
        """
        self._held_until = 0.0
        self._allowed = self._window
        failed = []
        for line in list(self._lines.values()):
            for entry in list(line.flying.values()):
                self._land(entry.number)
                entry.is_doubtful = True
                if self._again(entry, 0.0).fate is Fate.FAILED:
                    failed.append(entry)
        return failed

    def failed_to_connect(self) -> list[Entry]:
        """Hear that there was no connection to be had: an attempt was in vain for all.

        Returns:
            Entries that are given up.
        """
        if self._max_retries is None:
            return []
        failed = []
        for entry in list(self.entries()):
            if self._is_spent(entry):
                self._unwait(entry)
                self._fail(entry)
                failed.append(entry)
            else:
                entry.retries += 1
        return failed

    def _unwait(self, entry: Entry) -> None:
        # Given up are the oldest ones, so this is the first of the heap as a rule.
        line = self._lines[entry.topic]
        if line.waiting[0] == entry.number:
            heapq.heappop(line.waiting)
        else:
            line.waiting.remove(entry.number)
            heapq.heapify(line.waiting)

    def entries(self) -> Iterator[Entry]:
        """Yield everything in it, topic by topic."""
        for line in self._lines.values():
            yield from line.entries.values()

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Outbox {self._count} entries, {self._flying} flying>"
