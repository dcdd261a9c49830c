"""One log out of two: some topics in memory, the others in a file.

It refuses to know how either of them keeps anything.
"""

from collections.abc import Callable

from wavetank.hub.aio.logs.base import Kept, Listener, Log
from wavetank.hub.duplicates import Origin
from wavetank.hub.durability import Durability
from wavetank.hub.log import Entry

__all__ = ["RoutedLog"]


class RoutedLog:
    """Hands each topic to the log that gives it its durability.

    Args:
        durability_of: By topic; it never changes.
        memory: For topics in memory.
        durable: For all others.
    """

    def __init__(
        self, durability_of: Callable[[str], Durability], memory: Log, durable: Log
    ) -> None:
        self._durability_of = durability_of
        self._memory = memory
        self._durable = durable
        self._routes: dict[str, Log] = {}

    @property
    def name(self) -> str:
        """Kind of the durable one."""
        return self._durable.name

    @property
    def epoch(self) -> str:
        """The durable one's epoch; a topic in memory has another."""
        return self._durable.epoch

    @property
    def listener(self) -> Listener:
        """Who hears both."""
        return self._durable.listener

    @listener.setter
    def listener(self, listener: Listener) -> None:
        self._memory.listener = self._durable.listener = listener

    @property
    def may_refuse(self) -> bool:
        """The durable one may."""
        return True

    @property
    def is_failing(self) -> bool:
        """Whether one of them could not be written."""
        return self._memory.is_failing or self._durable.is_failing

    async def open(self) -> list[Kept]:
        """Open both; each gives only what is its own now."""
        return await self._memory.open() + await self._durable.open()

    def _find(self, topic: str) -> Log:
        level = self._durability_of(topic)
        return self._memory if level is Durability.MEMORY else self._durable

    def epoch_of(self, topic: str) -> str:
        """Return the epoch that a topic begins with, by where it will be."""
        return self._find(topic).epoch_of(topic)

    def append(self, topic: str, entry: Entry, origin: Origin | None = None) -> None:
        """Keep an entry; see ``Log``."""
        log = self._routes.get(topic)
        if log is None:
            # Topics that were published to are bounded by the node.
            log = self._routes[topic] = self._find(topic)
        log.append(topic, entry, origin)

    async def since(
        self, topic: str, after: int, *, entries: int, size: int
    ) -> list[Entry]:
        """Return what is kept behind ``after``; see ``Log``."""
        log = self._find(topic)
        return await log.since(topic, after, entries=entries, size=size)

    async def seek(self, topic: str, at: float) -> int:
        """Return the seq of the first entry at or after a time; see ``Log``."""
        return await self._find(topic).seek(topic, at)

    def tend(self, wall: float) -> None:
        """Tend both."""
        self._memory.tend(wall)
        self._durable.tend(wall)

    async def close(self) -> None:
        """Close both."""
        try:
            await self._durable.close()
        finally:
            await self._memory.close()

    def statistics(self) -> dict[str, int]:
        """Return the durable one's counts, with what is in memory added."""
        counts = self._durable.statistics()
        for name, count in self._memory.statistics().items():
            counts[name] = counts.get(name, 0) + count
        return counts

    def __repr__(self) -> str:
        """Show both."""
        return f"<RoutedLog {self._memory!r} {self._durable!r}>"
