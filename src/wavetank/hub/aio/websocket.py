"""A WebSocket from 101 to its end: frames, pings, and the closing handshake.

It refuses to know the transport, HTTP and what a message means.
"""

from typing import Protocol

from wavetank.hub.aio.echo import Echo
from wavetank.hub.aio.member import Member
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.writes import TryWrite, Write
from wavetank.hub.deflation import shared_window
from wavetank.hub.incoming import Incoming
from wavetank.hub.opening import Opening
from wavetank.hub.session import Session
from wavetank.wire import (
    Closing,
    Control,
    DeflateParameters,
    Event,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    Violation,
    encode_close,
    encode_frame,
    inflater_for,
)

__all__ = ["MOST_FRAGMENTS", "Carrier", "WebSocket"]

MOST_FRAGMENTS = 65_536
"""Most fragments of one message: enough for 16 bytes each in 1 MiB."""


SLICE_BYTES = 8192
"""Bytes that are read between two looks at the clock."""

DEFLATED_SLICE_BYTES = 256
"""The same where they may be inflated to a thousand times as many."""


class Carrier(Protocol):
    """A transport as a WebSocket sees it.

    Attributes:
        try_write: Hands bytes straight to the socket; None where that cannot be.
        write: Hands bytes to it.
    """

    try_write: TryWrite | None
    write: Write

    def linger(self) -> None:
        """End our side now, and all of it once the peer ends its own."""
        ...

    def end(self) -> None:
        """End it once everything is written."""
        ...

    def hold(self) -> None:
        """Stop reading."""
        ...

    def release(self) -> None:
        """Read again."""
        ...

    def wake(self, at: float) -> None:
        """Call ``tick`` at that time, and not at the one asked for before."""
        ...

    def cut_in(self, seconds: float) -> None:
        """Cut the transport then, if it is still there."""
        ...


class WebSocket:
    """One open WebSocket.

    Args:
        carrier: Its transport.
        node: Where it came in.
        name: Of the connection.

    Attributes:
        name: Of the connection.
        code: Close code, once there is one.
        ended_by: Who sent the first close frame, ``hub`` or ``client``.
        is_open: Whether messages still mean anything.
        slice_bytes: Bytes that are fed between two looks at the clock.
        try_write: Hands bytes straight to the socket; None where that cannot be.
        speaker: What it is for; set by ``begin``.
        write: Hands bytes to the transport.
    """

    __slots__ = (
        "_carrier",
        "_echo_user",
        "_farewell",
        "_incoming",
        "_is_paused",
        "_node",
        "_owed_pong",
        "_reader",
        "code",
        "ended_by",
        "is_open",
        "name",
        "slice_bytes",
        "speaker",
        "try_write",
        "write",
    )

    def __init__(self, carrier: Carrier, node: Node, name: str) -> None:
        self._carrier = carrier
        self._node = node
        self._is_paused = False
        self._owed_pong: bytes | None = None
        self._farewell: Closing | None = None
        self._echo_user: str | None = None
        self._reader = self._make_reader(None)
        self._incoming = Incoming(node.config.limits.message_within)
        self.slice_bytes = SLICE_BYTES
        self.name = name
        self.code: int | None = None
        self.ended_by = "hub"
        self.is_open = True
        self.try_write = carrier.try_write
        self.write = carrier.write
        self.speaker: Member | Echo | None = None

    def begin(self, opening: Opening) -> None:
        """Begin to speak as the opening handshake says."""
        node = self._node
        deflate = opening.upgrade.deflate
        if deflate is not None:
            self._reader = self._make_reader(deflate)
            self.slice_bytes = DEFLATED_SLICE_BYTES
        if opening.is_echo:
            if opening.claims is not None:
                self._echo_user = opening.claims.user
            self.speaker = Echo(node, self, opening.claims)
        else:
            session = Session(
                node.config,
                self.name,
                claims=opening.claims,
                spread=node.rng.random(),
                tally=node.tally,
            )
            window = None
            if deflate is not None:
                window = shared_window(deflate.server_max_window_bits or 15)
            self.speaker = Member(node, self, session, window=window)
        if self._is_paused:
            self.speaker.paused()
        if isinstance(self.speaker, Member):
            self.speaker.open(is_supported=opening.is_supported)
        self.wake()

    def _make_reader(self, deflate: DeflateParameters | None) -> MessageReader:
        most = self._node.config.limits.message_bytes
        limits = MessageLimits(message_bytes=most, fragments=MOST_FRAGMENTS)
        inflater = None
        if deflate is not None:
            inflater = inflater_for(deflate, by_server=True, limit=most)
        return MessageReader(expect_mask=True, limits=limits, inflater=inflater)

    def wake(self) -> None:
        """Look at the deadlines again: they may have moved."""
        if self.is_open and self.speaker is not None and self._farewell is None:
            self._carrier.wake(min(self.speaker.due_at, self._incoming.due_at))

    # What the transport tells.

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        speaker = self.speaker
        if speaker is None:
            return
        at = self._node.moment()
        was_waiting = speaker.waiting_bytes is not None
        events = self._reader.feed(data)
        for event in events:
            if not self.is_open:
                if isinstance(event, Closing):
                    self._carrier.end()
            elif isinstance(event, Message):
                if was_waiting and self._is_too_big(event, speaker):
                    return
                speaker.receive(event, at)
            elif isinstance(event, Control):
                self._hear_control(event, speaker)
            else:
                self._end_by_peer(event, speaker)
        violation = self._reader.violation
        if not self.is_open:
            self._look_for_end(violation)
            return
        speaker.settle()
        if violation is not None:
            self.fail(violation.code, violation.reason)
            return
        if self._reader.is_in_message or self._incoming.is_on:
            self._follow(events, at.now)
        if was_waiting:
            self._judge_waiting()

    def _look_for_end(self, violation: Violation | None) -> None:
        """End where the answer to our close frame cannot come any more."""
        if violation is not None:
            self._carrier.end()

    def _follow(self, events: list[Event], now: float) -> None:
        """Note when the message began that is on its way, or that it is whole."""
        incoming = self._incoming
        if not self._reader.is_in_message:
            incoming.ended()
            return
        # What has become whole is another one.
        is_new = not incoming.is_on or any(isinstance(each, Message) for each in events)
        if is_new and incoming.began(now):
            self.wake()

    def _is_too_big(self, message: Message, speaker: Member | Echo) -> bool:
        """Fail the connection if a message is too big for somebody not signed in."""
        most = speaker.waiting_bytes
        if most is None or len(message.data) <= most:
            return False
        self.fail(1009, f"message over {most} bytes before auth")
        return True

    def _hear_control(self, event: Control, speaker: Member | Echo) -> None:
        if event.opcode is Opcode.PONG:
            speaker.hear_pong(event.payload)
        elif self._is_paused:
            # RFC 6455 5.5.3: only the newest ping needs an answer.
            self._owed_pong = event.payload
        else:
            self.write(encode_frame(Opcode.PONG, event.payload))

    def _judge_waiting(self) -> None:
        """Bound what somebody without a token may make us hold."""
        most = self.speaker.waiting_bytes if self.speaker else None
        held = self._reader.statistics()
        on_its_way = max(held["announced"], held["buffered"])
        if most is not None and held["message_bytes"] + on_its_way > most:
            self.fail(1009, f"message over {most} bytes before auth")
        else:
            self.wake()

    def paused(self) -> None:
        """Hear that the transport's buffer is above high water."""
        self._is_paused = True
        if self.is_open and self.speaker is not None:
            self.speaker.paused()
            self.wake()

    def resumed(self) -> None:
        """Hear that the transport's buffer is below low water."""
        self._is_paused = False
        if not self.is_open or self.speaker is None:
            return
        if self._owed_pong is not None:
            payload, self._owed_pong = self._owed_pong, None
            self.write(encode_frame(Opcode.PONG, payload))
            if self._is_paused:
                # That was too much already: whoever goes on now would overtake it.
                return
        self.speaker.resumed()

    def tick(self) -> None:
        """Do what is due."""
        if self.is_open and self.speaker is not None:
            if self._incoming.is_overdue(self._node.clock.now()):
                within = self._incoming.within
                self.fail(1008, f"message not whole within {within:g} s")
                return
            self.speaker.tick()
            self.wake()

    def drain(self, reconnect_after: float) -> None:
        """Say that the hub goes away."""
        if self.is_open and self.speaker is not None:
            self.speaker.drain(reconnect_after)

    def lost(self) -> None:
        """Hear that the transport is gone."""
        self.is_open = False
        if self.speaker is not None:
            self.speaker.lost()
            self.speaker = None
        if self._echo_user is not None:
            self._node.admission.sign_out(self._echo_user)
            self._echo_user = None

    # What the speaker asks for.

    def hold(self) -> None:
        """Stop reading."""
        self._incoming.held(self._node.clock.now())
        self._carrier.hold()

    def release(self) -> None:
        """Read again."""
        if self._incoming.released(self._node.clock.now()):
            self.wake()
        self._carrier.release()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; nothing may be written after it."""
        if not self.is_open:
            return
        self.is_open = False
        self._write_close(code, reason)
        # Whatever else was held back: the peer's close frame has to be read.
        self._carrier.release()
        self._carrier.cut_in(self._node.config.closing)

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection (RFC 6455 7.1.7): nothing that comes can be trusted."""
        if not self.is_open or self.speaker is None:
            return
        self.is_open = False
        self.speaker.lost()
        self._node.logger.info(
            "connection_failed", connection=self.name, code=code, reason=reason
        )
        # Nobody is left to hear what still comes: it is dropped unread.
        self.speaker = None
        self._write_close(code, reason)
        self._carrier.linger()

    def _write_close(self, code: int | None, reason: str = "") -> None:
        self.code = code or 1005
        self.write(encode_frame(Opcode.CLOSE, encode_close(code, reason)))

    def finished(self) -> None:
        """Hear that every command has its answer: then a close frame has its, too."""
        if self._farewell is not None and self.is_open and self.speaker is not None:
            self._answer_close(self._farewell, self.speaker)

    def _end_by_peer(self, closing: Closing, speaker: Member | Echo) -> None:
        """Take a close frame; what came before it is answered before it."""
        if speaker.is_finished:
            self._answer_close(closing, speaker)
        else:
            self._farewell = closing
            self._carrier.cut_in(self._node.config.closing)

    def _answer_close(self, closing: Closing, speaker: Member | Echo) -> None:
        """Answer a close frame (RFC 6455 5.5.1), behind all other answers."""
        speaker.settle()
        self.is_open = False
        self.ended_by = "client"
        speaker.lost()
        self._write_close(closing.code)
        self._carrier.cut_in(self._node.config.closing)
        self._carrier.end()

    def __repr__(self) -> str:
        """Show who it is and whether it is open."""
        return f"<WebSocket {self.name} {'open' if self.is_open else self.code}>"
