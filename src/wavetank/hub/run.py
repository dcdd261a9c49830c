"""A run: entries of one topic without a hole between them, and how many are kept.

It refuses to know who keeps it, and what of it anybody has seen.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

import msgspec

from wavetank.errors import LocalError
from wavetank.protocol import encode_event, encode_ts
from wavetank.wire import encode_text

__all__ = ["Bounds", "Entry", "Mark", "Run", "make_entry"]


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
    frame = encode_text(event)
    return Entry(mark.seq, mark.tag, at, frame, len(payload))


_TIME = attrgetter("at")


class Run:
    """Entries without a hole between them; the oldest leave, the newest come.

    Args:
        first: Seq of the first entry that will come.

    Attributes:
        first: Seq of the oldest entry; ``last + 1`` while there is none.
        last: Seq of the newest entry.
        size: Bytes of the frames that are held.
        total: Bytes of all frames that ever came and were not taken back.
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

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add the newest entries, oldest first.

        Raises:
            LocalError: If they do not follow the last one.
        """
        last = self.last + len(entries)
        if entries and (entries[0].seq != self.last + 1 or entries[-1].seq != last):
            raise LocalError(f"entry {entries[0].seq} does not follow {self!r}")
        sizes = [len(entry.frame) for entry in entries]
        ends = list(accumulate(sizes, initial=self.total))
        self._ends += ends[1:]
        self._entries += entries
        self.size += ends[-1] - self.total
        self.total, self.last = ends[-1], last

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

    def pop(self) -> Entry:
        """Remove the newest entry and return it, as if it had never come."""
        if self.first > self.last:
            raise IndexError(f"there is no entry in {self!r}")
        entry = self._entries.pop()
        self._ends.pop()
        self.last -= 1
        self.size -= len(entry.frame)
        self.total -= len(entry.frame)
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
