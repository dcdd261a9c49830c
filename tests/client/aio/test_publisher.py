"""Publisher: takes publications at once, and sends each until it is settled."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import wavetank.client.aio.publisher as module
from wavetank.client.aio.publisher import Publisher
from wavetank.client.aio.receipt import Receipt, Result
from wavetank.client.failures import GaveUp, NotPublished
from wavetank.client.setback import Setback
from wavetank.errors import LocalError, UsageError
from wavetank.protocol import Position

pytestmark = pytest.mark.anyio

WAIT = 20.0


@pytest.fixture
async def start(hub: Any, quick: dict[str, Any]) -> Any:
    """Give a function that starts a publisher."""
    started: list[Publisher] = []

    async def start_it(**options: Any) -> Publisher:
        publisher = Publisher(hub.url, **(quick | options))
        await publisher.__aenter__()
        started.append(publisher)
        return publisher

    yield start_it
    for publisher in started:
        await publisher.close(timeout=0.0)


async def read(call: Any, count: int) -> list[dict[str, Any]]:
    """Read so many publish commands."""
    return [await call.read("publish") for _ in range(count)]


def told(commands: list[dict[str, Any]]) -> list[Any]:
    """Return what each command publishes."""
    return [command["data"] for command in commands]


async def settled(receipt: Receipt) -> Receipt:
    """Wait for the end of a publication."""
    async with asyncio.timeout(WAIT):
        await receipt.wait()
    return receipt


async def test_publisher_publishes_and_learns_the_position(
    hub: Any, start: Any
) -> None:
    """Numbered by a producer, so that the hub can tell duplicates."""
    publisher = await start()
    waiting = asyncio.create_task(publisher.publish("a", {"price": 1.5}))
    call = await hub.greeted()
    await publisher.ready(WAIT)
    command = await call.read("publish")
    assert (command["topic"], command["data"]) == ("a", {"price": 1.5})
    producer = command["producer"]
    assert (producer["epoch"], producer["seq"]) == (1, 1)
    assert "key" not in command
    await call.acknowledge(command, 7)
    assert await waiting == Position("e", 7)
    assert publisher.error is None
    assert publisher.statistics() == {
        "accepted": 1,
        "acknowledged": 1,
        "duplicates": 0,
        "refused": 0,
        "failed": 0,
        "retried": 0,
        "reconnects": 0,
        "queued": 0,
    }
    assert repr(publisher).startswith(f"<Publisher {producer['name']} ")


async def test_publisher_accepts_while_there_is_no_hub(hub: Any, start: Any) -> None:
    """It never waits and never raises; beyond its bound it refuses, and counts."""
    port = hub.port
    await hub.stop()
    publisher = await start(queue=3)
    receipts = [publisher.publish_nowait("a", number) for number in range(5)]
    assert [receipt.result for receipt in receipts] == [
        *[Result.PENDING] * 3,
        *[Result.REFUSED] * 2,
    ]
    with pytest.raises(NotPublished, match="no room") as caught:
        await receipts[4]
    assert caught.value.code == "refused"
    await hub.start(port)
    call = await hub.greeted()
    commands = await read(call, 3)
    assert told(commands) == [0, 1, 2]
    for command in commands:
        await call.acknowledge(command)
    assert await publisher.flush(WAIT)
    counts = publisher.statistics()
    assert (counts["accepted"], counts["refused"], counts["queued"]) == (3, 2, 0)


async def test_publisher_waits_for_room_where_it_may(hub: Any, start: Any) -> None:
    """`offer` and `publish` hold up who is faster than the hub."""
    publisher = await start(queue=1)
    await publisher.offer("a", 1)
    waiting = asyncio.create_task(publisher.offer("a", 2))
    call = await hub.greeted()
    command = await call.read("publish")
    assert not waiting.done()
    await call.acknowledge(command)
    await call.acknowledge(await call.read("publish"), 2)
    receipt = await waiting
    assert await receipt == Position("e", 2)


async def test_publisher_lets_others_have_a_turn_in_a_tight_loop(
    start: Any, tmp_path: Path
) -> None:
    """A spool always has room, so nothing else would hold the loop up."""
    publisher = await start(spool=tmp_path)
    turns = []

    async def count() -> None:
        while True:
            turns.append(publisher.statistics()["accepted"])
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for number in range(500):
        await publisher.offer("a", number)
    counting.cancel()
    assert len({*turns}) >= 7


async def test_publisher_sends_many_before_the_first_answer(
    hub: Any, start: Any
) -> None:
    """But no more than its window."""
    publisher = await start()
    for number in range(200):
        publisher.publish_nowait("a", number)
    call = await hub.greeted()
    commands = await read(call, 128)
    assert told(commands) == [*range(128)]
    assert publisher._queue.outbox.flying == 128
    await call.acknowledge(commands[0])
    assert told(await read(call, 1)) == [128]


async def test_publisher_sends_again_under_the_same_number(
    hub: Any, start: Any
) -> None:
    """After a lost answer the hub says `duplicate`, and nothing comes twice."""
    publisher = await start()
    receipts = [publisher.publish_nowait("a", number) for number in range(3)]
    call = await hub.greeted()
    first = await read(call, 3)
    await call.acknowledge(first[0])
    await settled(receipts[0])
    call.cut()
    call = await hub.greeted()
    second = await read(call, 2)
    assert [c["producer"] for c in second] == [c["producer"] for c in first[1:]]
    await call.acknowledge(second[0], 2, duplicate=True)
    await call.acknowledge(second[1], None, duplicate=True)
    assert await receipts[1] == Position("e", 2)
    assert await receipts[2] is None
    assert receipts[2].is_duplicate
    counts = publisher.statistics()
    assert (counts["duplicates"], counts["retried"], counts["reconnects"]) == (2, 2, 1)


async def test_publisher_sends_keys_of_the_user(hub: Any, start: Any) -> None:
    """Instead of numbers; two of a topic go one after the other."""
    publisher = await start()
    publisher.publish_nowait("a", 1, key="order-1")
    publisher.publish_nowait("a", 2, key="order-2")
    call = await hub.greeted()
    command = await call.read("publish")
    assert command["key"] == "order-1"
    assert "producer" not in command
    await call.acknowledge(command)
    assert (await call.read("publish"))["key"] == "order-2"


async def test_publisher_keeps_the_order_when_something_has_to_be_sent_again(
    hub: Any, start: Any
) -> None:
    """What flew behind it is sent again behind it."""
    publisher = await start()
    for number in range(3):
        publisher.publish_nowait("a", number)
    call = await hub.greeted()
    first = await read(call, 3)
    await call.refuse(first[0]["id"], "unavailable", retryable=True)
    for command in first[1:]:
        await call.refuse(command["id"], "producer_gap", expected=1)
    again = await read(call, 3)
    assert told(again) == [0, 1, 2]
    assert [c["producer"] for c in again] == [c["producer"] for c in first]
    for command in again:
        await call.acknowledge(command)
    assert await publisher.flush(WAIT)
    assert publisher.statistics()["retried"] == 3


async def test_publisher_sends_the_last_one_again_that_was_too_fast(
    hub: Any, start: Any
) -> None:
    """It was never sent again, for nothing else came that would have woken it."""
    publisher = await start()
    receipt = publisher.publish_nowait("a", 1)
    call = await hub.greeted()
    for code in ("rate_limited", "unavailable", "unavailable"):
        (command,) = await read(call, 1)
        await call.refuse(command["id"], code, retryable=True)
    (command,) = await read(call, 1)
    await call.acknowledge(command)
    assert await publisher.flush(WAIT)
    assert await receipt is not None


async def test_publisher_says_that_the_hub_refuses_again_and_again(
    hub: Any, start: Any, lines: Any
) -> None:
    """And that it takes publications again; whoever watches saw nothing happen."""
    publisher = await start()
    publisher._queue._setback = Setback(0.0)
    publisher.publish_nowait("a", 1)
    call = await hub.greeted()
    for code in ("unavailable", "unavailable"):
        (command,) = await read(call, 1)
        await call.refuse(command["id"], code, retryable=True, message="disk is full")
    (command,) = await read(call, 1)
    said = lines.of("refused_and_tried_again")
    assert (said["topic"], said["code"]) == ("a", "unavailable")
    assert said["reason"] == "disk is full"
    await call.acknowledge(command)
    assert await publisher.flush(WAIT)
    assert lines.of("publishing_again")["seconds"] >= 0.0


async def test_publisher_goes_on_after_what_the_hub_will_never_take(
    hub: Any, start: Any, lines: Any
) -> None:
    """That receipt fails; the others are numbered anew, and arrive."""
    publisher = await start()
    receipts = [publisher.publish_nowait("a", number) for number in range(3)]
    call = await hub.greeted()
    first = await read(call, 3)
    await call.refuse(first[0]["id"], "schema_violation", message="price is missing")
    for command in first[1:]:
        await call.refuse(command["id"], "producer_gap", expected=1)
    again = await read(call, 2)
    assert told(again) == [1, 2]
    assert [c["producer"]["seq"] for c in again] == [1, 2]
    assert again[0]["producer"]["epoch"] > first[0]["producer"]["epoch"]
    for command in again:
        await call.acknowledge(command)
    assert await publisher.flush(WAIT)
    with pytest.raises(NotPublished, match="a: price is missing") as caught:
        await receipts[0]
    assert caught.value.code == "schema_violation"
    assert caught.value.is_certain
    assert lines.of("not_published")["code"] == "schema_violation"
    counts = publisher.statistics()
    assert (counts["failed"], counts["acknowledged"]) == (1, 2)


async def test_publisher_fails_what_would_break_the_connection(
    hub: Any, start: Any
) -> None:
    """A message over the hub's limit is never sent: it would be close 1009."""
    publisher = await start()
    large = publisher.publish_nowait("a", "x" * 600)
    small = publisher.publish_nowait("a", 1)
    call = await hub.call()
    limits = {"message_bytes": 500, "payload_bytes": None, "topics": None}
    limits |= {"commands_per_s": 1000, "publish_per_s": None, "first_command_ms": None}
    await call.welcome(limits=limits)
    command = await call.read("publish")
    assert command["data"] == 1
    await call.acknowledge(command)
    await settled(small)
    assert (await settled(large)).result is Result.FAILED
    assert large.error is not None
    assert large.error.code == "payload_too_large"


async def test_publisher_keeps_the_rate_that_the_hub_names(
    hub: Any, start: Any
) -> None:
    """Four of five at once, the others as time goes on."""
    publisher = await start()
    for number in range(6):
        publisher.publish_nowait("a", number)
    call = await hub.call()
    limits = {"message_bytes": None, "payload_bytes": None, "topics": None}
    limits |= {"commands_per_s": None, "publish_per_s": 5, "first_command_ms": None}
    await call.welcome(limits=limits)
    await read(call, 4)
    assert publisher._queue.outbox.flying == 4
    assert publisher._timer is not None
    assert told(await read(call, 2)) == [4, 5]


async def test_publisher_gives_up_a_publication_after_so_many_retries(
    hub: Any, start: Any
) -> None:
    """Counted and told; the connection and the queue go on."""
    publisher = await start(max_retries=1)
    receipt = publisher.publish_nowait("a", 1)
    for _ in range(2):
        call = await hub.greeted()
        await call.read("publish")
        call.cut()
    await settled(receipt)
    with pytest.raises(NotPublished, match="2 attempts were in vain") as caught:
        await receipt
    assert caught.value.code == "retries"
    assert not caught.value.is_certain
    call = await hub.greeted()
    later = publisher.publish_nowait("a", 2)
    command = await call.read("publish")
    await call.acknowledge(command)
    assert await later == Position("e", 1)


async def test_publisher_gives_up_a_publication_when_no_hub_comes(
    hub: Any, start: Any
) -> None:
    """Each attempt to connect counts, and then it is certain."""
    await hub.stop()
    publisher = await start(max_retries=2)
    receipt = await settled(publisher.publish_nowait("a", 1))
    assert receipt.error is not None
    assert receipt.error.is_certain
    assert publisher.statistics()["failed"] == 1
    assert publisher.error is None


async def test_publisher_ends_when_another_one_has_its_name(
    hub: Any, start: Any
) -> None:
    """Everything fails, at once and later; nobody fights."""
    publisher = await start(name="bot-1")
    receipts = [publisher.publish_nowait("a", number) for number in range(2)]
    waiting = asyncio.create_task(publisher.flush())
    call = await hub.greeted()
    commands = await read(call, 2)
    assert commands[0]["producer"]["name"] == "bot-1"
    assert commands[0]["producer"]["epoch"] > 1_600_000_000_000
    await call.refuse(commands[0]["id"], "producer_fenced", message="bot-1 is at 9")
    assert await call.closed() == 1000
    for receipt in receipts:
        assert (await settled(receipt)).result is Result.FAILED
    assert not await waiting
    assert "bot-1 is at 9" in str(publisher.error)
    late = publisher.publish_nowait("a", 3)
    assert late.error is not None
    assert late.error.code == "gave_up"
    assert publisher.statistics()["failed"] == 3


async def test_publisher_fails_everything_when_the_hub_is_final(
    hub: Any, start: Any
) -> None:
    """With why; also who waits for room."""
    publisher = await start(queue=1)
    receipt = publisher.publish_nowait("a", 1)
    waiting = asyncio.create_task(publisher.offer("a", 2))
    call = await hub.greeted()
    await call.read("publish")
    await call.close(4003, "forbidden")
    with pytest.raises(NotPublished, match="4003"):
        await receipt
    assert (await waiting).result is Result.FAILED
    assert isinstance(publisher.error, GaveUp)
    assert await publisher.close()


async def test_publisher_survives_garbage(hub: Any, start: Any) -> None:
    """Answers to nothing, twice, of strange kinds; heartbeats and events."""
    publisher = await start()
    receipt = publisher.publish_nowait("a", 1)
    call = await hub.greeted()
    command = await call.read("publish")
    await call.acknowledge({"id": 77, "topic": "a"})
    await call.acknowledge({"id": "x", "topic": "a"})
    await call.refuse(88, "internal", retryable=True)
    await call.refuse("x", "internal", retryable=True)
    await call.refuse(None, "internal", retryable=True)
    await call.raw("{")
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    await call.acknowledge(command)
    await call.acknowledge(command)
    assert await receipt == Position("e", 1)
    assert publisher.statistics()["acknowledged"] == 1


async def test_publisher_notices_a_hub_that_never_answers(hub: Any, start: Any) -> None:
    """It connects again and sends again."""
    publisher = await start(answer_timeout=0.02)
    receipt = publisher.publish_nowait("a", 1)
    call = await hub.greeted()
    await call.read("publish")
    call = await hub.greeted()
    await call.acknowledge(await call.read("publish"))
    await settled(receipt)


async def test_publisher_moves_before_a_hub_goes_away(hub: Any, start: Any) -> None:
    """What was not acknowledged there is sent here, under its number."""
    publisher = await start()
    receipt = publisher.publish_nowait("a", 1)
    old = await hub.greeted()
    first = await old.read("publish")
    await old.send({"type": "notice", "code": "going_away", "reconnect_after_ms": 1})
    new = await hub.greeted()
    second = await new.read("publish")
    assert second["producer"] == first["producer"]
    await new.acknowledge(second, duplicate=True)
    await settled(receipt)
    assert await old.closed() == 1000


async def test_publisher_forgives_too_many_errors(hub: Any, start: Any) -> None:
    """A hub closes with 1008 after a flood of errors; they are not said again."""
    publisher = await start()
    receipt = publisher.publish_nowait("a", 1)
    call = await hub.greeted()
    await call.read("publish")
    await call.close(1008, "too many errors")
    call = await hub.greeted()
    await call.acknowledge(await call.read("publish"))
    await settled(receipt)


@pytest.mark.parametrize(
    ("topic", "data", "words"),
    [("a.*", 1, "a pattern"), ("a", b"{", "not one JSON"), ("a", object(), "nothing")],
)
async def test_publisher_refuses_what_no_hub_could_take(
    start: Any, topic: str, data: Any, words: str
) -> None:
    """That is a mistake of the caller, and told at once."""
    publisher = await start()
    with pytest.raises(LocalError, match=words):
        publisher.publish_nowait(topic, data)
    assert publisher.statistics()["accepted"] == 0


async def test_publisher_flushes_in_bounded_time(hub: Any, start: Any) -> None:
    """Only what was accepted before counts."""
    publisher = await start()
    assert await publisher.flush(0.0)
    publisher.publish_nowait("a", 1)
    assert not await publisher.flush(0.01)
    flushing = asyncio.create_task(publisher.flush())
    cancelled = asyncio.create_task(publisher.flush())
    await asyncio.sleep(0)
    publisher.publish_nowait("a", 2)
    cancelled.cancel()
    call = await hub.greeted()
    first, _second = await read(call, 2)
    await call.acknowledge(first)
    assert await flushing
    assert publisher.statistics()["queued"] == 1


async def test_publisher_closes_with_a_last_word_for_each(hub: Any, start: Any) -> None:
    """What is not settled by then fails; a second close does nothing."""
    publisher = await start()
    receipts = [publisher.publish_nowait("a", number) for number in range(2)]
    call = await hub.greeted()
    commands = await read(call, 2)
    await call.acknowledge(commands[0])
    await settled(receipts[0])
    assert not await publisher.close(timeout=0.0)
    with pytest.raises(NotPublished) as caught:
        await receipts[1]
    assert caught.value.code == "closed"
    assert not caught.value.is_certain
    assert await publisher.close()
    with pytest.raises(LocalError, match="inside of"):
        publisher.publish_nowait("a", 1)


async def test_publisher_lets_go_of_who_waits_for_room_when_it_is_closed(
    hub: Any, start: Any
) -> None:
    """Nobody waits for ever."""
    publisher = await start(queue=1)
    publisher.publish_nowait("a", 1)
    waiting = asyncio.create_task(publisher.offer("a", 2))
    other = asyncio.create_task(publisher.offer("a", 2))
    await asyncio.sleep(0)
    other.cancel()
    await publisher.close(timeout=0.0)
    with pytest.raises(LocalError, match="closed"):
        await waiting


async def test_publisher_flushes_at_the_end_of_its_block(
    hub: Any, quick: dict[str, Any]
) -> None:
    """A short program needs no more words."""

    async def program() -> Receipt:
        async with Publisher(hub.url, **quick) as publisher:
            return publisher.publish_nowait("a", 1)

    task = asyncio.create_task(program())
    call = await hub.greeted()
    await call.acknowledge(await call.read("publish"))
    assert (await task).result is Result.ACKNOWLEDGED


async def test_publisher_refuses_a_name_that_is_none(quick: dict[str, Any]) -> None:
    """Before anything is tried."""
    for name in ("", "x" * 129):
        with pytest.raises(UsageError, match="name"):
            Publisher("ws://localhost", name=name, **quick)


# The spool.


async def test_publisher_with_a_spool_goes_on_after_a_restart(
    hub: Any, start: Any, tmp_path: Path
) -> None:
    """Under the same numbers, so that the hub takes each once; then new ones."""
    first = await start(spool=tmp_path, queue=2)
    receipts = [first.publish_nowait("a", number) for number in range(5)]
    call = await hub.greeted()
    sent = await read(call, 2)
    await call.acknowledge(sent[0])
    await settled(receipts[0])
    third = await call.read("publish")
    assert not await first.close(timeout=0.0)
    assert [receipt.result for receipt in receipts[1:]] == [Result.KEPT] * 4

    second = await start(spool=tmp_path, queue=2)
    assert second.statistics()["queued"] == 4
    new = second.publish_nowait("a", 5)
    call = await hub.greeted()
    again = []
    for _ in range(4):
        command = await call.read("publish")
        again.append(command)
        await call.acknowledge(command)
    assert told(again) == [1, 2, 3, 4]
    assert [c["producer"] for c in again[:2]] == [
        sent[1]["producer"],
        third["producer"],
    ]
    command = await call.read("publish")
    assert command["data"] == 5
    assert command["producer"]["name"] == sent[0]["producer"]["name"]
    assert command["producer"]["epoch"] > sent[0]["producer"]["epoch"]
    assert command["producer"]["seq"] == 1
    await call.acknowledge(command)
    assert await second.flush(WAIT)
    await settled(new)
    assert second.statistics()["queued"] == 0


async def test_publisher_says_that_its_spool_was_damaged(
    start: Any, tmp_path: Path
) -> None:
    """What was in it will not be published, whatever becomes of the rest."""
    (tmp_path / "spool.sqlite").write_bytes(b"damaged" * 1000)
    publisher = await start(spool=tmp_path)
    assert publisher.spool_lost == tmp_path / "spool.sqlite.broken-1"
    await publisher.close(timeout=0.0)
    assert publisher.spool_lost == tmp_path / "spool.sqlite.broken-1"
    assert (await start()).spool_lost is None


async def test_publisher_with_a_spool_is_bounded_too(
    hub: Any, start: Any, tmp_path: Path
) -> None:
    """By bytes; and one publication may not take half of it."""
    publisher = await start(spool=tmp_path, spool_bytes=1000)
    with pytest.raises(LocalError, match="half of the spool"):
        publisher.publish_nowait("a", "x" * 600)
    results = [publisher.publish_nowait("a", "x" * 300).result for _ in range(4)]
    assert results == [*[Result.PENDING] * 2, *[Result.REFUSED] * 2]


async def test_publisher_sends_nothing_under_a_number_that_is_not_kept(
    hub: Any,
    start: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    until: Any,
    lines: Any,
) -> None:
    """It waits for the disk, however long that takes."""
    monkeypatch.setattr(module, "_DISK_PAUSE", 0.001)
    publisher = await start(spool=tmp_path)
    receipts = [publisher.publish_nowait("a", number) for number in range(2)]
    call = await hub.greeted()
    commands = await read(call, 2)
    database = publisher._queue._spool._database
    database.execute("PRAGMA query_only = ON")
    await call.refuse(commands[0]["id"], "topic_forbidden")
    await call.refuse(commands[1]["id"], "producer_gap", expected=1)
    await settled(receipts[0])
    await until(lambda: lines.names.count("spool_not_written") > 3)
    assert publisher.publish_nowait("a", 3).result is Result.REFUSED
    database.execute("PRAGMA query_only = OFF")
    command = await call.read("publish")
    assert command["data"] == 1
    assert command["producer"]["seq"] == 1
