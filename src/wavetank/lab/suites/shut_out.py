"""Peers that want in while a target has nothing left to accept them with.

It refuses to know how that was taken from it.
"""

import asyncio
from types import TracebackType
from typing import Self

from wavetank.errors import RemoteError
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.reactions import is_served

__all__ = ["Knocking", "must_be_let_in"]

SERVED_WITHIN = 5.0
_WAITS = 600.0


class Knocking:
    """Several peers at once; as an asynchronous context manager.

    Args:
        peers: Opens their connections.
        count: How many.
    """

    def __init__(self, peers: Peers, count: int) -> None:
        self._peers = peers
        self._count = count
        self._tasks: list[asyncio.Task[bool]] = []

    @property
    def let_in(self) -> int:
        """How many were let in."""
        return sum(task.done() and task.result() for task in self._tasks)

    @property
    def turned_away(self) -> int:
        """How many were turned away; the others wait."""
        return sum(task.done() and not task.result() for task in self._tasks)

    async def __aenter__(self) -> Self:
        """Knock."""
        self._tasks = [
            asyncio.create_task(self._knock(), name=f"knocking {number}")
            for number in range(self._count)
        ]
        return self

    async def _knock(self) -> bool:
        try:
            await self._peers.open(within=_WAITS)
        except (RemoteError, TimeoutError):
            return False
        return True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Go away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


async def must_be_let_in(
    peer: Peers, notebook: Notebook, *, who: str, within: float = SERVED_WITHIN
) -> bool:
    """Expect that a polite peer is served again; it may come twice or more."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + within
    while True:
        try:
            conversation = await peer.open_to_itself()
        except (RemoteError, TimeoutError) as error:
            if loop.time() >= ends:
                return notebook.expect(
                    False,
                    f"{who} is let in",
                    expected=f"a connection within {within:g} s",
                    seen=error,
                )
            await asyncio.sleep(0.1)
            continue
        return await is_served(conversation, notebook, who=who)
