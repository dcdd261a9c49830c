"""A load from two hosts: network namespaces, with clocks a day apart.

Each host has interfaces, addresses and a monotonic clock of its own. On the first there
are the scheduler, the hub and whoever asks for the load; workers are on both.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import DEADLINE
from .hub.process import clean_environ

pytestmark = pytest.mark.long

# Nobody else is in these networks, so addresses and ports can be given.
FIRST, SECOND = "10.77.0.1", "10.77.0.2"
SCHEDULER = f"tcp://{FIRST}:8786"
HUB = f"ws://{FIRST}:8080/"
A_DAY = 86_400

DASK = [sys.executable, "-m"]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Two hosts that are joined by a wire.

    Attributes:
        first: Name of the one.
        second: Name of the other, whose clock is a day ahead.
    """

    first: str
    second: str

    def on_first(self, *command: str) -> list[str]:
        """Return what runs a command on the first one."""
        return ["ip", "netns", "exec", self.first, *command]

    def on_second(self, *command: str) -> list[str]:
        """Return what runs a command on the second one."""
        clock = ["unshare", "--time", "--monotonic", str(A_DAY), "--fork"]
        return ["ip", "netns", "exec", self.second, *clock, "--kill-child", *command]


def ip(*words: str) -> None:
    """Change the network."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=DEADLINE)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Two hosts for one test; skipped where they cannot be had."""
    mark = secrets.token_hex(3)
    made = Hosts(f"wavetank-{mark}a", f"wavetank-{mark}b")
    names = (made.first, made.second)
    try:
        for name in names:
            ip("netns", "add", name)
        first, second = f"w{mark}a", f"w{mark}b"
        peer = ["type", "veth", "peer", "name", second, "netns", names[1]]
        ip("link", "add", first, "netns", names[0], *peer)
        for name, link, address in zip(
            names, (first, second), (FIRST, SECOND), strict=True
        ):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", link, "up")
        subprocess.run(
            made.on_second("true"), check=True, capture_output=True, timeout=DEADLINE
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not make network and time namespaces")
    else:
        yield made
    finally:
        if shutil.which("ip"):
            for name in names:
                subprocess.run(
                    ["ip", "netns", "del", name], check=False, capture_output=True
                )


@contextlib.contextmanager
def running(command: Sequence[str], ready: str, log: Path) -> Iterator[None]:
    """Keep a command running from its first word of being ready."""
    with (
        log.open("w") as said,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environ(),
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.write(line)
                if ready in line:
                    break
            else:
                said.flush()
                pytest.fail(f"{command} ended: {log.read_text()}")
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


@pytest.fixture
def cluster(hosts: Hosts, tmp_path: Path) -> Iterator[Hosts]:
    """The hosts, with a hub on the first, and a worker of dask's on each."""
    scheduler = [*DASK, "distributed.cli.dask_scheduler", "--no-dashboard"]
    scheduler += ["--host", FIRST, "--port", "8786"]
    hub = [*DASK, "wavetank", "hub", "--host", FIRST, "--port", "8080"]
    worker = [*DASK, "distributed.cli.dask_worker", SCHEDULER, "--nthreads", "1"]
    worker += ["--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path)]
    with contextlib.ExitStack() as stack:
        for name, command, ready in (
            ("scheduler", hosts.on_first(*scheduler), "Scheduler at:"),
            ("hub", hosts.on_first(*hub, "--allow-anonymous"), "listening"),
            ("first", hosts.on_first(*worker), "Registered to:"),
            ("second", hosts.on_second(*worker), "Registered to:"),
        ):
            stack.enter_context(running(command, ready, tmp_path / f"{name}.log"))
        yield hosts


def load(hosts: Hosts, folder: Path, *more: str) -> tuple[int, str]:
    """Put a load on the hub; return the exit code and what was printed."""
    command = hosts.on_first(
        *(sys.executable, "-m", "wavetank", "load", HUB, "--dialect", "hub"),
        *("--cluster", SCHEDULER, "--scenario", "publish", "--users", "4"),
        *("--publishers", "2", "--rate", "200", "--duration", "2s"),
        *("--threshold", "lost == 0", "--output", str(folder), *more),
    )
    ended = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=clean_environ(),
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_two_hosts_make_one_load_though_their_clocks_are_a_day_apart(
    cluster: Hosts, tmp_path: Path
) -> None:
    """Every delivery is accounted for, and its time is that of one common clock."""
    code, printed = load(cluster, tmp_path / "results", "--i-own-this-target")
    # On a machine that is busy with other things the generator doubts itself.
    assert code in {0, 3}, printed
    (journal,) = (tmp_path / "results").glob("*/journal.ndjson")
    text = journal.read_text()
    assert "the load came from 2 workers of the cluster" in text
    assert "publish.deliver: 800/s for 2.00 s, 1,600 received" in printed
    (summary,) = (tmp_path / "results").glob("*/test_summary.json")
    assert "was lost, and its part of the load" not in summary.read_text()
    times = _delivery_times(summary)
    assert times["count"] == 1600
    # A clock taken for another would be a day off, or clipped to nothing.
    assert 0 < times["p50"] < times["max"] < 60


def _delivery_times(summary: Path) -> dict[str, float]:
    said = json.loads(summary.read_text())
    check = said["suites"]["load"]["checks"]["plan"]
    times: dict[str, float] = check["latencies"]["publish deliver response time"]
    return times


def test_target_on_another_host_has_to_be_ours(cluster: Hosts, tmp_path: Path) -> None:
    """Nobody is loaded from a cluster by mistake."""
    code, printed = load(cluster, tmp_path / "results")
    assert code == 2
    assert "--i-own-this-target" in printed
    assert not (tmp_path / "results").exists()
