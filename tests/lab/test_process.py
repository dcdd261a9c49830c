"""A target's process: watched, and ended with everything that it started."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from wavetank.errors import TargetError
from wavetank.lab.process import TargetProcess

DEADLINE = 10.0
"""Seconds after which a test gives up; nothing is measured against it."""

IMPORT = "import os, signal, socket, subprocess, sys\n"
RING = """
door = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
door.sendall(b"%d\\n" % os.getpid())
"""
WAIT = "signal.pause()\n"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"

Start = Callable[..., TargetProcess]


class Bell:
    """Hears when a process is ready, and when it is gone."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self.port = self._listener.getsockname()[1]
        self._doors: list[socket.socket] = []

    def wait(self) -> int:
        """Wait until the next process is ready; return its pid."""
        door, _ = self._listener.accept()
        door.settimeout(DEADLINE)
        self._doors.append(door)
        with door.makefile("rb") as lines:
            return int(lines.readline())

    def wait_until_all_are_gone(self) -> None:
        """Wait until no process holds its door open any more."""
        for door in self._doors:
            assert self._is_shut(door)

    def _is_shut(self, door: socket.socket) -> bool:
        try:
            return door.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Close everything."""
        for each in (self._listener, *self._doors):
            each.close()


@pytest.fixture
def bell() -> Iterator[Bell]:
    """A bell that processes ring."""
    bell = Bell()
    yield bell
    bell.close()


@pytest.fixture
def start(bell: Bell) -> Iterator[Start]:
    """Start Python code that rings the bell once it is ready."""
    started: list[TargetProcess] = []

    def start(code: str, *, first: str = "", ring: str = RING) -> TargetProcess:
        command = [sys.executable, "-c", IMPORT + first + ring + code, str(bell.port)]
        process = TargetProcess(command, environ=os.environ)
        started.append(process)
        process.start()
        if ring:
            assert bell.wait() == process.pid
        return process

    yield start
    for process in started:
        process.kill()


def child(first: str = "", options: str = "") -> str:
    """Return code that starts a process, which rings the bell in turn and waits."""
    code = IMPORT + first + RING + WAIT
    return (
        f"child = subprocess.Popen([sys.executable, '-c', {code!r}, "
        f"sys.argv[1]]{options})\n"
    )


OWN_SESSION = ", start_new_session=True, stdout=subprocess.DEVNULL"


def test_a_process_runs_in_a_session_of_its_own_until_it_is_stopped(
    start: Start, bell: Bell
) -> None:
    """Ctrl-C in our terminal does not reach it; SIGTERM ends it."""
    process = start(WAIT)
    assert process.is_alive
    assert process.status is None
    assert not process.ended_by_lab
    assert os.getsid(process.pid) == process.pid
    assert repr(process).endswith(" running>")

    process.stop()

    bell.wait_until_all_are_gone()
    assert process.status == -signal.SIGTERM
    assert process.ended_by_lab
    assert not psutil.pid_exists(process.pid), "a zombie is left"
    assert repr(process).endswith(" status -15>")


def test_stopping_twice_or_before_the_start_does_nothing(start: Start) -> None:
    """Whoever cleans up need not know how far things came."""
    never = TargetProcess(["sh"], environ={})
    never.stop()
    never.kill()
    never.remember_family()
    assert (never.pid, never.status, never.output()) == (0, None, [])
    assert not never.is_alive
    assert not never.ends_within(0)

    process = start(WAIT)
    process.stop()
    process.stop()
    process.kill()
    assert process.status == -signal.SIGTERM


def test_a_killed_process_had_no_time_to_say_goodbye(start: Start) -> None:
    """It ends as in a crash of the machine, and we know that it was us."""
    process = start(
        WAIT, first="signal.signal(signal.SIGTERM, lambda *_: print('bye'))"
    )
    process.kill()
    assert process.status == -signal.SIGKILL
    assert process.ended_by_lab
    assert process.output() == []


def test_children_are_ended_with_it_even_if_they_ignore_sigterm(
    start: Start, bell: Bell
) -> None:
    """Whatever is left of its session is killed."""
    process = start(child(DEAF) + WAIT)
    bell.wait()
    process.stop()
    bell.wait_until_all_are_gone()


def test_children_in_a_session_of_their_own_are_ended_too(
    start: Start, bell: Bell
) -> None:
    """They are its family while it lives."""
    process = start(child(options=OWN_SESSION) + WAIT)
    bell.wait()
    process.stop()
    bell.wait_until_all_are_gone()


def test_children_of_a_process_that_crashed_are_ended_if_they_were_seen(
    start: Start, bell: Bell
) -> None:
    """One that moved away is found only as long as its parent lives."""
    process = start(child(options=OWN_SESSION) + child() + WAIT)
    bell.wait()
    bell.wait()
    process.remember_family()
    os.kill(process.pid, signal.SIGKILL)
    assert process.ends_within(DEADLINE)
    process.stop()
    assert not process.ended_by_lab
    bell.wait_until_all_are_gone()


STRANGER = """
import subprocess, sys
child = subprocess.Popen(["cat"], stdin=-1, stdout=-1, start_new_session=True)
for line in sys.stdin.buffer:
    child.stdin.write(line)
    child.stdin.flush()
    sys.stdout.buffer.write(child.stdout.readline() or sys.exit("my child is dead"))
    sys.stdout.flush()
"""


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Start somebody else's process, which answers by a child, each a group."""
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    ) as process:
        yield process


def answer(process: subprocess.Popen[bytes]) -> bytes:
    """Return what a stranger answers; nothing if it or its child is dead."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"here\n")
    return process.stdout.readline()


@pytest.mark.parametrize("do", ["remember_family", "suspend", "stop", "kill"])
def test_a_number_that_was_given_to_another_process_is_left_alone(
    start: Start,
    stranger: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    do: str,
) -> None:
    """Numbers of processes come again: it and its children are not ours to end."""
    assert answer(stranger) == b"here\n"
    process = start("")
    assert process.ends_within(DEADLINE)
    monkeypatch.setattr(process._process, "pid", stranger.pid)
    getattr(process, do)()
    process.kill()
    assert answer(stranger) == b"here\n"


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(
    start: Start,
) -> None:
    """It has its time, and no more."""
    process = start(WAIT, first=DEAF)
    process.stop(grace=0.05)
    assert process.status == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)


def test_a_process_that_was_paused_ends_politely(start: Start) -> None:
    """A stopped process sees SIGTERM only once it goes on."""
    process = start(WAIT)
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    process.stop()
    assert process.status == -signal.SIGTERM


def test_a_crash_keeps_its_last_output(start: Start) -> None:
    """Both streams, in order, to the very last line."""
    process = start("print('one', flush=True)\n1 / 0", ring="")
    assert process.ends_within(DEADLINE)
    assert process.status == 1
    output = process.output()
    assert output[0] == "one"
    assert output[-1] == "ZeroDivisionError: division by zero"
    process.stop()
    assert process.output() == output
    assert not process.ended_by_lab


def test_output_is_bounded_in_lines_and_in_their_length(start: Start) -> None:
    """The last lines are kept, whatever bytes are in them."""
    code = (
        "out = sys.stdout.buffer\n"
        "out.write(b'x' * 5000 + b'\\n')\n"
        "for n in range(100): out.write(b'%d \\xff\\r\\n' % n)\n"
        "out.write(b'no end')"
    )
    process = start(code, ring="")
    assert process.ends_within(DEADLINE)
    output = process.output()
    assert len(output) == 60
    assert output[-2:] == ["99 \ufffd", "no end"]

    long = start("sys.stdout.write('x' * 5000)", ring="")
    assert long.ends_within(DEADLINE)
    assert [len(line) for line in long.output()] == [2000, 2000, 1000]


def test_output_is_counted_so_that_what_came_before_can_be_left_out(
    start: Start,
) -> None:
    """A check blamed a target for an error that the check before it had caused."""
    process = start("for n in range(100): print(n)", ring="")
    assert process.ends_within(DEADLINE)
    assert process.output()[0] == "40"
    assert process.printed == 100
    assert process.output(since=0) == process.output()
    assert process.output(since=98) == ["98", "99"]
    process.start()
    assert process.ends_within(DEADLINE)
    assert process.output(since=198) == ["98", "99"]
    assert process.output(since=process.printed) == []


def test_a_flood_of_output_does_not_block_the_process(start: Start) -> None:
    """Somebody reads it, so that the pipe never fills."""
    process = start("for n in range(50_000): print(n)", ring="")
    assert process.ends_within(DEADLINE)
    assert process.status == 0
    assert process.output()[-1] == "49999"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["no-such-program", "x"], "No such file or directory"),
        (["/"], "Permission denied"),
        (["a\0b"], "embedded null byte"),
    ],
)
def test_a_program_that_cannot_be_started_is_told(command: list[str], why: str) -> None:
    """With the command as it was to be run, and what to look for."""
    process = TargetProcess(command, environ=os.environ)
    with pytest.raises(TargetError, match=f"^cannot start `.*`: .*{why}; is the"):
        process.start()
    assert not process.is_alive
    process.stop()


def test_a_process_can_be_started_again(start: Start, bell: Bell) -> None:
    """After an end by us or by itself; the output of both lives is kept."""
    process = start(WAIT, first="print('life', flush=True)")
    first = process.pid
    process.kill()
    assert process.ended_by_lab
    process.start()
    assert bell.wait() == process.pid != first
    assert process.is_alive
    assert not process.ended_by_lab
    process.stop()
    assert process.output() == ["life", "life"]


def test_a_process_gets_its_environment_and_no_input(
    start: Start, tmp_path: Path
) -> None:
    """Nothing but what it is given; reading its input ends at once."""
    code = "import os, sys\nprint(sorted(os.environ), repr(sys.stdin.read()))"
    process = TargetProcess(
        [sys.executable, "-I", "-c", code], environ={"LC_ALL": "C", "ONLY": "this"}
    )
    process.start()
    assert process.ends_within(DEADLINE)
    assert process.output() == ["['LC_ALL', 'ONLY'] ''"]


def test_waiting_for_an_end_that_does_not_come_says_so(start: Start) -> None:
    """The wait is bounded."""
    process = start(WAIT)
    assert not process.ends_within(0)
    os.kill(process.pid, signal.SIGKILL)
    assert process.ends_within(DEADLINE)
    assert process.status == -signal.SIGKILL
    assert not process.ended_by_lab


def test_a_suspended_process_stands_still_with_its_children(
    start: Start, bell: Bell
) -> None:
    """Those in a session of their own too; all go on, once and again."""
    process = start(child(options=OWN_SESSION) + WAIT)
    inner = psutil.Process(bell.wait())
    both = [psutil.Process(process.pid), inner]
    process.suspend()
    assert wait_for(both, psutil.STATUS_STOPPED)
    assert process.is_alive
    process.resume()
    assert wait_for(both, psutil.STATUS_SLEEPING)
    process.resume()

    process.suspend()
    process.stop(grace=DEADLINE)
    assert process.status == -signal.SIGTERM, "it had to go on to hear of its end"
    bell.wait_until_all_are_gone()


def test_what_does_not_run_can_be_neither_suspended_nor_resumed(start: Start) -> None:
    """Whoever heals need not know whether it still lives."""
    never = TargetProcess(["sh"], environ={})
    never.suspend()
    never.resume()
    process = start(WAIT)
    process.suspend()
    process.kill()
    process.resume()
    assert process.status == -signal.SIGKILL


def wait_for(processes: list[psutil.Process], status: str) -> bool:
    """Wait until all processes have a status; the system needs a moment."""
    ends = time.monotonic() + DEADLINE
    while time.monotonic() < ends:
        if all(process.status() == status for process in processes):
            return True
    return False


def test_a_stopped_process_is_told_from_one_that_runs_or_is_gone(start: Start) -> None:
    """Nobody knows it otherwise: the signal alone shows nothing."""
    process = start(WAIT)
    assert not process.is_stopped
    process.suspend()
    assert wait_for([psutil.Process(process.pid)], psutil.STATUS_STOPPED)
    assert process.is_stopped
    process.kill()
    assert not process.is_stopped
