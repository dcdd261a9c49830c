"""The workers of a target, found by what they listen on."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from wavetank.lab import workers as module
from wavetank.lab.workers import workers_of

SHARES = """
import os, signal, socket, sys
def listen():
    return socket.create_server(("127.0.0.1", int(sys.argv[1])), reuse_port=True)
if "parent" in sys.argv:
    listening = listen()
for _ in range(int(sys.argv[2])):
    if not os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if "parent" not in sys.argv:
            listening = listen()
        os.write(1, b"%d\\n" % os.getpid())
        signal.pause()
os.write(1, b"%d\\n" % os.getpid())
os.wait()
"""
"""``PORT CHILDREN [parent]``: children listen, by a socket of their parent or not."""

Start = Callable[..., list[int]]


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody else listens on."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def start(port: int) -> Iterator[Start]:
    """Start a program with children; return all their numbers, its own first."""
    processes = []

    def start(children: int, *how: str) -> list[int]:
        command = [sys.executable, "-c", SHARES, str(port), str(children), *how]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        pids = {int(process.stdout.readline()) for _ in range(children + 1)}
        return [process.pid, *sorted(pids - {process.pid})]

    yield start
    for process in processes:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("children", "how", "count"),
    [
        # A parent that listens starts another worker, even for the only one.
        (2, ("parent",), 2),
        (1, ("parent",), 1),
        # They share the port by SO_REUSEPORT.
        (2, (), 2),
        # Somebody's only server is no worker, whoever has started it.
        (1, (), 0),
    ],
)
def test_workers_are_those_who_accept_for_another(
    start: Start, port: int, children: int, how: tuple[str, ...], count: int
) -> None:
    """Their parent is none."""
    parent, *below = start(children, *how)
    found = workers_of(parent, port)
    assert sorted(each.pid for each in found) == below[:count]
    assert [each.create_time() for each in found] == sorted(
        each.create_time() for each in found
    )
    assert workers_of(parent, 1) == []


def test_a_process_without_children_has_no_workers(port: int) -> None:
    """Whether it listens or not."""
    own = psutil.Process().pid
    assert workers_of(own, port) == []
    with socket.create_server(("127.0.0.1", port), reuse_port=True):
        assert workers_of(own, port) == []


def test_who_is_gone_or_may_not_be_looked_at_is_no_worker(
    start: Start, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks anybody may end."""
    parent, *_ = start(2, "parent")

    def gone(process: psutil.Process, **_: object) -> None:
        raise psutil.NoSuchProcess(process.pid)

    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "net_connections", gone)
        assert workers_of(parent, port) == []
    monkeypatch.setattr(psutil.Process, "ppid", gone)
    assert module._parent(psutil.Process()) == 0
    assert workers_of(2**22 + 1, port) == []
