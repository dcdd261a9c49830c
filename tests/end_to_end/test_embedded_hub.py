"""``wavetank run`` without a word: the hub is started, proven and ended."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest


def test_the_embedded_hub_passes_every_check(
    prove: Callable, not_here: frozenset[str]
) -> None:
    """The main job: everything that can be checked passes, and the report is there."""
    ended = prove()

    verdicts = ended.verdicts()
    wanted = dict.fromkeys(verdicts, "PASS") | dict.fromkeys(not_here, "SKIP")
    assert verdicts == wanted, ended.printed
    assert ended.summary["verdict"] == "PASS"
    assert ended.code == 0
    assert ended.printed.count("PASS") > len(verdicts) - len(not_here)
    assert "report.html" in ended.printed


def test_two_runs_at_the_same_moment_both_pass(start: Callable, tmp_path: Path) -> None:
    """Runs side by side share neither ports nor folders."""
    words = ("run", "basics", "--output", str(tmp_path / "results"))
    runs = [start(*words) for _ in range(2)]
    printed = [process.communicate(timeout=120)[0] for process in runs]

    assert [process.returncode for process in runs] == [0, 0], printed
    assert len(list((tmp_path / "results").iterdir())) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_a_report_and_nothing_else(
    start: Callable,
    environ: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """Ctrl-C ends target, ports and temporary files; what was done is reported."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environ["TMPDIR"] = str(temporary)
    process = start("run", "--output", str(tmp_path / "results"))
    journal = _journal_once_it_says(tmp_path / "results", "check_finished", process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert family, "the target runs"

    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 130, printed
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert list(temporary.iterdir()) == []
    summary = json.loads((journal.parent / "test_summary.json").read_text())
    assert summary["interrupted"] is True
    assert summary["verdict"] != "PASS"
    assert summary["suites"]


def _journal_once_it_says(
    results: Path, word: str, process: "subprocess.Popen[str]"
) -> Path:
    """Wait, in bounded time, until the journal of the only run has such a record."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        assert process.poll() is None, process.communicate()[0]
        for journal in results.glob("*/journal.ndjson"):
            if f'"{word}"' in journal.read_text():
                return journal
    raise AssertionError(f"no record {word} within 60 s")
