"""The client and the hub, each a process, or one in this loop; over real sockets."""

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.client import (
    Backoff,
    Event,
    Gap,
    GaveUp,
    Item,
    NotPublished,
    Publisher,
    Refused,
    Stale,
    Subscriber,
    Subscription,
)

DEADLINE = 60.0
QUICK = Backoff(base=0.01, cap=0.2)


class Hub:
    """A hub's process, which can be killed and started again at the same place."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it; return its URL."""
        place = ["--port", str(self.port), "--http-port", "off"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wavetank", "hub", *place, *self.words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready.startswith("wavetank hub ready: ws://"), ready
        url = ready.split()[3]
        self.port = int(url.rpartition(":")[2].partition("/")[0])
        return url

    def stop(self, number: int = signal.SIGKILL) -> int:
        """End it by a signal; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=DEADLINE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code


StartHub = Callable[..., tuple[Hub, str]]


@pytest.fixture
def start_hub() -> Iterator[StartHub]:
    """Give a function that starts a hub with these words."""
    hubs: list[Hub] = []

    def start_it(*words: str) -> tuple[Hub, str]:
        hub = Hub(*words)
        hubs.append(hub)
        return hub, hub.start()

    yield start_it
    for hub in hubs:
        if hub.process is not None:
            hub.stop()


class Wire:
    """A TCP proxy that cuts what goes through it, when it is told to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Listen; give the URL."""
        server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        try:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        finally:
            server.close()
            self.cut()

    async def _link(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        far_reader, far_writer = far
        both = {writer, far_writer}
        self.writers |= both
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._copy(reader, far_writer), self._copy(far_reader, writer)
            )
        self.writers -= both

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()

    def cut(self) -> None:
        """Cut everything that is open."""
        self.cuts += len(self.writers) // 2
        for writer in self.writers:
            writer.transport.abort()


async def events(subscription: Subscription, count: int) -> list[Any]:
    """Read so many events as values; staleness may come between, but no gap."""
    found: list[Any] = []
    async with asyncio.timeout(DEADLINE):
        async for item in subscription:
            assert not isinstance(item, Gap), item
            if isinstance(item, Event):
                found.append(item.json())
            if len(found) == count:
                return found
    raise AssertionError(f"it ended after {len(found)} events")


async def next_item(subscription: Subscription, kind: type[Item]) -> Any:
    """Read up to the first item of a kind."""
    async with asyncio.timeout(DEADLINE):
        async for item in subscription:
            if isinstance(item, kind):
                return item
    raise AssertionError("it ended")


def run(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``wavetank …`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "wavetank", *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


# The commands.


def test_what_pub_publishes_sub_prints_byte_for_byte(start_hub: StartHub) -> None:
    """Through two processes and a hub: numbers, spacing and order survive."""
    _, url = start_hub()
    lines = ['{"price": 1.10,  "n":1e3}', '"é\\u00e9"', "12345678901234567890.5"]
    published = run("pub", url, "a.b", "--json", text="\n".join(lines))
    assert published.returncode == 0, published.stderr
    seqs = [json.loads(line)["seq"] for line in published.stdout.splitlines()]
    assert seqs == [1, 2, 3]
    words = ("sub", url, "a.**", "--since", "earliest", "--count", "3", "--json")
    printed = run(*words)
    assert printed.returncode == 0, printed.stderr
    data = [line.partition('"data":')[2][:-1] for line in printed.stdout.splitlines()]
    assert data == lines


def test_sub_remembers_its_place_over_processes(
    start_hub: StartHub, tmp_path: Path
) -> None:
    """Each start prints what the ones before it did not."""
    _, url = start_hub()
    words = ("sub", url, "a", "--since", "earliest", "--timeout", "2s")
    words += ("--positions", str(tmp_path / "places.json"))
    for number in (1, 2):
        assert run("pub", url, "a", str(number)).returncode == 0
        printed = run(*words, "--count", "1")
        assert (printed.returncode, printed.stdout) == (0, f"a {number} {number}\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)]
)
def test_sub_ends_at_once_on_a_signal(
    start_hub: StartHub, number: int, code: int
) -> None:
    """With all lines written."""
    _, url = start_hub()
    assert run("pub", url, "a", "1").returncode == 0
    command = [sys.executable, "-m", "wavetank", "sub", url, "a", "--since", "earliest"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "a 1 1\n"
        process.send_signal(number)
        assert process.wait(timeout=DEADLINE) == code


def test_sub_is_quiet_about_a_reader_that_has_enough(start_hub: StartHub) -> None:
    """As in `wavetank sub … | head -1`."""
    _, url = start_hub()
    text = "\n".join(str(number) for number in range(5000))
    assert run("pub", url, "a", text=text).returncode == 0
    command = [sys.executable, "-m", "wavetank", "sub", url, "a", "--since", "earliest"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "a 1 0\n"
        process.stdout.close()
        run("pub", url, "a", text=text)
        assert process.wait(timeout=DEADLINE) == 0
        assert "Traceback" not in process.stderr.read()


def test_pub_sends_from_its_spool_when_the_hub_is_back(
    start_hub: StartHub, tmp_path: Path
) -> None:
    """A process that ended in vain has lost nothing."""
    hub, url = start_hub()
    hub.stop()
    spool = ("--spool", str(tmp_path / "spool"))
    waiting = run("pub", url, "a", *spool, "--timeout", "200ms", text="1\n2\n")
    assert waiting.returncode == 1
    assert "queued 2" in waiting.stderr
    hub.start()
    assert run("pub", url, "a", "3", *spool).returncode == 0
    printed = run("sub", url, "a", "--since", "earliest", "--count", "3")
    assert printed.stdout == "a 1 1\na 2 2\na 3 3\n"


def test_pub_that_was_killed_repeats_nothing_from_its_spool(
    start_hub: StartHub, tmp_path: Path
) -> None:
    """What it had accepted arrives once and in order, before what comes later."""
    _, url = start_hub()
    words = ("pub", url, "a", "--spool", str(tmp_path / "spool"))
    lines = tmp_path / "lines"
    lines.write_text("\n".join(str(number) for number in range(50_000)))
    with (
        lines.open() as source,
        subprocess.Popen(
            [sys.executable, "-m", "wavetank", *words, "--json"],
            stdin=source,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for _ in range(500):
            process.stdout.readline()
        process.kill()
        process.wait(timeout=DEADLINE)
    assert run(*words, '"end"').returncode == 0
    printed = run("sub", url, "a", "--since", "earliest", "--timeout", "3s", "--json")
    data = [json.loads(line)["data"] for line in printed.stdout.splitlines()]
    assert data == [*range(len(data) - 1), "end"]
    assert len(data) > 500


def test_commands_end_with_4_where_there_is_no_hub(start_hub: StartHub) -> None:
    """When they were told how long to wait."""
    hub, url = start_hub()
    hub.stop()
    for words in (("sub", url, "a"), ("pub", url, "a", "1")):
        assert run(*words, "--ready-timeout", "200ms").returncode == 4


# Without loss.


@pytest.mark.anyio
async def test_nothing_is_lost_or_repeated_over_cut_connections(
    start_hub: StartHub,
) -> None:
    """Publisher and subscriber both behind a wire that is cut again and again."""
    hub, _ = start_hub()
    rng = random.Random(7)
    count = 3000
    wire = Wire(hub.port)
    async with (
        wire.open() as url,
        Subscriber(url, backoff=QUICK, rng=rng) as subscriber,
        Publisher(url, backoff=QUICK, rng=rng) as publisher,
    ):
        subscription = subscriber.subscribe("a.*", since="earliest")
        reading = asyncio.create_task(events(subscription, count))
        for number in range(count):
            await publisher.offer("a.b", number)
            if number % 400 == 399:
                wire.cut()
        assert await publisher.flush(DEADLINE)
        assert await reading == [*range(count)]
        assert publisher.statistics()["acknowledged"] == count
        assert wire.cuts > 5
        assert subscriber.statistics()["gaps"] == 0


@pytest.mark.anyio
async def test_nothing_is_lost_or_repeated_over_a_killed_hub(
    start_hub: StartHub, tmp_path: Path
) -> None:
    """A durable log, SIGKILL in the middle, twice; acknowledged is acknowledged."""
    hub, url = start_hub("--data", str(tmp_path / "data"))
    count = 1500
    async with (
        Subscriber(url, backoff=QUICK) as subscriber,
        Publisher(url, backoff=QUICK, spool=tmp_path / "spool", queue=50) as publisher,
    ):
        subscription = subscriber.subscribe("a", since="earliest")
        reading = asyncio.create_task(events(subscription, count))
        for number in range(count):
            await publisher.offer("a", number)
            if number % 500 == 250:
                await asyncio.to_thread(hub.stop)
                await asyncio.to_thread(hub.start)
        assert await publisher.flush(DEADLINE)
        assert await reading == [*range(count)]
        assert publisher.statistics()["queued"] == 0


@pytest.mark.anyio
async def test_a_hub_that_forgets_is_told_as_a_gap(start_hub: StartHub) -> None:
    """Without a durable log a restart is a new life: said, stale between, then live."""
    hub, url = start_hub()
    async with (
        Subscriber(url, backoff=QUICK) as subscriber,
        Publisher(url, backoff=QUICK) as publisher,
    ):
        subscription = subscriber.subscribe("a", since="earliest")
        for number in range(3):
            await publisher.publish("a", number)
        assert await events(subscription, 3) == [0, 1, 2]
        assert await asyncio.to_thread(hub.stop, signal.SIGTERM) == 0
        stale = await next_item(subscription, Stale)
        assert stale.is_stale
        await asyncio.to_thread(hub.start)
        gap = await next_item(subscription, Gap)
        assert gap.reason == "epoch_changed"
        assert gap.count == 0
        await publisher.publish("a", 3)
        assert (await next_item(subscription, Event)).json() == 3


@pytest.mark.anyio
async def test_a_slow_reader_gets_everything(start_hub: StartHub) -> None:
    """Its subscription comes and goes; memory holds a handful of items."""
    _, url = start_hub()
    count = 500
    async with (
        Subscriber(url, backoff=QUICK) as subscriber,
        Publisher(url, backoff=QUICK) as publisher,
    ):
        slow = subscriber.subscribe("a", since="earliest", buffer=20)
        quick = subscriber.subscribe("b", since="earliest")
        for number in range(count):
            await publisher.offer("a", number)
            await publisher.offer("b", number)
        assert await publisher.flush(DEADLINE)
        assert await events(quick, count) == [*range(count)]
        assert len(slow.buffer) <= 20
        assert await events(slow, count) == [*range(count)]
        assert subscriber.statistics()["gaps"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize("deliver", ["latest", 50.0])
async def test_policy_never_looks_like_loss(start_hub: StartHub, deliver: Any) -> None:
    """Events are left out on purpose; the chain goes on, and the last one comes."""
    _, url = start_hub("--ping", "20ms")
    count = 2000
    async with (
        Subscriber(url, backoff=QUICK) as subscriber,
        Publisher(url, backoff=QUICK) as publisher,
    ):
        subscription = subscriber.subscribe("a", since="earliest", deliver=deliver)
        for number in range(count):
            await publisher.offer("a", number)
        await publisher.flush(DEADLINE)
        last = -1
        while last < count - 1:
            item = await next_item(subscription, Event)
            assert item.json() > last
            assert item.chain is not None
            last = item.json()
        counted = subscriber.statistics()
        assert (counted["gaps"], counted["healed"]) == (0, 0)


@pytest.mark.anyio
async def test_publisher_keeps_within_the_rate_of_the_hub(start_hub: StartHub) -> None:
    """It reads the rate in the welcome, so that hardly anything is refused."""
    _, url = start_hub("--publish-per-s", "500")
    async with Publisher(url, backoff=QUICK) as publisher:
        for number in range(700):
            await publisher.offer("a", number)
        assert await publisher.flush(DEADLINE)
        counts = publisher.statistics()
        assert (counts["acknowledged"], counts["reconnects"]) == (700, 0)
        assert counts["retried"] < 70


# What the hub knows of patterns, keys and rights.


@pytest.mark.anyio
async def test_a_pattern_gets_topics_that_came_up_while_it_was_away(
    start_hub: StartHub,
) -> None:
    """From their first event on."""
    hub, url = start_hub()
    wire = Wire(hub.port)
    async with (
        wire.open() as cut_url,
        Subscriber(cut_url, backoff=Backoff(base=0.2, cap=0.2)) as subscriber,
        Publisher(url, backoff=QUICK) as publisher,
    ):
        subscription = subscriber.subscribe("a.*")
        await publisher.publish("a.x", 0)
        await subscriber.ready(DEADLINE)
        # Whether the first one was before the subscription or after it: go on when
        # one has come that must have been after it.
        while not len(subscription.buffer):
            await publisher.publish("a.x", "go")
        await events(subscription, 1)
        wire.cut()
        await next_item(subscription, Stale)
        await publisher.publish("a.y", 1)
        await publisher.publish("a.y", 2)
        found = []
        while len(found) < 2:
            item = await next_item(subscription, Event)
            if item.topic == "a.y":
                found.append(item.json())
        assert found == [1, 2]


@pytest.mark.anyio
async def test_a_key_is_published_once_whoever_retries_it(
    start_hub: StartHub,
) -> None:
    """Two publishers, one key: the second one learns where the first one is."""
    _, url = start_hub()
    places = []
    for _ in range(2):
        async with Publisher(url, backoff=QUICK) as publisher:
            places.append(await publisher.publish("a", 1, key="order-1"))
            duplicates = publisher.statistics()["duplicates"]
    assert places[0] == places[1]
    assert duplicates == 1


@pytest.mark.anyio
async def test_a_second_publisher_of_a_name_ends_the_first(
    start_hub: StartHub,
) -> None:
    """There is one bot-1."""
    _, url = start_hub()
    async with Publisher(url, name="bot-1", backoff=QUICK) as first:
        await first.publish("a", 1)
        async with Publisher(url, name="bot-1", backoff=QUICK) as second:
            await second.publish("a", 2)
            with pytest.raises(NotPublished) as caught:
                await first.publish("a", 3)
            assert caught.value.code == "producer_fenced"
            await second.publish("a", 4)


@pytest.mark.anyio
async def test_tokens_are_shown_and_refusals_are_told(start_hub: StartHub) -> None:
    """A good one is let in; a wrong one and none at all are final, with words."""
    _, url = start_hub("--token", "good", "--payload-bytes", "100")

    async def get() -> str:
        return "good"

    async with Publisher(url, token=get, backoff=QUICK) as publisher:
        await publisher.publish("a", 1)
        with pytest.raises(NotPublished) as caught:
            await publisher.publish("a", "x" * 200)
        assert caught.value.code == "payload_too_large"
        await publisher.publish("a", 2)
    for token in ("bad", None):
        async with Subscriber(url, token=token, backoff=QUICK) as subscriber:
            subscription = subscriber.subscribe("a")
            with pytest.raises(GaveUp, match="token"):
                await next_item(subscription, Event)


@pytest.mark.anyio
async def test_overlapping_subscriptions_are_refused_with_words(
    start_hub: StartHub,
) -> None:
    """The hub allows none on one connection; the one that was there goes on."""
    _, url = start_hub()
    async with (
        Subscriber(url, backoff=QUICK) as subscriber,
        Publisher(url, backoff=QUICK) as publisher,
    ):
        good = subscriber.subscribe("a.**", since="earliest")
        bad = subscriber.subscribe("a.b")
        with pytest.raises(Refused) as caught:
            await next_item(bad, Event)
        assert caught.value.code == "already_subscribed"
        await publisher.publish("a.b", 1)
        assert await events(good, 1) == [1]
