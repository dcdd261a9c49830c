"""A WebSocket from 101 to its end: frames, pings, and the closing handshake."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.hub.access import Claims
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.websocket import WebSocket
from wavetank.hub.config import ConnectionLimits
from wavetank.hub.opening import Opening
from wavetank.wire import (
    DeflateParameters,
    FrameReader,
    Opcode,
    Upgrade,
    decode_close,
    deflater_for,
    encode_close,
    encode_frame,
)

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]
UPGRADE = Upgrade(accept="", host="127.0.0.1")


class FakeCarrier:
    """A transport that remembers what was asked of it."""

    try_write = None

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.calls: list[object] = []
        self.woken: list[float] = []
        self.write = self.writes.append

    def linger(self) -> None:
        """Remember it."""
        self.calls.append("linger")

    def end(self) -> None:
        """Remember it."""
        self.calls.append("end")

    def hold(self) -> None:
        """Remember it."""
        self.calls.append("hold")

    def release(self) -> None:
        """Remember it."""
        self.calls.append("release")

    def wake(self, at: float) -> None:
        """Remember it."""
        self.woken.append(at)

    def cut_in(self, seconds: float) -> None:
        """Remember it."""
        self.calls.append(("cut", seconds))

    def take(self) -> list[tuple[int, bytes]]:
        """Return the frames since the last call."""
        reader = FrameReader(expect_mask=False, max_payload=None)
        frames = reader.feed(b"".join(self.writes))
        self.writes.clear()
        return [(frame.opcode, frame.payload) for frame in frames]

    def close_code(self) -> int | None:
        """Return the code of the close frame that was written last."""
        opcode, payload = self.take()[-1]
        assert opcode == Opcode.CLOSE
        closing = decode_close(payload)
        return closing.code


def begin(
    node: Node,
    *,
    is_echo: bool = False,
    claims: Claims | None = None,
    upgrade: Upgrade = UPGRADE,
) -> tuple[WebSocket, FakeCarrier]:
    """Return an open WebSocket; the welcome is thrown away."""
    carrier = FakeCarrier()
    socket = WebSocket(carrier, node, "c-1")
    socket.begin(Opening(upgrade, claims, is_echo))
    carrier.take()
    return socket, carrier


def frame(opcode: int, payload: bytes = b"", **more: Any) -> bytes:
    """Return a frame as a client sends it."""
    return encode_frame(opcode, payload, mask=b"\x01\x02\x03\x04", **more)


def text(**message: Any) -> bytes:
    """Return a text message as a client sends it."""
    return frame(Opcode.TEXT, json.dumps(message).encode())


PING = text(type="ping", id=1)


async def test_websocket_answers_commands(make_node: MakeNode) -> None:
    """Also if they come byte by byte."""
    socket, carrier = begin(make_node())
    for byte in PING:
        socket.feed(bytes([byte]))
    ((opcode, payload),) = carrier.take()
    assert (opcode, json.loads(payload)["type"]) == (Opcode.TEXT, "pong")


async def test_websocket_answers_pings_with_their_payload(make_node: MakeNode) -> None:
    """RFC 6455 5.5.3."""
    socket, carrier = begin(make_node())
    socket.feed(frame(Opcode.PING, b"abc"))
    assert carrier.take() == [(Opcode.PONG, b"abc")]


async def test_websocket_answers_only_the_newest_ping_of_a_peer_that_lags(
    make_node: MakeNode,
) -> None:
    """Pings of somebody who does not read cost no memory."""
    socket, carrier = begin(make_node())
    socket.paused()
    socket.feed(frame(Opcode.PING, b"a") + frame(Opcode.PING, b"b"))
    assert carrier.take() == []
    socket.resumed()
    assert carrier.take() == [(Opcode.PONG, b"b")]
    socket.paused()
    socket.resumed()
    assert carrier.take() == []


async def test_websocket_hands_pongs_on(make_node: MakeNode, clock: Any) -> None:
    """The connection lives as long as they come."""
    socket, carrier = begin(make_node())
    clock.advance(10.1)
    while socket.is_open and clock.now() < 200.0:
        clock.advance(10.0)
        socket.tick()
        for opcode, payload in carrier.take():
            if opcode == Opcode.PING:
                socket.feed(frame(Opcode.PONG, payload))
    assert socket.is_open


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(Opcode.TEXT, b"x", rsv1=True), 1002),
        (frame(3, b"x"), 1002),
        (encode_frame(Opcode.TEXT, b"unmasked"), 1002),
        (frame(Opcode.TEXT, b"\xff\xfe"), 1007),
        (frame(Opcode.TEXT, b"x" * 20, declared_length=2_000_000), 1009),
    ],
)
async def test_websocket_fails_a_connection_that_breaks_a_rule(
    make_node: MakeNode, data: bytes, code: int
) -> None:
    """What was sound before it is answered; then the close frame, then nothing.

    A transport that was ended on the next bytes reset a peer that was still sending,
    and a reset may destroy the close frame before it is read.
    """
    socket, carrier = begin(make_node())
    socket.feed(PING + data)
    assert carrier.take()[0][0] == Opcode.TEXT
    assert socket.code == code
    assert carrier.calls == ["linger"]
    socket.feed(PING)
    assert carrier.take() == []
    assert carrier.calls == ["linger"]


async def test_websocket_closes_as_its_peer_does(make_node: MakeNode) -> None:
    """Answers first, then the same code, then the transport ends."""
    socket, carrier = begin(make_node())
    socket.feed(PING + frame(Opcode.CLOSE, encode_close(3001, "enough")) + PING)
    (first, _), (second, payload) = carrier.take()
    assert (first, second) == (Opcode.TEXT, Opcode.CLOSE)
    assert payload == encode_close(3001)
    assert carrier.calls == [("cut", 5.0), "end"]
    assert socket.code == 3001


async def test_websocket_answers_a_close_without_a_code(make_node: MakeNode) -> None:
    """Without one; it is counted as 1005."""
    socket, carrier = begin(make_node())
    socket.feed(frame(Opcode.CLOSE))
    assert carrier.take() == [(Opcode.CLOSE, b"")]
    assert socket.code == 1005


async def test_websocket_waits_for_the_answer_to_its_close(make_node: MakeNode) -> None:
    """It reads on, passes over messages, and ends when the answer comes."""
    socket, carrier = begin(make_node())
    socket.close(1008, "enough")
    socket.close(1008, "again")
    assert carrier.close_code() == 1008
    assert carrier.calls == ["release", ("cut", 5.0)]
    socket.feed(PING)
    socket.tick()
    socket.drain(1.0)
    socket.paused()
    socket.resumed()
    assert carrier.take() == []
    socket.feed(frame(Opcode.CLOSE, encode_close(1008)))
    assert carrier.calls[-1] == "end"
    assert "c-1 1008" in repr(socket)


async def test_websocket_ends_when_the_answer_cannot_come_any_more(
    make_node: MakeNode,
) -> None:
    """After a broken frame nothing is read."""
    socket, carrier = begin(make_node())
    socket.close(1008, "enough")
    socket.feed(frame(3))
    assert carrier.calls[-1] == "end"


async def test_websocket_that_is_closed_in_the_middle_of_a_read_drops_the_rest(
    make_node: MakeNode,
) -> None:
    """Messages behind the one that ended it mean nothing."""
    socket, carrier = begin(make_node())
    socket.feed(frame(Opcode.BINARY, b"x") + PING)
    assert carrier.close_code() == 1003
    assert carrier.take() == []


async def test_websocket_that_is_lost_is_left_alone(make_node: MakeNode) -> None:
    """Nothing is written to a transport that is gone."""
    node = make_node()
    socket, carrier = begin(node)
    socket.feed(text(type="subscribe", id=1, topic="t"))
    carrier.take()
    socket.lost()
    socket.lost()
    socket.feed(PING)
    socket.tick()
    socket.fail(1011, "late")
    assert carrier.take() == []
    assert "t" not in node.topics
    assert not node.members


async def test_websocket_lets_its_speaker_stop_the_reading(make_node: MakeNode) -> None:
    """Holding and releasing go to the transport."""
    socket, carrier = begin(make_node())
    socket.hold()
    socket.release()
    assert carrier.calls == ["hold", "release"]


async def test_websocket_says_that_the_hub_goes_away(make_node: MakeNode) -> None:
    """Each speaker in its own way."""
    socket, carrier = begin(make_node())
    socket.drain(1.0)
    assert carrier.close_code() == 4200
    socket, carrier = begin(make_node(), is_echo=True)
    socket.drain(1.0)
    assert carrier.close_code() == 1001


async def test_websocket_of_the_echo_counts_for_its_user(make_node: MakeNode) -> None:
    """Until it is gone, and once."""
    node = make_node(tokens=("good",))
    claims = Claims(user="ann")
    assert node.admission.sign_in(claims.user)
    socket, carrier = begin(node, is_echo=True, claims=claims)
    assert node.admission.statistics()["users"] == 1
    socket.feed(frame(Opcode.TEXT, b"x"))
    assert carrier.take() == [(Opcode.TEXT, b"x")]
    socket.lost()
    socket.lost()
    assert node.admission.statistics()["users"] == 0


async def test_websocket_takes_small_messages_only_before_auth(
    make_node: MakeNode,
) -> None:
    """4 KiB, whole or in parts, announced or there."""
    big = b'{"type":"auth","id":1,"token":"' + b"x" * 4100 + b'"}'
    ways = (
        frame(Opcode.TEXT, big),
        frame(Opcode.TEXT, big)[:100],
        frame(Opcode.TEXT, big[:2500], fin=False)
        + frame(Opcode.CONTINUATION, big[:2500], fin=False),
    )
    for data in ways:
        socket, carrier = begin(make_node(tokens=("good",)))
        socket.feed(data)
        assert socket.code == 1009
        assert carrier.calls == ["linger"]


async def test_websocket_takes_large_messages_after_auth(make_node: MakeNode) -> None:
    """Also if auth comes in the same read, and if it comes in parts."""
    socket, carrier = begin(make_node(tokens=("good",)))
    auth = text(type="auth", id=1, token="good")
    socket.feed(auth[:10])
    socket.feed(auth[10:] + text(type="ping", id=2, padding="x" * 5000))
    assert [json.loads(data)["id"] for _, data in carrier.take()] == [1, 2]
    socket.feed(text(type="ping", id=3, padding="x" * 500_000))
    assert [json.loads(data)["id"] for _, data in carrier.take()] == [3]


async def test_websocket_takes_smaller_messages_still_where_that_is_the_limit(
    make_node: MakeNode,
) -> None:
    """A message limit below 4 KiB holds before auth too."""
    limits = ConnectionLimits(message_bytes=50)
    socket, carrier = begin(make_node(tokens=("good",), limits=limits))
    socket.feed(frame(Opcode.TEXT, b"x" * 51))
    assert carrier.close_code() == 1009


# Commands before a close frame.


async def test_websocket_answers_what_came_before_a_close_frame(
    make_node: MakeNode, log: Any
) -> None:
    """A publication that is not durable yet is answered before the close frame is."""
    node = make_node()
    socket, carrier = begin(node)
    log.is_slow = True
    publish = text(type="publish", id=7, topic="t", data=1)
    socket.feed(publish + frame(Opcode.CLOSE, encode_close(1000)))
    assert carrier.take() == []
    assert carrier.calls == [("cut", node.config.closing)]
    socket.feed(PING)
    log.keep()
    await asyncio.sleep(0)
    published, closing = carrier.take()
    assert json.loads(published[1])["type"] == "published"
    assert closing[0] == Opcode.CLOSE
    assert carrier.calls[1:] == [("cut", node.config.closing), "end"]


async def test_websocket_waits_for_answers_no_longer_than_for_a_close(
    make_node: MakeNode, log: Any
) -> None:
    """Nothing that comes up meanwhile moves the deadline."""
    node = make_node()
    socket, carrier = begin(node)
    log.is_slow = True
    publish = text(type="publish", id=7, topic="t", data=1)
    socket.feed(publish + frame(Opcode.CLOSE, encode_close(1000)))
    before = len(carrier.woken)
    socket.paused()
    socket.resumed()
    socket.tick()
    assert len(carrier.woken) == before


# The deadline of a whole message.


def _clocked(
    make_node: MakeNode, *, is_echo: bool = False, within: float | None = 60.0
) -> tuple[WebSocket, FakeCarrier]:
    """Return a WebSocket that hears no pong for a day."""
    limits = ConnectionLimits(message_within=within, message_bytes=100_000)
    node = make_node(limits=limits, ping=86_400.0, pong=86_400.0)
    return begin(node, is_echo=is_echo)


def _part(payload: bytes = b" ", *, opcode: int = 0, fin: bool = False) -> bytes:
    return frame(opcode, payload, fin=fin)


@pytest.mark.parametrize("is_echo", [False, True])
async def test_websocket_fails_a_message_that_never_becomes_whole(
    make_node: MakeNode, clock: Any, lines: Any, *, is_echo: bool
) -> None:
    """A fragment and a pong now and then held what came of it for ever."""
    socket, carrier = _clocked(make_node, is_echo=is_echo)
    socket.feed(_part(opcode=Opcode.TEXT))
    for _ in range(5):
        clock.advance(10.0)
        socket.feed(_part() + frame(Opcode.PONG, b"x") + frame(Opcode.PING, b""))
        socket.tick()
    assert socket.is_open
    assert carrier.woken[-1] == 60.0
    clock.advance(10.0)
    socket.tick()
    assert not socket.is_open
    assert (carrier.close_code(), carrier.calls[-1]) == (1008, "linger")
    failed = lines.events[-1]
    assert failed["event"] == "connection_failed"
    assert failed["reason"] == "message not whole within 60 s"


async def test_websocket_fails_one_large_frame_that_comes_byte_by_byte(
    make_node: MakeNode, clock: Any
) -> None:
    """The message begins with its header, once that is whole."""
    socket, carrier = _clocked(make_node)
    data = frame(Opcode.TEXT, b" " * 1000)
    socket.feed(data[:7])
    assert carrier.woken[-1] > 60.0
    socket.feed(data[7:8])
    for byte in data[8:67]:
        socket.feed(bytes([byte]))
        clock.advance(1.0)
        socket.tick()
    assert socket.is_open
    clock.advance(1.0)
    socket.tick()
    assert carrier.close_code() == 1008


async def test_websocket_times_each_message_by_itself(
    make_node: MakeNode, clock: Any
) -> None:
    """Reads cut where they like: the next one has often begun when one is whole."""
    socket, carrier = _clocked(make_node, is_echo=True)
    halves = PING[: len(PING) // 2], PING[len(PING) // 2 :]
    socket.feed(halves[0])
    for _ in range(20):
        clock.advance(50.0)
        socket.tick()
        socket.feed(halves[1] + PING + halves[0])
    assert socket.is_open
    clock.advance(50.0)
    socket.feed(halves[1])
    clock.advance(1000.0)
    socket.tick()
    assert socket.is_open
    assert len(carrier.take()) == 41


async def test_websocket_asks_for_no_timer_for_messages_that_are_whole(
    make_node: MakeNode,
) -> None:
    """What comes by the hundred thousand costs nothing."""
    socket, carrier = _clocked(make_node, is_echo=True)
    before = len(carrier.woken)
    for _ in range(10):
        socket.feed(PING + PING)
        socket.feed(_part(opcode=Opcode.TEXT) + _part(fin=True))
    assert len(carrier.woken) == before


async def test_websocket_that_is_not_read_may_take_longer(
    make_node: MakeNode, clock: Any
) -> None:
    """The rest cannot come: time counts again once it is read again."""
    socket, carrier = _clocked(make_node)
    socket.feed(_part(opcode=Opcode.TEXT))
    clock.advance(10.0)
    socket.hold()
    clock.advance(500.0)
    socket.tick()
    assert socket.is_open
    socket.release()
    assert carrier.woken[-1] == 560.0
    clock.advance(49.0)
    socket.tick()
    assert socket.is_open
    clock.advance(1.0)
    socket.tick()
    assert carrier.close_code() == 1008


async def test_websocket_waits_without_end_where_that_was_typed(
    make_node: MakeNode, clock: Any
) -> None:
    """`--message-within unlimited`."""
    socket, _ = _clocked(make_node, within=None)
    socket.feed(_part(opcode=Opcode.TEXT))
    clock.advance(50_000.0)
    socket.tick()
    socket.feed(_part())
    assert socket.is_open


# Compression.


async def test_websocket_inflates_what_was_agreed_on(make_node: MakeNode) -> None:
    """And its events may come compressed."""
    node = make_node(compression=True)
    deflate = DeflateParameters(
        server_no_context_takeover=True,
        client_no_context_takeover=True,
        server_max_window_bits=10,
    )
    upgrade = Upgrade(accept="", host="127.0.0.1", deflate=deflate)
    socket, carrier = begin(node, upgrade=upgrade)
    body = deflater_for(deflate, by_server=False).deflate(b'{"type":"ping","id":1}')
    socket.feed(encode_frame(Opcode.TEXT, body, rsv1=True, mask=b"abcd"))
    ((_, data),) = carrier.take()
    assert json.loads(data)["type"] == "pong"
    (member,) = node.members
    assert member.window == 9


async def test_websocket_bounds_what_a_message_inflates_to(
    make_node: MakeNode,
) -> None:
    """The message limit counts inflated bytes: 1009."""
    limits = ConnectionLimits(message_bytes=4096, payload_bytes=1024)
    node = make_node(compression=True, limits=limits)
    deflate = DeflateParameters(client_no_context_takeover=True)
    upgrade = Upgrade(accept="", host="127.0.0.1", deflate=deflate)
    socket, carrier = begin(node, upgrade=upgrade)
    body = deflater_for(deflate, by_server=False).deflate(b" " * 1_000_000)
    socket.feed(encode_frame(Opcode.TEXT, body, rsv1=True, mask=b"abcd"))
    assert carrier.close_code() == 1009


async def test_websocket_takes_nothing_compressed_that_was_not_agreed_on(
    make_node: MakeNode,
) -> None:
    """A reserved bit without a meaning: 1002."""
    socket, carrier = begin(make_node())
    socket.feed(encode_frame(Opcode.TEXT, b"x", rsv1=True, mask=b"abcd"))
    assert carrier.close_code() == 1002
