"""Peers for a check: opens them as the run's options say, and ends them all.

It refuses to know what they will talk about.
"""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Sequence

from wavetank.dialects import Bare, Capability, Dialect, Event, Hub, Welcome
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Kind, Operation, Record
from wavetank.lab.check import BROADCAST
from wavetank.lab.conversation import Conversation
from wavetank.lab.target import Target
from wavetank.net import HandshakeBroken, Peer, RudePeer, Tap, open_peer

__all__ = ["Peers"]


class Peers:
    """Opens polite and rude peers to one target, on behalf of one check.

    Args:
        target: Where they go.
        check: On whose behalf.
        record: Where operations go.
        now: Seconds since the run started.
        tap: Makes who listens in on each connection.
    """

    def __init__(
        self,
        target: Target,
        *,
        check: str,
        record: Callable[[Record], None],
        now: Callable[[], float],
        tap: Callable[[], Tap | None] = lambda: None,
    ) -> None:
        self.target = target
        self.check = check
        self.tap = tap
        self._record = record
        self._now = now
        self._numbers = itertools.count(1)
        self._open: list[Conversation] = []
        self._rude: list[RudePeer] = []

    async def open(
        self,
        *,
        tls: bool = False,
        within: float = 5.0,
        max_message: int | None = 16 * 1024 * 1024,
        dialect: Dialect | None = None,
        greeted: bool = True,
    ) -> Conversation:
        """Open a conversation: handshake, login, preamble.

        Args:
            tls: Use the target's TLS listener.
            within: Seconds for the opening handshake.
            max_message: Largest message that the peer accepts, in bytes.
            dialect: Another one than the target's.
            greeted: Take the welcome, where there is one, out of the way.

        Raises:
            RemoteError: If the target refuses or breaks the handshake.
            TimeoutError: If it does not answer in time.
        """
        name = f"peer-{next(self._numbers)}"
        self._note(name, Kind.INVOKE, "open", self.target.address(tls=tls))
        try:
            peer = await self._open_peer(tls=tls, within=within, size=max_message)
        except BaseException as error:
            # After a time-out of ours nobody knows what the target made of it.
            kind = Kind.FAIL if isinstance(error, RemoteError) else Kind.INFO
            self._note(name, kind, "open", f"{type(error).__name__}: {error}")
            raise
        self._note(name, Kind.OK, "open", f"subprotocol {peer.subprotocol}")
        conversation = Conversation(
            peer,
            dialect or self.target.dialect,
            name=name,
            check=self.check,
            record=self._record,
            now=self._now,
        )
        # What is over needs no end; who comes again and again leaves many behind.
        self._open = [each for each in self._open if each.peer.closed_by is None]
        self._open.append(conversation)
        try:
            await self._introduce(conversation, greeted=greeted)
        except BaseException:
            peer.abort()
            raise
        return conversation

    async def open_to_itself(self, *, tls: bool = False) -> Conversation:
        """Open a conversation that gets its own messages back, where it can.

        With topics it is subscribed to one of its own; an echo needs nothing.
        """
        conversation = await self.open(tls=tls)
        if self.can(BROADCAST):
            await conversation.subscribe(self.topic(conversation.name))
        return conversation

    async def open_many(
        self, count: int, *, to_themselves: bool = False
    ) -> list[Conversation]:
        """Open conversations side by side; all are open when it returns.

        Args:
            count: How many.
            to_themselves: Whether each gets its own messages back, where it can.
        """
        open_one = self.open_to_itself if to_themselves else self.open
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(open_one()) for _ in range(count)]
        return [task.result() for task in tasks]

    async def hear(
        self, listeners: Sequence[Conversation], counts: Sequence[int]
    ) -> list[list[Event]]:
        """Return what each listener hears, side by side.

        Args:
            listeners: Who listens.
            counts: How many events each is owed; what comes after them is heard, too.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(listener.events_and_strays(count))
                for listener, count in zip(listeners, counts, strict=True)
            ]
        return [task.result() for task in tasks]

    def can(self, *needs: str) -> bool:
        """Return whether the target has every one of these capabilities."""
        return {str(need) for need in needs} <= self.target.capabilities

    def topic(self, name: str) -> str:
        """Return a topic that nobody else uses: no other run, no other check."""
        return f"wavetank.{self.check}.{name}-{secrets.token_hex(4)}"

    def handshake(self) -> dict[str, str]:
        """Return what this target's opening handshake needs beside the headers."""
        change: dict[str, str] = {}
        if self.target.subprotocols:
            change["Sec-WebSocket-Protocol"] = ", ".join(self.target.subprotocols)
        if self.target.origin:
            change["Origin"] = self.target.origin
        return change

    async def distance(self) -> float:
        """Return the seconds that the network takes to the target and back."""
        tries = []
        for _ in range(3):
            started = time.perf_counter()
            rude = await self.raw()
            tries.append(time.perf_counter() - started)
            await rude.close()
        return min(tries)

    async def raw(
        self, *, tls: bool = False, within: float = 5.0, kept: int = 2**20
    ) -> RudePeer:
        """Open a rude peer: a bare TCP or TLS connection, no handshake yet.

        Args:
            tls: Use the target's TLS listener.
            within: Seconds for TCP and TLS.
            kept: Bytes that it keeps unread, and the largest frame that it reads.
        """
        name = f"rude-{next(self._numbers)}"
        self._note(name, Kind.INFO, "connect", self.target.address(tls=tls))
        url = self.target.address(tls=tls)
        rude = await RudePeer.connect(
            url,
            tls=self.target.context_for(url),
            timeout=within,
            headers=self.target.headers,
            max_kept=kept,
            tap=self.tap(),
        )
        # What a closed one has left unread may be large, and is nobody's any more.
        self._rude = [each for each in self._rude if not each.is_closed]
        self._rude.append(rude)
        return rude

    async def rude(self, *, tls: bool = False, within: float = 5.0) -> RudePeer:
        """Open a rude peer that has shaken hands like a polite one.

        Raises:
            HandshakeBroken: If the answer is not 101.
        """
        rude = await self.raw(tls=tls, within=within)
        answer = await rude.open(timeout=within, change=self.handshake())
        if answer.status != 101:
            raise HandshakeBroken(f"the opening handshake was answered {answer.status}")
        return rude

    async def close(self) -> None:
        """Cut whatever is still open: a check's end is not a closing handshake."""
        for conversation in self._open:
            conversation.peer.abort()
        for conversation in self._open:
            with contextlib.suppress(TimeoutError):
                await conversation.peer.wait_closed(1.0)
        for rude in self._rude:
            await rude.close()
        self._open.clear()
        self._rude.clear()

    async def _open_peer(self, *, tls: bool, within: float, size: int | None) -> Peer:
        target = self.target
        url = target.address(tls=tls)
        return await open_peer(
            url,
            subprotocols=target.subprotocols,
            headers=target.headers,
            origin=target.origin or None,
            tls=self.target.context() if url.startswith("wss:") else None,
            open_timeout=within,
            max_message=size,
            tap=self.tap(),
        )

    async def _introduce(self, conversation: Conversation, *, greeted: bool) -> None:
        target = self.target
        for text in target.dialect.endpoint.preamble:
            await conversation.peer.send(text)
        if target.token and not isinstance(target.dialect, Hub):
            # The hub has it from the handshake's headers already; a dialect without
            # such a message has no other way.
            with contextlib.suppress(LocalError):
                await conversation.authenticate(target.token)
        if not greeted or isinstance(target.dialect, Bare):
            return
        if Capability.WELCOME in conversation.dialect.capabilities:
            word = await conversation.first_word()
            if not isinstance(word, Welcome):
                conversation.unread.append(word)

    def _note(self, peer: str, kind: Kind, name: str, detail: str) -> None:
        self._record(
            Operation(
                at=self._now(),
                check=self.check,
                peer=peer,
                kind=kind,
                name=name,
                detail=detail,
            )
        )
