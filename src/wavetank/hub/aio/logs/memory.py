"""A log that forgets everything when the process ends.

It refuses to know disks; a new one is a new epoch.
"""

from collections import deque
from collections.abc import Callable

from wavetank.hub.aio.logs.base import NOBODY, Kept, Listener
from wavetank.hub.duplicates import Origin
from wavetank.hub.log import Bounds, Entry, Mark, Run

__all__ = ["EAGER_BYTES", "MemoryLog"]

EAGER_BYTES = 1024 * 1024
"""Bytes that wait for the end of a turn; beyond them, no waiting."""

Later = Callable[[Callable[[], None]], object]
"""Calls back soon."""

_TENDED_AT_ONCE = 1000
"""Topics whose age is looked at in one go, so that the loop is not held up."""


class MemoryLog:
    """Entries of all topics, each within its retention.

    Args:
        epoch: Life of the log.
        retention: What is kept of each topic.
        total: Bytes of frames that are kept of all topics; None is "no limit".
            Beyond it, the topic that grows gives up its own oldest; once that is its
            newest alone, those that were published to least recently give up all.
        wall: Reads the time, in seconds since 1970.
        later: Calls back in the next turn of the loop, and a turn's publications are
            kept and told together; None does so one by one, at once.
    """

    name = "memory"
    is_failing = False
    may_refuse = False

    def __init__(
        self,
        epoch: str,
        *,
        retention: Bounds,
        total: int | None,
        wall: Callable[[], float],
        later: Later | None = None,
    ) -> None:
        self.epoch = epoch
        self.listener: Listener = NOBODY
        self._retention = retention
        self._total = total
        self._wall = wall
        self._later = later
        self._fresh: dict[str, list[Entry]] = {}
        self._fresh_size = 0
        self._runs: dict[str, Run] = {}
        self._turns: deque[str] = deque()
        # Those that hold something, the one published to least recently first.
        self._order: dict[str, None] = {}
        self._size = 0
        self._count = 0

    async def open(self) -> list[Kept]:
        """Begin with nothing."""
        return []

    def epoch_of(self, topic: str) -> str:
        """Return the epoch of every topic."""
        return self.epoch

    def append(self, topic: str, entry: Entry, origin: Origin | None = None) -> None:
        """Keep an entry; it is as durable as it will ever be at once.

        Its origin is of no use here: whoever could ask for it ends with this log.
        """
        fresh = self._fresh.get(topic)
        if fresh is None:
            if self._later is not None and not self._fresh:
                self._later(self.settle)
            fresh = self._fresh[topic] = []
        fresh.append(entry)
        self._fresh_size += len(entry.frame)
        if self._later is None or self._fresh_size > EAGER_BYTES:
            self.settle()

    def settle(self) -> None:
        """Keep what has come since the last time, and tell."""
        fresh, self._fresh = self._fresh, {}
        self._size += self._fresh_size
        self._fresh_size = 0
        for topic, entries in fresh.items():
            run = self._runs.get(topic)
            if run is None:
                run = self._runs[topic] = Run(entries[0].seq)
                self._turns.append(topic)
            run.extend(entries)
            self._order.pop(topic, None)
            self._order[topic] = None
            self._count += len(entries)
            newest = entries[-1]
            self.listener.durable(topic, newest.seq)
            self._trim(topic, run, newest.at)
            self._make_room(topic)
        if self._later is not None:
            self.listener.settled()

    def _trim(self, topic: str, run: Run, wall: float) -> None:
        gone = None
        while self._retention.is_exceeded(run, wall) or self._is_over(run):
            gone = run.drop()
            self._size -= len(gone.frame)
            self._count -= 1
        if gone is not None:
            if not len(run):
                self._order.pop(topic, None)
            self.listener.trimmed(topic, Mark(gone.seq, gone.tag))

    def _make_room(self, newest: str) -> None:
        """Let the topics go that nobody published to for longest.

        Without it, many topics with one entry each had no bound at all.
        """
        while self._total is not None and self._size > self._total:
            topic = next(iter(self._order), newest)
            if topic == newest:
                return
            del self._order[topic]
            run = self._runs[topic]
            while len(run):
                gone = run.drop()
                self._size -= len(gone.frame)
                self._count -= 1
            self.listener.trimmed(topic, Mark(gone.seq, gone.tag))

    def _is_over(self, run: Run) -> bool:
        return self._total is not None and self._size > self._total and len(run) > 1

    async def since(
        self, topic: str, after: int, *, entries: int, size: int
    ) -> list[Entry]:
        """Return what is kept behind ``after``; see ``Log``."""
        run = self._runs.get(topic)
        if run is None:
            return []
        after = max(after, run.first - 1)
        last = min(run.last, after + entries)
        if last <= after:
            return []
        return run.between(after, run.reach(after, last, size))

    async def seek(self, topic: str, at: float) -> int:
        """Return the seq of the first entry at or after a time; see ``Log``."""
        run = self._runs.get(topic)
        return 1 if run is None else run.seek(at)

    def tend(self, wall: float) -> None:
        """Let entries go that are too old, of some topics at a time."""
        for _ in range(min(_TENDED_AT_ONCE, len(self._turns))):
            topic = self._turns[0]
            self._turns.rotate(-1)
            self._trim(topic, self._runs[topic], wall)

    async def close(self) -> None:
        """Forget everything."""
        self._fresh.clear()
        self._runs.clear()
        self._turns.clear()
        self._order.clear()
        self._size = self._count = 0

    def statistics(self) -> dict[str, int]:
        """Return how much is kept."""
        return {
            "topics": len(self._runs),
            "entries": self._count,
            "bytes": self._size,
        }

    def __repr__(self) -> str:
        """Show how much is kept."""
        return f"<MemoryLog {self.epoch} {self.statistics()}>"
