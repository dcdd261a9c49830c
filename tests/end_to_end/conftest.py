"""Runs of the command line as a user starts them."""

import itertools
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from wavetank.lab.isolation import why_not

from .hub.process import HubProcess, clean_environ

EXAMPLE = Path(__file__).parents[2] / "examples" / "echo_server.py"
DEADLINE = 280.0
"""Seconds that a run may take before a test gives it up; none waits so long. Runs of
all suites take one minute where nothing else runs, and two where much does."""
ENDING = 30.0
"""Seconds that a run has for its end where a test has given it up."""
LOOKS = 5
"""How often a check is run at most of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended: its exit code, what it printed, and its folder.

    Attributes:
        before: What is known from earlier looks, by check.
    """

    code: int
    printed: str
    folder: Path | None
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """The run's test_summary.json."""
        assert self.folder is not None, self.printed
        return json.loads((self.folder / "test_summary.json").read_text())

    def verdicts(self) -> dict[str, str]:
        """Verdict of each check, by ``suite.check``."""
        return dict(self.before) | {
            f"{suite}.{name}": check["verdict"]
            for suite, one in self.summary["suites"].items()
            for name, check in one["checks"].items()
        }


Start = Callable[..., "subprocess.Popen[str]"]
Run = Callable[..., Ended]


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment of a user who has set nothing of ours."""
    return clean_environ()


@pytest.fixture
def start(tmp_path: Path, environ: dict[str, str]) -> Iterator[Start]:
    """Start ``wavetank …`` in an empty folder; it ends with the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "wavetank", *arguments],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            # Asked to end, it ends the target that it has started, too.
            process.terminate()
            try:
                process.communicate(timeout=ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def run(start: Start, tmp_path: Path) -> Run:
    """Run ``wavetank run …`` to its end."""

    def run(*arguments: str, output: str = "results") -> Ended:
        process = start("run", "--output", output, *arguments)
        printed, _ = process.communicate(timeout=DEADLINE)
        folders = sorted((tmp_path / output).glob("*"))
        return Ended(process.returncode, printed, folders[-1] if folders else None)

    return run


@pytest.fixture
def prove(run: Run) -> Run:
    """Run ``wavetank run …``, and again the checks that came to UNKNOWN.

    A lab that stood still knows nothing, and says so; a PASS or FAIL stays.
    """

    def prove(*arguments: str, output: str = "results") -> Ended:
        selected = list(itertools.takewhile(lambda word: word[:1] != "-", arguments))
        options = arguments[len(selected) :]
        ended = run(*arguments, output=output)
        for look in range(1, LOOKS):
            known = ended.verdicts()
            unknown = [check for check, word in known.items() if word == "UNKNOWN"]
            if not unknown:
                break
            again = run(*unknown, *options, output=f"{output}-{look}")
            has_failed = "FAIL" in known.values()
            ended = replace(
                again,
                code=ended.code if has_failed else again.code,
                printed=ended.printed + again.printed,
                before=known,
            )
        return ended

    return prove


@pytest.fixture(scope="session")
def not_here() -> frozenset[str]:
    """Checks that this machine does not permit: they have to be SKIP, no others."""
    isolated = {"fault_tolerance.true_partition", "fault_tolerance.full_disk"}
    return frozenset(isolated if why_not() else ())


@pytest.fixture
def python() -> str:
    """This interpreter, as a word of a command line."""
    return shlex.quote(sys.executable)


@pytest.fixture
def wreck(python: str) -> Callable[..., str]:
    """The command that serves a wreck, with TLS and options of its own."""

    def command(name: str, *options: str) -> str:
        return (
            f"{python} -m wavetank wreck {name} --port {{port}} "
            "--tls-port {tls_port} --cert {cert} --key {key} " + shlex.join(options)
        )

    return command


@pytest.fixture
def echo(python: str) -> str:
    """The command that serves an echo on websockets."""
    return f"{python} {shlex.quote(str(EXAMPLE))} {{port}}"


MakeHub = Callable[..., HubProcess]


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[MakeHub]:
    """Make a hub in a process of its own; it is not started yet."""
    hubs: list[HubProcess] = []

    def make(*flags: str, is_durable: bool = True) -> HubProcess:
        folder = tmp_path / f"hub-{len(hubs)}"
        folder.mkdir()
        hubs.append(HubProcess(folder, *flags, is_durable=is_durable))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.close()


@pytest.fixture
def hub(make_hub: MakeHub) -> MakeHub:
    """Start a hub, and wait until it listens: for clients that block."""

    def start(*flags: str, is_durable: bool = False) -> HubProcess:
        started = make_hub(*flags, is_durable=is_durable)
        started.start_now()
        return started

    return start
