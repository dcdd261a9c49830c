"""`wavetank load` on servers whose behaviour under load is known beforehand."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from wavetank.errors import ExitCode

from .conftest import Ended, Start

pytestmark = [pytest.mark.long, pytest.mark.hasty]

SERVER = Path(__file__).parent / "servers" / "under_load.py"
DEADLINE = 120.0

Load = Callable[..., Ended]


def serving(*options: str) -> str:
    """Return the command line that starts the server."""
    words = [sys.executable, str(SERVER), "--port", "{port}", *options]
    return shlex.join(words).replace("'{port}'", "{port}")


def ended(process: "subprocess.Popen[str]", folder: Path) -> Ended:
    """Wait for the end of a load."""
    printed, _ = process.communicate(timeout=DEADLINE)
    folders = sorted(folder.glob("results/*"))
    return Ended(process.returncode, printed, folders[-1] if folders else None)


@pytest.fixture
def load(start: Start, tmp_path: Path) -> Load:
    """Run ``wavetank load …`` to its end."""

    def load(*arguments: str) -> Ended:
        return ended(start("load", "--output", "results", *arguments), tmp_path)

    return load


def of(load: Ended, operation: str) -> dict[str, Any]:
    """Return what an operation of a load came to."""
    check = load.summary["suites"]["load"]["checks"]["plan"]
    for one in check["loads"][0]["operations"]:
        if one["operation"] == operation:
            return dict(one)
    raise AssertionError(f"no {operation} in {check['loads']}")


STALL = ("--stall-at", "1000", "--stall", "2")
ECHO = ("--dialect", "echo", "--scenario", "request", "--users", "20")


def test_a_load_shows_a_stall_of_two_seconds_as_its_users_see_it(load: Load) -> None:
    """The open model: who came in these two seconds waited for the rest of them.

    500 messages a second for 8 seconds; those intended while the server stood still
    wait from 2 s down to nothing, at equal distances. So a thousandth of the 4,000
    waited longer than 2 s less a thousandth of 8 s. In the closed model of the same
    server only the 20 waited that were under way: it is proud of its p99.9.
    """
    server = serving(*STALL)
    opened = load(*ECHO, "--serve", server, "--rate", "500", "--duration", "8s")
    closed = load(*ECHO, "--serve", server, "--arrivals", "closed", "--duration", "8s")
    assert opened.code == closed.code == ExitCode.PASS, opened.printed + closed.printed
    response = of(opened, "request")["response"]
    assert response["p999"] == pytest.approx(2 - 0.001 * 8, rel=0.05)
    assert response["p99"] == pytest.approx(2 - 0.01 * 8, rel=0.05)
    assert response["max"] == pytest.approx(2, rel=0.05)
    of_closed = of(closed, "request")["response"]
    assert of_closed["max"] == pytest.approx(2, rel=0.05)
    assert of_closed["p999"] < response["p999"] / 4
    assert "no schedule" in closed.printed + str(closed.summary)


BROADCAST = (
    *("--dialect", "bare", "--scenario", "publish", "--publish-path", "/pub"),
    *("--users", "100", "--workers", "1"),
)


@pytest.mark.parametrize(
    ("wrong", "counted"),
    [
        (("--lose", "70000"), "lost"),
        (("--repeat", "70000"), "duplicated"),
        (("--swap", "70000"), "reordered"),
    ],
)
def test_one_message_in_ten_million_is_found(
    load: Load, wrong: tuple[str, str], counted: str
) -> None:
    """A hundred subscribers get 100,000 messages each, and one of them one wrong."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER), *wrong], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        result = load(
            *BROADCAST,
            *("--target", f"ws://127.0.0.1:{port}/sub"),
            *("--rate", "4000", "--duration", "25s", "--drain", "20s"),
        )
    finally:
        server.kill()
        server.communicate()
    assert result.code == ExitCode.FAIL, result.printed
    counts = of(result, "deliver")["counts"]
    found = {name: counts.get(name, 0) for name in ("lost", "duplicated", "reordered")}
    assert found == {"lost": 0, "duplicated": 0, "reordered": 0} | {counted: 1}
    lost = counted == "lost"
    assert counts["received"] == 10_000_000 - lost


def test_a_generator_that_is_too_slow_is_unknown_and_not_a_slow_target(
    load: Load,
) -> None:
    """Two million messages a second are beyond one worker, whatever the target does."""
    result = load(
        *("--dialect", "echo", "--scenario", "request", "--users", "20"),
        *("--serve", serving(), "--workers", "1", "--in-flight", "100"),
        *("--rate", "2000000", "--duration", "4s", "--threshold", "p99 < 100ms"),
        *("--threshold", "rate >= 2000000/s"),
    )
    assert result.code == ExitCode.UNKNOWN, result.printed
    assert "generator" in str(result.summary)


def _workers(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "wavetank.load.engine.worker" in " ".join(child.cmdline())
    ]


def test_a_killed_worker_makes_the_load_unknown(start: Start, tmp_path: Path) -> None:
    """Nobody knows what its users have seen."""
    arguments = (*ECHO, "--rate", "500", "--duration", "5s", "--workers", "2")
    process = start("load", "--output", "results", "--serve", serving(), *arguments)
    deadline = time.monotonic() + DEADLINE
    while len(workers := _workers(process)) < 2 and time.monotonic() < deadline:
        os.sched_yield()
    psutil.Process(workers[0].pid).send_signal(signal.SIGKILL)
    result = ended(process, tmp_path)
    assert result.code == ExitCode.UNKNOWN, result.printed
    assert "worker" in result.printed + str(result.summary)


def test_a_target_that_dies_in_the_middle_is_a_fail(load: Load) -> None:
    """And its figures are unknown from there on."""
    arguments = (*ECHO, "--rate", "500", "--duration", "6s")
    result = load("--serve", serving("--die-at", "1000"), *arguments)
    assert result.code == ExitCode.FAIL, result.printed
    assert "died by itself" in result.printed


def test_a_descriptor_limit_that_is_too_low_is_refused_before_the_start(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """One sentence, with the number to set."""
    words = [sys.executable, "-m", "wavetank", "load", *ECHO, "--users", "5000"]
    command = f"ulimit -n 256 && exec {shlex.join(words)} --target ws://127.0.0.1:9"
    refused = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert refused.returncode == ExitCode.USAGE, refused.stderr
    assert "ulimit -n" in refused.stderr
    assert not list(tmp_path.iterdir())
