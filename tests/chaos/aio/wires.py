"""Raw TCP ends for tests: what came, how it ended, and nothing behind the scenes."""

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

from wavetank.net.stream import reset

PATIENCE = 20.0
"""Seconds that a test waits for what is expected; machines stand still at times."""

REQUEST = (
    b"GET /x HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """Return a short frame without a mask."""
    assert len(payload) < 126
    return bytes((first, len(payload))) + payload


class Wire(asyncio.Protocol):
    """One end of a connection."""

    transport: asyncio.Transport

    def __init__(self, begun: Callable[["Wire"], None] = lambda _: None) -> None:
        self.data = b""
        self.has_fin = False
        self.lost: Exception | None = None
        self.is_lost = False
        self._begun = begun
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)
        self._begun(self)

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self._news.set()

    def eof_received(self) -> bool:
        """Stay half open, where TCP can."""
        self.has_fin = True
        self._news.set()
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep why."""
        self.lost, self.is_lost = exc, True
        self._news.set()

    @property
    def was_reset(self) -> bool:
        """Whether it ended with RST."""
        return isinstance(self.lost, ConnectionResetError)

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.transport.write(data)

    def reset(self) -> None:
        """End with RST."""
        reset(self.transport)

    async def until(self, holds: Callable[["Wire"], bool]) -> None:
        """Wait for something to become true of it."""
        async with asyncio.timeout(PATIENCE):
            while not holds(self):
                self._news.clear()
                await self._news.wait()

    async def reads(self, data: bytes) -> None:
        """Wait for exactly these bytes, and take them."""
        await self.until(lambda wire: len(wire.data) >= len(data) or wire.is_lost)
        assert self.data == data
        self.data = b""

    async def gone(self) -> None:
        """Wait for its end in both directions."""
        await self.until(lambda wire: wire.is_lost)


class Target:
    """Listens on a free port, and keeps who comes."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.wires: list[Wire] = []
        self._tls = tls
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Wire(self._take), "127.0.0.1", 0, ssl=self._tls
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        self._server.close()
        for wire in self.wires:
            wire.transport.abort()
        for wire in self.wires:
            await wire.gone()

    def _take(self, wire: Wire) -> None:
        self.wires.append(wire)
        self._news.set()

    async def guest(self, number: int = 1) -> Wire:
        """Wait for the n-th connection."""
        async with asyncio.timeout(PATIENCE):
            while len(self.wires) < number:
                self._news.clear()
                await self._news.wait()
        return self.wires[number - 1]


async def dial(port: int, tls: ssl.SSLContext | None = None) -> Wire:
    """Connect."""
    loop = asyncio.get_running_loop()
    host = "localhost" if tls else None
    _, wire = await loop.create_connection(
        Wire, "127.0.0.1", port, ssl=tls, server_hostname=host
    )
    return wire


async def settled(holds: Callable[[], bool]) -> None:
    """Wait for something that nobody tells of."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - there is no event: one look a turn
            await asyncio.sleep(0)
