"""A client that reads frames only when it is told to, and answers none of them.

It refuses to know what the frames say.
"""

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

from .process import DEADLINE
from .talker import Message

__all__ = ["Rude", "intrude"]

_CLOSE = 8


class Rude:
    """One connection.

    Args:
        reader: Behind the hub's answer to the opening handshake.
        writer: To the hub.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, **message: Any) -> None:
        """Send a text message; a mask of zeros is a mask (RFC 6455 5.3)."""
        payload = json.dumps(message).encode()
        assert len(payload) < 126, "keep it short"
        self._writer.write(bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    async def frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame."""
        async with asyncio.timeout(DEADLINE):
            first, second = await self._reader.readexactly(2)
            size = second
            if second >= 126:
                size = int.from_bytes(
                    await self._reader.readexactly(2 if second == 126 else 8), "big"
                )
            return first & 15, await self._reader.readexactly(size)

    async def until_close(self) -> tuple[list[Message], int]:
        """Return the messages up to the hub's close frame, and its code."""
        found: list[Message] = []
        while True:
            opcode, payload = await self.frame()
            if opcode == _CLOSE:
                return found, int.from_bytes(payload[:2], "big")
            if opcode == 1:
                found.append(json.loads(payload))

    def close(self) -> None:
        """End the connection without a word."""
        self._writer.close()

    async def end(self) -> bytes:
        """Return the bytes up to the end of the connection."""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionResetError):
                return await self._reader.read()
            return b""


@contextlib.asynccontextmanager
async def intrude(port: int, *, buffer: int | None = None) -> AsyncIterator[Rude]:
    """Open a connection to ``/ws``.

    Args:
        port: Of the hub.
        buffer: Bytes that the kernel may keep for it.
    """
    raw = socket.socket()
    if buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    # A reader takes twice its limit, then it leaves the rest to the kernel.
    reader, writer = await asyncio.open_connection(sock=raw, limit=2048)
    key = base64.b64encode(os.urandom(16)).decode()
    fields = (
        "GET /ws HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    writer.write("\r\n".join((*fields, "", "")).encode())
    try:
        async with asyncio.timeout(DEADLINE):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        yield Rude(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
