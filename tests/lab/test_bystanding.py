"""A bystander beside a sound server, an echo, and servers that fail it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import Bare, Dialect, Echo, Hub
from wavetank.errors import LocalError
from wavetank.evidence import Record, Verdict
from wavetank.lab.bystanding import Bystander
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target

from .talks import DEADLINE

pytestmark = pytest.mark.anyio

Served = Callable[..., Awaitable[str]]


@pytest.fixture
def peers(records: list[Record]) -> Callable[[str, Dialect], Peers]:
    """Open peers to a URL, in a dialect."""

    def make(url: str, dialect: Dialect) -> Peers:
        words = dialect.endpoint.subprotocols
        target = Target(url=url, dialect=dialect, subprotocols=words)
        return Peers(target, check="toy", record=records.append, now=time.monotonic)

    return make


async def echo(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


async def answered(bystander: Bystander, times: int = 1) -> None:
    """Wait for so many more answers."""
    async with asyncio.timeout(DEADLINE):
        for _ in range(times):
            await bystander.next_answer()


async def test_a_bystander_times_its_own_messages(
    sounding: Any, peers: Callable[[str, Dialect], Peers]
) -> None:
    """One after the other, as long as it is there."""
    server = await sounding()
    bystander = Bystander(peers(f"ws://127.0.0.1:{server.port}/ws", Hub()))
    async with bystander:
        await answered(bystander, 3)
    assert bystander.answers >= 3
    assert bystander.failure == ""
    assert bystander.judge()[0].verdict is Verdict.PASS
    assert repr(bystander) == f"<Bystander {bystander.answers} answers, served>"


async def test_a_bystander_takes_its_own_message_for_an_answer_alone(
    served: Served, peers: Callable[[str, Dialect], Peers]
) -> None:
    """What else comes before is passed over."""

    async def chatter(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send('{"other":1}')
            await connection.send(message)

    async with Bystander(peers(await served(chatter), Echo())) as bystander:
        await answered(bystander, 2)
    assert bystander.failure == ""


async def test_a_bystander_pings_where_nothing_comes_back(
    served: Served, peers: Callable[[str, Dialect], Peers]
) -> None:
    """A pong is what every server owes."""
    got: list[str | bytes] = []

    async def listen(connection: ServerConnection) -> None:
        got.extend([message async for message in connection])

    async with Bystander(peers(await served(listen), Bare())) as bystander:
        await answered(bystander, 2)
    assert bystander.failure == ""
    assert got == []


async def test_a_bystander_gives_up_who_does_not_answer(
    served: Served, peers: Callable[[str, Dialect], Peers]
) -> None:
    """Who waits for its next answer is told, too."""

    async def listen(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    url = await served(listen)
    async with Bystander(peers(url, Echo()), within=0.05) as bystander:
        await answered(bystander)
    assert "within 0.05 s" in bystander.failure
    assert "within 0.05 s" in repr(bystander)
    assert [one.verdict for one in bystander.judge()] == [
        Verdict.FAIL,
        Verdict.UNKNOWN,
    ]


async def test_a_bystander_tells_that_it_was_cut_off(
    served: Served, peers: Callable[[str, Dialect], Peers]
) -> None:
    """The end of its connection is the end of its story."""

    async def once(connection: ServerConnection) -> None:
        await connection.send(await connection.recv())

    async with Bystander(peers(await served(once), Echo())) as bystander:
        while not bystander.failure:
            await answered(bystander)
    assert bystander.answers == 1
    assert bystander.failure


async def test_a_bystander_notices_that_the_lab_stood_still(
    served: Served, peers: Callable[[str, Dialect], Peers], clock: Any
) -> None:
    """Nobody else could tell that from a slow target."""
    async with Bystander(peers(await served(echo), Echo())) as bystander:
        await answered(bystander)
        clock.leap(5.0)
        await answered(bystander, 2)
    assert bystander.stood_still >= 4.0


async def test_a_mistake_of_ours_is_told(
    served: Served,
    peers: Callable[[str, Dialect], Peers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says nothing about the target."""

    async def fail(*_: object) -> None:
        raise LocalError("a mistake")

    monkeypatch.setattr(Bystander, "_go_round", fail)
    bystander = Bystander(peers(await served(echo), Echo()))
    with pytest.raises(LocalError, match="a mistake"):
        async with bystander:
            await answered(bystander)
