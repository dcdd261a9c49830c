"""A client that speaks raw JSON, on the library `websockets` and nothing of ours.

It refuses to know what an answer should be; payloads are kept byte for byte.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from .process import DEADLINE

__all__ = ["NO_HUB", "Message", "Talker", "hear", "talk"]

NO_HUB = (OSError, EOFError, ConnectionClosed, InvalidHandshake)
"""What happens to a client whose hub is gone, whatever it was doing."""

Message = dict[str, Any]


class _Event(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()


class _Payloads(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()
    events: list[_Event] = []


def hear(text: str | bytes) -> Message:
    """Read a message; each event gets its exact bytes as ``payload``."""
    message: Message = json.loads(text)
    if message["type"] in {"event", "history"}:
        exact = msgspec.json.decode(text, type=_Payloads)
        message["payload"] = bytes(exact.data)
        pairs = zip(message.get("events", ()), exact.events, strict=True)
        for event, of_event in pairs:
            event["payload"] = bytes(of_event.data)
    return message


class Talker:
    """One connection.

    Args:
        socket: It is open.

    Attributes:
        socket: As given.
        welcome: The hub's first message.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: Message = {}
        self._put_aside: deque[Message] = deque()
        self._ids = 0

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.socket.send(json.dumps(message))

    async def publish(self, payload: bytes, **fields: Any) -> None:
        """Send a publication whose payload is these very bytes."""
        head = json.dumps({"type": "publish", **fields}).encode()
        await self.socket.send(b'%b,"data":%b}' % (head[:-1], payload), text=True)

    async def receive(self) -> Message:
        """Return the next message, first of those that ``ask`` has put aside."""
        if self._put_aside:
            return self._put_aside.popleft()
        return await self._receive()

    async def _receive(self) -> Message:
        try:
            async with asyncio.timeout(DEADLINE) as bound:
                return hear(await self.socket.recv(decode=False))
        except TimeoutError:
            assert not bound.expired(), "the hub is silent"
            raise

    async def ask(self, **message: Any) -> Message:
        """Send a command and return its reply; what comes before is put aside."""
        self._ids += 1
        id = f"q{self._ids}"
        await self.send(id=id, **message)
        while True:
            answer = await self._receive()
            if answer.get("id") == id:
                return answer
            self._put_aside.append(answer)

    async def events(self, count: int) -> list[Message]:
        """Return the next messages, so many, passing over heartbeats."""
        found: list[Message] = []
        while len(found) < count:
            message = await self.receive()
            if message["type"] != "heartbeat":
                found.append(message)
        return found

    async def rest(self) -> tuple[list[Message], int]:
        """Return all messages up to the end, and the close code."""
        found: list[Message] = []
        try:
            while True:
                found.append(await self.receive())
        except ConnectionClosed as error:
            return found, error.rcvd.code if error.rcvd else 1006

    async def read_log(self, topic: str) -> list[Message]:
        """Return all that a topic retains; the last one is the last reply."""
        since: Any = "earliest"
        found: list[Message] = []
        while True:
            page = await self.ask(type="history", topic=topic, since=since, limit=1000)
            found += page["events"]
            if not page["more"]:
                return [*found, page]
            since = {"epoch": page["epoch"], "seq": found[-1]["seq"]}

    def __repr__(self) -> str:
        """Show who it is."""
        return f"<Talker {self.welcome.get('connection')}>"


@contextlib.asynccontextmanager
async def talk(url: str, **options: Any) -> AsyncIterator[Talker]:
    """Open a connection and take the welcome."""
    options = {
        "proxy": None,
        "ping_interval": None,
        "close_timeout": 1,
        "compression": None,
        "max_size": None,
    } | options
    async with connect(url, **options) as socket:
        talker = Talker(socket)
        talker.welcome = await talker.receive()
        assert talker.welcome["type"] == "welcome", talker.welcome
        yield talker
