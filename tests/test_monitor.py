"""Resources of a process tree."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from wavetank.monitor import ProcessTree

IDLE = """
import sys, time
while time.process_time() < 0.1:
    pass  # the kernel counts in ticks of 10 ms, and a start may take less
print('up', flush=True)
sys.stdin.readline()
"""
PARENT = f"""
import subprocess, sys, threading
child = subprocess.Popen(
    [sys.executable, "-c", {IDLE!r}],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()
child.communicate("end")
print("ended", flush=True)
sys.stdin.readline()
"""
BUSY = """
import sys, time
while time.process_time() < 0.3:
    pass
print(time.process_time(), flush=True)
sys.stdin.readline()
"""


@contextmanager
def _python(code: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_tree_samples_its_own_process() -> None:
    """Everything that a living process uses is more than nothing."""
    sampled = ProcessTree(os.getpid()).sample(1.5, "lab")
    assert sampled is not None
    assert (sampled.at, sampled.who) == (1.5, "lab")
    assert sampled.cpu > 0
    assert sampled.rss > 2**20
    assert sampled.descriptors >= 3
    assert sampled.processes >= 1
    assert sampled.threads >= 1


def test_a_tree_counts_descriptors_as_they_are_opened() -> None:
    """Each open file is one more."""
    tree = ProcessTree(os.getpid())
    before = tree.sample(0, "lab")
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
    after = tree.sample(1, "lab")
    for descriptor in opened:
        os.close(descriptor)
    assert before is not None
    assert after is not None
    assert after.descriptors - before.descriptors == 50


def test_a_tree_holds_children_as_long_as_they_live() -> None:
    """A child counts while it lives; its processor time counts for ever."""
    with _python(PARENT) as parent:
        _hear(parent)
        tree = ProcessTree(parent.pid)
        together = tree.sample(0, "target")
        assert repr(tree) == f"<ProcessTree {parent.pid}: 2 processes>"
        _say(parent)
        assert _hear(parent) == "ended"
        alone = tree.sample(1, "target")
    assert together is not None
    assert alone is not None
    assert (together.processes, alone.processes) == (2, 1)
    assert together.threads >= 2
    assert together.rss > alone.rss
    assert alone.cpu >= together.cpu > 0


def test_a_tree_counts_processor_seconds() -> None:
    """What the process measured itself is what is seen from outside."""
    with _python(BUSY) as process:
        own = float(_hear(process))
        sampled = ProcessTree(process.pid).sample(0, "target")
    assert sampled is not None
    assert sampled.cpu >= own - 0.05


def test_a_tree_is_gone_with_the_process_on_top() -> None:
    """Not yet reaped or reaped: there is nothing to sample."""
    with _python(IDLE) as process:
        _hear(process)
        tree = ProcessTree(process.pid)
        assert tree.sample(0, "target") is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert tree.sample(1, "target") is None
        process.wait()
        assert tree.sample(2, "target") is None
        assert ProcessTree(process.pid).sample(3, "target") is None


def test_another_process_with_the_same_number_is_not_taken_for_the_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the system gave the number away, the tree is gone."""
    tree = ProcessTree(os.getpid())
    assert tree._top is not None
    monkeypatch.setattr(tree._top, "_pid_reused", True)
    assert tree.sample(0, "lab") is None


@pytest.mark.parametrize("error", [psutil.AccessDenied, psutil.NoSuchProcess])
def test_what_cannot_be_read_counts_nothing_and_keeps_its_processor_time(
    error: type[psutil.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of somebody else, or one that ends right now, does no harm."""
    tree = ProcessTree(os.getpid())
    before = tree.sample(0, "lab")

    def refuse(process: psutil.Process) -> None:
        raise error(process.pid)

    for name in ("cpu_times", "memory_info", "num_fds", "num_threads"):
        monkeypatch.setattr(psutil.Process, name, refuse)
    sampled = tree.sample(1, "lab")
    assert before is not None
    assert sampled is not None
    assert sampled.cpu == before.cpu
    assert (sampled.rss, sampled.descriptors, sampled.threads) == (0, 0, 0)
    assert sampled.processes == before.processes


def test_a_tree_leaves_out_what_is_somebody_elses() -> None:
    """The lab starts the target; what the target uses is not the lab's.

    It was counted for both, so that a lab beside a hungry target looked hungry.
    """
    with _python(PARENT) as others, _python(IDLE) as own:
        grandchild = int(_hear(others))
        _hear(own)
        whole = ProcessTree(os.getpid()).sample(0.0, "lab")
        part = ProcessTree(os.getpid(), without={others.pid}).sample(0.0, "lab")
        below = ProcessTree(others.pid, without={grandchild}).sample(0.0, "target")
        assert whole is not None
        assert part is not None
        assert below is not None
        assert part.processes == whole.processes - 2
        assert below.processes == 1
        later = ProcessTree(os.getpid(), without={own.pid})
        later.leave_out(others.pid)
        rest = later.sample(0.0, "lab")
        assert rest is not None
        assert rest.processes == whole.processes - 3
