"""The rude peer."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.errors import LocalError
from wavetank.net import (
    ConnectionEnded,
    Ending,
    HandshakeBroken,
    NotReached,
    RudePeer,
    Side,
    ThrowAwayAuthority,
    TlsFailed,
    find_dynamic_port,
    release_port,
)
from wavetank.net.stream import reset
from wavetank.wire import (
    FrameReader,
    Opcode,
    accept_key,
    decode_close,
    encode_close,
    encode_frame,
)

pytestmark = pytest.mark.anyio

SOON = 0.01
"""A deadline that is meant to pass."""

Start = Callable[..., Awaitable[str]]


async def echo(connection: ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


@pytest.fixture
async def heard(scripted: Start) -> tuple[str, bytearray, asyncio.Event]:
    """A raw server that keeps what it reads until FIN; its URL, that, and the FIN."""
    bytes_heard, ended = bytearray(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            bytes_heard.extend(data)
        ended.set()
        await asyncio.Event().wait()

    return await scripted(talk), bytes_heard, ended


@pytest.fixture
def after_handshake(scripted: Start, shake_hands: Any) -> Start:
    """Start a raw server that shakes hands, says these bytes and then ends or waits."""

    async def start(*said: bytes, then: str = "wait", **options: Any) -> str:
        async def talk(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await shake_hands(reader, writer)
            for word in said:
                writer.write(word)
                await writer.drain()
            if then == "reset":
                reset(writer.transport)
            elif then == "fin":
                writer.close()
                await writer.wait_closed()
            else:
                await asyncio.Event().wait()

        return await scripted(talk, **options)

    return start


# Connecting


async def test_a_rude_peer_connects_and_says_nothing(heard: Any) -> None:
    """The first byte is the caller's."""
    url, bytes_heard, ended = heard
    async with await RudePeer.connect(f"{url}/?token=s3cret") as peer:
        assert repr(peer) == f"<RudePeer {url}/?token=*** open>"
        await peer.write(b"\x00\xffanything")
        peer.half_close()
        await asyncio.wait_for(ended.wait(), 10)
    assert bytes_heard == b"\x00\xffanything"
    assert repr(peer).endswith("closed>")


async def test_a_url_or_context_that_is_wrong_is_our_mistake(
    authority: ThrowAwayAuthority,
) -> None:
    """Secrets in such a URL are not shown."""
    with pytest.raises(LocalError, match="is no WebSocket URL") as error:
        await RudePeer.connect("http://me:s3cret@127.0.0.1/")
    assert "s3cret" not in str(error.value)
    with pytest.raises(LocalError, match="is no WebSocket URL"):
        await RudePeer.connect("ws://127.0.0.1:99999/")
    with pytest.raises(LocalError, match="takes no TLS"):
        await RudePeer.connect("ws://127.0.0.1:1/", tls=authority.client_context())


async def test_a_server_that_is_not_there_is_not_reached() -> None:
    """A port where nobody listens."""
    port = find_dynamic_port()
    with pytest.raises(NotReached, match="Connection refused"):
        await RudePeer.connect(f"ws://127.0.0.1:{port}")
    release_port(port)


async def test_a_rude_peer_speaks_tls(
    served: Start, authority: ThrowAwayAuthority
) -> None:
    """Everything rude can be said over TLS too; by default nobody is trusted."""
    url = await served(echo, tls=authority.server_context())
    async with await RudePeer.connect(url, tls=authority.client_context()) as peer:
        assert (await peer.open()).status == 101
        await peer.send_frame(Opcode.TEXT, b"a", mask=None)
        assert await peer.ended() is Ending.FIN
        assert peer.close_frame is not None
        assert peer.close_frame.payload[:2] == encode_close(1002)
        with pytest.raises(LocalError, match="TLS cannot be closed half"):
            peer.half_close()
    with pytest.raises(TlsFailed):
        await RudePeer.connect(url)


async def test_a_tls_handshake_that_does_not_end_is_waited_for_only_so_long(
    heard: Any, authority: ThrowAwayAuthority
) -> None:
    """A server that accepts TCP and is silent."""
    url = heard[0].replace("ws:", "wss:")
    with pytest.raises(TimeoutError, match=r"did not accept within 0\.01 s"):
        await RudePeer.connect(url, tls=authority.client_context(), timeout=SOON)


async def test_the_kernel_keeps_little_for_a_peer_with_a_small_buffer(
    after_handshake: Start,
) -> None:
    """A peer that does not read is felt by the server soon."""
    url = await after_handshake(encode_frame(Opcode.TEXT, b"a"))
    async with await RudePeer.connect(url, receive_buffer=4096) as peer:
        await peer.open()
        peer.stop_reading()
        frame = await peer.read_frame()
        assert frame is not None
        assert frame.payload == b"a"


# The opening handshake


async def test_a_sound_handshake_is_answered_with_101(served: Start) -> None:
    """Without changes the request is polite, and the answer fits its key."""
    url = await served(echo)
    async with await RudePeer.connect(url, headers=[("X-A", "b")]) as peer:
        answer = await peer.open()
        assert answer.status == 101
        assert answer.headers.get("Sec-WebSocket-Accept") == accept_key(peer.key)
        assert b"X-A: b\r\n" in peer.request()


async def test_a_key_is_fresh_each_time_unless_the_dice_are_given() -> None:
    """With the same dice the same keys and masks are drawn."""
    peers = [
        RudePeer("ws://there", None, rng=random.Random(1))  # type: ignore[arg-type]
        for _ in range(2)
    ]
    assert peers[0].request() == peers[1].request()
    assert peers[0].request() != peers[1].request(method="PUT")


async def test_a_wrong_handshake_is_sent_and_its_answer_returned(
    served: Start,
) -> None:
    """Whatever the server says to it: here 4xx, and a body behind."""
    async with await RudePeer.connect(await served(echo)) as peer:
        answer = await peer.open(change={"Sec-WebSocket-Version": None})
        assert answer.status == 400
        assert b"Sec-WebSocket-Version" in await peer.read()
        with pytest.raises(LocalError, match="frames begin behind"):
            await peer.read_frame()
        with pytest.raises(LocalError, match="frames begin behind"):
            await peer.frames(SOON)
        assert await peer.ended() is Ending.FIN
        assert await peer.read() == b""


async def test_a_handshake_in_pieces_is_a_handshake(served: Start) -> None:
    """Each byte its own write, and frames right behind it."""
    async with await RudePeer.connect(await served(echo)) as peer:
        early = encode_frame(Opcode.TEXT, b"early", mask=b"1234")
        answer = await peer.open(piece=1, after=early)
        assert answer.status == 101
        frame = await peer.read_frame()
        assert frame is not None
        assert frame.payload == b"early"


async def test_an_answer_that_is_no_http_is_told_as_that(scripted: Start) -> None:
    """The lenient reader of frames has nothing to read then."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"SSH-2.0\r\n\r\n")
        await asyncio.Event().wait()

    async with await RudePeer.connect(await scripted(talk)) as peer:
        with pytest.raises(HandshakeBroken, match="broke HTTP: the status line"):
            await peer.open()


async def test_half_a_handshake_is_waited_for_by_both_sides(heard: Any) -> None:
    """Silence ends in a time-out, here and there; an answer in two halves is one."""
    async with await RudePeer.connect(heard[0]) as peer:
        await peer.write(peer.request()[:20])
        with pytest.raises(TimeoutError, match="no answer to the opening handshake"):
            await peer.read_response(SOON)
        with pytest.raises(TimeoutError, match="no bytes from"):
            await peer.read(SOON)


async def test_half_an_answer_is_kept_for_the_other_half(scripted: Start) -> None:
    """A time-out in the middle of an answer loses nothing."""
    go_on = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 404 ")
        await go_on.wait()
        writer.write(b"Not Found\r\n\r\nbody")
        await asyncio.Event().wait()

    async with await RudePeer.connect(await scripted(talk)) as peer:
        with pytest.raises(TimeoutError):
            await peer.open(timeout=0.1)
        go_on.set()
        assert (await peer.read_response()).status == 404
        assert await peer.read() == b"body"


async def test_an_end_without_an_answer_is_told_as_that(scripted: Start) -> None:
    """The server went away."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with await RudePeer.connect(await scripted(talk)) as peer:
        with pytest.raises(HandshakeBroken, match="ended the connection, no answer"):
            await peer.open()
        assert peer.ending is not None


# Frames


async def test_any_frame_is_sent_as_it_was_asked_for(heard: Any) -> None:
    """Reserved bits and opcodes, all forms of length, wrong lengths, no mask."""
    url, bytes_heard, ended = heard
    async with await RudePeer.connect(url) as peer:
        await peer.send_frame(11, b"a", rsv1=True, rsv2=True, rsv3=True, mask=None)
        await peer.send_frame(Opcode.TEXT, b"b", length_form=64, mask=b"\0\0\0\0")
        await peer.send_frame(Opcode.PING, declared_length=2**62, fin=False, mask=None)
        peer.half_close()
        await asyncio.wait_for(ended.wait(), 10)
    assert bytes_heard == (
        b"\xfb\x01a"
        b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00b"
        b"\x09\x7f\x40\x00\x00\x00\x00\x00\x00\x00"
    )


async def test_frames_are_masked_by_default_with_another_key_each(heard: Any) -> None:
    """RFC 6455 5.3: a server can read them, and nobody can foresee them."""
    url, bytes_heard, ended = heard
    async with await RudePeer.connect(url) as peer:
        await peer.send_frame(Opcode.TEXT, b"a")
        await peer.send_frame(Opcode.TEXT, b"a")
        peer.half_close()
        await asyncio.wait_for(ended.wait(), 10)
    frames = FrameReader(expect_mask=True, max_payload=None).feed(bytes(bytes_heard))
    assert [frame.payload for frame in frames] == [b"a", b"a"]
    assert frames[0].mask != frames[1].mask


async def test_frames_are_read_with_the_rules_that_they_break(
    after_handshake: Start,
) -> None:
    """Reading goes on behind an illegal frame."""
    url = await after_handshake(
        encode_frame(3, b"a", rsv2=True)
        + encode_frame(Opcode.TEXT, b"b", mask=b"1234"),
        encode_frame(Opcode.TEXT, b"c"),
    )
    async with await RudePeer.connect(url) as peer:
        await peer.open()
        frames = [await peer.read_frame() for _ in range(3)]
        assert [frame and frame.payload for frame in frames] == [b"a", b"b", b"c"]
        assert [len(frame.violations) for frame in frames if frame] == [2, 1, 0]
        with pytest.raises(TimeoutError, match="no frame from"):
            await peer.read_frame(SOON)


async def test_rsv1_has_a_meaning_when_an_extension_was_agreed(
    scripted: Start,
) -> None:
    """A compressed message is no violation then."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Ok\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        writer.write(encode_frame(Opcode.TEXT, b"a", rsv1=True))
        await asyncio.Event().wait()

    async with await RudePeer.connect(await scripted(talk)) as peer:
        await peer.open()
        frame = await peer.read_frame()
        assert frame is not None
        assert frame.violations == ()


async def test_all_frames_until_the_end_are_read_at_once(
    after_handshake: Start,
) -> None:
    """They end with the connection; then there is nothing more."""
    said = [encode_frame(Opcode.TEXT, b"%d" % number) for number in range(3)]
    async with await RudePeer.connect(await after_handshake(*said, then="fin")) as peer:
        await peer.open()
        frames = await peer.frames(10)
        assert [frame.payload for frame in frames] == [b"0", b"1", b"2"]
        assert peer.ending is Ending.FIN
        assert await peer.read_frame() is None
        assert await peer.frames(10) == []


async def test_all_frames_until_a_deadline_are_read_at_once(
    after_handshake: Start,
) -> None:
    """A deadline that passes is no error: it was asked for."""
    url = await after_handshake(encode_frame(Opcode.TEXT, b"a"))
    async with await RudePeer.connect(url) as peer:
        await peer.open()
        assert [frame.payload for frame in await peer.frames(0.2)] == [b"a"]
        assert peer.ending is None


async def test_a_flood_of_frames_is_read_in_bounded_pieces(
    after_handshake: Start,
) -> None:
    """One call returns about as many bytes as may be kept, the next one more."""
    flood = encode_frame(Opcode.TEXT, b"x" * 1000) * 5000
    url = await after_handshake(flood, then="fin")
    async with await RudePeer.connect(url, max_kept=10_000) as peer:
        await peer.open()
        count, calls = 0, 0
        while frames := await peer.frames(10):
            assert len(frames) <= 10
            count += len(frames)
            calls += 1
        assert count == 5000
        assert calls >= 500


# The end


@pytest.mark.parametrize("then", ["fin", "reset"])
async def test_how_the_connection_ended_and_what_came_before_is_told(
    then: str, after_handshake: Start
) -> None:
    """A close frame, then FIN or reset; frames before it can still be read."""
    url = await after_handshake(
        encode_frame(Opcode.TEXT, b"a"),
        encode_frame(Opcode.CLOSE, encode_close(1002, "mask")),
        encode_frame(Opcode.CLOSE, encode_close(1000)),
        then=then,
    )
    async with await RudePeer.connect(url) as peer:
        await peer.open()
        assert await peer.ended() == then
        assert repr(peer).endswith(f" {then}>")
        assert peer.close_frame is not None
        closing = decode_close(peer.close_frame.payload)
        assert (closing.code, closing.reason) == (1002, "mask")
        opcodes = [frame.opcode for frame in await peer.frames(10)]
        assert opcodes == [Opcode.TEXT, Opcode.CLOSE, Opcode.CLOSE]


async def test_an_end_that_does_not_come_is_waited_for_only_so_long(
    after_handshake: Start,
) -> None:
    """A server that keeps the connection is evidence, after the deadline."""
    async with await RudePeer.connect(await after_handshake()) as peer:
        await peer.open()
        with pytest.raises(TimeoutError, match="no end of the connection from"):
            await peer.ended(SOON)


async def test_waiting_for_the_end_keeps_the_close_frame_in_bounded_memory(
    after_handshake: Start,
) -> None:
    """What is too much is dropped and counted, the close frame is known."""
    flood = encode_frame(Opcode.TEXT, b"x" * 1000) * 5000
    close = encode_frame(Opcode.CLOSE, encode_close(1001))
    url = await after_handshake(flood + close, then="fin")
    async with await RudePeer.connect(url, max_kept=10_000) as peer:
        await peer.open()
        assert await peer.ended(30) is Ending.FIN
        assert peer.close_frame is not None
        kept = await peer.frames(1)
        assert 0 < len(kept) < 10
        assert peer.dropped == 5_000_000 + 2 - 1000 * len(kept)


async def test_waiting_for_the_end_keeps_bytes_in_bounded_memory(
    scripted: Start,
) -> None:
    """Before the opening handshake it is bytes that are kept and counted."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1_000_000)
        writer.close()
        await writer.wait_closed()

    async with await RudePeer.connect(await scripted(talk), max_kept=1000) as peer:
        assert await peer.ended() is Ending.FIN
        assert peer.dropped == 999_000
        assert await peer.read() == b"x" * 1000


async def test_writing_to_a_connection_that_ended_is_the_servers_doing(
    after_handshake: Start,
) -> None:
    """The error carries what the close frame said."""
    close = encode_frame(Opcode.CLOSE, encode_close(1001, "bye"))
    async with await RudePeer.connect(
        await after_handshake(close, then="reset")
    ) as peer:
        await peer.open()
        assert await peer.ended() is Ending.RESET
        with pytest.raises(
            ConnectionEnded, match=r"ended the connection \(reset\)"
        ) as end:
            await peer.write(b"a")
        assert (end.value.code, end.value.reason) == (1001, "bye")
        assert end.value.by is Side.THEM


@pytest.mark.parametrize(
    ("said", "code"),
    [(b"", 1006), (encode_frame(8), 1005), (encode_frame(8, b"1"), 1006)],
)
async def test_an_end_without_a_readable_code_has_its_number_too(
    said: bytes, code: int, after_handshake: Start
) -> None:
    """RFC 6455 7.1.5: 1005 for none, 1006 where there was no close frame."""
    async with await RudePeer.connect(
        await after_handshake(said, then="reset")
    ) as peer:
        await peer.open()
        await peer.ended()
        with pytest.raises(ConnectionEnded) as end:
            await peer.write(b"a")
        assert end.value.code == code


async def test_writing_to_a_server_that_does_not_read_is_bounded(
    scripted: Start,
) -> None:
    """When all buffers are full, writing ends with a time-out."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it has it
        await asyncio.Event().wait()

    async def fill(peer: RudePeer) -> None:
        while True:
            await peer.write(b"x" * 2**22, timeout=0.05)

    async with await RudePeer.connect(await scripted(talk)) as peer:
        with pytest.raises(TimeoutError, match="no room to write"):
            await fill(peer)


async def test_after_our_own_end_nothing_can_be_asked_of_a_peer(heard: Any) -> None:
    """Using it any further is our mistake; closing twice does nothing."""
    peer = await RudePeer.connect(heard[0])
    assert not peer.is_closed
    await peer.close()
    await peer.close()
    assert peer.is_closed
    with pytest.raises(LocalError, match="closed by this side"):
        await peer.write(b"a")
    with pytest.raises(LocalError, match="closed by this side"):
        await peer.ended()
    assert await peer.read() == b""


@pytest.mark.parametrize("secure", [False, True])
async def test_an_abort_is_a_reset_for_the_server(
    secure: bool, scripted: Start, authority: ThrowAwayAuthority
) -> None:
    """It sees no FIN."""
    ending: asyncio.Future[str] = asyncio.Future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
            ending.set_result("fin")
        except ConnectionResetError:
            ending.set_result("reset")

    url = await scripted(talk, tls=authority.server_context() if secure else None)
    context = authority.client_context() if secure else None
    async with await RudePeer.connect(url, tls=context) as peer:
        await peer.write(b"a")
        peer.abort()
        assert await asyncio.wait_for(ending, 10) == "reset"
        peer.abort()


async def test_a_half_closed_connection_can_still_be_read(scripted: Start) -> None:
    """After our FIN the server's answer comes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = len(await reader.read())
        writer.write(b"%d bytes" % length)
        await writer.drain()
        await asyncio.Event().wait()

    async with await RudePeer.connect(await scripted(talk)) as peer:
        await peer.write(b"abc")
        peer.half_close()
        assert await peer.read() == b"3 bytes"


async def test_a_tap_hears_both_sides_from_the_first_byte(
    after_handshake: Start, listening: Any
) -> None:
    """Frames too that nobody reads, and each wait in vain."""
    said = [encode_frame(Opcode.TEXT, b"%d" % number) for number in range(3)]
    url = await after_handshake(*said)
    async with await RudePeer.connect(url, tap=listening) as peer:
        await peer.open()
        await peer.send_frame(Opcode.PING, b"ours", mask=b"mask")
        for _ in said:
            await peer.read_frame()
        assert listening.steps == []
        with pytest.raises(TimeoutError):
            await peer.read_frame(SOON)
    assert listening.said.startswith(b"GET / HTTP/1.1\r\n")
    assert listening.said.endswith(encode_frame(Opcode.PING, b"ours", mask=b"mask"))
    assert listening.heard.startswith(b"HTTP/1.1 101 ")
    assert listening.heard.endswith(b"".join(said))
    assert listening.steps == ["waited"]


async def test_a_tap_is_not_told_of_a_wait_for_room(
    scripted: Start, listening: Any
) -> None:
    """Who does not read cannot say that nothing came."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it has it
        await asyncio.Event().wait()

    async with await RudePeer.connect(await scripted(talk), tap=listening) as peer:
        with pytest.raises(TimeoutError, match="room"):
            await peer.write(b"x" * 2**24, timeout=SOON)
    assert len(listening.said) == 2**24
    assert listening.steps == []
