"""Fan-out: each subscriber gets what is new, once a turn, in one write."""

import json
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.hub.accounting import Balance
from wavetank.hub.aio.fanout import (
    DEFLATED_AT_ONCE,
    EAGER_BYTES,
    PAGE_BYTES,
    PAGES_AT_ONCE,
    FanOut,
    Subscriber,
    Topic,
)
from wavetank.hub.aio.logs.memory import MemoryLog
from wavetank.hub.aio.topic import Deliver
from wavetank.hub.log import Bounds, Entry, Mark, TopicLog
from wavetank.protocol import MaxRate
from wavetank.wire import FrameReader, Inflater

START = 1000.0
"""When all begins; the clock of the loop begins with 0."""


class Reader(Subscriber):
    """A subscriber that remembers what was written to it."""

    def __init__(
        self, bench: "Bench", name: str = "reader", window: int | None = None
    ) -> None:
        super().__init__(name, self.take, window)
        self.bench = bench
        self.writes: list[bytes] = []
        self.times: list[float] = []
        self.patience: int | None = None
        self.is_broken = False
        self.times_caught_up = 0
        self.is_stranded = False

    def take(self, data: bytes) -> None:
        """Take a write; pause after ``patience`` of them."""
        if self.is_broken:
            raise RuntimeError("the transport is closed")
        self.writes.append(data)
        self.times.append(self.bench.time())
        if self.patience is not None:
            self.patience -= 1
            if self.patience <= 0:
                self.patience = None
                self.bench.fanout.paused(self)

    def caught_up(self) -> None:
        """Count it."""
        self.times_caught_up += 1

    def stranded(self) -> None:
        """Note it."""
        self.is_stranded = True

    def messages(self, first: int = 0) -> list[dict[str, Any]]:
        """Return what was written, from a write on, as messages."""
        reader = FrameReader(
            expect_mask=False, max_payload=None, rsv1=self.window is not None
        )
        inflater = Inflater(None, window_bits=self.window or 15, context_takeover=False)
        found = []
        for data, time in zip(self.writes[first:], self.times[first:], strict=True):
            for frame in reader.feed(data):
                text: Any = frame.payload
                if frame.rsv1:
                    text = inflater.inflate(text)
                found.append({**json.loads(text), "time": time})
        assert reader.at_rest
        return found

    def seqs(self, topic: str = "t") -> list[int]:
        """Return the seqs of the events of one topic, in the order of writing."""
        return [
            message["seq"]
            for message in self.messages()
            if message["topic"] == topic and message["type"] == "event"
        ]


class Alarm:
    """A callback for later."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not call back."""
        self.is_cancelled = True


class Bench:
    """Fan-out with a log, and a loop that turns when it is told to."""

    def __init__(
        self, ring: Bounds | None = None, retention: Bounds | None = None
    ) -> None:
        self.now = START
        self.callbacks: list[Callable[[], None]] = []
        self.alarms: list[Alarm] = []
        self.works: list[Coroutine[Any, Any, None]] = []
        self.ring = ring or Bounds()
        self.log = MemoryLog(
            "epoch",
            retention=retention or Bounds(),
            total=None,
            wall=lambda: self.now,
        )
        self.log.listener = self
        self.fanout = FanOut(
            self,
            self.log,
            wall=lambda: self.now,
            start=self.works.append,
        )
        self.topics: dict[str, Topic] = {}

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Keep a callback for the next turn."""
        self.callbacks.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> "Alarm":
        """Keep a callback until its time has come."""
        alarm = Alarm(self.time() + delay, callback)
        self.alarms.append(alarm)
        return alarm

    def time(self) -> float:
        """Return the time of the loop, which is not that of the wall."""
        return self.now - START

    def wait(self, seconds: float) -> None:
        """Let time pass, from alarm to alarm, and the loop turn."""
        self.turn()
        end = self.now + seconds
        while True:
            due = [alarm for alarm in self.alarms if alarm.at <= end - START]
            if not due:
                break
            alarm = min(due, key=lambda each: each.at)
            self.alarms.remove(alarm)
            self.now = max(self.now, alarm.at + START)
            if not alarm.is_cancelled:
                alarm.callback()
            self.turn()
        self.now = end

    def turn(self) -> None:
        """Turn the loop until nothing is left to do."""
        for _ in range(10_000):
            if not self.callbacks and not self.works:
                return
            callbacks, self.callbacks = self.callbacks, []
            for callback in callbacks:
                callback()
            works = self.works.copy()
            self.works.clear()
            for work in works:
                with pytest.raises(StopIteration):
                    work.send(None)
        raise AssertionError("the loop never comes to rest")

    def topic(self, name: str = "t") -> Topic:
        """Return a topic."""
        if name not in self.topics:
            self.topics[name] = Topic(TopicLog(name, "epoch", ring=self.ring))
        return self.topics[name]

    def publish(self, count: int = 1, *, name: str = "t", size: int = 1) -> None:
        """Publish payloads of some bytes each."""
        for _ in range(count):
            self.append(b'"%b"' % (b"x" * size), name)

    def append(self, payload: bytes, name: str = "t") -> Entry:
        """Publish a payload."""
        entry = self.topic(name).log.append(payload, self.now)
        self.log.append(name, entry)
        return entry

    def durable(self, topic: str, seq: int) -> None:
        """Show an entry, as a node does."""
        self.topic(topic).log.reveal(seq)
        self.fanout.published(self.topic(topic))

    def refused(self, topic: str, seq: int, reason: str) -> None:
        """Nothing is refused here."""
        raise AssertionError(topic, seq, reason)

    def settled(self) -> None:
        """Pass over it."""

    def trimmed(self, topic: str, base: Mark) -> None:
        """Forget entries, as a node does."""
        self.topic(topic).log.forget(base)

    def subscribe(
        self,
        after: int | None = None,
        *,
        name: str = "t",
        reader: Reader | None = None,
        window: int | None = None,
        deliver: Deliver = "all",
        is_announced: bool = True,
    ) -> Reader:
        """Subscribe somebody, behind an entry or live."""
        reader = reader or Reader(self, window=window)
        topic = self.topic(name)
        self.fanout.enter(
            reader,
            topic,
            topic.log.visible if after is None else after,
            deliver=deliver,
            is_announced=is_announced,
        )
        return reader

    def resume(self, name: str = "t") -> None:
        """Go on with a topic's log as after a restart: memory has nothing of it."""
        log = self.topic(name).log
        self.topics[name] = Topic(
            TopicLog.resumed(
                name,
                log.epoch,
                log.base,
                Mark(log.visible, log.visible_tag),
                at=log.at,
                ring=self.ring,
            )
        )

    def balance(self, name: str = "t") -> Balance:
        """Return the topic's account."""
        return self.topic(name).balance()


def test_fanout_writes_what_came_in_one_turn_at_once() -> None:
    """Five publications, two subscribers: one write each, of the same bytes."""
    bench = Bench()
    readers = [bench.subscribe(), bench.subscribe()]
    bench.publish(5)
    assert [reader.writes for reader in readers] == [[], []]
    bench.turn()
    assert [reader.seqs() for reader in readers] == [[1, 2, 3, 4, 5]] * 2
    assert [len(reader.writes) for reader in readers] == [1, 1]
    assert readers[0].writes[0] is readers[1].writes[0]


def test_fanout_writes_several_topics_in_one_write() -> None:
    """A connection gets one write a turn, however many of its topics moved."""
    bench = Bench()
    reader = bench.subscribe(name="a")
    bench.subscribe(name="b", reader=reader)
    only_b = bench.subscribe(name="b")
    bench.publish(2, name="a")
    bench.publish(3, name="b")
    bench.turn()
    assert len(reader.writes) == 1
    assert (reader.seqs("a"), reader.seqs("b")) == ([1, 2], [1, 2, 3])
    assert only_b.seqs("b") == [1, 2, 3]
    assert (bench.balance("a").unaccounted, bench.balance("b").unaccounted) == (0, 0)


def test_fanout_keeps_the_turn_when_nobody_listens() -> None:
    """A topic without subscribers costs nothing but its append."""
    bench = Bench()
    bench.publish(3)
    assert bench.callbacks == []
    assert bench.topic().cursors.level == 3


def test_fanout_cuts_writes_into_pages() -> None:
    """One write is at most 64 KiB, but for one entry that is larger."""
    bench = Bench()
    reader = bench.subscribe()
    bench.publish(10, size=20_000)
    bench.publish(1, size=100_000)
    bench.turn()
    assert reader.seqs() == list(range(1, 12))
    sizes = [len(data) for data in reader.writes]
    assert all(size <= PAGE_BYTES for size in sizes[:-1])
    assert sizes[-1] > 100_000


def test_fanout_cuts_writes_of_several_topics_into_pages() -> None:
    """What does not fit beside another topic follows in the next write."""
    bench = Bench()
    reader = bench.subscribe(name="a")
    bench.subscribe(name="b", reader=reader)
    bench.publish(2, name="a", size=30_000)
    bench.publish(5, name="b", size=30_000)
    bench.turn()
    assert (reader.seqs("a"), reader.seqs("b")) == ([1, 2], [1, 2, 3, 4, 5])
    assert all(len(data) <= PAGE_BYTES for data in reader.writes)
    assert bench.balance("b").unaccounted == 0
    assert not reader.behind


def test_fanout_does_not_wait_for_the_turn_when_much_has_come() -> None:
    """Beyond a mebibyte of one topic it writes at once: memory stays bounded."""
    bench = Bench()
    reader = bench.subscribe()
    while not reader.writes:
        bench.publish(1, size=50_000)
        assert bench.topic().log.ring.size < EAGER_BYTES + 200_000
    bench.turn()
    assert reader.seqs() == list(range(1, bench.topic().log.top + 1))


def test_fanout_replays_before_it_goes_on_live() -> None:
    """Everything behind the position, in order, then what came meanwhile, once."""
    bench = Bench()
    bench.publish(5)
    reader = bench.subscribe(after=2)
    bench.publish(2)
    bench.turn()
    bench.publish(1)
    bench.turn()
    assert reader.seqs() == [3, 4, 5, 6, 7, 8]
    assert reader.times_caught_up == 1


def test_fanout_starts_a_live_subscription_behind_what_is_not_flushed_yet() -> None:
    """Published before the subscription, in the same turn: not for this one."""
    bench = Bench()
    early = bench.subscribe()
    bench.publish(2)
    late = bench.subscribe()
    bench.publish(1)
    bench.turn()
    assert early.seqs() == [1, 2, 3]
    assert late.seqs() == [3]


def test_fanout_writes_nothing_behind_the_end_of_a_subscription() -> None:
    """Not even what was published before it, in the same turn."""
    bench = Bench()
    reader = bench.subscribe()
    bench.publish(2)
    bench.fanout.leave(reader, bench.topic())
    bench.turn()
    assert reader.writes == []
    assert bench.balance().unaccounted == 0


def test_fanout_ends_all_subscriptions_of_somebody() -> None:
    """And tells which topics it was about."""
    bench = Bench()
    bench.publish(3, name="a")
    reader = bench.subscribe(0, name="a")
    bench.subscribe(name="b", reader=reader)
    topics = bench.fanout.leave_all(reader)
    assert [topic.log.topic for topic in topics] == ["a", "b"]
    bench.turn()
    assert reader.writes == []
    assert bench.topic("b").is_idle
    assert not bench.topic("a").is_idle


def test_fanout_leaves_a_paused_subscriber_where_it_is() -> None:
    """It costs a cursor, and the others are not delayed."""
    bench = Bench()
    slow, quick = bench.subscribe(), bench.subscribe()
    slow.patience = 1
    for _ in range(5):
        bench.publish(1)
        bench.turn()
    assert (slow.seqs(), quick.seqs()) == ([1], [1, 2, 3, 4, 5])
    assert bench.balance() == Balance(
        duty=10, delivered=6, conflated=0, gapped=0, pending=4, unaccounted=0
    )
    bench.fanout.resumed(slow)
    bench.turn()
    assert slow.seqs() == [1, 2, 3, 4, 5]
    assert bench.balance().pending == 0


def test_fanout_pauses_all_topics_of_a_subscriber() -> None:
    """The transport is one; the topics that were written last still count."""
    bench = Bench()
    reader = bench.subscribe(name="a")
    bench.subscribe(name="b", reader=reader)
    reader.patience = 1
    bench.publish(1, name="a")
    bench.turn()
    assert len(reader.behind) == 2
    bench.publish(1, name="a")
    bench.publish(1, name="b")
    bench.turn()
    assert reader.seqs("a") == [1]
    bench.fanout.resumed(reader)
    bench.turn()
    assert (reader.seqs("a"), reader.seqs("b")) == ([1, 2], [1])


def test_fanout_resumes_somebody_who_has_missed_nothing() -> None:
    """Back in step without a write."""
    bench = Bench()
    reader = bench.subscribe()
    bench.fanout.paused(reader)
    bench.fanout.resumed(reader)
    bench.turn()
    assert reader.writes == []
    assert not reader.behind
    bench.fanout.paused(reader)
    bench.fanout.leave_all(reader)
    bench.fanout.resumed(reader)
    assert bench.callbacks == []


def test_fanout_subscribes_somebody_who_takes_nothing_now() -> None:
    """The subscription waits with the others."""
    bench = Bench()
    reader = Reader(bench)
    bench.fanout.paused(reader)
    bench.subscribe(reader=reader)
    bench.publish(2)
    bench.turn()
    assert reader.writes == []
    bench.fanout.resumed(reader)
    bench.turn()
    assert reader.seqs() == [1, 2]


def test_fanout_reads_from_the_log_what_memory_forgot() -> None:
    """Once for all who wait for the same page."""
    bench = Bench(ring=Bounds(entries=3))
    bench.publish(20)
    readers = [bench.subscribe(after=4) for _ in range(3)]
    bench.turn()
    assert [reader.seqs() for reader in readers] == [list(range(5, 21))] * 3
    assert readers[0].writes[0] is readers[2].writes[0]
    assert bench.balance().unaccounted == 0


def test_fanout_forgets_a_page_for_somebody_who_has_left() -> None:
    """Or who has stopped reading while it was fetched."""
    bench = Bench(ring=Bounds(entries=3))
    bench.publish(20)
    left, stopped, there = (bench.subscribe(after=4) for _ in range(3))
    bench.callbacks.pop()()
    assert len(bench.works) == 1
    bench.fanout.leave_all(left)
    bench.fanout.paused(stopped)
    bench.turn()
    assert (left.writes, stopped.writes) == ([], [])
    assert there.seqs() == list(range(5, 21))
    bench.fanout.resumed(stopped)
    bench.turn()
    assert stopped.seqs() == list(range(5, 21))


def test_fanout_tells_those_who_wait_when_the_log_cannot_be_read() -> None:
    """They have to come back; nobody waits for ever."""

    async def broken(*args: object, **more: object) -> list[Any]:
        raise OSError("the disk is gone")

    bench = Bench(ring=Bounds(entries=3))
    bench.publish(20)
    reader = bench.subscribe(after=4)
    bench.log.since = broken  # type: ignore[method-assign]
    bench.callbacks.pop()()
    with pytest.raises(OSError, match="the disk is gone"):
        bench.works.pop().send(None)
    assert reader.is_stranded


def test_fanout_announces_a_gap_when_retention_has_moved_on() -> None:
    """Nothing is skipped in silence: the gap names what will not come."""
    bench = Bench(retention=Bounds(entries=3))
    reader = bench.subscribe()
    bench.publish(1)
    bench.turn()
    bench.fanout.paused(reader)
    bench.publish(9)
    bench.turn()
    bench.fanout.resumed(reader)
    bench.turn()
    kinds = [(m["type"], m.get("from"), m.get("to")) for m in reader.messages()]
    assert kinds[1] == ("gap", 2, 7)
    assert reader.seqs() == [1, 8, 9, 10]
    assert bench.balance() == Balance(
        duty=10, delivered=4, conflated=0, gapped=6, pending=0, unaccounted=0
    )


def test_fanout_announces_a_gap_found_while_a_page_was_fetched() -> None:
    """The page that came too late is not written behind a hole."""
    bench = Bench(ring=Bounds(entries=2), retention=Bounds(entries=10))
    bench.publish(10)
    reader = bench.subscribe(after=0)
    bench.callbacks.pop()()
    bench.publish(5)
    bench.turn()
    assert reader.messages()[0]["type"] == "gap"
    assert reader.seqs() == list(range(6, 16))
    assert bench.balance().unaccounted == 0


def test_fanout_says_how_far_somebody_lags() -> None:
    """Age and bytes of what it has not got."""
    bench = Bench()
    reader = bench.subscribe()
    bench.fanout.paused(reader)
    assert bench.fanout.behind(reader) is None
    bench.publish(2, size=100)
    bench.now += 5.0
    lag = bench.fanout.behind(reader)
    assert lag is not None
    assert lag.age == pytest.approx(5.0)
    assert lag.size == bench.topic().log.ring.size


def test_fanout_says_how_far_somebody_lags_beyond_memory() -> None:
    """Bytes are exact; the age is that of the last entry it got."""
    bench = Bench(ring=Bounds(entries=1))
    reader = bench.subscribe()
    bench.fanout.paused(reader)
    bench.now += 5.0
    bench.publish(3)
    lag = bench.fanout.behind(reader)
    assert lag is not None
    assert (lag.age, lag.size) == (5.0, bench.topic().log.ring.total)


def test_fanout_counts_a_replay_as_no_lag() -> None:
    """Who asks for yesterday is far from the top, and that is no fault."""
    bench = Bench()
    bench.publish(5)
    bench.now += 86_400.0
    reader = bench.subscribe(after=0)
    assert bench.fanout.behind(reader) is None


def test_fanout_counts_what_follows_a_gap_as_a_replay() -> None:
    """Whoever was told of its loss is not also ended for being far behind."""
    bench = Bench(retention=Bounds(entries=3))
    reader = bench.subscribe()
    bench.fanout.paused(reader)
    bench.publish(9, size=40_000)
    assert bench.fanout.behind(reader) is not None
    reader.patience = 1
    bench.fanout.resumed(reader)
    bench.turn()
    assert [message["type"] for message in reader.messages()] == ["gap"]
    assert bench.fanout.behind(reader) is None
    assert not bench.fanout.is_settled(reader, bench.topic())


def test_fanout_goes_on_when_one_subscriber_cannot_be_written_to() -> None:
    """A dead transport is nobody else's concern, and counts as not delivered."""
    bench = Bench()
    dead, alive = bench.subscribe(), bench.subscribe()
    dead.is_broken = True
    bench.publish(2)
    bench.turn()
    assert alive.seqs() == [1, 2]
    assert bench.balance().unaccounted == 0
    bench.fanout.leave_all(dead)
    assert bench.balance().duty == 2


def test_fanout_goes_on_when_one_parcel_cannot_be_written() -> None:
    """The same where several topics share a write."""
    bench = Bench()
    dead, alive = bench.subscribe(name="a"), bench.subscribe(name="a")
    bench.subscribe(name="b", reader=dead)
    dead.is_broken = True
    bench.publish(2, name="a")
    bench.publish(2, name="b", size=40_000)
    bench.turn()
    assert alive.seqs("a") == [1, 2]
    assert (bench.balance("a").unaccounted, bench.balance("b").unaccounted) == (0, 0)


def test_fanout_goes_on_when_one_replay_cannot_be_written() -> None:
    """Whether a page or a gap was due."""
    bench = Bench(retention=Bounds(entries=5))
    bench.publish(9)
    dead = [bench.subscribe(after=after) for after in (0, 6)]
    alive = bench.subscribe(after=6)
    for reader in dead:
        reader.is_broken = True
    bench.turn()
    assert alive.seqs() == [7, 8, 9]
    assert bench.balance().unaccounted == 0


class SlowReader(Reader):
    """A subscriber whose writes take a while."""

    def take(self, data: bytes) -> None:
        """Let time pass."""
        self.bench.now += 0.001
        super().take(data)


def bench_after_a_sweep(most: int = 2) -> tuple[Bench, SlowReader]:
    """Return a bench where a sweep of some entries has just taken a millisecond."""
    bench = Bench()
    reader = SlowReader(bench)
    bench.subscribe(reader=reader)
    bench.publish(most)
    bench.fanout.settled()
    assert reader.seqs() == [*range(1, most + 1)]
    return bench, reader


def test_fanout_waits_for_what_the_log_is_about_to_show() -> None:
    """One write then carries all of it, where it would be two."""
    bench, reader = bench_after_a_sweep()
    log = bench.topic().log
    log.append(b"1", bench.now)
    log.append(b"2", bench.now)
    bench.now += 0.0005
    bench.durable("t", 3)
    bench.fanout.settled()
    assert len(reader.writes) == 1
    bench.durable("t", 4)
    bench.fanout.settled()
    assert len(reader.writes) == 2
    assert reader.seqs() == [1, 2, 3, 4]


@pytest.mark.parametrize(("most", "later"), [(2, 0.01), (1, 0.0)])
def test_fanout_does_not_wait_for_a_slow_log(most: int, later: float) -> None:
    """Not for long, and not at all where messages come one at a time."""
    bench, reader = bench_after_a_sweep(most)
    log = bench.topic().log
    log.append(b"1", bench.now)
    log.append(b"2", bench.now)
    bench.now += later
    bench.durable("t", most + 1)
    bench.fanout.settled()
    assert reader.seqs() == [*range(1, most + 2)]


def test_fanout_goes_on_gathering_when_a_turn_had_nothing_to_write() -> None:
    """A flush without a write said that nothing was on its way."""
    bench, reader = bench_after_a_sweep()
    bench.fanout.flush()
    bench.publish()
    bench.fanout.settled()
    assert len(reader.writes) == 1
    bench.now += 0.001
    bench.turn()
    assert reader.seqs() == [1, 2, 3]


def test_fanout_in_a_hurry_waits_for_nothing() -> None:
    """Somebody left a hub that went away before it had all that was visible."""
    bench, reader = bench_after_a_sweep()
    bench.fanout.is_hurried = True
    bench.topic().log.append(b"1", bench.now)
    bench.topic().log.append(b"2", bench.now)
    bench.durable("t", 3)
    bench.fanout.settled()
    assert reader.seqs() == [1, 2, 3]


class Forgetful(dict[Any, Any]):
    """Holds everybody, and does not give the last one."""

    def values(self) -> Any:
        """Return all but one."""
        return [*super().values()][:-1]

    def __iter__(self) -> Any:
        """Go through all but one."""
        return iter([*super().__iter__()][:-1])


def test_account_shows_a_write_that_a_build_skips() -> None:
    """Leave out one subscriber in step, and the balance is open."""
    bench = Bench()
    bench.subscribe()
    bench.subscribe()
    in_step = bench.topic().cursors.in_step
    in_step[None] = Forgetful(in_step[None])
    bench.publish(3)
    bench.turn()
    assert bench.balance().unaccounted == 3


def test_account_shows_a_parcel_that_a_build_leaves_out() -> None:
    """Where several topics share a write, in the topic that was forgotten."""
    bench = Bench()
    reader = bench.subscribe(name="a")
    bench.subscribe(name="b", reader=reader)
    in_step = bench.topic("a").cursors.in_step
    in_step[None] = Forgetful(in_step[None])
    bench.publish(2, name="a")
    bench.publish(3, name="b")
    bench.turn()
    assert bench.balance("a").unaccounted == 2
    assert bench.balance("b").unaccounted == 0


@pytest.mark.parametrize("skipped", [1, 2, 3])
@pytest.mark.parametrize("deliver", ["all", "latest", MaxRate(max_rate=2.0)])
def test_account_shows_each_single_write_that_a_build_skips(
    deliver: Deliver, skipped: int
) -> None:
    """Out of step too: it is counted beside the write, and nowhere else."""

    class Skipping(FanOut):
        """Leaves one write out, and says that it was done."""

        left = skipped

        def _write(self, *args: Any) -> bool:
            self.left -= 1
            return True if self.left == 0 else super()._write(*args)

    bench = Bench()
    bench.fanout = Skipping(
        bench, bench.log, wall=lambda: bench.now, start=bench.works.append
    )
    bench.publish(2)
    reader = bench.subscribe(after=0, deliver=deliver)
    for _ in range(4):
        bench.wait(1.0)
        assert (bench.balance().unaccounted != 0) is (bench.fanout.left <= 0)
        bench.fanout.paused(reader)
        bench.publish(2)
        bench.fanout.resumed(reader)
    assert bench.fanout.left <= 0


def test_fanout_shares_the_turn_among_those_who_replay() -> None:
    """A bounded number of pages a turn, so that live events go between."""
    bench = Bench()
    bench.publish(20, size=30_000)
    readers = [bench.subscribe(after=0) for _ in range(PAGES_AT_ONCE + 10)]
    bench.callbacks.pop()()
    assert sum(len(reader.writes) for reader in readers) == PAGES_AT_ONCE
    bench.turn()
    assert all(reader.seqs() == list(range(1, 21)) for reader in readers)


def test_fanout_lets_the_topics_of_one_subscriber_take_turns() -> None:
    """A long replay of one does not hold up a short one of another."""
    bench = Bench()
    bench.publish(20, name="long", size=30_000)
    bench.publish(1, name="short")
    reader = bench.subscribe(after=0, name="long")
    bench.subscribe(after=0, name="short", reader=reader)
    bench.turn()
    topics = [message["topic"] for message in reader.messages()]
    assert topics.index("short") < 4
    assert "0 dirty" in repr(bench.fanout)
    assert "1 in step" in repr(bench.topic("short"))


# Those who jump to the newest.


def events(reader: Reader, name: str = "t") -> list[tuple[int, int | None]]:
    """Return seq and ``prev`` of the events of one topic."""
    return [
        (message["seq"], message.get("prev"))
        for message in reader.messages()
        if message["topic"] == name and message["type"] == "event"
    ]


def test_fanout_gives_all_to_one_who_wants_the_latest_and_keeps_up() -> None:
    """In step, the very same bytes."""
    bench = Bench()
    readers = [bench.subscribe(), bench.subscribe(deliver="latest")]
    bench.publish(3)
    bench.turn()
    bench.publish(2)
    bench.turn()
    assert events(readers[1]) == [(seq, None) for seq in range(1, 6)]
    for one, other in zip(readers[0].writes, readers[1].writes, strict=True):
        assert one is other


def test_fanout_lets_one_who_wants_the_latest_jump_when_it_is_behind() -> None:
    """One event, which says what came before, with the tag of the chain."""
    bench = Bench()
    reader = bench.subscribe(deliver="latest")
    bench.publish(1)
    bench.turn()
    bench.fanout.paused(reader)
    bench.publish(9)
    bench.turn()
    assert not bench.fanout.is_settled(reader, bench.topic())
    bench.fanout.resumed(reader)
    bench.turn()
    bench.publish(1)
    bench.turn()
    assert events(reader) == [(1, None), (10, 1), (11, None)]
    tag = bench.topic().log.ring[10].tag
    assert reader.messages()[1]["tag"] == f"{tag:08x}"
    assert bench.balance() == Balance(
        duty=11, delivered=3, conflated=8, gapped=0, pending=0, unaccounted=0
    )
    assert bench.fanout.is_settled(reader, bench.topic())


def test_fanout_lets_one_who_wants_the_latest_jump_over_a_replay() -> None:
    """Also where the newest entry is not in memory after a restart."""
    bench = Bench()
    bench.publish(9)
    late = bench.subscribe(after=2, deliver="latest")
    bench.turn()
    bench.fanout.leave_all(late)
    bench.resume()
    later = [bench.subscribe(after=2, deliver="latest") for _ in range(3)]
    slow = bench.subscribe(after=2, deliver=MaxRate(max_rate=1.0))
    bench.callbacks.pop()()
    assert len(bench.works) == 1
    bench.turn()
    for reader in (late, slow, *later):
        assert events(reader) == [(9, 2)]
    bench.publish(1)
    bench.turn()
    assert events(later[0]) == [(9, 2), (10, None)]
    assert bench.balance().unaccounted == 0


def test_fanout_forgets_a_jump_that_was_read_for_somebody_who_has_gone() -> None:
    """Or who takes nothing now; that one goes on when it does."""
    bench = Bench()
    bench.publish(9)
    bench.resume()
    rate = MaxRate(max_rate=1.0)
    left, paused = (bench.subscribe(after=2, deliver=rate) for _ in range(2))
    bench.callbacks.pop()()
    assert len(bench.works) == 1
    bench.fanout.leave_all(left)
    bench.fanout.paused(paused)
    bench.turn()
    assert (left.writes, paused.writes) == ([], [])
    bench.fanout.resumed(paused)
    bench.turn()
    assert events(paused) == [(9, 2)]
    assert bench.balance().unaccounted == 0


@pytest.mark.parametrize("deliver", ["latest", MaxRate(max_rate=1.0)])
def test_fanout_announces_a_gap_to_one_who_jumps_where_nothing_is_left(
    deliver: Deliver,
) -> None:
    """Retention has taken even the newest entry: that is no wish of its own."""
    bench = Bench()
    reader = bench.subscribe(deliver=deliver)
    bench.fanout.paused(reader)
    bench.publish(5)
    log = bench.topic().log
    log.forget(Mark(5, log.tag))
    bench.fanout.resumed(reader)
    bench.wait(5.0)
    (gap,) = reader.messages()
    assert (gap["type"], gap["from"], gap["to"]) == ("gap", 1, 5)
    bench.publish(1)
    bench.wait(5.0)
    assert events(reader) == [(6, None)]
    assert bench.balance().gapped == 5
    assert bench.balance().unaccounted == 0


def test_fanout_counts_no_lag_for_those_who_jump() -> None:
    """Being behind costs them nothing; how long they pause is judged elsewhere."""
    bench = Bench()
    reader = bench.subscribe(deliver="latest")
    bench.subscribe(name="u", reader=reader, deliver=MaxRate(max_rate=1.0))
    bench.fanout.paused(reader)
    bench.publish(5, size=100_000)
    bench.publish(5, name="u")
    bench.now += 60.0
    assert bench.fanout.behind(reader) is None
    bench.subscribe(name="v", reader=reader)
    bench.publish(1, name="v")
    bench.now += 7.0
    lag = bench.fanout.behind(reader)
    assert lag is not None
    assert (lag.age, lag.size) == (7.0, bench.topic("v").log.ring.size)


# Those who want only so many a second.


def test_fanout_gives_at_most_so_many_events_a_second() -> None:
    """The first at once, then one in each interval, the newest, and the last of all."""
    bench = Bench()
    readers = [bench.subscribe(deliver=MaxRate(max_rate=2.0)) for _ in range(3)]
    for _ in range(20):
        bench.publish(1)
        bench.wait(0.1)
    bench.wait(9.0)
    seen = [(m["time"], m["seq"], m.get("prev")) for m in readers[0].messages()]
    assert seen == [
        (0.0, 1, None),
        (0.5, 5, 1),
        (1.0, 10, 5),
        (1.5, 15, 10),
        (2.0, 20, 15),
    ]
    for one, other in zip(readers[0].writes, readers[2].writes, strict=True):
        assert one is other
    bench.publish(1)
    bench.turn()
    assert events(readers[0])[-1] == (21, None)
    assert bench.balance().conflated == 3 * 15
    assert bench.balance().unaccounted == 0


def test_fanout_gives_the_newest_at_once_to_one_with_a_rate_who_replays() -> None:
    """Then it goes along with the others."""
    bench = Bench()
    rate = MaxRate(max_rate=1.0)
    early = bench.subscribe(deliver=rate)
    bench.publish(1)
    bench.wait(0.5)
    bench.publish(2)
    late = bench.subscribe(after=0, deliver=rate)
    bench.turn()
    assert (events(early), events(late)) == ([(1, None)], [(3, 0)])
    for _ in range(50):
        bench.publish(1)
        bench.wait(0.1)
    assert early.writes[-1] is late.writes[-1]
    times = [message["time"] for message in late.messages()]
    assert all(b - a >= 1.0 for a, b in pairwise(times))


def test_fanout_keeps_the_rate_of_one_who_pauses_and_reads_on() -> None:
    """Pausing is no way to get more; and what it gets is the newest."""
    bench = Bench()
    reader = bench.subscribe(deliver=MaxRate(max_rate=1.0))
    for _ in range(20):
        bench.publish(1)
        bench.turn()
        bench.fanout.paused(reader)
        bench.fanout.resumed(reader)
        bench.wait(0.1)
    bench.wait(3.0)
    times = [round(message["time"], 6) for message in reader.messages()]
    assert times == [0.0, 1.0, 2.0]
    assert events(reader)[-1][0] == 20
    assert bench.balance().unaccounted == 0


def test_fanout_reads_the_newest_for_those_with_a_rate_where_memory_gave_it_up() -> (
    None
):
    """What was owed them for a second is no gap, and they share their beat again."""
    bench = Bench()
    rate = MaxRate(max_rate=1.0)
    readers = [bench.subscribe(deliver=rate) for _ in range(3)]
    bench.publish(1)
    bench.turn()
    bench.publish(3)
    bench.turn()
    bench.topic().log.shed()
    assert bench.topic().log.newest is None
    bench.wait(1.0)
    for reader in readers:
        assert events(reader) == [(1, None), (4, 1)]
    bench.publish(1)
    bench.wait(3.0)
    assert [events(each)[-1] for each in readers] == [(5, None)] * 3
    times = [message["time"] for message in readers[0].messages()]
    assert all(b - a >= 1.0 for a, b in pairwise(times))
    assert readers[0].writes[-1] is readers[1].writes[-1]
    assert bench.balance().unaccounted == 0


def test_fanout_writes_beats_and_news_of_other_topics_at_once() -> None:
    """A connection gets one write a turn, whatever it is subscribed to and how."""
    bench = Bench()
    reader = bench.subscribe(name="a")
    bench.subscribe(name="b", reader=reader, deliver=MaxRate(max_rate=1.0))
    bench.subscribe(name="c", reader=reader, deliver=MaxRate(max_rate=2.0))
    for name in "abc":
        bench.publish(3, name=name)
    bench.turn()
    assert len(reader.writes) == 1
    assert reader.seqs("a") == [1, 2, 3]
    assert events(reader, "b") == events(reader, "c") == [(3, 0)]
    assert all(bench.balance(name).unaccounted == 0 for name in "abc")


def test_fanout_gives_a_beat_that_does_not_fit_in_the_next_write() -> None:
    """It is not lost, and not put off until the next beat."""
    bench = Bench()
    rate = MaxRate(max_rate=1.0)
    reader = bench.subscribe(name="a", deliver=rate)
    bench.subscribe(name="b", reader=reader, deliver=rate)
    for name in "ab":
        bench.publish(2, name=name, size=40_000)
    bench.turn()
    assert events(reader, "a") == events(reader, "b") == [(2, 0)]
    assert all(len(data) <= PAGE_BYTES for data in reader.writes)
    assert bench.now == START
    bench.publish(1, name="b")
    bench.wait(1.0)
    assert events(reader, "b")[-1] == (3, None)
    assert bench.balance("b").unaccounted == 0


def test_fanout_pauses_in_the_middle_of_a_beat() -> None:
    """Who has just stopped gets nothing more, and keeps its interval."""
    bench = Bench()
    rate = MaxRate(max_rate=1.0)
    reader = bench.subscribe(deliver=rate)
    reader.patience = 1
    bench.publish(1)
    bench.turn()
    bench.publish(4)
    bench.wait(0.5)
    assert events(reader) == [(1, None)]
    bench.fanout.resumed(reader)
    bench.turn()
    assert events(reader) == [(1, None)]
    bench.wait(0.5)
    assert events(reader) == [(1, None), (5, 1)]


def test_fanout_plans_nothing_for_one_with_a_rate_who_sleeps_out_of_step() -> None:
    """A client that has stopped reading costs nothing when something is published."""
    bench = Bench()
    rate = MaxRate(max_rate=1.0)
    bench.publish(1)
    keeps_up = bench.subscribe(deliver=rate)
    bench.publish(1)
    bench.turn()
    reader = bench.subscribe(after=0, deliver=rate)
    bench.wait(0.5)
    bench.publish(1)
    bench.wait(0.9)
    assert events(keeps_up) == [(2, None), (3, None)]
    bench.fanout.leave_all(keeps_up)
    bench.fanout.paused(reader)
    bench.publish(1)
    bench.wait(9.0)
    assert (bench.alarms, bench.topic().resting) == ([], {})


def test_fanout_subscribes_somebody_with_a_rate_who_takes_nothing_now() -> None:
    """It is woken with its other topics."""
    bench = Bench()
    bench.publish(3)
    reader = Reader(bench)
    bench.fanout.paused(reader)
    bench.subscribe(after=0, reader=reader, deliver=MaxRate(max_rate=1.0))
    bench.wait(9.0)
    assert reader.writes == []
    bench.fanout.resumed(reader)
    bench.turn()
    assert events(reader) == [(3, 0)]


def test_fanout_goes_on_when_one_with_a_rate_cannot_be_written_to() -> None:
    """In a beat, in a parcel, or with a place of its own; no loop runs for ever."""
    bench = Bench()
    rate = MaxRate(max_rate=1.0)
    dead = [bench.subscribe(deliver=rate) for _ in range(2)]
    bench.subscribe(name="u", reader=dead[1], deliver=rate)
    alive = bench.subscribe(deliver=rate)
    for reader in dead:
        reader.is_broken = True
    bench.publish(1)
    bench.wait(1.0)
    late = bench.subscribe(after=0, deliver=rate)
    late.is_broken = True
    bench.publish(1, name="u")
    bench.subscribe(after=0, name="u", reader=late, deliver=rate)
    bench.publish(2)
    bench.wait(9.0)
    assert events(alive) == [(1, None), (3, 1)]
    for name in "tu":
        assert bench.balance(name).unaccounted == 0
    for reader in (*dead, late):
        bench.fanout.leave_all(reader)
    assert bench.topic("u").is_idle is False
    assert bench.topic("u").subscribers == 0
    assert bench.balance().pending == 0


def test_fanout_beats_once_for_all_with_the_same_rate() -> None:
    """However much is published, and however many there are: one frame a beat."""
    bench = Bench()
    readers = [bench.subscribe(deliver=MaxRate(max_rate=10.0)) for _ in range(50)]
    for _ in range(100):
        bench.publish(1)
        bench.turn()
        assert len(bench.alarms) <= 1
    bench.wait(0.1)
    assert events(readers[0]) == [(1, None), (100, 1)]
    for reader in readers:
        assert [id(data) for data in reader.writes] == [
            id(data) for data in readers[0].writes
        ]
    assert bench.balance().delivered == 100


# Topics that are new to a pattern.


def kinds(reader: Reader) -> list[tuple[str, Any]]:
    """Return type and seq of what was written."""
    return [
        (message["type"], message.get("seq", message.get("after", {}).get("seq")))
        for message in reader.messages()
    ]


@pytest.mark.parametrize("deliver", ["all", "latest", MaxRate(max_rate=1.0)])
def test_fanout_announces_a_topic_in_the_write_of_its_first_event(
    deliver: Deliver,
) -> None:
    """Once, and the same bytes for all; those who know it get only the event."""
    bench = Bench()
    told = [bench.subscribe(deliver=deliver, is_announced=False) for _ in range(3)]
    knows = bench.subscribe(deliver=deliver)
    bench.publish(1)
    bench.turn()
    bench.publish(1)
    bench.wait(1.0)
    for reader in told:
        assert kinds(reader) == [("topic", 0), ("event", 1), ("event", 2)]
        assert len(reader.writes) == 2
        assert reader.writes[0] is told[0].writes[0]
    assert told[0].messages()[0]["after"] == {"seq": 0, "tag": "00000000"}
    assert told[0].messages()[0]["epoch"] == "epoch"
    assert kinds(knows) == [("event", 1), ("event", 2)]
    assert bench.balance().unaccounted == 0


@pytest.mark.parametrize("deliver", ["all", "latest", MaxRate(max_rate=1.0)])
def test_fanout_announces_a_topic_to_one_who_takes_nothing_now(
    deliver: Deliver,
) -> None:
    """Once it reads on; until then nothing is written and nothing is kept for it."""
    bench = Bench()
    reader = Reader(bench)
    bench.fanout.paused(reader)
    bench.subscribe(reader=reader, deliver=deliver, is_announced=False)
    bench.publish(1)
    bench.wait(1.0)
    assert reader.writes == []
    bench.fanout.resumed(reader)
    bench.turn()
    assert len(reader.writes) == 1
    assert kinds(reader) == [("topic", 0), ("event", 1)]


@pytest.mark.parametrize("deliver", ["all", "latest", MaxRate(max_rate=1.0)])
def test_fanout_announces_a_topic_before_there_is_an_event(deliver: Deliver) -> None:
    """Alone, where the first event takes its time; it counts as no event."""
    bench = Bench()
    bench.publish(2)
    reader = bench.subscribe(deliver=deliver, is_announced=False)
    assert not bench.fanout.is_settled(reader, bench.topic())
    bench.turn()
    assert kinds(reader) == [("topic", 2)]
    tag = bench.topic().log.tag
    assert reader.messages()[0]["after"]["tag"] == f"{tag:08x}"
    assert bench.fanout.is_settled(reader, bench.topic())
    bench.publish(1)
    bench.turn()
    assert kinds(reader) == [("topic", 2), ("event", 3)]
    assert bench.balance().delivered == 1


def test_fanout_announces_a_topic_before_a_gap_and_before_a_read_page() -> None:
    """Whatever comes first, the topic is known by then."""
    bench = Bench(ring=Bounds(entries=1), retention=Bounds(entries=5))
    readers = [Reader(bench), Reader(bench)]
    for reader in readers:
        bench.fanout.paused(reader)
        bench.subscribe(reader=reader, is_announced=False)
    bench.publish(5)
    bench.fanout.resumed(readers[0])
    bench.turn()
    bench.publish(2)
    bench.fanout.resumed(readers[1])
    bench.turn()
    assert [kind for kind, _ in kinds(readers[0])] == ["topic", *["event"] * 7]
    assert [kind for kind, _ in kinds(readers[1])] == ["topic", "gap", *["event"] * 5]
    assert bench.balance().unaccounted == 0


def test_fanout_owes_nothing_for_a_topic_that_was_left_before_it_was_told() -> None:
    """Neither an announcement nor an event."""
    bench = Bench()
    reader = bench.subscribe(is_announced=False)
    bench.publish(1)
    bench.fanout.leave_all(reader)
    bench.turn()
    assert reader.writes == []
    assert bench.balance().duty == 0


# Compression.


def test_fanout_compresses_each_event_once_for_all_with_the_same_window() -> None:
    """Live, replayed and resumed: the bytes of an event are always the same."""
    bench = Bench()
    plain = bench.subscribe()
    live = [bench.subscribe(window=window) for window in (15, 15, 9)]
    bench.publish(3, size=3000)
    bench.turn()
    replay = bench.subscribe(after=0, window=15)
    bench.turn()
    assert live[0].writes[0] is live[1].writes[0]
    assert live[0].writes[0] == replay.writes[0]
    for reader in (*live, replay):
        assert len(reader.writes[0]) < len(plain.writes[0]) / 10
        assert reader.seqs() == [1, 2, 3]
        payloads = [message["data"] for message in reader.messages()]
        assert payloads == [message["data"] for message in plain.messages()]
    assert bench.balance().unaccounted == 0


def test_fanout_writes_several_compressed_topics_in_one_write() -> None:
    """Beside readers with another window, and without one."""
    bench = Bench()
    readers = [bench.subscribe(name="a", window=window) for window in (None, 15, 9)]
    for reader in readers:
        bench.subscribe(name="b", reader=reader)
        bench.subscribe(name="c", reader=reader, deliver=MaxRate(max_rate=1.0))
    for name in "abc":
        bench.publish(5, name=name, size=2000)
    bench.turn()
    for reader in readers:
        assert len(reader.writes) == 1
        assert reader.seqs("a") == reader.seqs("b") == [1, 2, 3, 4, 5]
        assert events(reader, "c") == [(5, 0)]
    assert all(bench.balance(name).unaccounted == 0 for name in "abc")


def test_fanout_moves_all_windows_together_from_page_to_page() -> None:
    """Pages end at the same entries, however well they compress."""
    bench = Bench()
    readers = [bench.subscribe(window=window) for window in (None, 12)]
    bench.publish(10, size=20_000)
    bench.turn()
    assert [len(reader.writes) for reader in readers] == [4, 4]
    assert readers[0].seqs() == readers[1].seqs() == list(range(1, 11))


def test_fanout_leaves_those_in_step_who_cannot_be_written_to_in_any_window() -> None:
    """Each form has its dead."""
    bench = Bench()
    dead = [bench.subscribe(window=window) for window in (None, 15)]
    alive = [bench.subscribe(window=window) for window in (None, 15)]
    for reader in dead:
        reader.is_broken = True
    bench.publish(2, size=500)
    bench.turn()
    assert [reader.seqs() for reader in alive] == [[1, 2], [1, 2]]
    assert bench.balance().unaccounted == 0


def test_fanout_compresses_a_bounded_number_of_replayed_pages_in_a_turn() -> None:
    """It is work: live events go between."""
    bench = Bench()
    bench.publish(40, size=60_000)
    for after in range(20):
        bench.subscribe(after=after, window=15)
    bench.callbacks.pop()()
    pages = DEFLATED_AT_ONCE // 60_000 + 1
    assert bench.balance().delivered == pages
    bench.turn()
    assert bench.balance().pending == 0
    assert bench.balance().unaccounted == 0


def test_fanout_sends_pages_that_were_read_as_they_are() -> None:
    """What memory has let go is not compressed anew for each who asks."""
    bench = Bench(ring=Bounds(entries=3))
    bench.publish(20, size=1000)
    reader = bench.subscribe(after=4, window=15)
    bench.turn()
    assert reader.seqs() == list(range(5, 21))
    assert len(reader.writes[0]) > 16 * 1000


# All of it, in any order.

MODES: list[Deliver] = [
    *("all", "latest", None),
    *(MaxRate(max_rate=rate) for rate in (0.4, 4.0)),
]

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 1), st.integers(1, 6)),
        st.tuples(st.just("subscribe"), st.integers(0, 3), st.integers(0, 239)),
        st.tuples(st.just("leave"), st.integers(0, 3), st.integers(0, 1)),
        st.tuples(st.just("pause"), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("resume"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("turn"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.integers(1, 12)),
    ),
    max_size=40,
)


class Expected:
    """What one subscription may see next."""

    def __init__(self, after: int, deliver: Deliver, *, is_announced: bool) -> None:
        self.last = after
        self.start = after
        self.deliver = deliver
        self.is_announced = is_announced
        self.time = -1e9

    def hear(self, message: dict[str, Any], log: TopicLog, tags: list[int]) -> None:
        """Check one message, and go on."""
        if message["type"] == "topic":
            assert not self.is_announced
            assert message["after"]["seq"] == self.start == self.last
            self.is_announced = True
            return
        assert self.is_announced
        if message["type"] == "gap":
            assert message["from"] == self.last + 1
            assert message["tag"] == f"{tags[message['to']]:08x}"
            self.last = message["to"]
            return
        seq = message["seq"]
        if "prev" in message:
            assert self.deliver not in ("all", None)
            assert message["prev"] == self.last < seq - 1
            assert message["tag"] == f"{tags[seq]:08x}"
            assert seq == log.visible
        else:
            assert seq == self.last + 1
        assert message["data"][0] == seq
        if isinstance(self.deliver, MaxRate):
            interval = 1 / self.deliver.max_rate
            assert message["time"] - self.time >= interval - 1e-9
        self.last, self.time = seq, message["time"]


class Model:
    """Four readers and two topics, and what each reader may expect."""

    def __init__(self) -> None:
        self.bench = Bench(ring=Bounds(entries=3), retention=Bounds(entries=8))
        windows = (None, 15, 9, None)
        self.readers = [Reader(self.bench, f"r{n}", windows[n]) for n in range(4)]
        self.expected: dict[tuple[int, str], Expected] = {}
        self.tags: dict[str, list[int]] = {"t0": [0], "t1": [0]}
        self.read = [0, 0, 0, 0]

    def do(self, what: str, number: int, amount: int) -> None:
        """Do one operation, then check everything that was written."""
        getattr(self, what)(number, amount)
        self.check()

    def publish(self, number: int, amount: int) -> None:
        """Publish some entries, one of them large."""
        name = f"t{number}"
        for _ in range(amount):
            seq = len(self.tags[name])
            text = "ab" * (4_500 if amount > 5 else 10 * amount * amount)
            entry = self.bench.append(json.dumps([seq, text]).encode(), name)
            self.tags[name].append(entry.tag)

    def subscribe(self, number: int, amount: int) -> None:
        """Subscribe behind an entry that is retained, in one of the modes."""
        name, reader = f"t{amount % 2}", self.readers[number]
        log = self.bench.topic(name).log
        if name in reader.topics:
            return
        after = min(max(amount // 2 % 12, log.base.seq), log.visible)
        deliver = MODES[amount // 24 % 5]
        is_announced = amount < 120 or log.tag_at(after) is None
        self.bench.subscribe(
            after,
            name=name,
            reader=reader,
            deliver=deliver,
            is_announced=is_announced,
        )
        new = Expected(after, deliver, is_announced=is_announced)
        self.expected[number, name] = new

    def leave(self, number: int, amount: int) -> None:
        """Unsubscribe."""
        name, reader = f"t{amount}", self.readers[number]
        if name in reader.topics:
            self.bench.fanout.leave(reader, reader.topics[name])
            del self.expected[number, name]

    def pause(self, number: int, amount: int) -> None:
        """Pause, now or after some more writes."""
        reader = self.readers[number]
        if reader.is_paused:
            return
        if amount:
            reader.patience = amount
        else:
            self.bench.fanout.paused(reader)

    def resume(self, number: int, amount: int) -> None:
        """Take bytes again."""
        if self.readers[number].is_paused:
            self.bench.fanout.resumed(self.readers[number])

    def restart(self, number: int, amount: int) -> None:
        """Go on with a topic that nobody is subscribed to, with an empty memory."""
        name = f"t{number}"
        self.bench.turn()
        if not self.bench.topic(name).subscribers:
            self.bench.resume(name)

    def turn(self, number: int, amount: int) -> None:
        """Turn the loop until it rests."""
        self.bench.turn()

    def wait(self, number: int, amount: int) -> None:
        """Let some tenths of a second pass."""
        self.bench.wait(amount / 10)

    def check(self) -> None:
        """Everything that was written is what its subscription may see."""
        for number, reader in enumerate(self.readers):
            for message in reader.messages(self.read[number]):
                name = message["topic"]
                log = self.bench.topic(name).log
                self.expected[number, name].hear(message, log, self.tags[name])
            self.read[number] = len(reader.writes)
        for (number, name), expected in self.expected.items():
            topic = self.bench.topic(name)
            if self.bench.fanout.is_settled(self.readers[number], topic):
                assert expected.last >= topic.cursors.level
        for name, topic in self.bench.topics.items():
            assert self.bench.balance(name).unaccounted == 0
            frames = topic.log._deflated.values()
            assert all(len(each) <= len(topic.log.ring) for each in frames)


@settings(max_examples=400, deadline=None)
@given(OPERATIONS)
def test_fanout_keeps_every_chain_whole(
    operations: list[tuple[str, int, int]],
) -> None:
    """Whoever comes, goes, stops and reads on: no hole, no repeat, no silent loss.

    Jumps are for those alone who asked for them, and never too soon. In the end,
    when all read again, everybody has everything, or the newest, up to the top.
    """
    model = Model()
    for operation in operations:
        model.do(*operation)
    for number in range(4):
        model.readers[number].patience = None
        model.do("resume", number, 0)
    model.do("turn", 0, 0)
    model.do("wait", 0, 60)
    for (number, name), expected in model.expected.items():
        topic = model.bench.topic(name)
        assert expected.last == topic.log.visible
        assert expected.is_announced
        assert model.bench.fanout.is_settled(model.readers[number], topic)
    assert all(model.bench.balance(name).pending == 0 for name in model.bench.topics)


def test_short_rest_behind_a_page_goes_with_what_comes_next() -> None:
    """A sweep costs nearly the same for one message and for a page full of them."""
    bench = Bench()
    reader = bench.subscribe()
    bench.publish(64, size=1_100)
    first, _ = bench.callbacks.copy(), bench.callbacks.clear()
    for callback in first:
        callback()
    assert len(reader.writes) == 1
    bench.publish(3, size=1_100)
    bench.turn()
    assert len(reader.writes) == 2
    assert reader.seqs() == list(range(1, 68))


def test_short_rest_is_written_where_nothing_more_comes() -> None:
    """In the next turn; and at once where all of it is asked for."""
    for is_whole in (True, False):
        bench = Bench()
        reader = bench.subscribe()
        bench.publish(64, size=1_100)
        bench.fanout.flush(is_whole=is_whole)
        assert len(reader.writes) == 1 + is_whole
        bench.turn()
        assert reader.seqs() == list(range(1, 65))
