"""The sound server: ``/echo``, and ``/ws`` with a subset of ``wavetank.v1``.

Each decision is a method of its own, so that a wreck overrides exactly one. It
refuses to know the wrecks.
"""

import collections
import json
import secrets
from pathlib import Path
from typing import Any

from wavetank.clock import Clock, SystemClock
from wavetank.wire import (
    Closing,
    Control,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    Refusal,
    Request,
    Upgrade,
    Violation,
    encode_refusal,
    judge_request,
    switching_protocols,
)
from wavetank.wrecks.commands import (
    MAX_PAYLOAD,
    Command,
    Fault,
    Position,
    read_command,
)
from wavetank.wrecks.connection import Connection, Head, Reader, Unit
from wavetank.wrecks.durable import FileStore
from wavetank.wrecks.listener import Listener
from wavetank.wrecks.liveness import Liveness
from wavetank.wrecks.log import Entry, Log, Store
from wavetank.wrecks.pages import answer

__all__ = [
    "MAX_FRAGMENTS",
    "MAX_MESSAGE",
    "MAX_TOPICS",
    "PRIVATE",
    "SUBPROTOCOL",
    "SoundServer",
]

SUBPROTOCOL = "wavetank.v1"
MAX_MESSAGE = 1_048_576
"""Largest message in bytes; a bigger one fails the connection with 1009."""
MAX_TOPICS = 128
"""Topics that one connection may be subscribed to."""
MAX_FRAGMENTS = 16_384
"""Frames that one message may come in."""
PRIVATE = "private."
"""What the topics begin with that are for those who bring the token."""

_SLOW_LINGER = 10.0
"""Seconds in which a slow consumer may still come to read why it was cut off."""
_LIMITS = {
    "message_bytes": MAX_MESSAGE,
    "payload_bytes": MAX_PAYLOAD,
    "topics": MAX_TOPICS,
    **dict.fromkeys(("commands_per_s", "publish_per_s", "first_command_ms")),
}
_UNSUPPORTED = Fault(
    id=None,
    code="protocol_unsupported",
    message=f"only {SUBPROTOCOL} is spoken here",
    fatal=True,
)


class SoundServer(Listener):
    """A small server that does everything right.

    Args:
        handshake_timeout: Seconds that an opening handshake may take.
        clock: Where times come from.
        data: A file that keeps the logs over a restart; None forgets them.
        ping_interval: Seconds from one ping to the next.
        pong_timeout: Seconds that a pong may take; without it the peer is gone.
        token: What opens the topics below ``private.``; None leaves them closed.

    Attributes:
        open: The WebSocket connections, oldest first.
        store: The logs of the topics.
        counts: What has happened, counted; the status page shows it.
    """

    def __init__(
        self,
        *,
        handshake_timeout: float = 10.0,
        clock: Clock | None = None,
        data: Path | None = None,
        ping_interval: float = 20.0,
        pong_timeout: float = 20.0,
        token: str | None = None,
    ) -> None:
        super().__init__(handshake_timeout=handshake_timeout)
        self.open: dict[Connection, None] = {}
        self.store = self.make_store(data)
        self.counts: collections.Counter[str] = collections.Counter()
        self.liveness = Liveness(
            self.ping, self.on_silent, interval=ping_interval, timeout=pong_timeout
        )
        self._clock = clock or SystemClock()
        self._token = token
        self._subscribers: dict[str, dict[Connection, None]] = {}
        # Of each topic the number that its subscriber was told last to be the top.
        self._topics: dict[Connection, dict[str, int]] = {}

    def __repr__(self) -> str:
        """Show where it listens and how many it serves."""
        return (
            f"<{type(self).__name__} port={self.port} tls_port={self.tls_port} "
            f"open={len(self.open)}>"
        )

    def make_store(self, data: Path | None) -> Store:
        """Return the logs of a server that starts: those of a file, or new ones.

        New ones have an epoch of their own: positions of another life mean nothing.
        """
        epoch = secrets.token_urlsafe(6)
        return Store(epoch) if data is None else FileStore(data, epoch=epoch)

    async def stop(self) -> None:
        """Stop, and let go of the logs."""
        await super().stop()
        self.store.close()

    # Opening handshake and HTTP

    def on_head(self, connection: Connection, head: Head | None) -> None:
        """Answer a page, shake hands, or say why not."""
        if head is None:
            return
        if isinstance(head, Refusal):
            connection.answer(encode_refusal(head))
        elif head.path in {"/ws", "/echo"}:
            self.shake_hands(connection, head)
        else:
            connection.answer(self.page(head))

    def page(self, request: Request) -> bytes:
        """Return the response to a plain HTTP request."""
        return answer(request, self.status())

    def status(self) -> dict[str, Any]:
        """Return what the status page says."""
        counted = {name: self.counts[name] for name in ("opened", "slow", "silent")}
        return {
            "connections": {"open": self.open_count(), **counted},
            "subscriptions": sum(map(len, self._topics.values())),
            "published": self.counts["published"],
        }

    def open_count(self) -> int:
        """Return how many WebSocket connections are open."""
        return len(self.open)

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Answer an opening handshake; on ``/ws`` say welcome."""
        judged = self.judge(request)
        if isinstance(judged, Refusal):
            connection.answer(encode_refusal(judged))
            return
        response = switching_protocols(judged)
        connection.upgrade(response, request.path, self.make_reader())
        self.open[connection] = None
        self.counts["opened"] += 1
        self.liveness.watch(connection)
        connection.is_trusted = self.is_trusted(request)
        if request.path != "/ws":
            return
        if judged.offered and judged.subprotocol is None:
            self.refuse(connection, _UNSUPPORTED)
            self.hang_up(connection, 4005, "protocol")
        else:
            self.greet(connection)

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Decide whether a request is a good opening handshake (RFC 6455 4.2)."""
        is_asked = self._token is not None and "Authorization" in request.headers
        if is_asked and not self.is_trusted(request):
            return Refusal(401, "a wrong token", (("WWW-Authenticate", "Bearer"),))
        spoken = (SUBPROTOCOL,) if request.path == "/ws" else ()
        return judge_request(request, subprotocols=spoken)

    def is_trusted(self, request: Request) -> bool:
        """Tell whether somebody brings the token."""
        brought = request.headers.all("Authorization")
        return self._token is not None and brought == (f"Bearer {self._token}",)

    def make_reader(self) -> Reader:
        """Return the reader of a new WebSocket connection (RFC 6455 5.1)."""
        return MessageReader(
            expect_mask=True,
            limits=MessageLimits(message_bytes=MAX_MESSAGE, fragments=MAX_FRAGMENTS),
        )

    def greet(self, connection: Connection) -> None:
        """Send the welcome, before anything else."""
        self.tell(connection, self.welcome(connection))

    def welcome(self, connection: Connection) -> dict[str, Any]:
        """Return the welcome message."""
        return {
            "type": "welcome",
            "protocol": SUBPROTOCOL,
            "connection": connection.name,
            "node": "sound",
            "version": "1",
            "ts": self.now_ms(),
            "auth": "accepted" if connection.is_trusted else "none",
            "ping_interval_ms": round(self.liveness.interval * 1000),
            "limits": _LIMITS,
            "features": ["recovery"],
        }

    # Units of an open connection

    def on_unit(self, connection: Connection, unit: Unit) -> None:
        """Hand a unit to the method for its kind."""
        match unit:
            case Message():
                self.on_message(connection, unit)
            case Control():
                self.on_control(connection, unit)
            case Closing():
                self.on_closing(connection, unit)
            case Violation():
                self.on_violation(connection, unit)

    def on_message(self, connection: Connection, message: Message) -> None:
        """Echo it, or do the command in it."""
        if connection.path == "/echo":
            self.push(connection, message.opcode, message.data)
        elif message.opcode != Opcode.TEXT:
            self.hang_up(connection, 1003, "commands are text")
        else:
            self.on_command(connection, read_command(message.text))

    def on_control(self, connection: Connection, control: Control) -> None:
        """Answer a ping with its own payload (RFC 6455 5.5.3); hear a pong."""
        if control.opcode == Opcode.PING:
            connection.send(Opcode.PONG, control.payload)
        else:
            self.liveness.hear(connection)

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Answer a close frame with its code, then end (RFC 6455 5.5.1)."""
        self.leave(connection)
        connection.answer_close(closing.code)

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Fail the connection that broke a rule, and only that one."""
        self.leave(connection)
        connection.fail(violation.code, violation.reason)

    def hang_up(self, connection: Connection, code: int, reason: str) -> None:
        """Start the closing handshake."""
        self.leave(connection)
        connection.close(code, reason)

    def on_silent(self, connection: Connection) -> None:
        """Let go of a peer that does not answer: its end may be half open."""
        self.counts["silent"] += 1
        self.leave(connection)
        connection.fail(4110, "no pong")

    def on_slow(self, connection: Connection) -> None:
        """Cut off a consumer that is too slow, and tell it why."""
        self.counts["slow"] += 1
        self.hang_up(connection, 4108, "slow consumer")
        connection.arm(_SLOW_LINGER)

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Forget a connection that is gone, however it went."""
        self.leave(connection)
        super().on_lost(connection, error)

    def leave(self, connection: Connection) -> None:
        """Count a connection as closed and end its subscriptions; idempotent."""
        self.open.pop(connection, None)
        self.liveness.forget(connection)
        for topic in self._topics.pop(connection, ()):
            self._forget_subscriber(connection, topic)

    # Commands

    def on_command(self, connection: Connection, command: Command | Fault) -> None:
        """Do a command and reply, or say what is wrong with it."""
        if isinstance(command, Fault):
            self.refuse(connection, command)
        elif not self.may(connection, command):
            text = f"{command.topic} is not for everybody"
            self.refuse(connection, command.fault("topic_forbidden", text))
        elif command.type == "subscribe":
            self.subscribe(connection, command)
        elif command.type == "unsubscribe":
            self.unsubscribe(connection, command)
        elif command.type == "publish":
            self.publish(connection, command)
        else:
            now = self.now_ms()
            self.reply(connection, "pong", command, ts_in=now, ts_out=now)

    def may(self, connection: Connection, command: Command) -> bool:
        """Tell whether a connection has a right to the topic of a command."""
        return connection.is_trusted or not command.topic.startswith(PRIVATE)

    def subscribe(self, connection: Connection, command: Command) -> None:
        """Reply with the position, replay what was missed, then go on live."""
        topics = self._topics.setdefault(connection, {})
        if command.topic not in topics and len(topics) >= MAX_TOPICS:
            text = f"a connection may have {MAX_TOPICS} topics"
            self.refuse(connection, command.fault("too_many_topics", text))
            return
        log = self.store.log(command.topic)
        after, recovered, reason = self.resume(log, command.since)
        topics[command.topic] = log.top.seq
        self._subscribers.setdefault(command.topic, {})[connection] = None
        self.reply(
            connection,
            "subscribed",
            command,
            topic=command.topic,
            epoch=self.store.epoch,
            seq=log.top.seq,
            tag=f"{log.top.tag:08x}",
            oldest=log.oldest,
            recovered=recovered,
            reason=reason,
            after={"seq": after.seq, "tag": f"{after.tag:08x}"},
        )
        for entry in self.replay(log, after.seq):
            self.push(connection, Opcode.TEXT, self.event(command.topic, entry))

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Return what follows ``seq``, oldest first."""
        return log.after(seq)

    def unsubscribe(self, connection: Connection, command: Command) -> None:
        """End a subscription and reply."""
        topics = self._topics.get(connection, {})
        if command.topic not in topics:
            text = f"there is no subscription to {command.topic}"
            self.refuse(connection, command.fault("not_subscribed", text))
            return
        del topics[command.topic]
        self._forget_subscriber(connection, command.topic)
        self.reply(connection, "unsubscribed", command, topic=command.topic)

    def publish(self, connection: Connection, command: Command) -> None:
        """Append, deliver to every subscriber, acknowledge."""
        if not self.store.may_append(command.topic):
            fault = command.fault("unavailable", "there are too many topics")
            self.refuse(connection, fault)
            return
        if not self.is_new(connection, command):
            return
        try:
            entry = self.append(command)
        except OSError as error:
            text = f"the log cannot be written: {error.strerror}"
            self.refuse(connection, command.fault("unavailable", text))
            return
        self.counts["published"] += 1
        if command.id is not None:
            self.acknowledge(connection, command, entry)
        self.deliver(command.topic, entry)

    def is_new(self, connection: Connection, command: Command) -> bool:
        """Tell whether a publication is to be published; answer it where it is not."""
        answer = self.store.producers.answer(command.topic, command.producer)
        if isinstance(answer, tuple):
            self.refuse(connection, command.fault(*answer))
        elif answer is not None:
            answer["epoch"] = self.store.epoch
            self.reply(connection, "published", command, **answer)
        return answer is None

    def append(self, command: Command) -> Entry:
        """Put a publication into the log of its topic.

        Raises:
            OSError: If the log is in a file, and that takes no more.
        """
        data = self.keep(command.data)
        now = self._clock.wall()
        return self.store.append(command.topic, data, now, command.producer)

    def keep(self, data: bytes) -> bytes:
        """Return the payload as it goes into the log: byte for byte."""
        return data

    def acknowledge(
        self, connection: Connection, command: Command, entry: Entry
    ) -> None:
        """Reply to a publish."""
        self.reply(
            connection,
            "published",
            command,
            topic=command.topic,
            epoch=self.store.epoch,
            seq=entry.seq,
            duplicate=False,
        )

    def deliver(self, topic: str, entry: Entry) -> None:
        """Send an entry to everyone subscribed to its topic."""
        self.deliver_to(self.audience(topic), topic, entry)

    def deliver_to(
        self, subscribers: list[Connection], topic: str, entry: Entry
    ) -> None:
        """Send an entry to some."""
        event = self.event(topic, entry)
        for subscriber in subscribers:
            self.push(subscriber, Opcode.TEXT, event)

    def audience(self, topic: str) -> list[Connection]:
        """Return who is subscribed to a topic, longest first."""
        return list(self._subscribers.get(topic, ()))

    def event(self, topic: str, entry: Entry) -> bytes:
        """Return the event message of an entry, its payload byte for byte."""
        head = f'{{"type":"event","topic":"{topic}","seq":{entry.seq},"ts":'
        return b'%s%.3f,"data":%s}' % (head.encode(), entry.ts * 1000, entry.data)

    def resume(
        self, log: Log, since: Position | str | None
    ) -> tuple[Entry, bool | None, str | None]:
        """Return where the chain starts, whether it holds, and why not."""
        return log.start(since, self.store.epoch)

    def _forget_subscriber(self, connection: Connection, topic: str) -> None:
        subscribers = self._subscribers[topic]
        subscribers.pop(connection, None)
        if not subscribers:
            del self._subscribers[topic]

    # Sending

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send what another peer, or an echo, has as its payload."""
        connection.send(opcode, payload)

    def reply(
        self, connection: Connection, type_: str, command: Command, **fields: Any
    ) -> None:
        """Send the one reply to a command."""
        self.tell(connection, {"type": type_, "id": command.id, **fields})

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Send an error reply; the connection goes on."""
        self.tell(connection, self.error(fault))

    def error(self, fault: Fault) -> dict[str, Any]:
        """Return the error message."""
        return {
            "type": "error",
            "id": fault.id,
            "code": fault.code,
            "message": fault.message,
            "retryable": fault.code == "unavailable",
            "fatal": fault.fatal,
            "ts": self.now_ms(),
        }

    def ping(self, connection: Connection) -> None:
        """Ask whether a peer is there; say how far its topics are."""
        connection.send(Opcode.PING, b"")
        if connection.path == "/ws":
            tops = self.tops(self._topics.get(connection, {}))
            ts = self.now_ms()
            self.tell(connection, {"type": "heartbeat", "ts": ts, "tops": tops})

    def tops(self, told: dict[str, int]) -> dict[str, tuple[int, str]]:
        """Return the tops that moved since they were told, and note that they are."""
        return self.store.tops(told)

    def tell(self, connection: Connection, message: dict[str, Any]) -> None:
        """Send a message of the protocol."""
        text = json.dumps(message, separators=(",", ":"))
        connection.send(Opcode.TEXT, text.encode())

    def now_ms(self) -> float:
        """Milliseconds since 1970 UTC, as the wire has them."""
        return round(self._clock.wall() * 1000, 3)
