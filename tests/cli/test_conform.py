"""``wavetank conform``: from a URL and groups of cases to verdicts and an exit code."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wavetank.cli import conform as module
from wavetank.cli.conform import main
from wavetank.cli.main import COMMANDS
from wavetank.errors import ExitCode, UsageError
from wavetank.lab.catalogue import catalogue
from wavetank.lab.conformance.aio.clients import ClientRun
from wavetank.lab.conformance.clients import GROUPS
from wavetank.net import held_ports

WRECK = "{python} -m wavetank wreck %s --port {port}"


@pytest.fixture(autouse=True)
def ports_are_let_go(nobodys_settings: Path) -> Iterator[None]:
    """Hold no more ports than before, once a test is over."""
    ports = held_ports()
    yield
    assert held_ports() == ports


@pytest.fixture
def echo(sound: str) -> str:
    """The URL of an echo that nothing is wrong with."""
    return sound.removesuffix("/ws") + "/echo"


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, list[str]]]:
    """Note what would be proved, and prove nothing."""
    noted: list[tuple[Any, list[str]]] = []

    def note(
        flags: Mapping[str, object], *, names: Sequence[str], is_autobahn: bool
    ) -> int:
        noted.append((flags["target"], list(names)))
        assert not is_autobahn
        return ExitCode.PASS

    monkeypatch.setattr(module, "prove", note)
    return noted


def summary() -> dict[str, Any]:
    """Return what the one results folder says."""
    (file,) = Path("results").glob("*/test_summary.json")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_a_group_that_passes_ends_in_0(
    echo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cases, and no others, are played on the server at the URL."""
    assert main([echo, "pings", "--dialect", "echo"]) == ExitCode.PASS
    assert list(summary()["suites"]["conformance"]["checks"]) == ["pings"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"target   {echo}"
    assert any(line.startswith("PASS     conformance.pings") for line in printed)


def test_a_group_that_fails_ends_in_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Each broken case has its number, its rule, and what was seen."""
    serve = WRECK % "reserved-bits-ignored"
    assert main(["reserved", "--serve", serve, "--dialect", "hub"]) == ExitCode.FAIL
    printed = capsys.readouterr().out
    assert "FAIL     conformance.reserved: 3." in printed
    assert "rule: RFC 6455 5.2 (MUST)" in printed
    assert summary()["verdict"] == "FAIL"


def test_cases_that_a_server_cannot_show_are_never_passed(echo: str) -> None:
    """Without an echo all of the group is SKIP, and nothing is known: exit code 3."""
    assert main([echo, "framing", "--dialect", "bare"]) == ExitCode.UNKNOWN
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
    rows = [line.split() for line in printed]
    for group in catalogue()["conformance"].values():
        assert [group.name, *group.title.split()] in rows
    for name, clients in GROUPS.items():
        assert [name, *clients.title.split()] in rows
    assert "client" in COMMANDS["conform"]


# Clients

CLIENT = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as connection:
    for message in connection:
        connection.send(message)
"""


@pytest.fixture
def client(nobodys_settings: Path) -> str:
    """The command of a client that echoes on one connection."""
    (nobodys_settings / "client.py").write_text(CLIENT)
    return "{python} client.py {url}"


def test_a_client_is_tested_and_reported(
    client: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the same words, and into the same files."""
    argv = ["--client", client, "pings", "--output", "there", "--format", "autobahn"]
    assert main(argv) == ExitCode.PASS
    (folder,) = Path("there").glob("clients_*")
    told = json.loads((folder / "test_summary.json").read_text())
    assert list(told["suites"]["clients"]["checks"]) == ["pings"]
    assert told["target"]["given"] == client
    assert (folder / "report.html").exists()
    (agent,) = json.loads((folder / "index.json").read_text()).values()
    assert agent["2.1"]["behavior"] == "OK"
    printed = capsys.readouterr().out
    assert printed.startswith(f"target   {client}\n")
    assert "PASS     clients.pings" in printed
    assert f"report   {folder}/report.html" in printed


def test_a_client_that_never_connects_ends_in_4(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With its last words."""
    argv = ["--client", "sh -c 'echo out of order' {url}", "pings"]
    assert main(argv) == ExitCode.NOT_READY
    captured = capsys.readouterr()
    assert "ended with status 0 before it connected" in captured.out
    assert "  out of order" in captured.err


def test_a_second_interruption_is_obeyed(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done until then is reported."""

    def interrupted(_: ClientRun) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ClientRun, "conform", interrupted)
    assert main(["--client", client, "pings"]) == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("argv", "groups"),
    [([], list(GROUPS)), (["unicode", "pings"], ["unicode", "pings"])],
)
def test_groups_of_a_client_may_be_named(
    client: str, monkeypatch: pytest.MonkeyPatch, argv: list[str], groups: list[str]
) -> None:
    """All where none is."""
    asked: list[object] = []

    def note(run: ClientRun) -> None:
        asked.extend(run._groups)

    monkeypatch.setattr(ClientRun, "conform", note)
    main(["--client", client, *argv])
    assert asked == [name for name in GROUPS if name in groups]


@pytest.mark.parametrize(
    ("argv", "problems"),
    [
        (
            ["--client", "c {url}", "ws://a/"],
            ["--client and a URL: give one of the two"],
        ),
        (
            ["--client", "c {url}", "--target", "ws://a/"],
            ["--client and a URL: give one of the two"],
        ),
        (
            ["--client", "c {url}", "--serve", "s {port}"],
            ["--client and --serve: give one of the two"],
        ),
        (
            ["--client", "c", "unicod", "--token", "t"],
            [
                "--client c: the client has to be told {url}, or {port}",
                "--token: says nothing about a client; leave it out",
                "there is no group of cases 'unicod'; did you mean unicode?",
            ],
        ),
        (["--client", "c {url}", "pongs"], ["there is no group of cases 'pongs'"]),
        (["--client", ""], ["--client: the command is empty"]),
        (
            ["--client", "c {url}", "performance"],
            ["the group of cases 'performance' is for servers alone"],
        ),
    ],
)
def test_mistakes_about_a_client_are_told_before_anything_starts(
    argv: list[str], problems: list[str]
) -> None:
    """All at once."""
    with pytest.raises(UsageError) as caught:
        main(argv)
    told = [
        problem.partition("; did you mean pings")[0]
        for problem in caught.value.problems
    ]
    assert told == problems
    assert not Path("results").exists()
