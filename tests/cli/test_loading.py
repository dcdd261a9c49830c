"""A load from its order to its end."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from wavetank.cli import loading as module
from wavetank.cli.latency import main as latency
from wavetank.cli.load import main
from wavetank.cli.loading import Order
from wavetank.errors import ExitCode, UsageError
from wavetank.lab.loading import Load
from wavetank.lab.notebook import Notebook
from wavetank.lab.target import Target
from wavetank.load.exchange import Operation, Tally
from wavetank.load.needs import Limits
from wavetank.load.plan import LoadPlan
from wavetank.load.result import LoadResult
from wavetank.load.search import Outcome, Trial

pytestmark = pytest.mark.usefixtures("nobodys_settings")

SHORT = [
    *("--duration", "200ms", "--users", "2", "--rate", "50", "--workers", "1"),
    *("--dialect", "echo"),
]


@pytest.fixture
def echo(sound: str) -> str:
    """The URL of an echo that nothing is wrong with."""
    return sound.removesuffix("/ws") + "/echo"


def replace_drive(monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    """Put something else in place of the load."""

    async def drive(
        target: Target, notebook: Notebook, plan: LoadPlan, **rest: Any
    ) -> Load:
        notebook.expect(True, "it is there")
        return Load(result=await work(plan, **rest))

    monkeypatch.setattr(module, "drive", drive)


def summary() -> dict[str, Any]:
    """Return what the one results folder says."""
    (file,) = Path("results").glob("*/test_summary.json")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_a_load_ends_in_a_report_and_an_exit_code(
    echo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For real: target, workers, messages, thresholds, files.

    On a machine that is busy with other things the generator doubts itself.
    """
    code = main([echo, *SHORT, "--threshold", "lost == 0"])
    told = summary()
    assert code == {"PASS": ExitCode.PASS, "UNKNOWN": ExitCode.UNKNOWN}[told["verdict"]]
    assert list(told["suites"]["load"]["checks"]) == ["plan"]
    printed = capsys.readouterr().out
    assert printed.startswith(f"target   {echo}\n")
    assert "10 received" in printed


def test_latencies_are_shown_to_the_last_percentile(
    echo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Response time and service time side by side, above the verdict."""
    assert latency([echo, *SHORT]) in {ExitCode.PASS, ExitCode.UNKNOWN}
    printed = capsys.readouterr().out
    assert "request request" in printed
    assert printed.index("  p50") < printed.index("report   ")


def test_a_target_that_never_becomes_ready_ends_in_4(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With its last words, and without a load."""
    argv = ["--serve", "sh -c 'echo out of order {port}'", *SHORT]
    assert main(argv) == ExitCode.NOT_READY
    captured = capsys.readouterr()
    assert "out of order" in captured.err
    assert "ended with status 0" in captured.out


def test_a_target_that_cannot_do_it_is_a_mistake_that_leaves_nothing(echo: str) -> None:
    """It may be known only once the target has spoken."""
    with pytest.raises(UsageError) as caught:
        main([echo, *SHORT, "--scenario", "publish"])
    assert "takes no publications or no subscriptions" in caught.value.problems[0]
    assert not list(Path("results").iterdir())


def test_an_interruption_ends_the_load_and_reports_what_was_done(
    echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C tells the load to stop; what it has until then is reported."""

    async def interrupted(
        plan: LoadPlan, *, stop: asyncio.Event, **_: Any
    ) -> LoadResult:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.wait(), 10.0)
        return LoadResult(plan=plan, seconds=0.1, interrupted=True)

    replace_drive(monkeypatch, interrupted)
    assert main([echo, *SHORT]) == ExitCode.INTERRUPTED
    assert summary()["interrupted"] is True
    assert summary()["counts"]["PASS"] == 1


def test_a_second_interruption_is_obeyed(
    echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no time for more than the report."""

    async def impatient(plan: LoadPlan, **_: Any) -> LoadResult:
        raise KeyboardInterrupt

    replace_drive(monkeypatch, impatient)
    assert main([echo, *SHORT]) == ExitCode.INTERRUPTED


def test_a_load_is_shown_and_served_while_it_runs(
    echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port of --prometheus is handed on, and somebody sees each second."""
    given: list[Any] = []

    async def noted(plan: LoadPlan, **rest: Any) -> LoadResult:
        given.append(rest)
        return LoadResult(plan=plan, seconds=0.1)

    replace_drive(monkeypatch, noted)
    assert main([echo, *SHORT, "--prometheus", "0"]) == ExitCode.PASS
    assert given[0]["prometheus_port"] == 0
    assert callable(given[0]["see"])


def test_what_makes_figures_doubtful_is_noted(
    echo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader of the report has to know it, and whoever watches, at once."""

    async def nothing(plan: LoadPlan, **_: Any) -> LoadResult:
        tally = Tally(scenario="request", operation=Operation.REQUEST)
        return LoadResult(plan=plan, seconds=0.1, tallies=[tally])

    replace_drive(monkeypatch, nothing)
    monkeypatch.setattr(Order, "limits", lambda _: Limits(cores=1))
    assert main([echo, *SHORT, "--workers", "2"]) == ExitCode.PASS
    assert any("2 workers share 1 cores" in note for note in summary()["notes"])
    assert "\nnote     2 workers share 1 cores" in capsys.readouterr().out


def test_a_search_tells_each_trial(
    echo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what is found is in the report."""

    async def found(
        target: Target, notebook: Notebook, plan: LoadPlan, threshold: Any, **rest: Any
    ) -> None:
        rest["tell"](Trial(level=8000.0, number=1), Outcome.HELD)
        notebook.expect(rest["most"] > 1000, threshold.text, seen=rest["by_users"])

    monkeypatch.setattr(module, "find", found)
    argv = [echo, "--dialect", "echo", "--find", "p99 < 1s"]
    assert main(argv) == ExitCode.PASS
    assert "trial    8,000 messages/s: held" in capsys.readouterr().out
    assert main([*argv, "--find-by", "users"]) == ExitCode.PASS
    assert "trial    8,000 users: held" in capsys.readouterr().out


def test_a_plan_for_a_target_that_nobody_knows_yet_is_one_that_makes_sense(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever asks for deliveries has a target in mind that delivers."""
    target = "ws://127.0.0.1:9/"
    asks = ["--threshold", "publish.deliver:p99 < 1s"]
    assert main([target, *asks, "--dry-run"]) == ExitCode.PASS
    assert capsys.readouterr().out.startswith("publish: publish, 100 users")
    with pytest.raises(UsageError, match="there is no scenario nobody"):
        main([target, "--threshold", "nobody:p99 < 1s", "--dry-run"])


def test_a_plan_for_a_cluster_that_was_not_asked_has_this_machines_cores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture is drawn before anybody is spoken with; descriptors are theirs."""
    monkeypatch.setattr(module, "limits_of_machine", lambda **_: Limits(cores=3))
    argv = ["--cluster", "tcp://10.0.0.1:8786", "--dry-run", "--dialect", "echo"]
    assert main(["ws://10.0.0.9/", *argv]) == ExitCode.PASS
    assert "workers      3" in capsys.readouterr().out
