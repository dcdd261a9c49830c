"""``wavetank conform``: from a URL and groups of cases to verdicts and an exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wavetank.cli import conform as module
from wavetank.cli.conform import main
from wavetank.cli.main import COMMANDS
from wavetank.errors import ExitCode, UsageError
from wavetank.lab.catalogue import catalogue
from wavetank.net import held_ports

WRECK = "{python} -m wavetank wreck %s --port {port}"


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Work in an empty folder and in the environment of a user who has set nothing."""
    for name in os.environ:
        # Pytest sets and removes one of its own around every test.
        if (
            name.startswith(("WAVETANK_", "RUN_", "WEBSOCKET_", "COVERAGE_", "PYTEST_"))
            and name != "PYTEST_CURRENT_TEST"
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    ports = held_ports()
    yield tmp_path
    assert held_ports() == ports


@pytest.fixture(scope="module")
def sound() -> Iterator[str]:
    """The URL of an echo that nothing is wrong with, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "wavetank", "wreck", "sound"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().split()[-1]
        yield url.removesuffix("/ws") + "/echo"
        process.terminate()


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, list[str]]]:
    """Note what would be proved, and prove nothing."""
    noted: list[tuple[Any, list[str]]] = []

    def note(flags: Mapping[str, object], *, names: Sequence[str]) -> int:
        noted.append((flags["target"], list(names)))
        return ExitCode.PASS

    monkeypatch.setattr(module, "prove", note)
    return noted


def summary() -> dict[str, Any]:
    """Return what the one results folder says."""
    (file,) = Path("results").glob("*/test_summary.json")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_a_group_that_passes_ends_in_0(
    sound: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cases, and no others, are played on the server at the URL."""
    assert main([sound, "pings", "--dialect", "echo"]) == ExitCode.PASS
    assert list(summary()["suites"]["conformance"]["checks"]) == ["pings"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"target   {sound}"
    assert any(line.startswith("PASS     conformance.pings") for line in printed)


def test_a_group_that_fails_ends_in_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Each broken case has its number, its rule, and what was seen."""
    serve = WRECK % "reserved-bits-ignored"
    assert main(["reserved", "--serve", serve, "--dialect", "hub"]) == ExitCode.FAIL
    printed = capsys.readouterr().out
    assert "FAIL     conformance.reserved: 3." in printed
    assert "rule: RFC 6455 5.2 (MUST)" in printed
    assert summary()["verdict"] == "FAIL"


def test_cases_that_a_server_cannot_show_are_never_passed(sound: str) -> None:
    """Without an echo all of the group is SKIP, and nothing is known: exit code 3."""
    assert main([sound, "framing", "--dialect", "bare"]) == ExitCode.UNKNOWN
    told = summary()
    assert told["verdict"] == "UNKNOWN"
    assert told["counts"].get("PASS", 0) == 0


@pytest.mark.parametrize(
    ("argv", "target", "names"),
    [
        ([], None, ["conformance"]),
        (["ws://a/"], "ws://a/", ["conformance"]),
        (["--target", "ws://a/"], "ws://a/", ["conformance"]),
        (["unicode"], None, ["conformance.unicode"]),
        (
            ["wss://a/", "unicode", "--seed", "7", "pings"],
            "wss://a/",
            ["conformance.unicode", "conformance.pings"],
        ),
    ],
)
def test_words_are_a_url_and_groups(
    proved: list[tuple[Any, list[str]]],
    argv: list[str],
    target: str | None,
    names: list[str],
) -> None:
    """Both may be left out; options stand wherever somebody puts them."""
    assert main(argv) == ExitCode.PASS
    assert proved == [(target, names)]


@pytest.mark.parametrize(
    ("argv", "problems"),
    [
        (
            ["ws://a/", "unicod", "pongs"],
            [
                "there is no group of cases 'unicod'; did you mean unicode?",
                "there is no group of cases 'pongs'; did you mean pings?",
            ],
        ),
        (["unicode", "ws://a/"], ["there is no group of cases 'ws://a/'"]),
        (
            # One of them was left out of account once, and nobody told which.
            ["ws://a/", "x", "--target", "ws://b/"],
            [
                "the URL and --target: give one of the two",
                "there is no group of cases 'x'",
            ],
        ),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    proved: list[tuple[Any, list[str]]], argv: list[str], problems: list[str]
) -> None:
    """All at once, with the nearest group where there is one."""
    with pytest.raises(UsageError) as caught:
        main(argv)
    assert list(caught.value.problems) == problems
    assert not proved


def test_mistakes_in_options_are_those_of_a_run() -> None:
    """There is nothing of its own to be learnt."""
    with pytest.raises(UsageError, match="did you mean --max-clients"):
        main(["ws://127.0.0.1:9", "--max-client", "7"])
    with pytest.raises(UsageError, match="not a WebSocket URL"):
        main(["http://127.0.0.1:9", "pings"])
    assert not Path("results").exists()


def test_the_help_shows_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    """With its sentence, as it can be typed."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    for group in catalogue()["conformance"].values():
        assert any(
            line.split() == [group.name, *group.title.split()] for line in printed
        )
    assert "conform" in COMMANDS
