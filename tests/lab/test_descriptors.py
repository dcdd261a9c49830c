"""Descriptors that are taken from processes, and given back."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from wavetank.lab import descriptors as module
from wavetank.lab.descriptors import DescriptorLimits, NotPermitted, limit_for

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""
OPENS = """
import sys
mine = []
print("ready", flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "open":
        try:
            mine.append(os.open(os.devnull, os.O_RDONLY))
            print("opened", flush=True)
        except OSError as error:
            print(error.strerror, flush=True)
    elif word == "fork":
        child = os.fork()
        if not child:
            os.read(3, 1)
            os._exit(0)
        print(child, flush=True)
    else:
        print(*resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)
"""
"""Says what it may open; a child of it waits until descriptor 3 ends."""


class Program:
    """A program that opens files when it is asked to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def ask(self, word: str) -> str:
        """Say a word; return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def program() -> Iterator[Program]:
    """Start it with limits of its own: 200 and 300."""
    ends, keeps = os.pipe()
    limits = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300));"
    prologue = f"{limits} import os; os.dup2({ends}, 3)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{prologue}\n{OPENS}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[ends],
        text=True,
    ) as process:
        os.close(ends)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Program(process)
        os.close(keeps)
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize(
    ("numbers", "spare", "limit"),
    [
        ((), 0, 0),
        ((0, 1, 2), 0, 3),
        ((0, 1, 2), 2, 5),
        # A hole is what is given first.
        ((0, 1, 2, 5), 0, 3),
        ((0, 1, 2, 4), 1, 5),
        ((0, 1, 2, 4), 2, 6),
    ],
)
def test_a_limit_leaves_so_many_numbers_free(
    numbers: tuple[int, ...], spare: int, limit: int
) -> None:
    """It is held against the number of a descriptor."""
    assert limit_for(numbers, spare) == limit


def test_a_process_opens_nothing_until_it_has_its_own_limits_again(
    program: Program,
) -> None:
    """What is open stays open, and nobody else has other limits than before."""
    assert program.ask("open") == "opened"
    ours = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
    limits = DescriptorLimits()
    limits.check(program.pid)
    assert limits.lower(program.pid)
    assert program.ask("open") == "Too many open files"
    assert repr(limits) == "<DescriptorLimits of 1 processes>"
    limits.restore()
    assert program.ask("open") == "opened"
    assert program.ask("limits") == "200 300"
    assert psutil.Process().rlimit(psutil.RLIMIT_NOFILE) == ours
    limits.restore()


def test_a_process_may_be_left_some_to_spare(program: Program) -> None:
    """And never more than it had before."""
    limits = DescriptorLimits()
    limits.lower(program.pid, spare=2)
    assert [program.ask("open") for _ in range(3)] == [
        "opened",
        "opened",
        "Too many open files",
    ]
    limits.lower(program.pid, spare=10_000)
    assert program.ask("limits") == "200 300"
    limits.lower(program.pid)
    limits.restore()
    assert program.ask("limits") == "200 300"


def test_children_are_limited_too_and_those_born_meanwhile_are_freed(
    program: Program,
) -> None:
    """A child has the limits that its parent had when it was made."""
    old = psutil.Process(int(program.ask("fork")))
    limits = DescriptorLimits()
    old.rlimit(psutil.RLIMIT_NOFILE, (150, 300))
    limits.lower(program.pid)
    assert old.rlimit(psutil.RLIMIT_NOFILE)[0] < 150
    young = psutil.Process(int(program.ask("fork")))
    second = psutil.Process(int(program.ask("fork")))
    assert young.rlimit(psutil.RLIMIT_NOFILE)[0] < 150
    second.rlimit(psutil.RLIMIT_NOFILE, (199, 300))
    limits.restore()
    assert old.rlimit(psutil.RLIMIT_NOFILE) == (150, 300)
    assert young.rlimit(psutil.RLIMIT_NOFILE) == (200, 300)
    # What is no longer what it inherited, it has chosen itself.
    assert second.rlimit(psutil.RLIMIT_NOFILE) == (199, 300)


def test_a_child_that_was_born_while_its_parent_was_limited_is_no_exception(
    program: Program,
) -> None:
    """A second fault that finds it already low gives it what its parent had."""
    limits = DescriptorLimits()
    limits.lower(program.pid)
    young = psutil.Process(int(program.ask("fork")))
    limits.lower(program.pid)
    limits.restore()
    assert young.rlimit(psutil.RLIMIT_NOFILE) == (200, 300)


def test_nothing_happens_to_who_is_gone(program: Program) -> None:
    """Neither before nor after."""
    limits = DescriptorLimits()
    limits.lower(program.pid)
    program.process.kill()
    # Nobody has asked for its status: it is a zombie.
    os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
    limits.check(program.pid)
    assert not limits.lower(program.pid)
    program.process.wait()
    assert not limits.lower(program.pid)
    limits.restore()


def test_a_child_that_nobody_has_waited_for_is_left_out(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but root may look at what it had open, and it has nothing any more.

    The target was told to belong to another user for that.
    """
    child = psutil.Process(int(program.ask("fork")))
    child.kill()
    numbers = module._numbers

    def may_look(process: psutil.Process) -> set[int]:
        if process == child:
            raise PermissionError(child.pid)
        return numbers(process)

    monkeypatch.setattr(module, "_numbers", may_look)
    # Its end is told to its parent, which does not ask for it.
    ends = time.monotonic() + DEADLINE
    while child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends
    limits = DescriptorLimits()
    limits.check(program.pid)
    assert limits.lower(program.pid)
    limits.restore()
    assert program.ask("limits") == "200 300"


def test_a_child_that_changes_its_user_meanwhile_keeps_nobody_from_theirs(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told at the begin and at the heal, and all others are healed."""
    child = psutil.Process(int(program.ask("fork")))
    limits = DescriptorLimits()
    limits.lower(program.pid)
    rlimit = psutil.Process.rlimit

    def may_set(process: psutil.Process, *words: Any) -> Any:
        if process == child:
            raise psutil.AccessDenied(child.pid)
        return rlimit(process, *words)

    monkeypatch.setattr(psutil.Process, "rlimit", may_set)
    with pytest.raises(NotPermitted, match=f"process {child.pid} of the target"):
        limits.lower(program.pid)
    # The order is that in which they were found.
    limits._own = dict(reversed(limits._own.items()))
    with pytest.raises(NotPermitted, match=f"process {child.pid} of the target"):
        limits.restore()
    assert program.ask("limits") == "200 300"
    limits.restore()


def test_a_machine_that_does_not_permit_it_says_so(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's process, or another system; nothing is changed."""
    limits = DescriptorLimits()

    def refuse(pid: int) -> set[int]:
        raise PermissionError(pid)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_numbers", refuse)
        with pytest.raises(NotPermitted, match="belongs to another user"):
            limits.check(program.pid)
    monkeypatch.delattr(psutil, "RLIMIT_NOFILE")
    with pytest.raises(NotPermitted, match="on Linux only"):
        limits.check(program.pid)
    assert program.ask("limits") == "200 300"
