"""The guard: nothing that a lab has started outlives a lab that is killed."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from wavetank.lab import guard as module
from wavetank.lab.guard import Guard, end_all, keep, main

DEADLINE = 20.0

LAB = """
import os, sys, time
from wavetank.lab.process import TargetProcess
target = TargetProcess([sys.executable, "-c", sys.argv[1]], environ=os.environ)
target.start()
while not target.output():
    time.sleep(0.01)
target.suspend()
print(target.pid, target.output()[0], flush=True)
time.sleep(600)
"""
TARGET = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
    start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def guard() -> Iterator[Guard]:
    """A guard that is closed in the end."""
    guard = Guard()
    yield guard
    guard.close()


def began(pid: int) -> str:
    """Return what a guard is told of a process."""
    return f"+{pid} {psutil.Process(pid).create_time()}\n"


def is_over(process: psutil.Process) -> bool:
    """Tell whether a process runs no more, waited for or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_over(*processes: psutil.Process) -> None:
    """Wait until nobody runs any more."""
    ends = time.monotonic() + DEADLINE
    while not all(map(is_over, processes)):
        assert time.monotonic() < ends, f"{processes} go on"


def test_a_target_does_not_outlive_a_lab_that_is_killed() -> None:
    """It went on for ever, with its port; and nobody woke one that was suspended."""
    with subprocess.Popen(
        [sys.executable, "-c", LAB, TARGET], stdout=subprocess.PIPE, text=True
    ) as lab:
        assert lab.stdout is not None
        told = lab.stdout.readline().split()
        target, child = (psutil.Process(int(pid)) for pid in told)
        lab.kill()
    wait_until_over(target, child)


def test_a_guard_ends_what_it_watches_when_it_is_closed(
    guard: Guard, sleeper: subprocess.Popen[bytes]
) -> None:
    """As when its pipe ends; another time is nothing."""
    assert repr(guard) == "<Guard asleep>"
    guard.forget(1)
    guard.watch(sleeper.pid)
    assert repr(guard) == f"<Guard {guard.pid}>"
    guard.close()
    assert sleeper.wait(DEADLINE) == -signal.SIGKILL
    guard.close()


def test_a_guard_leaves_alone_what_is_over(
    guard: Guard, sleeper: subprocess.Popen[bytes]
) -> None:
    """Its number may be somebody else's by then."""
    guard.watch(sleeper.pid)
    guard.forget(sleeper.pid)
    guard.close()
    assert sleeper.poll() is None


def test_a_guard_that_was_killed_has_a_follower(
    guard: Guard, sleeper: subprocess.Popen[bytes]
) -> None:
    """It may be short of memory, as the lab may be."""
    guard.watch(sleeper.pid)
    first = guard.pid
    process = guard._process
    assert process is not None
    process.kill()
    process.wait(DEADLINE)
    guard.forget(sleeper.pid)
    guard.watch(sleeper.pid)
    assert guard.pid != first
    guard.close()
    assert sleeper.wait(DEADLINE) == -signal.SIGKILL


def test_a_lab_does_without_a_guard_where_there_can_be_none(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends all by itself anyway, unless it is killed."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    guard.watch(os.getpid())
    assert guard.pid == 0


def test_what_is_kept_is_what_was_not_forgotten(
    sleeper: subprocess.Popen[bytes],
) -> None:
    """Nor has the number of somebody who is gone."""
    me, other = began(os.getpid()), began(sleeper.pid)
    assert keep([]) == []
    assert keep([me, other, f"-{os.getpid()}\n"]) == [psutil.Process(sleeper.pid)]
    assert keep([f"+{sleeper.pid} 1.5\n"]) == []
    sleeper.kill()
    sleeper.wait()
    assert keep([other]) == []


def test_who_is_gone_needs_no_guard(
    guard: Guard, sleeper: subprocess.Popen[bytes]
) -> None:
    """It may end at once."""
    sleeper.kill()
    sleeper.wait()
    guard.watch(sleeper.pid)
    guard.close()


def test_nobody_is_ended_for_having_the_number_of_somebody(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is known by when it began, too."""
    monkeypatch.setattr(psutil.Process, "is_running", lambda _: False)
    end_all([psutil.Process(sleeper.pid)])
    assert sleeper.poll() is None


def test_all_below_a_process_are_ended_with_it() -> None:
    """In a session of their own, too."""
    with subprocess.Popen(
        [sys.executable, "-c", TARGET],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        end_all([psutil.Process(process.pid)])
        assert process.wait(DEADLINE) == -signal.SIGKILL
    wait_until_over(child)


def test_its_process_listens_to_nothing_but_its_pipe(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal for the lab's terminal must not end it before its time."""
    ignored = []
    monkeypatch.setattr(module.signal, "signal", lambda *one: ignored.append(one))
    monkeypatch.setattr(sys, "stdin", io.StringIO(began(sleeper.pid)))
    main()
    assert {how for _, how in ignored} == {signal.SIG_IGN}
    assert sleeper.wait(DEADLINE) == -signal.SIGKILL
