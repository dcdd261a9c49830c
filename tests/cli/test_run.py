"""``wavetank run``: from what was typed to files and an exit code."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from wavetank.cli import run as module
from wavetank.cli.run import main
from wavetank.errors import ExitCode, UsageError
from wavetank.evidence import read_journal
from wavetank.lab import folder
from wavetank.lab.catalogue import catalogue
from wavetank.lab.options import OPTIONS
from wavetank.lab.selection import select
from wavetank.net import held_ports

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

SOUND = "{python} -m wavetank wreck sound --port {port}"
ONE = ("basics.basic_connection", "--dialect", "hub", "--serve", SOUND)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def ports_are_let_go(nobodys_settings: Path) -> Iterator[None]:
    """Hold no more ports than before, once a test is over."""
    ports = held_ports()
    yield
    assert held_ports() == ports


@pytest.fixture
def results(tmp_path: Path) -> Callable[[], list[Path]]:
    """Return the results folders there are."""

    def look() -> list[Path]:
        return sorted((tmp_path / "results").glob("*"))

    return look


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``wavetank run …`` as a user does, in a process."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-m", "wavetank", "run", *arguments],
                env={**os.environ, "TMPDIR": str(scratch)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                **options,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start
    assert list(scratch.iterdir()) == [], "a temporary folder is left"


def summary_of(folder: Path) -> dict[str, Any]:
    """Return what a results folder's summary says."""
    read: dict[str, Any] = json.loads((folder / "test_summary.json").read_text())
    return read


# What comes of a run


def test_a_run_that_passes_leaves_its_results(
    results: Callable[[], list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Progress and verdict on the screen, files in a folder, exit code 0."""
    assert main(ONE) == ExitCode.PASS
    (folder,) = results()
    assert folder.name.startswith("basics_")
    assert {path.name for path in folder.iterdir()} >= {
        *("journal.ndjson", "test_summary.json", "test_report.md"),
        *("report.html", "junit.xml", "basics.log"),
    }
    told = summary_of(folder)
    assert told["verdict"] == "PASS"
    assert told["counts"]["PASS"] == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"target   {SOUND}"
    assert printed[1].startswith("ready    ws://127.0.0.1:")
    assert printed[2].startswith("PASS     basics.basic_connection")
    assert printed[-1] == f"report   results/{folder.name}/report.html"


def test_autobahns_index_is_written_where_it_is_asked_for(
    results: Callable[[], list[Path]],
) -> None:
    """Beside the other reports, for what reads Autobahn's."""
    flags = {option.name: None for option in OPTIONS}
    flags |= {"serve": SOUND, "dialect": "hub"}
    names = ["conformance.pings"]
    assert module.prove(flags, names=names, is_autobahn=True) == ExitCode.PASS
    (folder,) = results()
    (cases,) = json.loads((folder / "index.json").read_text()).values()
    assert {case["behavior"] for case in cases.values()} == {"OK"}
    assert (folder / cases["2.1"]["reportfile"]).is_file()


def test_a_run_that_fails_ends_in_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The finding is on the screen."""
    wreck = SOUND.replace("sound", "missing-key-accepted")
    assert main(["connectivity.handshake", "--serve", wreck]) == ExitCode.FAIL
    printed = capsys.readouterr().out
    assert "FAIL     connectivity.handshake: a handshake with no key" in printed


def test_a_target_that_is_not_ready_ends_in_4_with_its_last_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control characters in it do nothing to the terminal."""
    code = "print('\\x1b[31mno database'); raise SystemExit(1)"
    command = f"{{python}} -c {shlex.quote(code)}"
    assert main(["basics", "--serve", command]) == ExitCode.NOT_READY
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "the last that the target printed:",
        "  \\x1b[31mno database",
    ]
    assert "ended with status 1 before it was ready" in told.out


def test_a_target_that_printed_nothing_is_told_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of one that runs elsewhere nothing could be known."""
    assert main(["basics", "--serve", "no-such-program"]) == ExitCode.NOT_READY
    assert "the target printed nothing" in capsys.readouterr().err
    arguments = ["basics", "--target", "ws://127.0.0.1:9", "--ready-timeout", "0.1"]
    assert main(arguments) == ExitCode.NOT_READY
    assert capsys.readouterr().err == ""


def test_nothing_checked_ends_in_3_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Zero checks are never green, nor are skipped ones alone."""
    assert main([*ONE, "-k", "nothing_is_called_so"]) == ExitCode.UNKNOWN
    assert "-k nothing_is_called_so: no check of these suites matches" in (
        capsys.readouterr().err
    )
    skipped = ["basics.ssl_connection", "--serve", SOUND, "--no-ssl"]
    assert main(skipped) == ExitCode.UNKNOWN
    assert capsys.readouterr().err == ""


def test_checks_are_chosen_by_expression_and_by_file(
    results: Callable[[], list[Path]],
) -> None:
    """Both of a check's names are found; what is named runs, nothing else."""
    serve = ("--dialect", "hub", "--serve", SOUND)
    expression = "websocket_v2_initial_connection"
    file = "tests/integration/websocket/test_websocket_v2_core.py"
    assert main(["-k", expression, "--test-file", file, *serve]) == ExitCode.PASS
    told = summary_of(results()[0])
    assert list(told["suites"]["core"]["checks"]) == ["initial_connection"]


def test_failing_fast_stops_at_the_first_failure(
    results: Callable[[], list[Path]],
) -> None:
    """What did not run is listed."""
    wreck = SOUND.replace("sound", "missing-key-accepted")
    arguments = ["connectivity", "--serve", wreck, "--fail-fast"]
    assert main(arguments) == ExitCode.FAIL
    assert "connectivity.large_messages" in summary_of(results()[0])["not_run"]


def test_two_runs_in_one_second_have_two_folders(
    results: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side they do not write into each other's."""

    class Stopped:
        UTC = folder.datetime.UTC

        class datetime:
            @staticmethod
            def fromtimestamp(_: float, tz: Any) -> Any:
                return real.fromtimestamp(1_790_000_000.0, tz=tz)

    real = folder.datetime.datetime
    monkeypatch.setattr(folder, "datetime", Stopped)
    for _ in range(2):
        assert main(["basics", "--serve", "no-such-program"]) == ExitCode.NOT_READY
    first, second = results()
    assert second.name == f"{first.name}_2"


# Mistakes


def test_mistakes_are_raised_before_anything_starts(
    results: Callable[[], list[Path]],
) -> None:
    """An unknown option is told with the nearest, all others at once."""
    with pytest.raises(UsageError, match="did you mean --max-clients"):
        main(["--max-client", "7"])
    with pytest.raises(UsageError) as caught:
        main(["bassics", "--max-clients", "many", "--target", "http://a"])
    assert len(caught.value.problems) == 3
    assert not results()


def test_an_expression_that_cannot_be_read_ends_in_2(
    results: Callable[[], list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Pytest says what is wrong with it; nothing is started, no folder is left."""
    assert main([*ONE, "-k", "one and"]) == ExitCode.USAGE
    assert "Wrong expression passed to '-k': one and" in capfd.readouterr().err
    assert not results()


def test_the_list_shows_every_check_as_it_can_be_typed(
    capsys: pytest.CaptureFixture[str], results: Callable[[], list[Path]]
) -> None:
    """With its politeness, its needs and its sentence; nothing is run."""
    assert main(["--list"]) == ExitCode.PASS
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split(maxsplit=3) == [
        "suite.check",
        "remote",
        "needs",
        "what it proves",
    ]
    names = [row.split()[0] for row in rows[: rows.index("")]]
    expected = [
        f"{suite}.{name}" for suite, checks in catalogue().items() for name in checks
    ]
    assert names == expected
    problems: list[str] = []
    select(
        names, {suite: list(checks) for suite, checks in catalogue().items()}, problems
    )
    assert not problems
    (row,) = [row for row in rows if row.startswith("basics.ssl_connection")]
    assert row.split(maxsplit=3)[1:3] == ["yes", "tls"]
    assert not results()


# Whose settings count


def test_the_user_s_own_pytest_does_not_reach_the_suites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No configuration, no conftest, no variable and no plugin of theirs."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (tmp_path / "conftest.py").write_text("raise ZeroDivisionError('conftest')")
    (tmp_path / "theirs.py").write_text("raise ZeroDivisionError('plugin')")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    monkeypatch.setenv("PYTEST_PLUGINS", "theirs")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "")
    before = dict(os.environ)
    assert main(ONE) == ExitCode.PASS
    assert dict(os.environ) == before
    assert not list(tmp_path.glob(".pytest_cache"))


def test_a_target_sees_nothing_of_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some programs act differently when they believe to be tested."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-q")
    code = "import os; print(sorted(n for n in os.environ if 'PYTEST' in n))"
    command = f"{{python}} -c {shlex.quote(code)}"
    assert main(["basics", "--serve", command]) == ExitCode.NOT_READY
    (journal,) = tmp_path.glob("results/*/journal.ndjson")
    assert b'"output":["[]"]' in journal.read_bytes()


def test_the_hub_s_variables_are_nobody_s_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They may stay set while other targets are proved; a slip in them is told."""
    monkeypatch.setenv("WAVETANK_HUB_PING", "5s")
    monkeypatch.setenv("WAVETANK_OPERATOR_TOKEN", "t0ken")
    assert main(["basics", "--serve", "no-such-program"]) == ExitCode.NOT_READY
    monkeypatch.setenv("WAVETANK_HUB_PNG", "5s")
    with pytest.raises(UsageError, match="WAVETANK_HUB_PNG: unknown name; did you"):
        main(["basics", "--serve", "no-such-program"])


# Ends that nobody planned


def test_a_reader_of_the_screen_that_leaves_does_not_change_the_exit_code(
    start: Start, results: Callable[[], list[Path]]
) -> None:
    """`wavetank run | head -1` runs to its end, and its report is whole."""
    process = start(*ONE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("target ")
    process.stdout.close()
    assert process.wait(DEADLINE) == ExitCode.PASS
    assert summary_of(results()[0])["counts"]["PASS"] == 1


def test_a_screen_without_unicode_gets_what_it_can_show(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command or an answer may have letters that some terminals have not."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = start("basics", "--serve", "no-such-program-水")
    printed, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == ExitCode.NOT_READY
    assert printed.startswith("target   no-such-program-\\u6c34\n")


WAITING = """
import asyncio, os, signal, sys
from websockets.asyncio.server import serve

async def deaf(connection):
    if connection.request.path == "/":
        await connection.wait_closed()

async def main():
    async with serve(deaf, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_check_ends_in_130(
    start: Start,
    results: Callable[[], list[Path]],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """The target is ended, the report says what was done so far."""
    (tmp_path / "server.py").write_text(WAITING)
    process = start(
        *("basics.btc_price_update", "basics.load", "--dialect", "echo"),
        *("--serve", f"{shlex.quote(sys.executable)} server.py {{port}}"),
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("target ")
    assert process.stdout.readline().startswith("ready ")
    # The target, and the guard that would end it in our place.
    family = psutil.Process(process.pid).children()
    assert len(family) == 2
    process.send_signal(number)
    rest, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == ExitCode.INTERRUPTED, rest
    assert not any(one.is_running() for one in family)
    assert "interrupted" in rest
    told = summary_of(results()[0])
    assert told["interrupted"] is True
    assert "basics.load" in told["not_run"]
    read = read_journal((results()[0] / "journal.ndjson").read_bytes())
    assert not read.cut
    assert not read.problems


def test_a_second_interruption_in_the_middle_still_leaves_a_report(
    results: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not want to wait any more gets what there is."""

    def interrupted(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.pytest, "main", interrupted)
    assert main(ONE) == ExitCode.INTERRUPTED
    assert summary_of(results()[0])["interrupted"] is True
