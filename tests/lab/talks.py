"""A conversation without a target: what it hears is written by the test."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from wavetank.dialects import Capability, Heard, Hub, Reply
from wavetank.errors import LocalError, RemoteError

DEADLINE = 10.0
"""Seconds after which a test gives up; nothing is measured against it."""


class Wire:
    """The peer below a conversation."""

    local_port = 4711

    def __init__(self) -> None:
        self.is_aborted = False
        self.is_closed = False
        self.pings = 0
        self.ping_fails: BaseException | None = None
        self.close_fails: BaseException | None = None

    async def ping(self, timeout: float) -> float:
        """Be answered at once, unless the test says otherwise."""
        self.pings += 1
        if self.ping_fails is not None:
            raise self.ping_fails
        return 0.0

    async def close(self, *, timeout: float = 5.0) -> None:
        """End politely."""
        self.is_closed = True
        if self.close_fails is not None:
            raise self.close_fails

    def abort(self) -> None:
        """End at once."""
        self.is_aborted = True


class Talk:
    """A conversation as followers and publishers use it.

    Args:
        replies: What is answered, in order; an exception is raised. None answers by
            itself: a subscription at 0 of epoch ``e``, a publication with 1, 2 ...
    """

    def __init__(self, *replies: Reply | BaseException) -> None:
        self.peer = Wire()
        self.name = "peer-1"
        self.dialect: Any = Hub()
        self.is_traced = True
        self.answer_within = 5.0
        self.unread: deque[Heard] = deque()
        self.asked: list[tuple[Any, ...]] = []
        self.waits = 0
        self._replies = deque(replies)
        self._heard: asyncio.Queue[Heard | BaseException] = asyncio.Queue()
        self._count = 0

    def lacks(self, *capabilities: Capability) -> "Talk":
        """Take capabilities from its dialect."""
        dialect = Hub()
        dialect.capabilities = dialect.capabilities - set(capabilities)
        self.dialect = dialect
        return self

    def form(self, payload: str) -> str:
        """Compare byte for byte."""
        return payload

    def say(self, *heard: Heard | BaseException) -> None:
        """Let it hear something; an exception ends it."""
        for each in heard:
            self._heard.put_nowait(each)

    async def next_heard(self, *, within: float) -> Heard:
        """Return the next that the test says."""
        self.waits += 1
        heard = await self._heard.get()
        if isinstance(heard, BaseException):
            raise heard
        return heard

    async def subscribe(
        self, topic: str, *, epoch: str = "", seq: int | None = None
    ) -> Reply:
        """Answer as the test says."""
        self.asked.append(("subscribe", topic, epoch, seq))
        return self._answer(Reply(id=1, ok=True, epoch="e", seq=0))

    async def publish(self, topic: str, payload: str) -> Reply:
        """Answer as the test says."""
        self.asked.append(("publish", topic, payload))
        self._count += 1
        return self._answer(Reply(id=1, ok=True, epoch="e", seq=self._count))

    async def ping(self, *, within: float) -> float:
        """Be answered at once."""
        return await self.peer.ping(within)

    def abort(self) -> None:
        """End at once: whoever waits is told that it was us."""
        self.peer.abort()
        self.say(LocalError("closed by this side"))

    def _answer(self, usual: Reply) -> Reply:
        reply = self._replies.popleft() if self._replies else usual
        if isinstance(reply, BaseException):
            raise reply
        return reply


class Talks:
    """Opens conversations, one after the other, and none when they run out."""

    def __init__(self, *talks: Talk | BaseException) -> None:
        self._talks = deque(talks)
        self.tried = 0

    async def open(self) -> Any:
        """Return the next; wait for ever behind the last."""
        self.tried += 1
        if not self._talks:
            await asyncio.Event().wait()
        talk = self._talks.popleft()
        if isinstance(talk, BaseException):
            raise talk
        return talk


async def until(holds: Callable[[], bool]) -> None:
    """Look turn by turn of the loop until something holds, under a deadline."""
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - nobody sets an event for these
            await asyncio.sleep(0)


LOST = RemoteError("the connection was lost")
