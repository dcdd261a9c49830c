"""What every test shares: the loop, a quiet environment, a note of how it came out."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test measures time: machines are shared, and examples are not remembered.
settings.register_profile(
    "wavetank",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("wavetank")

OURS = ("WAVETANK_", "RUN_", "WEBSOCKET_", "COVERAGE_", "PYTEST_")
"""How the names of variables begin that are settings of ours, or of what we run."""

pytest_plugins = ["pytester", "hasty"]


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, the only loop that the shells know."""
    return "asyncio"


@pytest.fixture
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty folder and in the environment of a user who has set nothing."""
    for name in os.environ:
        # Pytest sets and removes one of its own around every test.
        if name.startswith(OURS) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def sound() -> Iterator[str]:
    """The URL of a server that nothing is wrong with, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "wavetank", "wreck", "sound"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1]
        process.terminate()


class Outcomes:
    """Counts how tests came out, and keeps why some were skipped.

    The process that gathers the reports holds one; xdist's workers do not.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.passed = 0
        self.failed = 0
        self.skipped: list[dict[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: where it passed, failed or was skipped."""
        if report.passed:
            self.passed += report.when == "call"
        else:
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file that failed or was skipped as a whole."""
        if not report.passed:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if hasattr(report, "wasxfail"):
            self.passed += 1  # It failed as it was expected to.
        elif report.failed:
            self.failed += 1
        else:
            where = report.longrepr
            reason = str(where[2] if isinstance(where, tuple) else where)
            self.skipped.append(
                {"test": report.nodeid, "reason": reason.removeprefix("Skipped: ")}
            )

    def pytest_sessionfinish(self) -> None:
        """Write it all down for `tools/checks.py`."""
        told = {name: getattr(self, name) for name in ("passed", "failed", "skipped")}
        self.file.write_text(json.dumps(told), encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what collecting tests makes: all of it stays.

    To look through some ten thousand tests, again and again, is a tenth of their time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Note outcomes where `./check` asks for it."""
    file = os.environ.pop("CHECK_OUTCOMES", "")
    if file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(Path(file)), "wavetank-outcomes")
