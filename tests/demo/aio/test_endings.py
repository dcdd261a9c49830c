"""Endings."""

import asyncio

import pytest

from wavetank.demo.aio.endings import ended_early

pytestmark = pytest.mark.anyio


async def nothing() -> None:
    """End at once."""


async def for_ever() -> None:
    """Never end."""
    await asyncio.Event().wait()


async def stubborn() -> None:
    """End with an error when cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        raise RuntimeError("broken")


async def test_work_that_ends_by_itself_was_not_ended_early() -> None:
    """With a bound in time or without one."""
    assert not await ended_early(nothing(), None)
    assert not await ended_early(nothing(), 60.0)


async def test_work_is_ended_when_its_time_is_up() -> None:
    """It is cancelled, and that is no error."""
    assert await ended_early(for_ever(), 0.001)


async def test_whoever_is_cancelled_once_goes_on_with_an_orderly_end() -> None:
    """The work is cancelled, and the task is not any more."""
    has_gone_on = asyncio.Event()

    async def play() -> bool:
        was_early = await ended_early(for_ever(), None)
        async with asyncio.timeout(60.0):
            await asyncio.sleep(0)
        has_gone_on.set()
        return was_early

    task = asyncio.create_task(play())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    assert await task
    assert has_gone_on.is_set()


async def test_an_error_of_the_work_is_raised() -> None:
    """Whether it comes by itself or at the end of its time."""
    with pytest.raises(RuntimeError, match="broken"):
        await ended_early(stubborn(), 0.001)
