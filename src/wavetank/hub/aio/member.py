"""A member: one connection that speaks ``wavetank.v1``; it does what a session says.

It refuses to know the transport, HTTP and what is right.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from wavetank.hub.access import Denied
from wavetank.hub.aio.fanout import PAGE_BYTES, Subscriber, Topic
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.patterns import MOST_TOPICS
from wavetank.hub.effects import Beat, Close, Effect, Forbid, Moment, Perform, Send
from wavetank.hub.log import TopicLog
from wavetank.hub.recovery import Begin
from wavetank.hub.session import Session
from wavetank.protocol import (
    Auth,
    CloseCode,
    ErrorCode,
    Heartbeat,
    History,
    Id,
    Publish,
    Published,
    Push,
    Reply,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    Unsubscribe,
    Unsubscribed,
    decode_command,
    encode_published,
    encode_reply,
    is_pattern,
)
from wavetank.wire import Message, Opcode, encode_frame, encode_text

__all__ = ["MOST_UNANSWERED", "Link", "Member"]

MOST_UNANSWERED = 256
"""Commands without an answer; at so many, reading stops."""


_Slow = Subscribe | History


class Link(Protocol):
    """A connection as its speaker sees it."""

    def write(self, data: bytes) -> object:
        """Hand bytes to the transport."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; nothing may be written after it."""
        ...

    def hold(self) -> None:
        """Stop reading."""
        ...

    def release(self) -> None:
        """Read again."""
        ...

    def finished(self) -> None:
        """Hear that every command that was taken has its answer."""
        ...


class Member(Subscriber):
    """One connection of the hub.

    Args:
        node: Where it is a member.
        link: Its connection.
        session: Its state.
        window: Bits of the LZ77 window agreed for what it gets; None: uncompressed.
    """

    __slots__ = (
        "_inbox",
        "_is_busy",
        "_is_draining",
        "_is_held",
        "_is_signed_in",
        "_is_taking",
        "_is_woken",
        "_link",
        "_node",
        "_outbox",
        "_outbox_size",
        "_unanswered",
        "session",
    )

    def __init__(
        self, node: Node, link: Link, session: Session, *, window: int | None = None
    ) -> None:
        super().__init__(session.name, link.write, window)
        self.session = session
        self._node = node
        self._link = link
        self._outbox: list[bytes] = []
        self._outbox_size = 0
        self._inbox: deque[tuple[bytes, float]] | None = None
        self._unanswered = 0
        self._is_busy = False
        self._is_held = False
        self._is_draining = False
        self._is_signed_in = False
        self._is_taking = False
        self._is_woken = False

    # What the connection tells.

    def open(self, *, is_supported: bool) -> None:
        """Greet."""
        self._node.members[self] = None
        if self.session.claims is not None:
            self._is_signed_in = True
        self._do(self.session.open(self._node.moment(), is_supported=is_supported))
        self.settle()

    def receive(self, message: Message, at: Moment) -> None:
        """Take a message.

        Args:
            message: As it was read.
            at: When.
        """
        if message.opcode is Opcode.BINARY:
            self._do(self.session.close(1003, "text messages only"))
        elif self._inbox or self._must_wait:
            self._wait_with(message.data, at.wall)
        else:
            self._take(message.data, at, at.wall)

    def hear_pong(self, payload: bytes) -> None:
        """Take a pong."""
        heartbeat = self.session.patience.heartbeat
        if heartbeat is not None:
            taken = heartbeat.pong(payload, self._node.clock.now())
            if taken is not None:
                self._node.tally.rtt.observe(taken)

    def settle(self) -> None:
        """Write the answers that have gathered, in one go."""
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            self._outbox_size = 0
            self.write(outbox[0] if len(outbox) == 1 else b"".join(outbox))

    def paused(self) -> None:
        """Hear that the transport takes nothing more."""
        self.session.patience.paused(self._node.clock.now())
        self._node.fanout.paused(self)

    def resumed(self) -> None:
        """Hear that the transport takes bytes again."""
        self.session.patience.resumed()
        self._node.fanout.resumed(self)
        self._go_on()

    @property
    def due_at(self) -> float:
        """When ``tick`` has something to do."""
        return self.session.patience.due_at

    def tick(self) -> None:
        """Do what has become due."""
        heartbeat = self.session.patience.heartbeat
        if self._is_held and heartbeat is not None:
            heartbeat.excuse()
        behind = self._node.fanout.behind(self)
        self._do(self.session.tick(self._node.moment(), behind))
        self.settle()

    @property
    def waiting_bytes(self) -> int | None:
        """Largest message that may come while ``auth`` is waited for; else None."""
        return self.session.waiting_bytes

    def drain(self, reconnect_after: float) -> None:
        """Announce that the hub goes away, and leave once all is delivered."""
        self._is_draining = True
        self._do(self.session.drain(reconnect_after=reconnect_after))
        self.settle()
        if not self.behind:
            self._do(self.session.leave())

    @property
    def is_finished(self) -> bool:
        """Whether every command that was taken has its answer."""
        return not (self._inbox or self._is_busy or self._unanswered)

    def recheck(self) -> None:
        """End where the key that vouched for its token was withdrawn."""
        claims = self.session.claims
        if claims is not None and not self._node.tokens.knows(claims):
            self._do(self.session.revoked(self._node.moment()))
            self.settle()

    def lost(self) -> None:
        """Hear that the connection is gone, or that nothing may be written."""
        self._node.members.pop(self, None)
        self._node.unsubscribe_all(self, self.session.topics)
        self.session.closed()
        self._inbox = None
        self._outbox.clear()
        self._is_held = False
        if self._is_signed_in:
            self._node.admission.sign_out(self.session.user)
        self._is_signed_in = False

    # What fan-out tells.

    def caught_up(self) -> None:
        """Leave, if the hub is going away."""
        if self._is_draining:
            self._do(self.session.leave())

    def stranded(self) -> None:
        """Ask the client to come back with its positions."""
        self._do(self.session.close(CloseCode.RESUME, "the log cannot be read now"))

    def outgrown(self, pattern: str) -> None:
        """End a subscription that has come to match too many topics."""
        # Not now: others are being entered into the topic that was one too many.
        self._node.call_soon(lambda: self._do_apart(self.session.outgrown(pattern)))

    def _do_apart(self, effects: list[Effect]) -> None:
        if self.session.is_open:
            self._do(effects)
            self.settle()

    # What a publication comes to.

    def published(
        self, id: Id | None, topic: Topic, seq: int | None, *, duplicate: bool
    ) -> None:
        """Answer a publish."""
        if id is None or not self._is_answered():
            return
        log = topic.log
        if duplicate or seq is None:
            self._send(_duplicate(id, log, seq))
        else:
            self._gather(encode_text(encode_published(id, log.answer_head, seq)))

    def refused(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> None:
        """Answer a publish that was not taken, with or without an id."""
        if id is None:
            self._wake()
        elif not self._is_answered():
            return
        if self.session.is_open:
            self._refuse(id, code, message, **more)

    def _is_answered(self) -> bool:
        """Count a publish as answered; tell whether the answer can be sent."""
        self._unanswered -= 1
        self._wake()
        return self.session.is_open

    def _wake(self) -> None:
        """Go on in the next turn, where nobody else writes the answers of this one."""
        if not self._is_taking and not self._is_woken:
            self._is_woken = True
            self._node.call_soon(self._go_on)

    # Commands, one after the other.

    @property
    def _must_wait(self) -> bool:
        """Whether no command may be begun now."""
        return self.is_paused or self._is_busy or self._unanswered >= MOST_UNANSWERED

    def _wait_with(self, data: bytes, arrived: float) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append((data, arrived))
        if not self._is_held:
            self._is_held = True
            self._link.hold()

    def _go_on(self) -> None:
        """Take the commands that have waited, as far as that is possible now."""
        self._is_woken = False
        while self._inbox and not self._must_wait:
            data, arrived = self._inbox.popleft()
            self._take(data, self._node.moment(), arrived)
        self.settle()
        if self._is_held and not self._inbox and not self._must_wait:
            self._is_held = False
            self._link.release()
        if self.is_finished:
            self._link.finished()

    def _take(self, data: bytes, at: Moment, arrived: float) -> None:
        self._is_taking = True
        command = decode_command(data)
        # What comes by the hundred thousand takes no detours.
        if not isinstance(command, Publish) or not self._pass_on(command, at.wall):
            self._do(self.session.judge(command, at, arrived))
        self._is_taking = False

    def _pass_on(self, command: Publish, wall: float) -> bool:
        """Publish what nothing could refuse; tell whether that was so."""
        if not self.session.lets_through(command):
            return False
        publications = self._node.publications
        topic = publications.known(command.topic)
        if topic is None:
            return False
        self._unanswered += command.id is not None
        publications.publish_to(topic, command, self.session.user, self, wall=wall)
        return True

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Perform(command):
                    _WORK[type(command)](self, command)
                case Send(message):
                    self._send(message)
                case Forbid(topic, reason):
                    self._forbid(topic, reason)
                case Beat(ping):
                    self._beat(ping)
                case Close(code, reason):
                    self._close(code, reason)

    def _send(self, message: Reply | Push) -> None:
        self._gather(encode_text(encode_reply(cast(Reply, message))))

    def _gather(self, frame: bytes) -> None:
        self._outbox.append(frame)
        self._outbox_size += len(frame)
        if self._outbox_size >= PAGE_BYTES:
            self.settle()

    def _beat(self, ping: bytes | None) -> None:
        """Send a heartbeat behind all events up to the tops that it names."""
        heartbeat = self.session.patience.heartbeat
        if heartbeat is None:
            return
        tags = self._node.reader.tops(self, self._node.fanout.is_settled)
        named = heartbeat.choose([(name, place[0]) for name, place in tags.items()])
        tops = {name: tags[name] for name in named}
        self._send(Heartbeat(at=self._node.clock.wall(), tops=tops))
        if ping is not None:
            self._outbox.append(encode_frame(Opcode.PING, ping))

    def _forbid(self, topic: str, reason: str) -> None:
        """End a subscription unasked."""
        self._end_subscription(topic)
        self._send(Unsubscribed(topic=topic, reason=reason))

    def _close(self, code: int, reason: str) -> None:
        self.settle()
        self._node.unsubscribe_all(self, self.session.topics)
        self._inbox = None
        self._link.close(code, reason)

    def _refuse(self, id: Id | None, code: ErrorCode, words: str, **more: Any) -> None:
        self._do(self.session.refuse(id, code, words, self._node.moment(), **more))

    # The commands.

    def _publish(self, command: Publish) -> None:
        if command.id is not None:
            self._unanswered += 1
        self._node.publications.publish(command, self.session.user, self)

    def _authenticate(self, command: Auth) -> None:
        claims = self._node.verify(command.token)
        if not isinstance(claims, Denied) and not self._is_signed_in:
            if not self._node.admission.sign_in(claims.user):
                words = "this user has enough connections"
                self._do(self.session.close(CloseCode.BUSY, words))
                return
            self._is_signed_in = True
        at = self._node.moment()
        self._do(self.session.verified(command.id, claims, at))

    def _subscribe(self, command: Subscribe) -> None:
        if is_pattern(command.topic):
            self._start_later(command, self._subscribe_pattern(command))
            return
        begin = self._node.reader.find_begin(command)
        if begin is None:
            self._start_later(command, self._subscribe_later(command))
        else:
            self._subscribe_at(command, begin)

    async def _subscribe_later(self, command: Subscribe) -> None:
        begin = await self._node.reader.look_up(
            command.topic, command.since, command.since_time
        )
        if self.session.is_open:
            self._subscribe_at(command, begin)

    def _subscribe_at(self, command: Subscribe, begin: Begin) -> None:
        reply = self._node.subscribe(self, command, begin)
        self._begin_with(reply, {command.topic: reply.seq})

    async def _subscribe_pattern(self, command: Subscribe) -> None:
        begins = await self._node.find_begins(command)
        if not self.session.is_open:
            return
        if begins is None:
            self._forget_unbegun(command.topic)
            words = f"more than {MOST_TOPICS} topics match {command.topic}"
            self._refuse(command.id, ErrorCode.TOO_MANY_TOPICS, words)
            return
        reply = self._node.subscribe_pattern(self, command, begins)
        tops = {name: start.seq for name, start in reply.topics.items()}
        self._begin_with(reply, tops)

    def _end_subscription(self, name: str) -> None:
        heartbeat = self.session.patience.heartbeat
        for topic in self._node.unsubscribe(self, name):
            if heartbeat is not None:
                heartbeat.unsubscribed(topic)

    def _begin_with(
        self, reply: Subscribed | SubscribedPattern, tops: dict[str, int]
    ) -> None:
        heartbeat = self.session.patience.heartbeat
        if heartbeat is not None:
            for name, top in tops.items():
                heartbeat.subscribed(name, top)
        self._send(reply)
        # Events may be written by anybody's turn: the answer has to go first.
        self.settle()

    def _unsubscribe(self, command: Unsubscribe) -> None:
        self._end_subscription(command.topic)
        self._send(Unsubscribed(topic=command.topic, id=command.id))

    def _read(self, command: History) -> None:
        begin = self._node.reader.find_begin(command)
        if begin is not None and self._node.reader.is_at_hand(command, begin):
            self._send(self._node.reader.read(command, begin))
        else:
            self._start_later(command, self._read_later(command, begin))

    async def _read_later(self, command: History, begin: Begin | None) -> None:
        if begin is None:
            begin = await self._node.reader.look_up(
                command.topic, command.since, command.since_time
            )
        page = await self._node.reader.read_log(command, begin)
        if self.session.is_open:
            self._send(page)

    def _start_later(self, command: _Slow, work: Coroutine[Any, Any, None]) -> None:
        """Do work that has to wait for the log; later commands wait for it."""
        self._is_busy = True
        self._node.start(self._run(command, work))

    def _forget_unbegun(self, name: str) -> None:
        # Not one of the same name from before, which goes on.
        if name not in self.topics and not self._node.has_pattern(self, name):
            self.session.topics.discard(name)

    async def _run(self, command: _Slow, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            self._forget_unbegun(command.topic)
            if self.session.is_open:
                ref = self._node.new_ref()
                self._node.logger.exception(
                    "command_failed", connection=self.name, ref=ref
                )
                self._refuse(command.id, ErrorCode.INTERNAL, "", ref=ref)
        finally:
            self._is_busy = False
        if self.session.is_open:
            self._go_on()


def _duplicate(id: Id, log: TopicLog, seq: int | None) -> Published:
    return Published(id=id, topic=log.topic, epoch=log.epoch, seq=seq, duplicate=True)


_WORK: dict[type, Callable[[Member, Any], None]] = {
    Publish: Member._publish,
    Auth: Member._authenticate,
    Subscribe: Member._subscribe,
    Unsubscribe: Member._unsubscribe,
    History: Member._read,
}
