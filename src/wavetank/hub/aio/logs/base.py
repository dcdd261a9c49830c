"""What every log can do: keep entries and hand on those that memory forgot.

It refuses to know positions (the loop assigns them, `hub.log`) and subscribers.
"""

from typing import Protocol

from wavetank.hub.log import Entry, Mark

__all__ = ["Listener", "Log"]


class Listener(Protocol):
    """Who is told what becomes of entries; called on the event loop's thread."""

    def durable(self, topic: str, seq: int) -> None:
        """Take note: everything of the topic up to ``seq`` has its durability."""
        ...

    def trimmed(self, topic: str, base: Mark) -> None:
        """Take note: everything of the topic up to ``base`` is gone."""
        ...


class Log(Protocol):
    """Keeps the publications of all topics; one file for each kind.

    Attributes:
        name: Kind, for status and logs.
        epoch: Life of the log, shared by all its topics.
        listener: Set by the node before the first append.
    """

    name: str
    epoch: str
    listener: Listener

    def append(self, topic: str, entry: Entry) -> None:
        """Keep an entry, in the order of calls.

        ``listener.durable`` follows: at once, or when the batch is written.
        """
        ...

    async def since(
        self, topic: str, after: int, *, entries: int, size: int
    ) -> list[Entry]:
        """Return what is kept behind ``after``, oldest first, without a hole.

        Args:
            topic: Its name.
            after: A seq.
            entries: At most so many.
            size: About so many bytes of frames; one entry always fits.
        """
        ...

    async def seek(self, topic: str, at: float) -> int:
        """Return the seq of the first entry at or after a time; top + 1 if none.

        Args:
            topic: Its name.
            at: Seconds since 1970.
        """
        ...

    def tend(self, wall: float) -> None:
        """Let entries go that are too old; called about once a second.

        Args:
            wall: Seconds since 1970.
        """
        ...

    async def close(self) -> None:
        """Write what is not written yet, and let everything go."""
        ...
