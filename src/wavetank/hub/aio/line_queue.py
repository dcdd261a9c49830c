"""Lines on their way to a thread: nobody waits for whoever reads them.

It refuses to know what stands in them.
"""

import queue
import threading
from types import TracebackType
from typing import Any, Final, Self

from wavetank.hub.aio.lines import Lines

__all__ = ["LineQueue"]

MOST_WAITING: Final = 16_384
"""Lines that may wait while nobody reads: a crowd that leaves at once has one each."""

FLUSH_WITHIN: Final = 2.0
"""Seconds that the last lines have at the end."""


class LineQueue:
    """Takes lines at once, and has a thread write them.

    A pipe that is full makes who writes to it wait for ever, and with the loop every
    client: a supervisor that has died reads nothing, and closes nothing either.

    Args:
        lines: Writes them; counts those for which there was no room.
        most: Lines that may wait.
        flush_within: Seconds that ``close`` waits for the rest.
    """

    def __init__(
        self,
        lines: Lines,
        *,
        most: int = MOST_WAITING,
        flush_within: float = FLUSH_WITHIN,
    ) -> None:
        self._lines = lines
        self._most = most
        self._flush_within = flush_within
        self._is_closed = False
        # No lock of ours: a destructor may write a line while another one is put.
        self._waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        # Stuck in a write, it must not keep the process from its end.
        self._thread = threading.Thread(target=self._work, name="lines", daemon=True)

    def write(self, /, **event: Any) -> None:
        """Let a line be written, or count it as dropped; it never waits."""
        if self._is_closed or self._waiting.qsize() >= self._most:
            self._lines.drop()
        else:
            self._waiting.put(event)

    debug = info = warning = error = critical = write

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            try:
                self._lines.write(**event)
            except Exception:  # noqa: BLE001 - the lines behind it are to be written
                self._lines.drop()

    def close(self) -> None:
        """Wait for the rest, but not for ever; idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._waiting.put(None)
            self._thread.join(self._flush_within)

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Show how many lines wait."""
        return f"<LineQueue {self._waiting.qsize()} of {self._most}>"
