"""Servers for peers to meet, each on a port of its own."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wavetank.net import ThrowAwayAuthority
from wavetank.wire import HeadReader, Request, Upgrade, judge_request
from wavetank.wire import switching_protocols as switching

Handler = Callable[[ServerConnection], Awaitable[None]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Shake = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Request]]
Start = Callable[..., Awaitable[str]]


@pytest.fixture
async def served() -> AsyncIterator[Start]:
    """Start a sound WebSocket server with this handler; return its URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            handler: Handler, *, tls: ssl.SSLContext | None = None, **options: Any
        ) -> str:
            # A client that goes away in the middle is what many tests are about.
            options.setdefault("close_timeout", 1)
            server = await stack.enter_async_context(
                serve(handler, "127.0.0.1", 0, ssl=tls, **options)
            )
            port = server.sockets[0].getsockname()[1]
            return f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}"

        yield start


@pytest.fixture
async def scripted() -> AsyncIterator[Start]:
    """Start a raw TCP server that talks as told to; return its URL."""
    servers: list[asyncio.Server] = []
    talks: set[asyncio.Task[None]] = set()

    async def start(talk: Talk, *, tls: ssl.SSLContext | None = None) -> str:
        async def accept(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            try:
                # A peer that goes away, or the end of the test, is no error here.
                with contextlib.suppress(
                    asyncio.CancelledError, OSError, asyncio.IncompleteReadError
                ):
                    await talk(reader, writer)
            finally:
                talks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}"

    yield start
    for server in servers:
        server.close()
    for task in talks:
        task.cancel()
    if talks:
        await asyncio.wait(talks)
    for server in servers:
        await server.wait_closed()


@pytest.fixture
def shake_hands() -> Shake:
    """Answer the opening handshake in a raw server, and return the request."""

    async def shake(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request:
        request = HeadReader().feed(await reader.readuntil(b"\r\n\r\n"))
        assert isinstance(request, Request)
        upgrade = judge_request(request)
        assert isinstance(upgrade, Upgrade)
        writer.write(switching(upgrade))
        return request

    return shake


@pytest.fixture(scope="session")
def authority() -> Iterator[ThrowAwayAuthority]:
    """One certificate authority for all tests: keys take their time."""
    with ThrowAwayAuthority() as opened:
        yield opened


class Listening:
    """Listens in on a connection, and keeps what it is told."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.said = bytearray()
        self.steps: list[str] = []

    def received(self, data: bytes) -> None:
        """Keep what comes."""
        self.heard += data

    def sent(self, data: bytes) -> None:
        """Keep what goes."""
        self.said += data

    def ended(self) -> None:
        """Keep that it ended."""
        self.steps.append("ended")

    def waited(self) -> None:
        """Keep that somebody waited."""
        self.steps.append("waited")


@pytest.fixture
def listening() -> Listening:
    """Somebody who listens in on a connection."""
    return Listening()
