"""How an unknown target speaks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import Echo
from wavetank.lab import recognition as module
from wavetank.lab.recognition import recognised
from wavetank.net import open_peer

pytestmark = pytest.mark.anyio

Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence be noticed soon."""
    monkeypatch.setattr(module, "_PROBE_WITHIN", 0.1)
    monkeypatch.setattr(module, "_HEAR_WITHIN", 0.1)


async def repeat(connection: ServerConnection) -> None:
    """Echo."""
    async for message in connection:
        await connection.send(message)


async def greet(connection: ServerConnection) -> None:
    """Say something of no dialect, then echo."""
    await connection.send("hello")
    await repeat(connection)


async def wait(connection: ServerConnection) -> None:
    """Take everything and say nothing."""
    async for _ in connection:
        pass


async def leave(connection: ServerConnection) -> None:
    """Close at once."""


async def tick(connection: ServerConnection) -> None:
    """Talk without end."""
    while True:
        await connection.send("tick")
        # It shares a loop with its listener, which has to have its turn.
        await (await connection.ping())


WELCOME = (
    '{"type":"welcome","protocol":"wavetank.v1","connection":"c","node":"n",'
    '"version":"1","ts":1.0,"auth":"none","ping_interval_ms":20000,'
    '"limits":{"message_bytes":1,"payload_bytes":1,"topics":1,"commands_per_s":null,'
    '"publish_per_s":null,"first_command_ms":10000},"features":[]}'
)


async def greet_late(connection: ServerConnection) -> None:
    """Greet as a hub, once asked something."""
    await connection.recv()
    await connection.send(WELCOME)
    await wait(connection)


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (repeat, "echo"),
        (greet, "bare"),  # what it says by itself would pass for a bad echo
        (wait, "bare"),
        (leave, "bare"),
        (tick, "bare"),
        (greet_late, "hub"),  # it was asked something before its welcome came
    ],
)
async def test_an_unknown_target_is_a_hub_an_echo_or_bare(
    served: Callable[..., Awaitable[str]], handler: Handler, name: str
) -> None:
    """It is asked once; a target that talks without end is not listened to for ever."""
    peer = await open_peer(await served(handler))
    dialect = await recognised(peer)
    peer.abort()
    assert dialect.name == name


class Still:
    """A peer of an echo that stands still until it was pinged so often."""

    subprotocol = None

    def __init__(self, pings: int) -> None:
        self._sleeps = pings
        self._answer: asyncio.Queue[str] = asyncio.Queue()
        self._sent: list[str] = []

    async def send(self, message: str) -> None:
        """Keep it."""
        self._sent.append(message)

    async def receive(self, timeout: float) -> str:
        """Wait for the echo."""
        async with asyncio.timeout(timeout):
            return await self._answer.get()

    async def ping(self, timeout: float) -> float:
        """Wake it up, sooner or later."""
        self._sleeps -= 1
        if not self._sleeps:
            self._answer.put_nowait(self._sent[0])
        return timeout


@pytest.mark.parametrize("pings", [1, 2])
async def test_a_target_that_stood_still_while_it_was_asked_is_an_echo(
    pings: int,
) -> None:
    """A second that it, or this machine, has lost is not taken for silence.

    It was: a target that stood still at that moment lost every check that needs an
    echo.
    """
    peer: Any = Still(pings)
    assert isinstance(await recognised(peer), Echo)
