"""A bystander: a peer that talks with the target while others misbehave.

It refuses to know what they do, and to judge.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from wavetank.errors import RemoteError
from wavetank.evidence import Finding, Histogram
from wavetank.lab.checkers.recovery import judge_bystander
from wavetank.lab.conversation import Conversation
from wavetank.lab.peers import Peers

__all__ = ["Bystander"]

_PAUSE = 0.01
_LONGEST = 600.0
_BOUND = 1.0
"""Seconds that 99 of 100 round trips may take; a stuck target takes much longer."""


class Bystander:
    """Sends itself one message after the other, and times each.

    A ping where the target cannot give it its own messages back. Use it as an
    asynchronous context manager.

    Args:
        peers: Opens its connection.
        within: Seconds that an answer may take; then it gives up.

    Attributes:
        times: Seconds of each round trip.
        failure: Why it has given up; "" while it has not.
        stood_still: The longest time for which this process did nothing.
    """

    def __init__(self, peers: Peers, *, within: float = 10.0) -> None:
        self.times = Histogram(highest=_LONGEST)
        self.failure = ""
        self.stood_still = 0.0
        self._peers = peers
        self._within = within
        self._conversation: Conversation | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    @property
    def answers(self) -> int:
        """How many answers have come."""
        return self.times.count

    async def next_answer(self) -> None:
        """Wait until it is answered once more, or has given up.

        Raises:
            LocalError: Or whatever else has ended it, by our mistake.
        """
        answers, talking = self.answers, self._tasks[0]
        while not talking.done() and self.answers == answers:
            self._news.clear()
            await self._news.wait()
        if talking.done():
            talking.result()

    def judge(self) -> list[Finding]:
        """Return what is to be said of how it was served."""
        return judge_bystander(
            self.times,
            bound=_BOUND,
            failure=self.failure,
            stood_still=self.stood_still,
        )

    async def __aenter__(self) -> Self:
        """Connect, and begin.

        Raises:
            RemoteError: If the target does not let it in.
            TimeoutError: If that takes too long.
        """
        conversation = await self._peers.open_to_itself()
        conversation.is_traced = False
        self._conversation = conversation
        self._tasks = [
            asyncio.create_task(self._talk(conversation), name="bystander"),
            asyncio.create_task(self._tick(), name="bystander's clock"),
        ]
        self._tasks[0].add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        assert self._conversation is not None
        self._conversation.peer.abort()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                task.result()

    async def _talk(self, conversation: Conversation) -> None:
        loop = asyncio.get_running_loop()
        number = 0
        try:
            while True:
                number += 1
                began = loop.time()
                async with asyncio.timeout(self._within):
                    await self._go_round(conversation, number)
                took = max(loop.time() - began, self.times.lowest)
                self.times.record(took)
                self._news.set()
                await asyncio.sleep(_PAUSE)
        except (RemoteError, TimeoutError) as error:
            self.failure = str(error) or f"no answer within {self._within:g} s"

    async def _go_round(self, conversation: Conversation, number: int) -> None:
        if not conversation.gets_itself:
            await conversation.ping(within=self._within)
            return
        payload = f'{{"bystander":{number}}}'
        await conversation.say(payload)
        form = conversation.form
        while True:
            event = await conversation.next_event(within=self._within)
            if form(event.payload) == form(payload):
                return

    async def _tick(self) -> None:
        """Notice how late this process is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _PAUSE
            await asyncio.sleep(_PAUSE)
            self.stood_still = max(self.stood_still, loop.time() - due)

    def __repr__(self) -> str:
        """Show how it fares."""
        return f"<Bystander {self.answers} answers, {self.failure or 'served'}>"
