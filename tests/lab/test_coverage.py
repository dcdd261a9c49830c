"""A Python target under coverage.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wavetank.lab.coverage import coverage_environment, coverage_report

PROGRAM = """
import signal, sys
def never():
    print("unreached")
print("ready", flush=True)
signal.pause()
"""


def start(tmp_path: Path) -> "subprocess.Popen[bytes]":
    """Run a program that waits, as a target runs."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "-m", "coverage", "run", "--parallel-mode", str(program)],
        env={**os.environ, **coverage_environment(tmp_path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_target_that_was_ended_by_sigterm_is_reported(tmp_path: Path) -> None:
    """Its data is saved although it never came to its end; the last line is the sum."""
    with start(tmp_path) as process:
        process.terminate()
    *_, last = coverage_report(tmp_path).splitlines()
    assert last.startswith("TOTAL")
    assert 0 < int(last.split()[-1].rstrip("%")) < 100


def test_a_target_that_was_killed_leaves_a_reason(tmp_path: Path) -> None:
    """Nothing was saved, and the text says so instead of showing nothing."""
    with start(tmp_path) as process:
        process.kill()
    assert coverage_report(tmp_path).startswith("no coverage was measured: ")


def test_coverage_writes_nowhere_but_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own measurements and settings stay what they are."""
    scratch, own = tmp_path / "scratch", tmp_path / "own"
    scratch.mkdir()
    own.mkdir()
    monkeypatch.chdir(own)
    (own / ".coveragerc").write_text("[run]\ninclude = nothing.py\n")
    environ = coverage_environment(scratch)
    assert all(Path(value).parent == scratch for value in environ.values())
    coverage_report(scratch)
    assert [path.name for path in own.iterdir()] == [".coveragerc"]
