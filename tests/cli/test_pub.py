"""``wavetank pub``: publish one thing, or each line of standard input."""

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

import wavetank.cli.pub as module
from wavetank.cli.pub import main
from wavetank.errors import TargetError, UsageError

from .welcomes import WELCOME


class Hub:
    """A hub in a thread that takes everything but what is `"bad"`."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.is_deaf = False
        self.then: Callable[[ServerConnection], None] = lambda _: None

    def __call__(self, socket: ServerConnection) -> None:
        """Serve one connection."""
        socket.send(json.dumps(WELCOME))
        for message in socket:
            command = json.loads(message)
            self.commands.append(command)
            if not self.is_deaf:
                self.answer(socket, command)
            self.then(socket)

    def answer(self, socket: ServerConnection, command: dict[str, Any]) -> None:
        """Acknowledge, or refuse."""
        reply: dict[str, Any] = {"id": command["id"], "topic": command["topic"]}
        if command["data"] == "bad":
            reply |= {"type": "error", "code": "schema_violation", "message": "no"}
            reply |= {"retryable": False, "fatal": False, "ts": 1}
        else:
            reply |= {"type": "published", "epoch": "e", "duplicate": False}
            reply["seq"] = len(self.commands)
        socket.send(json.dumps(reply))

    @property
    def data(self) -> list[Any]:
        """What was published."""
        return [command["data"] for command in self.commands]


@pytest.fixture
def hub() -> Hub:
    """Give what serves each connection."""
    return Hub()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], int]]:
    """Give a function that makes this standard input; None leaves it open."""
    pipes: list[int] = []

    def make(text: bytes, *, is_open: bool = False) -> int:
        reading, writing = os.pipe()
        os.write(writing, text)
        pipes.append(reading)
        if is_open:
            pipes.append(writing)
        else:
            os.close(writing)
        monkeypatch.setattr(module, "_STDIN", reading)
        return writing

    yield make
    for pipe in pipes:
        os.close(pipe)


def test_pub_publishes_one_thing(
    url: str, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte, and tells what it counted."""
    assert main([url, "a", '{"price": 1.50}']) == 0
    printed = capsys.readouterr()
    assert hub.commands[0]["topic"] == "a"
    assert hub.data == [{"price": 1.5}]
    assert "wavetank pub: accepted 1, acknowledged 1" in printed.err
    assert printed.out == ""


def test_pub_prints_what_became_of_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object a line, in order."""
    assert main([url, "a", "1", "--json", "--ready-timeout", "10s"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "type": "published",
        "topic": "a",
        "epoch": "e",
        "seq": 1,
        "duplicate": False,
    }


def test_pub_publishes_each_line(
    url: str, hub: Hub, typed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Empty ones are passed over, the last one needs no end."""
    typed(b'1\n\n  \n{"a":2}\r\n3')
    assert main([url, "a", "--json"]) == 0
    assert hub.data == [1, {"a": 2}, 3]
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]


def test_pub_goes_on_after_a_line_that_cannot_be_published(
    url: str, hub: Hub, typed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither here nor at the hub; the exit code tells it."""
    typed(b'1\n{oops\n"bad"\n4\n')
    assert main([url, "a", "--json"]) == 1
    assert [each for each in hub.data if each != "bad"] == [1, 4]
    printed = capsys.readouterr()
    told = [json.loads(line) for line in printed.out.splitlines()]
    assert [each["type"] for each in told] == [
        "published",
        "failed",
        "failed",
        "published",
    ]
    assert [each.get("code") for each in told[1:3]] == ["invalid", "schema_violation"]
    assert "line 2: data: it is not one JSON text" in printed.err


def test_pub_tells_mistakes_without_json_too(
    url: str, typed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, and as exit code."""
    typed(b"oops\n")
    assert main([url, "a"]) == 1
    assert "line 1: " in capsys.readouterr().err


def test_pub_publishes_text_as_a_string(url: str, hub: Hub, typed: Any) -> None:
    """What is no JSON can be sent, too."""
    assert main([url, "a", "hello", "--text"]) == 0
    typed(b'say "hi"\n')
    assert main([url, "a", "--text"]) == 0
    assert hub.data == ["hello", 'say "hi"']


def test_pub_uses_keys(url: str, hub: Hub, typed: Any) -> None:
    """One as it is; for lines their number is put behind it."""
    assert main([url, "a", "1", "--key", "k"]) == 0
    typed(b"1\n2\n")
    assert main([url, "a", "--key", "k"]) == 0
    assert [command["key"] for command in hub.commands] == ["k", "k-1", "k-2"]


def test_pub_uses_a_name(url: str, hub: Hub) -> None:
    """Which fences an older publisher of the same name."""
    assert main([url, "a", "1", "--name", "bot-1"]) == 0
    assert hub.commands[0]["producer"]["name"] == "bot-1"


def test_pub_publishes_nothing_where_that_is_switched_off(
    url: str, hub: Hub, typed: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As the environment of a bot can have it; its lines are read all the same."""
    monkeypatch.setenv("SYSTEM__ENABLE_WEBSOCKET_PUBLISHING", "false")
    monkeypatch.setenv("SYSTEM__WEBSOCKET_DASHBOARD_URL", url)
    assert main(["a", "1"]) == 0
    typed(b"1\n" * 1000)
    assert main(["a"]) == 0
    assert os.read(module._STDIN, 1) == b""
    assert hub.commands == []
    assert "switched off" in capsys.readouterr().err


def test_pub_keeps_in_its_spool_what_no_hub_took(
    url: str, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told by the exit code; the next start sends it, under the same number."""
    spool = ["--spool", str(tmp_path / "spool"), "--fsync"]
    argv = ["ws://127.0.0.1:1/ws", "a", "1", *spool, "--timeout", "50ms", "--json"]
    assert main(argv) == 1
    assert json.loads(capsys.readouterr().out)["type"] == "kept"
    assert main([url, "a", "2", *spool]) == 0
    assert hub.data == [1, 2]


def test_pub_fails_where_its_spool_was_damaged(
    url: str, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was in it is set aside, and was not sent."""
    (tmp_path / "spool.sqlite").write_bytes(b"SQLite format 3\0" + bytes(range(200)))
    assert main([url, "t", "1", "--spool", str(tmp_path)]) == 1
    assert hub.data == [1]
    assert "acknowledged 1" in capsys.readouterr().err


def test_pub_ends_after_its_time(url: str, hub: Hub, typed: Any) -> None:
    """Also where standard input has no end, or the hub no answer."""
    typed(b"1\n", is_open=True)
    assert main([url, "a", "--timeout", "200ms"]) == 0
    hub.is_deaf = True
    assert main([url, "a", "1", "--timeout", "100ms"]) == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 1)]
)
def test_pub_ends_cleanly_on_a_signal(
    url: str, hub: Hub, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    """SIGTERM is clean, but what was not acknowledged is told."""
    hub.is_deaf = True
    hub.then = lambda _: os.kill(os.getpid(), number)
    assert main([url, "a", "1"]) == code
    assert "acknowledged 0" in capsys.readouterr().err


def test_pub_stops_where_the_hub_is_final(
    url: str, hub: Hub, typed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once, though standard input is still open."""
    hub.then = lambda socket: socket.close(4003, "forbidden")
    typed(b"1\n", is_open=True)
    assert main([url, "a"]) == 1
    assert "(4003)" in capsys.readouterr().err


def test_pub_ends_with_4_where_there_is_no_hub() -> None:
    """Only if it was told how long to wait for one."""
    argv = ["ws://127.0.0.1:1/ws", "a", "1", "--ready-timeout", "20ms"]
    with pytest.raises(TargetError, match="no connection within"):
        main(argv)


def test_pub_fails_after_so_many_retries(capsys: pytest.CaptureFixture[str]) -> None:
    """The publication does; that there is no hub is no reason to wait for ever."""
    argv = ["ws://127.0.0.1:1/ws", "a", "1", "--max-retries", "1"]
    assert main([*argv, "--retry-delay", "1ms"]) == 1
    assert "failed 1" in capsys.readouterr().err


def test_pub_tells_a_final_refusal_while_it_waits(
    url: str, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Such as a hub that asks for a token; nothing is sent."""
    monkeypatch.setitem(WELCOME, "auth", "required")
    assert main([url, "a", "1", "--ready-timeout", "10s"]) == 1
    assert "asks for a token" in capsys.readouterr().err
    assert hub.commands == []


def test_pub_refuses_a_line_without_end(
    url: str, typed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded."""
    monkeypatch.setattr(module, "_MOST_LINE", 10)
    typed(b"1" * 20)
    with pytest.raises(UsageError, match="longer than 10 bytes"):
        main([url, "a"])


def test_pub_takes_an_input_that_cannot_be_read_for_an_empty_one(
    url: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a terminal that went away, or a folder."""
    folder = os.open("/", os.O_RDONLY)
    monkeypatch.setattr(module, "_STDIN", folder)
    assert main([url, "a"]) == 0
    assert hub.commands == []


class Unwritable(io.BytesIO):
    """A standard output that refuses every line."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error
        self.tries = 0
        self.buffer = self

    def write(self, _: object) -> int:
        """Refuse."""
        self.tries += 1
        raise self.error


def test_pub_goes_on_after_its_reader_has_left(
    url: str, hub: Hub, typed: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """To publish is its work, whether anybody reads of it or not."""
    out = Unwritable(BrokenPipeError())
    monkeypatch.setattr(sys, "stdout", out)
    typed(b"1\n2\n3\n")
    assert main([url, "a", "--json"]) == 0
    assert hub.data == [1, 2, 3]
    assert out.tries == 1
    assert "acknowledged 3" in capsys.readouterr().err


@pytest.mark.parametrize("lines", [b"1\n", b"1\n" * 1000])
def test_pub_ends_where_its_output_cannot_be_written(
    url: str, typed: Any, monkeypatch: pytest.MonkeyPatch, lines: bytes
) -> None:
    """What becomes of publications is told or there is an error, soon or at the end."""
    out = Unwritable(OSError(errno.ENOSPC, "full"))
    monkeypatch.setattr(sys, "stdout", out)
    typed(lines, is_open=len(lines) > 2)
    with pytest.raises(OSError, match="full"):
        main([url, "a", "--json", "--queue", "1"])
    assert out.tries == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["ws://a/ws"], "what to publish"),
        (["ws://a/ws", "a", "1", "2"], "what to publish"),
        (["ws://a/ws", "a.*", "1"], "a pattern"),
        (["ws://a/ws", "a", "hello"], "with --text"),
        (["ws://a/ws", "a", "1", "--key", ""], "key"),
        (["ws://a/ws", "a", "1", "--queue", "0"], "too small"),
        (["ws://a/ws", "a", "1", "--name", "x" * 200], "name"),
        (["wss://a/ws", "a", "1", "--allow-plain-fallback"], "this machine only"),
    ],
)
def test_pub_refuses_what_it_cannot_do(
    argv: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is opened."""
    for name in [name for name in os.environ if name.startswith("WAVETANK")]:
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=words):
        main(argv)


def test_pub_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Options, environment and exit codes."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--spool" in text
    assert "SYSTEM__ENABLE_WEBSOCKET_PUBLISHING" in text
