"""SIGTERM under load: everybody is told, nobody loses anything, and it ends in time."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wavetank.client import (
    Backoff,
    Event,
    Publisher,
    Stale,
    Subscriber,
    Subscription,
)

from .hub.clients import Follower, Sender, collect_logs, gather
from .hub.process import DEADLINE, HubProcess
from .hub.rude import intrude
from .hub.talker import Message, talk
from .hub.verdict import Acknowledged, Began, Saw, Sent

pytestmark = pytest.mark.anyio

TOPICS = ("orders.eu", "orders.us")
CROWD = 40
"""Clients that only wait."""


class Reader:
    """A reader of the client library, as far as the judge is concerned."""

    def __init__(self, subscription: Subscription) -> None:
        self.steps: list[Began | Saw] = []
        self.others: list[object] = []
        self._subscription = subscription
        self._has_moved = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        async for item in self._subscription:
            if isinstance(item, Event):
                if not self.steps:
                    self.steps.append(Began(item.epoch, 0, "00000000"))
                self.steps.append(Saw(item.seq, item.data))
            elif not isinstance(item, Stale):
                self.others.append(item)
            self._has_moved.set()

    async def reach(self, count: int) -> None:
        """Wait until it has seen so many events."""
        while len(self.steps) <= count:
            self._has_moved.clear()
            await self._has_moved.wait()


class Writer:
    """A writer on the client library: one publication after the other."""

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self.sent: list[Sent] = []
        self.acknowledged: list[Acknowledged] = []
        self._is_stopped = False
        self._publisher = publisher
        self._topic = topic

    def stop(self) -> None:
        """Begin no new publication."""
        self._is_stopped = True

    async def run(self) -> None:
        """Publish until stopped."""
        while not self._is_stopped:
            payload = b'{"by":"library","n":%d}' % len(self.sent)
            self.sent.append(Sent(self._topic, payload, is_once=True))
            position = await self._publisher.publish(self._topic, payload)
            assert position is not None
            self.acknowledged.append(
                Acknowledged(self._topic, position.epoch, position.seq, payload)
            )


class Load:
    """Raw publishers and subscribers, and those of the client library."""

    def __init__(
        self, hub: HubProcess, subscriber: Subscriber, publisher: Publisher
    ) -> None:
        self.followers = [Follower(hub, name, name) for name in ("orders.**", *TOPICS)]
        self.senders = [
            Sender(hub, f"p{n}", TOPICS, random.Random(n)) for n in range(2)
        ]
        self.reader = Reader(subscriber.subscribe("orders.us", since="earliest"))
        self.writer = Writer(publisher, "orders.us")
        self._hub = hub
        self._has_answers = asyncio.Event()
        self._target = 0
        for sender in self.senders:
            sender.on_answer = self._consider

    def _consider(self) -> None:
        if all(len(each.acknowledged) >= self._target for each in self.senders):
            self._has_answers.set()

    async def answered(self, count: int) -> None:
        """Wait for so many more answers at raw publishers, and for the other one."""
        self._target = count + max(len(each.acknowledged) for each in self.senders)
        self._has_answers.clear()
        await self._has_answers.wait()
        await self.reader.reach(len(self.reader.steps) + 1)

    def tops(self) -> dict[str, int]:
        """Return the newest acknowledged seq of each topic."""
        tops = dict.fromkeys(TOPICS, 0)
        for each in (*self.senders, self.writer):
            for topic, _, seq, _ in each.acknowledged:
                tops[topic] = max(tops[topic], seq)
        return tops

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything; at the end publishers finish what they have begun."""
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
            readers = [group.create_task(each.run()) for each in self.followers]
            readers.append(group.create_task(self.reader.run()))
            for follower in self.followers:
                await follower.subscribed()
            writers = [group.create_task(each.run()) for each in self.senders]
            writers.append(group.create_task(self.writer.run()))
            yield
            for each in (*self.senders, self.writer):
                each.stop()
            await asyncio.wait(writers)
            tops = self.tops()
            for follower in self.followers:
                await follower.reach(tops)
            await self.reader.reach(tops["orders.us"])
            for task in readers:
                task.cancel()

    async def judge(self) -> list[str]:
        """Return what is wrong with all that was seen."""
        logs = await collect_logs(self._hub.url, TOPICS)
        raw = gather(self.senders, self.followers, logs)
        library = {("library", "orders.us"): self.reader.steps}
        evidence = replace(
            raw,
            sent=[*raw.sent, *self.writer.sent],
            acknowledged=[*raw.acknowledged, *self.writer.acknowledged],
            stories=raw.stories | library,
        )
        return evidence.judge()


async def test_a_drain_under_load_loses_and_repeats_nothing(
    make_hub: Callable[..., HubProcess],
) -> None:
    """Everybody is told when to come back, then 4200; all go on where they were."""
    hub = make_hub("--drain", "20s", "--closing", "20s", "--ping", "250ms")
    await hub.start()
    options = {"backoff": Backoff(base=0.05, cap=0.5)}
    async with (
        Subscriber(hub.url, **options) as subscriber,
        Publisher(hub.url, **options) as publisher,
        AsyncExitStack() as stack,
    ):
        load = Load(hub, subscriber, publisher)
        talkers = [await stack.enter_async_context(talk(hub.url)) for _ in range(CROWD)]
        async with load.running():
            waiting = [asyncio.create_task(each.rest()) for each in talkers]
            async with intrude(hub.port) as rude:
                await load.answered(100)
                told = load.tops()
                hub.terminate()
                ends = [await rude.until_close(), *(await asyncio.gather(*waiting))]
                # It waits for the one who does not answer its close frame.
                await look_at_a_draining_hub(hub)
            assert await hub.ended() == 0
            await hub.start()
            await load.answered(100)
        problems = await load.judge()

    assert problems == []
    assert load.reader.others == []
    assert [each.problems for each in (*load.senders, *load.followers)] == [[]] * 5
    for follower in load.followers:
        assert follower.codes == [4200]
        # What was acknowledged before the end came before the close frame.
        [left_at] = follower.left_at
        assert all(seq >= told[topic] for topic, seq in left_at.items()), follower
        [notice] = follower.notices
        ends.append(([notice], 4200))
    check_notices(ends, deadline=20_000)
    clean = [line["clean"] for line in hub.lines() if line["event"] == "stopped"]
    assert clean == [True]


async def look_at_a_draining_hub(hub: HubProcess) -> None:
    """It is alive, not ready, and lets nobody in."""
    assert await hub.get("/readyz") == (503, b"draining\n")
    assert (await hub.get("/healthz"))[0] == 200
    with pytest.raises(InvalidStatus) as caught:
        await connect(hub.url, proxy=None)
    assert caught.value.response.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) > 0
    assert hub.process.poll() is None


def check_notices(ends: list[tuple[list[Message], int]], *, deadline: int) -> None:
    """Each has one notice and 4200; reconnections are spread, 200 in a second."""
    afters = []
    for messages, code in ends:
        notices = [each for each in messages if each["type"] == "notice"]
        assert [each["code"] for each in notices] == ["going_away"]
        assert code == 4200
        assert notices[0]["deadline_ms"] == deadline
        afters.append(notices[0]["reconnect_after_ms"])
    # Those of the load are connected, too, and not all of them are in ``ends``.
    most = (len(ends) + 10) / 200 * 1000
    assert all(0 <= after <= most for after in afters)
    assert len(set(afters)) > len(afters) / 2
    assert max(afters) - min(afters) > CROWD / 200 * 1000 / 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_hurries(
    make_hub: Callable[..., HubProcess], number: signal.Signals
) -> None:
    """Whoever did not go by then is cut, and the exit code says so."""
    hub = make_hub("--drain", "10m", "--closing", "10m")
    await hub.start()
    async with intrude(hub.port) as rude:
        hub.terminate(number)
        assert (await rude.until_close())[1] == 4200
        assert hub.process.poll() is None
        hub.terminate(number)
        assert await hub.ended() == 130
        assert await rude.end() == b""


async def test_a_drain_ends_when_its_time_is_up(
    make_hub: Callable[..., HubProcess],
) -> None:
    """Somebody who never answers a close frame does not keep the hub from stopping."""
    hub = make_hub("--drain", "200ms", "--closing", "10m")
    await hub.start()
    async with intrude(hub.port) as rude:
        hub.terminate()
        messages, code = await rude.until_close()
        assert (messages[-1]["deadline_ms"], code) == (200, 4200)
        assert await hub.ended() == 130
    [stopped] = [line for line in hub.lines() if line["event"] == "stopped"]
    assert stopped["clean"] is False


async def test_a_drain_closes_echoes_with_1001(
    make_hub: Callable[..., HubProcess],
) -> None:
    """On ``/echo`` nobody knows our codes."""
    hub = make_hub("--echo")
    await hub.start()
    url = hub.url.removesuffix("/ws") + "/echo"
    async with connect(url, proxy=None, ping_interval=None) as socket:
        await socket.send("there?")
        assert await socket.recv() == "there?"
        hub.terminate()
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001
    assert await hub.ended() == 0


async def test_a_hub_without_connections_stops_at_once(
    make_hub: Callable[..., HubProcess],
) -> None:
    """Nobody has to be waited for, so ten minutes of patience are not used."""
    hub = make_hub("--drain", "10m")
    await hub.start()
    hub.terminate()

    assert await hub.ended() == 0
