"""One topic's log in memory: its newest entries, positions and retention.

It refuses to know where entries are kept beyond memory, and who reads them.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

import msgspec

from wavetank.errors import LocalError
from wavetank.protocol import (
    MAX_SEQ,
    Gap,
    Reason,
    encode_event,
    encode_push,
    encode_ts,
    event_head,
    format_tag,
    next_tag,
)
from wavetank.wire import Opcode, encode_frame

__all__ = ["Bounds", "Entry", "Mark", "Run", "TopicLog", "make_entry", "make_gap"]


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One publication as it is kept: once, in the frame that everybody gets.

    Attributes:
        seq: Its place.
        tag: Its chain tag.
        at: Time of its append in seconds since 1970.
        frame: The whole WebSocket frame of its event.
        payload_bytes: Length of the payload, which ends one byte before the frame.
    """

    seq: int
    tag: int
    at: float
    frame: bytes
    payload_bytes: int

    @property
    def payload(self) -> bytes:
        """The payload, byte for byte as it was published."""
        return self.frame[-1 - self.payload_bytes : -1]


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Seq and tag of one place, without the entry itself."""

    seq: int = 0
    tag: int = 0


def make_entry(head: bytes, mark: Mark, at: float, payload: bytes) -> Entry:
    """Return an entry with its frame, which is built here and nowhere else.

    ``data`` stands last in an event, so the payload can be found from the end.

    Args:
        head: What all events of the topic begin with.
        mark: Its seq and tag.
        at: Time of its append in seconds since 1970.
        payload: One JSON text.
    """
    event = encode_event(head, mark.seq, encode_ts(at), payload)
    frame = encode_frame(Opcode.TEXT, event)
    return Entry(mark.seq, mark.tag, at, frame, len(payload))


def make_gap(topic: str, first: int, base: Mark) -> bytes:
    """Return the frame that says that nothing from ``first`` to ``base`` will come."""
    gap = Gap(
        topic=topic,
        first=first,
        last=base.seq,
        reason=Reason.TRUNCATED,
        tag=format_tag(base.tag),
    )
    return encode_frame(Opcode.TEXT, encode_push(gap))


_TIME = attrgetter("at")


class Run:
    """Entries without a hole between them; the oldest leave, the newest come.

    Args:
        first: Seq of the first entry that will come.

    Attributes:
        first: Seq of the oldest entry; ``last + 1`` while there is none.
        last: Seq of the newest entry.
        size: Bytes of the frames that are held.
        total: Bytes of all frames that ever came.
    """

    # A list with a moving head: any entry in one step, where a deque walks.
    # Entries that left are overwritten at once and cut off in bulk.
    __slots__ = ("_ends", "_entries", "_head", "first", "last", "size", "total")

    def __init__(self, first: int = 1) -> None:
        self.first = first
        self.last = first - 1
        self.size = 0
        self.total = 0
        self._entries: list[Entry] = []
        self._ends: list[int] = []
        self._head = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return self.last - self.first + 1

    def __getitem__(self, seq: int) -> Entry:
        """Return the entry with that seq, which must be held."""
        if not self.first <= seq <= self.last:
            raise IndexError(f"entry {seq} is not in {self!r}")
        return self._entries[self._head + seq - self.first]

    def __iter__(self) -> Iterator[Entry]:
        """Iterate from the oldest entry to the newest."""
        return iter(self._entries[self._head :])

    @property
    def oldest_at(self) -> float:
        """When the oldest entry was appended; infinity while there is none."""
        return self._entries[self._head].at if self.first <= self.last else math.inf

    def holds(self, seq: int) -> bool:
        """Tell whether the entry with that seq is held."""
        return self.first <= seq <= self.last

    def push(self, entry: Entry) -> None:
        """Add the newest entry.

        Raises:
            LocalError: If it does not follow the last one.
        """
        if entry.seq != self.last + 1:
            raise LocalError(f"entry {entry.seq} does not follow {self!r}")
        size = len(entry.frame)
        self.last = entry.seq
        self.size += size
        self.total += size
        self._ends.append(self.total)
        self._entries.append(entry)

    def drop(self) -> Entry:
        """Remove the oldest entry and return it."""
        entry = self._entries[self._head]
        self._entries[self._head] = _NOTHING
        self._head += 1
        self.first += 1
        self.size -= len(entry.frame)
        # The end before the oldest entry stays: `offset` is asked for it.
        if self._head > 64 and self._head * 2 > len(self._entries):
            spare = self._head - 1
            del self._entries[:spare]
            del self._ends[:spare]
            self._head = 1
        return entry

    def offset(self, seq: int) -> int:
        """Return how many bytes had come up to and including an entry.

        Args:
            seq: At least ``first - 1``.
        """
        place = self._head + seq - self.first
        return self._ends[place] if place >= 0 else 0

    def frames(self, after: int, to: int) -> bytes:
        """Return the frames behind ``after`` up to and including ``to``, joined."""
        start = self._head + after + 1 - self.first
        stop = start + to - after
        if stop - start == 1:
            return self._entries[start].frame
        return b"".join([entry.frame for entry in self._entries[start:stop]])

    def between(self, after: int, to: int) -> list[Entry]:
        """Return the entries behind ``after`` up to and including ``to``."""
        start = self._head + after + 1 - self.first
        return self._entries[start : start + max(0, to - after)]

    def reach(self, after: int, to: int, size: int) -> int:
        """Return how far one gets from ``after`` towards ``to`` with ``size`` bytes.

        One entry always fits, however large it is.
        """
        start = self._head + after + 1 - self.first
        stop = start + to - after
        budget = self.offset(after) + size
        fits = bisect_right(self._ends, budget, start, stop) - start
        return after + max(1, fits)

    def seek(self, at: float) -> int:
        """Return the seq of the first entry at or after a time; ``last + 1`` if none.

        Args:
            at: Seconds since 1970; what is below a microsecond does not count.
        """
        place = bisect_left(self._entries, round(at, 6), self._head, key=_TIME)
        return self.first + place - self._head

    def __repr__(self) -> str:
        """Show from where to where."""
        return f"<Run {self.first} to {self.last}, {self.size} bytes>"


_NOTHING = Entry(0, 0, 0.0, b"", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is kept of one topic; None is "no limit".

    Attributes:
        entries: At most so many.
        size: At most so many bytes of frames.
        age: At most so old, in seconds.
    """

    entries: int | None = None
    size: int | None = None
    age: float | None = None

    def is_exceeded(self, run: Run, wall: float) -> bool:
        """Tell whether the oldest entry has to go.

        Args:
            run: What is kept now.
            wall: Seconds since 1970.
        """
        if self.entries is not None and run.last - run.first >= self.entries:
            return True
        if self.size is not None and run.size > self.size:
            return True
        return self.age is not None and wall - run.oldest_at > self.age


class TopicLog:
    """Where one topic is, and its newest entries.

    It assigns positions. Entries are visible (to subscribers, in history, in
    heartbeats) up to ``visible``, which moves once they have their durability.

    Args:
        topic: Its name.
        epoch: Life of the log that it belongs to.
        ring: How much stays in memory here.

    Attributes:
        head: What all its events begin with.
        top: Seq of the newest entry, visible or not.
        tag: Its chain tag.
        at: Time of the newest append in seconds since 1970; never decreases.
        visible: Seq up to which entries may be seen.
        visible_tag: Chain tag of that entry.
        base: The entry that was removed last from all that is retained.
        ring: The newest entries.
    """

    __slots__ = (
        "at",
        "base",
        "bounds",
        "epoch",
        "head",
        "ring",
        "tag",
        "top",
        "topic",
        "visible",
        "visible_tag",
    )

    def __init__(self, topic: str, epoch: str, *, ring: Bounds) -> None:
        self.topic = topic
        self.head = event_head(topic)
        self.epoch = epoch
        self.bounds = ring
        self.ring = Run()
        self.top = 0
        self.tag = 0
        self.at = 0.0
        self.visible = 0
        self.visible_tag = 0
        self.base = Mark()

    @property
    def oldest(self) -> int:
        """First seq that is retained; ``top + 1`` where nothing is."""
        return self.base.seq + 1

    def append(self, payload: bytes, wall: float) -> Entry:
        """Give a payload its position; it is not visible yet.

        Args:
            payload: One JSON text.
            wall: Seconds since 1970.

        Raises:
            LocalError: If there is no seq left that JSON readers keep exact.
        """
        if self.top >= MAX_SEQ:
            raise LocalError(f"topic {self.topic} has no seq left")
        seq = self.top + 1
        # As exact as `ts` is: whoever asks from an entry's `ts` on gets that entry.
        self.at = max(self.at, round(wall, 6))
        self.tag = next_tag(self.tag, seq, payload)
        entry = make_entry(self.head, Mark(seq, self.tag), self.at, payload)
        self.ring.push(entry)
        self.top = seq
        return entry

    def reveal(self, seq: int) -> None:
        """Make entries visible up to ``seq``: they have their durability."""
        if seq > self.visible:
            self.visible = min(seq, self.top)
            self.visible_tag = self.ring[self.visible].tag

    def forget(self, base: Mark) -> None:
        """Note that everything up to ``base`` is not retained any longer."""
        if base.seq > self.base.seq:
            self.base = base

    def settle(self, level: int) -> None:
        """Let entries leave memory: beyond the ring's bounds, or not retained.

        Args:
            level: Up to here they were handed out; later ones stay.
        """
        ring, base = self.ring, self.base.seq
        level = min(level, ring.last)
        while ring.first <= level:
            if ring.first > base and not self.bounds.is_exceeded(ring, self.at):
                return
            ring.drop()

    def tag_at(self, seq: int) -> int | None:
        """Return the tag of a place, or None where memory does not hold it."""
        if seq == self.visible:
            return self.visible_tag
        if seq == self.base.seq:
            return self.base.tag
        return self.ring[seq].tag if self.ring.holds(seq) else None

    def is_in_memory(self, after: int) -> bool:
        """Tell whether all visible entries behind ``after`` are in memory."""
        return after + 1 >= self.ring.first

    def __repr__(self) -> str:
        """Show where it is."""
        return (
            f"<TopicLog {self.topic} {self.epoch} {self.oldest} to {self.top}, "
            f"visible {self.visible}, memory from {self.ring.first}>"
        )
