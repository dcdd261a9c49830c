"""Wrecks of a server's own frames: each shows its fault, and is sound beside it."""

from typing import Any

import pytest

from wavetank.wire import (
    DeflateParameters,
    Frame,
    Inflater,
    Opcode,
    Violation,
    encode_frame,
)
from wavetank.wrecks import SoundServer
from wavetank.wrecks.frames import (
    BadTextBehindPongs,
    ContextKept,
    Deflating,
    EndlessFrameBehindPongs,
    FragmentedPongs,
    HalfAPong,
    LongLengths,
    MaskedMessages,
    OrphansBehindPongs,
    ReservedBitsSet,
    ReservedCloseCode,
    ReservedOpcodesBehindPongs,
    WindowForgotten,
)

pytestmark = pytest.mark.anyio

WORDS = b" ".join(b"%d" % (number * 7919) for number in range(700))


async def echo_of(peer: Any, payload: bytes) -> Frame:
    """Return the frame that brings a text back."""
    peer.send(Opcode.TEXT, payload)
    frame: Frame = await peer.frame()
    return frame


async def test_wrecks_write_messages_in_a_wrong_form(start: Any, echoed: Any) -> None:
    """What is in them is right."""
    frame = await echo_of(await echoed(await start(MaskedMessages)), b"Hello")
    assert (frame.mask, frame.payload) == (b"tank", b"Hello")
    frame = await echo_of(await echoed(await start(ReservedBitsSet)), b"Hello")
    assert (frame.rsv1, frame.rsv2, frame.rsv3) == (False, True, False)
    frame = await echo_of(await echoed(await start(LongLengths)), b"Hello")
    assert (frame.length_form, frame.payload) == (64, b"Hello")


@pytest.mark.parametrize(
    ("kind", "opcode", "payload"),
    [
        (ReservedOpcodesBehindPongs, 0x3, b""),
        (OrphansBehindPongs, Opcode.CONTINUATION, b"orphan"),
        (BadTextBehindPongs, Opcode.TEXT, b"caf\xe9"),
        (EndlessFrameBehindPongs, Opcode.BINARY, b""),
    ],
)
async def test_wreck_sends_something_behind_each_pong(
    start: Any, echoed: Any, kind: type[SoundServer], opcode: int, payload: bytes
) -> None:
    """The pong itself is right, and a pong of ours gets nothing."""
    peer = await echoed(await start(kind))
    peer.send(Opcode.PONG, b"ours")
    peer.send(Opcode.PING, b"alive")
    pong, behind = await peer.frame(), await peer.frame()
    assert (pong.opcode, pong.payload, pong.violations) == (Opcode.PONG, b"alive", ())
    assert (behind.opcode, behind.payload) == (opcode, payload)
    if kind is EndlessFrameBehindPongs:
        assert behind.announced == 2**63
        assert await peer.ended()


async def test_wreck_breaks_its_pongs(start: Any, echoed: Any) -> None:
    """One has no FIN, the other no second half; a pong of ours gets neither."""
    peer = await echoed(await start(FragmentedPongs))
    peer.send(Opcode.PONG, b"ours")
    peer.send(Opcode.PING, b"alive")
    assert not (await peer.frame()).fin
    peer = await echoed(await start(HalfAPong))
    peer.send(Opcode.PONG, b"ours")
    peer.send(Opcode.PING, b"alive")
    assert await peer.reader.read() == encode_frame(Opcode.PONG, b"alive")[:3]


async def test_wreck_answers_a_close_frame_with_1005(start: Any, echoed: Any) -> None:
    """And ends TCP, as it should."""
    peer = await echoed(await start(ReservedCloseCode))
    peer.send(Opcode.CLOSE)
    assert await peer.close_code() == 1005
    assert await peer.ended()


async def test_a_wreck_says_nothing_behind_its_close_frame(
    start: Any, greeted: Any
) -> None:
    """Frames that a wreck writes itself end there, too."""
    server = await start(MaskedMessages)
    peer = await greeted(server)
    (connection,) = server.open
    connection.is_closing = True
    server.push(connection, Opcode.TEXT, b"late")
    connection.is_closing = False
    server.push(connection, Opcode.TEXT, b"in time")
    assert await peer.text() == "in time"


# Compression


def inflated(frames: list[Frame], **agreed: Any) -> list[bytes | Violation]:
    """Return what compressed messages are, to a client that keeps what is agreed."""
    inflater = Inflater(None, **agreed)
    return [inflater.inflate(frame.payload) for frame in frames]


@pytest.mark.parametrize(
    ("kind", "is_sound"), [(Deflating, True), (ContextKept, False)]
)
async def test_context_is_forgotten_by_the_sound_one_alone(
    start: Any, echoed: Any, kind: type[Deflating], *, is_sound: bool
) -> None:
    """Where that is agreed; the first message is right for both."""
    offer = "permessage-deflate; server_no_context_takeover"
    peer = await echoed(await start(kind), offer)
    frames = [await echo_of(peer, WORDS) for _ in range(2)]
    assert all(frame.rsv1 for frame in frames)
    first, second = inflated(frames, context_takeover=False)
    assert first == WORDS
    assert (second == WORDS) is is_sound
    assert isinstance(second, bytes) is is_sound


@pytest.mark.parametrize(
    ("kind", "is_sound"), [(Deflating, True), (WindowForgotten, False)]
)
async def test_the_window_is_kept_by_the_sound_one_alone(
    start: Any, echoed: Any, kind: type[Deflating], *, is_sound: bool
) -> None:
    """Where a small one is agreed, the second message points back too far."""
    offer = "permessage-deflate; server_max_window_bits=9"
    peer = await echoed(await start(kind), offer)
    frames = [await echo_of(peer, WORDS) for _ in range(2)]
    _, second = inflated(frames, window_bits=9)
    assert (second == WORDS) is is_sound


async def test_a_deflating_server_agrees_to_offers_alone(
    start: Any, echoed: Any, connect: Any
) -> None:
    """Without one, or behind one to another connection, all is plain; input too."""
    server = await start(Deflating)
    compressed = await echoed(server, "permessage-deflate")
    plain = await echoed(server)
    assert not (await echo_of(plain, b"Hello")).rsv1
    hello = bytes.fromhex("f2 48 cd c9 c9 07 00")
    compressed.send(Opcode.TEXT, hello, rsv1=True)
    frame = await compressed.frame()
    assert inflated([frame]) == [b"Hello"]
    refused = await connect(server)
    refused.ask("/echo", Sec_WebSocket_Key=None)
    assert "400" in await refused.head()


async def test_a_deflating_server_forgets_connections(
    start: Any, echoed: Any, until: Any
) -> None:
    """What it compressed with goes with them."""
    server = await start(Deflating)
    peer = await echoed(server, "permessage-deflate")
    assert isinstance(server.make_deflater(DeflateParameters()).statistics(), dict)
    assert len(server._deflaters) == 1
    peer.reset()
    await until(lambda: not server._deflaters)
