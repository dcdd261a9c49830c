"""Between the loop's thread and the writer's."""

import threading
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.logs import backlog
from wavetank.hub.aio.logs.backlog import LONGEST_LOOK, Backlog, Batch, Tend


@pytest.fixture(name="clock")
def fixture_clock() -> VirtualClock:
    """Give a clock that moves only when it is told to."""
    return VirtualClock()


@pytest.fixture(name="waiting")
def fixture_waiting(clock: VirtualClock) -> Backlog:
    """Give a backlog."""
    return Backlog(clock.now)


def take(waiting: Backlog) -> list[tuple[str, int]]:
    """Take a batch; return topics and seqs."""
    batch = waiting.wait()
    assert isinstance(batch, Batch)
    return [(item.topic, item.entry.seq) for item in batch.items]


def test_backlog_hands_out_what_has_gathered(
    waiting: Backlog, clock: VirtualClock, chains: Any
) -> None:
    """In one batch, in order, with the time of the first append."""
    clock.advance(5.0)
    for topic in "aba":
        assert waiting.offer(chains.item(topic))
        clock.advance(1.0)
    assert waiting.entries == 3
    batch = waiting.wait()
    assert isinstance(batch, Batch)
    assert batch.began_at == 5.0
    assert [(item.topic, item.entry.seq) for item in batch.items] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
    ]
    waiting.done()
    assert repr(waiting) == "<Backlog 0 entries, 0 bytes>"


def test_backlog_begins_a_new_batch_when_one_is_full(
    waiting: Backlog, chains: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By entries or by bytes."""
    monkeypatch.setattr(backlog, "BATCH_ENTRIES", 2)
    for _ in range(3):
        waiting.offer(chains.item())
    assert take(waiting) == [("t", 1), ("t", 2)]
    waiting.done()
    assert take(waiting) == [("t", 3)]
    waiting.done()
    monkeypatch.setattr(backlog, "BATCH_BYTES", 1)
    waiting.offer(chains.item())
    waiting.offer(chains.item())
    assert take(waiting) == [("t", 4)]


def test_backlog_takes_no_more_than_it_may(clock: VirtualClock, chains: Any) -> None:
    """What is being written counts until it is done; one entry always fits."""
    waiting = Backlog(clock.now, most=1000)
    assert waiting.offer(chains.item("t", b"1" * 5000))
    assert not waiting.offer(chains.item())
    take(waiting)
    assert not waiting.offer(chains.item())
    waiting.done()
    assert waiting.size == 0
    assert waiting.offer(chains.item())


def test_backlog_tends_before_it_writes_and_stops_at_the_end(
    waiting: Backlog, chains: Any
) -> None:
    """The last wish to tend counts; all is written before the end."""
    waiting.stop()
    waiting.offer(chains.item())
    waiting.tend(1.0)
    waiting.tend(2.0)
    assert waiting.wait() == Tend(2.0)
    assert take(waiting) == [("t", 1)]
    waiting.done()
    assert waiting.wait() is None
    waiting.done()


def test_backlog_gives_up_everything_that_is_not_written(
    waiting: Backlog, chains: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed, and what was appended since: the first seq of each topic."""
    monkeypatch.setattr(backlog, "BATCH_ENTRIES", 2)
    for topic in "aabca":
        waiting.offer(chains.item(topic))
    assert take(waiting) == [("a", 1), ("a", 2)]
    waiting.done()
    assert take(waiting) == [("b", 1), ("c", 1)]
    waiting.fail()
    waiting.offer(chains.item("b"))
    assert waiting.mend() == {"b": 1, "c": 1, "a": 3}
    assert waiting.entries == waiting.size == 0
    waiting.offer(chains.item("d"))
    assert take(waiting) == [("d", 1)]


def test_backlog_says_for_how_long_the_writer_is_at_work(
    waiting: Backlog, clock: VirtualClock, chains: Any
) -> None:
    """A disk may not answer."""
    waiting.tend(0.0)
    assert waiting.busy_for == 0.0
    assert waiting.wait() == Tend(0.0)
    waiting.offer(chains.item())
    take(waiting)
    for seconds in range(1, 8):
        clock.advance(1.0)
        waiting.tend(0.0)
        assert waiting.busy_for == seconds
    waiting.done()
    assert waiting.wait() == Tend(0.0)
    clock.advance(1.0)
    waiting.tend(0.0)
    assert waiting.busy_for == 1.0


def test_backlog_does_not_count_time_in_which_the_process_was_suspended(
    waiting: Backlog, clock: VirtualClock, chains: Any
) -> None:
    """Nobody ran: neither the writer nor the loop that looks at it."""
    waiting.offer(chains.item())
    take(waiting)
    clock.advance(1.0)
    waiting.tend(0.0)
    clock.advance(3600.0)
    waiting.tend(0.0)
    assert waiting.busy_for == 1.0 + LONGEST_LOOK
    # The disk has its seconds from here on, and no more than those.
    for _ in range(3):
        clock.advance(1.0)
        waiting.tend(0.0)
    assert waiting.busy_for == 4.0 + LONGEST_LOOK


class Taker:
    """A thread that waits for one piece of work."""

    def __init__(self, waiting: Backlog) -> None:
        self.work: object = "none yet"
        self._waiting = waiting
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.work = self._waiting.wait()

    def finish(self) -> object:
        """Wait for the end of it and return the work."""
        self._thread.join(20.0)
        return self.work


def asleep(waiting: Backlog) -> Taker:
    """Return a thread that sleeps until there is something to do."""
    taker = Taker(waiting)
    while not waiting.is_idle:
        waiting.wake()
    return taker


def test_writer_sleeps_until_it_is_woken(waiting: Backlog, chains: Any) -> None:
    """An append alone does not wake it: more may come in the same turn."""
    taker = asleep(waiting)
    waiting.offer(chains.item())
    assert waiting.is_idle
    waiting.wake()
    assert isinstance(taker.finish(), Batch)
    assert not waiting.is_idle


def test_writer_gets_nothing_from_a_broken_backlog_until_it_is_mended(
    waiting: Backlog, chains: Any
) -> None:
    """So nothing that was appended before the loop knew can slip in."""
    waiting.offer(chains.item("a"))
    take(waiting)
    waiting.fail()
    taker = asleep(waiting)
    waiting.offer(chains.item("a"))
    waiting.tend(1.0)
    assert taker.work == "none yet"
    assert waiting.mend() == {"a": 1}
    assert taker.finish() == Tend(1.0)
