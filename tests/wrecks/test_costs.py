"""Wrecks that cost too much: each shows what it wastes."""

import time
from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer, costs
from wavetank.wrecks.costs import (
    DescriptorPerConnection,
    DescriptorPerMessage,
    HeavyConnections,
    MemoryPerMessage,
    SlowerWithConnections,
    SpinsPerMessage,
)

pytestmark = pytest.mark.anyio


async def exchange(peer: Any, count: int) -> None:
    """Have so many messages echoed."""
    for _ in range(count):
        peer.send(Opcode.TEXT, b"x")
    for _ in range(count):
        assert await peer.text() == "x"


async def test_wreck_has_heavy_connections(
    start: Any, connect: Any, until: Any
) -> None:
    """A mebibyte each, as long as it is open; none for who was refused."""
    server = await start(HeavyConnections)
    peers = [await connect(server, "/echo") for _ in range(2)]
    refused = await connect(server)
    refused.ask("/echo", Sec_WebSocket_Version="12")
    assert "426" in await refused.head()
    assert [len(each) for each in server.ballast.values()] == [1_048_576] * 2
    peers[0].reset()
    await until(lambda: len(server.ballast) == 1)


async def test_wreck_keeps_memory_of_each_message(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """32 KiB each, up to a bound."""
    monkeypatch.setattr(costs, "_MOST_MEMORY", 3 * 32_768)
    server = await start(MemoryPerMessage)
    await exchange(await connect(server, "/echo"), 5)
    assert [len(each) for each in server.lost] == [32_768] * 3


async def test_wreck_loses_a_descriptor_with_each_connection(
    start: Any, connect: Any
) -> None:
    """It stays open when the connection is not; the end of the server closes it."""
    server = await start(DescriptorPerConnection)
    for _ in range(3):
        (await connect(server, "/echo")).reset()
    assert len(server.lost) == 3
    await server.stop()
    assert not server.lost


async def test_wreck_loses_a_descriptor_with_every_tenth_message(
    start: Any, connect: Any
) -> None:
    """Ten messages cost one, and nine do not."""
    server = await start(DescriptorPerMessage)
    peer = await connect(server, "/echo")
    await exchange(peer, 29)
    assert len(server.lost) == 2
    await exchange(peer, 1)
    assert len(server.lost) == 3


async def test_wreck_lives_on_when_there_are_no_descriptors_left(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is a leak, not the crash that it leads to."""
    server = await start(DescriptorPerMessage)
    peer = await connect(server, "/echo")

    def refuse(*_: object) -> int:
        raise OSError("too many open files")

    monkeypatch.setattr("os.open", refuse)
    await exchange(peer, 20)
    assert not server.lost


@pytest.mark.parametrize(
    ("kind", "connections", "seconds"),
    [(SpinsPerMessage, 1, 0.003), (SlowerWithConnections, 3, 0.0003)],
)
async def test_wreck_uses_up_processor_time(
    start: Any, connect: Any, kind: type[SoundServer], connections: int, seconds: float
) -> None:
    """At least so much for each message, as this thread's own clock tells."""
    server = await start(kind)
    peers = [await connect(server, "/echo") for _ in range(connections)]
    before = time.thread_time()
    await exchange(peers[0], 10)
    assert time.thread_time() - before >= 10 * seconds
