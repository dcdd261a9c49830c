"""Wrecks that bear faults badly: each beside the sound server, which does not."""

import asyncio
import json
from typing import Any

import pytest

from wavetank.wire import Opcode, encode_frame
from wavetank.wrecks import SoundServer, faults, sound
from wavetank.wrecks import connection as connections
from wavetank.wrecks.faults import (
    DiesOnHalfFrame,
    HalfOpenKept,
    ResetMutesTopic,
    SessionsLeaked,
    SilentOverflow,
    SlotsKept,
    SlowConsumerBlocksAll,
    UnacknowledgedWithoutAudience,
)

pytestmark = pytest.mark.anyio

LARGE = "x" * 60_000
"""Much of a payload; a few of them fill what a narrow connection takes."""


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let little wait for a slow consumer, and leave it all the time to read it."""
    monkeypatch.setattr(connections, "MAX_UNSENT", 1_000_000)
    monkeypatch.setattr(sound, "_SLOW_LINGER", 3600.0)


async def flood(speaker: Any, count: int) -> None:
    """Publish so many large payloads to ``t``, each acknowledged."""
    for _ in range(count):
        await speaker.done("publish", topic="t", data=LARGE)


@pytest.mark.parametrize("kind", [SoundServer, UnacknowledgedWithoutAudience])
async def test_wreck_does_not_acknowledge_what_nobody_hears(
    start: Any, greeted: Any, kind: type[SoundServer]
) -> None:
    """What is published before anybody is there is in the log all the same."""
    server = await start(kind)
    speaker = await greeted(server)
    published = speaker.command("publish", topic="t", data=1)
    asked = speaker.command("ping")
    first = (await speaker.message())["id"]
    assert first == (published if kind is SoundServer else asked)
    listener = await greeted(server)
    reply = await listener.done("subscribe", topic="t", since="earliest")
    assert reply["seq"] == 1
    assert (await listener.message())["data"] == 1


@pytest.mark.parametrize("kind", [SoundServer, ResetMutesTopic])
async def test_wreck_mutes_the_topics_of_who_was_reset(
    start: Any, greeted: Any, heard: Any, until: Any, kind: type[SoundServer]
) -> None:
    """A subscriber that crashes takes its topic's events with it, and no others."""
    server = await start(kind)
    one, other, speaker = [await greeted(server) for _ in range(3)]
    await one.done("subscribe", topic="t")
    await other.done("subscribe", topic="t")
    await other.done("subscribe", topic="u")
    one.reset()
    await until(lambda: len(server.open) == 2)
    await speaker.done("publish", topic="t", data="to t")
    await speaker.done("publish", topic="u", data="to u")
    lost = [] if kind is ResetMutesTopic else [(1, "to t")]
    assert await heard(other) == [*lost, (1, "to u")]


@pytest.mark.parametrize("kind", [SoundServer, DiesOnHalfFrame])
@pytest.mark.parametrize("how", ["reset in a frame", "end in a frame", "reset"])
async def test_wreck_dies_of_half_a_frame_and_a_reset(
    start: Any, greeted: Any, until: Any, kind: type[SoundServer], how: str
) -> None:
    """Either of them alone does no harm, and to the sound one both do none."""
    server = await start(kind)
    bystander, peer = await greeted(server), await greeted(server)
    (_, half) = server.open
    if how != "reset":
        peer.write(encode_frame(Opcode.TEXT, b"half a message", mask=b"mask")[:9])
        await until(lambda: half.is_half)
    if how == "end in a frame":
        peer.writer.transport.abort()
    else:
        peer.reset()
    await until(lambda: half not in server.connected)
    is_dead = kind is DiesOnHalfFrame and how == "reset in a frame"
    assert server.has_crashed is server.ended.is_set() is is_dead
    if not is_dead:
        assert (await bystander.done("ping"))["type"] == "pong"


@pytest.mark.parametrize("kind", [SoundServer, HalfOpenKept])
async def test_wreck_never_misses_anybody(
    start: Any, greeted: Any, until: Any, kind: type[SoundServer]
) -> None:
    """Without a pong in time the sound one says 4110 and goes; the wreck stays."""
    server = await start(kind, ping_interval=0.001, pong_timeout=0.02)
    missed = asyncio.Event()
    on_silent = server.liveness._give_up

    def note(connection: Any) -> None:
        on_silent(connection)
        missed.set()

    server.liveness._give_up = note
    peer = await greeted(server)
    async with asyncio.timeout(10):
        await missed.wait()
    if kind is SoundServer:
        assert await peer.close_code() == 4110
        assert server.status()["connections"]["silent"] == 1
        assert server.open_count() == 0
    else:
        assert server.open_count() == 1


async def test_wreck_drops_what_a_slow_consumer_has_no_room_for(
    start: Any, greeted: Any, stuck: Any, relieved: Any, heard: Any
) -> None:
    """Some is missing in the middle, and nobody says so; others get everything."""
    server = await start(SilentOverflow)
    slow, quick = await stuck(server), await greeted(server)
    await quick.done("subscribe", topic="t")
    await flood(await greeted(server), 40)
    assert [seq for seq, _ in await heard(quick)] == list(range(1, 41))
    seen: list[int] = []
    speaker = await greeted(server)
    relieved(slow)
    while not seen or seen[-1] < 41:
        seen += [seq for seq, _ in await heard(slow)]
        await speaker.done("publish", topic="t", data="the end")
    assert seen == sorted(set(seen))
    assert len([seq for seq in seen if seq <= 40]) < 40


async def test_wreck_lets_a_slow_consumer_block_everybody(
    start: Any, greeted: Any, stuck: Any, heard: Any
) -> None:
    """The others hear nothing more until it reads, or goes; nothing is lost."""
    server = await start(SlowConsumerBlocksAll)
    slow, quick = await stuck(server), await greeted(server)
    await quick.done("subscribe", topic="t")
    await flood(await greeted(server), 40)
    seen = [seq for seq, _ in await heard(quick)]
    assert len(seen) < 40
    assert server.is_blocked()
    slow.writer.transport.abort()
    while len(seen) < 40:
        seen += [seq for seq, _ in await heard(quick)]
    assert seen == list(range(1, 41))


async def test_wreck_that_is_blocked_has_nothing_for_who_is_gone(
    start: Any, greeted: Any, stuck: Any, heard: Any, published: Any
) -> None:
    """Who comes later, or has unsubscribed, gets nothing that has waited."""
    server = await start(SlowConsumerBlocksAll)
    slow, gone = await stuck(server), await greeted(server)
    await gone.done("subscribe", topic="t")
    await flood(await greeted(server), 40)
    await gone.done("unsubscribe", topic="t")
    late = await greeted(server)
    assert (await late.done("subscribe", topic="t"))["seq"] == 40
    slow.writer.transport.abort()
    await published(server, 1)
    seen: list[Any] = []
    while not seen:
        seen = await heard(late)
    assert seen == [(41, "n-1")]
    assert await heard(gone) == []


@pytest.mark.usefixtures("narrow")
async def test_sound_server_cuts_off_a_slow_consumer_with_4108(
    start: Any, greeted: Any, stuck: Any, relieved: Any, heard: Any
) -> None:
    """It is told why, behind what waits for it; nobody else notices anything."""
    server = await start()
    slow, quick = await stuck(server), await greeted(server)
    await quick.done("subscribe", topic="t")
    await flood(await greeted(server), 40)
    assert [seq for seq, _ in await heard(quick)] == list(range(1, 41))
    counted = {"open": 2, "opened": 3, "slow": 1, "silent": 0}
    assert server.status()["connections"] == counted
    relieved(slow)
    assert await slow.close_code() == 4108


@pytest.mark.parametrize("kind", [SoundServer, SlotsKept])
async def test_wreck_has_no_slot_for_who_is_back_too_soon(
    start: Any, connect: Any, kind: type[SoundServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty short connections take all slots; later there are some again."""
    monkeypatch.setattr(faults, "_SLOT_FOR", 3600.0)
    server = await start(kind)
    for _ in range(20):
        peer = await connect(server, "/echo")
        peer.send(Opcode.CLOSE)
        await peer.close_code()
    peer = await connect(server)
    peer.ask("/echo")
    status = "101" if kind is SoundServer else "503"
    assert status in (await peer.head()).partition("\r\n")[0]
    monkeypatch.setattr(faults, "_SLOT_FOR", -1.0)
    await connect(server, "/echo")


@pytest.mark.parametrize(("kind", "left"), [(SoundServer, 0), (SessionsLeaked, 3)])
async def test_wreck_leaks_sessions(
    start: Any, connect: Any, until: Any, kind: type[SoundServer], left: int
) -> None:
    """The status page counts who is gone; plain requests leave nothing."""
    server = await start(kind)
    for _ in range(3):
        peer = await connect(server, "/echo")
        peer.reset()
    await until(lambda: not server.connected)
    assert server.open_count() == left
    page = await connect(server)
    page.ask("/api/websocket/status")
    await page.head()
    status = json.loads(await page.reader.read())
    assert status["connections"]["open"] == left
    page.writer.transport.abort()
    await until(lambda: not server.connected)
    assert server.open_count() == left


async def test_wreck_leaks_no_more_than_the_machine_bears(
    start: Any, connect: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind so many the leak is stopped, and all is given back at the end."""
    monkeypatch.setattr(faults, "_MOST_LEAKED", 1)
    server = await start(SessionsLeaked)
    for _ in range(3):
        (await connect(server, "/echo")).reset()
    await until(lambda: not server.connected)
    assert server.open_count() == 1
    await server.stop()
    assert server.leaked == []
