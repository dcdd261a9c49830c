"""Subscriber: follows topics over all connections."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

import wavetank.client.aio.subscriber as module
from wavetank.client.aio.subscriber import Subscriber
from wavetank.client.aio.subscription import Subscription
from wavetank.client.failures import GaveUp, Refused
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.errors import LocalError, TargetError, UsageError
from wavetank.protocol import Position

pytestmark = pytest.mark.anyio

WAIT = 20.0


@pytest.fixture
async def start(hub: Any, quick: dict[str, Any]) -> Any:
    """Give a function that starts a subscriber."""
    started: list[Subscriber] = []

    async def start_it(**options: Any) -> Subscriber:
        subscriber = Subscriber(hub.url, **(quick | options))
        await subscriber.__aenter__()
        started.append(subscriber)
        return subscriber

    yield start_it
    for subscriber in started:
        await subscriber.close()


@pytest.fixture
def log(make_log: Any) -> Any:
    """Give a topic with three events."""
    log = make_log("t")
    for number in range(1, 4):
        log.append(number)
    return log


async def take(subscription: Subscription, count: int) -> list[Item]:
    """Read so many items."""
    async with asyncio.timeout(WAIT):
        return [await anext(subscription) for _ in range(count)]


async def numbers(subscription: Subscription, count: int) -> list[Any]:
    """Read so many events, and nothing else, as values."""
    return [item.json() for item in await take(subscription, count)]  # type: ignore[union-attr] # nothing but events


async def test_subscriber_follows_a_topic(hub: Any, start: Any, log: Any) -> None:
    """The past that was asked for, then live."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    assert (await call.answer(log, after=0))["since"] == "earliest"
    await call.send(*log.events(0), log.append(4))
    assert await numbers(subscription, 4) == [1, 2, 3, 4]
    await subscriber.ready(WAIT)
    counted = subscriber.statistics()
    assert (counted["events"], counted["connections"]) == (4, 1)
    assert repr(subscriber).startswith("<Subscriber {'connections': 1")


async def test_subscriber_loses_and_repeats_nothing_over_cut_connections(
    hub: Any, start: Any, log: Any
) -> None:
    """It resumes from its position; only staleness shows that anything happened."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(*log.events(0)[:2])
    assert await numbers(subscription, 2) == [1, 2]
    for number in (4, 5):
        call.cut()
        log.append(number)
        call = await hub.greeted()
        command = await call.resume(log)
        assert command["since"]["tag"] == log.tag(command["since"]["seq"])
        items = await take(subscription, 4 if number == 4 else 3)
        assert [i.json() for i in items if isinstance(i, Event)] == (
            [3, 4] if number == 4 else [5]
        )
        stale = [item for item in items if isinstance(item, Stale)]
        assert [each.is_stale for each in stale] == [True, False]
        assert stale[0].reason == "disconnected"


async def test_subscriber_resumes_even_before_the_first_event(
    hub: Any, start: Any, log: Any
) -> None:
    """The answer to a live subscription is a position."""
    subscriber = await start()
    subscription = subscriber.subscribe("t")
    call = await hub.greeted()
    await call.answer(log)
    await call.send({"type": "heartbeat", "ts": 1, "tops": {"t": [3, log.tag(3)]}})
    await call.close(4200, "drain")
    log.append(4)
    call = await hub.greeted()
    assert (await call.resume(log))["since"]["seq"] == 3
    _, event, _ = await take(subscription, 3)
    assert isinstance(event, Event)
    assert event.json() == 4


async def test_subscriber_tells_what_it_could_not_recover(
    hub: Any, start: Any, make_log: Any, log: Any
) -> None:
    """A gap with the hub's reason, then live again."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since=Position("e", 1))
    call = await hub.greeted()
    await call.answer(log, recovered=False, reason="truncated")
    await call.send(log.append(4))
    gap, event = await take(subscription, 2)
    assert isinstance(gap, Gap)
    assert (gap.first, gap.last, gap.reason) == (2, 3, "truncated")
    assert isinstance(event, Event)
    await call.close(1012)
    other = make_log("t", "f")
    other.append("new life")
    call = await hub.greeted()
    await call.answer(other, recovered=False, reason="epoch_changed")
    items = await take(subscription, 3)
    (gap,) = [item for item in items if isinstance(item, Gap)]
    assert (gap.epoch, gap.first, gap.last, gap.reason) == ("f", 1, 1, "epoch_changed")
    assert subscriber.statistics()["gaps"] == 2


async def test_subscriber_heals_a_hole(hub: Any, start: Any, log: Any) -> None:
    """It subscribes again on the same connection; the reader sees nothing of it."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(log.event(1), log.event(3), log.event(2))
    await call.resume(log)
    assert await numbers(subscription, 3) == [1, 2, 3]
    assert subscriber.statistics()["healed"] == 1


async def test_subscriber_heals_the_loss_of_a_last_event(
    hub: Any, start: Any, log: Any
) -> None:
    """A heartbeat names the top; without it nobody would ever know."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(*log.events(0)[:2])
    beat = {"type": "heartbeat", "ts": 1, "tops": {"x": [9, "00000000"]}}
    beat["tops"]["t"] = [3, log.tag(3)]
    await call.send(beat)
    await call.resume(log)
    assert await numbers(subscription, 3) == [1, 2, 3]


async def test_subscriber_notices_a_different_past(
    hub: Any, start: Any, log: Any
) -> None:
    """A wrong tag: it asks with its position, and the hub says what is wrong."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(*log.events(0))
    await call.send({"type": "heartbeat", "ts": 1, "tops": {"t": [3, "0badcafe"]}})
    await call.answer(log, recovered=False, reason="diverged")
    items = await take(subscription, 4)
    assert isinstance(items[3], Gap)
    assert items[3].reason == "diverged"


async def test_subscriber_tells_in_the_end_what_a_hub_never_sends(
    hub: Any, start: Any, log: Any
) -> None:
    """A hub that leaves out an event whatever it is asked."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    for _ in range(3):
        await call.send(log.event(1), log.event(3))
        command = await call.read("subscribe")
        answer = {"type": "subscribed", "id": command["id"], "topic": "t"}
        await call.send(answer | log.start(1))
    await call.send(log.event(3))
    first, gap, last = await take(subscription, 3)
    assert isinstance(first, Event)
    assert isinstance(gap, Gap)
    assert (gap.first, gap.last, gap.reason) == (2, 2, "lost")
    assert isinstance(last, Event)
    counted = subscriber.statistics()
    assert (counted["gaps"], counted["healed"]) == (1, 3)


async def test_subscriber_notices_a_hub_that_went_deaf(
    hub: Any, start: Any, log: Any
) -> None:
    """Connected, subscribed, and then nothing: stale, and a new connection."""
    subscriber = await start(grace=0.01)
    subscription = subscriber.subscribe("t")
    call = await hub.greeted(ping_interval_ms=10)
    await call.answer(log)
    (stale,) = await take(subscription, 1)
    assert isinstance(stale, Stale)
    assert (stale.is_stale, stale.reason) == (True, "silent")
    call = await hub.greeted()
    await call.resume(log)
    (fresh,) = await take(subscription, 1)
    assert isinstance(fresh, Stale)
    assert not fresh.is_stale
    assert fresh.until is not None
    assert fresh.until >= fresh.since == stale.since


async def test_subscriber_notices_a_hub_that_never_answers(
    hub: Any, start: Any, log: Any
) -> None:
    """A subscribe without an answer is a broken connection, heartbeats or not."""
    subscriber = await start(answer_timeout=0.02)
    subscription = subscriber.subscribe("t")
    call = await hub.greeted()
    await call.read("subscribe")
    (stale,) = await take(subscription, 1)
    assert isinstance(stale, Stale)
    call = await hub.greeted()
    await call.answer(log)
    (fresh,) = await take(subscription, 1)
    assert isinstance(fresh, Stale)
    assert not fresh.is_stale


async def test_subscriber_tells_once_that_there_is_no_hub(
    hub: Any, start: Any, log: Any, until: Any, lines: Any
) -> None:
    """However many attempts are in vain; it goes on when the hub comes."""
    port = hub.port
    await hub.stop()
    subscriber = await start()
    subscription = subscriber.subscribe("t")
    await until(lambda: lines.names.count("connecting_again") > 3)
    await hub.start(port)
    call = await hub.greeted()
    await call.answer(log)
    stale, fresh = await take(subscription, 2)
    assert isinstance(stale, Stale)
    assert isinstance(fresh, Stale)
    assert len(subscription.buffer) == 0


async def test_subscriber_survives_garbage(hub: Any, start: Any, log: Any) -> None:
    """Unknown messages, foreign topics, answers to nothing."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.raw("{")
    await call.raw(b"\x00\xff")
    await call.send(
        {"type": "future", "x": 1},
        {"type": "event", "topic": "foreign", "seq": 1, "ts": 1, "data": 1},
        {"type": "gap", "topic": "foreign", "from": 1, "to": 1, "reason": "truncated"},
        {"type": "unsubscribed", "topic": "foreign"},
        {"type": "unsubscribed", "topic": "foreign", "id": 77},
        {"type": "subscribed", "id": 99, "topic": "t"} | log.start(0),
        {"type": "pong", "id": "x", "ts_in": 1, "ts_out": 1},
        {"type": "notice", "code": "degraded"},
    )
    await call.refuse(None, "internal")
    await call.send(*log.events(0))
    assert await numbers(subscription, 3) == [1, 2, 3]
    assert subscriber.statistics()["foreign"] == 1


async def test_subscriber_drops_what_comes_twice(
    hub: Any, start: Any, log: Any
) -> None:
    """And counts it."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(
        log.event(1), log.event(1), log.event(2), log.event(1), log.event(3)
    )
    assert await numbers(subscription, 3) == [1, 2, 3]
    assert subscriber.statistics()["duplicates"] == 2


async def test_subscriber_hands_on_gaps_of_the_hub(
    hub: Any, start: Any, log: Any
) -> None:
    """Such as what retention took while this client lagged."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    gap = {"type": "gap", "topic": "t", "from": 1, "to": 2, "reason": "truncated"}
    await call.send(gap | {"tag": log.tag(2)}, log.event(3))
    items = await take(subscription, 2)
    assert isinstance(items[0], Gap)
    assert items[0].count == 2
    assert isinstance(items[1], Event)
    assert items[1].position.tag == log.tag(3)


# Patterns.


async def test_subscriber_follows_a_pattern(
    hub: Any, start: Any, make_log: Any
) -> None:
    """Topics that are there, topics that come up, and all of them after a cut."""
    subscriber = await start()
    subscription = subscriber.subscribe("a.*")
    old, new = make_log("a.old"), make_log("a.new")
    old.append(1)
    call = await hub.greeted()
    command = await call.read("subscribe")
    assert "since_each" not in command
    answer = {"type": "subscribed", "id": command["id"], "topic": "a.*"}
    await call.send(answer | {"topics": {"a.old": old.start()}})
    after = {"seq": 0, "tag": "00000000"}
    added = {"type": "topic", "topic": "a.new", "epoch": "e", "after": after}
    await call.send(old.append(2), added, new.append(3))
    assert await numbers(subscription, 2) == [2, 3]
    call.cut()
    call = await hub.greeted()
    command = await call.read("subscribe")
    assert {name: at["seq"] for name, at in command["since_each"].items()} == {
        "a.old": 2,
        "a.new": 1,
    }
    late = make_log("a.late")
    late.append(4)
    topics = {log.topic: log.start(log.top) for log in (old, new)}
    answer = {"type": "subscribed", "id": command["id"], "topic": "a.*"}
    await call.send(answer | {"topics": topics | {"a.late": late.start(0)}})
    await call.send(late.event(1))
    _, event, _ = await take(subscription, 3)
    assert isinstance(event, Event)
    assert (event.topic, event.json()) == ("a.late", 4)


async def test_subscriber_remembers_only_so_many_topics(
    hub: Any, start: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """Foreign names do not fill memory."""
    monkeypatch.setattr(module, "MOST_TOPICS", 1)
    subscriber = await start()
    subscription = subscriber.subscribe("a.*")
    call = await hub.greeted()
    command = await call.read("subscribe")
    answer = {"type": "subscribed", "id": command["id"], "topic": "a.*"}
    await call.send(answer | {"topics": {}})
    after = {"seq": 0, "tag": "00000000"}
    for name in ("x", "y"):
        await call.send(
            {"type": "topic", "topic": f"a.{name}", "epoch": "e", "after": after},
            {"type": "event", "topic": f"a.{name}", "seq": 1, "ts": 1, "data": 1},
        )
    assert await numbers(subscription, 2) == [1, 1]
    assert len(subscriber._routes) == 1


# A reader that is too slow.


async def test_subscriber_pauses_a_subscription_whose_reader_is_slow(
    hub: Any, start: Any, log: Any, make_log: Any
) -> None:
    """It leaves the hub, nobody else waits, and it goes on from its place."""
    for number in range(4, 9):
        log.append(number)
    subscriber = await start()
    slow = subscriber.subscribe("t", since="earliest", buffer=4)
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(*log.events(0))
    command = await call.read("unsubscribe")
    quick_one = subscriber.subscribe("q")
    other = make_log("q")
    await call.answer(other)
    await call.send(log.append(9), other.append("quick"))
    assert await numbers(quick_one, 1) == ["quick"]
    assert len(slow.buffer) == 4
    await call.send({"type": "heartbeat", "ts": 1, "tops": {"t": [9, log.tag(9)]}})
    gap = {"type": "gap", "topic": "t", "from": 5, "to": 9, "reason": "truncated"}
    await call.send(gap)
    await call.send({"type": "unsubscribed", "id": command["id"], "topic": "t"})
    assert await numbers(slow, 1) == [1]
    assert await numbers(slow, 3) == [2, 3, 4]
    assert (await call.resume(log))["since"]["seq"] == 4
    command = await call.read("unsubscribe")
    assert await numbers(slow, 4) == [5, 6, 7, 8]
    await call.send({"type": "unsubscribed", "id": command["id"], "topic": "t"})
    await call.resume(log)
    assert await numbers(slow, 1) == [9]
    assert subscriber.statistics()["gaps"] == 0


async def test_subscriber_does_not_resume_what_is_full(
    hub: Any, start: Any, log: Any
) -> None:
    """Not even on a new connection; only when its reader has gone on."""
    subscriber = await start()
    slow = subscriber.subscribe("t", since="earliest", buffer=2)
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(*log.events(0))
    await call.read("unsubscribe")
    call.cut()
    call = await hub.greeted()
    assert await numbers(slow, 2) == [1, 2]
    await call.resume(log)
    items = await take(slow, 3)
    assert [item.json() for item in items if isinstance(item, Event)] == [3]


# Refusals and ends.


async def test_subscriber_raises_what_the_hub_refuses(
    hub: Any, start: Any, log: Any
) -> None:
    """To that reader alone; the others go on, and it can be tried again."""
    subscriber = await start()
    bad, good = subscriber.subscribe("bad"), subscriber.subscribe("t")
    call = await hub.greeted()
    command = await call.read("subscribe")
    await call.refuse(command["id"], "topic_forbidden", message="not yours")
    await call.answer(log)
    await call.send(log.append(4))
    with pytest.raises(Refused, match="bad: not yours") as caught:
        await anext(bad)
    assert caught.value.code == "topic_forbidden"
    assert await numbers(good, 1) == [4]
    subscriber.subscribe("bad")
    assert (await call.read("subscribe"))["topic"] == "bad"


async def test_subscriber_tries_again_what_passes(
    hub: Any, start: Any, log: Any
) -> None:
    """After the time that the hub names, on the same connection."""
    subscriber = await start()
    subscription = subscriber.subscribe("t")
    call = await hub.greeted()
    for _ in range(2):
        command = await call.read("subscribe")
        await call.refuse(
            command["id"], "rate_limited", retryable=True, retry_after_ms=1
        )
    await call.answer(log)
    await call.send(log.append(4))
    assert await numbers(subscription, 1) == [4]


async def test_subscriber_hears_that_rights_are_gone(
    hub: Any, start: Any, log: Any
) -> None:
    """What came before is handed out first."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(log.event(1))
    await call.send({"type": "unsubscribed", "topic": "t", "reason": "forbidden"})
    assert await numbers(subscription, 1) == [1]
    with pytest.raises(Refused, match="taken away"):
        await anext(subscription)


async def test_subscriber_comes_back_where_the_hub_ended_it_for_no_reason(
    hub: Any, start: Any, log: Any
) -> None:
    """From its place."""
    subscriber = await start()
    subscription = subscriber.subscribe("t")
    call = await hub.greeted()
    await call.answer(log)
    await call.send({"type": "unsubscribed", "topic": "t"})
    log.append(4)
    await call.resume(log)
    assert await numbers(subscription, 1) == [4]


async def test_subscriber_gives_up_where_the_hub_says_so(
    hub: Any, start: Any, log: Any
) -> None:
    """Every reader learns it, also one that comes later."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    call = await hub.greeted()
    await call.answer(log, after=0)
    await call.send(*log.events(0))
    await call.close(4003, "forbidden")
    items = await take(subscription, 4)
    assert isinstance(items[-1], Stale)
    for reader in (subscription, subscriber.subscribe("later")):
        with pytest.raises(GaveUp, match="4003"):
            await anext(reader)


async def test_subscriber_moves_without_loss_before_a_hub_goes_away(
    hub: Any, start: Any, log: Any
) -> None:
    """Neither a gap nor staleness nor a duplicate is seen."""
    subscriber = await start()
    subscription = subscriber.subscribe("t", since="earliest")
    old = await hub.greeted()
    await old.answer(log, after=0)
    await old.send(*log.events(0)[:2])
    await old.send({"type": "notice", "code": "going_away", "reconnect_after_ms": 1})
    new = await hub.greeted()
    log.append(4)
    await new.resume(log)
    assert await old.closed() == 1000
    assert await numbers(subscription, 4) == [1, 2, 3, 4]


async def test_subscriber_unsubscribes_what_is_closed(
    hub: Any, start: Any, log: Any
) -> None:
    """Its topic can be subscribed anew at once; what still comes is passed over."""
    subscriber = await start()
    async with subscriber.subscribe("t", since="earliest"):
        call = await hub.greeted()
        await call.answer(log, after=0)
        await call.send(log.event(1))
        await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
        with pytest.raises(LocalError, match="is subscribed"):
            subscriber.subscribe("t")
    command = await call.read("unsubscribe")
    again = subscriber.subscribe("t", since="earliest")
    await call.send(log.event(2))
    await call.send({"type": "unsubscribed", "id": command["id"], "topic": "t"})
    await call.answer(log, after=0)
    await call.send(*log.events(0))
    assert await numbers(again, 3) == [1, 2, 3]


async def test_subscriber_ends_its_readers_when_it_is_closed(
    hub: Any, start: Any
) -> None:
    """Each loop just ends, also without any connection."""
    subscriber = await start()
    subscription = subscriber.subscribe("t")
    call = await hub.greeted()
    await call.read("subscribe")
    reading = asyncio.create_task(numbers_to_the_end(subscription))
    await asyncio.sleep(0)
    await subscriber.close()
    await subscriber.close()
    assert await reading == 0
    assert await call.closed() == 1000
    with pytest.raises(LocalError, match="inside of"):
        subscriber.subscribe("t")


async def numbers_to_the_end(subscription: Subscription) -> int:
    """Count items to the end."""
    return len([item async for item in subscription])


# The position file.


async def test_subscriber_goes_on_where_its_file_says(
    hub: Any, start: Any, log: Any, tmp_path: Path
) -> None:
    """At least once: what was handed out last comes again after a restart."""
    file = tmp_path / "places.json"
    first = await start(positions=file)
    subscription = first.subscribe("t", since="earliest")
    other = first.subscribe("a.*")
    call = await hub.greeted()
    await call.answer(log, after=0)
    command = await call.read("subscribe")
    answer = {"type": "subscribed", "id": command["id"], "topic": "a.*"}
    await call.send(answer | {"topics": {}})
    await call.send(*log.events(0))
    assert await numbers(subscription, 2) == [1, 2]
    other.close()
    await first.close()

    second = await start(positions=file)
    again = second.subscribe("t", since="earliest")
    call = await hub.greeted()
    command = await call.resume(log)
    assert command["since"] == {"epoch": "e", "seq": 1, "tag": log.tag(1)}
    assert await numbers(again, 2) == [2, 3]
    again.confirm()
    second.subscribe("a.*")
    assert (await call.read("subscribe"))["since_each"] == {}
    await second.close()

    third = await start(positions=file)
    third.subscribe("t")
    call = await hub.greeted()
    assert (await call.resume(log))["since"]["seq"] == 3


async def test_subscriber_writes_its_file_while_it_runs(
    hub: Any,
    start: Any,
    log: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    until: Any,
) -> None:
    """So that a kill costs a second's worth of repeats at most."""
    monkeypatch.setattr(module, "SAVE_EVERY", 0.005)
    file = tmp_path / "places.json"
    subscriber = await start(positions=str(file))
    subscription = subscriber.subscribe("t")
    call = await hub.greeted()
    await call.answer(log)
    await until(lambda: file.exists() and '"seq": 3' in file.read_text())
    await call.send(log.append(4), log.append(5))
    await numbers(subscription, 2)
    await until(lambda: '"seq": 4' in file.read_text())


async def test_subscriber_tells_that_it_cannot_write_its_file(
    hub: Any,
    start: Any,
    log: Any,
    tmp_path: Path,
    lines: Any,
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes on, and tries again."""
    monkeypatch.setattr(module, "SAVE_EVERY", 0.005)
    folder = tmp_path / "folder"
    folder.mkdir()
    subscriber = await start(positions=folder / "places.json")
    shutil.rmtree(folder)
    subscriber.subscribe("t")
    call = await hub.greeted()
    await call.answer(log)
    await until(lambda: "positions_not_saved" in lines.names)
    folder.mkdir()
    await until((folder / "places.json").exists)


async def test_subscriber_refuses_a_file_that_cannot_be(
    hub: Any, quick: dict[str, Any], tmp_path: Path
) -> None:
    """At the start."""
    subscriber = Subscriber(hub.url, positions=tmp_path / "no" / "file", **quick)
    with pytest.raises(UsageError, match="no folder"):
        async with subscriber:
            raise AssertionError


async def test_subscriber_shares_its_file_with_nobody(
    hub: Any, start: Any, quick: dict[str, Any], tmp_path: Path
) -> None:
    """Each would write over the other's places; the next one may have it."""
    file = tmp_path / "places.json"
    first = await start(positions=file)
    with pytest.raises(TargetError, match="has it; end that one"):
        await Subscriber(hub.url, positions=file, **quick).__aenter__()
    await first.close()
    await start(positions=file)


async def test_subscriber_lets_its_file_go_when_it_cannot_start(
    hub: Any, start: Any, tmp_path: Path
) -> None:
    """The next one has nobody in its way."""
    file = tmp_path / "places.json"
    used = await start(positions=file)
    await used.close()
    with pytest.raises(LocalError, match="started before"):
        await used.__aenter__()
    await start(positions=file)


async def test_subscriber_tells_each_reader_that_positions_were_lost(
    hub: Any, start: Any, log: Any, tmp_path: Path
) -> None:
    """As a gap of unknown size before the first event; once, not again later."""
    file = tmp_path / "places.json"
    file.write_bytes(b"damaged")
    first = await start(positions=file)
    subscription = first.subscribe("t")
    call = await hub.greeted()
    await call.answer(log)
    await call.send(log.append(4))
    gap, event = await take(subscription, 2)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.first, gap.last) == ("positions_lost", 4, 3)
    assert (gap.epoch, gap.count) == ("e", 0)
    assert isinstance(event, Event)
    assert first.statistics()["gaps"] == 1
    await first.close()
    assert (tmp_path / "places.json.broken-1").read_bytes() == b"damaged"

    second = await start(positions=file)
    again = second.subscribe("t")
    call = await hub.greeted()
    assert (await call.resume(log))["since"]["seq"] == 3
    assert await numbers(again, 1) == [4]
