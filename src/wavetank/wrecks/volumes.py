"""Wrecks that lose count of messages, or compress them in another way than was said.

They refuse to know what is in a message.
"""

import msgspec

from wavetank.wire import (
    DeflateParameters,
    Deflater,
    Refusal,
    Request,
    Upgrade,
    encode_frame,
)
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.counting import EveryNth
from wavetank.wrecks.frames import Deflating

__all__ = [
    "CompressionUnmarked",
    "ContextShared",
    "EveryTwoHundredthTwice",
    "WindowRaised",
]


class EveryTwoHundredthTwice(EveryNth):
    """Of the messages to one connection, every 200th is sent twice."""

    each = 200

    def fail(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send, and send."""
        for _ in range(2):
            connection.send(opcode, payload)


class ContextShared(Deflating):
    """All connections are compressed with one and the same context."""

    shared: Deflater | None = None

    def make_deflater(self, agreed: DeflateParameters) -> Deflater:
        """Return that of the first connection."""
        self.shared = self.shared or super().make_deflater(agreed)
        return self.shared


class CompressionUnmarked(Deflating):
    """Compressed messages go out without RSV1."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Leave it out."""
        deflater = self._deflaters.get(connection)
        if deflater is None:
            super().push(connection, opcode, payload)
        elif not connection.is_closing:
            deflated = deflater.deflate(payload)
            connection.transport.write(encode_frame(opcode, deflated))


class WindowRaised(Deflating):
    """An offer of a smaller window is answered with a larger one."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Name 15 bits."""
        judged = super().judge(request)
        if isinstance(judged, Refusal) or judged.deflate is None:
            return judged
        if judged.deflate.server_max_window_bits is None:
            return judged
        deflate = msgspec.structs.replace(judged.deflate, server_max_window_bits=15)
        return msgspec.structs.replace(judged, deflate=deflate)
