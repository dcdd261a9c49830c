"""An isolated process: silence instead of packets, a full disk, and nothing left."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from wavetank.errors import LocalError, TargetError
from wavetank.lab import isolated_process as module
from wavetank.lab.isolated_process import IsolatedProcess
from wavetank.lab.isolation import why_not
from wavetank.lab.warden import DATA

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""
SIZE = 2**20
PERMITTED = "this machine does not permit network and mount namespaces"
permitted = pytest.mark.skipif(bool(why_not()), reason=PERMITTED)

SERVER = """
import pathlib, signal, socket, subprocess, sys
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
listener = socket.create_server(("127.0.0.1", 9000))
print("listening", flush=True)
bell = socket.socket(socket.AF_UNIX)
bell.connect(sys.argv[2])
while True:
    guest, _ = listener.accept()
    with guest:
        while line := guest.recv(1000):
            try:
                with open(folder / "log", "ab", buffering=0) as log:
                    log.write(line)
                guest.sendall(line)
            except OSError as error:
                guest.sendall(str(error.errno).encode())
"""
"""Writes what comes, gives it back, and says why where it cannot."""
FAMILY = "import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])\n" + SERVER

Make = Callable[..., IsolatedProcess]


@pytest.fixture
def make(
    tmp_path: Path,
    bell: socket.socket,
    start_again: Callable[[IsolatedProcess], None],
) -> Iterator[Make]:
    """Make isolated processes, and end them."""
    made: list[IsolatedProcess] = []

    def start(code: str = SERVER) -> IsolatedProcess:
        room = tmp_path / f"room{len(made)}"
        room.mkdir()
        process = IsolatedProcess(
            [sys.executable, "-c", code, str(room / DATA), bell.getsockname()],
            environ=os.environ,
            room=room,
            size=SIZE,
        )
        made.append(process)
        start_again(process)
        return process

    yield start
    for process in made:
        process.close()


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[socket.socket]:
    """Hear when a target listens; this kind of socket knows no networks."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bell"))
        listener.listen()
        listener.settimeout(DEADLINE)
        yield listener


@pytest.fixture
def start_again(bell: socket.socket) -> Callable[[IsolatedProcess], None]:
    """Start a target, and wait until it listens."""

    def start(process: IsolatedProcess) -> None:
        process.start()
        bell.accept()[0].close()

    return start


async def dial(process: IsolatedProcess) -> socket.socket:
    """Connect."""
    return await process.dial("127.0.0.1", 9000)


async def say(connection: socket.socket, line: bytes) -> bytes:
    """Send a line, and return the answer."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE):
        await loop.sock_sendall(connection, line)
        return await loop.sock_recv(connection, 1000)


def retransmissions(connection: socket.socket) -> int:
    """Return how often what was sent last was sent again (``tcpi_retransmits``)."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[2]


# The link


@permitted
@pytest.mark.anyio
async def test_without_packets_there_is_silence_and_then_it_goes_on(
    make: Make,
) -> None:
    """TCP repeats what nobody acknowledges, no error comes, and nothing is lost."""
    process = make()
    with await dial(process) as first:
        assert await say(first, b"one") == b"one"
        process.set_link(up=False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(first, b"two")
        async with asyncio.timeout(DEADLINE):
            # The kernel tells nobody when it does.
            while retransmissions(first) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            first.recv(1)  # Neither an answer, nor an end, nor an error.
        assert first.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        coming = asyncio.create_task(process.dial("127.0.0.1", 9000))
        done, _ = await asyncio.wait([coming], timeout=0.3)
        assert not done
        process.set_link(up=True)
        async with asyncio.timeout(DEADLINE):
            assert await loop.sock_recv(first, 100) == b"two"
            (await coming).close()


@permitted
@pytest.mark.anyio
async def test_a_connection_that_is_refused_leaves_no_socket(make: Make) -> None:
    """Who asks for a port where nobody listens is told, as anywhere."""
    process = make()
    with pytest.raises(ConnectionRefusedError):
        await process.dial("127.0.0.1", 9)


@pytest.mark.anyio
async def test_who_is_not_started_has_no_network(tmp_path: Path) -> None:
    """Whoever connects is refused, and everything else is a mistake of ours."""
    process = IsolatedProcess(["x"], environ={}, room=tmp_path)
    with pytest.raises(ConnectionRefusedError, match="warden is not there"):
        await process.dial("127.0.0.1", 9000)
    with pytest.raises(LocalError, match="warden is not there"):
        process.set_link(up=False)
    assert (process.pid, process.status, process.is_alive) == (0, None, False)
    assert not process.ends_within(0.0)
    process.suspend()
    process.kill()
    process.stop()
    process.close()


# The disk


@permitted
@pytest.mark.anyio
async def test_a_full_disk_is_full_for_the_target_alone(
    make: Make, tmp_path: Path
) -> None:
    """Its writes fail with ENOSPC until there is room again; others see no disk."""
    process = make()
    with await dial(process) as connection:
        assert await say(connection, b"one") == b"one"
        assert 0 < process.fill() <= SIZE
        assert await say(connection, b"x" * 900) in {b"28", b"x" * 900}
        for _ in range(8):
            last = await say(connection, b"x" * 900)
        assert last == b"28"
        process.free()
        assert await say(connection, b"two") == b"two"
    assert list((tmp_path / "room0").iterdir()) == []


@permitted
@pytest.mark.anyio
async def test_the_data_outlive_a_kill_and_not_the_end(
    make: Make, start_again: Callable[[IsolatedProcess], None]
) -> None:
    """A crash leaves the disk as it is; the process is another one afterwards."""
    process = make(SERVER.replace("print(", "print((folder / 'log').exists(), "))
    with await dial(process) as connection:
        assert await say(connection, b"one") == b"one"
    first = process.pid
    process.kill()
    assert (process.is_alive, process.status, process.ended_by_lab) == (False, -9, True)
    start_again(process)
    assert process.pid != first
    assert not process.ended_by_lab
    process.stop()
    assert process.status == 7
    process.close()
    assert process.output() == ["False listening", "True listening"]


# Its life


@permitted
def test_nothing_outlives_its_close(make: Make) -> None:
    """Those neither that have left its session; a second close does nothing."""
    process = make(FAMILY)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 1
    process.close()
    process.close()
    assert not any(one.is_running() for one in family)
    assert process.status == -9
    assert repr(process).endswith("status -9>")


@permitted
def test_nothing_outlives_a_lab_that_is_killed(
    tmp_path: Path, bell: socket.socket
) -> None:
    """Nobody is left to end anything, so the warden does it by itself."""
    room = tmp_path / "room"
    room.mkdir()
    lab = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from wavetank.lab.isolation import IsolatedProcess\n"
        f"process = IsolatedProcess([sys.executable, '-c', {FAMILY!r}, '.',"
        f" {bell.getsockname()!r}],"
        f" environ=os.environ, room=Path({str(room)!r}))\n"
        "process.start()\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", lab], stdout=subprocess.PIPE) as runs:
        try:
            assert runs.stdout is not None
            target = psutil.Process(int(runs.stdout.readline()))
            bell.accept()[0].close()
            everybody = [target, *target.children(), *target.parents()[:1]]
        finally:
            runs.kill()
    assert len(everybody) == 3
    _, alive = psutil.wait_procs(everybody, timeout=DEADLINE)
    assert alive == []


@permitted
@pytest.mark.anyio
async def test_a_target_without_its_warden_is_gone(make: Make) -> None:
    """Should somebody kill that, the target ends with it, and it is told as its end."""
    process = make(FAMILY)
    target = psutil.Process(process.pid)
    (child,) = target.children()
    warden = target.parent()
    assert warden is not None
    assert not process.has_lost_warden
    warden.kill()
    psutil.wait_procs([warden, target], timeout=DEADLINE)
    assert process.ends_within(DEADLINE)
    assert process.status == -9
    # It has not ended by itself, and starts on no other disk.
    assert process.ended_by_lab
    assert process.has_lost_warden
    with pytest.raises(LocalError, match="is gone, and its disk with it"):
        process.start()
    process.stop()
    process.kill()
    # Nobody was left who would have ended this one.
    assert child.is_running()
    process.close()
    psutil.wait_procs([child], timeout=DEADLINE)
    assert not child.is_running()


def test_nobody_is_ended_for_being_in_our_own_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a warden has left is known by its network: never by this machine's."""
    monkeypatch.setattr(psutil, "pids", lambda: pytest.fail("looked at processes"))
    network = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        module._kill_all_in(network)
    finally:
        os.close(network)


@permitted
def test_a_warden_that_is_told_to_end_ends_everything_first(make: Make) -> None:
    """A machine that goes down sends SIGTERM to everybody; a second one is no help."""
    process = make(FAMILY)
    target = psutil.Process(process.pid)
    warden = target.parent()
    assert warden is not None
    everybody = [warden, target, *target.children()]
    assert len(everybody) == 3
    warden.terminate()
    _, alive = psutil.wait_procs(everybody, timeout=DEADLINE)
    assert alive == []


@permitted
@pytest.mark.parametrize("end", [IsolatedProcess.stop, IsolatedProcess.kill])
def test_what_a_target_has_left_is_ended_with_it(
    make: Make, end: Callable[[IsolatedProcess], None]
) -> None:
    """It has ended itself before: its next life would meet those of the last one."""
    process = make(FAMILY)
    target = psutil.Process(process.pid)
    (child,) = target.children()
    target.kill()
    assert process.ends_within(DEADLINE)
    end(process)
    assert not process.ended_by_lab
    assert not child.is_running()


@permitted
def test_whoever_ends_one_life_leaves_the_next_one_alone(
    make: Make, start_again: Callable[[IsolatedProcess], None]
) -> None:
    """A stop that waits in a thread may come late: the target runs again by then."""
    process = make()
    life = process._lives
    process.kill()
    start_again(process)
    process._end_life(life)
    assert process.is_alive


BYSTANDER = """
import json, socket, sys, time
control = socket.socket(fileno=0)
control.send(json.dumps({"why": ""}).encode())
while control.recv(1000):
    control.send(json.dumps({"pid": int(sys.argv[-1]), "status": None}).encode())
"""
"""A warden that tells somebody else's process as the target's."""


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process that is nobody's target."""
    sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
    with subprocess.Popen(sleep) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_only_what_is_below_its_own_warden_is_signalled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bystander: psutil.Process
) -> None:
    """A number that was told may be somebody else's by now, and is only asked about."""
    monkeypatch.setattr(module, "WARDEN", (sys.executable, "-c", BYSTANDER))
    words = ["x", str(bystander.pid)]
    process = IsolatedProcess(words, environ=os.environ, room=tmp_path)
    sent: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            psutil.Process, "send_signal", lambda one, _: sent.append(one.pid)
        )
        patch.setattr(os, "kill", lambda pid, _: sent.append(pid))
        patch.setattr(os, "killpg", lambda pid, _: sent.append(pid))
        try:
            process.start()
            assert process.pid == bystander.pid
            process.suspend()
            process.resume()
            process.stop(grace=0.0)
            process.kill()
        finally:
            process.close()
    assert sent == []


def test_a_warden_that_was_waited_for_is_asked_for_no_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its number may be somebody else's by now, too."""
    ended = 'import socket; socket.socket(fileno=0).send(b\'{"why": ""}\')'
    monkeypatch.setattr(module, "WARDEN", (sys.executable, "-c", ended))
    process = IsolatedProcess(["x"], environ=os.environ, room=tmp_path)
    try:
        with pytest.raises(LocalError, match="warden is gone"):
            process.start()
        assert process._process is not None
        process._process.wait(DEADLINE)
        with monkeypatch.context() as patch:
            patch.setattr(psutil, "Process", lambda _: pytest.fail("asked by number"))
            process.remember_family()
            process.suspend()
            process.resume()
    finally:
        process.close()


def test_a_warden_that_cannot_be_started_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine may have no process left; no socket stays open."""
    monkeypatch.setattr(module, "WARDEN", ("/no/such",))
    process = IsolatedProcess(["x"], environ=os.environ, room=tmp_path)
    for _ in range(2):
        with pytest.raises(LocalError, match=r"isolated here: .*No such file"):
            process.start()
    assert process._control is None
    process.close()


@pytest.mark.anyio
async def test_a_lab_without_descriptors_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The kernel hands out the answer without the socket then.

    It was an IndexError in the proxy, which told nobody of it.
    """
    monkeypatch.setattr(module, "WARDEN", (sys.executable, "-c", BYSTANDER))
    process = IsolatedProcess(["x", "0"], environ=os.environ, room=tmp_path)
    try:
        process.start()
        with pytest.raises(OSError, match="Too many open files"):
            await process.dial("127.0.0.1", 9000)
    finally:
        process.close()


@permitted
def test_a_target_is_suspended_without_its_warden(make: Make) -> None:
    """It does nothing until it is resumed; what is asked of it is answered."""
    process = make(FAMILY)
    process.suspend()
    ends = time.monotonic() + DEADLINE
    while not process.is_stopped:
        assert time.monotonic() < ends
    assert process.is_alive
    assert not process.ends_within(0.0)
    process.resume()
    while process.is_stopped:
        assert time.monotonic() < ends
    process.stop(grace=DEADLINE)
    assert process.status is not None


@permitted
def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As for any other target."""
    process = IsolatedProcess(["/no/such"], environ=os.environ, room=tmp_path)
    try:
        with pytest.raises(TargetError, match="cannot start `/no/such`: No such file"):
            process.start()
    finally:
        process.close()


@permitted
def test_what_the_machine_does_not_permit_is_told(tmp_path: Path) -> None:
    """A disk cannot be mounted over what is no folder."""
    process = IsolatedProcess(["x"], environ=os.environ, room=tmp_path / "none")
    try:
        with pytest.raises(LocalError, match=r"cannot be isolated here: .* a disk"):
            process.start()
    finally:
        process.close()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("raise SystemExit('out of luck')", "isolated here: .*out of luck"),
        ("raise SystemExit(0)", "begin: it has ended"),
    ],
)
def test_a_warden_that_does_not_begin_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, told: str
) -> None:
    """What it has said last is told."""
    monkeypatch.setattr(module, "WARDEN", (sys.executable, "-c", program))
    process = IsolatedProcess(["x"], environ=os.environ, room=tmp_path)
    try:
        with pytest.raises(LocalError, match=told):
            process.start()
    finally:
        process.close()


MUTE = """
import json, os, socket, time
control = socket.socket(fileno=0)
control.send(json.dumps({"why": ""}).encode())
control.recv(1000)
control.send(json.dumps({"pid": os.getpid(), "status": None}).encode())
control.recv(1000)
control.send(json.dumps({"errno": 5, "why": "Input/output error"}).encode())
control.recv(1000)
time.sleep(1000)
"""


def test_a_warden_that_cannot_or_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody waits for ever; and the end of it is its end."""
    monkeypatch.setattr(module, "WARDEN", (sys.executable, "-c", MUTE))
    process = IsolatedProcess(["x"], environ=os.environ, room=tmp_path)
    try:
        process.start()
        with pytest.raises(LocalError, match="cannot do it: Input/output error"):
            process.free()
        assert process._control is not None
        process._control.settimeout(0.05)
        with pytest.raises(LocalError, match="gone: timed out"):
            process.fill()
        monkeypatch.setattr(module, "_ENDS_WITHIN", 0.05)
    finally:
        process.close()
    assert process.status == -9
