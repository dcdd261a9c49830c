"""The hub as a guest in somebody's program: started, published to, stopped."""

import asyncio
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

import wavetank.hub
from wavetank.errors import LocalError, TargetError, UsageError
from wavetank.hub import ConnectionLimits, Hub, HubConfig, Ports, PublishError
from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.publications import Publications
from wavetank.protocol import ErrorCode, Position

pytestmark = pytest.mark.anyio

DEADLINE = 20.0


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run everything on both event loops: a guest does not choose."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def talk(hub: Hub) -> Any:
    """Open a WebSocket and pass over the welcome."""
    client = await connect(hub.url, proxy=None, ping_interval=None)
    assert json.loads(await client.recv())["type"] == "welcome"
    return client


# Its life.


async def test_hub_runs_as_long_as_it_is_entered() -> None:
    """On a free port, and silent; then nobody is there any more."""
    async with Hub(port=0, echo=True) as hub:
        assert hub.url.startswith("ws://127.0.0.1:")
        assert hub.urls == [hub.url]
        assert repr(hub) == f"<Hub {hub.url}>"
        client = await talk(hub)
        url = hub.url
    await client.wait_closed()
    assert client.close_code == 4200
    with pytest.raises(ConnectionRefusedError):
        await connect(url, proxy=None)
    assert repr(hub) == "<Hub not running>"


async def test_hub_says_nothing_unless_it_is_given_a_logger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A guest is quiet."""
    async with Hub(port=0):
        pass
    assert capsys.readouterr() == ("", "")
    stream = io.StringIO()
    async with Hub(port=0, logger=make_logger("info", stream)):
        pass
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["listening", "draining", "stopped"]


async def test_hubs_live_side_by_side() -> None:
    """Several in one loop, each with topics of its own; signals stay whose they are."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with Hub(port=0) as one, Hub(port=0) as other:
        assert one.url != other.url
        await one.publish("t", 1)
        assert (await one.history("t")).seq == 1
        assert (await other.history("t")).seq == 0
        after = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
        assert after == before


async def test_hub_takes_a_configuration_or_options() -> None:
    """The same names and words as on the command line; not both at once."""
    config = HubConfig(ports=Ports(plain=0), node="mine")
    assert Hub(config).config is config
    options = Hub(port=0, token=("a", "b"), topics="unlimited", ping="5s", echo=True)
    assert options.config.ports == Ports(plain=0)
    assert options.config.tokens == ("a", "b")
    assert options.config.limits.topics is None
    assert (options.config.ping, options.config.echo) == (5.0, True)
    with pytest.raises(UsageError, match="either a configuration or options"):
        Hub(config, port=0)
    with pytest.raises(UsageError) as caught:
        Hub(prot=0, ping="soon")
    assert len(caught.value.problems) == 2
    assert "did you mean --port" in str(caught.value)


async def test_hub_that_cannot_start_leaves_nothing_behind() -> None:
    """Its port is free again, and it cannot be used."""
    async with Hub(port=0) as first:
        number = int(first.url.rpartition(":")[2].partition("/")[0])
        second = Hub(port=0, http_port=number)
        with pytest.raises(TargetError, match="is taken"):
            await second.start()
        with pytest.raises(LocalError, match="does not run"):
            await second.publish("t", 1)
        await second.stop()
        with pytest.raises(LocalError, match="started once"):
            await second.start()


async def test_hub_that_was_never_started_can_be_stopped() -> None:
    """There is nothing to do."""
    hub = Hub(port=0)
    await hub.stop()
    assert repr(hub) == "<Hub not running>"
    with pytest.raises(LocalError, match="does not run"):
        _ = hub.url


async def test_hub_lets_its_clients_finish() -> None:
    """They get what they are owed, are told, and are closed with 4200."""
    async with Hub(port=0) as hub:
        client = await talk(hub)
        await client.send(json.dumps({"type": "subscribe", "id": 1, "topic": "t"}))
        await client.recv()
        await hub.publish("t", {"x": 1})
    heard = [json.loads(await client.recv())["type"] for _ in range(2)]
    assert heard == ["event", "notice"]
    await client.wait_closed()
    assert client.close_code == 4200


async def _open_deaf(hub: Hub) -> asyncio.StreamWriter:
    """Open a WebSocket that answers nothing."""
    port = int(hub.url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"]}")
    return writer


@pytest.mark.parametrize("way", ["error", "cancellation", "hurried", "second stop"])
async def test_hub_stops_in_a_hurry_where_nobody_can_wait(way: str) -> None:
    """A client that answers nothing holds up no error, no cancellation, no stop."""
    hub = Hub(port=0, drain=60, closing=60)
    entered = asyncio.Event()

    async def use() -> None:
        async with hub:
            writers.append(await _open_deaf(hub))
            entered.set()
            if way == "error":
                raise ZeroDivisionError("in the middle")
            await asyncio.Event().wait()

    writers: list[asyncio.StreamWriter] = []
    async with asyncio.timeout(DEADLINE):
        using = asyncio.ensure_future(use())
        await entered.wait()
        if way == "cancellation":
            using.cancel()
        elif way == "hurried":
            await hub.stop(is_hurried=True)
            using.cancel()
        elif way == "second stop":
            first = asyncio.ensure_future(hub.stop())
            await asyncio.sleep(0)
            await hub.stop(is_hurried=True)
            await first
            using.cancel()
        with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
            await using
    assert repr(hub) == "<Hub not running>"
    writers[0].close()


async def test_hub_that_is_cancelled_while_it_stops_stops_all_the_same() -> None:
    """Again and again, as some frameworks do it."""
    hub = Hub(port=0, drain=60, closing=60)
    await hub.start()
    writer = await _open_deaf(hub)
    stopping = asyncio.ensure_future(hub.stop())
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE):
        while not stopping.done():
            stopping.cancel()
            await asyncio.sleep(0)
    assert stopping.cancelled()
    assert repr(hub) == "<Hub not running>"
    await hub.stop()
    writer.close()


# Publishing.


async def test_hub_publishes_to_its_clients() -> None:
    """Any value, or JSON text byte for byte; the position is the event's."""
    async with Hub(port=0) as hub:
        client = await talk(hub)
        await client.send(json.dumps({"type": "subscribe", "id": 1, "topic": "t"}))
        epoch = json.loads(await client.recv())["epoch"]
        first = await hub.publish("t", {"a": [1, None, "é"]})
        second = await hub.publish("t", b' {"b": 1.00,\t"c":1e3} ')
        assert (first.epoch, first.seq, second.seq) == (epoch, 1, 2)
        event = json.loads(await client.recv())
        assert (event["seq"], event["data"]) == (1, {"a": [1, None, "é"]})
        assert b'"data":{"b": 1.00,\t"c":1e3}}' in await client.recv(decode=False)
        resumed = {"epoch": epoch, "seq": first.seq, "tag": first.tag}
        ask = {"type": "history", "id": 2, "topic": "t", "since": resumed}
        await client.send(json.dumps(ask))
        page = json.loads(await client.recv())
        assert (page["recovered"], len(page["events"])) == (True, 1)


async def test_hub_publishes_a_key_once() -> None:
    """The answer is the position of the first one."""
    async with Hub(port=0) as hub:
        first = await hub.publish("t", 1, key="k")
        again = await hub.publish("t", 2, "k")
        other = await hub.publish("t", 3, "other")
        assert (first, other.seq) == (again, 2)


@pytest.mark.parametrize(
    ("topic", "data", "key", "code"),
    [
        ("a b", 1, None, ErrorCode.INVALID_TOPIC),
        ("prices.*", 1, None, ErrorCode.INVALID_TOPIC),
        ("t", "x" * 100, None, ErrorCode.PAYLOAD_TOO_LARGE),
        ("t", b"", None, ErrorCode.INVALID_JSON),
        ("t", b"{", None, ErrorCode.INVALID_JSON),
        ("t", b'1,"topic":"other"', None, ErrorCode.INVALID_JSON),
        ("t", b'1},{"a":1', None, ErrorCode.INVALID_JSON),
        ("t", b'"\xff"', None, ErrorCode.INVALID_JSON),
        ("t", bytearray(b"[" * 61 + b"]" * 61), None, ErrorCode.INVALID_MESSAGE),
        ("t", b"[" * 100_000, None, ErrorCode.INVALID_JSON),
        ("t", 1, "", ErrorCode.INVALID_MESSAGE),
        ("t", 1, "k" * 129, ErrorCode.INVALID_MESSAGE),
    ],
)
async def test_hub_says_why_it_does_not_publish(
    topic: str, data: object, key: str | None, code: ErrorCode
) -> None:
    """The protocol's codes; bytes cannot smuggle in other fields."""
    limits = ConnectionLimits(payload_bytes=50)
    async with Hub(HubConfig(ports=Ports(plain=0), limits=limits)) as hub:
        with pytest.raises(PublishError, match=str(code)) as caught:
            await hub.publish(topic, data, key)
        assert (caught.value.code, caught.value.retryable) == (code, False)
        assert (await hub.history("t")).seq == 0


async def test_hub_publishes_nothing_that_json_has_no_word_for() -> None:
    """That is a mistake of the program."""
    async with Hub(port=0) as hub:
        with pytest.raises(TypeError):
            await hub.publish("t", object())
        deep: list[Any] = []
        for _ in range(100):
            deep = [deep]
        with pytest.raises(ValueError, match="nested"):
            await hub.publish("t", deep)


async def test_hub_says_that_the_node_does_not_take_it() -> None:
    """What only the node can know."""
    async with Hub(port=0, node_topics=1) as hub:
        await hub.publish("one", 1)
        with pytest.raises(PublishError, match="this hub keeps 1 topics") as caught:
            await hub.publish("two", 1)
        assert caught.value.code is ErrorCode.TOO_MANY_TOPICS


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let publications never have their durability; give what tells of each."""
    asked = asyncio.Event()

    def publish(self: Publications, *args: object) -> None:
        asked.set()

    monkeypatch.setattr(Publications, "publish", publish)
    return asked


async def test_hub_answers_a_publisher_when_it_is_stopped(
    endless: asyncio.Event,
) -> None:
    """Nobody waits for ever."""
    async with Hub(port=0) as hub:
        publishing = asyncio.ensure_future(hub.publish("t", 1))
        await endless.wait()
    with pytest.raises(PublishError, match="stopped meanwhile") as caught:
        await publishing
    assert caught.value.retryable


async def test_hub_leaves_no_task_of_a_publisher_that_has_gone(
    endless: asyncio.Event,
) -> None:
    """Cancelled, it waits for nothing any more."""
    async with Hub(port=0) as hub:
        before = asyncio.all_tasks()
        publishing = asyncio.ensure_future(hub.publish("t", 1))
        await endless.wait()
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before


# Looking at it.


async def test_hub_gives_its_history() -> None:
    """From the start or behind a position, page by page."""
    async with Hub(port=0) as hub:
        positions = [await hub.publish("t", number) for number in range(5)]
        page = await hub.history("t", limit=2)
        assert [bytes(event.data) for event in page.events] == [b"0", b"1"]
        assert page.more
        page = await hub.history("t", since=positions[1])
        assert [event.seq for event in page.events] == [3, 4, 5]
        strange = Position("elsewhere", 3)
        page = await hub.history("t", since=strange)
        assert (page.recovered, page.reason) == (False, "epoch_changed")
        with pytest.raises(ValueError, match="not one of"):
            await hub.history("no topic")


async def test_hub_gives_history_that_memory_has_forgotten() -> None:
    """It asks the log."""
    async with Hub(port=0, ring_entries=2) as hub:
        positions = [await hub.publish("t", number) for number in range(9)]
        page = await hub.history("t")
        assert [event.seq for event in page.events] == list(range(1, 10))
        page = await hub.history("t", since=positions[3])
        assert (page.recovered, [event.seq for event in page.events]) == (
            True,
            [5, 6, 7, 8, 9],
        )


async def test_hub_gives_its_status() -> None:
    """The same as the status page."""
    async with Hub(port=0) as hub:
        await hub.publish("t", 1)
        assert (await hub.status())["published"] == 1


async def test_hub_reads_its_keys_again() -> None:
    """As long as it runs."""
    async with Hub(port=0, jwt_secret="s" * 40) as hub:
        hub.reload()
    with pytest.raises(LocalError, match="does not run"):
        hub.reload()


# Its import.


def test_options_are_there_without_the_shell() -> None:
    """Whoever looks for help does not wait for sockets and metrics."""
    code = (
        "import sys, wavetank.hub as hub\n"
        "assert hub.OPTIONS\n"
        "assert 'wavetank.hub.aio' not in sys.modules\n"
        "assert 'asyncio' not in sys.modules\n"
        "from wavetank.hub import Hub, PublishError\n"
        "assert 'wavetank.hub.aio' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=DEADLINE)


def test_hub_room_has_nothing_else() -> None:
    """A misspelt name is told as anywhere."""
    name = "Hubb"
    with pytest.raises(AttributeError, match="no attribute 'Hubb'"):
        getattr(wavetank.hub, name)


async def test_hub_reads_from_its_log_what_is_not_at_hand(tmp_path: Path) -> None:
    """However many topics there are: all they have is still there, byte for byte.

    Each topic kept its newest entries in memory, and nothing bounded their sum.
    """
    payload = {"filling": "x" * 1000}
    config = HubConfig(ports=Ports(plain=0), data=tmp_path, ring_total=5000)
    async with Hub(config) as hub:
        for number in range(50):
            await hub.publish(f"t.{number}", payload)
        rings = hub._running.node.rings
        assert rings.size <= 5000
        assert rings.shed >= 40
        first = await hub.history("t.0", since="earliest")
        assert [entry.seq for entry in first.events] == [1]
        await hub.publish("t.0", payload)
        again = await hub.history("t.0", since="earliest")
        assert [entry.seq for entry in again.events] == [1, 2]
