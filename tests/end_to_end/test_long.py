"""What only shows over time: the same verdicts every time, and nothing left behind."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.long

TIMES = 10


@pytest.mark.parametrize(
    ("suites", "times"),
    [
        (("basics", "connectivity", "core"), TIMES),
        (("performance", "load", "latency"), TIMES // 3),
    ],
    ids=["talk", "load"],
)
def test_runs_on_the_hub_give_the_same_verdicts_again_and_again(
    prove: Callable, tmp_path: Path, suites: tuple[str, ...], times: int
) -> None:
    """A verdict that changes from run to run says nothing."""
    seen = [
        prove(*suites, output=str(tmp_path / str(number))).verdicts()
        for number in range(times)
    ]

    assert seen == [seen[0]] * times
    assert set(seen[0].values()) == {"PASS"}


def test_runs_that_are_interrupted_anywhere_leave_nothing_behind(
    start: Callable, environ: dict[str, str], tmp_path: Path
) -> None:
    """Whenever Ctrl-C or SIGTERM comes: exit code 130, a report, nothing else."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environ["TMPDIR"] = str(temporary)
    dice = random.Random(20)
    for number in range(2 * TIMES):
        results = tmp_path / str(number)
        process = start("run", "--output", str(results))
        _await_journal(results)
        family = psutil.Process(process.pid).children(recursive=True)
        try:
            process.wait(dice.uniform(0, 4))
        except subprocess.TimeoutExpired:
            family += psutil.Process(process.pid).children(recursive=True)
        process.send_signal(dice.choice((signal.SIGINT, signal.SIGTERM)))
        printed, _ = process.communicate(timeout=60)

        assert process.returncode == 130, printed
        assert "Traceback" not in printed
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive
        assert list(temporary.iterdir()) == []
        assert list(results.glob("*/test_summary.json"))


def _await_journal(results: Path) -> None:
    """Wait, in bounded time, until a run has begun to catch signals."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if any(path.stat().st_size for path in results.glob("*/journal.ndjson")):
            return
    raise AssertionError("no journal within 60 s")
