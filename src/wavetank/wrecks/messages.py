"""Wrecks that read or answer frames and messages wrongly.

They refuse to know topics and subscribers.
"""

import asyncio
import re
from typing import Any

from wavetank.wire import (
    Control,
    MessageLimits,
    MessageReader,
    Opcode,
    Violation,
)
from wavetank.wrecks.commands import Fault
from wavetank.wrecks.connection import Connection, Reader
from wavetank.wrecks.counting import EveryNth
from wavetank.wrecks.lax import LaxReader
from wavetank.wrecks.sound import MAX_FRAGMENTS, MAX_MESSAGE, SoundServer

__all__ = [
    "BadCommandAccepted",
    "BadCommandCloses",
    "BadCommandUnanswered",
    "BadUtf8Accepted",
    "BadUtf8EndsAll",
    "CorruptOver32K",
    "CutAt4096",
    "DiesOnTooBig",
    "EmptyPong",
    "EveryFiftiethLost",
    "LatePong",
    "TooBigAccepted",
    "UnmaskedAccepted",
    "VagueErrors",
    "ViolationClosedAsNormal",
    "ViolationEndsAll",
    "ViolationForgiven",
]

_LETTER = re.compile(rb"[A-Za-z0-9]")


# Frames that break a rule


class BadUtf8Accepted(SoundServer):
    """Text that is not UTF-8 is taken, with replacement characters."""

    def make_reader(self) -> Reader:
        """Overlook what should be answered with 1007."""
        return LaxReader(lambda rule: rule.code == 1007, max_message=MAX_MESSAGE)


class BadUtf8EndsAll(SoundServer):
    """Text that is not UTF-8 ends every connection, not only its own."""

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Fail the one, cut the others."""
        super().on_violation(connection, violation)
        if violation.code == 1007:
            _cut_others(self, connection)


class UnmaskedAccepted(SoundServer):
    """A client's frames are taken without a mask."""

    def make_reader(self) -> Reader:
        """Ask for no mask."""
        limits = MessageLimits(message_bytes=MAX_MESSAGE, fragments=MAX_FRAGMENTS)
        return MessageReader(expect_mask=None, limits=limits)


class ViolationForgiven(SoundServer):
    """Frames that break a rule are read as if they did not."""

    def make_reader(self) -> Reader:
        """Overlook what should be answered with 1002."""
        return LaxReader(lambda rule: rule.code == 1002, max_message=MAX_MESSAGE)


class ViolationClosedAsNormal(SoundServer):
    """A protocol error is answered with close code 1000."""

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Fail the connection under a wrong name."""
        if violation.code == 1002:
            violation = Violation(1000, violation.reason, violation.clause)
        super().on_violation(connection, violation)


class ViolationEndsAll(SoundServer):
    """A protocol error ends every connection, not only its own."""

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Fail the one, cut the others."""
        super().on_violation(connection, violation)
        if violation.code == 1002:
            _cut_others(self, connection)


def _cut_others(server: SoundServer, connection: Connection) -> None:
    for other in list(server.open):
        if other is not connection:
            other.transport.abort()


class TooBigAccepted(SoundServer):
    """Messages over the declared limit are read, up to 16 times as big."""

    def make_reader(self) -> Reader:
        """Set the limit where nobody meets it."""
        limits = MessageLimits(message_bytes=16 * MAX_MESSAGE, fragments=MAX_FRAGMENTS)
        return MessageReader(expect_mask=True, limits=limits)


class DiesOnTooBig(SoundServer):
    """A message over the limit brings the whole server down."""

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Crash where 1009 is due."""
        if violation.code != 1009:
            super().on_violation(connection, violation)
            return
        self.crash()


# Messages on their way back


class CutAt4096(SoundServer):
    """Messages that go out are cut after 4096 bytes."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send the beginning; no character is torn apart in text."""
        head = payload[:4096]
        if opcode == Opcode.TEXT:
            head = head.decode(errors="ignore").encode()
        super().push(connection, opcode, head)


class EveryFiftiethLost(EveryNth):
    """Of the messages to one connection, every fiftieth is not sent."""

    each = 50


class CorruptOver32K(SoundServer):
    """Messages over 32 KiB go out with one byte changed."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Change a letter or a digit in the second half."""
        found = _LETTER.search(payload, len(payload) // 2)
        if len(payload) > 32_768 and found is not None:
            other = b"7" if found[0] != b"7" else b"8"
            payload = payload[: found.start()] + other + payload[found.end() :]
        super().push(connection, opcode, payload)


# Pings


class LatePong(SoundServer):
    """Every fifth ping is answered after 0.3 seconds."""

    pings = 0

    def on_control(self, connection: Connection, control: Control) -> None:
        """Count, and answer every fifth later."""
        self.pings += control.opcode == Opcode.PING
        if self.pings % 5:
            super().on_control(connection, control)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, super().on_control, connection, control)


class EmptyPong(SoundServer):
    """A pong does not bring back the payload of its ping."""

    def on_control(self, connection: Connection, control: Control) -> None:
        """Answer without the payload."""
        super().on_control(connection, Control(control.opcode, b""))


# Commands that cannot be done


class BadCommandUnanswered(SoundServer):
    """A bad command is passed over in silence."""

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Say nothing."""


class BadCommandCloses(SoundServer):
    """A bad command closes the connection with 1008 instead of being answered."""

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Close."""
        self.hang_up(connection, 1008, fault.code)


class BadCommandAccepted(SoundServer):
    """A bad command is acknowledged as if it were a good publication."""

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Say yes."""
        self.tell(connection, _published(self, fault))


def _published(server: SoundServer, fault: Fault) -> dict[str, Any]:
    return {
        "type": "published",
        "id": fault.id,
        "topic": "unknown",
        "epoch": server.store.epoch,
        "seq": 1,
        "duplicate": False,
    }


class VagueErrors(SoundServer):
    """Whatever is wrong with a command, the error code is 'internal'."""

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Keep the reason to ourselves."""
        vague = Fault(id=fault.id, code="internal", message="something is wrong")
        super().refuse(connection, vague)
