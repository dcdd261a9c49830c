"""An isolated target: silence instead of packets, a full disk, and nothing left."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from wavetank.dialects import Hub
from wavetank.errors import LocalError, TargetError
from wavetank.lab import isolation as module
from wavetank.lab.isolation import (
    IsolatedProcess,
    Isolation,
    isolated,
    keeps_data,
    why_not,
)
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process_faults import ProcessFaults
from wavetank.lab.target import Target
from wavetank.lab.warden import DATA
from wavetank.net import open_peer

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


# Whether there can be one


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """Forget what is known of this machine, before and afterwards."""
    why_not.cache_clear()
    yield
    why_not.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (0, "\n", ""),
        (1, "this user may not\n", "this user may not"),
        (1, "", "the trial ended with status 1"),
    ],
)
def test_what_the_trial_says_is_why_not(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str, told: str
) -> None:
    """Nothing where it went well, else its last line."""
    monkeypatch.setattr(sys, "platform", "linux")
    ended = SimpleNamespace(returncode=code, stdout=said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    assert why_not() == told


@pytest.mark.usefixtures("asked_anew")
def test_a_trial_that_does_not_start_is_why_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the system says is told."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(subprocess, "run", fail)
    assert why_not().endswith("does not start: no more processes")


@pytest.mark.usefixtures("asked_anew")
def test_only_linux_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is tried."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert why_not() == "only Linux has network and mount namespaces"


@pytest.mark.parametrize(
    ("source", "serve", "keeps"),
    [
        (Source.EMBEDDED, "", True),
        (Source.SERVE, "server --data {data}", True),
        (Source.SERVE, "server", False),
    ],
)
def test_the_command_says_where_the_data_are(
    plan: Callable[..., Plan], source: Source, serve: str, *, keeps: bool
) -> None:
    """The lab knows that of its own hub."""
    assert keeps_data(plan(source=source, serve=serve)) is keeps


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
    process = make()
    target = psutil.Process(process.pid)
    warden = target.parent()
    assert warden is not None
    warden.kill()
    psutil.wait_procs([warden, target], timeout=DEADLINE)
    assert process.ends_within(DEADLINE)
    assert process.status == -9
    assert not process.ended_by_lab


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
    monkeypatch.setattr(module, "_WARDEN", (sys.executable, "-c", program))
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
    monkeypatch.setattr(module, "_WARDEN", (sys.executable, "-c", MUTE))
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


# The way to it


@contextlib.asynccontextmanager
async def met(plan: Plan, *, over_tls: bool = False) -> AsyncIterator[Isolation]:
    """Have an isolated target, started."""
    scheme = "wss://localhost" if over_tls else "ws://127.0.0.1"
    like = Target(url=f"{scheme}:1/ws", dialect=Hub())
    async with isolated(plan, like) as isolation:
        faults = ProcessFaults(
            isolation.target, record=lambda _: None, now=time.monotonic
        )
        await faults.restart(within=DEADLINE)
        yield isolation


@permitted
@pytest.mark.anyio
async def test_the_embedded_hub_keeps_its_log_on_the_disk(
    plan: Callable[..., Plan],
) -> None:
    """Peers reach it through the door, which counts who is connected."""
    async with met(plan(source=Source.EMBEDDED, no_ssl=True)) as isolation:
        assert isolation.process.command[-2] == "--data"
        peer = await open_peer(isolation.target.url, subprotocols=("wavetank.v1",))
        assert isolation.connections >= 1
        await peer.close()
        assert repr(isolation).startswith("<Isolation <TargetProcess")
        process = isolation.process
    assert process.status == -9


@permitted
@pytest.mark.anyio
@pytest.mark.parametrize("ports", ["", "--port {port} "])
async def test_a_target_with_tls_has_a_certificate(
    plan: Callable[..., Plan], ports: str
) -> None:
    """Where it speaks nothing else its own port is what the door leads to."""
    command = (
        f"{sys.executable} -m wavetank wreck sound {ports}--tls-port {{tls_port}} "
        "--cert {cert} --key {key}"
    )
    given = plan(source=Source.SERVE, serve=command)
    async with met(given, over_tls=not ports) as isolation:
        target = isolation.target
        peer = await open_peer(
            target.url,
            subprotocols=("wavetank.v1",),
            tls=target.context_for(target.url),
        )
        await peer.close()
