"""``wavetank hub``: start the hub."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from wavetank.cli.hub import main
from wavetank.errors import UsageError
from wavetank.hub import HubConfig, Ports, aio


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[HubConfig]:
    """Catch what would be served."""
    found: list[HubConfig] = []

    def serve(config: HubConfig, announce: Any) -> int:
        found.append(config)
        announce(["ws://127.0.0.1:1/ws", "http://127.0.0.1:2"])
        return 7

    monkeypatch.setattr(aio, "serve", serve)
    for name in [name for name in os.environ if name.startswith("WAVETANK")]:
        monkeypatch.delenv(name)
    return found


def test_hub_is_served_as_the_flags_say(
    served: list[HubConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    """And announces where it listens, on one line."""
    assert main(["--port", "0", "--echo", "--topics", "unlimited", "--ping", "5s"]) == 7
    (config,) = served
    assert (config.ports, config.echo, config.ping) == (Ports(plain=0), True, 5.0)
    assert config.limits.topics is None
    assert capsys.readouterr().out == (
        "wavetank hub ready: ws://127.0.0.1:1/ws http://127.0.0.1:2\n"
    )


def test_hub_takes_tokens_from_the_environment(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that they need not stand in the list of processes; a flag wins."""
    monkeypatch.setenv("WAVETANK_TOKEN", "a,b")
    monkeypatch.setenv("WAVETANK_HUB_PING", "3s")
    main([])
    main(["--token", "c", "--token", "d"])
    assert [config.tokens for config in served] == [("a", "b"), ("c", "d")]
    assert served[0].ping == 3.0


def test_hub_minds_no_variables_of_other_commands(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab starts it with its own environment; a mistyped one of ours is told."""
    monkeypatch.setenv("WAVETANK_TARGET", "ws://somewhere")
    main([])
    monkeypatch.setenv("WAVETANK_HUB_PINGG", "3s")
    with pytest.raises(UsageError, match="WAVETANK_HUB_PINGG: unknown name"):
        main([])
    assert len(served) == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--prot", "1"], "did you mean --port"),
        (["--port", "x"], "--port: 'x' is not a whole number"),
        (["--data", "/tmp"], "the durable log is not there yet"),
        (["--host", "0.0.0.0"], "--allow-anonymous"),
    ],
)
def test_hub_refuses_what_it_cannot_do(
    served: list[HubConfig], argv: list[str], words: str
) -> None:
    """Nothing is served."""
    with pytest.raises(UsageError, match=words):
        main(argv)
    assert served == []


def test_hub_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Options, environment and exit codes."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--retention-age" in text
    assert "WAVETANK_TOKEN" in text
    assert "a port is taken" in text


def test_hub_runs_as_a_process() -> None:
    """Ready on its first line, gone cleanly on SIGTERM, silent about its token."""
    environment = os.environ | {"WAVETANK_TOKEN": "secret-token"}
    command = [sys.executable, "-m", "wavetank", "hub", "--port", "0"]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = process.stdout.readline()
        assert ready.startswith("wavetank hub ready: ws://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        logs = process.stderr.read()
        assert process.wait(timeout=20.0) == 0
    assert "listening" in logs
    assert "secret-token" not in logs
