"""Keeps a peer at a target: one conversation after the other, whatever breaks.

It refuses to know what is said in them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Change
from wavetank.lab.conversation import ANSWER_WITHIN, Conversation

if TYPE_CHECKING:
    import random
    from types import TracebackType

__all__ = ["Keeper", "Kept", "Open", "Patience"]

Open: TypeAlias = Callable[[], Awaitable[Conversation]]
"""Opens a conversation; what goes wrong is a `RemoteError` or a `TimeoutError`."""

_MOST_DOUBLINGS = 16
_GOODBYE = 1.0


class Patience(NamedTuple):
    """How long a peer waits for what; all in seconds.

    Attributes:
        opening: For a conversation to stand.
        answer: For the answer to an ask.
        ping_every: From one of its own pings to the next.
        pong: For the answer to a ping; after that the link is dead.
        base: Longest wait before it tries again for the first time.
        cap: Longest wait of all; it doubles up to here.
    """

    opening: float = 5.0
    answer: float = ANSWER_WITHIN
    ping_every: float = 1.0
    pong: float = 3.0
    base: float = 0.05
    cap: float = 1.0


class Keeper:
    """Opens a conversation, has it used until it ends, and opens the next one.

    Use it as an asynchronous context manager.

    Args:
        name: Of the peer.
        open: Opens a conversation.
        use: Uses one; it returns when there is nothing more to do, and lets through
            what ends the conversation.
        now: Seconds since the run started.
        rng: Of the waits: full jitter, so that peers come back one by one.
        patience: How long to wait for what.
        notify: Told when the peer is of use, and when it is no longer.

    Attributes:
        conversation: The present one; None where there is none.
        opened: How many have stood.
        why: Why the last one ended, or could not be opened.
        is_connected: Whether the present one is of use.
    """

    def __init__(
        self,
        name: str,
        *,
        open: Open,
        use: Callable[[Conversation], Awaitable[None]],
        now: Callable[[], float],
        rng: "random.Random",
        patience: Patience | None = None,
        notify: Callable[[Change], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.patience = patience or Patience()
        self.conversation: Conversation | None = None
        self.opened = 0
        self.why = ""
        self.is_connected = False
        self._open = open
        self._use = use
        self._now = now
        self._rng = rng
        self._notify = notify
        self._task: asyncio.Task[None] | None = None
        self._was_of_use = False

    @property
    def state(self) -> str:
        """How the peer is, in words."""
        return "connected" if self.is_connected else f"away: {self.why or 'not yet'}"

    def settle(self) -> None:
        """Note that the present conversation is of use from now on."""
        self.is_connected = True
        self._notify(Change(self._now(), self.name, True))

    def check(self) -> None:
        """Raise what has ended it, where that was a mistake of ours."""
        task = self._task
        if task is not None and task.done() and not task.cancelled():
            task.result()

    async def close(self) -> None:
        """Stop, and end the conversation politely; idempotent.

        Raises:
            LocalError: Or whatever else has ended it before, by our mistake.
        """
        task = self._task
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            with contextlib.suppress(RemoteError, TimeoutError, LocalError):
                await conversation.peer.close(timeout=_GOODBYE)
        self.check()

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self.name)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Stop."""
        await self.close()

    async def _run(self) -> None:
        in_vain = 0
        while not await self._once():
            in_vain = 0 if self._was_of_use else in_vain + 1
            doubled = self.patience.base * 2.0 ** min(in_vain, _MOST_DOUBLINGS)
            await asyncio.sleep(self._rng.uniform(0.0, min(self.patience.cap, doubled)))

    async def _once(self) -> bool:
        """Open a conversation and have it used; return whether all is done."""
        was_lost = True
        try:
            async with asyncio.timeout(self.patience.opening):
                self.conversation = await self._open()
            self.opened += 1
            self.conversation.answer_within = self.patience.answer
            await self._use(self.conversation)
            was_lost = False
        except (RemoteError, TimeoutError) as error:
            self.why = str(error) or type(error).__name__
        except asyncio.CancelledError:
            was_lost = False
            raise
        finally:
            self._was_of_use, self.is_connected = self.is_connected, False
            # An end that we want is no loss.
            if self._was_of_use and was_lost:
                self._notify(Change(self._now(), self.name, False))
        if was_lost and self.conversation is not None:
            self.conversation.peer.abort()
            self.conversation = None
        return not was_lost

    def __repr__(self) -> str:
        """Show who, and how it is."""
        return f"<Keeper {self.name} {self.opened} opened, {self.state}>"


class Kept:
    """A peer that a keeper keeps; whoever derives from it says what it does there.

    Use it as an asynchronous context manager.

    Args:
        keeper: Keeps it.

    Attributes:
        name: Its name in the history.
    """

    def __init__(self, keeper: Keeper) -> None:
        self.name = keeper.name
        self._keeper = keeper

    @property
    def is_connected(self) -> bool:
        """Whether it can do what it is there for."""
        return self._keeper.is_connected

    @property
    def conversation(self) -> Conversation | None:
        """The present one; None while it is away."""
        return self._keeper.conversation

    @property
    def why(self) -> str:
        """Why it was away the last time."""
        return self._keeper.why

    @property
    def state(self) -> str:
        """How it is, in words."""
        return self._keeper.state

    def check(self) -> None:
        """Raise what has ended it, where that was a mistake of ours."""
        self._keeper.check()

    async def close(self) -> None:
        """Stop at once, and end the conversation; idempotent."""
        await self._keeper.close()

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._keeper.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Stop."""
        await self.close()
