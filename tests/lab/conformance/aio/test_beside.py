"""Beside: work in a thread of its own, from its beginning to its end."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable

import pytest

from wavetank.lab.conformance.aio import beside as module
from wavetank.lab.conformance.aio.beside import Beside
from wavetank.lab.interruption import INTERRUPTION

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""


def threads() -> list[str]:
    """Return the names of the threads of this kind that are alive."""
    return [one.name for one in threading.enumerate() if one.name == "beside"]


async def give(ready: Callable[[], None]) -> int:
    """Do something short."""
    await asyncio.sleep(0)
    return 7


async def linger(ready: Callable[[], None]) -> int:
    """Be ready, and go on until cancelled."""
    ready()
    await asyncio.Event().wait()
    return 7


@pytest.mark.anyio
async def test_work_has_a_result_and_leaves_no_thread() -> None:
    """Whoever asks gets it, as often as they ask."""
    with Beside(give, ready_within=DEADLINE) as beside:
        assert await beside.result() == 7
        assert await beside.result() == 7
    assert threads() == []
    assert repr(beside) == "<Beside over>"


def test_work_that_is_ready_goes_on_beside_the_rest() -> None:
    """It begins with the context, and is cancelled with it."""
    with Beside(linger, ready_within=DEADLINE) as beside:
        assert threads() == ["beside"]
        assert repr(beside) == "<Beside ready>"
    assert threads() == []
    beside.stop()  # once more does nothing


@pytest.mark.anyio
async def test_a_result_can_be_awaited_in_one_loop_after_another() -> None:
    """Whoever was cancelled while waiting leaves the work alone."""
    go = threading.Event()

    async def wait(ready: Callable[[], None]) -> str:
        ready()
        await asyncio.to_thread(go.wait, DEADLINE)
        return "done"

    def give_up(beside: Beside[str]) -> None:
        async def ask() -> None:
            task = asyncio.create_task(beside.result())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})

        asyncio.run(ask())

    with Beside(wait, ready_within=DEADLINE) as beside:
        await asyncio.to_thread(give_up, beside)
        go.set()
        assert await beside.result() == "done"


@pytest.mark.anyio
async def test_what_goes_wrong_is_told_to_whoever_waits() -> None:
    """And nobody waits for it to be ready any more."""

    async def fail(ready: Callable[[], None]) -> None:
        raise ValueError("no idea")

    with (
        Beside(fail, ready_within=DEADLINE) as beside,
        pytest.raises(ValueError, match="no idea"),
    ):
        await beside.result()


@pytest.mark.anyio
async def test_work_that_was_stopped_has_no_result() -> None:
    """It says so instead of waiting for ever."""
    with Beside(linger, ready_within=DEADLINE) as beside:
        beside.stop()
        with pytest.raises(concurrent.futures.CancelledError):
            await beside.result()


def test_work_that_is_never_ready_does_not_hold_up_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After its time everything else begins all the same."""
    monkeypatch.setattr(module, "_STEP", 0.001)

    async def dawdle(ready: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    with Beside(dawdle, ready_within=0.01) as beside:
        assert repr(beside) == "<Beside not ready>"
    assert threads() == []


def test_an_interruption_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presses Ctrl-C does not wait for others to settle."""
    monkeypatch.setattr(INTERRUPTION, "happened", True)

    async def dawdle(ready: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    with Beside(dawdle, ready_within=DEADLINE) as beside:
        assert repr(beside) == "<Beside not ready>"
    assert threads() == []


def test_work_that_was_stopped_before_it_began_is_cancelled() -> None:
    """There is no moment in which a stop is lost."""
    began = []

    async def begin(ready: Callable[[], None]) -> None:
        began.append(True)
        await asyncio.Event().wait()

    beside = Beside(begin, ready_within=DEADLINE)
    beside._is_stopped = True
    with beside:
        pass
    assert threads() == []
