"""Wrecks of counting and compressing: each shows its fault, and is sound beside it."""

from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks.frames import Deflating
from wavetank.wrecks.volumes import (
    CompressionUnmarked,
    ContextShared,
    EveryTwoHundredthTwice,
    WindowRaised,
)

pytestmark = pytest.mark.anyio

HELLO = bytes.fromhex("f248cdc9c90700")
"""RFC 7692 7.2.3.1"""


async def test_wreck_repeats_every_200th_message(start: Any, echoed: Any) -> None:
    """Of each connection by itself."""
    server = await start(EveryTwoHundredthTwice)
    for _ in range(2):
        peer = await echoed(server)
        for number in range(201):
            peer.send(Opcode.TEXT, str(number).encode())
        seen = [await peer.text() for _ in range(202)]
        assert seen == [*map(str, range(200)), "199", "200"]


async def test_wreck_has_one_context_for_all(start: Any, echoed: Any) -> None:
    """So what one connection has sent, another one's message points back to."""
    deflated = []
    server = await start(ContextShared)
    for _ in range(2):
        peer = await echoed(server, "permessage-deflate")
        peer.send(Opcode.TEXT, HELLO, rsv1=True)
        deflated.append((await peer.frame()).payload)
    assert deflated[0] == HELLO
    assert len(deflated[1]) < len(HELLO)


async def test_wreck_does_not_mark_what_is_compressed(start: Any, echoed: Any) -> None:
    """What is not compressed comes back as it should."""
    server = await start(CompressionUnmarked)
    peer = await echoed(server, "permessage-deflate")
    peer.send(Opcode.BINARY, HELLO, rsv1=True)
    frame = await peer.frame()
    assert (frame.rsv1, frame.payload) == (False, HELLO)

    peer = await echoed(server)
    peer.send(Opcode.TEXT, b"Hello")
    assert await peer.text() == "Hello"


async def test_wreck_sends_nothing_where_it_is_closing(start: Any, echoed: Any) -> None:
    """An echo that is late is none."""
    server = await start(CompressionUnmarked)
    peer = await echoed(server, "permessage-deflate")
    (connection,) = server.open
    connection.close(1000)
    server.push(connection, Opcode.TEXT, b"late")
    assert await peer.close_code() == 1000


@pytest.mark.parametrize(
    ("kind", "offered", "answered"),
    [
        (WindowRaised, "; server_max_window_bits=9", "server_max_window_bits=15"),
        (Deflating, "; server_max_window_bits=9", "server_max_window_bits=9"),
        (WindowRaised, "", "permessage-deflate\r\n"),
    ],
)
async def test_wreck_raises_a_window_that_is_offered(
    start: Any, connect: Any, kind: Any, offered: str, answered: str
) -> None:
    """Only where one is."""
    peer = await connect(await start(kind))
    peer.ask("/echo", Sec_WebSocket_Extensions=f"permessage-deflate{offered}")
    assert answered in await peer.head()


@pytest.mark.parametrize(("version", "status"), [("13", "101"), ("12", "426")])
async def test_wreck_raises_no_window_without_an_offer(
    start: Any, connect: Any, version: str, status: str
) -> None:
    """And refuses what is no opening handshake."""
    peer = await connect(await start(WindowRaised))
    peer.ask("/echo", Sec_WebSocket_Version=version)
    head = await peer.head()
    assert status in head.partition("\r\n")[0]
    assert "permessage-deflate" not in head
