"""Wrecks of delivery: each shows its fault."""

from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer
from wavetank.wrecks.delivery import (
    DoubledEvent,
    EventAfterUnsubscribe,
    FifthSubscriberDeaf,
    LostUnderLoad,
    PartialReplay,
    PrefixRouting,
    ReencodedData,
    ReplayRepeatsLast,
    ReplaySkipsFirst,
    SinglePrecisionNumbers,
    SwappedNeighbours,
)

pytestmark = pytest.mark.anyio


async def subscribed(greeted: Any, server: SoundServer, count: int) -> list[Any]:
    """Return so many peers that are subscribed to ``t``."""
    peers = [await greeted(server) for _ in range(count)]
    for peer in peers:
        await peer.done("subscribe", topic="t")
    return peers


async def heard(peer: Any) -> list[int]:
    """Return the numbers of all events up to the answer to a question."""
    peer.command("ping")
    seqs = []
    while (message := await peer.message())["type"] != "pong":
        seqs.append(message["seq"])
    return seqs


@pytest.mark.parametrize(
    ("kind", "sent", "came"),
    [
        (
            SinglePrecisionNumbers,
            '{"price":67123.45, "volume":1.25,"n":10,"s":"67123.45","big":1.5e99}',
            '{"price":67123.453125, "volume":1.25,"n":10,"s":"67123.45","big":1.5e99}',
        ),
        (ReencodedData, '{"a":[1,2],"b":"é"}', '{"a": [1, 2], "b": "\\u00e9"}'),
        (ReencodedData, "9" * 5000, "9" * 5000),
    ],
)
async def test_wreck_changes_the_payload(
    start: Any, greeted: Any, kind: type[SoundServer], sent: str, came: str
) -> None:
    """What comes is not byte for byte what was sent."""
    peer = await greeted(await start(kind))
    await peer.done("subscribe", topic="t")
    text = '{"type":"publish","topic":"t","data":' + sent + "}"
    peer.send(Opcode.TEXT, text.encode())
    assert (await peer.text()).endswith(f'"data":{came}}}')


async def test_wreck_routes_by_prefix(start: Any, greeted: Any) -> None:
    """A subscription also gets topics that begin like its own; each event once."""
    peer = await greeted(await start(PrefixRouting))
    await peer.done("subscribe", topic="a.b")
    await peer.done("subscribe", topic="a.bc")
    for topic in ("a.bcd", "a.b", "a", "x.a.b"):
        peer.command("publish", topic=topic, data=1)
    peer.command("ping")
    topics = []
    while (message := await peer.message())["type"] != "pong":
        topics += [message["topic"]] if message["type"] == "event" else []
    assert topics == ["a.bcd", "a.b"]


async def test_wreck_forgets_the_fifth_subscriber(start: Any, greeted: Any) -> None:
    """All but the fifth hear the event."""
    server = await start(FifthSubscriberDeaf)
    peers = await subscribed(greeted, server, 6)
    speaker = await greeted(server)
    await speaker.done("publish", topic="t", data=1)
    assert [await heard(peer) for peer in peers] == [[1], [1], [1], [1], [], [1]]


async def test_wreck_loses_messages_only_under_load(start: Any, greeted: Any) -> None:
    """With fourteen connections all comes; with fifteen, one of 400 does not."""
    server = await start(LostUnderLoad)
    peers = await subscribed(greeted, server, 14)
    for _ in range(30):
        await peers[0].done("publish", topic="t", data=1)
    for peer in peers[1:]:
        assert len(await heard(peer)) == 30
    peers += await subscribed(greeted, server, 1)
    for _ in range(30):
        await peers[0].done("publish", topic="t", data=1)
    lost = {number: 30 - len(await heard(peers[number])) for number in range(1, 15)}
    assert [number for number in lost if lost[number]] == [9]
    assert lost[9] == 1


async def test_wreck_doubles_an_event_for_one_of_many(start: Any, greeted: Any) -> None:
    """With five subscribers the last one gets the third event twice."""
    server = await start(DoubledEvent)
    speaker = await greeted(server)
    peers = await subscribed(greeted, server, 4)
    for _ in range(3):
        await speaker.done("publish", topic="t", data=1)
    assert [await heard(peer) for peer in peers] == [[1, 2, 3]] * 4
    peers += await subscribed(greeted, server, 1)
    for _ in range(3):
        await speaker.done("publish", topic="t", data=1)
    seen = [await heard(peer) for peer in peers]
    assert seen == [[4, 5, 6]] * 4 + [[4, 5, 6, 6]]


async def test_wreck_swaps_neighbours_for_one_of_many(start: Any, greeted: Any) -> None:
    """With five subscribers the last one gets the fifth event after the sixth."""
    server = await start(SwappedNeighbours)
    speaker = await greeted(server)
    peers = await subscribed(greeted, server, 4)
    for _ in range(6):
        await speaker.done("publish", topic="t", data=1)
    assert [await heard(peer) for peer in peers] == [[1, 2, 3, 4, 5, 6]] * 4
    peers += await subscribed(greeted, server, 1)
    for _ in range(7):
        await speaker.done("publish", topic="t", data=1)
    ordered = [7, 8, 9, 10, 11, 12, 13]
    swapped = [7, 8, 9, 11, 10, 12, 13]
    assert [await heard(peer) for peer in peers] == [ordered] * 4 + [swapped]


async def test_wreck_does_not_keep_a_neighbour_for_ever(
    start: Any, greeted: Any
) -> None:
    """Where nothing overtakes it, the event comes by itself."""
    server = await start(SwappedNeighbours)
    speaker = await greeted(server)
    peers = await subscribed(greeted, server, 5)
    for _ in range(5):
        await speaker.done("publish", topic="t", data=1)
    assert await heard(peers[0]) == [1, 2, 3, 4, 5]
    assert [(await peers[4].message())["seq"] for _ in range(5)] == [1, 2, 3, 4, 5]
    server.release("t")


@pytest.mark.parametrize(
    ("kind", "since", "replayed"),
    [
        (ReplaySkipsFirst, 3, list(range(5, 21))),
        (ReplaySkipsFirst, 20, []),
        (ReplayRepeatsLast, 3, list(range(3, 21))),
        (ReplayRepeatsLast, 20, []),
        (PartialReplay, 3, list(range(11, 21))),
        (PartialReplay, 15, list(range(16, 21))),
    ],
)
async def test_wreck_replays_wrongly_and_calls_it_recovered(
    start: Any,
    greeted: Any,
    kind: type[SoundServer],
    since: int,
    replayed: list[int],
) -> None:
    """The reply says that everything follows; it does not, or too much does."""
    peer = await greeted(await start(kind))
    for number in range(20):
        reply = await peer.done("publish", topic="t", data=number)
    position = {"epoch": reply["epoch"], "seq": since}
    reply = await peer.done("subscribe", topic="t", since=position)
    assert reply["recovered"] is True
    assert await heard(peer) == replayed


async def test_wreck_goes_on_after_unsubscribed(start: Any, greeted: Any) -> None:
    """The reply says that it is over, and events come."""
    server = await start(EventAfterUnsubscribe)
    peer, speaker = await greeted(server), await greeted(server)
    await peer.done("subscribe", topic="t")
    assert (await peer.done("unsubscribe", topic="t"))["type"] == "unsubscribed"
    await speaker.done("publish", topic="t", data=1)
    assert await heard(peer) == [1]
    assert (await peer.done("unsubscribe", topic="x"))["code"] == "not_subscribed"
