"""The queue: what was accepted and is not settled."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from wavetank.client.aio.keeper import Keeper
from wavetank.client.aio.queue import Queue
from wavetank.errors import UsageError

Make = Callable[..., Queue]


@pytest.fixture
def make(quick: dict[str, Any], tmp_path: Path) -> Any:
    """Give a function that makes a queue, with a spool where it is asked for."""
    queues: list[Queue] = []

    def make_it(
        *, spool: bool = False, named: bool = False, name: str = "bot", **options: Any
    ) -> Queue:
        keeper = Keeper("ws://localhost", None, quick)  # type: ignore[arg-type] # nobody is told
        given = {"entries": 10, "size": 1000, "max_retries": None} | options
        queue = Queue(name, 1, keeper, **given)
        if spool:
            queue.open_spool(tmp_path, max_bytes=10_000, fsync=False, named=named)
        queues.append(queue)
        return queue

    yield make_it
    for queue in queues:
        queue.close()


def fill(queue: Queue, count: int, key: str | None = None) -> None:
    """Put so many entries in."""
    for _ in range(count):
        assert queue.put("a", b"1", key) is not None


def send(queue: Queue) -> list[int]:
    """Send all that may be sent; return the numbers."""
    assert queue.note_lanes()
    sent = []
    while (entry := queue.outbox.next(0.0)) is not None:
        sent.append(entry.number)
    return sent


def acknowledge(queue: Queue, *numbers: int) -> None:
    """Settle entries."""
    for number in numbers:
        entry = queue.outbox.acknowledged(number)
        assert entry is not None
        queue.settle(entry)
    queue.tidy()
    queue.refill()


def test_queue_in_memory_is_bounded(make: Make) -> None:
    """In entries and bytes; one payload larger than all is taken alone."""
    queue = make(entries=2, size=10)
    assert queue.has_room(11)
    assert not queue.is_kept
    assert queue.oldest == inf
    fill(queue, 1)
    assert queue.has_room(9)
    assert not queue.has_room(10)
    fill(queue, 1)
    assert not queue.has_room(1)
    assert (len(queue), queue.oldest) == (2, 1)
    assert send(queue) == [1, 2]
    acknowledge(queue, 1)
    assert queue.has_room(1)
    assert repr(queue) == "<Queue bot 1 entries>"
    assert [entry.number for entry in queue.abandon()] == [2]
    assert len(queue) == 0


def test_queue_with_a_spool_has_little_in_memory(make: Make) -> None:
    """The rest waits on disk, and comes in order when there is room."""
    queue = make(spool=True, entries=4)
    fill(queue, 3)
    fill(queue, 7, key="k")
    assert (len(queue.outbox), len(queue)) == (4, 10)
    assert send(queue) == [1, 2, 3]
    acknowledge(queue, 1, 2, 3)
    assert len(queue.outbox) == 4
    assert (queue.oldest, len(queue)) == (4, 7)
    for number in range(4, 11):
        assert send(queue) == [number]
        acknowledge(queue, number)
    assert (len(queue), queue.oldest) == (0, inf)


def test_queue_loads_no_more_bytes_than_memory_has_room_for(make: Make) -> None:
    """Few large ones or many small ones."""
    queue = make(spool=True, entries=1000, size=300)
    for _ in range(50):
        queue.put("a", b"1" * 100, None)
    queue.close()
    queue = make(spool=True, entries=1000, size=300)
    # One page is the least that is loaded.
    assert len(queue.outbox) == 50
    assert queue.outbox.size == 5000
    assert queue.oldest == 1


def test_queue_goes_on_with_what_the_last_life_left(make: Make) -> None:
    """Old entries go first, under their old numbers; new ones have a lane of theirs."""
    queue = make(spool=True)
    fill(queue, 2)
    (first, second) = queue.outbox.entries()
    assert send(queue) == [1, 2]
    old = first.lane
    assert old is not None
    acknowledge(queue, 1)
    queue.close()
    queue = make(spool=True, name="other")
    assert queue.name == "bot"
    fill(queue, 1)
    assert send(queue) == [2]
    (again, new) = queue.outbox.entries()
    assert (again.lane, again.ordinal) == (old, second.ordinal)
    acknowledge(queue, 2)
    assert send(queue) == [3]
    assert new.lane is not None
    assert new.lane.epoch > old.epoch
    assert new.lane.seq(new.ordinal) == 1


def test_queue_keeps_everything_on_disk_when_it_is_abandoned(make: Make) -> None:
    """What was in memory is told."""
    queue = make(spool=True, entries=2)
    fill(queue, 3)
    assert queue.is_kept
    assert [entry.number for entry in queue.abandon()] == [1, 2]
    queue.close()
    assert len(make(spool=True)) == 3


def test_queue_says_where_a_damaged_spool_is(make: Make, tmp_path: Path) -> None:
    """Its new one does not hide it."""
    assert make().spool_lost is None
    (tmp_path / "spool.sqlite").write_bytes(b"damaged" * 1000)
    assert make(spool=True).spool_lost == tmp_path / "spool.sqlite.broken-1"


def test_queue_refuses_a_spool_of_somebody_else(make: Make) -> None:
    """A name that was chosen is not exchanged in silence."""
    make(spool=True, named=True).close()
    make(spool=True, named=True).close()
    with pytest.raises(UsageError, match="belongs to a publisher called bot"):
        make(spool=True, name="other", named=True)


def test_queue_goes_on_when_the_disk_does_not(make: Make, lines: Any) -> None:
    """Nothing is accepted, nothing is sent under a number that is not kept."""
    queue = make(spool=True, entries=4)
    fill(queue, 2)
    assert send(queue) == [1, 2]
    assert queue._spool is not None
    database = queue._spool._database
    database.execute("PRAGMA query_only = ON")
    assert queue.put("a", b"1", None) is None
    assert queue.put("a", b"1", "k") is None
    assert not queue.note_lanes()
    acknowledge(queue, 1)
    assert {event["event"] for event in lines.events} == {"spool_not_written"}
    assert len(queue) == 1
    database.execute("PRAGMA query_only = OFF")
    fill(queue, 1)
    acknowledge(queue, 2)
    assert send(queue) == [5]
    (entry,) = queue.outbox.entries()
    assert entry.lane is not None
    assert entry.lane.seq(entry.ordinal) == 1


def test_queue_tells_when_the_disk_cannot_be_read(make: Make, lines: Any) -> None:
    """And tries again with the next chance."""
    queue = make(spool=True, entries=2)
    fill(queue, 4)
    assert send(queue) == [1, 2]
    assert queue._spool is not None
    queue._spool._database.close()
    queue.refill()
    acknowledge(queue, 1)
    assert "spool_not_read" in lines.names
