"""Bystanders: healthy connections beside others, one that stays, and newcomers.

They refuse to know what the others do, and what is made of how they are served.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

from wavetank.errors import LocalError, RemoteError
from wavetank.lab.conformance.aio.introducing import introduce
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.case import (
    Case,
    Heard,
    Need,
    Pong,
    Text,
    frames_of,
    text,
)
from wavetank.lab.conformance.echoes import Way, wrapped
from wavetank.lab.conformance.hearing import Hearing, Transcript
from wavetank.lab.conformance.patience import Service
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.peers import Peers
from wavetank.net import ConnectionEnded, HandshakeBroken, RudePeer, Side
from wavetank.wire import Frame, Opcode, describe_close

__all__ = ["Bystanders", "Resident", "arrive", "attend", "greet_newcomer"]

_NO_CASE = Case(id="", title="", clause="", steps=(), outcomes=())
_TURN = 64
"""Frames that are read before others have their turn."""
_MOST = 2**20
"""Bytes that are kept of a message that has not ended."""
_FRAME_COST = 128
"""Bytes that a frame costs beside its payload."""
_LONG = 3600.0
"""Seconds; whoever attends a connection has a deadline of its own."""


async def arrive(peers: Peers, way: Way, *, within: float) -> RudePeer:
    """Open a connection, and say on it what the dialect says first.

    Args:
        peers: Opens it.
        way: How messages come back on it.
        within: Seconds for each answer.

    Raises:
        RemoteError: If the target refuses, or breaks off.
        TimeoutError: If an answer does not come.
    """
    rude = await peers.raw(within=within)
    try:
        await _open(rude, peers, within)
        player = Player(
            _NO_CASE,
            rude,
            Transcript(),
            Tracing(),
            way=way,
            inflater=None,
            within=within,
        )
        await introduce(player, way, peers.target)
    except BaseException:
        await rude.close()
        raise
    return rude


async def _open(rude: RudePeer, peers: Peers, within: float) -> None:
    answer = await rude.open(timeout=within, change=peers.handshake())
    if answer.status != 101:
        words = f"the opening handshake was answered with {answer.status}"
        raise HandshakeBroken(words)


async def attend(
    rude: RudePeer, hear: Callable[[Frame], None], *, answers: bool
) -> None:
    """Read a connection until TCP ends.

    Args:
        rude: The connection.
        hear: Called with each frame.
        answers: Whether pings are answered.
    """
    count = 0
    while (frame := await rude.read_frame(_LONG)) is not None:
        count += 1
        hear(frame)
        if answers and frame.opcode == Opcode.PING:
            with suppress(ConnectionEnded):
                await rude.send_frame(Opcode.PONG, frame.payload)
        if count % _TURN == 0:
            # What has come already is read without any waiting.
            await asyncio.sleep(0)


async def greet_newcomer(peers: Peers, *, within: float) -> None:
    """Open a new connection, wait for the answer to a ping, and go.

    Args:
        peers: Opens it.
        within: Seconds for all of it.

    Raises:
        RemoteError: If the target refuses, or breaks off.
        TimeoutError: If it does not answer in time.
    """
    probe = secrets.token_bytes(8)
    try:
        async with asyncio.timeout(within), await peers.raw(within=within) as rude:
            await _open(rude, peers, within)
            await rude.send_frame(Opcode.PING, probe)
            while (frame := await rude.read_frame(within)) is not None:
                if frame.opcode == Opcode.PONG and frame.payload == probe:
                    return
    except TimeoutError:
        words = f"a new connection was not served within {within:g} s"
        raise TimeoutError(words) from None
    raise _gone("a new connection", Transcript())


class Resident:
    """A connection that stays, answers pings, and asks again and again for something.

    It is a context: the connection is opened and ended with it.

    Args:
        peers: Opens it.
        way: How messages come back on it.
        within: Seconds for each answer of its first words.
    """

    def __init__(self, peers: Peers, way: Way, *, within: float) -> None:
        self._peers = peers
        self._way = way
        self._within = within
        self._transcript = Transcript()
        self._wanted: list[Heard] = []
        self._news = asyncio.Event()
        self._rude: RudePeer | None = None
        self._reading: asyncio.Task[None] | None = None
        self._rounds = 0

    async def __aenter__(self) -> Self:
        """Open the connection.

        Raises:
            RemoteError: If the target refuses, or breaks off.
            TimeoutError: If an answer does not come.
        """
        self._rude = await arrive(self._peers, self._way, within=self._within)
        self._reading = asyncio.create_task(self._read(self._rude))
        self._reading.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the connection."""
        assert self._rude is not None, "it was opened"
        assert self._reading is not None, "it was opened"
        self._reading.cancel()
        await asyncio.wait({self._reading})
        await self._rude.close()

    async def ask(self, *, within: float) -> None:
        """Ask for a pong, and for a text where texts come back; wait for both.

        Args:
            within: Seconds for them.

        Raises:
            ConnectionEnded: If the target has ended the connection.
            TimeoutError: If they do not come.
        """
        assert self._rude is not None, "it was opened"
        self._rounds += 1
        mark = f"wavetank-{self._rounds}".encode()
        self._wanted = [Pong(mark)]
        with suppress(ConnectionEnded):
            await self._rude.send_frame(Opcode.PING, mark)
            if Need.ECHO in self._way.needs:
                self._wanted.append(Text(mark))
                (frame,) = frames_of(wrapped((text(mark),), self._way))
                await self._rude.send_frame(frame.opcode, frame.payload)
        try:
            async with asyncio.timeout(within):
                while self._wanted and not self._is_over:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            missing = " and ".join(type(each).__name__.lower() for each in self._wanted)
            raise TimeoutError(f"no {missing} came within {within:g} s") from None
        if self._wanted:
            raise _gone("the connection", self._transcript)

    @property
    def _is_over(self) -> bool:
        return self._reading is None or self._reading.done()

    async def _read(self, rude: RudePeer) -> None:
        hearing = Hearing(
            self._way, None, probe=b"", transcript=self._transcript, codes=frozenset()
        )

        size = 0

        def hear(frame: Frame) -> None:
            nonlocal size
            size = 0 if frame.fin else size + len(frame.payload) + _FRAME_COST
            if size > _MOST:
                return  # of a message without end only the beginning is kept
            hearing.take(frame)
            for heard in self._transcript.heard:
                if heard in self._wanted:
                    self._wanted.remove(heard)
            self._transcript.heard.clear()
            self._news.set()

        # Whoever makes no room for a pong is not read on, and does not answer.
        with suppress(RemoteError, TimeoutError):
            await attend(rude, hear, answers=True)

    def __repr__(self) -> str:
        """Show how often it asked, and whether it is still there."""
        state = "over" if self._is_over else "open"
        return f"<Resident {self._rounds} rounds {state}>"


class Bystanders:
    """A resident and newcomers, and how they are served; a context.

    Args:
        peers: Opens their connections.
        way: Makes a way for the resident's messages to come back.
        within: Seconds that they have at first, when nothing else is going on.

    Attributes:
        residing: How the resident is served.
        coming: How newcomers are.
        served_at: When somebody asked who was served, the last time; on the loop's
            clock.
    """

    def __init__(self, peers: Peers, *, way: Callable[[], Way], within: float) -> None:
        self.residing = Service()
        self.coming = Service()
        self.served_at = float("-inf")
        self._peers = peers
        self._within = within
        self._resident = Resident(peers, way(), within=within)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Have both served; who is not even now is no evidence later on."""
        entered = self._stack.enter_async_context(self._resident)
        try:
            if await self._serve(self.residing, entered) is None:
                await self._ask(self._within)
            await self._greet(self._within)
        except BaseException:
            await self._stack.aclose()
            raise
        for service in (self.residing, self.coming):
            if service.failure:
                service.obstacle = f"at the beginning, {service.failure}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the resident's connection."""
        await self._stack.aclose()

    @property
    def are_two(self) -> bool:
        """Whether a newcomer was served beside a resident, if there was any."""
        return bool(self.residing.obstacle) or not self.coming.obstacle

    async def look(self, *, within: float, with_newcomer: bool = True) -> bool:
        """Look whether they are served.

        Args:
            within: Seconds for each answer.
            with_newcomer: Whether it is a newcomer's turn, too; where the resident
                is not served, it is in any case.

        Returns:
            Whether nobody waits in vain. A resident whose connection was ended is
            not served, but does not wait either.
        """
        trouble = await self._ask(within)
        if trouble is None and not with_newcomer:
            return True
        is_greeted = await self._greet(within) is None
        return is_greeted and not isinstance(trouble, TimeoutError)

    async def take_leave(self, *, within: float, sure: bool) -> None:
        """Look for the last time, behind whatever kept others from being served.

        Args:
            within: Seconds for an answer.
            sure: Whether what was seen until now holds even if nobody is served now,
                because nothing else can be the reason.
        """
        last = Service()
        if await self._serve(last, self._newcomer(within)) is None:
            return
        words = f"when all was over, {last.failure}"
        if not self.residing.failure and not self.coming.failure:
            self.coming.obstacle = self.coming.obstacle or words
        for service in (self.residing, self.coming):
            if service.failure and not sure:
                service.obstacle = service.obstacle or words

    async def _ask(self, within: float) -> Exception | None:
        """Let the resident ask, if it still can; return why it was in vain."""
        if self.residing.failure:
            return None
        return await self._serve(self.residing, self._resident.ask(within=within))

    async def _greet(self, within: float) -> Exception | None:
        """Let a newcomer come; return why it was in vain."""
        if self.coming.obstacle:
            return None
        return await self._serve(self.coming, self._newcomer(within))

    def _newcomer(self, within: float) -> Awaitable[None]:
        return greet_newcomer(self._peers, within=within)

    async def _serve(
        self, service: Service, answer: Awaitable[object]
    ) -> Exception | None:
        """Wait for an answer, and note how it came; return why it did not."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            await answer
        except (RemoteError, TimeoutError, LocalError, OSError) as error:
            service.failure = str(error)
            service.code = error.code if isinstance(error, ConnectionEnded) else None
            return error
        self.served_at = asked_at
        service.rounds += 1
        service.slowest = max(service.slowest, loop.time() - asked_at)
        return None

    def __repr__(self) -> str:
        """Show how often they were served."""
        return (
            f"<Bystanders {self.residing.rounds} and {self.coming.rounds} times served>"
        )


def _gone(who: str, transcript: Transcript) -> ConnectionEnded:
    """Say how the target ended a connection (RFC 6455 7.1.5)."""
    code = transcript.code or (1005 if transcript.has_answer else 1006)
    words = f"{who} was ended by the target with {code} ({describe_close(code).name})"
    return ConnectionEnded(words, code=code, reason="", by=Side.THEM)
