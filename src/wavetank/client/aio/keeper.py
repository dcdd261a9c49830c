"""Keeper: keeps a connection: opens it, again and again, moves it, refreshes its token.

It refuses to know what is said on a connection.
"""

import asyncio
from random import SystemRandom
from typing import Any, Protocol

from wavetank.client.aio.door import Door, LinkFailed, LinkOptions
from wavetank.client.aio.link import Link, Message
from wavetank.client.aio.logger import make_logger
from wavetank.client.backoff import Backoff
from wavetank.client.failures import GaveUp
from wavetank.client.lifecycle import Ending, Final, Lifecycle, refresh_after
from wavetank.clock import SystemClock
from wavetank.errors import LocalError, RemoteError, WavetankError
from wavetank.protocol import Auth, Authenticated, Error, Notice

__all__ = ["Keeper", "Party"]

GOING_AWAY = "going_away"


class Party(Protocol):
    """Who uses the connection."""

    def opened(self, link: Link) -> None:
        """Hear that there is a connection, maybe in place of another one."""
        ...

    def heard(self, message: Message) -> None:
        """Hear what the hub says on it."""
        ...

    def lost(self, ending: Ending) -> None:
        """Hear that it is gone."""
        ...

    def failed(self, ending: Ending) -> None:
        """Hear that an attempt to get one was in vain."""
        ...

    def finished(self, error: WavetankError) -> None:
        """Hear that there will never be another one."""
        ...


class Keeper:
    """Keeps one connection for one party.

    Args:
        url: Of the hub.
        party: Who uses it.
        options: What the user set.
        is_forgiving: Whether a close for too many errors passes by itself.

    Attributes:
        clock: Reads the time.
        rng: The dice of all waiting.
        backoff: Between attempts.
        logger: Takes log lines.

    Raises:
        UsageError: If URL and options cannot be used.
    """

    def __init__(
        self,
        url: str,
        party: Party,
        options: LinkOptions,
        *,
        is_forgiving: bool = False,
    ) -> None:
        self.clock = options.get("clock") or SystemClock()
        self.rng = options.get("rng") or SystemRandom()
        self.backoff = options.get("backoff") or Backoff()
        self.logger = options.get("logger") or make_logger()
        self._party = party
        self._door = Door(url, clock=self.clock, logger=self.logger, options=options)
        self._life = Lifecycle(
            self.backoff,
            self.rng,
            max_retries=options.get("max_retries"),
            can_refresh=self._door.can_refresh,
            is_forgiving=is_forgiving,
        )
        self._task: asyncio.Task[None] | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._successor: asyncio.Future[Link] | None = None
        self._moving: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self._error: WavetankError | None = None

    @property
    def connections(self) -> int:
        """How many were opened so far."""
        return self._life.connections

    # From start to close.

    def start(self) -> None:
        """Begin to open a connection; it goes on in the background.

        Raises:
            LocalError: If it was started before.
        """
        if self._task is not None:
            raise LocalError("this client was started before; make another one")
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def ready(self, timeout: float | None = None) -> None:
        """Wait for the first connection.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: If there is none by then.
            GaveUp: If there will be none.
        """
        async with asyncio.timeout(timeout):
            await self._opened.wait()
        if self._error is not None and not self._life.connections:
            raise self._error

    async def close(self) -> None:
        """Close the connection and stop; doing it twice is fine."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._retired:
            await asyncio.wait(self._retired)

    async def _run(self) -> None:
        try:
            await self._keep()
        except Exception as error:
            self.logger.error("client_crashed", exc_info=error)
            self._finish(LocalError(f"this is a mistake of Wavetank: {error!r}"))
        finally:
            self._life.end()

    async def _keep(self) -> None:
        while True:
            self._life.opening()
            try:
                link = await self._door.open()
            except LinkFailed as failure:
                ending = failure.ending
                self._party.failed(ending)
            else:
                self._life.opened(self.clock.now())
                ending = await self._attend(link)
                self._party.lost(ending)
            step = self._life.ended(ending, self.clock.now())
            if isinstance(step, Final):
                self.logger.error("gave_up", reason=step.text)
                self._finish(GaveUp(step.text, code=step.code))
                return
            self.logger.warning(
                "connecting_again", reason=str(ending), seconds=round(step.delay, 3)
            )
            await asyncio.sleep(step.delay)

    def _finish(self, error: WavetankError) -> None:
        self._error = error
        self._opened.set()
        self._party.finished(error)

    # One connection, and the one that takes over.

    async def _attend(self, link: Link) -> Ending:
        """Serve a connection and its successors until one ends without any."""
        while True:
            self.logger.info("connected", connection=link.welcome.connection)
            self._party.opened(link)
            self._opened.set()
            end = await self._attend_one(link)
            if isinstance(end, Ending):
                return end
            self._life.moved(self.clock.now())
            link = end

    async def _attend_one(self, link: Link) -> Ending | Link:
        """Serve one connection; return how it ended, or what has taken over."""
        loop = asyncio.get_running_loop()
        self._successor = loop.create_future()
        reading = loop.create_task(link.run(self._hear))
        refreshing = loop.create_task(self._refresh(link))
        is_closing = True
        try:
            try:
                either: set[asyncio.Future[Any]] = {reading, self._successor}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _cancel(reading, refreshing, self._moving)
            is_closing = False
        finally:
            self._moving = None
            self._retire(link)
            if is_closing and self._successor.done():
                self._retire(self._successor.result())
        if self._successor.done():
            return self._successor.result()
        return reading.result()

    def _hear(self, message: Message) -> None:
        if isinstance(message, Notice) and message.code == GOING_AWAY:
            self._move(message.reconnect_after or 0.0)
        self._party.heard(message)

    def _move(self, after: float) -> None:
        """Make another connection before this one ends, when the hub wants us back."""
        self._life.announced(after, self.clock.now())
        if self._moving is None and self._successor is not None:
            coroutine = self._open_successor(self._successor, after)
            self._moving = asyncio.get_running_loop().create_task(coroutine)

    async def _open_successor(
        self, successor: asyncio.Future[Link], after: float
    ) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(after)
            try:
                link = await self._door.open()
            except LinkFailed as failure:
                # As a rule nobody else answers here, and the hub that goes away
                # takes no one in. The connection that is still there counts.
                self.logger.debug("not_moved", reason=str(failure))
                after = self.backoff.bound(attempt)
                attempt += 1
            else:
                successor.set_result(link)
                return

    def _retire(self, link: Link) -> None:
        """Close a connection that is not needed, without waiting for that."""
        task = asyncio.get_running_loop().create_task(link.close())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _refresh(self, link: Link) -> None:
        """Exchange the token for a new one before it ends, for as long as that goes."""
        expires_at = link.expires_at
        while expires_at is not None and self._door.can_refresh:
            await asyncio.sleep(refresh_after(expires_at, self.clock.wall()))
            try:
                token = await self._door.take_token() or ""
                answer = await link.ask(Auth(id="", token=token))
            except (LinkFailed, RemoteError) as error:
                # The hub will close with 4201, and then there is another try.
                self.logger.warning("token_not_refreshed", reason=str(error))
                continue
            if isinstance(answer, Authenticated):
                expires_at = answer.expires_at
            elif isinstance(answer, Error):
                self.logger.warning("token_not_refreshed", reason=answer.message)


async def _cancel(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they are gone, or until we are cancelled ourselves.

    subtle: to await each of them would not tell its cancellation from our own, and
    who closes while a connection ends would wait for ever.
    """
    every = [task for task in tasks if task is not None]
    for task in every:
        task.cancel()
    await asyncio.wait(every)
    for task in every:
        if not task.cancelled():
            # What went wrong in a task that is not wanted any more is nobody's affair.
            task.exception()
