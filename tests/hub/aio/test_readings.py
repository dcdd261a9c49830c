"""Readings: what memory has let go is read from the log, once for all who wait."""

from collections.abc import Coroutine
from typing import Any

import pytest

from wavetank.hub.aio.logs.memory import MemoryLog
from wavetank.hub.aio.parcels import Page
from wavetank.hub.aio.readings import Readings
from wavetank.hub.aio.topic import Subscriber, Topic
from wavetank.hub.cursors import Place
from wavetank.hub.log import Bounds, Mark, TopicLog


class Waiter(Subscriber):
    """A subscriber that remembers whether it was stranded."""

    def __init__(self) -> None:
        super().__init__("waiter", lambda data: None)
        self.is_stranded = False

    def stranded(self) -> None:
        """Note it."""
        self.is_stranded = True


class Desk:
    """Readings of a topic with nine entries, of which memory has the last two."""

    def __init__(self) -> None:
        self.works: list[Coroutine[Any, Any, None]] = []
        self.delivered: list[tuple[list[Subscriber], Page]] = []
        self.woken: list[Subscriber] = []
        self.log = MemoryLog("epoch", retention=Bounds(), total=None, wall=lambda: 0.0)
        self.topic = Topic(TopicLog("t", "epoch", ring=Bounds(entries=2)))
        for number in range(1, 10):
            self.publish(number)
        self.readings = Readings(
            self.log,
            start=self.works.append,
            deliver=lambda waiting, topic, page: self.delivered.append((waiting, page)),
            wake=lambda subscriber, topic: self.woken.append(subscriber),
        )

    def publish(self, number: int) -> None:
        """Publish one entry, which everybody has."""
        entry = self.topic.log.append(b"%d" % number, 1.0)
        self.log.append("t", entry)
        self.topic.log.reveal(number)
        self.topic.cursors.level = number
        self.topic.log.settle(number)

    def wait_at(self, seq: int, *, is_latest: bool = False) -> Waiter:
        """Put somebody at a place, and let it read."""
        waiter = Waiter()
        place = Place(seq, 0, 0.0, is_live=True, is_latest=is_latest)
        self.topic.cursors.enter(waiter, waiter.write, place)
        self.readings.read(waiter, self.topic, place)
        return waiter

    def work(self) -> None:
        """Read what is asked for."""
        works = self.works.copy()
        self.works.clear()
        for work in works:
            with pytest.raises(StopIteration):
                work.send(None)


def test_page_is_read_once_for_all_who_wait_for_it() -> None:
    """And each goes on afterwards."""
    desk = Desk()
    waiters = [desk.wait_at(3), desk.wait_at(3)]
    assert len(desk.works) == 1
    desk.work()
    ((waiting, page),) = desk.delivered
    assert waiting == waiters == desk.woken
    assert (page.to, page.fates.delivered) == (9, 6)
    assert desk.topic.readings == {}


def test_whoever_jumps_reads_the_newest_alone() -> None:
    """It is kept for all who come later, and written by whoever asked."""
    desk = Desk()
    newest, desk.topic.log.newest = desk.topic.log.newest, None
    waiter = desk.wait_at(3, is_latest=True)
    assert list(desk.topic.readings) == [(8, 1)]
    desk.work()
    assert desk.topic.log.newest == newest
    assert desk.delivered[0][0] == []
    assert desk.woken == [waiter]


def test_page_is_for_those_alone_who_are_still_there() -> None:
    """Not for one who left, nor for one who has another place now."""
    desk = Desk()
    left, elsewhere, there = (desk.wait_at(3) for _ in range(3))
    desk.topic.cursors.leave(left)
    desk.topic.cursors.behind[elsewhere].seq = 5
    desk.work()
    assert desk.delivered[0][0] == [there]


def test_whoever_has_paused_is_not_woken() -> None:
    """It goes on by itself once it takes bytes."""
    desk = Desk()
    paused = desk.wait_at(3)
    paused.is_paused = True
    desk.work()
    assert desk.woken == []


def test_page_behind_a_hole_is_not_delivered() -> None:
    """Retention has moved on: whoever waits goes on, and finds a gap."""
    desk = Desk()
    waiter = desk.wait_at(3)
    run = desk.log._runs["t"]
    while run.first < 6:
        run.drop()
    desk.topic.log.forget(Mark(5, 1))
    desk.work()
    assert desk.delivered == []
    assert desk.woken == [waiter]


def test_whoever_waits_is_stranded_when_the_log_cannot_be_read() -> None:
    """Nobody waits for ever, and one who left is not bothered."""

    async def broken(*args: object, **more: object) -> list[Any]:
        raise OSError("the disk is gone")

    desk = Desk()
    desk.log.since = broken  # type: ignore[method-assign]
    waiter, left = desk.wait_at(3), desk.wait_at(3)
    desk.topic.cursors.leave(left)
    with pytest.raises(OSError, match="the disk is gone"):
        desk.works.pop().send(None)
    assert waiter.is_stranded
    assert not left.is_stranded
    assert desk.topic.readings == {}


def test_page_is_delivered_once_to_whoever_asked_twice() -> None:
    """Woken meanwhile by another topic, a connection asks again for the same page."""
    desk = Desk()
    waiter = desk.wait_at(3)
    place = desk.topic.place_of(waiter)
    assert place is not None
    desk.readings.read(waiter, desk.topic, place)
    desk.work()
    ((waiting, _),) = desk.delivered
    assert waiting == [waiter]
    assert desk.woken == [waiter]
