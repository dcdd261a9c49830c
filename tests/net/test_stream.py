"""Bytes of one connection, and how it ended."""

import asyncio
import select
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from wavetank.net import ThrowAwayAuthority
from wavetank.net.stream import Ending, Stream, Tap, reset

pytestmark = pytest.mark.anyio

Start = Callable[..., Awaitable[str]]


async def connect(
    url: str,
    *,
    max_kept: int = 2**20,
    tls: ssl.SSLContext | None = None,
    tap: Tap | None = None,
) -> Stream:
    """Connect a stream."""
    where = urlsplit(url)
    _, stream = await asyncio.get_running_loop().create_connection(
        lambda: Stream(max_kept, tls=tls is not None, tap=tap),
        where.hostname,
        where.port,
        ssl=tls,
    )
    return stream


async def until(stream: Stream, ready: Callable[[], bool], **options: Any) -> None:
    """Wait, but not for ever."""
    async with asyncio.timeout(20):
        await stream.until(ready, **options)


def saying(*words: bytes, then: str = "wait") -> Any:
    """Return what a server does that says this, and then waits, ends or resets."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word in words:
            writer.write(word)
            await writer.drain()
        if then == "reset":
            reset(writer.transport)
        elif then == "fin":
            writer.close()
            await writer.wait_closed()
        else:
            await asyncio.Event().wait()

    return talk


async def test_bytes_are_taken_in_their_order(scripted: Start) -> None:
    """What was taken too many can be put back."""
    stream = await connect(await scripted(saying(b"abc", b"def")))
    await until(stream, lambda: len(stream.incoming) == 6)
    assert stream.take(2) == b"ab"
    stream.put_back(b"ab")
    assert stream.take(100) == b"abcdef"
    assert not stream.is_over
    stream.transport.abort()
    await until(stream, lambda: stream.is_lost)


async def test_an_orderly_end_is_a_fin(scripted: Start) -> None:
    """Everything came, and our side may still write."""
    stream = await connect(await scripted(saying(b"last", then="fin")))
    await until(stream, lambda: stream.is_over)
    assert stream.ending is Ending.FIN
    assert stream.take(100) == b"last"
    assert stream.is_writable
    assert not stream.is_lost
    stream.transport.abort()
    await until(stream, lambda: stream.is_lost)
    assert stream.ending is Ending.FIN
    assert not stream.is_writable


async def test_an_orderly_end_over_tls_is_a_fin(
    scripted: Start, authority: ThrowAwayAuthority
) -> None:
    """TLS says goodbye by itself; there is no writing afterwards."""
    url = await scripted(saying(b"last", then="fin"), tls=authority.server_context())
    stream = await connect(url, tls=authority.client_context())
    await until(stream, lambda: stream.is_lost)
    assert stream.ending is Ending.FIN
    assert stream.take(100) == b"last"


async def test_a_thrown_away_connection_is_a_reset(scripted: Start) -> None:
    """The other side sent a reset, not a FIN."""
    stream = await connect(await scripted(saying(then="reset")))
    await until(stream, lambda: stream.is_lost)
    assert stream.ending is Ending.RESET


async def test_what_came_before_a_reset_is_not_lost(scripted: Start) -> None:
    """Unread bytes are read from the kernel, though the write had failed first."""
    stream = await connect(await scripted(saying(b"last words", then="reset")))
    stream.stop_reading()
    while stream.is_writable:
        stream.transport.write(b"x")
        await asyncio.sleep(0)
    await until(stream, lambda: stream.is_lost, reading=False)
    assert stream.ending is Ending.RESET
    assert stream.take(100) == b"last words"


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="POLLRDHUP is Linux's")
async def test_a_broken_pipe_behind_a_fin_is_a_fin(scripted: Start) -> None:
    """The other side ended in order; that nobody reads our bytes is another thing."""
    stream = await connect(await scripted(saying(b"bye", then="fin")))
    stream.stop_reading()
    kernel = select.poll()
    tcp = stream.transport.get_extra_info("socket")
    kernel.register(tcp.fileno(), select.POLLRDHUP)
    assert await asyncio.to_thread(kernel.poll, 20_000), "the FIN did not come"
    while stream.is_writable:
        stream.transport.write(b"x")
        await asyncio.sleep(0)
    await until(stream, lambda: stream.is_lost, reading=False)
    assert stream.ending is Ending.FIN
    assert stream.take(100) == b"bye"


async def test_reading_pauses_when_enough_is_kept(scripted: Start) -> None:
    """Memory is bounded; TCP slows the other side down until something is taken."""
    size = 8 * 2**20
    url = await scripted(saying(b"x" * size, then="fin"))
    stream = await connect(url, max_kept=10_000)
    seen = 0
    while seen < size:
        await until(stream, lambda: len(stream.incoming) > 0)
        assert len(stream.incoming) <= 10_000 + 256 * 1024
        seen += len(stream.take(2**20))
    await until(stream, lambda: stream.is_over)
    assert stream.dropped == 0
    stream.transport.abort()


async def test_what_is_too_much_is_dropped_and_counted_when_told_to(
    scripted: Start,
) -> None:
    """Waiting for the end needs no memory for what comes until then."""
    size = 2**20
    url = await scripted(saying(b"x" * size, then="fin"))
    stream = await connect(url, max_kept=10_000)
    stream.drops = True
    await until(stream, lambda: stream.is_over)
    assert len(stream.incoming) == 10_000
    assert stream.dropped == size - 10_000
    stream.transport.abort()


async def test_reading_stays_stopped_while_only_writing_is_waited_for(
    scripted: Start,
) -> None:
    """A slow consumer that writes is still a slow consumer."""
    stream = await connect(await scripted(saying(b"a")))
    stream.stop_reading()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stream.until(lambda: bool(stream.incoming), reading=False)
    await until(stream, lambda: stream.incoming == b"a")
    stream.transport.abort()


async def test_a_full_way_out_is_noticed_and_its_end_too(scripted: Start) -> None:
    """Writing waits for room; where there never will be any, it does not."""
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it has it
        await go.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # it has it
        await reader.readexactly(2**24)
        await asyncio.Event().wait()

    stream = await connect(await scripted(talk))
    assert stream.has_room()
    stream.transport.write(b"x" * 2**24)
    assert not stream.has_room()
    go.set()
    await until(stream, stream.has_room)
    stream.transport.write(b"x" * 2**24)
    stream.transport.abort()
    await until(stream, stream.has_room)
    assert stream.is_lost


async def test_a_small_receive_buffer_is_the_kernels(scripted: Start) -> None:
    """The kernel takes the size, or doubles it (Linux)."""
    stream = await connect(await scripted(saying()))
    stream.set_receive_buffer(4096)
    tcp = stream.transport.get_extra_info("socket")
    assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 8192
    stream.transport.abort()


async def test_an_end_by_an_error_of_tls_is_no_reset(scripted: Start) -> None:
    """An alert is an orderly end of TCP."""
    stream = await connect(await scripted(saying()))
    stream.transport.abort()
    await until(stream, lambda: stream.is_lost)
    ended = Stream(10, tls=True)
    ended.connection_lost(ssl.SSLError(1, "alert"))
    assert ended.ending is Ending.FIN
    assert ended.is_lost


async def test_a_reset_of_a_transport_that_is_gone_does_nothing(
    scripted: Start,
) -> None:
    """Resetting twice, or after the end, is no error."""
    stream = await connect(await scripted(saying()))
    reset(stream.transport)
    await until(stream, lambda: stream.is_lost)
    reset(stream.transport)
    assert stream.ending is None


@pytest.mark.parametrize("then", ["fin", "reset"])
async def test_a_tap_hears_all_bytes_also_those_that_are_dropped(
    scripted: Start, listening: Any, then: str
) -> None:
    """And that the other side ended TCP, in whatever way."""
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        await saying(b"x" * 50_000, then=then)(reader, writer)

    stream = await connect(await scripted(talk), max_kept=10, tap=listening)
    stream.drops = True
    go.set()
    await until(stream, lambda: stream.is_over)
    assert len(listening.heard) == len(stream.incoming) + stream.dropped == 50_000
    assert listening.steps[-1] == "ended"
    stream.transport.abort()


async def test_a_tap_is_not_told_of_an_end_that_is_ours(
    scripted: Start, listening: Any
) -> None:
    """Who cuts a connection has not seen it end."""
    stream = await connect(await scripted(saying(b"a")), tap=listening)
    await until(stream, lambda: bool(stream.incoming))
    stream.transport.abort()
    await until(stream, lambda: stream.is_lost)
    assert (bytes(listening.heard), listening.steps) == (b"a", [])
