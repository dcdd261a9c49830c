"""What a hub holds on to: after many have come and gone, and while some do not read."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import psutil
import pytest

from .hub.process import DEADLINE, HubProcess
from .hub.rude import Rude, intrude
from .hub.talker import Message, Talker, talk

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024

MakeHub = Callable[..., HubProcess]


# Coming and going.

VISITS_PER_MINUTE = 1000
MOST_GROWTH = 2.0
"""MiB a minute: wide, for what leaks at 1,000 connections a minute is more."""

SEATS = 20

RING = 50
"""Entries of a topic that the hub has at hand; older ones are on disk alone."""

WRITER_AND_READER = 2
"""Of the hub's threads that have the log open for good."""

PAYLOAD = b'"' + b"x" * 60_000 + b'"'


class Sample(NamedTuple):
    """What the hub's process had at a time."""

    at: float
    rss: int
    descriptors: int


class Seat:
    """Somebody who comes, catches up, publishes and goes, again and again.

    Args:
        hub: Where to.
        dice: Decide how it leaves.
    """

    def __init__(self, hub: HubProcess, dice: random.Random) -> None:
        self.visits = 0
        self._hub = hub
        self._dice = dice
        self._since: Message | None = None

    async def visit(self) -> None:
        """Come once."""
        async with talk(self._hub.url) as talker:
            reply = await talker.ask(
                type="subscribe", topic="news.today", since=self._since
            )
            assert reply["recovered"] is (None if self._since is None else True)
            for _ in range(2):
                await talker.send(type="publish", topic="news.today", data=self.visits)
            last = reply["after"]["seq"]
            for _ in range(reply["seq"] - last + self._dice.randint(0, 2)):
                [event] = await talker.events(1)
                assert event["seq"] == last + 1
                last += 1
            self._since = {"epoch": reply["epoch"], "seq": last}
            self.visits += 1
            if self._dice.random() < 0.3:
                talker.socket.transport.abort()


async def beats(count: int, per_minute: float) -> AsyncIterator[int]:
    """Yield at a steady pace, which is what is tested here."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(count):
        beat = loop.create_future()
        loop.call_at(began + number * 60 / per_minute, beat.set_result, None)
        await beat
        yield number


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Return how much the second value grows with the first: least squares."""
    count = len(samples)
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    below = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / below


def growth(samples: Sequence[Sample]) -> float:
    """Return MiB a minute over the second half of the samples."""
    half = samples[len(samples) // 2 :]
    return slope([(each.at / 60, each.rss / MIB) for each in half])


@pytest.mark.parametrize(
    "seconds", [5, pytest.param(180, marks=pytest.mark.long, id="180")]
)
async def test_a_hub_holds_on_to_nothing_of_those_who_come_and_go(
    make_hub: MakeHub, record_property: Callable[[str, object], None], seconds: int
) -> None:
    """Memory and descriptors stay level over 1,000 connections a minute."""
    hub = make_hub("--ring-entries", str(RING), "--retention-entries", "2000")
    await hub.start()
    process = psutil.Process(hub.process.pid)
    seats = [Seat(hub, random.Random(number)) for number in range(SEATS)]
    await see_the_log_open(hub, process)
    for seat in seats:
        await seat.visit()
    before = await descriptors_without_clients(hub, process)

    free: asyncio.Queue[Seat] = asyncio.Queue()
    for seat in seats:
        free.put_nowait(seat)

    async def visit(seat: Seat) -> None:
        await seat.visit()
        free.put_nowait(seat)

    samples: list[Sample] = []
    count = VISITS_PER_MINUTE * seconds // 60
    async with asyncio.TaskGroup() as group:
        async for number in beats(count, VISITS_PER_MINUTE):
            group.create_task(visit(await free.get()))
            if number % 5 == 0:
                at = number * 60 / VISITS_PER_MINUTE
                rss = process.memory_info().rss
                samples.append(Sample(at, rss, process.num_fds()))

    after = await descriptors_without_clients(hub, process)
    status = await hub.status()
    per_minute = growth(samples)
    first, last = samples[len(samples) // 2], samples[-1]
    record_property("rss_mib_per_minute", round(per_minute, 3))
    record_property("rss_mib", round(last.rss / MIB, 1))
    record_property("descriptors", [before, max(s.descriptors for s in samples), after])
    print(
        f"{count} visits in {seconds} s: from {first.rss / MIB:.1f} to "
        f"{last.rss / MIB:.1f} MiB in the second half, {per_minute:+.3f} MiB a minute; "
        f"descriptors {before} before, {after} after"
    )
    assert sum(seat.visits for seat in seats) == count + SEATS
    assert after == before
    assert status["subscriptions"] == status["connections"]["open"] == 0
    assert status["accounting"]["unaccounted"] == 0
    assert seconds < 60 or per_minute < MOST_GROWTH


async def see_the_log_open(hub: HubProcess, process: psutil.Process) -> None:
    """Let somebody read what is on disk alone, then publish until a checkpoint.

    The hub's reader opens the file at the first question, which comes only to those
    who are behind the ring, and stays. From the first checkpoint on SQLite keeps one
    descriptor, too: it cannot close any as long as another connection of the process
    has a lock on the file (POSIX drops all locks with the first close).
    """
    async with asyncio.timeout(DEADLINE):
        async with talk(hub.url) as talker:
            reply = await talker.ask(type="subscribe", topic="bulk")
            for _ in range(2 * RING):
                await talker.send(type="publish", topic="bulk", data="old")
            await talker.events(2 * RING)
        async with talk(hub.url) as talker:
            since = {"epoch": reply["epoch"], "seq": 0}
            await talker.ask(type="subscribe", topic="bulk", since=since)
            await talker.events(2 * RING)
        async with talk(hub.url) as talker:
            while (hub.data / "log.db").stat().st_size < MIB:
                await talker.publish(PAYLOAD, id=1, topic="bulk")
                await talker.events(1)
    assert logs_open(process) >= WRITER_AND_READER


async def descriptors_without_clients(hub: HubProcess, process: psutil.Process) -> int:
    """Wait until all have gone, by the kernel's word too; count descriptors."""
    await hub.until(
        "/api/websocket/status",
        lambda _, body: json.loads(body)["connections"]["open"] == 0,
    )
    async with asyncio.timeout(DEADLINE):
        while is_at_work(process):  # noqa: ASYNC110 - a kernel tells nobody
            await asyncio.sleep(0)
    return process.num_fds()


def is_at_work(process: psutil.Process) -> bool:
    """Tell whether it has more open than it keeps: clients, a checkpoint."""
    return has_clients(process) or logs_open(process) > WRITER_AND_READER


def has_clients(process: psutil.Process) -> bool:
    """Tell whether it has a socket that does more than listen."""
    every = process.net_connections("tcp")
    return any(each.status != psutil.CONN_LISTEN for each in every)


def logs_open(process: psutil.Process) -> int:
    """Return how many have the log open: a checkpoint is one more, for a moment."""
    return sum(each.path.endswith("-wal") for each in process.open_files())


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(0, 5), (1, 5), (2, 5)], 0.0),
        ([(0, 1), (1, 3), (2, 5)], 2.0),
        ([(0, 0), (1, 2), (2, 1), (3, 3)], 0.8),
        ([(10, 7), (12, 3)], -2.0),
    ],
)
def test_the_slope_is_that_of_least_squares(
    samples: list[tuple[float, float]], expected: float
) -> None:
    """Worked out by hand."""
    assert slope(samples) == pytest.approx(expected)


def test_growth_is_that_of_the_second_half() -> None:
    """What is filled once, such as a cache, is no leak; what goes on is."""
    filled = [Sample(s, min(s, 60) * MIB, 10) for s in range(120)]
    leaking = [Sample(s, s * MIB // 20, 10) for s in range(120)]

    assert growth(filled) == pytest.approx(0.0)
    assert growth(leaking) == pytest.approx(3.0, rel=0.05)
    assert growth(leaking) > MOST_GROWTH


# Those who do not read.

BULK = 400
"""Events of the size of ``PAYLOAD``: 24 MB."""

TICKS = 100
SLOW, WATCHING = 10, 5
WITH_TICKS_ALONE = 200 - 1 - SLOW - WATCHING
TRAIL = 90
"""Bulk events that a slow one is behind: 5.4 MB, more than the kernel keeps for it."""

MOST_MEMORY = 48 * MIB
"""Of 2 MiB in the ring, 11 times 128 KiB, SQLite's cache, and allocators. Queues
for those who do not read would take eleven times 24 MB."""


class Progress:
    """How far the publisher is, and the slow ones."""

    def __init__(self) -> None:
        self.published = 0
        self.seen = [0] * SLOW
        self._has_moved = asyncio.Condition()

    async def note(self, *, published: int = 0, who: int = 0, seen: int = 0) -> None:
        """Note that somebody has moved."""
        self.published = max(self.published, published)
        self.seen[who] = max(self.seen[who], seen)
        async with self._has_moved:
            self._has_moved.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is true of it."""
        async with asyncio.timeout(DEADLINE), self._has_moved:
            await self._has_moved.wait_for(holds)


async def read_slowly(rude: Rude, who: int, progress: Progress) -> dict[str, list[int]]:
    """Read everything, with bulk far behind the publisher; return the seqs."""
    seen: dict[str, list[int]] = {"bulk": [], "ticks": []}
    while len(seen["bulk"]) < BULK or len(seen["ticks"]) < TICKS:
        opcode, payload = await rude.frame()
        message = json.loads(payload) if opcode == 1 else {"type": "ping"}
        if message["type"] != "event":
            continue
        seen[message["topic"]].append(message["seq"])
        if message["topic"] == "bulk":
            count = len(seen["bulk"])
            await progress.note(who=who, seen=count)
            wanted = min(BULK, count + TRAIL)
            await progress.until(lambda wanted=wanted: progress.published >= wanted)
    return seen


async def watch(talker: Talker, count: int) -> dict[str, list[int]]:
    """Read everything at once; return the seqs."""
    seen: dict[str, list[int]] = {"bulk": [], "ticks": []}
    for event in await talker.events(count):
        assert event["type"] == "event", event
        seen[event["topic"]].append(event["seq"])
    return seen


async def test_those_who_do_not_read_cost_little_and_delay_nobody(
    make_hub: MakeHub, record_property: Callable[[str, object], None]
) -> None:
    """The stuck one is closed with 4108; slow and quick ones get all, once."""
    hub = make_hub("--ring-bytes", "2MiB", "--slow-bytes", "14MiB", "--closing", "50s")
    await hub.start()
    process = psutil.Process(hub.process.pid)
    progress = Progress()
    rss: list[int] = []
    async with AsyncExitStack() as stack:
        quick = [await subscribe(stack, hub, "ticks") for _ in range(WITH_TICKS_ALONE)]
        watching = [
            await subscribe(stack, hub, "bulk", "ticks") for _ in range(WATCHING)
        ]
        rude = [await intrude_on(stack, hub) for _ in range(SLOW + 1)]
        *slow, stuck = rude
        assert (await hub.status())["subscriptions"] == 200 + SLOW + WATCHING + 1
        before = process.memory_info().rss
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watch(each, TICKS)) for each in quick]
            both = [group.create_task(watch(each, BULK + TICKS)) for each in watching]
            both += [
                group.create_task(read_slowly(each, who, progress))
                for who, each in enumerate(slow)
            ]
            async for _ in publish_all(hub, progress):
                rss.append(process.memory_info().rss)
                accounting = (await hub.status())["accounting"]
                assert accounting["unaccounted"] == 0, accounting
        # The stuck one has its close frame behind what the kernel keeps for it.
        await hub.until(
            "/api/websocket/status",
            lambda _, body: json.loads(body)["connections"]["slow"]["close"] == 1,
        )
        messages, code = await stuck.until_close()
        stuck.close()
        await hub.until(
            "/api/websocket/status",
            lambda _, body: json.loads(body)["connections"]["open"] == 199,
        )
        rss.append(process.memory_info().rss)
        status = await hub.status()

    cost = max(rss) - before
    record_property("cost_mib", round(cost / MIB, 1))
    print(f"memory: {before / MIB:.1f} MiB before, at most {cost / MIB:.1f} MiB more")
    ticks, bulk = list(range(1, TICKS + 1)), list(range(1, BULK + 1))
    assert all(task.result() == {"bulk": [], "ticks": ticks} for task in tasks)
    assert all(task.result() == {"bulk": bulk, "ticks": ticks} for task in both)
    assert code == 4108
    got = [each["seq"] for each in messages if each.get("topic") == "bulk"]
    assert got == bulk[: len(got)], "without a hole, up to where it was"
    assert len(got) < BULK
    assert status["accounting"]["unaccounted"] == 0
    # The other one is who has published.
    assert status["connections"]["closed"] == {"1000": 1, "4108": 1}
    assert status["connections"]["slow"]["lag"] > SLOW, "they were not slow at all"
    assert cost < MOST_MEMORY


async def subscribe(stack: AsyncExitStack, hub: HubProcess, *topics: str) -> Talker:
    """Return a subscriber."""
    talker = await stack.enter_async_context(talk(hub.url))
    for topic in topics:
        await talker.ask(type="subscribe", topic=topic)
    return talker


async def intrude_on(stack: AsyncExitStack, hub: HubProcess) -> Rude:
    """Return a subscriber to both topics, for whom the kernel keeps little."""
    rude = await stack.enter_async_context(intrude(hub.port, buffer=65_536))
    for topic in ("bulk", "ticks"):
        rude.send(type="subscribe", id=1, topic=topic)
    # The welcome, and the answers.
    for _ in range(3):
        await rude.frame()
    return rude


async def publish_all(hub: HubProcess, progress: Progress) -> AsyncIterator[int]:
    """Publish everything, never too far ahead of the slow ones; yield now and then."""
    async with talk(hub.url) as talker:
        for number in range(1, BULK + 1):
            await progress.until(
                lambda number=number: min(progress.seen) >= number - TRAIL - 10
            )
            await talker.publish(PAYLOAD, id=number, topic="bulk")
            [answer] = await talker.events(1)
            assert answer["type"] == "published"
            if number % (BULK // TICKS) == 0:
                await talker.ask(type="publish", topic="ticks", data=number)
            await progress.note(published=number)
            if number % 20 == 0:
                yield number
