"""One connection of a sound server: bytes in, heads and units out, and back.

It refuses to know paths, topics and commands: what is to be done with a head or
a unit is decided by its owner.
"""

import asyncio
from typing import Protocol

from wavetank.wire import (
    Closing,
    Control,
    HeadReader,
    Message,
    MessageReader,
    Opcode,
    Refusal,
    Request,
    Violation,
    encode_close,
    encode_frame,
)

__all__ = [
    "LINGER",
    "MAX_UNSENT",
    "Connection",
    "Head",
    "Owner",
    "Reader",
    "Unit",
]

LINGER = 2.0
"""Seconds that the peer has to end a connection that is done for us."""
MAX_UNSENT = 16 * 1_048_576
"""Bytes that may wait for a slow peer; beyond them its owner is told."""

_TLS_LINGER = 0.25

Head = Request | Refusal
Unit = Message | Control | Closing | Violation


class Reader(Protocol):
    """What turns bytes into messages."""

    @property
    def violation(self) -> Violation | None:
        """The rule that was broken; after it nothing is read."""
        ...

    def feed(self, data: bytes) -> list[Message | Control | Closing]:
        """Take bytes as they came and return what they complete."""
        ...


class Owner(Protocol):
    """Who decides what a connection does."""

    def on_connected(self, connection: "Connection") -> None:
        """Take note of a new connection; nothing of its head is known yet."""
        ...

    def on_head(self, connection: "Connection", head: Head | None) -> None:
        """Answer a request head; None is a head that is not complete yet."""
        ...

    def on_unit(self, connection: "Connection", unit: Unit) -> None:
        """Do what a message, a control frame, a close or a violation asks for."""
        ...

    def on_slow(self, connection: "Connection") -> None:
        """Decide about a peer that more waits for than may."""
        ...

    def on_lost(self, connection: "Connection", error: Exception | None) -> None:
        """Forget a connection; ``error`` says that it did not end in peace."""
        ...


class Connection(asyncio.Protocol):
    """One accepted connection, first HTTP, then perhaps WebSocket.

    Args:
        owner: Who decides.
        name: Which connection this is, such as ``c-3``.
        handshake_timeout: Seconds until the request head has to be complete.
    """

    def __init__(self, owner: Owner, name: str, *, handshake_timeout: float) -> None:
        self.name = name
        self.path = ""
        self.reader: Reader | None = None
        self.is_closing = False
        self.is_done = False
        self.is_trusted = False
        self.transport: asyncio.Transport
        self.deadline: asyncio.TimerHandle | None = None
        self._owner = owner
        self._heads: HeadReader[Request] | None = HeadReader()
        self._handshake_timeout = handshake_timeout

    def __repr__(self) -> str:
        """Show who it is and how far it got."""
        state = "done" if self.is_done else "closing" if self.is_closing else "open"
        return f"<Connection {self.name} {self.path or 'no head yet'} {state}>"

    @property
    def is_half(self) -> bool:
        """Whether a message, or a frame, has begun and not ended."""
        reader = self.reader
        return isinstance(reader, MessageReader) and any(reader.statistics().values())

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the opening handshake."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.arm(self._handshake_timeout)
        self._owner.on_connected(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the reader whose turn it is; none after the end."""
        if self._heads is not None:
            data = self._read_head(self._heads, data)
        if data and self.reader is not None and not self.is_done:
            self._read_units(self.reader, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline and tell the owner."""
        self.disarm()
        self.is_done = True
        self._owner.on_lost(self, exc)

    def pause_writing(self) -> None:
        """Read no more from a peer that does not read what it asked for."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self.transport.resume_reading()

    # What the owner asks for

    def upgrade(self, answer: bytes, path: str, reader: Reader) -> None:
        """Send the 101 and speak WebSocket from here on."""
        self.disarm()
        self.path = path
        self.reader = reader
        self.transport.write(answer)

    def answer(self, response: bytes) -> None:
        """Send an HTTP response and end the connection."""
        self.transport.write(response)
        self.end()

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one frame; nothing after our close frame or the end."""
        if self.is_closing or self.is_done or self.transport.is_closing():
            return
        self.transport.write(encode_frame(opcode, payload))
        is_last = opcode == Opcode.CLOSE
        if self.transport.get_write_buffer_size() > MAX_UNSENT and not is_last:
            self._owner.on_slow(self)

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; the peer has LINGER seconds to answer."""
        self.send(Opcode.CLOSE, encode_close(code, reason))
        self.is_closing = True
        self.arm(LINGER)

    def answer_close(self, code: int | None) -> None:
        """Finish the closing handshake that the peer started, or answered."""
        self.send(Opcode.CLOSE, encode_close(code))
        self.end()

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection: one close frame, no waiting (RFC 6455 7.1.7)."""
        self.send(Opcode.CLOSE, encode_close(code, reason))
        if self.transport.can_write_eof():
            self.end()
        else:
            # TLS has no half-closed connections, and more is expected to come:
            # an end at once would answer it with RST.
            self.end_after(_TLS_LINGER)

    def end(self) -> None:
        """End our side; the peer's bytes are dropped until it ends its side.

        Closing at once instead would answer bytes that are under way with RST,
        and RST makes the peer lose what we sent last.
        """
        self.stop_reading()
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the peer was quicker, and gone for good
            self.transport.abort()
        else:
            self.arm(LINGER)

    def end_after(self, seconds: float) -> None:
        """End our side later; what comes until then is dropped."""
        self.stop_reading()
        self.disarm()
        loop = asyncio.get_running_loop()
        self.deadline = loop.call_later(seconds, self.end)

    def stop_reading(self) -> None:
        """Drop what still comes."""
        self.is_closing = self.is_done = True
        self._heads = self.reader = None

    def arm(self, seconds: float) -> None:
        """Set the one deadline, in place of the one before."""
        self.disarm()
        loop = asyncio.get_running_loop()
        self.deadline = loop.call_later(seconds, self.expire)

    def disarm(self) -> None:
        """Take the deadline away."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def expire(self) -> None:
        """Let a peer go that took too long."""
        if self._heads is not None:
            self._owner.on_head(self, Refusal(408, "the request took too long"))
        else:
            self.transport.abort()

    # How it works

    def _read_head(self, heads: HeadReader[Request], data: bytes) -> bytes:
        """Feed the head; return what follows it."""
        head = heads.feed(data)
        self._owner.on_head(self, head)
        if head is None:
            return b""
        self._heads = None
        return heads.rest

    def _read_units(self, reader: Reader, data: bytes) -> None:
        for unit in reader.feed(data):
            if self.is_done:
                return
            if not self.is_closing:
                self._owner.on_unit(self, unit)
            elif isinstance(unit, Closing):
                self.end()
        if reader.violation is not None and not self.is_done:
            self._owner.on_unit(self, reader.violation)
