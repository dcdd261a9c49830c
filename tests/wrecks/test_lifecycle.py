"""Wrecks of a connection's life: each shows its fault."""

from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer
from wavetank.wrecks.lifecycle import (
    ActsAfterClose,
    CountKeepsResets,
    CountNeverFalls,
    NewestOnly,
    RefusedAfterReset,
    SendsAfterClose,
    ThirtiethRefused,
    UnansweredClose,
    UnendedClose,
    WrongCloseCode,
)

pytestmark = pytest.mark.anyio

NORMAL = b"\x03\xe8"


async def status(connect: Any, server: SoundServer) -> str:
    """Return the status line of one more opening handshake."""
    peer = await connect(server)
    peer.ask("/ws")
    line: str = (await peer.head()).partition("\r\n")[0]
    return line


async def test_wreck_does_not_answer_a_close(
    start: Any, greeted: Any, until: Any
) -> None:
    """After the close frame the connection goes on as if nothing was said."""
    server = await start(UnansweredClose)
    peer = await greeted(server)
    peer.send(Opcode.CLOSE, NORMAL)
    await until(lambda: not server.open)
    assert len(server.connected) == 1
    await server.stop()
    assert await peer.close_code() == 1001


async def test_wreck_answers_a_close_and_does_not_end(start: Any, greeted: Any) -> None:
    """The close frame comes; the end of the connection does not."""
    server = await start(UnendedClose)
    peer = await greeted(server)
    peer.send(Opcode.CLOSE, NORMAL)
    assert await peer.close_code() == 1000
    (connection,) = server.connected
    assert not connection.transport.is_closing()
    assert connection.deadline is None
    peer.writer.write_eof()
    assert await peer.ended()


async def test_wreck_answers_a_close_with_another_code(
    start: Any, greeted: Any
) -> None:
    """1000 is answered with 1011."""
    peer = await greeted(await start(WrongCloseCode))
    peer.send(Opcode.CLOSE, NORMAL)
    assert await peer.close_code() == 1011
    assert await peer.ended()


async def test_wreck_sends_after_its_close_frame(start: Any, greeted: Any) -> None:
    """A message follows where nothing may follow."""
    peer = await greeted(await start(SendsAfterClose))
    peer.send(Opcode.CLOSE, NORMAL)
    assert await peer.close_code() == 1000
    assert (await peer.message())["type"] == "heartbeat"
    assert await peer.ended()


async def test_wreck_does_what_comes_after_a_close_frame(
    start: Any, greeted: Any
) -> None:
    """A publication behind the close frame reaches others."""
    server = await start(ActsAfterClose)
    peer, other = await greeted(server), await greeted(server)
    await other.done("subscribe", topic="t")
    peer.send(Opcode.CLOSE, NORMAL)
    peer.command("publish", topic="t", data=1)
    assert (await other.message())["type"] == "event"
    assert await peer.close_code() == 1000
    assert (await peer.message())["type"] == "published"
    assert await peer.ended()


async def test_wreck_fails_other_violations_although_it_acts_after_close(
    start: Any, greeted: Any
) -> None:
    """Nothing else is overlooked."""
    peer = await greeted(await start(ActsAfterClose))
    peer.send(0x3)
    assert await peer.close_code() == 1002


async def test_wreck_counts_connections_that_are_gone(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """Two closed, one refused and one open connection are three."""
    server = await start(CountNeverFalls)
    for _ in range(2):
        peer = await greeted(server)
        peer.send(Opcode.CLOSE)
        await until(lambda: not server.open)
    refused = await connect(server)
    refused.ask("/ws", Sec_WebSocket_Key=None)
    assert "400" in await refused.head()
    await greeted(server)
    assert server.open_count() == 3


async def test_wreck_counts_connections_that_were_reset(
    start: Any, greeted: Any, until: Any
) -> None:
    """Who closes is no longer counted; who is cut off is counted on."""
    server = await start(CountKeepsResets)
    peers = [await greeted(server) for _ in range(3)]
    peers[0].send(Opcode.CLOSE)
    await until(lambda: len(server.open) == 2)
    assert server.open_count() == 2
    peers[1].reset()
    await until(lambda: len(server.open) == 1)
    assert server.open_count() == 2


async def test_wreck_refuses_everyone_after_a_reset(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """A closed connection does no harm; one that was cut off does."""
    server = await start(RefusedAfterReset)
    peer = await greeted(server)
    peer.send(Opcode.CLOSE)
    await until(lambda: not server.open)
    peer = await greeted(server)
    peer.reset()
    await until(lambda: not server.open)
    assert "503" in await status(connect, server)


async def test_wreck_refuses_the_thirtieth(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """Twenty-nine are accepted at once; the next is when one has left."""
    server = await start(ThirtiethRefused)
    peers = [await greeted(server) for _ in range(29)]
    assert "503" in await status(connect, server)
    peers[0].send(Opcode.CLOSE)
    await until(lambda: len(server.open) == 28)
    assert "101" in await status(connect, server)


async def test_wreck_serves_only_the_newest_of_many(start: Any, greeted: Any) -> None:
    """With twenty all are served; with one more, only that one, and who closes."""
    server = await start(NewestOnly)
    peers = [await greeted(server) for _ in range(20)]
    assert (await peers[0].done("ping"))["type"] == "pong"
    newest = await greeted(server)
    peers[0].command("ping")
    peers[0].send(Opcode.CLOSE, NORMAL)
    assert (await newest.done("ping"))["type"] == "pong"
    frame = await peers[0].frame()
    assert (frame.opcode, frame.payload) == (Opcode.CLOSE, NORMAL)
