"""Introducing: what a target wants to hear before anything else."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import Dialect, Echo, Hub, Template
from wavetank.evidence import Record
from wavetank.lab.conformance.aio.introducing import introduce
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.case import Case
from wavetank.lab.conformance.echoes import way_of
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target

pytestmark = pytest.mark.anyio

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

Introduce = Callable[..., Awaitable[Transcript]]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def introduced(records: list[Record]) -> AsyncIterator[Introduce]:
    """Open a connection and introduce its player; return what was heard then."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(url: str, dialect: Dialect, token: str = "") -> Transcript:
            names = dialect.endpoint.subprotocols
            target = Target(url=url, dialect=dialect, token=token, subprotocols=names)
            peers = Peers(target, check="intro", record=records.append, now=lambda: 7.0)
            stack.push_async_callback(peers.close)
            way = way_of(dialect, "a.topic")
            transcript = Transcript()
            player = Player(
                Case(id="I.1", title="", clause="", steps=(), outcomes=()),
                await peers.rude(within=DEADLINE),
                transcript,
                Tracing(),
                way=way,
                inflater=None,
                within=DEADLINE,
            )
            await introduce(player, way, target)
            return transcript

        yield start


async def test_a_plain_echo_is_told_nothing(
    introduced: Introduce, served: Serve
) -> None:
    """There is nothing that it would wait for."""

    async def listen(connection: ServerConnection) -> None:
        async for message in connection:
            raise AssertionError(message)

    transcript = await introduced(await served(listen), Echo())

    assert transcript.heard == []


async def test_the_hub_greets_and_is_subscribed_to(
    introduced: Introduce, sounding: Any
) -> None:
    """Its token is in the handshake, and what it said so far does not count."""
    server = await sounding()

    transcript = await introduced(f"ws://127.0.0.1:{server.port}/ws", Hub(), "secret")

    assert transcript.heard == []
    assert [len(server.audience("a.topic"))] == [1]


async def test_a_preamble_and_a_token_come_first(
    introduced: Introduce, served: Serve
) -> None:
    """In this order, then the welcome, as the dialect has them."""
    heard: list[str | bytes] = []

    async def note(connection: ServerConnection) -> None:
        async for message in connection:
            heard.append(message)
            if "login" in str(message):
                await connection.send('{"ok":1}')
                await connection.send('{"hello":"you"}')

    table = {
        "preamble": ['{"hi":1}'],
        "send": {"authenticate": '{"login":"{token}"}'},
        "welcome": {"has": ["hello"]},
        "reply": {"has": ["ok"]},
    }
    dialect = Template.parse(table, "wavetank.toml [dialect.desk]", name="desk")
    await introduced(await served(note), dialect, "secret")

    assert heard == ['{"hi":1}', '{"login":"secret"}']
