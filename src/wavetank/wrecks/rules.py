"""Wrecks that break one rule of RFC 6455 each; the cases of conformance see them.

They refuse to know topics and subscribers.
"""

import msgspec

from wavetank.wire import (
    Closing,
    Control,
    Message,
    MessageLimits,
    MessageReader,
    Refusal,
    Request,
    Upgrade,
    Violation,
)
from wavetank.wrecks.connection import Connection, Reader
from wavetank.wrecks.lax import LaxReader
from wavetank.wrecks.sound import MAX_FRAGMENTS, MAX_MESSAGE, SUBPROTOCOL, SoundServer

__all__ = [
    "AnyMethodUpgraded",
    "BadUtf8ClosedAsNormal",
    "BrokenCloseAnswered",
    "CloseCodesUnread",
    "FragmentsForgiven",
    "LongControlFramesTaken",
    "PongCutShort",
    "ReservedBitsIgnored",
    "Rsv1Overlooked",
    "SingleBytesDropped",
    "TextsCutShort",
    "UnmaskedOverlooked",
    "UnofferedSubprotocolSpoken",
]

_LONGEST_SHORT = 125


class TextsCutShort(SoundServer):
    """Texts of more than 125 bytes come back without their last byte."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Lose the byte."""
        size = len(payload) - (len(payload) > _LONGEST_SHORT)
        super().push(connection, opcode, payload[:size])


class PongCutShort(SoundServer):
    """Pongs come back without their last byte."""

    def on_control(self, connection: Connection, control: Control) -> None:
        """Lose the byte."""
        super().on_control(connection, Control(control.opcode, control.payload[:-1]))


class ReservedBitsIgnored(SoundServer):
    """Reserved bits and opcodes are read as if they meant nothing."""

    def make_reader(self) -> Reader:
        """Overlook them."""
        return LaxReader(
            lambda rule: rule.reason.endswith(("reserved", "without a meaning")),
            max_message=MAX_MESSAGE,
        )


class Rsv1Overlooked(SoundServer):
    """RSV1 is taken without compression."""

    def make_reader(self) -> Reader:
        """Overlook it, and nothing else."""
        return LaxReader(lambda rule: "RSV1" in rule.reason, max_message=MAX_MESSAGE)


class FragmentsForgiven(SoundServer):
    """Fragments may come in any order, of control frames, too."""

    def make_reader(self) -> Reader:
        """Overlook what RFC 6455 5.4 forbids."""
        return LaxReader(
            lambda rule: rule.clause == "RFC 6455 5.4", max_message=MAX_MESSAGE
        )


class BadUtf8ClosedAsNormal(SoundServer):
    """Text that is not UTF-8 is answered with close code 1000."""

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Fail the connection under a wrong name."""
        if violation.code == 1007:
            violation = Violation(1000, violation.reason, violation.clause)
        super().on_violation(connection, violation)


class CloseCodesUnread(SoundServer):
    """Close frames with a code that must not be sent are passed over."""

    def make_reader(self) -> Reader:
        """Overlook what RFC 6455 7.4 forbids."""
        return LaxReader(
            lambda rule: rule.clause == "RFC 6455 7.4", max_message=MAX_MESSAGE
        )


class BrokenCloseAnswered(SoundServer):
    """A broken close frame is answered as if all were well."""

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Answer with 1000 what should fail the connection."""
        if violation.clause in {"RFC 6455 5.5.1", "RFC 6455 7.4"}:
            violation = Violation(1000, "", violation.clause)
        super().on_violation(connection, violation)


class UnmaskedOverlooked(SoundServer):
    """Frames without a mask are read as if they had one."""

    def make_reader(self) -> Reader:
        """Overlook what RFC 6455 5.1 forbids."""
        return LaxReader(
            lambda rule: rule.clause == "RFC 6455 5.1", max_message=MAX_MESSAGE
        )


class LongControlFramesTaken(SoundServer):
    """Control frames may be of any length."""

    def make_reader(self) -> Reader:
        """Overlook that they have more than 125 bytes."""
        return LaxReader(
            lambda rule: rule.clause == "RFC 6455 5.5", max_message=MAX_MESSAGE
        )


class _Impatient(MessageReader):
    """Takes a read of a single byte for nothing."""

    def feed(self, data: bytes) -> list[Message | Control | Closing]:
        """Read, but for single bytes."""
        return [] if len(data) == 1 else super().feed(data)


class SingleBytesDropped(SoundServer):
    """A byte that comes alone is lost."""

    def make_reader(self) -> Reader:
        """Lose it."""
        limits = MessageLimits(message_bytes=MAX_MESSAGE, fragments=MAX_FRAGMENTS)
        return _Impatient(expect_mask=True, limits=limits)


class AnyMethodUpgraded(SoundServer):
    """An opening handshake may have any method."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Take it for GET."""
        return super().judge(
            Request("GET", request.target, request.version, request.headers)
        )


class UnofferedSubprotocolSpoken(SoundServer):
    """The answer names a subprotocol, whatever is offered."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Claim to speak it."""
        judged = super().judge(request)
        if isinstance(judged, Refusal):
            return judged
        return msgspec.structs.replace(judged, subprotocol=SUBPROTOCOL)
