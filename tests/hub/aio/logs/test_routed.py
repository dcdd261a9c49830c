"""One log out of two: some topics in memory, the others in a file."""

from pathlib import Path
from typing import Any

import pytest

from wavetank.clock import SystemClock
from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.logs import MemoryLog, RoutedLog, SqliteLog
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Mark

pytestmark = pytest.mark.anyio


def durability_of(topic: str) -> Durability:
    """Return where a topic belongs by its first letter."""
    return Durability.MEMORY if topic.startswith("m") else Durability.LOG


@pytest.fixture(name="make")
def fixture_make(tmp_path: Path, lines: Any) -> Any:
    """Give a function that makes a log of both kinds."""

    def make(rule: Any = durability_of) -> RoutedLog:
        bounds = Bounds(age=60.0)
        memory = MemoryLog("memory-1", retention=bounds, total=None, wall=lambda: 0.0)
        durable = SqliteLog(
            tmp_path / "data",
            retention=bounds,
            total=None,
            durability_of=rule,
            clock=SystemClock(),
            logger=make_logger("debug", lines),
        )
        return RoutedLog(rule, memory, durable)

    return make


async def test_routed_log_keeps_each_topic_where_it_belongs(
    make: Any, ear: Any, chains: Any
) -> None:
    """With the epoch of that place; reading finds it there."""
    log = make()
    assert await log.open() == []
    log.listener = ear
    assert log.listener is ear
    assert log.name == "sqlite"
    assert log.epoch_of("m") == "memory-1"
    assert log.epoch_of("f") == log.epoch != "memory-1"
    for topic in "mfm":
        log.append(topic, chains.next(topic))
    assert ear.tops == {"m": 2}
    await ear.until(lambda: ear.tops == {"m": 2, "f": 1})
    for topic, seqs in (("m", [1, 2]), ("f", [1])):
        found = await log.since(topic, 0, entries=9, size=9999)
        assert [entry.seq for entry in found] == seqs
        assert await log.seek(topic, 9e9) == len(seqs) + 1
    counts = log.statistics()
    assert (counts["topics"], counts["entries"], counts["batches"]) == (2, 3, 1)
    assert "MemoryLog" in repr(log)
    assert "SqliteLog" in repr(log)
    await log.close()


async def test_routed_log_opens_with_what_the_file_has_kept(
    make: Any, ear: Any, chains: Any
) -> None:
    """But for topics that are in memory now: those begin anew."""
    first = make(lambda topic: Durability.LOG)
    await first.open()
    for topic in "mf":
        first.append(topic, chains.next(topic))
    await first.close()
    log = make()
    kept = await log.open()
    assert [one.topic for one in kept] == ["f"]
    assert kept[0].epoch == first.epoch
    log.listener = ear
    assert await log.since("m", 0, entries=9, size=9999) == []
    await log.close()


async def test_routed_log_tends_both(make: Any, ear: Any, chains: Any) -> None:
    """What is too old goes, wherever it is."""
    log = make()
    await log.open()
    log.listener = ear
    for topic in "mf":
        log.append(topic, chains.next(topic))
    await ear.until(lambda: ear.tops == {"m": 1, "f": 1})
    log.tend(chains.logs["m"].at + 61.0)
    await ear.until(lambda: len(ear.bases) == 2)
    assert ear.bases == {topic: Mark(1, chains.tag(topic, 1)) for topic in "mf"}
    await log.close()


async def test_routed_log_fails_where_one_of_them_does(make: Any) -> None:
    """Readiness looks at that."""
    log = make()
    await log.open()
    assert not log.is_failing
    log._durable._problem = "disk full"
    assert log.is_failing
    await log.close()
