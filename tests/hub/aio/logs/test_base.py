"""What every log can do; each kind has to pass these."""

from collections.abc import Callable

import pytest

from wavetank.hub.aio.logs import Log, MemoryLog
from wavetank.hub.log import Bounds, Entry, Mark

pytestmark = pytest.mark.anyio


def memory() -> Log:
    """Return a log in memory."""
    return MemoryLog("epoch", retention=Bounds(), total=None, wall=lambda: 0.0)


KINDS = [memory]


class Ear:
    """A listener that remembers what is durable."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def durable(self, topic: str, seq: int) -> None:
        """Remember it."""
        self.heard.append((topic, seq))

    def trimmed(self, topic: str, base: Mark) -> None:
        """Pass over it."""


@pytest.fixture(params=KINDS)
def log(request: pytest.FixtureRequest) -> Log:
    """Give a log of each kind, with entries 1 to 5 of 10 bytes, one a second."""
    make: Callable[[], Log] = request.param
    log = make()
    for seq in range(1, 6):
        log.append("t", Entry(seq, seq, float(seq), b"x" * 10, 1))
    return log


async def test_log_has_a_kind_and_a_life(log: Log) -> None:
    """Both are shown on the status page."""
    assert log.name
    assert log.epoch


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


async def test_log_tells_what_is_durable(log: Log) -> None:
    """In order, up to the last entry."""
    ear = Ear()
    log.listener = ear
    log.append("t", Entry(6, 6, 6.0, b"x", 1))
    log.append("u", Entry(1, 1, 6.0, b"x", 1))
    log.tend(wall=6.0)
    assert ear.heard == [("t", 6), ("u", 1)]
    await log.close()
