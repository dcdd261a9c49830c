"""Wrecks that keep what has stalled, or let it harm others; and a server in a hurry.

They refuse to know what is said on a connection.
"""

import asyncio
from typing import Any

from wavetank.wire import (
    Closing,
    Control,
    Opcode,
    Request,
    encode_close,
)
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.sound import SoundServer

__all__ = ["Eager", "EndOfTcpForgotten", "HalfFrameBlocks", "PongsUnheard"]

_HANDSHAKE = 0.5
_LOOK_EVERY = 0.5
"""Seconds from one ping to the next; a pong, and the rest of a message, has as long."""


class Eager(SoundServer):
    """A sound server that lets go of whatever stalls, and of it very soon.

    Args:
        handshake_timeout: Seconds that an opening handshake may take; no more than
            a moment.
        options: As the sound server has them.
    """

    def __init__(self, *, handshake_timeout: float = 10.0, **options: Any) -> None:
        handshake_timeout = min(handshake_timeout, _HANDSHAKE)
        super().__init__(handshake_timeout=handshake_timeout, **options)
        self._looks: dict[Connection, asyncio.TimerHandle] = {}
        self._silent: set[Connection] = set()
        self._half: set[Connection] = set()

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Begin to look after a connection that opens."""
        super().shake_hands(connection, request)
        if connection in self.open:
            self._look_later(connection)

    def look(self, connection: Connection) -> None:
        """Let go of who has not answered or not gone on; else send a ping."""
        was_half = connection in self._half
        self._half.discard(connection)
        if connection in self._silent:
            self.let_go(connection, 1011, "no pong came")
        elif was_half and connection.is_half:
            self.let_go(connection, 1008, "the rest of the message did not come")
        else:
            if connection.is_half:
                self._half.add(connection)
            self._silent.add(connection)
            connection.send(Opcode.PING, b"")
            self._look_later(connection)

    def let_go(self, connection: Connection, code: int, reason: str) -> None:
        """Fail a connection."""
        self.leave(connection)
        connection.fail(code, reason)

    def on_control(self, connection: Connection, control: Control) -> None:
        """Note pongs."""
        if control.opcode == Opcode.PONG:
            self.on_pong(connection)
        super().on_control(connection, control)

    def on_pong(self, connection: Connection) -> None:
        """Note that somebody is there."""
        self._silent.discard(connection)

    def leave(self, connection: Connection) -> None:
        """Look after it no longer."""
        super().leave(connection)
        self._silent.discard(connection)
        self._half.discard(connection)
        if connection in self._looks:
            self._looks.pop(connection).cancel()

    def _look_later(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._looks[connection] = loop.call_later(_LOOK_EVERY, self.look, connection)


class PongsUnheard(Eager):
    """Connections are ended for want of a pong, whether one came or not."""

    def on_pong(self, connection: Connection) -> None:
        """Overhear it."""


class EndOfTcpForgotten(Eager):
    """A close frame is answered, and TCP is left to the peer for good."""

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Answer, and leave it at that."""
        self.leave(connection)
        connection.send(Opcode.CLOSE, encode_close(closing.code))
        connection.is_closing = True


class _Reported(Connection):
    """A connection whose server is told when something has come."""

    def data_received(self, data: bytes) -> None:
        """Tell it."""
        super().data_received(data)
        assert isinstance(self._owner, HalfFrameBlocks)
        self._owner.on_data(self)


class HalfFrameBlocks(SoundServer):
    """While half a message is there, nobody else is read from."""

    half: Connection | None = None

    def make_connection(self) -> Connection:
        """Return one that tells what comes."""
        name = f"c-{next(self._names)}"
        return _Reported(self, name, handshake_timeout=self.handshake_timeout)

    def on_connected(self, connection: Connection) -> None:
        """Let newcomers wait, too."""
        super().on_connected(connection)
        # Not at once: in Python 3.11.2 the loop begins to read behind this call, paused
        # or not.
        asyncio.get_running_loop().call_soon(self._let_wait, connection)

    def _let_wait(self, connection: Connection) -> None:
        if self.half not in (None, connection):
            connection.transport.pause_reading()

    def on_data(self, connection: Connection) -> None:
        """Read from one alone, for as long as its message is not complete."""
        if self.half is None and connection.is_half:
            self.half = connection
            for other in self._others():
                other.transport.pause_reading()
        elif connection is self.half and not connection.is_half:
            self._release()

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Read from the others again."""
        super().on_lost(connection, error)
        if connection is self.half:
            self._release()

    def _release(self) -> None:
        for other in self._others():
            other.transport.resume_reading()
        self.half = None

    def _others(self) -> list[Connection]:
        return [other for other in self.connected if other is not self.half]
