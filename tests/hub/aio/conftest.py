"""A hub on free ports inside the test's own loop, and clients that speak with it."""

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from wavetank.clock import Clock, SystemClock, VirtualClock
from wavetank.hub import HubConfig, Ports
from wavetank.hub.aio import MemoryLog, Node, Server
from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.logs import Log
from wavetank.hub.duplicates import Origin
from wavetank.hub.log import Bounds, Entry
from wavetank.wire import FrameReader

DEADLINE = 20.0
"""Seconds that anything may take before a test gives up; nothing waits so long."""


class Lines(io.StringIO):
    """The hub's log lines."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return them as values."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


class Talker:
    """A client that speaks JSON and keeps nothing to itself."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ids = 0

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.socket.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(DEADLINE):
            message: dict[str, Any] = json.loads(await self.socket.recv())
            return message

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send a command and return the reply, passing over what else comes."""
        self.ids += 1
        await self.send(id=self.ids, **message)
        while True:
            answer = await self.receive()
            if answer.get("id") == self.ids:
                return answer

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Return so many events, passing over heartbeats."""
        found = []
        while len(found) < count:
            message = await self.receive()
            if message["type"] != "heartbeat":
                found.append(message)
        return found

    async def closed(self) -> tuple[int, str]:
        """Wait for the end; return close code and reason."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as error:
            received = error.rcvd
            return (received.code, received.reason) if received else (1006, "")


class Hub:
    """A hub that runs in the test's loop."""

    def __init__(self, config: HubConfig, clock: Clock, log: Log | None) -> None:
        self.config = config
        self.lines = Lines()
        self.log = log or MemoryLog(
            "epoch-01",
            retention=config.retention,
            total=config.retention_total,
            wall=clock.wall,
        )
        self.node = Node(
            config,
            self.log,
            clock=clock,
            logger=make_logger(config.log_level, self.lines),
            rng=random.Random(7),
        )
        self.server = Server(self.node)
        self.stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.urls[0]

    @property
    def port(self) -> int:
        """On which port."""
        return int(self.url.rpartition(":")[2].partition("/")[0])

    async def connect(self, path: str = "/ws", **options: Any) -> ClientConnection:
        """Open a WebSocket."""
        url = self.url.removesuffix("/ws") + path
        options = {"proxy": None, "ping_interval": None, "close_timeout": 1} | options
        return await self.stack.enter_async_context(connect(url, **options))

    async def talk(self, **options: Any) -> Talker:
        """Open a WebSocket and pass over the welcome."""
        talker = Talker(await self.connect(**options))
        assert (await talker.receive())["type"] == "welcome"
        return talker

    async def open_raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a TCP connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.stack.callback(writer.close)
        return reader, writer

    async def request(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes; return status, fields and body of the answer."""
        reader, writer = await self.open_raw()
        writer.write(data)
        async with asyncio.timeout(DEADLINE):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        return int(status.split()[1]), fields, body

    async def get(self, path: str, **fields: str) -> tuple[int, dict[str, str], bytes]:
        """Ask for a page."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""])
        return await self.request(head.encode())

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is true of the hub."""
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - a hub tells nobody; this only gives way
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Close all clients and stop."""
        await self.stack.aclose()
        await self.server.stop()


StartHub = Callable[..., Awaitable[Hub]]


@pytest.fixture
async def start_hub() -> AsyncIterator[StartHub]:
    """Give a function that starts a hub; all are stopped at the end."""
    hubs: list[Hub] = []

    async def start(
        *, clock: Clock | None = None, log: Log | None = None, **changes: Any
    ) -> Hub:
        changes = {"ports": Ports(plain=0), "log_level": "debug"} | changes
        hub = Hub(HubConfig(**changes), clock or SystemClock(), log)
        hubs.append(hub)
        await hub.server.start()
        return hub

    yield start
    for hub in hubs:
        await hub.stop()


class FakeLink:
    """A connection that remembers what was asked of it."""

    try_write = None

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.calls: list[object] = []
        self.ends = 0

    def write(self, data: bytes) -> None:
        """Remember it."""
        self.writes.append(data)

    def close(self, code: int, reason: str) -> None:
        """Remember it."""
        self.calls.append((code, reason))

    def hold(self) -> None:
        """Remember it."""
        self.calls.append("hold")

    def release(self) -> None:
        """Remember it."""
        self.calls.append("release")

    def wake(self) -> None:
        """Remember it."""
        self.calls.append("wake")

    def finished(self) -> None:
        """Count it."""
        self.ends += 1

    def frames(self) -> list[tuple[int, bytes]]:
        """Return opcode and payload of everything that was written."""
        reader = FrameReader(expect_mask=False, max_payload=None)
        data = b"".join(self.writes)
        return [(frame.opcode, frame.payload) for frame in reader.feed(data)]

    def messages(self) -> list[dict[str, Any]]:
        """Return the text messages that were written, oldest first."""
        return [json.loads(data) for opcode, data in self.frames() if opcode == 1]

    def take(self) -> list[dict[str, Any]]:
        """Return the messages since the last call."""
        messages = self.messages()
        self.writes.clear()
        return messages


class FakeLog(MemoryLog):
    """A log in memory that becomes durable, and fails, when it is told to."""

    may_refuse = True

    def __init__(self) -> None:
        super().__init__("epoch-01", retention=Bounds(), total=None, wall=lambda: 0.0)
        self.is_slow = False
        self.fault: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.late: list[tuple[str, Entry]] = []

    def append(self, topic: str, entry: Entry, origin: Origin | None = None) -> None:
        """Keep an entry; tell of it now or later."""
        if self.is_slow:
            self.late.append((topic, entry))
        else:
            super().append(topic, entry, origin)

    def keep(self) -> None:
        """Make everything durable."""
        late, self.late = self.late, []
        for topic, entry in late:
            super().append(topic, entry)

    def lose(self, reason: str = "the disk is full") -> None:
        """Take back everything that is not durable."""
        late, self.late = self.late, []
        first: dict[str, int] = {}
        for topic, entry in late:
            first.setdefault(topic, entry.seq)
        for topic, seq in first.items():
            self.listener.refused(topic, seq, reason)

    async def since(
        self, topic: str, after: int, *, entries: int, size: int
    ) -> list[Entry]:
        """Read, once the gate is open."""
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return await super().since(topic, after, entries=entries, size=size)


@pytest.fixture
def link() -> FakeLink:
    """Give a connection that goes nowhere."""
    return FakeLink()


@pytest.fixture
def log() -> FakeLog:
    """Give a log whose speed the test decides."""
    return FakeLog()


@pytest.fixture
def clock() -> VirtualClock:
    """Give a clock that moves only when it is told to."""
    return VirtualClock()


@pytest.fixture
def lines() -> Lines:
    """Give the log lines of nodes without sockets."""
    return Lines()


@pytest.fixture
def make_node(log: FakeLog, clock: VirtualClock, lines: Lines) -> Callable[..., Node]:
    """Give a function that makes a node without sockets."""

    def make(**changes: Any) -> Node:
        return Node(
            HubConfig(**changes),
            log,
            clock=clock,
            logger=make_logger("debug", lines),
            rng=random.Random(7),
        )

    return make
