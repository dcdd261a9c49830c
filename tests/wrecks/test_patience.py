"""Wrecks of patience, and the server in a hurry that they are made of."""

from typing import Any

import pytest

from wavetank.wire import Opcode, encode_close
from wavetank.wrecks import SoundServer, patience
from wavetank.wrecks.patience import (
    Eager,
    EndOfTcpForgotten,
    HalfFrameBlocks,
    PongsUnheard,
)

pytestmark = pytest.mark.anyio

NEVER = 3600.0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server in a hurry look only where a test makes it."""
    monkeypatch.setattr(patience, "_LOOK_EVERY", NEVER)


def only(server: SoundServer) -> Any:
    """Return the one connection that is open."""
    (connection,) = server.open
    return connection


# The server in a hurry


async def test_an_opening_handshake_has_a_moment(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than that it may have; more it has not."""
    assert Eager().handshake_timeout == 0.5
    assert Eager(handshake_timeout=0.2).handshake_timeout == 0.2
    monkeypatch.setattr(patience, "_HANDSHAKE", 0.05)
    peer = await connect(await start(Eager))
    peer.write(b"GET /ws HTTP/1.1\r\n")
    assert "408" in await peer.head()


async def test_who_answers_pings_stays(
    start: Any, connect: Any, until: Any, looks: None
) -> None:
    """Look after look."""
    server = await start(Eager)
    peer = await connect(server, "/echo")
    for _ in range(3):
        server.look(only(server))
        assert (await peer.frame()).opcode == Opcode.PING
        peer.send(Opcode.PONG)
        await until(lambda: not server._silent)
    peer.send(Opcode.TEXT, b"still here")
    assert await peer.text() == "still here"


async def test_who_does_not_answer_is_let_go(
    start: Any, connect: Any, looks: None
) -> None:
    """At the look behind the one that asked; then nobody looks any more."""
    server = await start(Eager)
    peer = await connect(server, "/echo")
    connection = only(server)
    server.look(connection)
    server.look(connection)
    assert await peer.close_code() == 1011
    assert not server._looks
    assert not server._silent


async def test_pings_come_by_themselves(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so does the end of who does not answer them."""
    monkeypatch.setattr(patience, "_LOOK_EVERY", 0.02)
    peer = await connect(await start(Eager), "/echo")
    assert (await peer.frame()).opcode == Opcode.PING
    assert await peer.close_code() == 1011


async def test_half_a_message_is_let_go_of(
    start: Any, connect: Any, until: Any, looks: None
) -> None:
    """If two looks in a row see one; pongs do not help."""
    server = await start(Eager)
    peer = await connect(server, "/echo")
    connection = only(server)
    peer.send(Opcode.TEXT, b"Hel", fin=False)
    await until(lambda: connection.is_half)
    server.look(connection)
    peer.send(Opcode.PONG)
    await until(lambda: not server._silent)
    server.look(connection)
    assert await peer.close_code() == 1008


async def test_a_message_that_goes_on_is_not_let_go_of(
    start: Any, connect: Any, until: Any, looks: None
) -> None:
    """A look behind its end has nothing to say against it."""
    server = await start(Eager)
    peer = await connect(server, "/echo")
    connection = only(server)
    peer.send(Opcode.TEXT, b"Hel", fin=False)
    await until(lambda: connection.is_half)
    server.look(connection)
    assert (await peer.frame()).opcode == Opcode.PING
    peer.send(Opcode.PONG)
    peer.send(Opcode.CONTINUATION, b"lo")
    assert await peer.text() == "Hello"
    server.look(connection)
    assert (await peer.frame()).opcode == Opcode.PING


async def test_a_refused_handshake_is_not_looked_after(
    start: Any, connect: Any
) -> None:
    """There is nobody to ping."""
    server = await start(Eager)
    peer = await connect(server)
    peer.ask("/ws", Sec_WebSocket_Key=None)
    assert "400" in await peer.head()
    assert not server._looks


# Wrecks


async def test_pongs_are_unheard(start: Any, connect: Any, looks: None) -> None:
    """Who has answered is let go all the same; a ping is answered."""
    server = await start(PongsUnheard)
    peer = await connect(server, "/echo")
    connection = only(server)
    server.look(connection)
    assert (await peer.frame()).opcode == Opcode.PING
    peer.send(Opcode.PONG)
    peer.send(Opcode.PING, b"heard?")
    assert await peer.text() == "heard?"
    server.look(connection)
    assert await peer.close_code() == 1011


async def test_the_end_of_tcp_is_forgotten(
    start: Any, connect: Any, looks: None
) -> None:
    """The close frame is answered, and the connection stays; the sound one ends it."""
    forgetful = await connect(await start(EndOfTcpForgotten), "/echo")
    sound = await connect(await start(Eager), "/echo")
    for peer in (forgetful, sound):
        peer.send(Opcode.CLOSE, encode_close(1000))
        assert await peer.close_code() == 1000
    assert await sound.ended()
    assert not forgetful.reader.at_eof()


async def test_half_a_frame_blocks_everybody_else(
    start: Any, connect: Any, until: Any
) -> None:
    """Those who are there, and newcomers, until it is complete or gone."""
    server = await start(HalfFrameBlocks)
    half, other = [await connect(server, "/echo") for _ in range(2)]
    for end in (lambda: half.send(Opcode.CONTINUATION, b"lo"), half.reset):
        half.send(Opcode.TEXT, b"Hel", fin=False)
        await until(lambda: server.half is not None)
        newcomer = await connect(server)
        await until(lambda: len(server.connected) > 2)
        newcomer.ask("/echo")
        other.send(Opcode.TEXT, b"anybody?")
        readings = [each.transport.is_reading() for each in server.connected]
        assert sum(readings) == 1
        end()
        assert await other.text() == "anybody?"
        assert "101" in await newcomer.head()
        newcomer.writer.transport.abort()
        await until(lambda: len(server.connected) <= 2)
    assert server.half is None
