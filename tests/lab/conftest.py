"""What the tests of the lab share: an environment that says nothing, servers."""

import asyncio
import collections
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wavetank.dialects import Echo, Hub
from wavetank.evidence import Record
from wavetank.lab.conformance.aio import playing
from wavetank.lab.faults import Chaos
from wavetank.lab.plan import Plan, Source
from wavetank.lab.target import Target, TargetStart, environment
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


@pytest.fixture
def records() -> list[Record]:
    """Where a test has records sent, in the order in which they came."""
    return []


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


@pytest.fixture
def started(
    plan: Callable[..., Plan], tmp_path: Path, nobodys_settings: Path
) -> Iterator[Target]:
    """A sound server that the lab has started."""
    serve = "{python} -m wavetank wreck sound --port {port}"
    ours = plan(source=Source.SERVE, url="", serve=serve)
    start = TargetStart(ours, tmp_path, environment(ours))
    yield start.run()
    start.stop()


@pytest.fixture
def preforked(
    plan: Callable[..., Plan], tmp_path: Path, nobodys_settings: Path
) -> Iterator[Callable[..., Awaitable[Target]]]:
    """Start an echo with two workers; ``mortal`` ones are not replaced."""
    starts = []

    async def start(how: str = "") -> Target:
        serve = f"{{python}} {Path(__file__).with_name('prefork.py')} {{port}} {how}"
        ours = plan(source=Source.SERVE, url="", serve=serve, dialect=Echo())
        starts.append(TargetStart(ours, tmp_path, environment(ours)))
        # It waits with a loop of its own.
        return await asyncio.to_thread(starts[-1].run)

    yield start
    for each in starts:
        each.stop()


@pytest.fixture
def make_chaos(records: list[Record]) -> Callable[[Target], Chaos]:
    """Make the chaos of a check called ``storm``, at seven seconds."""

    def make(target: Target) -> Chaos:
        return Chaos(
            target,
            suite="toy",
            check="storm",
            record=records.append,
            now=lambda: 7.0,
            seed=5,
        )

    return make


@pytest.fixture
async def own_server(sounding: Callable[..., Awaitable[SoundServer]]) -> SoundServer:
    """A sound server in this loop."""
    return await sounding()


@pytest.fixture
def not_started(own_server: SoundServer) -> Target:
    """That server, as a target that the lab did not start."""
    url = f"ws://127.0.0.1:{own_server.port}/ws"
    return Target(url=url, dialect=Hub(), subprotocols=("wavetank.v1",))


@pytest.fixture
async def calm(
    make_chaos: Callable[[Target], Chaos], not_started: Target
) -> AsyncIterator[Chaos]:
    """Chaos before that server, with nothing broken yet."""
    async with make_chaos(not_started) as chaos:
        yield chaos


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
