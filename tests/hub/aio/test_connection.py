"""One connection: it reads, answers HTTP or shakes hands, and writes."""

import asyncio
import errno
import json
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from msgspec import Raw
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wavetank.hub import ConnectionLimits
from wavetank.hub.aio.connection import Connection
from wavetank.hub.aio.http import Pages
from wavetank.hub.aio.member import Member
from wavetank.hub.aio.receipt import Receipt
from wavetank.hub.aio.websocket import WebSocket
from wavetank.hub.limits import Crowd
from wavetank.protocol import Publish
from wavetank.wire import FrameReader

pytestmark = pytest.mark.anyio

StartHub = Callable[..., Awaitable[Any]]
DEADLINE = 20.0
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run everything on both event loops: their transports differ in small ways."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side ends."""
    async with asyncio.timeout(DEADLINE):
        return await reader.read()


# HTTP.


async def test_connection_answers_pages(start_hub: StartHub) -> None:
    """On the same port as WebSockets."""
    hub = await start_hub()
    assert (await hub.get("/healthz", Connection="close"))[0] == 200
    status, fields, body = await hub.get("/api/websocket/status", Connection="close")
    assert (status, fields["Content-Type"]) == (200, "application/json")
    assert json.loads(body)["connections"]["open"] == 0
    assert (await hub.get("/nothing"))[0] == 404


async def test_connection_answers_several_requests_and_then_talks(
    start_hub: StartHub,
) -> None:
    """A WebSocket may be the third request of a connection that was kept."""
    hub = await start_hub()
    reader, writer = await hub.open_raw()
    async with asyncio.timeout(DEADLINE):
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\nok\n")
        writer.write(HANDSHAKE.format(path="/ws").encode())
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"]}")
    assert hub.node.admission.open == 1


async def test_connection_answers_head_without_a_body(start_hub: StartHub) -> None:
    """Only its length."""
    hub = await start_hub()
    request = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, fields, body = await hub.request(request)
    assert (status, fields["Content-Length"], body) == (200, "3", b"")


def posting(body: bytes, *fields: str) -> bytes:
    """Return a request that publishes."""
    fixed = ("Host: 127.0.0.1", "Connection: close")
    lines = ["POST /api/publish HTTP/1.1", *fixed, *fields, "", ""]
    return "\r\n".join(lines).encode() + body


async def test_connection_reads_a_body_however_it_comes(start_hub: StartHub) -> None:
    """With the head, behind it, byte by byte, and after 100 Continue."""
    hub = await start_hub()
    body = b'{"topic":"t","data":1}'
    length = f"Content-Length: {len(body)}"
    assert (await hub.request(posting(body, length)))[0] == 200
    reader, writer = await hub.open_raw()
    writer.write(posting(b"", length, "Expect: 100-continue"))
    async with asyncio.timeout(DEADLINE):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    for byte in body:
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    answer = await read_all(reader)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"seq":2' in answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (posting(b""), 411),
        (posting(b"", "Transfer-Encoding: chunked"), 411),
        (posting(b"", "Content-Length: x"), 400),
        (posting(b"", "Content-Length: -1"), 400),
        (posting(b"", "Content-Length: 1", "Content-Length: 2"), 400),
        (posting(b"", "Content-Length: 1048577"), 413),
        (posting(b"", "Content-Length: 99999999999999999999"), 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 16_384, 431),
        (b"\x16\x03\x01\x00\xa5\x01", 400),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (b"POST /ws HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (HANDSHAKE.format(path="/echo").encode(), 404),
        (HANDSHAKE.format(path="/ws?token=x").encode(), 400),
    ],
)
async def test_connection_refuses_with_a_status(
    start_hub: StartHub, data: bytes, status: int
) -> None:
    """Each refusal says why in words, and ends the connection."""
    hub = await start_hub()
    seen, fields, body = await hub.request(data)
    assert seen == status
    assert fields["Connection"] == "close"
    assert body.endswith(b"\n")
    await hub.until(lambda: hub.node.tally.rejected[str(status)] == 1)


async def test_connection_has_no_limit_of_a_body_where_that_was_typed(
    start_hub: StartHub,
) -> None:
    """Only the payload's own limit is left."""
    hub = await start_hub(limits=ConnectionLimits(message_bytes=None))
    body = b'{"topic":"t","data":"' + b"x" * 1_200_000 + b'"}'
    request = posting(body, f"Content-Length: {len(body)}")
    status, _, answer = await hub.request(request)
    assert (status, json.loads(answer)["code"]) == (413, "payload_too_large")


async def test_connection_ends_after_a_request_that_took_too_long(
    start_hub: StartHub,
) -> None:
    """408, whether nothing came, half a head, or half a body."""
    hub = await start_hub(handshake=0.05)
    for data in (b"", b"GET / HT", posting(b"{", "Content-Length: 9")):
        reader, writer = await hub.open_raw()
        writer.write(data)
        assert (await read_all(reader)).startswith(b"HTTP/1.1 408 ")


async def test_connection_answers_a_peer_that_has_ended_its_side(
    start_hub: StartHub,
) -> None:
    """As `nc` and simple health checks do."""
    hub = await start_hub()
    reader, writer = await hub.open_raw()
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    writer.write_eof()
    assert b"200 OK" in await read_all(reader)


async def test_connection_answers_before_it_drops_what_was_not_read(
    start_hub: StartHub,
) -> None:
    """A body that is refused does not turn the answer into a reset."""
    hub = await start_hub()
    reader, writer = await hub.open_raw()
    body = b"x" * 3_000_000
    writer.write(posting(body, f"Content-Length: {len(body)}"))
    assert (await read_all(reader)).startswith(b"HTTP/1.1 413 ")


async def test_connection_is_cut_if_the_peer_never_ends_it(start_hub: StartHub) -> None:
    """Lingering is bounded."""
    hub = await start_hub(closing=0.05)
    reader, writer = await hub.open_raw()
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    await read_all(reader)
    await hub.until(lambda: not hub.server._connections)


async def test_connection_answers_a_fault_of_its_own_with_500(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a ref that is also in the log, and no word about what it was."""

    async def fail(*args: object) -> None:
        raise ZeroDivisionError("our own fault")

    hub = await start_hub()
    monkeypatch.setattr(Pages, "answer", fail)
    status, _, body = await hub.get("/healthz", Connection="close")
    assert status == 500
    assert b"our own fault" not in body
    (event,) = [e for e in hub.lines.events if e["event"] == "connection_crashed"]
    assert event["ref"].encode() in body
    assert "ZeroDivisionError" in event["exception"]


# The opening handshake.


async def test_connection_opens_a_websocket_byte_by_byte(start_hub: StartHub) -> None:
    """The first frame may come with the handshake's last byte."""
    hub = await start_hub()
    reader, writer = await hub.open_raw()
    ping = bytes([0x89, 0x82, 1, 2, 3, 4]) + bytes([ord("h") ^ 1, ord("i") ^ 2])
    for byte in HANDSHAKE.format(path="/ws").encode():
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    writer.write(ping)
    async with asyncio.timeout(DEADLINE):
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"]}")
        assert await reader.readexactly(4) == b"\x8a\x02hi"


async def test_connection_reads_frames_that_come_with_the_handshake(
    start_hub: StartHub,
) -> None:
    """An eager client loses nothing."""
    hub = await start_hub()
    reader, writer = await hub.open_raw()
    close = bytes([0x88, 0x80, 1, 2, 3, 4])
    writer.write(HANDSHAKE.format(path="/ws").encode() + close)
    assert (await read_all(reader)).endswith(b"\x88\x00")


async def test_connection_turns_away_foreign_pages(start_hub: StartHub) -> None:
    """403 with the origin that was seen and how to allow it."""
    hub = await start_hub()
    with pytest.raises(InvalidStatus) as caught:
        await hub.connect(origin="https://evil.example")
    response = caught.value.response
    assert response.status_code == 403
    assert b"https://evil.example" in response.body
    assert b"--allow-origin" in response.body


@pytest.mark.parametrize(
    ("crowd", "status"),
    [
        (Crowd(total=1), 503),
        (Crowd(total=9, per_ip=1), 429),
        (Crowd(total=9, per_user=1), 429),
    ],
)
async def test_connection_is_refused_where_there_is_no_room(
    start_hub: StartHub, crowd: Crowd, status: int
) -> None:
    """In total, for an address and for a user; with the time to come back."""
    hub = await start_hub(crowd=crowd, tokens=("good",))
    headers = {"Authorization": "Bearer good"}
    first = await hub.connect(additional_headers=headers)
    with pytest.raises(InvalidStatus) as caught:
        await hub.connect(additional_headers=headers)
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Retry-After"] == "5"
    await first.close()
    await hub.until(lambda: not hub.node.admission.open)
    await hub.connect(additional_headers=headers)


async def test_connection_is_refused_while_the_hub_goes_away(
    start_hub: StartHub,
) -> None:
    """503."""
    hub = await start_hub()
    hub.node.is_draining = True
    with pytest.raises(InvalidStatus) as caught:
        await hub.connect()
    assert caught.value.response.status_code == 503


async def test_connection_is_refused_by_a_wrong_token(start_hub: StartHub) -> None:
    """401; the right one is welcome; neither is in the log."""
    hub = await start_hub(tokens=("good-token",))
    with pytest.raises(InvalidStatus) as caught:
        await hub.connect(additional_headers={"Authorization": "Bearer bad-token"})
    assert caught.value.response.status_code == 401
    welcome = await hub.connect(
        additional_headers={"Authorization": "Bearer good-token"}
    )
    assert json.loads(await welcome.recv())["auth"] == "accepted"
    with pytest.raises(InvalidStatus):
        await hub.connect("/ws?token=query-token")
    text = hub.lines.getvalue()
    assert "connection_opened" in text
    assert not any(f"{word}-token" in text for word in ("good", "bad", "query"))


async def test_connection_without_the_subprotocol_is_told_and_closed(
    start_hub: StartHub,
) -> None:
    """The handshake is answered without one, then the error, then 4005."""
    hub = await start_hub()
    client = await hub.connect(subprotocols=["other.v9"])
    assert client.subprotocol is None
    assert json.loads(await client.recv())["code"] == "protocol_unsupported"
    with pytest.raises(ConnectionClosed):
        await client.recv()
    assert client.close_code == 4005


# The echo.


async def test_connection_echoes(start_hub: StartHub) -> None:
    """Text as text, binary as binary, in fragments too, up to the limit."""
    hub = await start_hub(echo=True, limits=ConnectionLimits(message_bytes=200_000))
    client = await hub.connect("/echo", max_size=None)
    for message in ("hi", b"\x00\xff", "", "x" * 200_000):
        await client.send(message)
        assert await client.recv() == message
    await client.send(["a", "b", "c"])
    assert await client.recv() == "abc"
    await client.send("x" * 200_001)
    with pytest.raises(ConnectionClosed):
        await client.recv()
    assert client.close_code == 1009


async def test_connection_reads_no_more_than_it_can_echo(start_hub: StartHub) -> None:
    """A peer that sends and never reads is held, and gets all in the end."""
    hub = await start_hub(echo=True, limits=ConnectionLimits(message_bytes=None))
    client = await hub.connect("/echo", max_size=None, max_queue=1)
    messages = [bytes([number]) * 2_000_000 for number in range(10)]
    sending = asyncio.ensure_future(_send_all(client, messages))
    await hub.until(lambda: hub.node.opened and _is_held(hub))
    async with asyncio.timeout(DEADLINE):
        assert [await client.recv() for _ in messages] == messages
        await sending


async def _send_all(client: Any, messages: list[bytes]) -> None:
    for message in messages:
        await client.send(message)


def _is_held(hub: Any) -> bool:
    return any(
        not connection._transport.is_reading() for connection in hub.server._connections
    )


class SlowPeer:
    """A client that reads only when it is told to, with hardly a buffer."""

    def __init__(self, port: int, path: str = "/ws") -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.sendall(HANDSHAKE.format(path=path).encode())
        self.messages: list[dict[str, Any]] = []
        self._frames = FrameReader(expect_mask=False, max_payload=None)
        self._head = b""

    def command(self, **command: Any) -> None:
        """Send a command."""
        data = json.dumps(command).encode()
        assert len(data) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)

    async def read(self, most: int) -> None:
        """Read once; every byte has to be where it belongs."""
        async with asyncio.timeout(DEADLINE):
            while not self.read_now(most):  # noqa: ASYNC110 - a socket tells nobody
                await asyncio.sleep(0)

    def read_now(self, most: int) -> bool:
        """Read what is there; tell whether that was anything."""
        try:
            data = self.socket.recv(most)
        except BlockingIOError:
            return False
        assert data
        if not self._head.endswith(b"\r\n\r\n"):
            head, separator, data = (self._head + data).partition(b"\r\n\r\n")
            self._head = head + separator
        for frame in self._frames.feed(data):
            self.messages.append(json.loads(frame.payload))
        assert self._frames.violation is None
        return True

    def seqs(self) -> list[int]:
        """Return the seqs of the events."""
        return [each["seq"] for each in self.messages if each["type"] == "event"]

    def answers(self) -> list[int]:
        """Return the ids of the answers."""
        return [each["id"] for each in self.messages if each["type"] == "published"]


async def test_connection_keeps_the_order_of_events_and_answers_of_a_slow_reader(
    start_hub: StartHub,
) -> None:
    """Some bytes go past the transport, and some wait in its buffer."""
    hub = await start_hub()
    peer, rng = SlowPeer(hub.port), random.Random(7)
    hub.stack.callback(peer.socket.close)
    peer.command(type="subscribe", topic="t", id=0)
    await hub.until(lambda: "t" in hub.node.topics)
    receipt, asked = Receipt(), 0
    for number in range(400):
        text = b'"%s"' % (b"x" * rng.randrange(60_000))
        event = Publish(topic="t", data=Raw(text))
        hub.node.publications.publish(event, "somebody", receipt)
        hub.node.fanout.flush()
        if rng.random() < 0.1:
            asked += 1
            peer.command(type="publish", topic="u", id=asked, data=number)
        if rng.random() < 0.5:
            # No turn of the loop before the next flush: what the transport holds is
            # still there, and there is room again in the kernel.
            while rng.random() < 0.9:
                peer.read_now(rng.randrange(1, 10_000))
        else:
            await asyncio.sleep(0)
    assert hub.node.tally.slow["lag"]
    while len(peer.seqs()) < 400 or len(peer.answers()) < asked:
        await peer.read(65_536)
    assert peer.seqs() == [*range(1, 401)]
    assert peer.answers() == [*range(1, asked + 1)]


async def test_connection_that_is_full_before_its_first_event_waits(
    start_hub: StartHub,
) -> None:
    """Its transport holds bytes that events must not overtake."""
    hub = await start_hub()
    connection, transport = connect_to(hub), FakeTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    hub.stack.callback(connection.connection_lost, None)
    connection.pause_writing()
    connection.data_received(HANDSHAKE.format(path="/ws").encode())
    (member,) = hub.node.members
    assert member.is_paused
    connection.resume_writing()
    assert not member.is_paused


async def test_connection_that_is_full_with_its_handshake_waits(
    start_hub: StartHub,
) -> None:
    """The same where the answer to the handshake is what is held."""
    hub = await start_hub()
    connection, transport = connect_to(hub), FakeTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    hub.stack.callback(connection.connection_lost, None)

    def write(data: bytes) -> None:
        connection.write = transport.write
        transport.write(data)
        connection.pause_writing()

    connection.write = write
    connection.data_received(HANDSHAKE.format(path="/ws").encode())
    (member,) = hub.node.members
    assert member.is_paused


def fill_with_next(connection: Connection, transport: "FakeTransport") -> None:
    """Let the transport be full again with the next write, as it says at once."""

    def write(data: bytes) -> None:
        socket.write = transport.write
        transport.write(data)
        connection.pause_writing()

    socket = connection.socket
    assert socket is not None
    socket.write = write


@pytest.mark.parametrize("path", ["/ws", "/echo"])
async def test_connection_that_an_owed_pong_fills_again_stays_paused(
    start_hub: StartHub, path: str
) -> None:
    """The pong of a slow reader filled its transport, and events went past it."""
    hub = await start_hub(echo=True)
    connection, transport = connect_to(hub), FakeTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    hub.stack.callback(connection.connection_lost, None)
    connection.data_received(HANDSHAKE.format(path=path).encode())
    connection.pause_writing()
    connection.data_received(b"\x89\x80\0\0\0\0")
    fill_with_next(connection, transport)
    connection.resume_writing()
    assert connection.socket is not None
    speaker = connection.socket.speaker
    if isinstance(speaker, Member):
        assert speaker.is_paused
    else:
        assert not transport.is_reading
    connection.resume_writing()
    assert transport.is_reading
    assert not isinstance(speaker, Member) or not speaker.is_paused


async def test_connection_that_is_gone_has_no_subscription_whatever_fails(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket's number is given out again, and a stranger would get the events."""
    hub = await start_hub()
    talker, reader = await hub.talk(), await hub.talk()
    await talker.ask(type="publish", topic="t", data=1)
    await reader.ask(type="subscribe", topic="t")

    def fail(*_: object) -> None:
        raise LookupError("nobody may notice")

    monkeypatch.setattr(Connection, "_note_end", fail)
    failures: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    reader.socket.transport.abort()
    await hub.until(lambda: failures)
    assert not hub.node.topics["t"].subscribers
    loop.set_exception_handler(None)


async def test_connection_that_ends_while_it_resumes_ends_once(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio called ``connection_lost`` twice, and failed in its second call."""
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    monkeypatch.setattr(WebSocket, "resumed", lambda _: connection.end())
    connection.resume_writing()
    assert not transport.is_over
    await hub.until(lambda: transport.is_over)


# Turns.

TINY = b"\x82\x81\x00\x00\x00\x00"


def connect_to(hub: Any) -> Connection:
    """Return a connection that a listener has let in."""
    assert hub.server.admit("192.0.2.7", is_tls=False)
    return hub.server.receive("192.0.2.7", is_tls=False)  # type: ignore[no-any-return]


def open_echo(hub: Any) -> "tuple[Connection, FakeTransport]":
    """Return an open connection to /echo on a transport that does nothing."""
    connection, transport = connect_to(hub), FakeTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    connection.data_received(HANDSHAKE.format(path="/echo").encode())
    transport.written.clear()
    hub.stack.callback(connection.connection_lost, None)
    return connection, transport


def tiny_frames(count: int) -> bytes:
    """Return messages of one byte, counted."""
    return b"".join(TINY + bytes([number & 255]) for number in range(count))


def echoes(count: int) -> bytes:
    """Return what they are answered with."""
    return b"".join(bytes([0x82, 1, number & 255]) for number in range(count))


async def test_connection_gives_way_to_the_others_after_its_turn(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that never stopped sending tiny frames held up everybody for seconds."""
    monkeypatch.setattr("wavetank.hub.aio.connection.TURN", 0.0)
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    connection.data_received(tiny_frames(4000))
    for turn in range(1, 4):
        assert not transport.is_reading
        assert transport.written == echoes(turn * 8192 // 7)
        await asyncio.sleep(0)
    assert transport.is_reading
    assert transport.written == echoes(4000)


async def test_connection_keeps_the_order_of_what_comes_while_it_rests(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transport may have read ahead when it is told to stop."""
    monkeypatch.setattr("wavetank.hub.aio.connection.TURN", 0.0)
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    connection.data_received(tiny_frames(4000))
    connection.data_received(TINY + b"!")
    for _ in range(8):
        await asyncio.sleep(0)
    assert transport.written == echoes(4000) + b"\x82\x01!"
    connection.connection_lost(None)


async def test_connection_takes_all_at_once_while_its_turn_lasts(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading is not stopped and begun again for nothing."""
    monkeypatch.setattr("wavetank.hub.aio.connection.TURN", DEADLINE)
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    connection.data_received(tiny_frames(4000))
    assert transport.is_reading
    assert transport.written == echoes(4000)


async def test_connection_that_is_held_in_its_turn_keeps_the_rest(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on where it was, and not before it may."""
    monkeypatch.setattr("wavetank.hub.aio.connection.TURN", 0.0)
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    connection.data_received(tiny_frames(4000))
    connection.pause_writing()
    for _ in range(9):
        await asyncio.sleep(0)
    assert transport.written == echoes(8192 // 7)
    connection.resume_writing()
    assert not transport.is_reading
    for _ in range(9):
        await asyncio.sleep(0)
    assert transport.written == echoes(4000)
    assert transport.is_reading


async def test_connection_that_ends_between_two_turns_drops_the_rest(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lost, or failed by a broken frame: nobody is there to answer."""
    monkeypatch.setattr("wavetank.hub.aio.connection.TURN", 0.0)
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    connection.data_received(tiny_frames(4000))
    connection.connection_lost(None)
    connection, broken = open_echo(hub)
    connection.data_received(b"\xff\xff" + tiny_frames(4000))
    for _ in range(9):
        await asyncio.sleep(0)
    assert transport.written == echoes(8192 // 7)
    assert broken.written.startswith(b"\x88")
    assert broken.written.count(b"\x82\x01") == 0


async def test_connection_that_crashes_in_a_later_turn_is_closed(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the first one."""
    monkeypatch.setattr("wavetank.hub.aio.connection.TURN", 0.0)
    hub = await start_hub(echo=True)
    connection, transport = open_echo(hub)
    connection.data_received(tiny_frames(4000))
    monkeypatch.setattr(WebSocket, "feed", None)
    for _ in range(9):
        await asyncio.sleep(0)
    assert b"internal error r-" in transport.written


# Faults.


async def test_connection_that_crashes_is_closed_and_nobody_else_notices(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1011 with a ref that is also in the log."""
    hub = await start_hub()
    healthy, sick = await hub.talk(), await hub.talk()
    receive = Member.receive

    def fail(self: Member, message: Any, at: Any) -> None:
        if b"boom" in message.data:
            raise ZeroDivisionError("our own fault")
        receive(self, message, at)

    monkeypatch.setattr(Member, "receive", fail)
    await sick.send(type="boom")
    code, reason = await sick.closed()
    assert code == 1011
    (event,) = [e for e in hub.lines.events if e["event"] == "connection_crashed"]
    assert reason == f"internal error {event['ref']}"
    assert (await healthy.ask(type="ping"))["type"] == "pong"
    await hub.until(lambda: hub.node.tally.closed == {("1011", "hub"): 1})


@pytest.mark.parametrize("where", ["tick", "resumed"])
async def test_connection_that_crashes_by_itself_is_closed(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A fault in a timer or in the transport's callbacks ends one connection."""

    def fail(self: Member) -> None:
        raise ZeroDivisionError("our own fault")

    hub = await start_hub(ping=0.05)
    monkeypatch.setattr(Member, where, fail)
    talker = await hub.talk()
    if where == "resumed":
        (connection,) = hub.server._connections
        connection.resume_writing()
    assert (await talker.closed())[0] == 1011


async def test_connection_that_cannot_even_be_closed_is_cut(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two faults at once leave nothing behind."""

    def fail(*args: object, **more: object) -> None:
        monkeypatch.undo()
        raise ZeroDivisionError("our own fault")

    def fail_too(*args: object, **more: object) -> None:
        monkeypatch.setattr(Member, "lost", fail)
        raise ZeroDivisionError("our own fault")

    hub = await start_hub()
    talker = await hub.talk()
    monkeypatch.setattr(Member, "receive", fail_too)
    await talker.send(type="ping", id=1)
    assert (await talker.closed())[0] == 1006
    await hub.until(lambda: not hub.server._connections)


async def test_connection_ends_with_its_peer(start_hub: StartHub) -> None:
    """FIN or reset without a close frame is counted as 1006; nothing is left."""
    hub = await start_hub()
    for is_reset in (False, True):
        reader, writer = await hub.open_raw()
        writer.write(HANDSHAKE.format(path="/ws").encode())
        await reader.readuntil(b"]}")
        if is_reset:
            raw = writer.get_extra_info("socket")
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        await hub.until(lambda: not hub.node.admission.open)
    assert hub.node.tally.closed == {("1006", "network"): 2}
    assert not hub.server._connections


class FakeTransport:
    """A transport that takes everything and knows what was asked of it."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_over = False
        self.is_reading = True

    def write(self, data: bytes) -> None:
        """Take bytes, as long as there is somebody to take them."""
        assert not self.is_over
        self.written += data

    def is_closing(self) -> bool:
        """Tell whether it is over."""
        return self.is_over

    def end(self) -> None:
        """Take nothing more."""
        self.is_over = True

    close = abort = end

    def write_eof(self) -> None:
        """Take nothing more."""
        self.is_over = True

    def can_write_eof(self) -> bool:
        """Know half-closing."""
        return True

    def get_extra_info(self, name: str) -> object:
        """Be nobody."""
        return None

    def ignore(self, *args: object, **more: object) -> None:
        """Do nothing."""

    set_write_buffer_limits = ignore

    def pause_reading(self) -> None:
        """Remember it."""
        self.is_reading = False

    def resume_reading(self) -> None:
        """Remember it."""
        self.is_reading = True


async def test_connection_survives_any_bytes(start_hub: StartHub) -> None:
    """Broken handshakes, broken frames, cut anywhere: no fault, no endless reading."""
    hub = await start_hub(echo=True, tokens=("t",))
    dice = random.Random(1)
    heads = [HANDSHAKE.format(path=path).encode() for path in ("/ws", "/echo")]
    heads.append(posting(b'{"topic":"t","data":1}', "Content-Length: 22"))
    for _ in range(400):
        data = bytearray(dice.choice(heads))
        frame = bytes([dice.choice((0x81, 0x82, 0x88, 0x89, 0x01, 0x80, 0xC1))])
        data += frame + dice.randbytes(dice.randrange(60)) + dice.randbytes(20)
        for _ in range(dice.choice((0, 0, 1, 5))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        connection = connect_to(hub)
        transport = FakeTransport()
        connection.connection_made(cast(asyncio.Transport, transport))
        while data:
            size = dice.randrange(1, 80)
            connection.data_received(bytes(data[:size]))
            del data[:size]
        await asyncio.sleep(0)
        connection.connection_lost(None)
    events = {event["event"] for event in hub.lines.events}
    assert "connection_crashed" not in events
    assert "connection_opened" in events
    assert hub.node.admission.open == 0


class ResetTransport(FakeTransport):
    """A transport whose peer has reset it, which asyncio finds out here first."""

    def write_eof(self) -> None:
        """Fail as `shutdown` does on a socket that was reset."""
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")


@pytest.mark.parametrize("data", [b"\x16", HANDSHAKE.format(path="/ws").encode()])
async def test_connection_that_its_peer_reset_is_no_fault_of_ours(
    start_hub: StartHub, data: bytes
) -> None:
    """Broken bytes and a reset at once were logged as a crash, with a traceback."""
    hub = await start_hub()
    connection, transport = connect_to(hub), ResetTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    connection.data_received(data)
    if connection.socket is not None:
        connection.data_received(b"\xff\xff")
    assert transport.is_over
    connection.connection_lost(None)
    assert "connection_crashed" not in {event["event"] for event in hub.lines.events}
    assert not hub.node.tally.rejected["500"]


async def test_connection_that_has_ended_hears_nothing_more(
    start_hub: StartHub,
) -> None:
    """Whatever a transport or a timer still has to tell."""
    hub = await start_hub()
    connection, transport = connect_to(hub), FakeTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    connection.connection_lost(None)
    connection.data_received(b"GET / HTTP/1.1\r\n\r\n")
    connection.pause_writing()
    connection.resume_writing()
    connection.tick()
    assert not connection.eof_received()
    assert not transport.written
    assert transport.is_over


async def test_connection_that_crashes_behind_its_end_is_cut(
    start_hub: StartHub,
) -> None:
    """There is nobody left to tell; the log has it."""
    hub = await start_hub()
    connection, transport = connect_to(hub), FakeTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    connection.data_received(b"\x00")
    transport.written.clear()
    connection.crash(ZeroDivisionError("our own fault"))
    assert not transport.written
    assert "connection_crashed" in {event["event"] for event in hub.lines.events}
    connection.connection_lost(None)


class TlsTransport(FakeTransport):
    """A transport that knows no half-closing."""

    def can_write_eof(self) -> bool:
        """Know nothing of it."""
        return False


async def test_connection_over_tls_is_closed_where_it_cannot_be_half_closed(
    start_hub: StartHub,
) -> None:
    """And an answer to a peer that has gone is not written."""
    hub = await start_hub()
    assert hub.server.admit("192.0.2.7", is_tls=True)
    connection = hub.server.receive("192.0.2.7", is_tls=True)
    transport = TlsTransport()
    connection.connection_made(cast(asyncio.Transport, transport))
    connection.data_received(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not connection.eof_received()
    connection.linger()
    assert transport.is_over
    connection.connection_lost(None)


async def test_connection_that_opens_quietly_is_not_described(
    start_hub: StartHub,
) -> None:
    """What is not written need not be put into words."""
    hub = await start_hub(log_level="info")
    await hub.talk()
    assert "connection_opened" not in hub.lines.getvalue()


async def test_connection_shows_who_it_is(start_hub: StartHub) -> None:
    """In logs and bug reports."""
    hub = await start_hub()
    await hub.talk()
    (connection,) = hub.server._connections
    assert "127.0.0.1 talking <WebSocket c-1-" in repr(connection)
