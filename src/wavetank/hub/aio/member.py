"""A member: one connection that speaks ``wavetank.v1``; it does what a session says.

It refuses to know the transport, HTTP and what is right.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from wavetank.hub.access import Denied
from wavetank.hub.aio.fanout import PAGE_BYTES, Topic
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.subscriptions import Subscriptions
from wavetank.hub.aio.writes import TryWrite, Write
from wavetank.hub.effects import Beat, Close, Effect, Forbid, Moment, Perform, Send
from wavetank.hub.log import TopicLog
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
    Unsubscribe,
    Unsubscribed,
    decode_command,
    encode_published,
    encode_reply,
)
from wavetank.wire import Message, Opcode, encode_frame, encode_text

__all__ = ["MOST_UNANSWERED", "Link", "Member"]

MOST_UNANSWERED = 256
"""Commands without an answer; at so many, reading stops."""


_IN_ORDER = (Subscribe, Unsubscribe, History)
"""Commands that wait for the answers of publications before them."""


class Link(Protocol):
    """A connection as its speaker sees it.

    Attributes:
        try_write: Hands bytes straight to the socket; None where that cannot be.
        write: Hands bytes to the transport.
    """

    try_write: TryWrite | None
    write: Write

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; nothing may be written after it."""
        ...

    def hold(self) -> None:
        """Stop reading."""
        ...

    def release(self) -> None:
        """Read again."""
        ...

    def wake(self) -> None:
        """Look at the deadlines again: they may have moved."""
        ...

    def finished(self) -> None:
        """Hear that every command that was taken has its answer."""
        ...


class Member(Subscriptions):
    """One connection of the hub.

    Args:
        node: Where it is a member.
        link: Its connection.
        session: Its state.
        window: Bits of the LZ77 window agreed for what it gets; None: uncompressed.
    """

    __slots__ = (
        "_inbox",
        "_is_draining",
        "_is_held",
        "_is_signed_in",
        "_is_taking",
        "_is_woken",
        "_link",
        "_outbox",
        "_outbox_size",
        "_postponed",
        "_unanswered",
    )

    def __init__(
        self, node: Node, link: Link, session: Session, *, window: int | None = None
    ) -> None:
        super().__init__(
            node, session, link.write, try_write=link.try_write, window=window
        )
        self._link = link
        self._outbox: list[bytes] = []
        self._outbox_size = 0
        self._inbox: deque[tuple[bytes, float]] | None = None
        self._unanswered = 0
        self._postponed: list[Effect] | None = None
        self._is_held = False
        self._is_draining = False
        self._is_signed_in = False
        self._is_taking = False
        self._is_woken = False

    # What the connection tells.

    def open(self, *, is_supported: bool) -> None:
        """Greet."""
        self.node.members[self] = None
        if self.session.claims is not None:
            self._is_signed_in = True
        self._do(self.session.open(self.node.moment(), is_supported=is_supported))
        self.settle()

    def receive(self, message: Message, at: Moment) -> None:
        """Take a message.

        Args:
            message: As it was read.
            at: When.
        """
        if message.opcode is Opcode.BINARY:
            self._do(self.session.close(1003, "text messages only"))
        elif (
            self._inbox or self._must_wait or not self._take(message.data, at, at.wall)
        ):
            self._wait_with(message.data, at.wall)

    def hear_pong(self, payload: bytes) -> None:
        """Take a pong."""
        heartbeat = self.session.patience.heartbeat
        if heartbeat is not None:
            taken = heartbeat.pong(payload, self.node.clock.now())
            if taken is not None:
                self.node.tally.rtt.observe(taken)

    def settle(self) -> None:
        """Write the answers that have gathered, in one go."""
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            self._outbox_size = 0
            self.write(outbox[0] if len(outbox) == 1 else b"".join(outbox))

    def paused(self) -> None:
        """Hear that the transport takes nothing more."""
        self.session.patience.paused(self.node.clock.now())
        self.node.fanout.paused(self)

    def resumed(self) -> None:
        """Hear that the transport takes bytes again."""
        self.session.patience.resumed()
        self.node.fanout.resumed(self)
        self.go_on()

    @property
    def due_at(self) -> float:
        """When ``tick`` has something to do."""
        return self.session.patience.due_at

    def tick(self) -> None:
        """Do what has become due."""
        heartbeat = self.session.patience.heartbeat
        if self._is_held and heartbeat is not None:
            heartbeat.excuse()
        behind = self.node.fanout.behind(self)
        self._do(self.session.tick(self.node.moment(), behind))
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
        # What was taken is answered; all else has to come again, elsewhere.
        self._is_held = True
        self._link.hold()
        self._leave()

    def _leave(self) -> None:
        """Leave a hub that goes away, once everything is delivered and answered."""
        if self._is_draining and not self.behind and self.is_finished:
            self._do(self.session.leave())

    @property
    def is_finished(self) -> bool:
        """Whether every command that was taken has its answer."""
        return not (self._inbox or self.is_busy or self._unanswered or self._postponed)

    def recheck(self) -> None:
        """End where the key that vouched for its token was withdrawn."""
        claims = self.session.claims
        if not self.session.is_open or claims is None:
            return
        if not self.node.tokens.knows(claims):
            self._do(self.session.revoked(self.node.moment()))
            self.settle()

    def lost(self) -> None:
        """Hear that the connection is gone, or that nothing may be written."""
        self.node.members.pop(self, None)
        self.node.unsubscribe_all(self, self.session.topics)
        self.session.closed()
        self._inbox = self._postponed = None
        self._outbox.clear()
        self._is_held = False
        if self._is_signed_in:
            self.node.admission.sign_out(self.session.user)
        self._is_signed_in = False

    # What fan-out tells.

    def caught_up(self) -> None:
        """Leave, if the hub is going away."""
        self._leave()

    def stranded(self) -> None:
        """Ask the client to come back with its positions."""
        self._do(self.session.close(CloseCode.RESUME, "the log cannot be read now"))

    def outgrown(self, pattern: str) -> None:
        """End a subscription that has come to match too many topics."""
        # Not now: others are being entered into the topic that was one too many.
        self.node.call_soon(lambda: self._do_apart(self.session.outgrown(pattern)))

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
            self._answer([Send(_duplicate(id, log, seq))])
        else:
            self._gather(encode_text(encode_published(id, log.answer_head, seq)))

    def refused(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> None:
        """Answer a publish that was not taken, with or without an id."""
        at = self.node.moment()
        if id is None and self.session.is_open:
            self._wake()
            self._do(self.session.refuse(None, code, message, at, **more))
        elif id is not None and self._is_answered():
            self._answer(self.session.refuse(id, code, message, at, **more))

    def _answer(self, effects: list[Effect]) -> None:
        """Answer a publish that waits for nothing, but behind those that do."""
        if self._is_taking and self._unanswered:
            self._postponed = effects
        else:
            self._do(effects)

    def _is_answered(self) -> bool:
        """Count a publish as answered; tell whether the answer can be sent."""
        self._unanswered -= 1
        self._wake()
        return self.session.is_open

    def _wake(self) -> None:
        """Go on in the next turn, where nobody else writes the answers of this one."""
        if not self._is_taking and not self._is_woken:
            self._is_woken = True
            self.node.call_soon(self.go_on)

    # Commands, one after the other.

    @property
    def _must_wait(self) -> bool:
        """Whether no command may be begun now."""
        return (
            self.is_paused
            or self.is_busy
            or self._unanswered >= MOST_UNANSWERED
            or self._postponed is not None
        )

    def _wait_with(self, data: bytes, arrived: float) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append((data, arrived))
        if not self._is_held:
            self._is_held = True
            self._link.hold()

    def go_on(self) -> None:
        """Take the commands that have waited, as far as that is possible now."""
        self._is_woken = False
        if self._postponed is not None and not self._unanswered:
            effects, self._postponed = self._postponed, None
            self._do(effects)
        while self._inbox and not self._must_wait:
            data, arrived = self._inbox.popleft()
            if not self._take(data, self.node.moment(), arrived):
                self._inbox.appendleft((data, arrived))
                break
        self.settle()
        if self._is_held and not (self._inbox or self._must_wait or self._is_draining):
            self._is_held = False
            self._link.release()
        if self.is_finished:
            self._link.finished()
            self._leave()

    def _take(self, data: bytes, at: Moment, arrived: float) -> bool:
        """Do a command; tell whether that was possible now."""
        self._is_taking = True
        try:
            command = decode_command(data, self.session.most_payload)
            if isinstance(command, Publish):
                # What comes by the hundred thousand takes no detours.
                if not self._pass_on(command, at.wall):
                    self._judge_publish(command, at)
            elif self._unanswered and isinstance(command, _IN_ORDER):
                # Replies keep the order of the commands on one topic.
                return False
            else:
                self._do(self.session.judge(command, at, arrived))
        finally:
            self._is_taking = False
        return True

    def _judge_publish(self, command: Publish, at: Moment) -> None:
        effects = self.session.judge(command, at, at.wall)
        if (effects and isinstance(effects[0], Perform)) or command.id is None:
            self._do(effects)
        else:
            self._answer(effects)

    def _pass_on(self, command: Publish, wall: float) -> bool:
        """Publish what nothing could refuse; tell whether that was so."""
        if not self.session.lets_through(command):
            return False
        publications = self.node.publications
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
                    self.send(message)
                case Forbid(topic, reason):
                    self._forbid(topic, reason)
                case Beat(ping):
                    self._beat(ping)
                case Close(code, reason):
                    self._close(code, reason)

    def send(self, message: Reply | Push) -> None:
        """Send a message, maybe together with others."""
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
        tags = self.node.reader.tops(self, self.node.fanout.is_settled)
        named = heartbeat.choose([(name, place[0]) for name, place in tags.items()])
        tops = {name: tags[name] for name in named}
        self.send(Heartbeat(at=self.node.clock.wall(), tops=tops))
        if ping is not None:
            self._outbox.append(encode_frame(Opcode.PING, ping))

    def _forbid(self, topic: str, reason: str) -> None:
        """End a subscription unasked."""
        self.end_quietly(topic)
        self.send(Unsubscribed(topic=topic, reason=reason))

    def _close(self, code: int, reason: str) -> None:
        self.settle()
        self.node.unsubscribe_all(self, self.session.topics)
        self._inbox = self._postponed = None
        self._link.close(code, reason)

    def refuse(self, id: Id | None, code: ErrorCode, words: str, **more: Any) -> None:
        """Answer with an error; ``more`` are its optional fields."""
        self._do(self.session.refuse(id, code, words, self.node.moment(), **more))

    # The commands.

    def _publish(self, command: Publish) -> None:
        if command.id is not None:
            self._unanswered += 1
        self.node.publications.publish(command, self.session.user, self)

    def _authenticate(self, command: Auth) -> None:
        claims = self.node.verify(command.token)
        if not isinstance(claims, Denied) and not self._is_signed_in:
            if not self.node.admission.sign_in(claims.user):
                words = "this user has enough connections"
                self._do(self.session.close(CloseCode.BUSY, words))
                return
            self._is_signed_in = True
        at = self.node.moment()
        self._do(self.session.verified(command.id, claims, at))
        self._link.wake()


def _duplicate(id: Id, log: TopicLog, seq: int | None) -> Published:
    return Published(id=id, topic=log.topic, epoch=log.epoch, seq=seq, duplicate=True)


_WORK: dict[type, Callable[[Member, Any], None]] = {
    Publish: Member._publish,
    Auth: Member._authenticate,
    Subscribe: Member.begin,
    Unsubscribe: Member.end,
    History: Member.look_back,
}
