"""A log that forgets everything when the process ends.

It refuses to know disks; a new one is a new epoch.
"""

from collections import deque
from collections.abc import Callable

from wavetank.hub.aio.logs.base import Listener
from wavetank.hub.log import Bounds, Entry, Mark, Run

__all__ = ["MemoryLog"]

_TENDED_AT_ONCE = 1000
"""Topics whose age is looked at in one go, so that the loop is not held up."""


class MemoryLog:
    """Entries of all topics, each within its retention.

    Args:
        epoch: Life of the log.
        retention: What is kept of each topic.
        total: Bytes of frames that are kept of all topics; None is "no limit".
            Beyond it, the topic that grows gives up its own oldest.
        wall: Reads the time, in seconds since 1970.
    """

    name = "memory"

    def __init__(
        self,
        epoch: str,
        *,
        retention: Bounds,
        total: int | None,
        wall: Callable[[], float],
    ) -> None:
        self.epoch = epoch
        self.listener: Listener = _Nobody()
        self._retention = retention
        self._total = total
        self._wall = wall
        self._runs: dict[str, Run] = {}
        self._turns: deque[str] = deque()
        self._size = 0

    def append(self, topic: str, entry: Entry) -> None:
        """Keep an entry; it is as durable as it will ever be at once."""
        run = self._runs.get(topic)
        if run is None:
            run = self._runs[topic] = Run(entry.seq)
            self._turns.append(topic)
        run.push(entry)
        self._size += len(entry.frame)
        self.listener.durable(topic, entry.seq)
        self._trim(topic, run, entry.at)

    def _trim(self, topic: str, run: Run, wall: float) -> None:
        gone = None
        while self._retention.is_exceeded(run, wall) or self._is_over(run):
            gone = run.drop()
            self._size -= len(gone.frame)
        if gone is not None:
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
        self._runs.clear()
        self._turns.clear()
        self._size = 0

    def statistics(self) -> dict[str, int]:
        """Return how much is kept."""
        kept = sum(len(run) for run in self._runs.values())
        return {"topics": len(self._runs), "entries": kept, "bytes": self._size}

    def __repr__(self) -> str:
        """Show how much is kept."""
        return f"<MemoryLog {self.epoch} {self.statistics()}>"


class _Nobody:
    """Hears nothing."""

    def durable(self, topic: str, seq: int) -> None:
        """Pass over it."""

    def trimmed(self, topic: str, base: Mark) -> None:
        """Pass over it."""
