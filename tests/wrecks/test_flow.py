"""Wrecks of the flow: what comes of fifty publications, and of odd silences."""

import json
from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer, flow
from wavetank.wrecks.flow import (
    EveryFiftiethNumberAsText,
    EveryFiftiethUntimed,
    EveryTwentiethCorrupted,
    EveryTwentiethUndelivered,
    LastBeforeSilenceLost,
    OrdersDisagree,
    PublisherOrderSwapped,
    ReorderedUnderLoad,
    ThirdTopicDeaf,
    UnknownTypeSent,
)

pytestmark = pytest.mark.anyio

NEVER = 3600.0


def named(*numbers: int) -> list[tuple[int, str]]:
    """Return events as they were published."""
    return [(number, f"n-{number}") for number in numbers]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is held wait for what follows, however slow the machine is."""
    monkeypatch.setattr(flow, "_HELD_FOR", NEVER)
    monkeypatch.setattr(flow, "_SWAPPED_WITHIN", NEVER)
    monkeypatch.setattr(flow, "_CLOSE", NEVER)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing that is held wait for more than a moment."""
    monkeypatch.setattr(flow, "_HELD_FOR", 0.001)
    monkeypatch.setattr(flow, "_SWAPPED_WITHIN", 0.001)
    monkeypatch.setattr(flow, "_CLOSE", NEVER)


async def listening(greeted: Any, server: SoundServer, *topics: str) -> Any:
    """Return a peer that is subscribed."""
    peer = await greeted(server)
    for topic in topics or ("t",):
        await peer.done("subscribe", topic=topic)
    return peer


# Shape


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        (SoundServer, {"type", "topic", "seq", "ts", "data"}),
        (EveryFiftiethUntimed, {"type", "topic", "seq", "data"}),
        (EveryFiftiethNumberAsText, {"type", "topic", "seq", "ts", "data"}),
    ],
)
async def test_wreck_sends_an_event_of_another_shape(
    start: Any, greeted: Any, published: Any, kind: type[SoundServer], odd: set[str]
) -> None:
    """The fiftieth lacks a field or has a number as text; its neighbours are right."""
    server = await start(kind)
    peer = await listening(greeted, server)
    await published(server, 51)
    events = [await peer.message() for _ in range(51)]
    numbers = [event["seq"] for event in events]
    assert set(events[49]) == odd
    assert numbers[49] == ("50" if kind is EveryFiftiethNumberAsText else 50)
    assert numbers[:49] + numbers[50:] == [*range(1, 50), 51]
    assert all("ts" in event for event in (*events[:49], events[50]))
    assert events[49]["data"] == "n-50"


async def test_wreck_sends_a_type_that_nobody_knows(
    start: Any, greeted: Any, published: Any
) -> None:
    """It comes behind the fiftieth event."""
    server = await start(UnknownTypeSent)
    peer = await listening(greeted, server)
    await published(server, 51)
    types = [(await peer.message())["type"] for _ in range(52)]
    assert types == ["event"] * 50 + ["evnt", "event"]


# Order


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "row",
    [
        (SoundServer, named(*range(1, 13))),
        (ReorderedUnderLoad, named(*range(1, 10), 11, 10, 12)),
        (
            PublisherOrderSwapped,
            [*named(*range(1, 10)), (10, "n-11"), (11, "n-10"), (12, "n-12")],
        ),
    ],
)
async def test_wreck_changes_the_order(
    start: Any, greeted: Any, published: Any, heard: Any, row: Any
) -> None:
    """One publisher waits for each answer; the sound one keeps its order."""
    kind, seen = row
    server = await start(kind)
    peer = await listening(greeted, server)
    await published(server, 12)
    assert await heard(peer) == seen


@pytest.mark.usefixtures("patient")
async def test_wreck_gives_two_subscribers_two_orders(
    start: Any, greeted: Any, published: Any, heard: Any
) -> None:
    """One alone gets all in order; of two, the last has swapped payloads."""
    server = await start(OrdersDisagree)
    one = await listening(greeted, server)
    await published(server, 6)
    assert await heard(one) == named(*range(1, 7))
    other = await listening(greeted, server)
    await published(server, 6)
    payloads = [f"n-{number}" for number in range(1, 7)]
    assert await heard(one) == list(zip(range(7, 13), payloads, strict=True))
    payloads[3:5] = payloads[4], payloads[3]
    assert await heard(other) == list(zip(range(7, 13), payloads, strict=True))


@pytest.mark.usefixtures("patient")
async def test_wreck_of_two_orders_has_nothing_for_who_is_gone(
    start: Any, greeted: Any, published: Any, heard: Any
) -> None:
    """What was held for somebody who has unsubscribed is dropped."""
    server = await start(OrdersDisagree)
    one, other = [await listening(greeted, server) for _ in range(2)]
    await published(server, 5)
    await other.done("unsubscribe", topic="t")
    await published(server, 1)
    assert await heard(one) == [*named(1, 2, 3, 4, 5), (6, "n-1")]
    assert await heard(other) == []


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("kind", "count"),
    [(ReorderedUnderLoad, 10), (PublisherOrderSwapped, 10), (OrdersDisagree, 5)],
)
async def test_wreck_does_not_hold_an_event_for_ever(
    start: Any, greeted: Any, published: Any, kind: type[SoundServer], count: int
) -> None:
    """Where nothing overtakes it, it comes by itself: lost is another fault."""
    server = await start(kind)
    peers = [await listening(greeted, server) for _ in range(2)]
    await published(server, count)
    for peer in peers:
        seen = [(await peer.message())["seq"] for _ in range(count)]
        assert seen == list(range(1, count + 1))
    server.release("t")


@pytest.mark.usefixtures("patient")
async def test_wreck_of_order_acknowledges_with_the_number_that_comes(
    start: Any, greeted: Any
) -> None:
    """The tenth gets the eleventh number, and the eleventh the tenth."""
    server = await start(PublisherOrderSwapped)
    speaker = await greeted(server)
    replies = [await speaker.done("publish", topic="t", data=1) for _ in range(12)]
    assert [reply["seq"] for reply in replies] == [*range(1, 10), 11, 10, 12]
    for _ in range(7):
        await speaker.done("publish", topic="t", data=1)
    speaker.send(Opcode.TEXT, b'{"type":"publish","topic":"t","data":"quiet"}')
    assert (await speaker.done("publish", topic="t", data=1))["seq"] == 20
    assert server.store.log("t").top.data == b'"quiet"'


# Payload and number


@pytest.mark.parametrize(
    "row",
    [
        (EveryTwentiethCorrupted, [(19, "n-19"), (20, "n-70"), (21, "n-21")]),
        (EveryTwentiethUndelivered, named(19, 21)),
    ],
)
async def test_wreck_spoils_every_twentieth_event(
    start: Any, greeted: Any, published: Any, heard: Any, row: Any
) -> None:
    """It has a wrong digit, or does not come; the log has it as it was."""
    kind, seen = row
    server = await start(kind)
    peer = await listening(greeted, server)
    await published(server, 21)
    assert (await heard(peer))[18:] == seen
    assert server.store.log("t").at(20).data == b'"n-20"'


@pytest.mark.parametrize("how", ["stays", "unsubscribes"])
async def test_wreck_keeps_the_last_event_before_silence(
    start: Any, greeted: Any, published: Any, heard: Any, how: str
) -> None:
    """From the tenth on each waits for the next; a late subscriber gets none twice."""
    server = await start(LastBeforeSilenceLost)
    peer = await listening(greeted, server)
    await published(server, 12)
    assert await heard(peer) == named(*range(1, 12))
    late = await greeted(server)
    assert (await late.done("subscribe", topic="t"))["seq"] == 12
    if how == "unsubscribes":
        await peer.done("unsubscribe", topic="t")
    await published(server, 1)
    assert await heard(peer) == (named(12) if how == "stays" else [])
    assert await heard(late) == []
    await published(server, 1)
    assert await heard(late) == [(13, "n-1")]


@pytest.mark.parametrize("kind", [SoundServer, ThirdTopicDeaf])
async def test_wreck_is_deaf_on_the_third_topic(
    start: Any, greeted: Any, published: Any, kind: type[SoundServer]
) -> None:
    """Those before and behind it come."""
    server = await start(kind)
    peer = await listening(greeted, server, "a", "b", "c", "d")
    for topic in "abcd":
        await published(server, 1, topic)
    peer.command("ping")
    seen = []
    while (message := json.loads(await peer.text()))["type"] != "pong":
        seen.append(message["topic"])
    assert seen == [one for one in "abcd" if kind is SoundServer or one != "c"]
