"""The rude host, and its guests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.client import connect

from wavetank.errors import LocalError
from wavetank.net import ConnectionEnded, Ending, Guest, RudeHost, RudePeer
from wavetank.wire import (
    Opcode,
    Refusal,
    Request,
    accept_key,
    encode_close,
    encode_frame,
    encode_response,
)

pytestmark = pytest.mark.anyio

SOON = 0.01
"""A deadline that is meant to pass."""

Receive = Callable[[Guest], Awaitable[None]]
Listen = Callable[..., Awaitable[RudeHost]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Start a host that does this with each guest."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(receive: Receive, **options: int) -> RudeHost:
            return await stack.enter_async_context(RudeHost(receive, **options))

        yield start


def told(guests: "asyncio.Queue[Guest]") -> Receive:
    """Hand each guest out, and keep it until the end."""

    async def receive(guest: Guest) -> None:
        guests.put_nowait(guest)
        await asyncio.Event().wait()

    return receive


async def accept(guest: Guest) -> None:
    """Open the connection as a server should."""
    request = await guest.read_request()
    assert isinstance(request, Request)
    key = request.headers.all("Sec-WebSocket-Key")[0]
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ]
    guest.start_frames()
    await guest.write(encode_response(101, fields))


async def test_a_guest_can_be_told_anything(listen: Listen) -> None:
    """Its request is read, its frames are, and what is written goes out as it is."""
    masks: list[bytes | None] = []

    async def echo(guest: Guest) -> None:
        await accept(guest)
        frame = await guest.read_frame()
        assert frame is not None
        masks.extend(guest.masks)
        await guest.write(encode_frame(frame.opcode, frame.payload[::-1]))
        await guest.write(encode_frame(Opcode.CLOSE, encode_close(1000)))
        await guest.leave()

    host = await listen(echo)
    async with connect(host.url, compression=None) as connection:
        await connection.send("abc")
        assert await connection.recv() == "cba"
    assert len(masks) == 1
    assert masks[0] is not None
    assert len(masks[0]) == 4


async def test_a_frame_without_a_mask_is_told_as_what_it_is(listen: Listen) -> None:
    """The mask is None, and the frame has its violation."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    async with await RudePeer.connect(host.url) as peer:
        opening = asyncio.create_task(peer.open())
        guest = await guests.get()
        await accept(guest)
        await opening
        await peer.send_frame(Opcode.TEXT, b"bare", mask=None)
        frame = await guest.read_frame()
    assert frame is not None
    assert [each.clause for each in frame.violations] == ["RFC 6455 5.1"]
    assert guest.masks == [None]
    assert await guest.read_frame() is None
    assert guest.masks == [None]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Request),
        (b"\x16\x03\x01", Refusal),
        (b"", type(None)),
    ],
)
async def test_a_request_is_read_or_what_is_wrong_with_it(
    listen: Listen, said: bytes, kind: type
) -> None:
    """Nothing is raised for what a client says; where it says nothing it is None."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    async with await RudePeer.connect(host.url) as peer:
        if said:
            await peer.write(said)
        peer.half_close()
        guest = await guests.get()
        assert isinstance(await guest.read_request(), kind)


async def test_what_comes_behind_a_request_stays_to_be_read(listen: Listen) -> None:
    """Somebody who speaks too early is noticed."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    async with await RudePeer.connect(host.url) as peer:
        await peer.write(peer.request() + b"early")
        guest = await guests.get()
        await guest.read_request()
        assert guest.has_unread
        assert await guest.read() == b"early"
        assert not guest.has_unread


async def test_a_request_that_does_not_come_is_a_time_out(listen: Listen) -> None:
    """Browsers open connections that they may need later."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    async with await RudePeer.connect(host.url):
        guest = await guests.get()
        with pytest.raises(TimeoutError, match="no opening handshake from the client"):
            await guest.read_request(SOON)


async def test_a_guest_is_left_in_peace(listen: Listen) -> None:
    """FIN goes out, nothing more may be written, and the client's end is told."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    async with await RudePeer.connect(host.url) as peer:
        guest = await guests.get()
        assert await guest.leave(SOON) is None
        with pytest.raises(LocalError, match="behind FIN"):
            await guest.write(b"more")
        assert await peer.read() == b""
        peer.half_close()
        assert await guest.leave() is Ending.FIN


async def test_a_guest_that_is_gone_can_be_left(listen: Listen) -> None:
    """Whoever was quicker is no error."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    peer = await RudePeer.connect(host.url)
    guest = await guests.get()
    peer.abort()
    assert await guest.ended() is Ending.RESET
    with pytest.raises(ConnectionEnded, match="the client ended the connection"):
        await guest.write(b"late")
    assert await guest.leave() is Ending.RESET
    await guest.close()
    assert await guest.leave() is Ending.RESET


async def test_a_guest_says_what_it_is_and_where_it_came(listen: Listen) -> None:
    """It called itself a rude peer once."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests))
    async with await RudePeer.connect(host.url):
        guest = await guests.get()
        assert repr(guest) == "<Guest the client open>"
        assert guest.port == host.port


async def test_a_guest_is_cut_when_its_host_is_done_with_it(listen: Listen) -> None:
    """At the end of what the host does, and not before."""
    ready = asyncio.Event()

    async def receive(_: Guest) -> None:
        await ready.wait()

    host = await listen(receive)
    async with await RudePeer.connect(host.url) as peer:
        with pytest.raises(TimeoutError):
            await peer.ended(SOON)
        assert host.guests == 1
        assert repr(host) == f"<RudeHost {host.url} 1 guests>"
        ready.set()
        assert await peer.ended()
    assert host.guests == 0


async def test_too_many_guests_are_cut(listen: Listen) -> None:
    """There is room for so many, and others do not get in."""
    guests: asyncio.Queue[Guest] = asyncio.Queue()
    host = await listen(told(guests), most=1)
    async with await RudePeer.connect(host.url):
        await guests.get()
        async with await RudePeer.connect(host.url) as second:
            assert await second.ended()
    assert guests.empty()


async def test_the_end_of_a_host_cuts_everybody() -> None:
    """Its guests are gone, those that had no turn yet, too, and nobody listens."""

    async def receive(_: Guest) -> None:
        await asyncio.Event().wait()

    async with RudeHost(receive) as host:
        peers = [await RudePeer.connect(host.url) for _ in range(3)]
    assert host.guests == 0
    for peer in peers:
        assert await peer.ended()
        await peer.close()
    with pytest.raises(Exception, match="cannot connect"):
        await RudePeer.connect(host.url)


async def test_a_crash_with_a_guest_ends_the_host() -> None:
    """It is not lost among tasks."""

    async def receive(_: Guest) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with RudeHost(receive) as host, await RudePeer.connect(host.url):
            await asyncio.Event().wait()
    assert caught.group_contains(ZeroDivisionError)


async def test_what_goes_wrong_inside_is_raised_as_it_is() -> None:
    """And in no group, though there are guests."""

    async def receive(_: Guest) -> None:
        await asyncio.Event().wait()

    with pytest.raises(KeyError):
        async with RudeHost(receive) as host, await RudePeer.connect(host.url):
            raise KeyError


@pytest.mark.parametrize("turns", range(6))
async def test_a_host_cuts_who_came_in_its_last_moment(turns: int) -> None:
    """A connection that was accepted as it ended was left open, and warned of later."""

    async def receive(guest: Guest) -> None:
        del guest
        await asyncio.Event().wait()

    with socket.socket() as client:
        client.settimeout(5.0)
        async with RudeHost(receive) as host:
            client.connect(("127.0.0.1", host.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
