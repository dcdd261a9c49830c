"""A log that forgets everything when the process ends."""

from collections.abc import Callable

import pytest

from wavetank.hub.aio.logs.memory import EAGER_BYTES, MemoryLog
from wavetank.hub.log import Bounds, Entry, Mark

pytestmark = pytest.mark.anyio


class Ear:
    """A listener that remembers what it is told."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, Mark]] = []
        self.kept: list[tuple[str, int]] = []

    def durable(self, topic: str, seq: int) -> None:
        """Remember it."""
        self.kept.append((topic, seq))

    def refused(self, topic: str, seq: int, reason: str) -> None:
        """Pass over it."""

    def settled(self) -> None:
        """Pass over it."""

    def trimmed(self, topic: str, base: Mark) -> None:
        """Remember it."""
        self.gone.append((topic, base))


def filled(
    retention: Bounds, *, total: int | None = None, count: int = 5, topic: str = "t"
) -> tuple[MemoryLog, Ear]:
    """Return a log with entries of 10 bytes, one a second, and who listens."""
    log, ear = MemoryLog("e", retention=retention, total=total, wall=lambda: 0.0), Ear()
    log.listener = ear
    add(log, topic, count)
    return log, ear


def add(log: MemoryLog, topic: str, count: int) -> None:
    """Append entries of 10 bytes, one a second."""
    for seq in range(1, count + 1):
        log.append(topic, Entry(seq, seq * 7, float(seq), b"x" * 10, 1))


@pytest.mark.parametrize(
    "retention", [Bounds(entries=3), Bounds(size=30), Bounds(age=2.0)]
)
async def test_memory_keeps_no_more_than_its_retention(retention: Bounds) -> None:
    """By count, by bytes or by age: the two oldest are gone, and it is told."""
    log, ear = filled(retention)
    assert ear.gone[-1] == ("t", Mark(2, 14))
    assert [e.seq for e in await log.since("t", 2, entries=9, size=999)] == [3, 4, 5]
    assert log.statistics() == {"topics": 1, "entries": 3, "bytes": 30}


async def test_memory_gives_what_is_left_where_the_begin_is_gone() -> None:
    """The caller sees by the first seq that a part is missing."""
    log, _ = filled(Bounds(entries=3))
    assert [e.seq for e in await log.since("t", 0, entries=9, size=999)] == [3, 4, 5]


async def test_memory_lets_old_entries_go_when_it_is_tended() -> None:
    """Also in a topic to which nothing is published any more."""
    log, ear = filled(Bounds(age=10.0))
    log.tend(wall=13.5)
    assert ear.gone == [("t", Mark(3, 21))]
    log.tend(wall=99.0)
    assert ear.gone[-1] == ("t", Mark(5, 35))
    assert await log.since("t", 5, entries=9, size=999) == []


async def test_memory_bounds_all_topics_together() -> None:
    """Beyond the total the topic that grows gives up its own oldest."""
    log, ear = filled(Bounds(), total=60, topic="a")
    add(log, "b", 3)
    assert log.statistics()["bytes"] == 60
    assert ear.gone[-1] == ("b", Mark(2, 14))
    assert [e.seq for e in await log.since("b", 0, entries=9, size=999)] == [3]


async def test_memory_keeps_the_newest_entry_beyond_the_total() -> None:
    """A topic is never emptied for the sake of others."""
    log, _ = filled(Bounds(), total=5)
    assert [e.seq for e in await log.since("t", 0, entries=9, size=999)] == [5]
    assert "entries': 1" in repr(log)


async def test_memory_lets_whole_topics_go_where_there_are_too_many() -> None:
    """Those published to least recently, and their subscribers hear of a gap.

    A hundred thousand topics with one entry each had no bound at all.
    """
    log, ear = filled(Bounds(), total=30, count=1, topic="a")
    for topic in ("b", "c"):
        add(log, topic, 1)
    log.append("a", Entry(2, 14, 2.0, b"x" * 10, 1))
    assert ear.gone == [("a", Mark(1, 7))]
    add(log, "d", 1)
    assert ear.gone[1:] == [("b", Mark(1, 7))]
    assert log.statistics() == {"topics": 4, "entries": 3, "bytes": 30}
    for number in range(1000):
        add(log, f"t.{number}", 1)
    assert log.statistics()["bytes"] == 30
    log.append("b", Entry(2, 14, 2.0, b"x" * 10, 1))
    assert [e.seq for e in await log.since("b", 1, entries=9, size=999)] == [2]


async def test_memory_tends_some_topics_at_a_time() -> None:
    """A thousand at once; the others have their turn at the next call."""
    log, ear = filled(Bounds(age=1.0), count=1, topic="t0")
    for number in range(1, 1500):
        add(log, f"t{number}", 1)
    log.tend(wall=99.0)
    assert len(ear.gone) == 1000
    log.tend(wall=99.0)
    assert len(ear.gone) == 1500


async def test_memory_knows_nothing_of_a_topic_that_it_never_saw() -> None:
    """No entries, and a time before the first one."""
    log, _ = filled(Bounds())
    assert await log.since("other", 0, entries=9, size=999) == []
    assert await log.seek("other", 2.5) == 1
    assert await log.seek("t", 2.5) == 3


async def test_memory_forgets_everything_when_it_is_closed() -> None:
    """Nothing is kept for a next time."""
    log, _ = filled(Bounds())
    await log.close()
    assert log.statistics() == {"topics": 0, "entries": 0, "bytes": 0}


async def test_memory_begins_with_nothing() -> None:
    """And never fails: what it has is as durable as it will ever be."""
    log = MemoryLog("e", retention=Bounds(), total=None, wall=lambda: 0.0)
    assert await log.open() == []
    assert log.epoch_of("t") == "e"
    assert not log.is_failing


async def test_memory_needs_no_listener() -> None:
    """Before a node has taken it, nobody hears."""
    log = MemoryLog("e", retention=Bounds(entries=1), total=None, wall=lambda: 0.0)
    add(log, "t", 3)
    assert log.statistics()["entries"] == 1


async def test_memory_tells_of_a_turns_publications_together() -> None:
    """Once for each topic, and nothing is to be seen before."""
    calls: list[Callable[[], None]] = []
    log = MemoryLog(
        "e",
        retention=Bounds(entries=3),
        total=None,
        wall=lambda: 0.0,
        later=calls.append,
    )
    log.listener = ear = Ear()
    add(log, "a", 5)
    add(log, "b", 2)
    assert (len(calls), ear.kept) == (1, [])
    calls.pop()()
    assert ear.kept == [("a", 5), ("b", 2)]
    assert ear.gone == [("a", Mark(2, 14))]
    log.append("b", Entry(3, 21, 3.0, b"x" * 10, 1))
    assert len(calls) == 1


async def test_memory_whose_topics_are_all_empty_makes_no_room() -> None:
    """What has not been taken up yet counts too, and is nobody's to give up."""
    calls: list[Callable[[], None]] = []
    log = MemoryLog(
        "e",
        retention=Bounds(size=5),
        total=10,
        wall=lambda: 0.0,
        later=calls.append,
    )
    log.listener = ear = Ear()
    add(log, "a", 1)
    add(log, "b", 2)
    calls.pop()()
    assert ear.kept == [("a", 1), ("b", 2)]
    assert log.statistics() == {"topics": 2, "entries": 0, "bytes": 0}


async def test_memory_does_not_wait_for_the_end_of_a_turn_with_much() -> None:
    """What waits is bounded."""
    calls: list[Callable[[], None]] = []
    log = MemoryLog(
        "e", retention=Bounds(), total=None, wall=lambda: 0.0, later=calls.append
    )
    log.listener = ear = Ear()
    log.append("a", Entry(1, 7, 1.0, b"x" * (EAGER_BYTES + 1), 1))
    assert ear.kept == [("a", 1)]
    calls.pop()()
    assert ear.kept == [("a", 1)]
