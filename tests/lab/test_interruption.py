"""Ctrl-C and SIGTERM: noted where somebody looks, raised where nobody does."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from wavetank.clock import VirtualClock
from wavetank.lab.interruption import INTERRUPTION, Interruption

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def send(number: signal.Signals = signal.SIGINT) -> None:
    """Interrupt this process."""
    os.kill(os.getpid(), number)


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def interruption(clock: VirtualClock) -> Iterator[Interruption]:
    """One that is caught and watched."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    interruption = Interruption(clock)
    assert interruption.catch()
    interruption.is_watched = True
    yield interruption
    interruption.release()
    interruption.release()
    assert not interruption.happened
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_looked_at_between_two_steps(
    interruption: Interruption, number: signal.Signals
) -> None:
    """It strikes nowhere in the middle."""
    interruption.check()
    assert repr(interruption) == "<Interruption not yet>"
    send(number)
    assert interruption.happened
    assert repr(interruption) == "<Interruption happened>"
    with pytest.raises(KeyboardInterrupt):
        interruption.check()


def test_a_second_signal_is_raised_once_it_is_no_echo(
    interruption: Interruption, clock: VirtualClock
) -> None:
    """A terminal may send the same Ctrl-C twice; a user who waits sends another."""
    send()
    clock.advance(0.9)
    send()
    clock.advance(0.1)
    with pytest.raises(KeyboardInterrupt):
        send()


def test_a_signal_that_nobody_looks_at_is_raised_at_once(
    interruption: Interruption,
) -> None:
    """In somebody's own tests Ctrl-C works as ever, each time."""
    interruption.is_watched = False
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            send()
    assert interruption.happened


def test_a_hang_up_that_is_ignored_stays_ignored(clock: VirtualClock) -> None:
    """A run under nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interruption = Interruption(clock)
    try:
        interruption.catch()
        send(signal.SIGHUP)
        assert not interruption.happened
        interruption.release()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        interruption.release()
        signal.signal(signal.SIGHUP, before)


def test_signals_are_caught_once_and_by_the_main_thread(
    interruption: Interruption,
) -> None:
    """Whoever comes second has nothing to release."""
    send()
    assert not interruption.catch()
    assert interruption.happened, "what was noted is not forgotten"
    caught: list[bool] = []

    def work() -> None:
        other = Interruption()
        caught.append(other.catch())
        with other.ignored():
            caught.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught == [False, True]


def test_a_new_catch_forgets_what_was_before(clock: VirtualClock) -> None:
    """Each run begins without an interruption."""
    interruption = Interruption(clock)
    interruption.happened = True
    interruption.catch()
    assert not interruption.happened
    interruption.release()


def test_signals_can_be_ignored_for_a_while(interruption: Interruption) -> None:
    """What is short and bounded is not cut; afterwards all is as before."""
    with interruption.ignored():
        for number in SIGNALS:
            send(number)
    assert not interruption.happened
    send()
    assert interruption.happened


@pytest.mark.anyio
async def test_a_signal_cancels_the_task_that_asked_for_it(
    interruption: Interruption,
) -> None:
    """And no other task, and nobody afterwards."""

    async def wait() -> None:
        with interruption.cancels_this_task():
            waiting.set()
            await asyncio.Event().wait()

    waiting = asyncio.Event()
    task = asyncio.create_task(wait())
    await waiting.wait()
    send()
    await asyncio.wait([task])
    assert task.cancelled()
    assert interruption.happened


@pytest.mark.anyio
async def test_a_task_that_comes_after_the_signal_is_cancelled_at_its_first_wait(
    interruption: Interruption,
) -> None:
    """It need not begin any more."""
    send()

    async def wait() -> None:
        with interruption.cancels_this_task():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.wait([task])
    assert task.cancelled()


def test_the_process_has_one_interruption() -> None:
    """Signals are the process's own."""
    assert isinstance(INTERRUPTION, Interruption)
