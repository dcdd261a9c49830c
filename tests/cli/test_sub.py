"""``wavetank sub``: print what is published to topics."""

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from wavetank.cli.sub import _Printer, main
from wavetank.client import Event, Gap
from wavetank.client.lines import text_line
from wavetank.errors import TargetError, UsageError
from wavetank.protocol import format_tag, next_tag

from .welcomes import WELCOME

TAGS = [0]
for _seq in (1, 2, 3):
    TAGS.append(next_tag(TAGS[-1], _seq, b"%d" % _seq))


class Hub:
    """A hub in a thread, with a topic `t` of three events."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.then: Callable[[ServerConnection], None] = lambda _: None

    def __call__(self, socket: ServerConnection) -> None:
        """Serve one connection."""
        socket.send(json.dumps(WELCOME))
        for message in socket:
            command = json.loads(message)
            self.commands.append(command)
            if command["type"] == "subscribe":
                self.subscribe(socket, command)
                self.then(socket)

    def subscribe(self, socket: ServerConnection, command: dict[str, Any]) -> None:
        """Answer, and replay."""
        reply = {"id": command["id"], "topic": command["topic"]}
        if command["topic"] == "forbidden":
            error = {"type": "error", "code": "topic_forbidden", "message": "not yours"}
            more = {"retryable": False, "fatal": False, "ts": 1}
            socket.send(json.dumps(reply | error | more))
            return
        since = command.get("since") or {"seq": 3}
        after = 0 if since == "earliest" else since["seq"]
        start = {"epoch": "e", "seq": 3, "tag": format_tag(TAGS[3]), "oldest": 1}
        start |= {"recovered": True, "reason": None}
        start["after"] = {"seq": after, "tag": format_tag(TAGS[after])}
        socket.send(json.dumps(reply | {"type": "subscribed"} | start))
        for seq in range(after + 1, 4):
            event = {"type": "event", "topic": command["topic"], "seq": seq}
            socket.send(json.dumps(event | {"ts": 1000.0, "data": seq}))


@pytest.fixture
def hub() -> Hub:
    """Give what serves each connection."""
    return Hub()


def test_sub_prints_events_as_lines(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many as were wanted, and what it counted on stderr."""
    assert main([url, "t", "--since", "earliest", "--count", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "t 1 1\nt 2 2\n"
    assert "wavetank sub: connections 1, subscriptions 0, events" in printed.err


def test_printer_knows_when_it_is_enough() -> None:
    """Events count, gaps do not; nothing is written beyond the last one."""
    out = io.BytesIO()
    printer = _Printer(out, text_line, 2)
    gap = Gap(topic="t", epoch="e", first=2, last=2, reason="truncated")
    events = [
        Event(topic="t", epoch="e", seq=seq, at=1.0, data=b"1") for seq in (1, 3, 4)
    ]
    assert printer.most == 2
    assert printer.write([events[0], gap])
    assert not printer.is_done
    assert not printer.write(events[1:])
    assert printer.is_done
    assert out.getvalue() == b"t 1 1\n# gap: t 1 missing, truncated\nt 3 1\n"


def test_sub_prints_objects_where_it_is_asked_to(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One a line."""
    assert main([url, "t", "--since", "e:1", "--count", "2", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["type"], line["seq"], line["data"]) for line in lines] == [
        ("event", 2, 2),
        ("event", 3, 3),
    ]


def test_sub_takes_the_url_from_the_environment(
    url: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And several topics, each as it was asked."""
    monkeypatch.setenv("SYSTEM__WEBSOCKET_DASHBOARD_URL", url)
    argv = ["t", "u", "--deliver", "latest", "--since", "earliest", "--count", "6"]
    assert main(argv) == 0
    subscribes = [each for each in hub.commands if each["type"] == "subscribe"]
    assert [each["topic"] for each in subscribes] == ["t", "u"]
    assert {each["deliver"] for each in subscribes} == {"latest"}


def test_sub_ends_after_its_time(url: str) -> None:
    """That is fine, unless more was wanted than came."""
    assert main([url, "t", "--timeout", "50ms", "--ready-timeout", "10s"]) == 0
    assert main([url, "t", "--timeout", "50ms", "--count", "1"]) == 1


def test_sub_goes_on_where_it_was(
    url: str, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was printed by the end of a batch does not come again."""
    file = str(tmp_path / "places.json")
    argv = [url, "t", "--since", "earliest", "--positions", file, "--timeout", "200ms"]
    assert main(argv) == 0
    assert main(argv) == 0
    assert capsys.readouterr().out == "t 1 1\nt 2 2\nt 3 3\n"
    subscribes = [each for each in hub.commands if each["type"] == "subscribe"]
    assert [each["since"] for each in subscribes] == [
        "earliest",
        {"epoch": "e", "seq": 3, "tag": format_tag(TAGS[3])},
    ]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)]
)
def test_sub_ends_cleanly_on_a_signal(
    url: str,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
    number: int,
    code: int,
) -> None:
    """With its statistics, and a close for the hub."""
    hub.then = lambda _: os.kill(os.getpid(), number)
    assert main([url, "t"]) == code
    assert "wavetank sub: connections 1" in capsys.readouterr().err


def test_sub_tells_what_the_hub_refuses(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is a failure."""
    assert main([url, "t", "forbidden"]) == 1
    assert "wavetank sub: forbidden: not yours" in capsys.readouterr().err


def test_sub_tells_that_the_hub_is_final(
    url: str, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as rights that are gone altogether."""
    hub.then = lambda socket: socket.close(4003, "forbidden")
    assert main([url, "t"]) == 1
    printed = capsys.readouterr()
    assert "# stale: disconnected" in printed.out
    assert "(4003)" in printed.err


def test_sub_ends_with_4_where_there_is_no_hub(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only if it was told how long to wait for one."""
    with pytest.raises(TargetError, match="no connection within"):
        main(["ws://127.0.0.1:1/ws", "t", "--ready-timeout", "20ms"])
    assert "connections 0" in capsys.readouterr().err


def test_sub_gives_up_after_so_many_retries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also while it waits to be ready."""
    argv = ["ws://127.0.0.1:1/ws", "t", "--max-retries", "1", "--retry-delay", "1ms"]
    assert main(argv) == 1
    assert main([*argv, "--ready-timeout", "10s"]) == 1
    assert "gave up after 2 attempts" in capsys.readouterr().err


def test_sub_leaves_a_broken_pipe_to_the_command_line(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wavetank` itself is quiet about it; nothing else keeps running."""

    class Broken:
        def write(self, _: bytes) -> None:
            raise BrokenPipeError

    class Out:
        buffer = Broken()

    monkeypatch.setattr("sys.stdout", Out())
    with pytest.raises(BrokenPipeError):
        main([url, "t", "--since", "earliest"])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["ws://a/ws"], "which topic"),
        (["ws://a/ws", "a..b"], "an empty segment"),
        (["ws://a/ws", "a.*", "--since", "e:1"], "topics with their positions"),
        (["ws://a/ws", "t", "t"], "t: twice"),
        (["ws://a/ws", "t", "--since", "x"], "--since: 'x' is neither"),
        (["http://a/ws", "t"], "begins with ws"),
        (["ws://a/ws", "t", "--jsn"], "did you mean --json"),
    ],
)
def test_sub_refuses_what_it_cannot_do(
    argv: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is opened."""
    for name in [name for name in os.environ if name.startswith("WAVETANK")]:
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=words):
        main(argv)


def test_sub_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Options, environment and exit codes."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--positions" in text
    assert "SYSTEM__WEBSOCKET_DASHBOARD_URL" in text
    assert "--ready-timeout" in text
