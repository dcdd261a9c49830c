"""What a target uses while something is done with it."""

import os
import sys
from collections.abc import Iterator

import pytest

from wavetank.dialects import Bare
from wavetank.lab.process import TargetProcess
from wavetank.lab.target import Target
from wavetank.lab.usage import Usage, usage_of, watched
from wavetank.monitor import ProcessTree

pytestmark = pytest.mark.anyio

URL = "ws://127.0.0.1:9"


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that does nothing, in a process of its own."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    process = TargetProcess(command, environ=dict(os.environ))
    process.start()
    yield Target(url=URL, dialect=Bare(), process=process)
    process.stop()


async def test_a_target_is_measured_at_the_start_and_at_the_end(
    target: Target,
) -> None:
    """However short what is done with it is."""
    async with watched(target, every=3600.0) as usage:
        (first,) = usage.samples
        assert first.rss > 0
        assert first.who == "target"
    assert len(usage.samples) == 2
    assert usage.samples[1].at >= first.at


async def test_a_target_is_measured_again_and_again(target: Target) -> None:
    """As long as it takes."""
    async with watched(target, every=0.0) as usage:
        while len(usage.samples) < 4:
            await usage.sample()
    assert len(usage.samples) >= 5


async def test_a_target_elsewhere_is_not_measured() -> None:
    """Nothing is known, and nothing fails."""
    async with watched(Target(url=URL, dialect=Bare()), every=3600.0) as usage:
        assert await usage.sample() is None
    assert usage.samples == []


async def test_a_target_that_is_gone_is_not_measured_any_more(
    target: Target,
) -> None:
    """What was measured before stays."""
    usage = usage_of(target)
    assert await usage.sample() is not None
    assert target.process is not None
    target.process.stop()
    assert await usage.sample() is None
    assert len(usage.samples) == 1


async def test_measuring_ends_with_what_was_done() -> None:
    """Also where that fails; the failure is passed on."""
    usage = Usage(ProcessTree(os.getpid()), lambda: 1.0)
    assert await usage.sample() is not None
    with pytest.raises(ZeroDivisionError):
        async with watched(Target(url=URL, dialect=Bare())):
            raise ZeroDivisionError
    assert repr(usage).endswith("1 samples>")
