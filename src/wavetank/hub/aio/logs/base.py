"""What every log can do: keep entries and hand on those that memory forgot.

It refuses to know positions (the loop assigns them, `hub.log`) and subscribers.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from wavetank.hub.duplicates import KeptKey, KeptProducer, Origin
from wavetank.hub.log import Entry, Mark

__all__ = ["NOBODY", "Kept", "KeptKey", "KeptProducer", "Listener", "Log"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One topic as a log found it at the start.

    Attributes:
        topic: Its name.
        epoch: Which life of it.
        base: The entry that was removed last.
        top: The newest entry.
        at: When that was appended, in seconds since 1970.
        keys: Idempotency keys that still count.
        producers: Producers that have published.
    """

    topic: str
    epoch: str
    base: Mark
    top: Mark
    at: float
    keys: Sequence[KeptKey] = ()
    producers: Sequence[KeptProducer] = ()


class Listener(Protocol):
    """Who is told what becomes of entries; called on the event loop's thread."""

    def durable(self, topic: str, seq: int) -> None:
        """Take note: everything of the topic up to ``seq`` has its durability."""
        ...

    def refused(self, topic: str, seq: int, reason: str) -> None:
        """Take note: everything of the topic from ``seq`` on is not in the log.

        The next append is ``seq`` again. This is never called before the append
        that it speaks of has returned.

        Args:
            topic: Its name.
            seq: First entry that is taken back.
            reason: Why, for logs.
        """
        ...

    def trimmed(self, topic: str, base: Mark) -> None:
        """Take note: everything of the topic up to ``base`` is gone."""
        ...

    def settled(self) -> None:
        """Take note: that was all for now, of all topics."""
        ...


class Log(Protocol):
    """Keeps the publications of all topics; one file for each kind.

    Attributes:
        listener: Set by the node before the first append.
    """

    listener: Listener

    @property
    def name(self) -> str:
        """Kind, for status and logs."""
        ...

    @property
    def epoch(self) -> str:
        """Life of the log, of topics that were never published to."""
        ...

    @property
    def may_refuse(self) -> bool:
        """Whether ``listener.refused`` can follow an append at all."""
        ...

    @property
    def is_failing(self) -> bool:
        """Whether the last write failed."""
        ...

    async def open(self) -> list[Kept]:
        """Make it ready; before that nothing may be appended.

        Returns:
            The topics that it has kept.

        Raises:
            UsageError: If it cannot be opened because of what was configured.
            TargetError: If it cannot be opened for another reason.
        """
        ...

    def epoch_of(self, topic: str) -> str:
        """Return the epoch that a topic begins with that was never published to."""
        ...

    def append(self, topic: str, entry: Entry, origin: Origin | None = None) -> None:
        """Keep an entry, in the order of calls.

        ``listener.durable`` follows, at once or when the batch is written, or
        ``listener.refused``, later.

        Args:
            topic: Its name.
            entry: Follows the last one of the topic.
            origin: How the publication can be known again; kept with it.
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

    def statistics(self) -> dict[str, int]:
        """Return counts for status and metrics; cheap."""
        ...


class _Nobody:
    """Hears nothing."""

    def durable(self, topic: str, seq: int) -> None:
        """Pass over it."""

    def refused(self, topic: str, seq: int, reason: str) -> None:
        """Pass over it."""

    def trimmed(self, topic: str, base: Mark) -> None:
        """Pass over it."""

    def settled(self) -> None:
        """Pass over it."""


NOBODY: Listener = _Nobody()
"""Listens until a node does."""
