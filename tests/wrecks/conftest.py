"""What the tests of wrecks share: a server on a free port and a raw peer."""

import asyncio
import collections
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from wavetank.wire import Frame, FrameReader, Opcode, encode_frame
from wavetank.wrecks import SoundServer

DEADLINE = 10.0
"""Seconds after which a test gives up; nothing is measured against it."""

KEY = "dGhlIHNhbXBsZSBub25jZQ=="

HANDSHAKE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "wavetank.v1",
}


class Raw:
    """A peer that writes bytes and reads frames, each under the deadline."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.last_id = 0
        self._lax = FrameReader(expect_mask=False, max_payload=None, strict=False)
        self._frames: collections.deque[Frame] = collections.deque()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def ask(self, path: str, **changes: str | None) -> None:
        """Send a request head; a field set to None is left out."""
        fields = HANDSHAKE | {key.replace("_", "-"): changes[key] for key in changes}
        lines = [f"GET {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if value]
        self.write("\r\n".join([*lines, "", ""]).encode())

    async def head(self) -> str:
        """Return the response head."""
        async with asyncio.timeout(DEADLINE):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    def send(self, opcode: int, payload: bytes = b"", **overrides: Any) -> None:
        """Send one frame, masked unless told otherwise."""
        self.write(encode_frame(opcode, payload, **{"mask": b"wave"} | overrides))

    def command(self, type_: str, **fields: Any) -> int:
        """Send a command and return its id."""
        self.last_id += 1
        message = {"type": type_, "id": self.last_id, **fields}
        self.send(Opcode.TEXT, json.dumps(message).encode())
        return self.last_id

    async def done(self, type_: str, **fields: Any) -> dict[str, Any]:
        """Send a command; return its reply, and drop what comes before it."""
        id_ = self.command(type_, **fields)
        while True:
            message = await self.message()
            if message.get("id") == id_:
                return message

    async def frame(self) -> Frame | None:
        """Return the next frame; None at the end."""
        async with asyncio.timeout(DEADLINE):
            while not self._frames:
                data = await self.reader.read(65_536)
                if not data:
                    return None
                self._frames.extend(self._lax.feed(data))
        return self._frames.popleft()

    async def text(self) -> str:
        """Return the payload of the next frame as text."""
        frame = await self.frame()
        assert frame is not None
        return frame.payload.decode()

    async def message(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(await self.text())
        return message

    async def close_code(self) -> int:
        """Return the code of the close frame that comes, after whatever else."""
        while True:
            frame = await self.frame()
            assert frame is not None, "it ended without a close frame"
            if frame.opcode == Opcode.CLOSE:
                return int.from_bytes(frame.payload[:2], "big")

    async def ended(self) -> bool:
        """Wait for the end of the connection; True where nothing else came."""
        return await self.frame() is None

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Start = Callable[..., Awaitable[Any]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start servers on free ports; all of them end with the test."""
    servers: list[SoundServer] = []

    async def start(kind: Any = SoundServer, **options: Any) -> Any:
        listen = {
            name: options.pop(name)
            for name in ("port", "tls_port", "cert", "key")
            if name in options
        }
        server = kind(**options)
        servers.append(server)
        await server.start(**listen)
        return server

    yield start
    async with asyncio.timeout(DEADLINE):
        for server in servers:
            await server.stop()


@pytest.fixture
async def connect() -> AsyncIterator[Start]:
    """Connect raw peers; a path does the opening handshake, too."""
    peers: list[Raw] = []

    async def connect(
        server: SoundServer,
        path: str | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        port: int | None = None,
        **changes: str | None,
    ) -> Raw:
        port = port or (server.tls_port if tls else server.port)
        host = {"server_hostname": "localhost"} if tls else {}
        async with asyncio.timeout(DEADLINE):
            streams = await asyncio.open_connection("127.0.0.1", port, ssl=tls, **host)
        peer = Raw(*streams)
        peers.append(peer)
        if path is not None:
            peer.ask(path, **changes)
            assert "101" in (await peer.head()).partition("\r\n")[0]
        return peer

    yield connect
    for peer in peers:
        peer.writer.transport.abort()
    for peer in peers:
        try:
            async with asyncio.timeout(DEADLINE):
                await peer.writer.wait_closed()
        except OSError:
            pass  # an end that the test wanted


@pytest.fixture
async def greeted(connect: Start) -> Start:
    """Connect raw peers to ``/ws`` and take their welcome."""

    async def greeted(server: SoundServer) -> Raw:
        peer: Raw = await connect(server, "/ws")
        assert (await peer.message())["type"] == "welcome"
        return peer

    return greeted


@pytest.fixture
def echoed(connect: Start) -> Start:
    """Connect raw peers to ``/echo``, with an offer of compression or without."""

    async def echoed(server: SoundServer, offer: str | None = None) -> Raw:
        fields = {"Sec_WebSocket_Protocol": None, "Sec_WebSocket_Extensions": offer}
        peer: Raw = await connect(server, "/echo", **fields)
        return peer

    return echoed


@pytest.fixture
def authority() -> trustme.CA:
    """Return the one authority that the tests' peers trust."""
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    """Write a certificate for localhost; return the paths as options."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    paths = {"cert": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    issued.cert_chain_pems[0].write_to_path(paths["cert"])
    issued.private_key_pem.write_to_path(paths["key"])
    return paths


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return a TLS context that trusts the authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def reached(is_so: Callable[[], bool]) -> None:
    """Give way until something is so, under the deadline."""
    async with asyncio.timeout(DEADLINE):
        while not is_so():  # noqa: ASYNC110  # the server tells nobody of its state
            await asyncio.sleep(0)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Return what waits until a server is as it should be."""
    return reached


async def round_trip(peer: Raw, topic: str = "check.round") -> None:
    """Publish to oneself and see the event come back."""
    reply = await peer.done("subscribe", topic=topic)
    assert reply["type"] == "subscribed"
    peer.command("publish", topic=topic, data={"price": 67123.25})
    seen = {(await peer.message())["type"] for _ in range(2)}
    assert seen == {"published", "event"}
    assert (await peer.done("unsubscribe", topic=topic))["type"] == "unsubscribed"


@pytest.fixture
def whole() -> Callable[[Raw], Awaitable[None]]:
    """Return the plain round trip that every wreck is good for."""
    return round_trip


async def events(peer: Raw) -> list[tuple[int, Any]]:
    """Return number and payload of all events up to the answer to a question."""
    id_ = peer.command("ping")
    seen = []
    while (message := await peer.message()).get("id") != id_:
        if message["type"] == "event":
            seen.append((message["seq"], message["data"]))
    return seen


@pytest.fixture
def heard() -> Callable[[Raw], Awaitable[list[tuple[int, Any]]]]:
    """Return what reads a peer's events, up to the answer to a question."""
    return events


@pytest.fixture
def published(greeted: Start) -> Start:
    """Publish numbers from 1 on, each acknowledged; return the last reply."""

    async def published(
        server: SoundServer, count: int, topic: str = "t"
    ) -> dict[str, Any]:
        speaker: Raw = await greeted(server)
        reply: dict[str, Any] = {}
        for number in range(1, count + 1):
            reply = await speaker.done("publish", topic=topic, data=f"n-{number}")
        return reply

    return published


def widen(sock: Any, size: int) -> None:
    """Set how much the system keeps of what is sent, or has come."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


@pytest.fixture
def stuck(greeted: Start) -> Start:
    """Subscribe a peer to ``t`` that reads no more, over a narrow connection."""

    async def stuck(server: SoundServer) -> Raw:
        peer: Raw = await greeted(server)
        await peer.done("subscribe", topic="t")
        widen(list(server.open)[-1].transport.get_extra_info("socket"), 16_384)
        widen(peer.writer.get_extra_info("socket"), 16_384)
        return peer

    return stuck


@pytest.fixture
def relieved() -> Callable[[Raw], None]:
    """Let a peer that was stuck take more at once, so that it has all soon."""

    def relieved(peer: Raw) -> None:
        widen(peer.writer.get_extra_info("socket"), 1_048_576)

    return relieved
