"""Subscriptions: a connection's subscriptions and looks back, as it commands them.

They refuse to know what is allowed, and the order of answers.
"""

from collections.abc import Coroutine
from typing import Any

from wavetank.hub.aio.node import Node
from wavetank.hub.aio.patterns import MOST_TOPICS
from wavetank.hub.aio.topic import Subscriber
from wavetank.hub.aio.writes import TryWrite, Write
from wavetank.hub.recovery import Begin
from wavetank.hub.session import Session
from wavetank.protocol import (
    ErrorCode,
    History,
    Id,
    Push,
    Reply,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    Unsubscribe,
    Unsubscribed,
    is_pattern,
)

__all__ = ["Subscriptions"]

_Slow = Subscribe | History


class Subscriptions(Subscriber):
    """A subscriber that is told by commands what it wants.

    Args:
        node: Where the topics are.
        session: State of the connection.
        write: Takes bytes.
        try_write: Takes those that go at once; None: ``write`` takes them, too.
        window: Bits of the LZ77 window agreed for what it gets; None: uncompressed.

    Attributes:
        node: Where the topics are.
        session: State of the connection.
        is_busy: Whether a command waits for the log; later ones wait for it.
    """

    __slots__ = ("is_busy", "node", "session")

    def __init__(
        self,
        node: Node,
        session: Session,
        write: Write,
        *,
        try_write: TryWrite | None = None,
        window: int | None,
    ) -> None:
        super().__init__(session.name, write, window, try_write)
        self.node = node
        self.session = session
        self.is_busy = False

    # What whoever has the connection does.

    def send(self, message: Reply | Push) -> None:
        """Send a message, maybe together with others."""
        raise NotImplementedError

    def settle(self) -> None:
        """Write what has gathered."""
        raise NotImplementedError

    def refuse(self, id: Id | None, code: ErrorCode, words: str, **more: Any) -> None:
        """Answer with an error; ``more`` are its optional fields."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Take the commands that have waited."""
        raise NotImplementedError

    # The commands.

    def begin(self, command: Subscribe) -> None:
        """Begin a subscription to a topic or pattern."""
        if is_pattern(command.topic):
            self._start_later(command, self._subscribe_pattern(command))
            return
        begin = self.node.reader.find_begin(command)
        if begin is None:
            self._start_later(command, self._subscribe_later(command))
        else:
            self._subscribe_at(command, begin)

    async def _subscribe_later(self, command: Subscribe) -> None:
        begin = await self.node.reader.look_up(
            command.topic, command.since, command.since_time
        )
        if self.session.is_open:
            self._subscribe_at(command, begin)

    def _subscribe_at(self, command: Subscribe, begin: Begin) -> None:
        reply = self.node.subscribe(self, command, begin)
        self._begin_with(reply, {command.topic: reply.seq})

    async def _subscribe_pattern(self, command: Subscribe) -> None:
        begins = await self.node.find_begins(command)
        if not self.session.is_open:
            return
        # The one before, which it replaces, may have outgrown its bounds meanwhile.
        self.session.topics.add(command.topic)
        if begins is None:
            self._forget_unbegun(command.topic)
            words = f"more than {MOST_TOPICS} topics match {command.topic}"
            self.refuse(command.id, ErrorCode.TOO_MANY_TOPICS, words)
            return
        reply = self.node.subscribe_pattern(self, command, begins)
        tops = {name: start.seq for name, start in reply.topics.items()}
        self._begin_with(reply, tops)

    def end_quietly(self, name: str) -> None:
        """End a subscription without a word."""
        heartbeat = self.session.patience.heartbeat
        for topic in self.node.unsubscribe(self, name):
            if heartbeat is not None:
                heartbeat.unsubscribed(topic)

    def _begin_with(
        self, reply: Subscribed | SubscribedPattern, tops: dict[str, int]
    ) -> None:
        heartbeat = self.session.patience.heartbeat
        if heartbeat is not None:
            for name, top in tops.items():
                heartbeat.subscribed(name, top)
        self.send(reply)
        # Events may be written by anybody's turn: the answer has to go first.
        self.settle()

    def end(self, command: Unsubscribe) -> None:
        """End a subscription."""
        self.end_quietly(command.topic)
        self.send(Unsubscribed(topic=command.topic, id=command.id))

    def look_back(self, command: History) -> None:
        """Answer with past events."""
        begin = self.node.reader.find_begin(command)
        if begin is not None and self.node.reader.is_at_hand(command, begin):
            self.send(self.node.reader.read(command, begin))
        else:
            self._start_later(command, self._read_later(command, begin))

    async def _read_later(self, command: History, begin: Begin | None) -> None:
        if begin is None:
            begin = await self.node.reader.look_up(
                command.topic, command.since, command.since_time
            )
        page = await self.node.reader.read_log(command, begin)
        if self.session.is_open:
            self.send(page)

    def _start_later(self, command: _Slow, work: Coroutine[Any, Any, None]) -> None:
        """Do work that has to wait for the log; later commands wait for it."""
        self.is_busy = True
        self.node.start(self._run(command, work))

    def _forget_unbegun(self, name: str) -> None:
        # Not one of the same name from before, which goes on.
        if name not in self.topics and not self.node.has_pattern(self, name):
            self.session.topics.discard(name)

    async def _run(self, command: _Slow, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            self._forget_unbegun(command.topic)
            if self.session.is_open:
                ref = self.node.new_ref()
                self.node.logger.exception(
                    "command_failed", connection=self.name, ref=ref
                )
                self.refuse(command.id, ErrorCode.INTERNAL, "", ref=ref)
        finally:
            self.is_busy = False
        if self.session.is_open:
            self.go_on()
