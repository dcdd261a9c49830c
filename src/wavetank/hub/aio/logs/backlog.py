"""The backlog: what the event loop hands to a writer thread, and takes back.

It refuses to know what is written, and how.

Once a batch has failed nothing more is handed out until ``mend``, which empties
the backlog on the loop's own thread. So whatever was appended before the loop
knew of the failure goes with it, and no entry is written behind a hole.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from wavetank.hub.duplicates import Origin
from wavetank.hub.log import Entry

__all__ = ["LONGEST_LOOK", "MOST_BYTES", "Backlog", "Batch", "Item", "Tend"]

BATCH_BYTES = 4 * 1024 * 1024
"""Bytes at which a batch is full."""

BATCH_ENTRIES = 8192
"""Entries at which a batch is full."""

MOST_BYTES = 64 * 1024 * 1024
"""Bytes that wait at most."""

LONGEST_LOOK = 2.0
"""Seconds between two looks at the writer that count at most."""

_ENTRY_BYTES = 256
"""What an entry takes in memory beside its frame, roughly."""


class Item(NamedTuple):
    """One append."""

    topic: str
    entry: Entry
    origin: Origin | None


class Batch(msgspec.Struct):
    """What is written in one transaction.

    Attributes:
        began_at: When its first entry came, in seconds of the monotonic clock.
        items: In order of their appends.
        size: What they take in memory, in bytes.
    """

    began_at: float
    items: list[Item] = []
    size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it takes nothing more."""
        return self.size >= BATCH_BYTES or len(self.items) >= BATCH_ENTRIES


class Tend(NamedTuple):
    """The wish that the writer looks after the file."""

    wall: float


class Backlog:
    """Between the loop's thread and the writer's; whatever is not in the log yet.

    Args:
        now: Reads the monotonic clock.
        most: Bytes that may wait.
    """

    def __init__(self, now: Callable[[], float], *, most: int = MOST_BYTES) -> None:
        self._now = now
        self._most = most
        self._changed = threading.Condition()
        self._batches: deque[Batch] = deque()
        self._in_hand: Batch | None = None
        self._busy_since: float | None = None
        self._watched: float | None = None
        self._watched_at = 0.0
        self._watched_for = 0.0
        self._tend: Tend | None = None
        self._is_idle = False
        self._is_broken = False
        self._is_stopping = False
        self.size = 0
        self.entries = 0

    # On the loop's thread.

    @property
    def is_idle(self) -> bool:
        """Whether the writer sleeps, so that somebody has to wake it."""
        return self._is_idle

    def offer(self, item: Item) -> bool:
        """Add an append; tell whether there was room. It wakes nobody."""
        size = len(item.entry.frame) + _ENTRY_BYTES
        with self._changed:
            # However large an entry is, an empty backlog takes it.
            if self.size and self.size + size > self._most:
                return False
            if not self._batches or self._batches[-1].is_full:
                self._batches.append(Batch(self._now()))
            batch = self._batches[-1]
            batch.items.append(item)
            batch.size += size
            self.size += size
            self.entries += 1
            return True

    def wake(self) -> None:
        """Let the writer look."""
        with self._changed:
            self._changed.notify()

    def tend(self, wall: float) -> None:
        """Ask the writer to look after the file, and look how long it has worked.

        It is called about once a second. A process that was suspended wakes to find
        that its disk took all that time, so a longer pause counts as a short one.

        Args:
            wall: Seconds since 1970.
        """
        now = self._now()
        with self._changed:
            self._watch(now)
            self._tend = Tend(wall)
            self._changed.notify()

    def _watch(self, now: float) -> None:
        since = self._busy_since
        if since is None or since != self._watched:
            self._watched_for = 0.0
        if since is not None:
            before = self._watched_at if since == self._watched else since
            self._watched_for += min(now - before, LONGEST_LOOK)
        self._watched, self._watched_at = since, now

    def stop(self) -> None:
        """Ask the writer to end once all is written."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def mend(self) -> dict[str, int]:
        """Give up everything that is not written, and let the writer go on.

        Returns:
            Topic -> first seq of it that was given up.
        """
        with self._changed:
            batches = [self._in_hand, *self._batches]
            self._batches.clear()
            self._in_hand = None
            self.size = self.entries = 0
            self._is_broken = False
            self._changed.notify()
        first: dict[str, int] = {}
        for batch in batches:
            for item in batch.items if batch is not None else ():
                first.setdefault(item.topic, item.entry.seq)
        return first

    @property
    def busy_for(self) -> float:
        """For how many seconds the writer was seen at the work it has now.

        As of the last ``tend``, and only seconds in which this process ran.
        """
        return self._watched_for

    # On the writer's thread.

    def wait(self) -> Batch | Tend | None:
        """Wait for work.

        Returns:
            The next batch, which ends with ``done`` or ``fail``; the wish to tend;
            None once it is time to stop.
        """
        with self._changed:
            self._busy_since = None
            while self._is_broken or not self._has_work:
                self._is_idle = True
                self._changed.wait()
            self._is_idle = False
            self._busy_since = self._now()
            # It comes once a second, so batches have their turn.
            if self._tend is not None:
                tend, self._tend = self._tend, None
                return tend
            if not self._batches:
                return None
            self._in_hand = self._batches.popleft()
            return self._in_hand

    @property
    def _has_work(self) -> bool:
        return bool(self._batches or self._tend or self._is_stopping)

    def done(self) -> None:
        """Let go of the batch in hand: it is written."""
        with self._changed:
            if self._in_hand is not None:
                self.size -= self._in_hand.size
                self.entries -= len(self._in_hand.items)
            self._in_hand = None

    def fail(self) -> None:
        """Hand out nothing more until the loop has mended it."""
        with self._changed:
            self._is_broken = True

    def __repr__(self) -> str:
        """Show how much waits."""
        return f"<Backlog {self.entries} entries, {self.size} bytes>"
