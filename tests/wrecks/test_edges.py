"""Wrecks at the edges: each beside the sound server, which does not stumble."""

import contextlib
from typing import Any

import pytest

from wavetank.wrecks import SoundServer, edges
from wavetank.wrecks.commands import MAX_PAYLOAD
from wavetank.wrecks.edges import (
    BigPayloadUnanswered,
    DeafAfterErrors,
    ErrorsStay,
    ErrorWithoutCode,
    HundredAtMost,
    MemoryPerBadMessage,
    OneMoreAfterUnsubscribe,
    OneSeqForTwo,
    SubscribedTwice,
)
from wavetank.wrecks.log import Store

pytestmark = pytest.mark.anyio


async def offend(peer: Any, count: int) -> list[dict[str, Any]]:
    """Send so many bad commands; return the errors."""
    return [await peer.done("shout") for _ in range(count)]


# Errors


async def test_wreck_leaves_out_the_code(start: Any, greeted: Any) -> None:
    """The rest of the error is there."""
    (error,) = await offend(await greeted(await start(ErrorWithoutCode)), 1)
    assert sorted(error) == ["fatal", "id", "message", "retryable", "ts", "type"]


@pytest.mark.parametrize("kind", [SoundServer, BigPayloadUnanswered])
async def test_wreck_says_nothing_of_a_payload_too_big(
    start: Any, greeted: Any, kind: type[SoundServer]
) -> None:
    """It is not published either; other mistakes are answered."""
    server = await start(kind)
    peer = await greeted(server)
    big = peer.command("publish", topic="t", data="x" * MAX_PAYLOAD)
    bad = peer.command("shout")
    assert (await peer.message())["id"] == (big if kind is SoundServer else bad)
    assert server.store.log("t").top.seq == 0


@pytest.mark.parametrize("kind", [SoundServer, DeafAfterErrors])
async def test_wreck_is_deaf_after_three_errors(
    start: Any, greeted: Any, kind: type[SoundServer]
) -> None:
    """Commands are done in silence, on that connection alone."""
    server = await start(kind)
    peer = await greeted(server)
    await offend(peer, 2)
    assert (await peer.done("publish", topic="t", data=1))["seq"] == 1
    await offend(peer, 1)
    peer.command("publish", topic="t", data=2)
    await offend(peer, 1)
    assert server.store.log("t").top.seq == 2
    good, bad = peer.command("ping"), peer.command("shout")
    assert (await peer.message())["id"] == (good if kind is SoundServer else bad)
    other = await greeted(server)
    assert (await other.done("ping"))["type"] == "pong"


@pytest.mark.parametrize("kind", [SoundServer, ErrorsStay])
async def test_wreck_never_recovers_from_a_burst_of_errors(
    start: Any, greeted: Any, kind: type[SoundServer]
) -> None:
    """Twenty do no harm; one more, and every command of everybody fails."""
    server = await start(kind)
    peer = await greeted(server)
    await offend(peer, 20)
    assert (await peer.done("ping"))["type"] == "pong"
    await offend(await greeted(server), 1)
    for one in (peer, await greeted(server)):
        reply = await one.done("ping")
        assert reply["type"] == ("pong" if kind is SoundServer else "error")
        assert reply.get("code") == (None if kind is SoundServer else "internal")


async def test_wreck_keeps_memory_for_each_bad_message(
    start: Any, greeted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a bound: the machine is not what has to break. Good ones cost nothing."""
    monkeypatch.setattr(edges, "_MOST_LOST", 2)
    server = await start(MemoryPerBadMessage)
    peer = await greeted(server)
    await peer.done("ping")
    assert server.lost == []
    await offend(peer, 3)
    assert [len(piece) for piece in server.lost] == [262_144] * 2


# Many at once


@pytest.mark.parametrize("kind", [SoundServer, HundredAtMost])
async def test_wreck_cuts_the_hundred_and_first(
    start: Any, connect: Any, kind: type[SoundServer]
) -> None:
    """No answer comes, only the end."""
    server = await start(kind)
    for _ in range(100):
        await connect(server, "/echo")
    peer = await connect(server)
    peer.ask("/echo")
    if kind is SoundServer:
        assert "101" in (await peer.head()).partition("\r\n")[0]
        return
    came = b""
    with contextlib.suppress(ConnectionResetError):
        came = await peer.reader.read()
    assert came == b""


@pytest.mark.parametrize(
    ("kind", "top"), [(SoundServer, 20), (OneSeqForTwo, 19)], ids=["sound", "wreck"]
)
async def test_wreck_gives_two_messages_one_number(
    start: Any, greeted: Any, heard: Any, kind: type[SoundServer], top: int
) -> None:
    """When two publishers have taken turns ten times, one message is lost."""
    server = await start(kind)
    one, other, listener = [await greeted(server) for _ in range(3)]
    await listener.done("subscribe", topic="t")
    replies = [
        (await speaker.done("publish", topic="t", data=f"{turn}"))["seq"]
        for turn in range(1, 6)
        for speaker in (one, other)
    ]
    # Who goes on alone takes no turn.
    replies += [(await other.done("publish", topic="t", data="6"))["seq"] for _ in "ab"]
    replies += [(await one.done("publish", topic="t", data="7"))["seq"]]
    replies += [
        (await one.done("publish", topic="t", data="8"))["seq"] for _ in "cdefghi"
    ]
    assert [seq for seq, _ in await heard(listener)] == list(range(1, top + 1))
    assert len(replies) == 20
    assert replies == [
        n if n <= 12 or kind is SoundServer else n - 1 for n in range(1, 21)
    ]


async def test_wreck_of_one_number_loses_without_an_answer_what_wants_none(
    start: Any, greeted: Any
) -> None:
    """A publication without an id gets no reply, here as elsewhere; room is asked."""
    server = await start(OneSeqForTwo)
    server.store = Store("12345678", max_topics=1)
    one, other = [await greeted(server) for _ in range(2)]
    for _ in range(5):
        await one.done("publish", topic="t", data=1)
        await other.done("publish", topic="t", data=1)
    one.send(1, b'{"type":"publish","topic":"t","data":1}')
    assert (await one.done("ping"))["type"] == "pong"
    assert server.store.log("t").top.seq == 10
    assert (await one.done("publish", topic="u", data=1))["code"] == "unavailable"
    assert list(server.turns) == ["t"]


# Odd turns


@pytest.mark.parametrize("kind", [SoundServer, SubscribedTwice])
async def test_wreck_takes_a_renewed_subscription_for_two(
    start: Any, greeted: Any, published: Any, heard: Any, kind: type[SoundServer]
) -> None:
    """Each event comes twice, until the connection ends; unsubscribing ends both."""
    server = await start(kind)
    peer = await greeted(server)
    await peer.done("subscribe", topic="t")
    await published(server, 1)
    assert await heard(peer) == [(1, "n-1")]
    await peer.done("subscribe", topic="t")
    await published(server, 1)
    assert await heard(peer) == [(2, "n-1")] * (1 if kind is SoundServer else 2)
    await peer.done("unsubscribe", topic="t")
    await published(server, 1)
    assert await heard(peer) == []


@pytest.mark.parametrize("kind", [SoundServer, OneMoreAfterUnsubscribe])
async def test_wreck_sends_one_more_to_who_has_unsubscribed(
    start: Any, greeted: Any, published: Any, heard: Any, kind: type[SoundServer]
) -> None:
    """One event, and then no more; who is back by then gets it once."""
    server = await start(kind)
    peer = await greeted(server)
    await peer.done("unsubscribe", topic="t")
    await peer.done("subscribe", topic="t")
    await peer.done("unsubscribe", topic="t")
    await published(server, 2)
    assert await heard(peer) == ([] if kind is SoundServer else [(1, "n-1")])
    await peer.done("subscribe", topic="t")
    await peer.done("unsubscribe", topic="t")
    await peer.done("subscribe", topic="t")
    await published(server, 1)
    assert await heard(peer) == [(3, "n-1")]
