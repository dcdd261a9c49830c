"""What the tests of the lab share: an environment that says nothing, servers."""

import asyncio
import collections
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wavetank.dialects import Hub
from wavetank.evidence import Record
from wavetank.lab.conformance.aio import playing
from wavetank.lab.plan import Plan, Source
from wavetank.net.stream import reset
from wavetank.wire import (
    Frame,
    FrameReader,
    HeadReader,
    Request,
    Upgrade,
    encode_frame,
    judge_request,
    switching_protocols,
)
from wavetank.wrecks import SoundServer

OURS = ("WAVETANK_", "RUN_", "WEBSOCKET_", "COVERAGE_", "PYTEST_")


@pytest.fixture
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty folder and in the environment of a user who has set nothing."""
    for name in os.environ:
        # Pytest sets and removes one of its own around every test.
        if name.startswith(OURS) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def records() -> list[Record]:
    """Where a test has records sent, in the order in which they came."""
    return []


@pytest.fixture(scope="session")
def sound() -> Iterator[str]:
    """The URL of a server that nothing is wrong with, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "wavetank", "wreck", "sound"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1]
        process.terminate()


@pytest.fixture
def plan(sound: str) -> Callable[..., Plan]:
    """Make a plan for the sound server; what is given replaces its fields."""

    def make(**changes: Any) -> Plan:
        given = {
            "suites": ("toy",),
            "seed": 7,
            "source": Source.URL,
            "url": sound,
            "dialect": Hub(),
        }
        return Plan(**(given | changes))

    return make


Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture
async def served() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Start a WebSocket server with this handler; return its URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler: Handler, **options: Any) -> str:
            options.setdefault("close_timeout", 1)
            server = await stack.enter_async_context(
                serve(handler, "127.0.0.1", 0, **options)
            )
            return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield start


@pytest.fixture
async def sounding() -> AsyncIterator[Callable[..., Awaitable[SoundServer]]]:
    """Start a sound server, or a wreck, in the loop of the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(make: Callable[[], SoundServer] = SoundServer) -> SoundServer:
            server = await stack.enter_async_context(make())
            await server.start()
            return server

        yield start


class Guest:
    """A client of a rude server, as that server sees it; nothing is answered."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self._frames: collections.deque[Frame] = collections.deque()
        self._parser = FrameReader(expect_mask=True, max_payload=None, strict=False)

    async def shake_hands(self, extensions: str = "") -> None:
        """Answer the opening handshake with 101."""
        request = HeadReader(of=Request).feed(await self.head())
        assert isinstance(request, Request)
        upgrade = judge_request(request)
        assert isinstance(upgrade, Upgrade)
        answer = switching_protocols(upgrade)
        if extensions:
            line = f"Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
            answer = answer.removesuffix(b"\r\n") + line.encode()
        self.writer.write(answer)

    async def head(self) -> bytes:
        """Return the head of the request."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def frame(self) -> Frame | None:
        """Return the next frame; None behind the last one."""
        while not self._frames:
            data = await self.reader.read(65536)
            if not data:
                return None
            self._frames.extend(self._parser.feed(data))
        return self._frames.popleft()

    def send(self, opcode: int, payload: bytes = b"", **changes: Any) -> None:
        """Send a frame."""
        self.writer.write(encode_frame(opcode, payload, **changes))

    async def rest(self) -> None:
        """Read on until the client ends TCP, and say nothing."""
        while await self.reader.read(65536):
            pass

    def drop(self) -> None:
        """End TCP by RST."""
        reset(self.writer.transport)


@pytest.fixture
async def rudely() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Start a server on bare TCP with this handler of guests; return its URL.

    TCP ends where the handler does.
    """
    tasks: list[asyncio.Task[None]] = []
    servers: list[asyncio.Server] = []

    async def start(handle: Callable[[Guest], Awaitable[None]]) -> str:
        guests = 0

        async def attend(guest: Guest) -> None:
            # Who stood still too long may go before a word is said.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await handle(guest)
            guest.writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal guests
            guests += 1
            tasks.append(asyncio.create_task(attend(Guest(reader, writer, guests))))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        servers.append(server)
        return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
    await asyncio.gather(*tasks)


class Clock:
    """A clock that goes on as any other, and leaps where a test says so."""

    ahead = 0.0
    timers_ahead = 0.0

    def leap(self, seconds: float, *, timers: bool = True) -> None:
        """Leap; whatever waits for less is over in the loop's next turn.

        Args:
            seconds: How far.
            timers: Whether the loop's own timers see it, too.
        """
        self.ahead += seconds
        self.timers_ahead += seconds if timers else 0.0


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of the loop, and of whoever plays cases."""
    leaping, loop = Clock(), asyncio.get_running_loop()
    steady = loop.time
    monkeypatch.setattr(loop, "time", lambda: steady() + leaping.timers_ahead)
    told = SimpleNamespace(monotonic=lambda: time.monotonic() + leaping.ahead)
    monkeypatch.setattr(playing, "time", told)
    return leaping
