"""Subscription: what a reader sees of a topic or pattern.

It refuses to know connections: whoever drives it puts items in.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self

from wavetank.client.buffer import Buffer
from wavetank.client.following import Following
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.errors import LocalError, WavetankError
from wavetank.protocol import Position

__all__ = ["Subscription"]


class Subscription:
    """An asynchronous iterator of items.

    It has one reader. Asking for the next item says that the one before is done:
    only then is its position the one that a position file keeps.

    Args:
        following: Where it is.
        buffer: What the reader has not got yet.
        drive: Called when it wants something of the hub.

    Attributes:
        following: Where it is.
        buffer: What the reader has not got yet.
        timer: When it wants to be driven again.
        has_moved: Whether its positions changed since they were kept.
    """

    def __init__(
        self,
        following: Following,
        buffer: Buffer,
        drive: Callable[["Subscription"], None],
    ) -> None:
        self.following = following
        self.buffer = buffer
        self.timer: asyncio.TimerHandle | None = None
        self.has_moved = False
        self._drive = drive
        self._waiter: asyncio.Future[None] | None = None
        self._handed: Sequence[Item] = ()
        self._done: dict[str, Event | Gap | Position] = {}
        self._error: WavetankError | None = None
        self._is_over = False

    @property
    def topic(self) -> str:
        """Topic or pattern."""
        return self.following.topic

    @property
    def is_over(self) -> bool:
        """Whether no more items come in."""
        return self._is_over

    # For the reader.

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Item:
        """Return the next item; the exceptions are those of ``take``.

        Raises:
            StopAsyncIteration: If it was closed.
        """
        items = await self.take(1)
        if not items:
            raise StopAsyncIteration
        return items[0]

    async def batches(self, most: int = 256) -> AsyncIterator[list[Item]]:
        """Yield all items at hand at once; asking for more says that they are done.

        Args and exceptions are those of ``take``.
        """
        while items := await self.take(most):
            yield items

    async def take(self, most: int) -> list[Item]:
        """Wait for items; return all at hand, or none at the end.

        Args:
            most: How many at once, at most.

        Raises:
            Refused: If the hub will not serve it.
            GaveUp: If there will be no connection any more.
            LocalError: If somebody else is reading.
        """
        if self._waiter is not None:
            raise LocalError("a subscription has one reader")
        self.confirm()
        while not len(self.buffer):
            if self._error is not None:
                raise self._error
            if self._is_over:
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        had_room = self.buffer.has_room
        items = self.buffer.take(most)
        self._handed = items
        if self.buffer.has_room and not had_room:
            self._drive(self)
        return items

    def confirm(self) -> None:
        """Say that everything handed out so far is done, without asking for more."""
        for item in self._handed:
            if not isinstance(item, Stale):
                self._done[item.topic] = item
                self.has_moved = True
        self._handed = ()

    @property
    def positions(self) -> dict[str, Position]:
        """Where one goes on who has done all items but the last ones handed out."""
        return {
            topic: done if isinstance(done, Position) else done.position
            for topic, done in self._done.items()
        }

    def close(self) -> None:
        """End it; what was not read yet is dropped."""
        if not self._is_over:
            self.following.close()
            self.end(None)
            self.buffer.clear()
            self._drive(self)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # For whoever drives it.

    def put(self, items: Sequence[Item]) -> None:
        """Add items."""
        for item in items:
            self.buffer.put(item)
        if items:
            self._wake()

    def note_placed(self) -> None:
        """Keep the places of topics of which nothing had to be handed out."""
        placed = self.following.placed
        for topic in placed:
            self._done[topic] = self.following.trackers[topic].position
            self.has_moved = True
        placed.clear()

    def end(self, error: WavetankError | None) -> None:
        """Let no more items in; the reader gets what is there, then the error."""
        self._is_over = True
        self._error = error
        if self.timer is not None:
            self.timer.cancel()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Subscription {self.following!r} {self.buffer!r}>"
