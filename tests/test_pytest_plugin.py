"""The plugin: suites under pytest, and fixtures for somebody's own tests."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from wavetank.net import held_ports

ONLY_OURS = ("-p", "no:cacheprovider", "-p", "anyio", "-p", "wavetank.pytest_plugin")
SUITES = ("--pyargs", "wavetank.lab.suites")
SOUND = "{python} -m wavetank wreck sound --port {port}"

Prove = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def ports_are_let_go(
    nobodys_settings: Path, pytester: pytest.Pytester
) -> Iterator[None]:
    """Hold no more ports than before, once a test is over."""
    # The folder is pytester's: it moves there last.
    del nobodys_settings, pytester
    ports = held_ports()
    yield
    assert held_ports() == ports


@pytest.fixture
def prove(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Run pytest in this process with no plugins but those that are needed."""
    # Others' plugins would be imported, and rewritten, again and again.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def prove(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(
            *ONLY_OURS, *arguments, no_reraise_ctrlc=True
        )

    return prove


def results(pytester: pytest.Pytester) -> list[Path]:
    """Return the results folders there are."""
    return sorted((pytester.path / "results").glob("*"))


def summary(pytester: pytest.Pytester) -> dict[str, object]:
    """Return the summary in the only results folder."""
    (folder,) = results(pytester)
    read: dict[str, object] = json.loads((folder / "test_summary.json").read_text())
    return read


# The suites under pytest


def test_pytest_runs_the_suites_and_leaves_the_results(
    pytester: pytest.Pytester, sound: str
) -> None:
    """As installed: one argument names the suites, and the options are there."""
    done = pytester.runpytest_subprocess(
        *SUITES, "--target", sound, "-k", "websocket_v2_basic_connection"
    )
    assert done.ret == 0
    done.assert_outcomes(passed=1, deselected=len_of_catalogue() - 1)
    (folder,) = results(pytester)
    done.stdout.fnmatch_lines([f"wavetank: report in results/{folder.name}"])
    assert {path.name for path in folder.iterdir()} >= {
        *("journal.ndjson", "test_summary.json", "test_report.md"),
        *("report.html", "junit.xml", "basics.log"),
    }
    told = summary(pytester)
    assert told["verdict"] == "PASS"
    assert list(told["suites"]) == ["basics"]  # type: ignore[call-overload]


def len_of_catalogue() -> int:
    """Return how many checks there are."""
    from wavetank.lab.catalogue import catalogue

    return sum(map(len, catalogue().values()))


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        (("--serve", SOUND, "-k", "basic_connection"), 0, "PASS"),
        (
            (
                *("--serve", SOUND.replace("sound", "missing-key-accepted")),
                *("-k", "test_handshake"),
            ),
            1,
            "FAIL",
        ),
        (("--serve", SOUND, "-k", "nothing_is_called_so"), 3, "UNKNOWN"),
        (("--serve", SOUND, "-k", "ssl_connection"), 3, "SKIP"),
        (("--serve", "no-such-program"), 4, "UNKNOWN"),
    ],
)
def test_pytest_ends_with_the_exit_code_that_is_promised(
    pytester: pytest.Pytester,
    prove: Prove,
    arguments: tuple[str, ...],
    code: int,
    verdict: str,
) -> None:
    """The same ones as `wavetank run`, and the same report."""
    assert prove(*SUITES, *arguments).ret == code
    assert summary(pytester)["verdict"] in {verdict, "UNKNOWN" if code == 3 else ""}


def test_pytest_takes_the_catalogue_s_files_and_every_kind_of_option(
    pytester: pytest.Pytester, prove: Prove, sound: str
) -> None:
    """Flags and their opposites, repeated options, other names."""
    done = prove(
        *SUITES,
        *("--external-server", sound, "--test-file", "test_basic_connection.py"),
        *("--header", "X-A: one-secret", "--header", "X-B: two-secret"),
        *("--no-dynamic-ports", "--with-ssl", "--full", "--no-fail-fast"),
    )
    assert done.ret == 0
    (folder,) = results(pytester)
    assert folder.name.startswith("basics_")
    options = summary(pytester)["options"]
    assert isinstance(options, dict)
    assert options["header"] == "***"
    assert options["full"] == "true"
    assert (options["no-ssl"], options["dynamic-ports"]) == ("false", "false")
    assert "secret" not in (folder / "journal.ndjson").read_text()


def test_pytest_takes_settings_from_file_and_environment(
    pytester: pytest.Pytester, prove: Prove, monkeypatch: pytest.MonkeyPatch, sound: str
) -> None:
    """Also where the suites are named in PYTEST_ADDOPTS; the hub's are not ours."""
    (pytester.path / "wavetank.toml").write_text(f"[run]\ntarget = '{sound}'\n")
    monkeypatch.setenv("WAVETANK_OUTPUT", "elsewhere")
    monkeypatch.setenv("WAVETANK_HUB_PING", "5s")
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(SUITES))
    assert prove("-k", "test_basic_connection").ret == 0
    assert not results(pytester)
    assert len(list((pytester.path / "elsewhere").iterdir())) == 1


def test_mistakes_are_told_at_once_and_nothing_is_run(
    pytester: pytest.Pytester, prove: Prove
) -> None:
    """In pytest's own way, whose code for it is 4."""
    done = prove(*SUITES, "--max-clients", "many", "--test-file", "test_zzz.py")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["ERROR: --max-clients: *'many'*", "ERROR: suite zzz: there is no such suite*"]
    )
    assert not results(pytester)


def test_an_expression_that_cannot_be_read_leaves_no_results(
    pytester: pytest.Pytester, prove: Prove
) -> None:
    """Nothing was started, so there is nothing to report."""
    done = prove(*SUITES, "--serve", SOUND, "-k", "one and")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert not results(pytester)


@pytest.mark.parametrize(
    "arguments", [("--collect-only", "-q"), ("--help",), ("--markers",)]
)
def test_looking_around_leaves_nothing_behind(
    pytester: pytest.Pytester, prove: Prove, arguments: tuple[str, ...]
) -> None:
    """Only a run has results."""
    done = prove(*SUITES, *arguments)
    assert done.ret == 0
    assert "report in" not in done.stdout.str()
    assert list(pytester.path.iterdir()) == []
    expected = {
        "--collect-only": "*test_basics.py::test_basic_connection",
        "--help": "*--i-own-this-target*",
        "--markers": "*wavetank_check(needs, polite, deadline)*",
    }
    done.stdout.fnmatch_lines([expected[arguments[0]]])


def test_processes_side_by_side_are_refused(
    pytester: pytest.Pytester, prove: Prove
) -> None:
    """They would share one target and one journal."""
    done = prove(*SUITES, "-p", "xdist.plugin", "-n", "2")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: run the suites of Wavetank without -n: *"])
    assert not results(pytester)


def test_another_plugin_with_the_same_option_is_told(
    pytester: pytest.Pytester, prove: Prove
) -> None:
    """With what to do about it, instead of with a traceback."""
    pytester.makepyfile(
        other="def pytest_addoption(parser): parser.addoption('--output')"
    )
    pytester.syspathinsert()
    done = prove(*SUITES, "-p", "other")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *--output*another plugin has this option*"])


# Somebody's own tests


def test_somebody_s_own_pytest_has_no_option_of_ours(
    pytester: pytest.Pytester,
) -> None:
    """As installed, in an empty folder: nobody meets a foreign `--target`."""
    done = pytester.runpytest_subprocess("--help")
    assert done.ret == 0
    assert "--target" not in done.stdout.str()
    assert "Wavetank" not in done.stdout.str()


def test_loading_the_plugin_loads_nothing_else_of_ours() -> None:
    """Every pytest of every user loads it."""
    code = (
        "import sys, wavetank.pytest_plugin\n"
        "print(sorted(name for name in sys.modules if name.startswith('wavetank')))\n"
        "print('msgspec' in sys.modules, 'websockets' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "['wavetank', 'wavetank.pytest_plugin']",
        "False False",
    ]


OWN = """
from pathlib import Path

import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_one(target, peer):
    Path("pid").write_text(str(target.process.pid))
    conversation = await peer.open_to_itself()
    assert (await conversation.round_trip("1")).payload == "1"
    await peer.rude()

async def test_two(target, peer, free_port):
    assert Path("pid").read_text() == str(target.process.pid)
    assert peer.target is target
    assert peer.check == "two"

async def test_three(target, chaos):
    conversation = await chaos.peers.open_to_itself()
    assert (await conversation.round_trip("1")).payload == "1"
    assert chaos.cut() == 1
    await chaos.kill()
    await chaos.restart()
    Path("pid").write_text(str(target.process.pid))
"""


INSTANCES = """
from pathlib import Path

import pytest

from wavetank.lab.instances import rolling_restart

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_roll(target, instances):
    async with instances(1) as (first,), instances(1) as (second,):
        urls = {target.url, first.target.url, second.target.url}
        assert len(urls) == 3
        pids = [first.target.process.pid, second.target.process.pid]
        await rolling_restart([first.chaos])
        await (await first.peers.open()).ping()
        pids.append(first.target.process.pid)
    Path("pids").write_text(" ".join(map(str, pids)))
"""


def test_own_tests_have_more_targets_of_the_same_command(
    pytester: pytest.Pytester, prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each on its own port, beside the run's; they end with their block."""
    monkeypatch.setenv("WAVETANK_SERVE", SOUND)
    pytester.makepyfile(INSTANCES)
    prove().assert_outcomes(passed=1)
    pids = (pytester.path / "pids").read_text().split()
    assert len(set(pids)) == 3
    assert not any(psutil.pid_exists(int(pid)) for pid in pids)


def test_own_tests_share_a_target_that_is_ended_with_them(
    pytester: pytest.Pytester,
    prove: Prove,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is started once, as the environment says; no results are left."""
    monkeypatch.setenv("WAVETANK_SERVE", SOUND)
    monkeypatch.setenv("WAVETANK_HUB_PING", "5s")
    before = signal.getsignal(signal.SIGTERM)
    pytester.makepyfile(OWN)
    prove().assert_outcomes(passed=3)
    assert not psutil.pid_exists(int((pytester.path / "pid").read_text()))
    assert not results(pytester)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_own_tests_that_are_interrupted_end_their_target(
    pytester: pytest.Pytester,
    prove: Prove,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    """The first Ctrl-C counts: nobody of ours is looking in between."""
    monkeypatch.setenv("WAVETANK_SERVE", SOUND)
    pytester.makepyfile(
        f"""
        import os
        from pathlib import Path

        def test_one(target):
            Path("pid").write_text(str(target.process.pid))
            os.kill(os.getpid(), {int(number)})

        def test_two(target):
            pass
        """
    )
    done = prove()
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert "2 passed" not in done.stdout.str()
    assert not psutil.pid_exists(int((pytester.path / "pid").read_text()))


def test_own_tests_without_a_target_that_gets_ready_say_why(
    pytester: pytest.Pytester, prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of each test, and nothing is left."""
    monkeypatch.setenv("WAVETANK_SERVE", "no-such-program")
    pytester.makepyfile("def test_one(target): pass")
    done = prove()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*TargetError: cannot start `no-such-program`*"])


def test_a_free_port_can_be_bound_by_anybody_while_the_test_runs(
    pytester: pytest.Pytester, prove: Prove
) -> None:
    """By a server that sets no option, too; one after the other is another one."""
    pytester.makepyfile(
        """
        import socket
        from wavetank.net import held_ports

        def test_one(free_port):
            with socket.socket() as server:
                server.bind(("127.0.0.1", free_port))
                server.listen()
            assert free_port in held_ports()

        def test_two():
            assert not held_ports()
        """
    )
    prove().assert_outcomes(passed=2)
