"""A hub that does exactly what a test tells it to, good or bad."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wavetank.client.backoff import Backoff
from wavetank.protocol import format_tag, next_tag

DEADLINE = 20.0
"""Seconds that anything may take before a test gives up; nothing waits so long."""

WELCOME: dict[str, Any] = {
    "type": "welcome",
    "protocol": "wavetank.v1",
    "connection": "c-1",
    "node": "fake",
    "version": "0",
    "ts": 1.0,
    "auth": "none",
    "ping_interval_ms": 60_000,
    "limits": {
        "message_bytes": 1_000_000,
        "payload_bytes": 65_536,
        "topics": 128,
        "commands_per_s": None,
        "publish_per_s": None,
        "first_command_ms": 10_000,
    },
    "features": [],
}


class FakeLog:
    """A topic's log: payloads and the chain of their tags."""

    def __init__(self, topic: str, epoch: str = "e") -> None:
        self.topic = topic
        self.epoch = epoch
        self.payloads: list[str] = []
        self.tags = [0]

    @property
    def top(self) -> int:
        """Its last seq."""
        return len(self.payloads)

    def append(self, payload: Any = 1) -> dict[str, Any]:
        """Publish; return the event."""
        text = json.dumps(payload)
        self.payloads.append(text)
        self.tags.append(next_tag(self.tags[-1], self.top, text.encode()))
        return self.event(self.top)

    def event(self, seq: int, **more: Any) -> dict[str, Any]:
        """Return an event as it is sent."""
        data = json.loads(self.payloads[seq - 1])
        event = {"type": "event", "topic": self.topic, "seq": seq, "ts": 1000.0}
        return event | more | {"data": data}

    def events(self, after: int) -> list[dict[str, Any]]:
        """Return all events behind a seq."""
        return [self.event(seq) for seq in range(after + 1, self.top + 1)]

    def tag(self, seq: int) -> str:
        """Return the tag of a seq."""
        return format_tag(self.tags[seq])

    def start(self, after: int | None = None, **more: Any) -> dict[str, Any]:
        """Return what an answer says of this topic."""
        at = self.top if after is None else after
        return {
            "epoch": self.epoch,
            "seq": self.top,
            "tag": self.tag(self.top),
            "oldest": 1,
            "recovered": None if after is None else True,
            "reason": None,
            "after": {"seq": at, "tag": self.tag(at)},
        } | more


class Call:
    """One connection of a client, seen from the hub."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.over = asyncio.Event()

    @property
    def headers(self) -> Any:
        """Headers of the opening handshake."""
        assert self.socket.request is not None
        return self.socket.request.headers

    async def send(self, *messages: dict[str, Any]) -> None:
        """Send messages."""
        for message in messages:
            await self.socket.send(json.dumps(message))

    async def raw(self, data: str | bytes) -> None:
        """Send anything."""
        await self.socket.send(data)

    async def welcome(self, **more: Any) -> None:
        """Greet."""
        await self.send(WELCOME | more)

    async def read(self, kind: str = "") -> dict[str, Any]:
        """Return the next command; it has to be of this type."""
        async with asyncio.timeout(DEADLINE):
            command: dict[str, Any] = json.loads(await self.socket.recv())
        assert kind in {"", command["type"]}, command
        return command

    async def answer(
        self, log: FakeLog, after: int | None = None, **more: Any
    ) -> dict[str, Any]:
        """Answer a subscribe; return the command."""
        command = await self.read("subscribe")
        fields = log.start(after, **more)
        await self.send(
            {"type": "subscribed", "id": command["id"], "topic": log.topic} | fields
        )
        return command

    async def resume(self, log: FakeLog) -> dict[str, Any]:
        """Answer a subscribe behind a position, and replay; return the command."""
        command = await self.read("subscribe")
        after = command["since"]["seq"]
        fields = log.start(after)
        await self.send(
            {"type": "subscribed", "id": command["id"], "topic": log.topic} | fields,
            *log.events(after),
        )
        return command

    async def refuse(self, id: Any, code: str, **more: Any) -> None:
        """Answer with an error."""
        fields = {"message": code, "retryable": False, "fatal": False, "ts": 1.0}
        await self.send({"type": "error", "id": id, "code": code} | fields | more)

    async def acknowledge(
        self, command: dict[str, Any], seq: int | None = 1, **more: Any
    ) -> None:
        """Answer a publish."""
        answer = {
            "type": "published",
            "id": command["id"],
            "topic": command["topic"],
            "epoch": "e",
            "seq": seq,
            "duplicate": False,
        }
        await self.send(answer | more)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close."""
        await self.socket.close(code, reason)

    def cut(self) -> None:
        """Cut the connection, without any handshake."""
        self.socket.transport.abort()

    async def closed(self) -> int:
        """Wait until the client closes; return its code, 1006 without one."""
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else 1006


class FakeHub:
    """Listens; each connection is handed to the test, which plays the hub."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.answered: list[Call] = []
        self.server: Server | None = None
        self.options: dict[str, Any] = {}
        self.scheme = "ws"
        self.port = 0

    async def start(self, port: int = 0, **options: Any) -> None:
        """Listen."""
        self.options |= options
        self.scheme = "wss" if options.get("ssl") else "ws"
        self.server = await serve(
            self._answer,
            "127.0.0.1",
            port,
            subprotocols=["wavetank.v1"],  # type: ignore[list-item] # a NewType of str
            ping_interval=None,
            close_timeout=1,
            **self.options,
        )
        self.port = int(next(iter(self.server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        """Where it listens, or did."""
        return f"{self.scheme}://127.0.0.1:{self.port}/ws"

    async def _answer(self, socket: ServerConnection) -> None:
        call = Call(socket)
        self.answered.append(call)
        self.calls.put_nowait(call)
        await call.over.wait()

    async def call(self) -> Call:
        """Return the next connection, before its welcome."""
        async with asyncio.timeout(DEADLINE):
            return await self.calls.get()

    async def greeted(self, **more: Any) -> Call:
        """Return the next connection, greeted."""
        call = await self.call()
        await call.welcome(**more)
        return call

    async def stop(self) -> None:
        """Stop listening; cut what is open."""
        if self.server is None:
            return
        self.server.close(close_connections=False)
        for call in self.answered:
            call.over.set()
            call.cut()
        await self.server.wait_closed()
        self.server = None


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """Give a hub that listens."""
    hub = FakeHub()
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def make_log() -> type[FakeLog]:
    """Give what makes a topic's log."""
    return FakeLog


class Lines:
    """Log lines as values."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.came = asyncio.Event()

    def __call__(self, _logger: Any, level: str, event: dict[str, Any]) -> Any:
        """Keep a line."""
        self.events.append(event | {"level": level})
        raise structlog.DropEvent

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return [event["event"] for event in self.events]

    def of(self, name: str) -> dict[str, Any]:
        """Return the first one of a name."""
        return next(event for event in self.events if event["event"] == name)


@pytest.fixture
def lines() -> Lines:
    """Give the client's log lines."""
    return Lines()


@pytest.fixture
def quick(lines: Lines) -> dict[str, Any]:
    """Give options with which nothing takes long."""
    logger = structlog.wrap_logger(
        logging.getLogger("test"),
        processors=[lines],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    return {
        "backoff": Backoff(base=0.001, cap=0.01),
        "rng": random.Random(7),
        "logger": logger,
    }


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Give a wait for something that nobody tells."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - nobody tells; this only gives way
                await asyncio.sleep(0)

    return wait
