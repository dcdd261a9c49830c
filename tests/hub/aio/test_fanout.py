"""Fan-out: each subscriber gets what is new, once a turn, in one write."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.hub.accounting import Balance
from wavetank.hub.aio.fanout import (
    EAGER_BYTES,
    PAGE_BYTES,
    PAGES_AT_ONCE,
    FanOut,
    Subscriber,
    Topic,
)
from wavetank.hub.aio.logs.memory import MemoryLog
from wavetank.hub.log import Bounds, Mark, TopicLog
from wavetank.wire import FrameReader


class Reader(Subscriber):
    """A subscriber that remembers what was written to it."""

    def __init__(self, bench: "Bench", name: str = "reader") -> None:
        super().__init__(name, self.take)
        self.bench = bench
        self.writes: list[bytes] = []
        self.patience: int | None = None
        self.is_broken = False
        self.times_caught_up = 0
        self.is_stranded = False

    def take(self, data: bytes) -> None:
        """Take a write; pause after ``patience`` of them."""
        if self.is_broken:
            raise RuntimeError("the transport is closed")
        self.writes.append(data)
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

    def messages(self) -> list[dict[str, Any]]:
        """Return everything that was written, as messages."""
        reader = FrameReader(expect_mask=False, max_payload=None)
        return [
            json.loads(frame.payload) for frame in reader.feed(b"".join(self.writes))
        ]

    def seqs(self, topic: str = "t") -> list[int]:
        """Return the seqs of the events of one topic, in the order of writing."""
        return [
            message["seq"]
            for message in self.messages()
            if message["topic"] == topic and message["type"] == "event"
        ]


class Bench:
    """Fan-out with a log, and a loop that turns when it is told to."""

    def __init__(
        self, ring: Bounds | None = None, retention: Bounds | None = None
    ) -> None:
        self.now = 1000.0
        self.callbacks: list[Callable[[], None]] = []
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
        topic = self.topic(name)
        for _ in range(count):
            self.log.append(name, topic.log.append(b'"%b"' % (b"x" * size), self.now))

    def durable(self, topic: str, seq: int) -> None:
        """Show an entry, as a node does."""
        self.topic(topic).log.reveal(seq)
        self.fanout.published(self.topic(topic))

    def trimmed(self, topic: str, base: Mark) -> None:
        """Forget entries, as a node does."""
        self.topic(topic).log.forget(base)

    def subscribe(
        self, after: int | None = None, *, name: str = "t", reader: Reader | None = None
    ) -> Reader:
        """Subscribe somebody, behind an entry or live."""
        reader = reader or Reader(self)
        topic = self.topic(name)
        self.fanout.enter(reader, topic, topic.log.visible if after is None else after)
        return reader

    def balance(self, name: str = "t") -> Balance:
        """Return the topic's account."""
        topic = self.topic(name)
        top = topic.log.visible
        return topic.account.balance(top, topic.cursors.pending(top))


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


def test_account_shows_a_write_that_a_build_skips() -> None:
    """Leave out one subscriber in step, and the balance is open."""

    class Forgetful(dict[Any, Any]):
        """Holds everybody, and does not give the last one."""

        def values(self) -> Any:
            return [*super().values()][:-1]

    bench = Bench()
    bench.subscribe()
    bench.subscribe()
    bench.topic().cursors.in_step = Forgetful(bench.topic().cursors.in_step)
    bench.publish(3)
    bench.turn()
    assert bench.balance().unaccounted == 3


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


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 1), st.integers(1, 6)),
        st.tuples(st.just("subscribe"), st.integers(0, 2), st.integers(0, 12)),
        st.tuples(st.just("leave"), st.integers(0, 2), st.integers(0, 1)),
        st.tuples(st.just("pause"), st.integers(0, 2), st.integers(1, 2)),
        st.tuples(st.just("resume"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("turn"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class Model:
    """Three readers and two topics, and what each reader may expect."""

    def __init__(self) -> None:
        self.bench = Bench(ring=Bounds(entries=3), retention=Bounds(entries=8))
        self.readers = [Reader(self.bench, f"r{n}") for n in range(3)]
        self.last: dict[tuple[int, str], int] = {}
        self.read = [0, 0, 0]

    def do(self, what: str, number: int, amount: int) -> None:
        """Do one operation, then check everything that was written."""
        getattr(self, what)(number, amount)
        self.check()

    def publish(self, number: int, amount: int) -> None:
        """Publish some entries, one of them large."""
        self.bench.publish(amount, name=f"t{number}", size=9_000 * (amount > 5) + 1)

    def subscribe(self, number: int, amount: int) -> None:
        """Subscribe behind an entry that is retained."""
        name, reader = f"t{amount % 2}", self.readers[number]
        log = self.bench.topic(name).log
        if name not in reader.topics:
            after = min(max(amount, log.base.seq), log.visible)
            self.bench.subscribe(after, name=name, reader=reader)
            self.last[number, name] = after

    def leave(self, number: int, amount: int) -> None:
        """Unsubscribe."""
        name, reader = f"t{amount}", self.readers[number]
        if name in reader.topics:
            self.bench.fanout.leave(reader, reader.topics[name])

    def pause(self, number: int, amount: int) -> None:
        """Pause after some more writes."""
        if not self.readers[number].is_paused:
            self.readers[number].patience = amount

    def resume(self, number: int, amount: int) -> None:
        """Take bytes again."""
        if self.readers[number].is_paused:
            self.bench.fanout.resumed(self.readers[number])

    def turn(self, number: int, amount: int) -> None:
        """Turn the loop until it rests."""
        self.bench.turn()

    def check(self) -> None:
        """Every event follows the last one, or a gap has said why not."""
        for number, reader in enumerate(self.readers):
            messages = reader.messages()
            for message in messages[self.read[number] :]:
                key = (number, message["topic"])
                first = message.get("from", message.get("seq", 0))
                assert first == self.last[key] + 1
                self.last[key] = message.get("to", message.get("seq"))
            self.read[number] = len(messages)
        for name in self.bench.topics:
            assert self.bench.balance(name).unaccounted == 0


@settings(max_examples=200, deadline=None)
@given(OPERATIONS)
def test_fanout_keeps_every_chain_whole(
    operations: list[tuple[str, int, int]],
) -> None:
    """Whoever comes, goes, stops and reads on: no hole, no repeat, no loss.

    In the end, when all read again, everybody has everything up to the top.
    """
    model = Model()
    for operation in operations:
        model.do(*operation)
    for number in range(3):
        model.readers[number].patience = None
        model.do("resume", number, 0)
    model.do("turn", 0, 0)
    for number, reader in enumerate(model.readers):
        for name, topic in reader.topics.items():
            assert model.last[number, name] == topic.log.visible
    assert all(model.bench.balance(name).pending == 0 for name in model.bench.topics)
