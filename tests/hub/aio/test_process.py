"""The hub as a process: loop, signals, log lines, and its last word."""

import asyncio
import io
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from wavetank.errors import TargetError, UsageError
from wavetank.hub import HubConfig, Ports
from wavetank.hub.aio import process
from wavetank.hub.aio.process import make_logger, make_node, serve
from wavetank.hub.limits import Crowd

DEADLINE = 20.0
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Put the signals back as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM)
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


def _open(port: int) -> socket.socket:
    """Open a WebSocket that will answer nothing."""
    client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    client.sendall(HANDSHAKE)
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


def test_hub_that_cannot_listen_says_so() -> None:
    """Before anything is announced."""

    def announce(urls: list[str]) -> None:
        raise AssertionError("it does not listen")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TargetError, match=f"port {port} on 127.0.0.1 is taken"):
            serve(config(ports=Ports(plain=port)), announce)


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


def test_log_lines_are_json_with_a_least_level() -> None:
    """One object a line; what is below the level is not written."""
    stream = io.StringIO()
    logger = make_logger("warning", stream)
    logger.info("quiet")
    logger.warning("loud", connection="c-1", odd=object)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["connection"]) == (
        "loud",
        "warning",
        "c-1",
    )
    assert event["timestamp"].endswith("Z")


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
