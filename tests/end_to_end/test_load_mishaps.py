"""`wavetank load` where something beside its target goes wrong: trust, disk, itself."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from wavetank.errors import ExitCode
from wavetank.net import ThrowAwayAuthority, find_dynamic_port, release_port

from .conftest import DEADLINE, Ended, Start
from .limited import with_room_for

pytestmark = pytest.mark.long

BRIEFLY = ("--users", "10", "--rate", "50", "--duration", "1s", "--workers", "1")


def ended(process: "subprocess.Popen[str]", folder: Path) -> Ended:
    """Wait for the end of a load."""
    printed, _ = process.communicate(timeout=DEADLINE)
    folders = sorted(folder.glob("results/*"))
    return Ended(process.returncode, printed, folders[-1] if folders else None)


def family_at(process: "subprocess.Popen[str]", words: str) -> list[psutil.Process]:
    """Return the processes below one, once it prints a line that begins so."""
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        if line.startswith(words):
            return psutil.Process(process.pid).children(recursive=True)
        printed.append(line)
    process.communicate(timeout=DEADLINE)
    raise AssertionError(f"it never printed {words}: {''.join(printed)}")


def operations(load: Ended) -> dict[str, dict[str, int]]:
    """Return what each operation of a load was counted to be."""
    (one,) = load.summary["suites"]["load"]["checks"]["plan"]["loads"]
    return {each["operation"]: each["counts"] for each in one["operations"]}


# Trust


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[ThrowAwayAuthority]:
    """Who is trusted where somebody is told to."""
    with ThrowAwayAuthority(directory=tmp_path) as made:
        yield made


@pytest.fixture
def secure(authority: ThrowAwayAuthority) -> Iterator[str]:
    """The address of the sound wreck's TLS listener, without a path."""
    port, credentials = find_dynamic_port(), authority.certificate()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "wavetank", "wreck", "sound"),
            *("--port", "0", "--tls-port", str(port)),
            *("--cert", str(credentials.certificate)),
            *("--key", str(credentials.key)),
        ],
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"wss://localhost:{port}"
        server.terminate()
    release_port(port)


@pytest.mark.parametrize("is_told_whom", [True, False])
@pytest.mark.parametrize(
    ("dialect", "path", "came"),
    [
        ("echo", "/echo", {"request": 50}),
        ("hub", "/ws", {"publish": 50, "deliver": 500}),
    ],
)
def test_a_load_goes_through_tls(
    start: Start,
    tmp_path: Path,
    authority: ThrowAwayAuthority,
    secure: str,
    *,
    is_told_whom: bool,
    dialect: str,
    path: str,
    came: dict[str, int],
) -> None:
    """By the authority that it is told to trust, or without asking for any."""
    trust = ("--ca", str(authority.ca)) if is_told_whom else ("--insecure",)
    process = start(
        *("load", secure + path, "--dialect", dialect),
        *("--output", "results", *trust, *BRIEFLY),
    )
    result = ended(process, tmp_path)
    counts = operations(result)
    assert all(counts[name]["received"] for name in came)
    assert all(counts[name].get("lost", 0) == 0 for name in came)
    # On a machine that is busy with other things the generator doubts itself.
    if result.code != ExitCode.UNKNOWN:
        assert result.code == ExitCode.PASS, result.printed
        assert {name: counts[name]["received"] for name in came} == came


def test_a_load_trusts_nobody_whom_it_was_not_told_to_trust(
    start: Start, tmp_path: Path, secure: str
) -> None:
    """The target never becomes ready, and it is said why."""
    process = start(
        *("load", f"{secure}/echo", "--dialect", "echo", *BRIEFLY),
        *("--output", "results", "--ready-timeout", "0.5"),
    )
    result = ended(process, tmp_path)
    assert result.code == ExitCode.NOT_READY
    assert "is not trusted" in result.printed


# The disk


@pytest.mark.parametrize("room", [4000, 20_000])
def test_a_disk_that_is_full_ends_a_load_with_one_sentence(
    environ: dict[str, str], start: Start, tmp_path: Path, echo: str, room: int
) -> None:
    """In the middle of it, and in its reports: workers end, what was done is told.

    No report is left that is cut: its first line would say PASS.
    """
    load = subprocess.Popen(
        with_room_for(
            room,
            *("load", "--output", "results", "--dialect", "echo", "--serve", echo),
            *("--users", "20", "--rate", "500", "--duration", "4s", "--workers", "1"),
        ),
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    family = family_at(load, "1 s of")
    _, said = load.communicate(timeout=DEADLINE)
    assert load.returncode == ExitCode.UNKNOWN
    (sentence,) = said.splitlines()
    assert sentence.startswith("wavetank load: File too large; make room, and")
    _, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert alive == []
    (folder,) = tmp_path.glob("results/*")
    assert all(file.stat().st_size < room for file in folder.glob("*.*ml"))
    # Once there is room again.
    again = ended(start("report", str(folder)), tmp_path)
    assert "request.request: 500/s" in again.printed


# The process itself


@pytest.mark.parametrize("seconds", [3.0, 15.0])
def test_a_load_whose_coordinator_stood_still_is_right_or_unknown(
    start: Start, tmp_path: Path, echo: str, seconds: float
) -> None:
    """Workers go on while the user thinks about it (Ctrl-Z), and are heard later.

    Beyond each deadline, too: all that they said in time is there to be read.
    """
    process = start(
        *("load", "--output", "results", "--dialect", "echo", "--serve", echo),
        *("--users", "20", "--rate", "500", "--duration", "3s", "--workers", "2"),
    )
    family_at(process, "1 s of")
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):  # what is waited for is time itself
        process.wait(seconds)
    process.send_signal(signal.SIGCONT)
    result = ended(process, tmp_path)
    assert "was lost" not in result.printed
    if result.code != ExitCode.UNKNOWN:
        assert result.code == ExitCode.PASS, result.printed
        counts = operations(result)["request"]
        assert counts["intended"] == counts["sent"] == counts["received"] == 1500
        assert counts.get("lost", 0) == 0
