"""Edge cases of recovery, each over a real socket; rows are those of one table.

Rows on several nodes, brokers and filters are of no concern to one node.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jwt
import psutil
import pytest
from websockets.exceptions import InvalidStatus

from wavetank.clock import VirtualClock
from wavetank.hub import TokenKeys
from wavetank.hub.log import Bounds

from .hub.inside import run_inside
from .hub.process import DEADLINE, HubProcess
from .hub.rude import intrude
from .hub.talker import Message, Talker, talk
from .hub.verdict import chain

pytestmark = pytest.mark.anyio

START = "00000000"
RETAINED = 300
"""Entries that the shared hub keeps; ten of them are in memory."""

SECRET = "0123456789abcdef0123456789abcdef"

MakeHub = Callable[..., HubProcess]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that all tests of this file share which do not need one of their own."""
    bounds = ("--retention-entries", str(RETAINED), "--ring-entries", "10")
    hub = HubProcess(tmp_path_factory.mktemp("hub"), *bounds)
    try:
        hub.start_now()
        yield hub
    finally:
        hub.close()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A topic of this test's own."""
    return f"t.{request.node.name.partition('[')[0]}"


async def fill(talker: Talker, topic: str, count: int, **fields: Any) -> list[Message]:
    """Publish 0, 1, 2 … without waiting for each, and return the answers."""
    for number in range(count):
        await talker.publish(b"%d" % number, id=number, topic=topic, **fields)
    answers = [await talker.receive() for _ in range(count)]
    assert [answer["type"] for answer in answers] == ["published"] * count, answers
    return answers


def seqs(messages: list[Message]) -> list[int]:
    """Return the seqs of events, and that nothing else is there."""
    assert {message["type"] for message in messages} <= {"event"}, messages
    return [message["seq"] for message in messages]


def position(reply: Message, **changes: Any) -> Message:
    """Return the position of the top that a reply tells."""
    return {name: reply[name] for name in ("epoch", "seq", "tag")} | changes


async def top_of(talker: Talker, topic: str) -> Message:
    """Return where a topic is."""
    return await talker.ask(type="history", topic=topic, limit=0)


async def trimmed(talker: Talker, topic: str, *, oldest: int) -> Message:
    """Wait until retention has done its work; return where the topic is."""
    top = await top_of(talker, topic)
    async with asyncio.timeout(DEADLINE):
        while top["oldest"] < oldest:
            top = await top_of(talker, topic)
    assert top["oldest"] == oldest
    return top


async def resume(talker: Talker, topic: str, since: object) -> Message:
    """Subscribe with a position."""
    return await talker.ask(type="subscribe", topic=topic, since=since)


async def place_after(talker: Talker, topic: str, count: int) -> Message:
    """Return the position behind the first entries, as a client has computed it."""
    page = await talker.ask(type="history", topic=topic, limit=0)
    place = {"epoch": page["epoch"], **page["after"]}
    last = place["seq"] + count
    while place["seq"] < last:
        rest = last - place["seq"]
        page = await talker.ask(type="history", topic=topic, since=place, limit=rest)
        for event in page["events"]:
            tag = chain(place["tag"], event["seq"], event["payload"])
            place |= {"seq": event["seq"], "tag": tag}
    return place


# Positions.


async def test_row_1_reconnect_inside_retention(hub: HubProcess, topic: str) -> None:
    """All missed, in order, once; `recovered:true`."""
    async with talk(hub.url) as publisher:
        async with talk(hub.url) as talker:
            start = await resume(talker, topic, None)
            await fill(publisher, topic, 3)
            assert seqs(await talker.events(3)) == [1, 2, 3]
            seen = await place_after(publisher, topic, 3)
        await fill(publisher, topic, 200)
        async with talk(hub.url) as talker:
            reply = await resume(talker, topic, seen)
            await publisher.ask(type="publish", topic=topic, data="last")

            assert reply["recovered"] is True
            assert reply["reason"] is None
            assert reply["epoch"] == start["epoch"]
            assert reply["after"] == {"seq": 3, "tag": seen["tag"]}
            assert seqs(await talker.events(201)) == list(range(4, 205))


async def test_row_2_position_older_than_retention(hub: HubProcess, topic: str) -> None:
    """`recovered:false`, `truncated`, `oldest`; never a silent partial replay."""
    async with talk(hub.url) as talker:
        await fill(talker, topic, RETAINED)
        first = await place_after(talker, topic, 1)
        await fill(talker, topic, 20)
        top = await trimmed(talker, topic, oldest=21)
        reply = await resume(talker, topic, first)
        assert (reply["recovered"], reply["reason"]) == (False, "truncated")
        assert reply["oldest"] == 21
        assert reply["after"] == {"seq": top["seq"], "tag": top["tag"]}
        await talker.send(type="publish", topic=topic, data="live")
        assert seqs(await talker.events(1)) == [top["seq"] + 1]

        # Just inside, and just outside.
        top = await trimmed(talker, topic, oldest=22)
        reply = await resume(talker, topic, position(top, seq=21, tag=None))
        assert (reply["recovered"], reply["after"]["seq"]) == (True, 21)
        assert seqs(await talker.events(1)) == [22]
        reply = await resume(talker, topic, position(top, seq=20, tag=None))
        assert reply["reason"] == "truncated"


async def test_row_3_another_epoch(hub: HubProcess, topic: str) -> None:
    """`epoch_changed`, and on with what is live; the old seq is never compared."""
    async with talk(hub.url) as talker:
        await fill(talker, topic, 5)
        top = await top_of(talker, topic)
        for seq in (0, 2, 5, 6, 2**53 - 1):
            reply = await resume(
                talker, topic, position(top, epoch="another1", seq=seq)
            )
            assert (reply["recovered"], reply["reason"]) == (False, "epoch_changed")
            assert reply["epoch"] == top["epoch"]
            assert reply["after"] == {"seq": 5, "tag": top["tag"]}
        await talker.send(type="publish", topic=topic, data="live")
        assert seqs(await talker.events(1)) == [6]


async def test_row_4_position_beyond_the_log(hub: HubProcess, topic: str) -> None:
    """`ahead`: this hub has lost data; the answer says it, and a metric."""
    async with talk(hub.url) as talker:
        await fill(talker, topic, 5)
        top = await top_of(talker, topic)
        before = (await hub.status())["recovery"]["ahead"]
        reply = await resume(talker, topic, position(top, seq=6))

        assert (reply["recovered"], reply["reason"]) == (False, "ahead")
        assert reply["after"] == {"seq": 5, "tag": top["tag"]}
        assert (await hub.status())["recovery"]["ahead"] == before + 1
        line = b'wavetank_recover_total{result="ahead"} %d' % (before + 1)
        assert line in (await hub.get("/metrics"))[1]


async def test_row_5_the_same_seq_with_another_tag(hub: HubProcess, topic: str) -> None:
    """`diverged`: the seq was given out twice; then as with another epoch."""
    async with talk(hub.url) as talker:
        await fill(talker, topic, 50)
        place = await place_after(talker, topic, 3)
        top = await top_of(talker, topic)
        before = (await hub.status())["recovery"]["diverged"]
        # One that only the file knows, and the newest one.
        for seq in (3, 50):
            since = position(place, seq=seq, tag="deadbeef")
            reply = await resume(talker, topic, since)
            assert (reply["recovered"], reply["reason"]) == (False, "diverged")
            assert reply["after"] == {"seq": 50, "tag": top["tag"]}
        assert (await resume(talker, topic, place))["recovered"] is True
        assert (await hub.status())["recovery"]["diverged"] == before + 2


async def test_row_6_publications_between_the_replay_and_what_is_live(
    hub: HubProcess, topic: str
) -> None:
    """Each is delivered once, whenever it comes."""
    total = RETAINED - 10
    async with contextlib.AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(talk(hub.url)) for _ in range(12)]
        publisher, *subscribers = talkers
        await fill(publisher, topic, 100)
        place = await place_after(publisher, topic, 1)

        async def publish() -> None:
            for number in range(100, total):
                await publisher.publish(b"%d" % number, topic=topic)

        async def follow(number: int, talker: Talker) -> list[int]:
            # Somewhere among them: the publications go on in the same turns.
            for _ in range(number):
                await talker.ask(type="ping")
            reply = await resume(talker, topic, place)
            assert reply["recovered"] is True
            return seqs(await talker.events(total - 1))

        _, *found = await asyncio.gather(
            publish(), *(follow(n, each) for n, each in enumerate(subscribers))
        )
    assert found == [list(range(2, total + 1))] * len(subscribers)


async def test_replays_of_several_topics_do_not_repeat_each_other(
    hub: HubProcess, topic: str
) -> None:
    """Each position is gone on from once, while others are still being read.

    A subscription that came while the replay of another one was read from the file
    let that page be delivered twice.
    """
    topics = [f"{topic}.{number}" for number in range(8)]
    async with talk(hub.url) as publisher:
        for each in topics:
            await fill(publisher, each, 100)
        place = await place_after(publisher, topics[0], 0)
    async with talk(hub.url) as talker:
        for each in topics:
            assert (await resume(talker, each, place))["recovered"] is True
        seen: dict[str, list[int]] = {each: [] for each in topics}
        for event in await talker.events(100 * len(topics)):
            seen[event["topic"]].append(event["seq"])
        assert seen == {each: list(range(1, 101)) for each in topics}
    assert (await hub.status())["accounting"]["unaccounted"] == 0


async def test_row_7_first_subscription_to_an_empty_topic(
    hub: HubProcess, topic: str
) -> None:
    """The position is seq 0, so that even the first message can be missed and got."""
    async with talk(hub.url) as talker:
        reply = await talker.ask(type="subscribe", topic=topic)
        assert (reply["seq"], reply["tag"], reply["recovered"]) == (0, START, None)
        assert reply["after"] == {"seq": 0, "tag": START}
        assert reply["oldest"] == 1
    async with talk(hub.url) as talker:
        await fill(talker, topic, 1)
        again = await resume(talker, topic, position(reply))
        assert again["recovered"] is True
        assert seqs(await talker.events(1)) == [1]


# Restarts.


async def test_row_10_restart_with_a_durable_log(make_hub: MakeHub) -> None:
    """The same epoch, the same seq, recovered; over a clean stop and over a kill."""
    hub = make_hub()
    await hub.start()
    async with talk(hub.url) as talker:
        await fill(talker, "a.b", 5)
        place = await place_after(talker, "a.b", 2)
        top = await top_of(talker, "a.b")
    for end in (hub.terminate, hub.kill):
        end()
        await hub.restart()
        async with talk(hub.url) as talker:
            reply = await resume(talker, "a.b", place)
            assert reply["recovered"] is True
            assert position(reply) == position(top)
            assert seqs(await talker.events(3)) == [3, 4, 5]
        async with talk(hub.url) as talker:
            each = await talker.ask(
                type="subscribe", topic="a.*", since_each={"a.b": place}
            )
            assert each["topics"]["a.b"]["recovered"] is True
            assert position(each["topics"]["a.b"]) == position(top)
            assert seqs(await talker.events(3)) == [3, 4, 5]
    async with talk(hub.url) as talker:
        assert (await fill(talker, "a.b", 1))[0]["seq"] == 6


async def test_row_11_restart_with_a_log_in_memory(make_hub: MakeHub) -> None:
    """A new epoch, and the answer says so."""
    hub = make_hub(is_durable=False)
    await hub.start()
    async with talk(hub.url) as talker:
        await fill(talker, "a.b", 5)
        old = await top_of(talker, "a.b")
    hub.terminate()
    await hub.restart()
    async with talk(hub.url) as talker:
        reply = await resume(talker, "a.b", position(old))
        assert (reply["recovered"], reply["reason"]) == (False, "epoch_changed")
        assert reply["epoch"] != old["epoch"]
        assert reply["seq"] == 0
    async with talk(hub.url) as talker:
        since = {"a.b": position(old), "a.c": position(old)}
        each = await talker.ask(type="subscribe", topic="a.*", since_each=since)
        reasons = {name: start["reason"] for name, start in each["topics"].items()}
        assert reasons == {"a.b": "epoch_changed", "a.c": "epoch_changed"}


# Publishers.


async def test_row_13_publisher_retries_after_a_lost_answer(
    hub: HubProcess, topic: str
) -> None:
    """`duplicate:true` with the same seq, by key and by number."""
    origins = ({"key": "k"}, {"producer": {"name": "p", "epoch": 1, "seq": 1}})
    for number, origin in enumerate(origins, start=1):
        async with talk(hub.url) as watcher:
            await watcher.ask(type="subscribe", topic=topic)
            async with talk(hub.url) as talker:
                await talker.publish(b"%d" % number, id=1, topic=topic, **origin)
                assert seqs(await watcher.events(1)) == [number]
                # Its answer is on its way, and nobody reads it.
                talker.socket.transport.abort()
            async with talk(hub.url) as talker:
                await talker.publish(b"%d" % number, id=1, topic=topic, **origin)
                answer = await talker.receive()
            assert (answer["seq"], answer["duplicate"]) == (number, True)
            assert (await top_of(watcher, topic))["seq"] == number


async def test_row_14_publisher_retries_after_the_window_of_keys() -> None:
    """The key is forgotten after five minutes; a producer's number still tells."""
    clock = VirtualClock()
    producer = {"name": "p", "epoch": 1, "seq": 1}
    async with run_inside(clock) as server, talk(server.urls[0]) as talker:

        async def publish(**origin: Any) -> tuple[int, bool]:
            answer = await talker.ask(type="publish", topic="t", data=1, **origin)
            return answer["seq"], answer["duplicate"]

        assert await publish(key="k") == (1, False)
        assert await publish(producer=producer) == (2, False)
        clock.advance(299)
        server.node.tend()
        assert await publish(key="k") == (1, True)
        clock.advance(2)
        server.node.tend()
        assert await publish(key="k") == (3, False)
        assert await publish(producer=producer) == (2, True)


async def test_row_15_two_publishers_of_one_name(hub: HubProcess, topic: str) -> None:
    """The one with the lower epoch is fenced: `producer_fenced`."""
    async with talk(hub.url) as old, talk(hub.url) as new:

        async def publish(talker: Talker, epoch: int, seq: int) -> Message:
            producer = {"name": "p", "epoch": epoch, "seq": seq}
            return await talker.ask(
                type="publish", topic=topic, data=[epoch, seq], producer=producer
            )

        assert (await publish(old, 1, 1))["seq"] == 1
        assert (await publish(new, 2, 1))["seq"] == 2
        error = await publish(old, 1, 2)
        assert (error["code"], error["fatal"]) == ("producer_fenced", False)
        assert (await publish(new, 2, 2))["seq"] == 3
        assert (await top_of(old, topic))["seq"] == 3


# Rights.


def make_token(exp: float, **rights: list[str]) -> str:
    """Return ann's token."""
    claims = {"sub": "ann", "exp": exp, "wavetank": rights}
    return jwt.encode(claims, SECRET, "HS256")


def with_token(token: str) -> dict[str, Any]:
    """Return what a client adds to its opening handshake."""
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


async def test_row_21_permission_revoked_while_away() -> None:
    """A replay is judged by the rights of now, also for a pattern."""
    clock = VirtualClock()
    exp = clock.wall() + 3600
    before = make_token(exp, subscribe=["a.**"], publish=["a.**"])
    after = make_token(exp, subscribe=["a.open"], publish=["a.**"])
    keys = TokenKeys(secrets=(SECRET,))
    async with run_inside(clock, jwt=keys) as server:
        url = server.urls[0]
        async with talk(url, **with_token(before)) as talker:
            each = await talker.ask(type="subscribe", topic="a.**", since_each={})
            assert each["type"] == "subscribed"
            place = position(await top_of(talker, "a.shut"))
            assert (await talker.ask(type="unsubscribe", topic="a.**"))["id"]
        async with talk(url, **with_token(after)) as talker:
            for name in ("a.shut", "a.open"):
                await talker.send(type="publish", topic=name, data=name)
            for command in (
                {"topic": "a.shut", "since": place},
                {"topic": "a.**", "since_each": {"a.open": place, "a.shut": place}},
                {"topic": "a.*", "since_each": {"a.open": place}},
            ):
                error = await talker.ask(type="subscribe", **command)
                assert error["code"] == "topic_forbidden", command
            error = await talker.ask(type="history", topic="a.shut", since=place)
            assert error["code"] == "topic_forbidden"
            reply = await resume(talker, "a.open", place)
            assert reply["recovered"] is True
            [event] = await talker.events(1)
            assert (event["topic"], event["data"]) == ("a.open", "a.open")


async def test_row_22_token_expired_at_reconnect() -> None:
    """Get a new one, then resume with the same position."""
    clock = VirtualClock()
    keys = TokenKeys(secrets=(SECRET,))
    old = make_token(clock.wall() + 60, subscribe=["a"])
    async with run_inside(clock, jwt=keys, tokens=("bot",)) as server:
        url = server.urls[0]
        async with talk(url, **with_token(old)) as talker:
            place = position(await talker.ask(type="subscribe", topic="a"))
        async with talk(url, **with_token("bot")) as talker:
            await fill(talker, "a", 3)
        clock.advance(61)
        with pytest.raises(InvalidStatus) as caught:
            async with talk(url, **with_token(old)):
                pass
        assert caught.value.response.status_code == 401
        assert "WWW-Authenticate" in caught.value.response.headers
        async with talk(url) as talker:
            assert talker.welcome["auth"] == "required"
            error = await talker.ask(type="auth", token=old)
            assert (error["code"], error["fatal"]) == ("token_expired", True)
            assert (await talker.rest())[1] == 4201
        async with talk(url) as talker:
            new = make_token(clock.wall() + 60, subscribe=["a"])
            assert (await talker.ask(type="auth", token=new))["user"] == "ann"
            assert (await resume(talker, "a", place))["recovered"] is True
            assert seqs(await talker.events(3)) == [1, 2, 3]


# Time.


@pytest.mark.parametrize("is_durable", [False, True])
async def test_row_23_clock_jump(tmp_path: Path, *, is_durable: bool) -> None:
    """Positions do not care, times never decrease, and `since_time` is inclusive."""
    clock = VirtualClock()
    data = tmp_path / "data" if is_durable else None
    async with run_inside(clock, data=data) as server, talk(server.urls[0]) as talker:
        await talker.ask(type="subscribe", topic="t")
        for jump in (0.0, 1.0, -3600.0, -3600.0, 5.0, 7205.0):
            clock.jump(jump)
            await talker.ask(type="publish", topic="t", data=jump)
            server.node.tend()
        events = await talker.events(6)
        assert seqs(events) == [1, 2, 3, 4, 5, 6]
        times = [event["ts"] for event in events]
        assert times == sorted(times)
        assert times[1] == times[4] < times[5]

        async def first_at(ts: float) -> int:
            page = await talker.ask(type="history", topic="t", since_time=ts)
            assert page["recovered"] is True
            return page["events"][0]["seq"]

        # Of several with one time it is the first.
        assert [await first_at(ts) for ts in times] == [1, 2, 2, 2, 2, 6]
        assert await first_at(times[5] - 0.001) == 6
        place = await place_after(talker, "t", 3)
        assert (await resume(talker, "t", place))["recovered"] is True
        assert seqs(await talker.events(3)) == [4, 5, 6]


async def test_row_24_history_of_one_entry(make_hub: MakeHub) -> None:
    """The newest one is retained, and the position of the one before it is good."""
    hub = make_hub("--retention-entries", "1", "--ring-entries", "1")
    await hub.start()
    async with talk(hub.url) as watcher, talk(hub.url) as talker:
        await watcher.ask(type="subscribe", topic="t")
        await fill(talker, "t", 50)
        assert seqs(await watcher.events(50)) == list(range(1, 51))
        top = await trimmed(talker, "t", oldest=50)
        page = await talker.ask(type="history", topic="t")
        assert seqs([{"type": "event", **each} for each in page["events"]]) == [50]
        assert page["after"]["seq"] == 49
        since = {"epoch": top["epoch"], **page["after"]}
        assert (await resume(talker, "t", since))["recovered"] is True
        assert seqs(await talker.events(1)) == [50]
        reply = await resume(talker, "t", position(top, seq=48, tag=None))
        assert reply["reason"] == "truncated"


async def test_row_24_retention_that_ends_at_once(tmp_path: Path) -> None:
    """Nothing is retained, seqs go on, and whoever was at the top goes on as well."""
    clock = VirtualClock()
    retention = Bounds(age=0.001)
    data = tmp_path / "data"
    async with (
        run_inside(clock, data=data, retention=retention) as server,
        talk(server.urls[0]) as watcher,
        talk(server.urls[0]) as talker,
    ):
        await watcher.ask(type="subscribe", topic="t")
        await fill(talker, "t", 3)
        assert seqs(await watcher.events(3)) == [1, 2, 3]
        clock.advance(1)
        server.node.tend()
        top = await trimmed(talker, "t", oldest=4)
        assert top["seq"] == 3
        page = await talker.ask(type="history", topic="t", since="earliest")
        assert (page["events"], page["recovered"]) == ([], True)
        assert page["after"]["seq"] == 3
        reply = await resume(talker, "t", position(top))
        assert (reply["recovered"], reply["after"]["seq"]) == (True, 3)
        gone = await resume(watcher, "t", position(top, seq=2, tag=None))
        assert gone["reason"] == "truncated"
        await talker.send(type="publish", topic="t", data=4)
        assert seqs(await talker.events(1)) == [4]
        assert seqs(await watcher.events(1)) == [4]


async def test_row_24_seq_near_its_end(make_hub: MakeHub) -> None:
    """Up to 2^53 - 1 each is exact and can be resumed from; then nothing is taken."""
    last = 2**53 - 1
    hub = make_hub()
    await hub.start()
    async with talk(hub.url) as talker:
        await fill(talker, "t", 1)
    hub.terminate()
    assert await hub.ended() == 0
    move_top(hub.data / "log.db", last - 2)
    await hub.start()
    async with talk(hub.url) as talker, talk(hub.url) as watcher:
        reply = await resume(watcher, "t", "earliest")
        assert (reply["recovered"], reply["after"]["seq"]) == (True, last - 3)
        answers = await fill(talker, "t", 2)
        assert [answer["seq"] for answer in answers] == [last - 1, last]
        assert seqs(await watcher.events(3)) == [last - 2, last - 1, last]
        for _ in range(2):
            error = await talker.ask(type="publish", topic="t", data=0)
            assert error["code"] == "unavailable"
        top = await top_of(talker, "t")
        assert top["seq"] == last
        since = position(top, seq=last - 1, tag=None)
        assert (await resume(talker, "t", since))["recovered"] is True
        assert seqs(await talker.events(1)) == [last]
        assert (await resume(talker, "t", position(top)))["recovered"] is True
        beyond = await resume(talker, "t", position(top, seq=last + 1))
        assert beyond["code"] == "invalid_message"
        assert (await fill(talker, "u", 1))[0]["seq"] == 1


def move_top(file: Path, seq: int) -> None:
    """Let the only entry of a log's file have another seq, with tags that fit."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        payload = connection.execute("SELECT payload FROM entries").fetchone()[0]
        tag = int(chain(START, seq, payload), 16)
        connection.execute("UPDATE entries SET seq = ?, tag = ?", (seq, tag))
        connection.execute(
            "UPDATE topics SET base = ?, top = ?, tag = ?", (seq - 1, seq, tag)
        )


async def test_row_25_restart_a_day_later(tmp_path: Path) -> None:
    """A saved position works if it is retained; else it is `truncated`."""
    clock = VirtualClock()
    data = tmp_path / "data"
    day = 86_400.0
    async with (
        run_inside(clock, data=data) as server,
        talk(server.urls[0]) as talker,
    ):
        await fill(talker, "t", 5)
        place = await place_after(talker, "t", 2)
    clock.advance(day + 1)
    two_days = Bounds(age=2 * day)
    async with (
        run_inside(clock, data=data, retention=two_days) as server,
        talk(server.urls[0]) as talker,
    ):
        assert (await resume(talker, "t", place))["recovered"] is True
        assert seqs(await talker.events(3)) == [3, 4, 5]
    async with (
        run_inside(clock, data=data) as server,
        talk(server.urls[0]) as talker,
    ):
        reply = await resume(talker, "t", place)
        assert (reply["recovered"], reply["reason"]) == (False, "truncated")
        assert (reply["seq"], reply["oldest"]) == (5, 6)
        await talker.send(type="publish", topic="t", data="live")
        assert seqs(await talker.events(1)) == [6]


# Subscriptions of one connection.


async def test_row_26_unsubscribe_and_subscribe_quickly(
    hub: HubProcess, topic: str
) -> None:
    """After `unsubscribed` comes no event of the old subscription."""
    async with talk(hub.url) as talker, talk(hub.url) as publisher:
        await fill(publisher, topic, 100)
        place = await place_after(publisher, topic, 0)
        await talker.send(type="subscribe", id="s0", topic=topic, since=place)
        publishing = asyncio.create_task(fill(publisher, topic, 100))
        for number in range(1, 6):
            await talker.send(type="unsubscribe", id=f"u{number}", topic=topic)
            await talker.send(
                type="subscribe", id=f"s{number}", topic=topic, since=place
            )
        await publishing
        top: int | None = None
        replies = []
        while len(replies) < 11 or top != 200:
            message = await talker.receive()
            if message["type"] == "event":
                assert top is not None, "no event without a subscription"
                assert message["seq"] == top + 1, (replies, top, message)
                top = message["seq"]
            elif message["type"] != "heartbeat":
                replies.append(message["id"])
                is_on = message["type"] == "subscribed"
                top = message["after"]["seq"] if is_on else None
        expected = [each for n in range(1, 6) for each in (f"u{n}", f"s{n}")]
        assert replies == ["s0", *expected]


# Drain during replay.

PAYLOAD = b'"' + b"x" * 60_000 + b'"'
BIG = 250
"""Entries of that size: more than all buffers of one connection hold."""


@contextlib.asynccontextmanager
async def hub_with_much_to_replay(hub: HubProcess) -> AsyncIterator[Message]:
    """Start it and fill its topic; give the topic's top."""
    await hub.start()
    async with talk(hub.url) as talker:
        for number in range(BIG):
            await talker.publish(PAYLOAD, id=number, topic="t")
            await talker.receive()
        yield await top_of(talker, "t")


async def test_row_28_drain_during_replay(make_hub: MakeHub) -> None:
    """Who reads is told, gets the rest of its replay, and only then 4200."""
    hub = make_hub("--ring-entries", "10")
    async with hub_with_much_to_replay(hub):
        async with intrude(hub.port, buffer=65_536) as rude:
            rude.send(type="subscribe", id=1, topic="t", since="earliest")
            for _ in range(5):
                await rude.frame()
            hub.terminate()
            messages, code = await rude.until_close()
        kinds = [message["type"] for message in messages]

        assert code == 4200
        assert kinds.count("notice") == 1
        assert kinds.index("notice") < kinds.index("event", kinds.index("notice"))
        events = [each for each in messages if each["type"] == "event"]
        assert events[-1]["seq"] == BIG
        assert seqs(events) == list(range(BIG - len(events) + 1, BIG + 1))
    assert await hub.ended() == 0


async def test_row_28_resume_elsewhere_from_the_last_delivered_seq(
    make_hub: MakeHub,
) -> None:
    """Who reads too slowly for the drain is cut, and goes on where it was."""
    hub = make_hub("--ring-entries", "10", "--drain", "100ms")
    async with (
        hub_with_much_to_replay(hub) as top,
        intrude(hub.port, buffer=65_536) as rude,
    ):
        rude.send(type="subscribe", id=1, topic="t", since="earliest")
        seen: list[int] = []
        while len(seen) < 5:
            _, payload = await rude.frame()
            message = json.loads(payload)
            if message["type"] == "event":
                seen.append(message["seq"])
        hub.terminate()
        assert await hub.ended() == 130
    assert seen == [1, 2, 3, 4, 5]
    await hub.start()
    async with talk(hub.url) as talker:
        place = await place_after(talker, "t", 5)
        assert place["epoch"] == top["epoch"]
        reply = await resume(talker, "t", place)
        assert reply["recovered"] is True
        assert position(reply) == position(top)
        assert seqs(await talker.events(BIG - 5)) == list(range(6, BIG + 1))


# A log that cannot be written.


@contextlib.contextmanager
def locked(hub: HubProcess) -> Iterator[None]:
    """Hold the file as another program does that writes to it."""
    connection = sqlite3.connect(hub.data / "log.db", isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def full(hub: HubProcess) -> Iterator[None]:
    """Let the process's files grow no more, as on a disk without room."""
    if not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system cannot bound the files of a running process")
    process = psutil.Process(hub.process.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    size = (hub.data / "log.db-wal").stat().st_size
    process.rlimit(psutil.RLIMIT_FSIZE, (size, before[1]))
    yield
    process.rlimit(psutil.RLIMIT_FSIZE, before)


def words(hub: HubProcess) -> list[str]:
    """Return what a hub has told, in its lines."""
    return [line["event"] for line in hub.lines()]


@pytest.mark.parametrize("obstacle", [locked, full])
async def test_a_log_that_cannot_be_written_stops_nothing_but_publishing(
    make_hub: MakeHub, obstacle: Callable[[HubProcess], AbstractContextManager[None]]
) -> None:
    """Publishing is `unavailable` until it heals; what was acknowledged is there."""
    hub = make_hub("--durability", "live.**=memory")
    await hub.start()
    async with talk(hub.url) as watcher, talk(hub.url) as talker:
        for topic in ("kept", "live.x"):
            await watcher.ask(type="subscribe", topic=topic)
        await fill(talker, "kept", 20)
        with obstacle(hub):
            for number in range(5):
                await talker.publish(b'"no"', id=number, topic="kept", key=f"k{number}")
            errors = [await talker.receive() for _ in range(5)]
            kinds = {
                (each["code"], each["retryable"], each["fatal"]) for each in errors
            }
            assert kinds == {("unavailable", True, False)}
            assert sorted(each["id"] for each in errors) == list(range(5))
            await look_at_a_degraded_hub(hub)
            await talker.ask(type="publish", topic="live.x", data="on")
            events = await watcher.events(21)
            assert seqs(events) == [*range(1, 21), 1]
        await hub.until("/readyz", lambda status, _: status == 200)

        again = await talker.ask(type="publish", topic="kept", data="yes", key="k0")
        assert (again["type"], again["duplicate"]) == ("published", False)
        assert again["seq"] == 21
        assert seqs(await watcher.events(1)) == [21]
        # Lines are written by a thread, which is killed, too.
        await hub.until("/healthz", lambda *_: "log_works_again" in words(hub))
    hub.kill()
    await hub.restart()
    async with talk(hub.url) as talker:
        *events, _ = await talker.read_log("kept")
    assert [event["data"] for event in events] == [*range(20), "yes"]
    said = words(hub)
    assert said.count("log_failed") == said.count("log_works_again") == 1


async def look_at_a_degraded_hub(hub: HubProcess) -> None:
    """It says so, and does all that needs no writing."""
    assert await hub.get("/readyz") == (503, b"degraded\n")
    assert (await hub.get("/healthz"))[0] == 200
    status = await hub.status()
    assert (status["degraded"], status["log"]["failing"]) == (True, True)
    async with talk(hub.url) as talker:
        assert (await talker.ask(type="ping"))["type"] == "pong"
        page = await talker.ask(type="history", topic="kept", limit=3)
        assert [event["data"] for event in page["events"]] == [0, 1, 2]
        place = await place_after(talker, "kept", 5)
        assert (await resume(talker, "kept", place))["recovered"] is True
        assert seqs(await talker.events(15)) == list(range(6, 21))
        gone = await talker.ask(type="unsubscribe", topic="kept")
        assert gone["type"] == "unsubscribed"
        error = await talker.ask(type="publish", topic="kept", data="no")
        assert error["code"] == "unavailable"
