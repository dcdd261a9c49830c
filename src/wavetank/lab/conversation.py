"""A polite peer that speaks the target's dialect; each step is an operation.

It refuses to judge: what it hears is handed on as values.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from wavetank.dialects import (
    Ask,
    Authenticate,
    Capability,
    Dialect,
    Event,
    Foreign,
    Heard,
    Malformed,
    Notice,
    Publish,
    Reply,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Finding, Kind, Operation
from wavetank.lab.checkers import judge_arrivals, judge_numbers, judge_topics
from wavetank.lab.payloads import canonical
from wavetank.net import Peer

__all__ = ["ANSWER_WITHIN", "QUIET", "Conversation", "Refused"]

ANSWER_WITHIN = 5.0
"""Seconds that a target has for an answer, unless a check says otherwise."""

QUIET = 0.5
"""Seconds in which nothing more must come after all that was owed has."""

_PATIENCE = 3600.0  # whoever waits has a deadline of its own around it
_MOST_UNREAD = 100_000


_MOST_STRAYS = 100


class Refused(RemoteError):
    """The target answered an ask, and the answer is no."""


class Conversation:
    """One connection to the target, in its own dialect.

    Messages are read by whoever waits for one, never by a task in the
    background: what nobody waits for stays in the connection.

    Args:
        peer: An open connection.
        dialect: How the target speaks.
        name: Which peer this is, for the journal.
        record: Where operations go.
        now: Seconds since the run started.
        check: On whose behalf it speaks.
    """

    def __init__(
        self,
        peer: Peer,
        dialect: Dialect,
        *,
        name: str,
        check: str,
        record: Callable[[Operation], None],
        now: Callable[[], float],
    ) -> None:
        self.peer = peer
        self.dialect = dialect
        self.name = name
        self.check = check
        self.is_traced = True
        """Whether its operations go to the journal; a long load counts instead."""
        self.answer_within = ANSWER_WITHIN
        """Seconds that it waits for each answer."""
        self.topic = ""
        """The topic by which this peer gets its own messages back, if any."""
        self.unread: deque[Heard] = deque()
        self._record = record
        self._now = now
        self._ids = itertools.count(1)
        self._replies: dict[int, Reply] = {}
        self._open_asks: deque[int] = deque()

    async def __aenter__(self) -> Self:
        """Return the conversation."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; cut the connection where something went wrong before."""
        if kind is None:
            await self.close()
        else:
            self.peer.abort()

    @property
    def gets_itself(self) -> bool:
        """Whether this peer's own messages come back to it."""
        have = self.dialect.capabilities
        return Capability.ECHO in have or (bool(self.topic) and Capability.OWN in have)

    @property
    def form(self) -> Callable[[str], str]:
        """The form in which payloads are compared.

        Byte for byte where the target promises that; else by JSON value.
        """
        return str if Capability.VERBATIM in self.dialect.capabilities else canonical

    def judge(
        self, owed: Sequence[str], events: Sequence[Event], *, who: str = ""
    ) -> list[Finding]:
        """Judge what this peer heard of its topic: all of it, numbered, named.

        Args:
            owed: The payloads, in their order.
            events: What it heard.
            who: What the report calls it.
        """
        who = who or self.name
        got = [event.payload for event in events]
        findings = [judge_arrivals(who, owed, got, form=self.form)]
        if self.topic and events:
            findings.append(
                judge_topics(who, self.topic, [event.topic for event in events])
            )
            if Capability.SEQUENCE in self.dialect.capabilities:
                findings.append(judge_numbers(who, [event.seq for event in events]))
        return findings

    # What one can ask for

    async def authenticate(self, token: str) -> Reply:
        """Present a token and wait for the answer."""
        return await self._ask(
            "authenticate", lambda id_: Authenticate(id=id_, token=token)
        )

    async def subscribe(
        self, topic: str, *, epoch: str = "", seq: int | None = None
    ) -> Reply:
        """Subscribe, behind a position where one is given; wait for the answer.

        Raises:
            Refused: If the target says no.
        """
        self.topic = topic
        return await self._ask(
            "subscribe",
            lambda id_: Subscribe(id=id_, topic=topic, epoch=epoch, seq=seq),
            topic=topic,
        )

    async def unsubscribe(self, topic: str) -> Reply:
        """End a subscription; wait for the answer."""
        return await self._ask(
            "unsubscribe", lambda id_: Unsubscribe(id=id_, topic=topic), topic=topic
        )

    async def publish(self, topic: str, payload: str) -> Reply:
        """Publish; wait for the acknowledgement where the target gives one.

        Without acknowledgements the reply says ok and carries no ``seq``: the
        message was sent, and nobody knows more.
        """
        if Capability.ACKNOWLEDGE in self.dialect.capabilities:
            return await self._ask(
                "publish",
                lambda id_: Publish(id=id_, topic=topic, payload=payload),
                topic=topic,
            )
        id_ = next(self._ids)
        self._note(Kind.INVOKE, "publish", id_, topic, detail=payload)
        await self.peer.send(
            self.dialect.encode(Publish(id=id_, topic=topic, payload=payload))
        )
        self._note(Kind.INFO, "publish", id_, topic, detail="sent, not acknowledged")
        return Reply(id=id_, ok=True)

    async def provoke(self, bad: Malformed, *, within: float = ANSWER_WITHIN) -> Reply:
        """Send a message that has to be refused; wait for any error reply."""
        self._note(Kind.INVOKE, "provoke", next(self._ids), detail=bad.message)
        await self.peer.send(bad.message)
        try:
            async with asyncio.timeout(within):
                while True:
                    heard = await self._hear()
                    if isinstance(heard, Reply):
                        return heard
                    self._keep(heard)
        except TimeoutError:
            raise TimeoutError(f"no reply to {bad.title} within {within:g} s") from None

    async def ping(self, *, within: float = ANSWER_WITHIN) -> float:
        """Send a WebSocket ping; return seconds until its pong.

        What comes meanwhile is kept: a pong stands behind messages that nobody
        has received, and a target may have many to push.
        """
        reading = asyncio.create_task(self._read_on())
        try:
            return await self.peer.ping(within)
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    # What one can wait for

    async def next_event(self, *, within: float = ANSWER_WITHIN) -> Event:
        """Return the next event; other things heard meanwhile are kept.

        Raises:
            TimeoutError: If none came in time.
        """
        for place, heard in enumerate(self.unread):
            if isinstance(heard, Event):
                del self.unread[place]
                return heard
        try:
            async with asyncio.timeout(within):
                while True:
                    heard = await self._hear()
                    if isinstance(heard, Event):
                        return heard
                    self._file(heard)
        except TimeoutError:
            raise TimeoutError(f"{self.name}: no event within {within:g} s") from None

    async def events(self, count: int, *, within: float = ANSWER_WITHIN) -> list[Event]:
        """Return up to ``count`` events: fewer where time ran out."""
        got: list[Event] = []
        ends = asyncio.get_running_loop().time() + within
        while len(got) < count:
            left = ends - asyncio.get_running_loop().time()
            try:
                got.append(await self.next_event(within=max(left, 0.001)))
            except TimeoutError:
                break
        return got

    async def first_word(self, *, within: float = ANSWER_WITHIN) -> Heard:
        """Return what the target says first, before anything was asked."""
        return await self.next_heard(within=within)

    async def next_heard(self, *, within: float = ANSWER_WITHIN) -> Heard:
        """Return the next that was heard, whatever it is; replies to nobody too.

        Raises:
            TimeoutError: If nothing came in time.
        """
        if self.unread:
            return self.unread.popleft()
        try:
            async with asyncio.timeout(within):
                return await self._hear()
        except TimeoutError:
            raise TimeoutError(f"{self.name}: nothing within {within:g} s") from None

    async def events_and_strays(
        self, count: int, *, quiet: float = QUIET
    ) -> list[Event]:
        """Return ``count`` events, and what comes in the quiet after them."""
        got = await self.events(count)
        # Where some are missing they were waited for already.
        return got + (await self.stray(quiet) if len(got) == count else [])

    async def stray(self, seconds: float = QUIET) -> list[Event]:
        """Return the events that come, though none should, in this time."""
        return await self.events(_MOST_STRAYS, within=seconds)

    async def say(self, payload: str, *, topic: str = "") -> None:
        """Send a payload: publish it where there are topics, else send it as it is."""
        if Capability.PUBLISH in self.dialect.capabilities:
            await self.publish(topic or self.topic, payload)
        else:
            self._note(Kind.INFO, "send", detail=payload)
            await self.peer.send(payload)

    async def round_trip(self, payload: str) -> Event:
        """Send a payload and wait until it comes back to this peer."""
        await self.say(payload)
        return await self.next_event()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Do the closing handshake; idempotent."""
        id_ = next(self._ids)
        self._note(Kind.INVOKE, "close", id_, detail=str(code))
        await self.peer.close(code, reason)
        self._note(Kind.OK, "close", id_, detail=str(self.peer.close_code))

    def abort(self) -> None:
        """Cut the connection with RST, as a crash or a cable would."""
        self._note(Kind.INFO, "abort")
        self.peer.abort()

    # How it works

    async def _ask(
        self, name: str, make: Callable[[int], Ask], *, topic: str = ""
    ) -> Reply:
        id_ = next(self._ids)
        ask = make(id_)
        text = self.dialect.encode(ask)
        self._note(Kind.INVOKE, name, id_, topic, detail=_shown(ask))
        self._open_asks.append(id_)
        try:
            await self.peer.send(text)
            reply = await self._reply_to(id_, name)
        except (TimeoutError, RemoteError) as error:
            # Nobody knows whether it was done: neither ok nor fail.
            self._note(Kind.INFO, name, id_, topic, detail=str(error))
            raise
        finally:
            if id_ in self._open_asks:
                self._open_asks.remove(id_)
        kind = Kind.OK if reply.ok else Kind.FAIL
        self._note(kind, name, id_, topic, seq=reply.seq, detail=reply.code)
        if not reply.ok:
            raise Refused(f"{name} was refused: {reply.code} {reply.text}".rstrip())
        return reply

    async def _reply_to(self, id_: int, name: str) -> Reply:
        try:
            async with asyncio.timeout(self.answer_within):
                while id_ not in self._replies:
                    self._file(await self._hear())
        except TimeoutError:
            raise TimeoutError(
                f"{self.name}: no answer to {name} within {self.answer_within:g} s"
            ) from None
        return self._replies.pop(id_)

    async def _read_on(self) -> None:
        """Keep what comes; the end of the connection is for somebody else to see."""
        with contextlib.suppress(RemoteError):
            while True:
                self._file(await self._hear())

    async def _hear(self) -> Heard:
        message = await self.peer.receive(_PATIENCE)
        heard = self.dialect.decode(message)
        match heard:
            case Event():
                self._note(
                    Kind.INFO,
                    "event",
                    topic=heard.topic,
                    seq=heard.seq,
                    detail=heard.payload,
                )
            case Notice() | Foreign() | Welcome():
                self._note(Kind.INFO, type(heard).__name__.lower(), detail=str(heard))
            case Reply() if not heard.ok:
                self._note(Kind.INFO, "error", detail=f"{heard.code} {heard.text}")
        return heard

    def _file(self, heard: Heard) -> None:
        """Keep what somebody will ask for; a reply goes to its ask."""
        if not isinstance(heard, Reply):
            self._keep(heard)
            return
        id_ = heard.id
        if id_ is None and self._open_asks:
            id_ = self._open_asks[0]
        if id_ is None:
            self._keep(heard)
        elif id_ in self._open_asks:
            self._replies[id_] = heard
            self._open_asks.remove(id_)
        # A reply to an ask that was given up says nothing new.

    def _keep(self, heard: Heard) -> None:
        """Keep something unread; to drop it would look like the target's loss."""
        if len(self.unread) >= _MOST_UNREAD:
            raise LocalError(f"{self.name}: more than {_MOST_UNREAD:,} unread messages")
        self.unread.append(heard)

    def _note(
        self,
        kind: Kind,
        name: str,
        id_: int = 0,
        topic: str = "",
        *,
        seq: int | None = None,
        detail: str = "",
    ) -> None:
        if not self.is_traced:
            return
        self._record(
            Operation(
                at=self._now(),
                check=self.check,
                peer=self.name,
                kind=kind,
                name=name,
                id=id_,
                topic=topic,
                seq=seq,
                detail=detail,
            )
        )

    def __repr__(self) -> str:
        """Show who speaks, how, and what is left unread."""
        return (
            f"<Conversation {self.name} {self.dialect.name} {len(self.unread)} unread>"
        )


def _shown(ask: Ask) -> str:
    match ask:
        case Publish():
            return ask.payload
        case Subscribe() if ask.seq is not None:
            return f"since {ask.epoch} {ask.seq}"
        case _:
            return ""
