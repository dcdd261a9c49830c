"""Wrecks whose own frames break a rule; the audit of what a server sends sees them.

They refuse to know what is asked of them: whatever they answer, they answer rightly,
in a wrong form.
"""

from typing import Any

import msgspec

from wavetank.wire import (
    Closing,
    Control,
    DeflateParameters,
    Deflater,
    MessageLimits,
    MessageReader,
    Opcode,
    Refusal,
    Request,
    Upgrade,
    deflater_for,
    encode_frame,
    inflater_for,
    negotiate,
    parse_elements,
)
from wavetank.wrecks.connection import Connection, Reader
from wavetank.wrecks.sound import MAX_FRAGMENTS, MAX_MESSAGE, SoundServer

__all__ = [
    "BadTextBehindPongs",
    "ContextKept",
    "Deflating",
    "EndlessFrameBehindPongs",
    "FragmentedPongs",
    "HalfAPong",
    "LongLengths",
    "MaskedMessages",
    "OrphansBehindPongs",
    "ReservedBitsSet",
    "ReservedCloseCode",
    "ReservedOpcodesBehindPongs",
    "WindowForgotten",
]

_MASK = b"tank"


def _write(connection: Connection, data: bytes) -> None:
    """Send bytes as they are, unless the connection is over."""
    if not connection.is_closing and not connection.transport.is_closing():
        connection.transport.write(data)


class MaskedMessages(SoundServer):
    """Messages are masked, as those of a client are."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Mask it."""
        _write(connection, encode_frame(opcode, payload, mask=_MASK))


class ReservedBitsSet(SoundServer):
    """Messages have a reserved bit set that nobody gave a meaning."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Set RSV2."""
        _write(connection, encode_frame(opcode, payload, rsv2=True))


class LongLengths(SoundServer):
    """Lengths of messages are always written in 64 bits."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Write it so."""
        _write(connection, encode_frame(opcode, payload, length_form=64))


class FragmentedPongs(SoundServer):
    """Pongs have no FIN, as if something were to follow."""

    def on_control(self, connection: Connection, control: Control) -> None:
        """Leave it out."""
        if control.opcode == Opcode.PING:
            pong = encode_frame(Opcode.PONG, control.payload, fin=False)
            _write(connection, pong)


class HalfAPong(SoundServer):
    """A ping is answered with half a pong, and the end of TCP."""

    def on_control(self, connection: Connection, control: Control) -> None:
        """Leave in the middle of a frame."""
        if control.opcode == Opcode.PING:
            pong = encode_frame(Opcode.PONG, control.payload)
            _write(connection, pong[: len(pong) // 2])
            self.leave(connection)
            connection.end()


class _Trailing(SoundServer):
    """Something follows each pong."""

    trailer = b""

    def on_control(self, connection: Connection, control: Control) -> None:
        """Answer, and send it."""
        super().on_control(connection, control)
        if control.opcode == Opcode.PING:
            _write(connection, self.trailer)


class ReservedOpcodesBehindPongs(_Trailing):
    """A frame whose opcode has no meaning follows each pong."""

    trailer = encode_frame(0x3)


class OrphansBehindPongs(_Trailing):
    """A continuation of nothing follows each pong."""

    trailer = encode_frame(Opcode.CONTINUATION, b"orphan")


class BadTextBehindPongs(_Trailing):
    """A text message that is not UTF-8 follows each pong."""

    trailer = encode_frame(Opcode.TEXT, b"caf\xe9")


class EndlessFrameBehindPongs(_Trailing):
    """The header of a frame of 2**63 bytes follows each pong, and the end of TCP."""

    trailer = encode_frame(Opcode.BINARY, declared_length=2**63)

    def on_control(self, connection: Connection, control: Control) -> None:
        """Do not keep anybody waiting for so many bytes."""
        super().on_control(connection, control)
        if control.opcode == Opcode.PING:
            self.leave(connection)
            connection.end()


class ReservedCloseCode(SoundServer):
    """Close frames are answered with 1005, which is never on the wire."""

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Say what only an API may say (RFC 6455 7.4.1)."""
        self.leave(connection)
        connection.send(Opcode.CLOSE, (1005).to_bytes(2, "big"))
        connection.end()


# Compression


class Deflating(SoundServer):
    """A sound server that agrees to permessage-deflate, and compresses messages."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._agreed: DeflateParameters | None = None
        self._deflaters: dict[Connection, Deflater] = {}

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Agree to the first offer that can be kept."""
        self._agreed = None
        judged = super().judge(request)
        if isinstance(judged, Refusal):
            return judged
        offers = parse_elements(request.headers.all("Sec-WebSocket-Extensions"))
        self._agreed = negotiate(offers or (), DeflateParameters())
        return msgspec.structs.replace(judged, deflate=self._agreed)

    def make_reader(self) -> Reader:
        """Inflate what comes, as the handshake before has it."""
        if self._agreed is None:
            return super().make_reader()
        return MessageReader(
            expect_mask=True,
            limits=MessageLimits(message_bytes=MAX_MESSAGE, fragments=MAX_FRAGMENTS),
            inflater=inflater_for(self._agreed, by_server=True, limit=MAX_MESSAGE),
        )

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Give the connection what its messages are compressed with."""
        super().shake_hands(connection, request)
        if self._agreed is not None and connection in self.open:
            self._deflaters[connection] = self.make_deflater(self._agreed)

    def make_deflater(self, agreed: DeflateParameters) -> Deflater:
        """Return what compresses as it is agreed."""
        return deflater_for(agreed, by_server=True)

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Compress it, where that is agreed."""
        deflater = self._deflaters.get(connection)
        if deflater is None:
            super().push(connection, opcode, payload)
        else:
            deflated = deflater.deflate(payload)
            _write(connection, encode_frame(opcode, deflated, rsv1=True))

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Forget what it was compressed with."""
        self._deflaters.pop(connection, None)
        super().on_lost(connection, error)


class ContextKept(Deflating):
    """Messages point back into those before, though it agreed that none would."""

    def make_deflater(self, agreed: DeflateParameters) -> Deflater:
        """Forget that much."""
        return super().make_deflater(
            msgspec.structs.replace(agreed, server_no_context_takeover=False)
        )


class WindowForgotten(Deflating):
    """Messages point back farther than the window that it agreed to."""

    def make_deflater(self, agreed: DeflateParameters) -> Deflater:
        """Take the largest window."""
        return super().make_deflater(
            msgspec.structs.replace(agreed, server_max_window_bits=None)
        )
