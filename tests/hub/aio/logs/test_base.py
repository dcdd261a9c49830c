"""What every log can do; each kind has to pass these."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from wavetank.clock import SystemClock
from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.logs import Log, MemoryLog, RoutedLog, SqliteLog
from wavetank.hub.aio.logs.base import NOBODY
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Entry, Mark

pytestmark = pytest.mark.anyio


def memory(folder: Path, lines: Any) -> Log:
    """Return a log in memory."""
    return MemoryLog("epoch", retention=Bounds(), total=None, wall=lambda: 0.0)


def sqlite(folder: Path, lines: Any) -> Log:
    """Return a log in a file."""
    return SqliteLog(
        folder,
        retention=Bounds(),
        total=None,
        durability_of=lambda topic: Durability.LOG,
        clock=SystemClock(),
        logger=make_logger("debug", lines),
    )


def routed(folder: Path, lines: Any) -> Log:
    """Return a log of both kinds: topic u is in memory."""

    def durability_of(topic: str) -> Durability:
        return Durability.MEMORY if topic == "u" else Durability.LOG

    return RoutedLog(durability_of, memory(folder, lines), sqlite(folder, lines))


KINDS = [memory, sqlite, routed]


@pytest.fixture(params=KINDS)
async def log(
    request: pytest.FixtureRequest, tmp_path: Path, lines: Any, ear: Any
) -> AsyncIterator[Log]:
    """Give a log of each kind, with entries 1 to 5 of 10 bytes, one a second."""
    make: Callable[[Path, Any], Log] = request.param
    log = make(tmp_path / "data", lines)
    assert await log.open() == []
    log.listener = ear
    for seq in range(1, 6):
        log.append("t", Entry(seq, seq, float(seq), b"x" * 10, 1))
    await ear.until(lambda: ear.tops == {"t": 5})
    yield log
    await log.close()


async def test_log_has_a_kind_and_a_life(log: Log) -> None:
    """Both are shown on the status page."""
    assert log.name
    assert log.epoch
    assert log.epoch_of("other")
    assert not log.is_failing
    assert log.statistics()["entries"] == 5
    assert log.statistics()["topics"] == 1


async def test_log_gives_what_is_behind_a_place(log: Log) -> None:
    """In order, without a hole, as many as were asked for."""
    assert [e.seq for e in await log.since("t", 2, entries=9, size=999)] == [3, 4, 5]
    assert [e.seq for e in await log.since("t", 0, entries=2, size=999)] == [1, 2]


async def test_log_gives_about_as_many_bytes_as_were_asked_for(log: Log) -> None:
    """One entry always fits."""
    assert [e.seq for e in await log.since("t", 0, entries=9, size=25)] == [1, 2]
    assert [e.seq for e in await log.since("t", 0, entries=9, size=0)] == [1]


async def test_log_gives_nothing_behind_its_top(log: Log) -> None:
    """And nothing of a topic that it never saw."""
    assert await log.since("t", 5, entries=9, size=999) == []
    assert await log.since("t", 9, entries=9, size=999) == []
    assert await log.since("other", 0, entries=9, size=999) == []


@pytest.mark.parametrize(("at", "seq"), [(0.0, 1), (2.5, 3), (5.0, 5), (5.5, 6)])
async def test_log_finds_a_time(log: Log, at: float, seq: int) -> None:
    """The first entry at or after it."""
    assert await log.seek("t", at) == seq


async def test_log_finds_no_time_in_an_unknown_topic(log: Log) -> None:
    """There is nothing before its first entry."""
    assert await log.seek("other", 2.5) == 1


async def test_log_tells_what_is_durable(log: Log, ear: Any) -> None:
    """In order, up to the last entry."""
    log.append("t", Entry(6, 6, 6.0, b"x" * 10, 1))
    log.append("u", Entry(1, 1, 6.0, b"x" * 10, 1))
    log.tend(wall=6.0)
    await ear.until(lambda: ear.tops == {"t": 6, "u": 1})
    assert ear.refusals == []


async def test_log_can_be_closed_twice(log: Log) -> None:
    """The second time there is nothing to do."""
    await log.close()
    await log.close()


async def test_nobody_listens_before_a_node_does() -> None:
    """So a log needs no listener."""
    NOBODY.durable("t", 1)
    NOBODY.refused("t", 1, "disk full")
    NOBODY.trimmed("t", Mark(1, 1))
