"""``wavetank proxy``: what is typed, what is printed, how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from wavetank.cli import proxy as command
from wavetank.cli.proxy import main
from wavetank.errors import UsageError
from wavetank.net.tls import ThrowAwayAuthority

READY = "wavetank proxy ready: "
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody's environment ask for anything."""
    for name in [name for name in os.environ if name.startswith("WAVETANK")]:
        monkeypatch.delenv(name)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that echoes."""

    def handle(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


class Screen:
    """A standard output that sends SIGTERM to ourselves at a word of it.

    Args:
        last: The word.
        meanwhile: Is done before that, in a thread of its own.
    """

    def __init__(self, last: str = READY, meanwhile: object = None) -> None:
        self.text = ""
        self._last = last
        self._meanwhile = meanwhile
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Keep the text."""
        self.text += text
        if text.startswith(self._last):
            self._thread = threading.Thread(target=self._end)
            self._thread.start()
        return len(text)

    def _end(self) -> None:
        try:
            if callable(self._meanwhile):
                self._meanwhile(self.urls)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    @property
    def urls(self) -> list[str]:
        """Where the proxies are."""
        found = re.search(rf"{READY}(.*)", self.text)
        assert found
        return found[1].split()

    def flush(self) -> None:
        """Do nothing."""

    def join(self) -> None:
        """Wait for what is done meanwhile."""
        assert self._thread is not None
        self._thread.join(PATIENCE)


def run(
    monkeypatch: pytest.MonkeyPatch, *argv: str, meanwhile: object = None
) -> Screen:
    """Run the command until it is ready, and end it."""
    screen = Screen(meanwhile=meanwhile)
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(list(argv)) == 0
    screen.join()
    return screen


def test_proxy_says_where_it_is_and_what_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its toxics and its seed too; SIGTERM is a clean end."""
    argv = ["--upstream", "ws://127.0.0.1:9/x", "--seed", "7"]
    screen = run(monkeypatch, *argv, "--toxic", "latency latency=100")
    lines = screen.text.splitlines()
    (url,) = screen.urls
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/x", url)
    assert lines == [
        f"wavetank proxy: proxy: listens on {url}, leads to ws://127.0.0.1:9/x",
        "wavetank proxy: proxy: latency (downstream latency=100)",
        "wavetank proxy: the same faults again: --seed 7",
        f"wavetank proxy ready: {url}",
        "wavetank proxy: proxy: 0 connections; upstream 0 bytes in, 0 out; downstream "
        "0 bytes in, 0 out",
    ]


def test_proxy_breaks_what_goes_by(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, echo: int
) -> None:
    """A frame that was to be dropped is; the wire log says so."""

    def meanwhile(urls: list[str]) -> None:
        with connect(urls[0], compression=None) as client:
            for number in range(3):
                client.send(f'{{"n":{number}}}')
            answers.append([client.recv(PATIENCE) for _ in range(2)])

    answers: list[list[str | bytes]] = []
    file = tmp_path / "wire.ndjson"
    toxic = "drop stream=upstream when.json.n=1"
    argv = ["--upstream", f"ws://127.0.0.1:{echo}", "--toxic", toxic]
    run(monkeypatch, *argv, "--wire-log", str(file), meanwhile=meanwhile)
    assert answers == [['{"n":0}', '{"n":2}']]
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    lost = [line for line in lines if line["fate"] == "dropped"]
    assert [(line["proxy"], line["by"], line["size"]) for line in lost] == [
        ("proxy", "drop_upstream", 7)
    ]


def test_proxies_may_stand_in_a_file_and_be_controlled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside the one of the command line; a fault that is asked for is told."""

    def meanwhile(urls: list[str]) -> None:
        assert len(urls) == 2
        place = re.search(r"control interface on (\S+),", screen.text)
        assert place
        body = b'{"type":"timeout"}'
        url = f"{place[1]}/proxies/other/toxics"
        with urllib.request.urlopen(url, data=body, timeout=PATIENCE) as response:
            assert response.status == 200

    file = tmp_path / "faults.toml"
    file.write_text('[[proxy]]\nname = "other"\nupstream = "127.0.0.1:9"\n')
    screen = Screen(meanwhile=meanwhile)
    monkeypatch.setattr(sys, "stdout", screen)
    argv = ["--upstream", "127.0.0.1:9", "--config", str(file)]
    assert main([*argv, "--control", "127.0.0.1:0"]) == 0
    screen.join()
    assert "wavetank proxy: other: timeout (downstream) added\n" in screen.text


def test_proxy_ends_after_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    """By itself, with 0; a seed is chosen where none was given."""
    assert main(["--upstream", "127.0.0.1:9", "--seconds", "10ms"]) == 0
    assert re.search(r"--seed \d+\n", capsys.readouterr().out)


def test_proxy_says_that_the_target_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as somebody wanted to go there."""

    def meanwhile(urls: list[str]) -> None:
        with pytest.raises((OSError, InvalidHandshake, WebSocketException)):
            connect(urls[0], open_timeout=PATIENCE)

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # It does not listen: whoever comes is refused.
        port = bound.getsockname()[1]
        screen = run(
            monkeypatch, "--upstream", f"ws://127.0.0.1:{port}", meanwhile=meanwhile
        )
    assert "the target could not be reached, by 1 of those who came" in screen.text


def test_proxy_speaks_tls_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Towards a wss:// target, and towards clients where it has a certificate."""

    def handle(connection: ServerConnection) -> None:
        connection.send("hello")

    def meanwhile(urls: list[str]) -> None:
        context = authority.client_context()
        with connect(urls[0], ssl=context, server_hostname="localhost") as client:
            seen.append(client.recv(PATIENCE))

    seen: list[str | bytes] = []
    with ThrowAwayAuthority(directory=tmp_path) as authority:
        context = authority.server_context()
        with serve(handle, "127.0.0.1", 0, ssl=context) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            port = server.socket.getsockname()[1]
            ours = authority.certificate()
            argv = ["--upstream", f"wss://localhost:{port}", "--ca", str(authority.ca)]
            argv += ["--cert", str(ours.certificate), "--key", str(ours.key)]
            screen = run(monkeypatch, *argv, meanwhile=meanwhile)
            server.shutdown()
            thread.join()
    assert seen == ["hello"]
    assert screen.urls[0].startswith("wss://")


def test_proxy_without_orders_waits_for_toxiproxys_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where they look for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(command, "PORT", port)
    screen = Screen("wavetank proxy ready")
    monkeypatch.setattr(sys, "stdout", screen)
    assert main([]) == 0
    screen.join()
    assert f"control interface on http://127.0.0.1:{port}, for" in screen.text
    assert "wavetank proxy ready\n" in screen.text


@pytest.mark.parametrize(
    ("argv", "problems"),
    [
        (["--upstrem", "x"], ["did you mean --upstream?"]),
        (["--upstream", "ftp://x"], ["proxy proxy: upstream ftp://x: its scheme"]),
        (["--toxic", "noop"], ["--toxic: it is about --upstream, which is missing"]),
        (
            ["--listen", "1:2:3", "--toxic", "x", "--seconds", "soon"],
            ["--listen: '1:2:3'", "--toxic: toxic x, type", "--seconds: 'soon'"],
        ),
        (
            ["--upstream", "a:1", "--toxic", "noop", "--toxic", "noop"],
            ["--toxic: 2 are called noop_downstream; say name="],
        ),
        (
            [*("--upstream", "a:1", "--mode", "bytes"), *("--toxic", "drop")],
            ["--toxic drop_downstream: drop is for frames"],
        ),
        (
            [*("--upstream", "a:1", "--mode", "bytes"), *("--wire-log", "w")],
            ["--wire-log: it notes frames"],
        ),
        (["--config", "gone.toml"], ["--config gone.toml: No such file"]),
        (["--config", "bad.toml"], ["bad.toml proxy a: its upstream is missing"]),
        (["--config", "latin.toml"], ["--config latin.toml: not a text file"]),
        (
            ["--upstream", "a:1", "--config", "same.toml"],
            ["same.toml: a proxy is called proxy, as that of --upstream is"],
        ),
        (["--ca", "x", "--insecure"], ["--ca and --insecure: give one of the two"]),
        (
            ["--ca", "x", "--cert", "y"],
            ["--cert and --key go together", "cannot use certificate authority x"],
        ),
        (["--cert", "y", "--key", "z"], ["cannot use certificate y with key z"]),
        (["--wire-log", "no/w"], ["--wire-log no/w: No such file"]),
        (["--upstream", "a:1", "--listen", "192.0.2.1:1"], ["cannot listen on"]),
        (["--control", "192.0.2.1:1"], ["--control 192.0.2.1:1: cannot listen"]),
    ],
)
def test_proxy_refuses_what_cannot_be(
    argv: list[str],
    problems: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every mistake is told at once."""
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text('[[proxy]]\nname = "a"\n')
    Path("same.toml").write_text('[[proxy]]\nname = "proxy"\nupstream = "b:1"\n')
    Path("latin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError) as caught:
        main(argv)
    assert len(caught.value.problems) == len(problems)
    for problem in problems:
        assert any(problem in told for told in caught.value.problems)


def test_proxy_writes_its_wire_log_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, echo: int
) -> None:
    """Who is killed has lost the last second of it alone."""

    def meanwhile(urls: list[str]) -> None:
        with connect(urls[0], compression=None) as client:
            client.send("a")
            client.recv(PATIENCE)
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and file.stat().st_size == 0:
                os.sched_yield()
            seen.extend(json.loads(line) for line in file.read_bytes().splitlines())

    seen: list[dict[str, object]] = []
    monkeypatch.setattr(command, "_GLANCE", 0.01)
    file = tmp_path / "wire.ndjson"
    argv = ["--upstream", f"ws://127.0.0.1:{echo}", "--wire-log", str(file)]
    run(monkeypatch, *argv, meanwhile=meanwhile)
    assert (seen[0]["proxy"], seen[0]["fate"]) == ("proxy", "passed")
    assert len(file.read_bytes().splitlines()) == 4


def test_proxy_goes_on_where_its_wire_log_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, echo: int
) -> None:
    """It says so at once, and at its end by what it raises."""

    def meanwhile(urls: list[str]) -> None:
        with connect(urls[0]) as client:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and "--wire-log" not in screen.text:
                client.send("a")
                client.recv(PATIENCE)

    monkeypatch.setattr(command, "_GLANCE", 0.01)
    screen = Screen(meanwhile=meanwhile)
    monkeypatch.setattr(sys, "stdout", screen)
    with pytest.raises(OSError, match="No space"):
        main(["--upstream", f"ws://127.0.0.1:{echo}", "--wire-log", "/dev/full"])
    screen.join()
    told = "--wire-log: cannot be written any more: No space left on device"
    assert screen.text.count(told) == 1


def test_proxy_says_what_a_toxic_cannot_look_into(
    monkeypatch: pytest.MonkeyPatch, echo: int
) -> None:
    """A toxic that never strikes because all is compressed looks like a sound link."""

    def meanwhile(urls: list[str]) -> None:
        with connect(urls[0]) as client:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and "look into" not in screen.text:
                client.send('{"n":1}' * 100)
                client.recv(PATIENCE)

    monkeypatch.setattr(command, "_GLANCE", 0.01)
    screen = Screen(meanwhile=meanwhile)
    monkeypatch.setattr(sys, "stdout", screen)
    toxic = "drop stream=upstream when.json.n=1"
    assert main(["--upstream", f"ws://127.0.0.1:{echo}", "--toxic", toxic]) == 0
    screen.join()
    assert re.search(
        r"proxy: when\.json of drop_upstream could not look into \d+ text messages: "
        "compressed",
        screen.text,
    )


def test_proxy_goes_on_where_nobody_reads_what_it_prints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a server: it does not end because nobody looks at it."""

    class Broken:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    assert main(["--upstream", "a:1", "--seconds", "1ms"]) == 0


def test_proxy_works_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    """On asyncio's own loop."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert main(["--upstream", "a:1", "--seconds", "1ms"]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_proxy_runs_as_a_process_and_ends_on_a_signal(number: signal.Signals) -> None:
    """The ready line comes at once through a pipe; both are a clean end."""
    code = (
        "import sys; from wavetank.cli.proxy import main; sys.exit(main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "--upstream", "127.0.0.1:9"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(READY):
                break
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(timeout=PATIENCE) == 0
