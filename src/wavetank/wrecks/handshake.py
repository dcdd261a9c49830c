"""Wrecks whose opening handshake or first words are wrong.

They refuse to know what comes after the welcome.
"""

import asyncio
from typing import Any

from wavetank.wire import Headers, Opcode, Refusal, Request, Upgrade
from wavetank.wrecks.connection import Connection, Head
from wavetank.wrecks.log import Entry
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "EventBeforeWelcome",
    "EveryFifthUnanswered",
    "HalfHandshakeBlocks",
    "HalfHandshakeKept",
    "MissingKeyAccepted",
    "PlainGetUpgraded",
    "WelcomeOfOtherProtocol",
    "WelcomeTwice",
    "WrongVersionAccepted",
]

_SOME_KEY = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
_WHOLE_HANDSHAKE = (
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    _SOME_KEY,
    ("Upgrade", "websocket"),
)


# What a handshake has to say


class WrongVersionAccepted(SoundServer):
    """An opening handshake of any version is accepted."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Take any version for 13."""
        return super().judge(_amended(request, ("Sec-WebSocket-Version", "13")))


class MissingKeyAccepted(SoundServer):
    """An opening handshake without a key is accepted."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Answer a key that nobody sent."""
        if "Sec-WebSocket-Key" not in request.headers:
            request = _amended(request, _SOME_KEY)
        return super().judge(request)


class PlainGetUpgraded(SoundServer):
    """A GET that does not ask for an upgrade is answered with 101."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Set what an opening handshake has, where it is none."""
        if "Upgrade" not in request.headers:
            for field in _WHOLE_HANDSHAKE:
                request = _amended(request, field)
        return super().judge(request)


def _amended(request: Request, field: tuple[str, str]) -> Request:
    """Return the request with one header field set."""
    name = field[0].lower()
    others = [pair for pair in request.headers if pair[0].lower() != name]
    headers = Headers([*others, field])
    return Request(request.method, request.target, request.version, headers)


# How long it takes


class EveryFifthUnanswered(SoundServer):
    """Every fifth opening handshake is never answered."""

    asked = 0

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Count, and let the deadline end every fifth."""
        self.asked += 1
        if self.asked % 5:
            super().shake_hands(connection, request)


class HalfHandshakeKept(SoundServer):
    """Half an opening handshake may stay for ever."""

    def on_connected(self, connection: Connection) -> None:
        """Take the deadline away."""
        super().on_connected(connection)
        connection.disarm()


class HalfHandshakeBlocks(SoundServer):
    """While half an opening handshake is there, nobody else is served."""

    half: Connection | None = None

    def on_connected(self, connection: Connection) -> None:
        """Let newcomers wait, too."""
        super().on_connected(connection)
        # Not at once: in Python 3.11.2 the loop begins to read behind this call, paused
        # or not.
        asyncio.get_running_loop().call_soon(self._let_wait, connection)

    def _let_wait(self, connection: Connection) -> None:
        if self.half not in (None, connection):
            connection.transport.pause_reading()

    def on_head(self, connection: Connection, head: Head | None) -> None:
        """Stop reading from all others until the second half is there."""
        if head is None:
            self.half = connection
            for other in self.others(connection):
                other.transport.pause_reading()
        elif connection is self.half:
            self.release()
        super().on_head(connection, head)

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Serve the others again."""
        if connection is self.half:
            self.release()
        super().on_lost(connection, error)

    def release(self) -> None:
        """Read on from everyone."""
        for other in self.others(self.half):
            other.transport.resume_reading()
        self.half = None

    def others(self, connection: Connection | None) -> list[Connection]:
        """Return all connections but one."""
        return [other for other in self.connected if other is not connection]


# First words


class EventBeforeWelcome(SoundServer):
    """The first message of a connection is an event; the welcome comes second."""

    def greet(self, connection: Connection) -> None:
        """Send an event that nobody asked for."""
        entry = Entry(seq=1, tag=0, ts=self.now_ms() / 1000, data=b'"news"')
        self.push(connection, Opcode.TEXT, self.event("news", entry))
        super().greet(connection)


class WelcomeTwice(SoundServer):
    """The welcome comes twice."""

    def greet(self, connection: Connection) -> None:
        """Say it again."""
        super().greet(connection)
        super().greet(connection)


class WelcomeOfOtherProtocol(SoundServer):
    """The welcome names another protocol than the handshake."""

    def welcome(self, connection: Connection) -> dict[str, Any]:
        """Name one that does not exist."""
        return super().welcome(connection) | {"protocol": "wavetank.v0"}
