"""Receipts: what became of one publication, and the wait for it.

They refuse to know how it is sent.
"""

import asyncio
import enum
from collections.abc import Generator

from wavetank.client.failures import NotPublished
from wavetank.protocol import Position

__all__ = ["Receipt", "Result"]


class Result(enum.StrEnum):
    """What became of a publication."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    """It is in the hub's log, with the topic's durability."""
    REFUSED = "refused"
    """There was no room for it; it was never on its way."""
    FAILED = "failed"
    KEPT = "kept"
    """This publisher is closed; it is in the spool and goes out at the next start."""


class Receipt:
    """One publication; awaiting it waits for its end.

    Attributes:
        topic: Where it was published.
        result: What became of it so far.
        position: Where it is in the log; None while pending, and for a duplicate
            too old to know.
        is_duplicate: Whether the hub had it before.
        error: Why it was not published, or None.
    """

    __slots__ = (
        "__weakref__",
        "_waiters",
        "error",
        "is_duplicate",
        "position",
        "result",
        "topic",
    )

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.result = Result.PENDING
        self.position: Position | None = None
        self.is_duplicate = False
        self.error: NotPublished | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_pending(self) -> bool:
        """Whether its end is not known yet."""
        return self.result is Result.PENDING

    def __await__(self) -> Generator[object, None, Position | None]:
        """Wait for its end; return its position.

        Raises:
            NotPublished: If it was not acknowledged.
        """
        yield from self.wait().__await__()
        if self.error is not None:
            raise self.error
        return self.position

    async def wait(self) -> None:
        """Wait for its end, whatever that is."""
        if self.is_pending:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def acknowledge(self, position: Position | None, *, is_duplicate: bool) -> None:
        """Note that the hub has it."""
        self.position = position
        self.is_duplicate = is_duplicate
        self._end(Result.ACKNOWLEDGED)

    def fail(self, result: Result, error: NotPublished) -> None:
        """Note that it was not acknowledged, and will not be here."""
        self.error = error
        self._end(result)

    def _end(self, result: Result) -> None:
        self.result = result
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def __repr__(self) -> str:
        """Show what became of it."""
        return f"<Receipt {self.topic} {self.result.value}>"
