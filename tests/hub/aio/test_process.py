"""The hub as a process: loop, signals, log lines, and its last word."""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from wavetank.errors import TargetError, UsageError
from wavetank.hub import Durability, DurabilityRule, Hub, HubConfig, Ports
from wavetank.hub.aio import Node, Server, process
from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.process import make_node, serve
from wavetank.hub.limits import Crowd
from wavetank.protocol import Position

DEADLINE = 20.0
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


def _handshake(token: str) -> bytes:
    """Return an opening handshake, with a token or without."""
    if not token:
        return HANDSHAKE
    return HANDSHAKE[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Put the signals back as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def config(**changes: object) -> HubConfig:
    """Return the configuration of a hub on a free port."""
    return HubConfig(**{"ports": Ports(plain=0), "closing": 60.0} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "auto"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_hub_stops_cleanly_on_a_signal(
    loop: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 on SIGTERM and on SIGINT, with either event loop."""
    urls: list[str] = []

    def announce(found: list[str]) -> None:
        urls.extend(found)
        os.kill(os.getpid(), number)

    assert serve(config(loop=loop), announce) == 0
    assert urls[0].startswith("ws://127.0.0.1:")
    events = [
        json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()
    ]
    assert events == ["listening", "draining", "stopped"]


def test_hub_leaves_signals_and_lines_as_they_were() -> None:
    """Whoever called it goes on with his own."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    handlers = logging.getLogger().handlers[:]
    serve(config(), lambda urls: os.kill(os.getpid(), signal.SIGTERM))
    assert logging.getLogger().handlers == handlers
    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    assert after == before


def _open(port: int, token: str = "") -> socket.socket:
    """Open a WebSocket that will answer nothing."""
    client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    client.sendall(_handshake(token))
    heard = b""
    while b"]}" not in heard:
        heard += client.recv(4096)
    return client


def test_hub_is_cut_short_by_a_second_signal() -> None:
    """130: not all connections were closed."""
    clients: list[socket.socket] = []

    def press_twice(port: int) -> None:
        client = _open(port)
        clients.append(client)
        os.kill(os.getpid(), signal.SIGINT)
        heard = b""
        while b"going_away" not in heard:
            heard += client.recv(4096)
        os.kill(os.getpid(), signal.SIGINT)

    def announce(urls: list[str]) -> None:
        port = int(urls[0].rpartition(":")[2].partition("/")[0])
        threading.Thread(target=press_twice, args=[port], daemon=True).start()

    assert serve(config(drain=60.0), announce) == 130
    for client in clients:
        client.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_hub_stops_on_a_signal_that_comes_while_it_starts(
    loop: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long look into the log is given up; nothing is announced."""

    async def open_for_ever(self: Node) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(Node, "open", open_for_ever)
    assert serve(config(loop=loop), _nobody_listens) == 0
    (event,) = _events(capsys)
    assert (event["event"], event["clean"]) == ("stopped", True)


def _nobody_listens(urls: list[str]) -> None:
    raise AssertionError("it does not listen")


def _events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_hub_reads_keys_again_on_sighup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says whether it could; it goes on either way."""
    problems = ["--jwt-keys: is gone", ""]
    changed = threading.Event()

    def reload(self: Server, config: HubConfig | None) -> None:
        problem = problems.pop(0)
        changed.set()
        if problem:
            raise UsageError(problem)

    def press() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            assert changed.wait(DEADLINE)
            changed.clear()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Server, "reload", reload)
    thread = threading.Thread(target=press)
    assert serve(config(), lambda urls: thread.start()) == 0
    thread.join()
    _, failed, done, *_ = _events(capsys)
    assert (failed["event"], failed["reason"]) == (
        "reload_failed",
        ["--jwt-keys: is gone"],
    )
    assert done["event"] == "reloaded"


def test_hub_writes_the_lines_of_others_as_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No raw traceback on stderr, whatever fails inside the loop."""

    def announce(urls: list[str]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(int, "not a number")
        loop.call_later(0.0, os.kill, os.getpid(), signal.SIGTERM)

    assert serve(config(loop="asyncio"), announce) == 0
    told = [e for e in _events(capsys) if e["event"] == "library_message"]
    assert [each["logger"] for each in told] == ["asyncio"]
    assert "ValueError" in told[0]["exception"]


# The log.


def test_hub_keeps_its_log_in_a_folder(tmp_path: Path) -> None:
    """The same epoch and the same events after a restart; but not of all topics."""
    rules = (DurabilityRule("fleeting.**", Durability.MEMORY),)
    options = HubConfig(ports=Ports(plain=0), data=tmp_path / "log", durability=rules)

    async def publish() -> tuple[list[Position], list[int]]:
        async with Hub(options) as hub:
            topics = ("fleeting.a", "kept.a")
            positions = [await hub.publish(topic, 1) for topic in topics]
            status = await hub.status()
            assert status["delivery"]["append"]
            pages = [await hub.history(topic) for topic in topics]
            return positions, [page.seq for page in pages]

    first, second = asyncio.run(publish()), asyncio.run(publish())
    assert (first[1], second[1]) == ([1, 1], [1, 2])
    assert first[0][1].epoch == second[0][1].epoch
    assert first[0][0].epoch != second[0][0].epoch


def test_hub_says_that_its_folder_is_of_no_use(tmp_path: Path) -> None:
    """The user named it, so that is the user's mistake; it does not listen."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--data: .*file"):
        serve(config(data=tmp_path / "file"), _nobody_listens)


def test_hub_says_that_another_one_has_its_folder(tmp_path: Path) -> None:
    """As of a port that is taken."""

    async def start_twice() -> None:
        options = HubConfig(ports=Ports(plain=0), data=tmp_path)
        async with Hub(options):
            with pytest.raises(TargetError, match="belongs to another hub"):
                await Hub(options).start()

    asyncio.run(start_twice())


def test_hub_that_cannot_listen_says_so() -> None:
    """Before anything is announced."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TargetError, match=f"port {port} on 127.0.0.1 is taken"):
            serve(config(ports=Ports(plain=port)), _nobody_listens)


def _without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)


def test_hub_does_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes what is there; asked for by name, it has to be there."""
    _without_uvloop(monkeypatch)

    def announce(urls: list[str]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert serve(config(loop="auto"), announce) == 0
    with pytest.raises(UsageError, match="uvloop: it is not installed"):
        serve(config(loop="uvloop"), announce)


def test_nodes_have_epochs_of_their_own() -> None:
    """A log in memory begins a new life with each process."""

    async def epoch() -> str:
        return make_node(HubConfig(), make_logger("error", io.StringIO())).log.epoch

    first, second = asyncio.run(epoch()), asyncio.run(epoch())
    assert first != second
    assert len(first) == 8


Limits = tuple[int, int]
ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("total", "limits", "expected"),
    [
        (100, (1024, 4096), None),  # enough
        (1000, (1024, 4096), (1320, 4096)),  # raised as far as needed
        (1000, (1024, 1200), (1200, 1200)),  # raised as far as allowed
        (1000, (1024, ENDLESS), (1320, ENDLESS)),
        (1000, (ENDLESS, ENDLESS), None),
        (None, (1024, 4096), (4096, 4096)),
        (None, (4096, 4096), None),
    ],
)
def test_hub_asks_for_the_descriptors_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    total: int | None,
    limits: Limits,
    expected: Limits | None,
) -> None:
    """And says so if it does not get them."""
    set_to: list[Limits] = []

    def setrlimit(which: int, given: Limits) -> None:
        set_to.append(given)

    monkeypatch.setattr(process.resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(process.resource, "setrlimit", setrlimit)

    def announce(urls: list[str]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    serve(config(crowd=Crowd(total=total)), announce)
    assert set_to == ([] if expected is None else [expected])
    is_short = expected is not None and total is not None and expected[0] < 1320
    assert ("few_file_descriptors" in capsys.readouterr().err) is is_short


# A hub that nobody hears.

Start = Callable[..., tuple["subprocess.Popen[bytes]", int]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a function that starts a hub as a process of its own; with its port."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *options: str,
        stdout: int = subprocess.PIPE,
        stderr: int | IO[Any],
        prefix: tuple[str, ...] = (),
    ) -> tuple[subprocess.Popen[bytes], int]:
        command = [sys.executable, "-m", "wavetank", "hub", "--port", "0", *options]
        hub = subprocess.Popen([*prefix, *command], stdout=stdout, stderr=stderr)
        started.append(hub)
        heard = hub.stdout or hub.stderr
        assert heard is not None
        ready = heard.readline().decode()
        found = re.search(r"ws://127\.0\.0\.1:(\d+)/ws", ready)
        assert found is not None, f"it does not listen: {ready!r}"
        return hub, int(found[1])

    yield start
    for hub in started:
        hub.kill()
        hub.communicate()


def _dead_pipe() -> int:
    """Return the end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def _full_disk() -> int:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is full")
    return os.open("/dev/full", os.O_WRONLY)


def _answer(port: int, path: str = "/ws") -> bytes:
    """Return the answer to a request that is not for a WebSocket."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
        client.sendall(request.encode())
        while chunk := client.recv(65_536):
            heard += chunk
    return heard


def _answer_to(port: int, token: str) -> bytes:
    """Return the answer to somebody who is refused."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
        client.sendall(_handshake(token))
        return client.recv(4096)


def _let_go(client: socket.socket) -> bytes:
    """Return what a client hears until it is closed with 4200, as it agrees to."""
    code = (4200).to_bytes(2, "big")
    heard = b""
    while code not in heard:
        chunk = client.recv(4096)
        assert chunk, f"it was cut: {heard!r}"
        heard += chunk
    client.sendall(b"\x88\x82" + bytes(4) + code)
    client.close()
    return heard


def _dropped(port: int) -> int:
    """Return how many lines were dropped; a thread writes them, so maybe soon more."""
    told = re.search(rb"_log_lines_dropped_total (\d+)", _answer(port, "/metrics"))
    assert told is not None
    return int(told[1])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_hub_works_where_nobody_reads_its_lines(start: Start, loop: str) -> None:
    """A supervisor that died holds the pipe open: it is full, and stays so.

    The whole hub stood still then, with its first line that found no room.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    # What a pipe takes is its own; the hub writes as its supervisor left it.
    os.set_blocking(writing, True)
    hub, port = start("--loop", loop, "--log-level", "debug", stderr=writing)
    os.close(writing)
    assert _answer(port).startswith(b"HTTP/1.1 426 ")
    client = _open(port)
    hub.send_signal(signal.SIGHUP)
    hub.send_signal(signal.SIGTERM)
    assert b'"going_away"' in _let_go(client)
    assert hub.wait(DEADLINE) == 0
    os.close(reading)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("unwritable", [_dead_pipe, _full_disk])
def test_hub_works_where_its_lines_cannot_be_written(
    start: Start, loop: str, unwritable: Callable[[], int]
) -> None:
    """It answers, reads its keys again, and lets its clients go."""
    stderr = unwritable()
    hub, port = start("--loop", loop, stderr=stderr)
    os.close(stderr)
    assert _answer(port).startswith(b"HTTP/1.1 426 ")
    client = _open(port)
    hub.send_signal(signal.SIGHUP)
    while _dropped(port) < 2:  # that it listens, and that it refused
        pass
    hub.send_signal(signal.SIGTERM)
    assert b'"going_away"' in _let_go(client)
    assert hub.wait(DEADLINE) == 0


def test_tokens_in_the_file_are_read_again_on_sighup(
    start: Start, tmp_path: Path
) -> None:
    """Who has one that is gone is closed with 4001; a bad file changes nothing.

    Only a restart could withdraw a token, and that cut everybody off.
    """
    file = tmp_path / "hub.toml"
    file.write_text('[hub]\ntoken = ["one", "two"]\n')
    hub, port = start("--config", str(file), stderr=subprocess.PIPE)
    assert hub.stderr is not None
    first, second = (_open(port, token) for token in ("one", "two"))
    events: list[dict[str, Any]] = []
    for text, event in (
        ('[hub]\ntoken = ["on', "reload_failed"),
        ('[hub]\nping = "soon"\n', "reload_failed"),
        ('[hub]\ntoken = ["two", "three"]\n', "reloaded"),
    ):
        file.write_text(text)
        hub.send_signal(signal.SIGHUP)
        while not events or events[-1]["event"] not in {"reload_failed", "reloaded"}:
            events.append(json.loads(hub.stderr.readline()))
        assert events.pop()["event"] == event
    heard = b""
    while (4001).to_bytes(2, "big") not in heard:
        chunk = first.recv(4096)
        assert chunk, f"it was cut: {heard!r}"
        heard += chunk
    assert b'"unauthorized"' in heard
    first.close()
    second.sendall(_frame({"type": "ping", "id": 1}))
    assert b'"pong"' in second.recv(4096)
    _open(port, "three").close()
    assert b" 401 " in _answer_to(port, "one")
    hub.send_signal(signal.SIGTERM)
    assert b'"going_away"' in _let_go(second)
    assert hub.wait(DEADLINE) == 0


LIMITED = """
import os, resource, sys
most = 1024 * 1024
resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Begins a program none of whose files can be longer than 1 MiB."""


def test_hub_survives_one_full_disk_for_data_and_lines(
    start: Start, tmp_path: Path
) -> None:
    """Publications are refused, and nothing else; that it fails is counted."""
    file = tmp_path / "lines"
    file.write_bytes(b"\n" * 1024 * 1024)
    with file.open("ab") as lines:
        hub, port = start(
            *("--data", str(tmp_path / "log")),
            stderr=lines,
            prefix=(sys.executable, "-c", LIMITED),
        )
    client = _open(port)
    for _ in range(200):
        client.sendall(_frame({"type": "publish", "topic": "t", "data": "x" * 30_000}))
        client.sendall(_frame({"type": "ping", "id": 1}))
        heard = b""
        while b'"pong"' not in heard:
            heard += client.recv(65_536)
        if b'"unavailable"' in heard:
            break
    else:
        pytest.fail("the disk was never full")
    client.close()
    assert _answer(port).startswith(b"HTTP/1.1 426 ")
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(DEADLINE) == 0
    assert not file.read_bytes().strip()


def _frame(message: dict[str, Any]) -> bytes:
    """Return a masked frame of less than 64 KiB; its mask is nothing but zeros."""
    data = json.dumps(message).encode()
    head = b"\x81\xfe" + len(data).to_bytes(2, "big")
    if len(data) < 126:
        head = bytes((0x81, 0x80 | len(data)))
    return head + bytes(4) + data


def test_hub_does_not_end_because_its_announcement_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a service; who has started it may not listen any more."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    def announce(urls: list[str]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise BrokenPipeError

    assert serve(config(), announce) == 0


def test_hub_works_where_nobody_reads_that_it_is_ready(start: Start) -> None:
    """A full pipe at its start kept it from answering anybody, and from its end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    hub, port = start(stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert _answer(port).startswith(b"HTTP/1.1 426 ")
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(DEADLINE) == 0
    os.close(reading)


@pytest.mark.parametrize("unwritable", [_dead_pipe, _full_disk])
def test_hub_ends_with_0_though_nobody_heard_that_it_is_ready(
    start: Start, unwritable: Callable[[], int]
) -> None:
    """What could not be written then is not tried again at the end."""
    stdout = unwritable()
    hub, _ = start(stdout=stdout, stderr=subprocess.PIPE)
    os.close(stdout)
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(DEADLINE) == 0
