"""Wrecks of the opening handshake: each shows its fault."""

import asyncio
import json
from typing import Any

import pytest

from wavetank.wrecks import SoundServer
from wavetank.wrecks.handshake import (
    EventBeforeWelcome,
    EveryFifthUnanswered,
    HalfHandshakeBlocks,
    HalfHandshakeKept,
    MissingKeyAccepted,
    PlainGetUpgraded,
    WelcomeOfOtherProtocol,
    WelcomeTwice,
    WrongVersionAccepted,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "changes", "sound"),
    [
        (WrongVersionAccepted, {"Sec_WebSocket_Version": "12"}, "426"),
        (MissingKeyAccepted, {"Sec_WebSocket_Key": None}, "400"),
        (PlainGetUpgraded, {"Upgrade": None}, "426"),
        (
            PlainGetUpgraded,
            {
                "Upgrade": None,
                "Connection": None,
                "Sec_WebSocket_Key": None,
                "Sec_WebSocket_Version": None,
            },
            "426",
        ),
    ],
)
async def test_wreck_accepts_what_the_sound_server_refuses(
    start: Any,
    connect: Any,
    kind: type[SoundServer],
    changes: dict[str, str | None],
    sound: str,
) -> None:
    """The one thing that is wrong is answered with 101."""
    for server, status in ((await start(kind), "101"), (await start(), sound)):
        peer = await connect(server)
        peer.ask("/ws", **changes)
        assert status in (await peer.head()).partition("\r\n")[0]


@pytest.mark.parametrize(
    "kind", [WrongVersionAccepted, MissingKeyAccepted, PlainGetUpgraded]
)
async def test_wreck_refuses_everything_else_that_is_wrong(
    start: Any, connect: Any, kind: type[SoundServer]
) -> None:
    """A key that is no key is refused by all of them."""
    server = await start(kind)
    peer = await connect(server)
    peer.ask("/ws", Sec_WebSocket_Key="short")
    assert "400" in (await peer.head()).partition("\r\n")[0]


async def test_wreck_never_answers_every_fifth_handshake(
    start: Any, connect: Any, greeted: Any
) -> None:
    """Four are answered; the fifth hears nothing until the deadline ends it."""
    server = await start(EveryFifthUnanswered, handshake_timeout=0.1)
    for _ in range(4):
        await greeted(server)
    fifth = await connect(server)
    fifth.ask("/ws")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await fifth.head()
    await greeted(server)


async def test_wreck_keeps_half_a_handshake(start: Any, connect: Any) -> None:
    """When a later one at a sound server is let go, it still waits."""
    wreck = await start(HalfHandshakeKept, handshake_timeout=0.02)
    sound = await start(handshake_timeout=0.1)
    kept, gone = await connect(wreck), await connect(sound)
    for peer in (kept, gone):
        peer.write(b"GET /ws HTTP/1.1\r\n")
    assert "408" in await gone.head()
    kept.write(b"Host: a\r\n\r\n")
    assert "426" in await kept.head()


async def test_wreck_serves_nobody_beside_half_a_handshake(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """Others are served again only when the second half is there."""
    server = await start(HalfHandshakeBlocks)
    before = await greeted(server)
    half = await connect(server)
    half.write(b"GET /healthz HTTP/1.1\r\n")
    await until(lambda: server.half is not None)
    after = await connect(server)
    after.ask("/ws")
    before.command("ping")
    await until(lambda: len(server.connected) == 3)
    assert not any(one.transport.is_reading() for one in server.others(server.half))
    half.write(b"Host: a\r\n\r\n")
    assert "200" in await half.head()
    assert (await before.message())["type"] == "pong"
    assert "101" in await after.head()


async def test_wreck_serves_again_when_half_a_handshake_is_gone(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """The end of the one that blocked is as good as its second half."""
    server = await start(HalfHandshakeBlocks)
    half = await connect(server)
    half.write(b"GET")
    await until(lambda: server.half is not None)
    half.reset()
    await greeted(server)
    assert server.half is None


async def test_wreck_sends_an_event_before_the_welcome(
    start: Any, connect: Any
) -> None:
    """What should come first comes second."""
    peer = await connect(await start(EventBeforeWelcome), "/ws")
    assert [(await peer.message())["type"] for _ in range(2)] == ["event", "welcome"]


async def test_wreck_says_welcome_twice(start: Any, connect: Any) -> None:
    """The second message is the first again."""
    peer = await connect(await start(WelcomeTwice), "/ws")
    assert [(await peer.message())["type"] for _ in range(2)] == ["welcome"] * 2


async def test_wreck_names_another_protocol_in_its_welcome(
    start: Any, connect: Any
) -> None:
    """Handshake and welcome do not agree."""
    peer = await connect(await start(WelcomeOfOtherProtocol), "/ws")
    assert json.loads(await peer.text())["protocol"] == "wavetank.v0"
