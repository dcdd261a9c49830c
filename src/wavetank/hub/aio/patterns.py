"""Patterns: who is subscribed to topics that may not be there yet.

It refuses to know what is published and how it is written.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from wavetank.hub.aio.topic import Deliver, Subscriber

__all__ = ["AT_ONCE", "MOST_GROWN", "MOST_TOPICS", "Patterns", "Watch"]

MOST_TOPICS = 1000
"""Most topics that a pattern may match when it is subscribed to."""

MOST_GROWN = 10_000
"""Most topics that one connection may have, as patterns grow."""

AT_ONCE = 2000
"""Names that are compared before the loop has its turn again."""


class Watch:
    """A look for the topics of a pattern that may take several turns of the loop.

    Topics that come up meanwhile are found, too.

    Args:
        pattern: A pattern.

    Attributes:
        found: Names that match.
        is_match: Tells whether a name matches.
    """

    __slots__ = ("found", "is_match")

    def __init__(self, pattern: str) -> None:
        self.is_match = _matcher(pattern)
        self.found: dict[str, None] = {}

    async def look(self, names: Iterable[str], most: int) -> bool:
        """Look through the topics that there are.

        Args:
            names: All of them.
            most: Give up where more match.

        Returns:
            Whether all were found.
        """
        every = list(names)
        for start in range(0, len(every), AT_ONCE):
            if start:
                await asyncio.sleep(0)
            some = every[start : start + AT_ONCE]
            self.found.update((name, None) for name in some if self.is_match(name))
            if len(self.found) > most:
                return False
        return True


class Patterns:
    """Subscriptions to patterns, and what they match."""

    __slots__ = ("_by_pattern", "_matchers", "_watches")

    def __init__(self) -> None:
        self._by_pattern: dict[str, dict[Subscriber, Deliver]] = {}
        self._matchers: dict[str, Callable[[str], object]] = {}
        self._watches: set[Watch] = set()

    def __len__(self) -> int:
        """Return how many patterns somebody is subscribed to."""
        return len(self._by_pattern)

    def enter(self, subscriber: Subscriber, pattern: str, deliver: Deliver) -> None:
        """Begin a subscription, in place of one to the same pattern."""
        if pattern not in self._by_pattern:
            self._by_pattern[pattern] = {}
            self._matchers[pattern] = _matcher(pattern)
        self._by_pattern[pattern][subscriber] = deliver

    def leave(self, subscriber: Subscriber, pattern: str) -> None:
        """End a subscription, if there is one."""
        members = self._by_pattern.get(pattern)
        if members is None:
            return
        members.pop(subscriber, None)
        if not members:
            del self._by_pattern[pattern], self._matchers[pattern]

    def has(self, subscriber: Subscriber, pattern: str) -> bool:
        """Tell whether somebody is subscribed to a pattern."""
        return subscriber in self._by_pattern.get(pattern, ())

    def born(self, name: str) -> list[tuple[Subscriber, str, Deliver]]:
        """Return who gets a topic that is new: subscriber, pattern and how."""
        for watch in self._watches:
            if watch.is_match(name):
                watch.found[name] = None
        return [
            (subscriber, pattern, deliver)
            for pattern, is_match in self._matchers.items()
            if is_match(name)
            for subscriber, deliver in self._by_pattern[pattern].items()
        ]

    @contextmanager
    def watch(self, pattern: str) -> Iterator[Watch]:
        """Notice topics that come up while a pattern is being looked for."""
        watch = Watch(pattern)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<Patterns {len(self)}>"


def _matcher(pattern: str) -> Callable[[str], object]:
    """Return what tells whether a topic matches; quicker than ``matches``."""
    parts = []
    for segment in pattern.split("."):
        if segment == "**":
            parts.append(r".+")
        elif segment == "*":
            parts.append(r"[^.]+")
        else:
            parts.append(re.escape(segment))
    return re.compile(r"\.".join(parts)).fullmatch
