"""Wrecks that break under load: each shows its fault, and only then."""

import asyncio
from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer
from wavetank.wrecks.loads import (
    BurstOverflow,
    CapacityOf500,
    Conflating,
    DiesAfter300,
    EveryTwentiethLate,
    FiftyAtMost,
    HandshakesInTurn,
    LateAcknowledgements,
    NarrowBand,
    OneIn300Corrupted,
    OneIn300Lost,
    OneIn300Swapped,
    OneIn300Twice,
    SlowerAndSlower,
    StallsOnce,
)

pytestmark = pytest.mark.anyio

ONE, OTHER = object(), object()
"""Two connections, as far as a schedule is concerned."""


async def echoed(start: Any, connect: Any, kind: type[SoundServer]) -> Any:
    """Return a peer of the server's echo."""
    return await connect(await start(kind), "/echo")


def send(peer: Any, count: int, first: int = 0) -> None:
    """Send numbers."""
    for number in range(first, first + count):
        peer.send(Opcode.TEXT, b'{"n":%d}' % number)


async def numbers(peer: Any) -> list[int]:
    """Return the numbers that come back before the pong of a ping."""
    peer.send(Opcode.PING, b"end")
    heard = []
    while (frame := await peer.frame()).opcode != Opcode.PONG:
        heard.append(int(frame.payload[5:-1]))
    return heard


def dues(kind: Any, messages: list[tuple[Any, int, float]]) -> list[float]:
    """Return when a server sends messages: each with its connection, size and time."""
    server = kind()
    return [round(server.due(*message), 6) for message in messages]


async def test_wreck_has_a_capacity_over_all_connections() -> None:
    """The turn of a message comes 2 ms after the last one's; time off is not saved."""
    messages = [(ONE, 9, 1.0), (OTHER, 9, 1.0), (ONE, 9, 1.0), (ONE, 9, 5.0)]
    assert dues(CapacityOf500, messages) == [1.0, 1.002, 1.004, 5.0]


async def test_wreck_is_slower_with_every_message() -> None:
    """The delay grows with the number of messages, whoever gets them."""
    messages = [(ONE, 9, 1.0), (OTHER, 9, 1.0), (ONE, 9, 2.0)]
    assert dues(SlowerAndSlower, messages) == [1.0005, 1.001, 2.0015]


async def test_wreck_delays_every_twentieth() -> None:
    """Whoever gets it; the others are due at once."""
    found = dues(EveryTwentiethLate, [(ONE, 9, 1.0)] * 20 + [(OTHER, 9, 1.1)])
    assert found == [1.0] * 19 + [1.3, 1.1]


async def test_wreck_is_a_narrow_band_for_each_connection() -> None:
    """A message waits as long as the bytes before it take at 256 KiB a second."""
    messages = [(ONE, 131_072, 1.0), (ONE, 1, 1.0), (OTHER, 1, 1.0), (ONE, 1, 9.0)]
    assert dues(NarrowBand, messages) == [1.0, 1.5, 1.0, 9.0]


class Quick(CapacityOf500):
    """The same, with so large a capacity that a test need not wait."""

    rate = 100_000.0


@pytest.mark.parametrize("kind", [Quick, EveryTwentiethLate, NarrowBand])
async def test_wreck_that_holds_messages_sends_all_of_them_in_order(
    start: Any, connect: Any, kind: type[SoundServer]
) -> None:
    """Late is not lost."""
    peer = await echoed(start, connect, kind)
    send(peer, 50)
    assert [int((await peer.text())[5:-1]) for _ in range(50)] == list(range(50))


async def test_wreck_that_holds_messages_drops_what_would_fill_its_memory(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a bound on what may wait."""
    monkeypatch.setattr("wavetank.wrecks.loads._MOST_WAITING", 3)
    server = await start(SlowerAndSlower)
    monkeypatch.setattr(server, "due", lambda *_: float("inf"))
    peer = await connect(server, "/echo")
    send(peer, 10)
    assert await numbers(peer) == []
    ((connection, held),) = server.waiting.items()
    assert len(held) == 3
    for _ in range(3):
        _, opcode, payload = held.popleft()
        held.append((0.0, opcode, payload))
    server.send_due(connection)
    assert [int((await peer.text())[5:-1]) for _ in range(3)] == [0, 1, 2]
    assert not held


class Blinking(StallsOnce):
    """The same, with a pause that a test does not notice."""

    pause = 0.001


async def test_wreck_stalls_once_and_loses_nothing(start: Any, connect: Any) -> None:
    """Everything comes, the 200th message after the pause."""
    server = await start(Blinking)
    peer = await connect(server, "/echo")
    send(peer, 250)
    assert await numbers(peer) == list(range(250))
    assert StallsOnce.pause == 2.0


async def test_wreck_acknowledges_behind_the_delivery(start: Any, greeted: Any) -> None:
    """The event of a publication is there before its answer."""
    peer = await greeted(await start(LateAcknowledgements))
    await peer.done("subscribe", topic="t")
    peer.command("publish", topic="t", data=1)
    assert [(await peer.message())["type"] for _ in range(2)] == ["event", "published"]


async def test_wreck_shakes_hands_in_turn(start: Any, connect: Any, until: Any) -> None:
    """Each gets its turn, a tenth of a second behind the last; who left is passed."""
    server = await start(HandshakesInTurn)
    began = asyncio.get_running_loop().time()
    first, gone = await connect(server), await connect(server)
    for peer in (first, gone):
        peer.ask("/echo")
    await until(lambda: server.free_at > began + 0.19)
    gone.reset()
    assert "101" in await first.head()
    await until(lambda: len(server.connected) == 1)
    third = await connect(server, "/echo")
    assert server.free_at > began + 0.29
    send(third, 1)
    assert await numbers(third) == [0]


async def test_wreck_refuses_the_fifty_first(start: Any, connect: Any) -> None:
    """Fifty are served, one more is not, and is when another has left."""
    server = await start(FiftyAtMost)
    peers = [await connect(server, "/echo") for _ in range(50)]
    late = await connect(server)
    late.ask("/echo")
    assert "503" in await late.head()
    peers[0].send(Opcode.CLOSE)
    assert await peers[0].frame() is not None
    await connect(server, "/echo")


async def test_wreck_dies_after_300_messages(start: Any, connect: Any) -> None:
    """The 300th ends everything, as a crash does."""
    server = await start(DiesAfter300)
    peer = await connect(server, "/echo")
    send(peer, 299)
    assert len(await numbers(peer)) == 299
    assert not server.ended.is_set()
    send(peer, 1)
    await server.ended.wait()
    assert server.has_crashed


async def test_wreck_overflows_in_a_burst(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond fifty within a tenth of a second is lost; the next tenth is a new one."""
    server = await start(BurstOverflow)
    peer = await connect(server, "/echo")
    loop, now = asyncio.get_running_loop(), [100.0]
    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", lambda: now[0])
        for number in range(60):
            server.push(next(iter(server.open)), Opcode.TEXT, b'{"n":%d}' % number)
        now[0] = 100.2
        server.push(next(iter(server.open)), Opcode.TEXT, b'{"n":60}')
    assert await numbers(peer) == [*range(50), 60]


async def test_wreck_conflates_what_comes_together(start: Any, connect: Any) -> None:
    """Of many at once the newest comes, and what comes later comes later."""
    server = await start(Conflating)
    peer = await connect(server, "/echo")
    send(peer, 5)
    assert await peer.text() == '{"n":4}'
    send(peer, 1, first=5)
    assert await peer.text() == '{"n":5}'


@pytest.mark.parametrize(
    ("kind", "came"),
    [
        (OneIn300Lost, [*range(299), 300]),
        (OneIn300Twice, [*range(299), 299, 299, 300]),
        (OneIn300Swapped, [*range(299), 300, 299]),
    ],
)
async def test_wreck_gets_every_300th_wrong(
    start: Any, connect: Any, kind: type[SoundServer], came: list[int]
) -> None:
    """Numbers 0 to 300 are sent; number 299 is the 300th."""
    server = await start(kind)
    peer = await connect(server, "/echo")
    send(peer, 301)
    assert await numbers(peer) == came
    peer.send(Opcode.CLOSE)
    assert await peer.frame() is not None
    assert not server.pushed


async def test_wreck_corrupts_every_300th(start: Any, connect: Any) -> None:
    """One letter is another; where there is none, nothing is changed."""
    peer = await echoed(start, connect, OneIn300Corrupted)
    send(peer, 299)
    assert await numbers(peer) == list(range(299))
    peer.send(Opcode.TEXT, b'{"a":"xyz"}')
    assert await peer.text() == '{"a":"7yz"}'
    send(peer, 299)
    assert len(await numbers(peer)) == 299
    peer.send(Opcode.TEXT, b'{"a":777777}')
    assert await peer.text() == '{"a":787777}'
    send(peer, 299)
    assert len(await numbers(peer)) == 299
    peer.send(Opcode.TEXT, b"abc,,,,,,,")
    assert await peer.text() == "abc,,,,,,,"


async def test_wreck_holds_a_swapped_message_not_for_ever(
    start: Any, connect: Any
) -> None:
    """Where nothing overtakes it, it comes by itself."""
    peer = await echoed(start, connect, OneIn300Swapped)
    send(peer, 300)
    assert await numbers(peer) == list(range(299))
    assert await peer.text() == '{"n":299}'


async def test_wreck_keeps_nothing_for_who_has_left(
    start: Any, connect: Any, until: Any
) -> None:
    """A connection that ends takes with it what was held for it."""
    server = await start(OneIn300Swapped)
    peer = await connect(server, "/echo")
    send(peer, 300)
    assert len(await numbers(peer)) == 299
    (connection,) = server.held
    peer.reset()
    await until(lambda: not server.connected)
    assert not server.held
    server.release(connection)


async def test_wreck_that_holds_messages_keeps_none_for_who_has_left(
    start: Any, connect: Any, until: Any
) -> None:
    """Their time comes all the same, and finds nothing to do."""
    server = await start(SlowerAndSlower)
    peer = await connect(server, "/echo")
    send(peer, 10)
    assert await numbers(peer) == []
    (connection,) = server.waiting
    peer.reset()
    await until(lambda: not server.connected)
    assert not server.waiting
    server.send_due(connection)
