"""``wavetank wreck``: names, the table, the ready line."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from wavetank import wrecks
from wavetank.cli.wreck import main
from wavetank.errors import UsageError
from wavetank.wrecks import ACCESS_WRECKS, WRECKS, SoundServer

EVERY = WRECKS | ACCESS_WRECKS


class Screen:
    """A standard output that ends the server at its first word."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Keep the text; at the end of a line, send SIGTERM to ourselves."""
        self.text += text
        if text == "\n":
            os.kill(os.getpid(), signal.SIGTERM)
        return len(text)

    def flush(self) -> None:
        """Do nothing."""


def test_list_names_every_wreck_with_its_check_and_fault(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line each, the sound one first."""
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(WRECKS) + 2
    assert lines[1].split() == ["sound", "-", "Nothing."]
    for line, (name, wreck) in zip(lines[2:], WRECKS.items(), strict=True):
        assert line.split(maxsplit=2) == [name, wreck.check, wreck.fault]


def test_wreck_prints_a_ready_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says who listens and where."""
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["late-pong"]) == 0
    assert re.fullmatch(r"late-pong listens on ws://127\.0\.0\.1:\d+/ws\n", screen.text)


def test_wreck_prints_its_tls_port_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a certificate there are two addresses."""
    issued = trustme.CA().issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    options = ["--tls-port", "0", "--cert", str(cert), "--key", str(key)]
    assert main(["sound", "--handshake-timeout", "3", *options]) == 0
    assert re.search(r"/ws and wss://localhost:\d+/ws\n$", screen.text)


def test_wreck_hands_its_options_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Logs in a file, times and a token go to whichever server it is."""
    made = []

    def run(server: SoundServer, *_: object, **__: object) -> int:
        made.append(server)
        return 0

    monkeypatch.setattr(wrecks, "run", run)
    for name in ("sound", *EVERY):
        options = ["--ping-interval", "3", "--pong-timeout", "4", "--token", "secret"]
        assert main([name, "--data", str(tmp_path / name), *options]) == 0
        made[-1].store.close()
        assert made[-1].liveness.interval == 3
        assert made[-1].liveness.timeout == 4
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"sound", *EVERY} - {"forgets-but-keeps-epoch"}


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["late-pomg"], "did you mean late-pong?"),
        ([], "which wreck?"),
        (["sound", "--tls-port", "0"], "go together"),
        (["sound", "--cert", "a.pem"], "go together"),
        (["--key", "a.pem"], "which wreck? see wavetank wreck --list\n--tls-port"),
    ],
)
def test_wreck_refuses_what_cannot_be(argv: list[str], problem: str) -> None:
    """Every problem is told at once, before anything listens."""
    with pytest.raises(UsageError, match=re.escape(problem)):
        main(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["sound", "--port", "70000"],
        ["sound", "--port", "many"],
        ["sound", "--handshake-timeout", "0"],
        ["sound", "--prot", "1"],
    ],
)
def test_wreck_refuses_an_option_that_is_none(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read ends with exit status 2."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: wavetank wreck" in capsys.readouterr().err


def test_wreck_runs_as_a_process_and_ends_on_sigterm() -> None:
    """The ready line comes at once through a pipe; SIGTERM ends it with 0."""
    code = "import sys; from wavetank.cli.wreck import main; sys.exit(main(['sound']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("sound listens on ws://")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
