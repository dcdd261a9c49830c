"""Wrecks that begin, count and end connections wrongly.

They refuse to know what is said on a connection.
"""

import asyncio

from wavetank.wire import Closing, Opcode, Refusal, Request, Upgrade, encode_close
from wavetank.wrecks.connection import Connection, Reader, Unit
from wavetank.wrecks.lax import LaxReader
from wavetank.wrecks.sound import MAX_MESSAGE, SoundServer

__all__ = [
    "ActsAfterClose",
    "CountKeepsResets",
    "CountNeverFalls",
    "NewestOnly",
    "RefusedAfterReset",
    "SendsAfterClose",
    "ThirtiethRefused",
    "UnansweredClose",
    "UnendedClose",
    "WrongCloseCode",
]

_FEW = 20
"""Open connections up to which `NewestOnly` serves everyone."""


# Closing handshake


class UnansweredClose(SoundServer):
    """A close frame is not answered, and the connection stays."""

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Do nothing."""
        self.leave(connection)


class UnendedClose(SoundServer):
    """A close frame is answered, but the server never ends the connection."""

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Answer, and wait for the peer to end it."""
        self.leave(connection)
        connection.send(Opcode.CLOSE, encode_close(closing.code))
        connection.is_closing = True


class WrongCloseCode(SoundServer):
    """Whatever code a close frame has, the answer says 1011."""

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Answer with another code."""
        super().on_closing(connection, Closing(1011))


class SendsAfterClose(SoundServer):
    """After its close frame the server sends one more message."""

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Send in the wrong order; the connection itself would not."""
        self.leave(connection)
        connection.send(Opcode.CLOSE, encode_close(closing.code))
        self.tell(connection, {"type": "heartbeat", "ts": self.now_ms(), "tops": {}})
        connection.end()


class ActsAfterClose(SoundServer):
    """Commands that follow a close frame are still done."""

    def make_reader(self) -> Reader:
        """Read on behind a close frame."""
        return LaxReader(
            lambda rule: rule.clause == "RFC 6455 5.5.1", max_message=MAX_MESSAGE
        )

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Answer; the end comes a moment after what follows."""
        connection.send(Opcode.CLOSE, encode_close(closing.code))
        loop = asyncio.get_running_loop()
        connection.deadline = loop.call_later(0.25, connection.end)


# How many there are


class CountNeverFalls(SoundServer):
    """The status page counts every connection that ever was."""

    opened = 0

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Count the good handshakes."""
        judged = super().judge(request)
        self.opened += isinstance(judged, Upgrade)
        return judged

    def open_count(self) -> int:
        """Return how many there have been."""
        return self.opened


class CountKeepsResets(SoundServer):
    """The status page goes on counting connections that ended with RST."""

    resets = 0

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Count what did not end in peace."""
        self.resets += connection in self.open and error is not None
        super().on_lost(connection, error)

    def open_count(self) -> int:
        """Return the open ones and those that are not."""
        return super().open_count() + self.resets


class RefusedAfterReset(SoundServer):
    """Once a connection has ended with RST, no other is accepted (503)."""

    was_reset = False

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Take offence."""
        if connection in self.open and error is not None:
            self.was_reset = True
        super().on_lost(connection, error)

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Refuse for ever after."""
        if self.was_reset:
            return Refusal(503, "a connection has not ended yet")
        return super().judge(request)


class ThirtiethRefused(SoundServer):
    """While 29 connections are open, no other is accepted (503)."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Refuse the thirtieth."""
        if len(self.open) >= 29:
            return Refusal(503, "there are 29 connections already")
        return super().judge(request)


class NewestOnly(SoundServer):
    """With more than 20 connections open, only the newest is served."""

    def on_unit(self, connection: Connection, unit: Unit) -> None:
        """Pass over what the others say, but let them go."""
        newest = next(reversed(self.open), None)
        if (
            len(self.open) > _FEW
            and connection is not newest
            and not isinstance(unit, Closing)
        ):
            return
        super().on_unit(connection, unit)
