"""An alarm goes off once for each moment that it was set to."""

import asyncio

import pytest

from wavetank.chaos.aio.alarm import Alarm
from wavetank.chaos.toxic import NEVER
from wavetank.clock import SystemClock, VirtualClock

from .wires import PATIENCE

pytestmark = pytest.mark.anyio


async def test_an_alarm_goes_off_at_its_moment_and_never_again() -> None:
    """It may be set anew where it calls; what is past is at once."""
    rung = asyncio.Event()
    alarm = Alarm(SystemClock(), rung.set)
    alarm.set(0.0)
    async with asyncio.timeout(PATIENCE):
        await rung.wait()
    assert alarm.at == NEVER
    assert repr(alarm) == "<Alarm at inf>"


async def test_an_alarm_that_is_set_anew_forgets_the_moment_before() -> None:
    """Only the last one counts, and never is never."""
    rung: list[str] = []
    done = asyncio.Event()
    clock = VirtualClock()
    first, second = Alarm(clock, lambda: rung.append("first")), Alarm(clock, done.set)
    first.set(clock.now())
    first.set(clock.now() + 1000)
    first.set(NEVER)
    second.set(clock.now())
    second.set(clock.now())
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    assert rung == []
