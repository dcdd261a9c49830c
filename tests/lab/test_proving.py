"""A pytest session that fills a run: toy checks against a sound server."""

import datetime
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    Record,
    RunFinished,
    RunStarted,
    Sampled,
    TargetEnded,
    Verdict,
    exit_code,
    fold,
    read_journal,
)
from wavetank.lab.excuses import Excuse
from wavetank.lab.plan import Plan, Source
from wavetank.lab.proving import Proving
from wavetank.lab.run import Run

CONFTEST = """
import pytest
from wavetank.lab.proving import NOTEBOOK

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def notebook(request):
    return request.node.stash[NOTEBOOK]
"""

ONLY_OURS = ("-p", "no:cacheprovider", "-p", "anyio", "-p", "wavetank.pytest_plugin")
HEAD = "import os, signal\nfrom wavetank.lab.check import check\n"


def a_check(name: str, body: str, *, options: str = "", arguments: str = "") -> str:
    """Return the source of a check."""
    return (
        f"@check({options})\n"
        f"async def test_{name}({arguments}*, notebook):\n"
        f'    """Sentence of {name}."""\n'
        f"    {body}\n\n"
    )


def good(name: str, **more: str) -> str:
    """Return the source of a check that passes."""
    return a_check(name, "notebook.expect(True, 'it holds')", **more)


def bad(name: str, **more: str) -> str:
    """Return the source of a check that fails."""
    return a_check(name, "notebook.expect(False, 'it holds', seen='deep')", **more)


Prove = Callable[..., "Proved"]


class Proved:
    """A session that ended, and what it left."""

    def __init__(self, run: Run, code: int) -> None:
        self.run = run
        self.code = code
        read = read_journal((run.folder / "journal.ndjson").read_bytes())
        assert not read.problems
        self.records = [one for one in read.records if not isinstance(one, Sampled)]
        self.summary = fold(read.records, cut=read.cut)

    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict of each check that ended, in their order."""
        return {
            f"{one.suite}.{one.check}": one.verdict
            for one in self.records
            if isinstance(one, CheckFinished)
        }

    def findings(self, check: str) -> list[tuple[str, str]]:
        """Return title and seen of a check's findings."""
        return [
            (finding.title, finding.seen)
            for one in self.records
            if isinstance(one, CheckFinished) and one.check == check
            for finding in one.findings
        ]

    def planned(self) -> list[str]:
        """Return what was planned."""
        (started,) = [one for one in self.records if isinstance(one, RunStarted)]
        return started.planned


@pytest.fixture
def prove(
    pytester: pytest.Pytester,
    plan: Callable[..., Plan],
    tmp_path: Path,
    nobodys_settings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Prove]:
    """Fill a run with toy suites, in this process."""
    monkeypatch.chdir(pytester.path)
    # Others' plugins would be imported, and rewritten, again and again.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    made: list[Run] = []

    def prove(
        files: dict[str, str], *arguments: str, watch: Any = None, **changes: Any
    ) -> Proved:
        pytester.makeconftest(CONFTEST)
        for name, source in files.items():
            pytester.makepyfile(**{f"test_{name}": HEAD + source})
        folder = tmp_path / f"results_{len(made)}"
        folder.mkdir()
        given = {"suites": tuple(files), **changes}
        made.append(Run(plan(**given), folder=folder, watch=watch))
        result = pytester.inline_run(
            *ONLY_OURS,
            *arguments,
            plugins=[Proving(made[-1])],
            no_reraise_ctrlc=True,
        )
        return Proved(made[-1], int(result.ret))

    yield prove
    for run in made:
        run.finish()


def test_a_session_writes_down_each_check_and_what_it_came_to(prove: Prove) -> None:
    """The target is met once, after it is known what it is wanted for."""
    proved = prove({"toy": good("one") + bad("two") + a_check("three", "pass")})
    assert proved.verdicts() == {
        "toy.one": Verdict.PASS,
        "toy.two": Verdict.FAIL,
        "toy.three": Verdict.UNKNOWN,
    }
    assert [type(one).__name__ for one in proved.records] == [
        *("RunStarted", "TargetReady"),
        *("CheckStarted", "CheckFinished") * 3,
        "RunFinished",
    ]
    assert proved.planned() == ["toy.one", "toy.two", "toy.three"]
    titles = [one.title for one in proved.records if isinstance(one, CheckStarted)]
    assert titles == ["Sentence of one", "Sentence of two", "Sentence of three"]
    assert proved.code == 1


def test_a_session_runs_what_is_planned_in_the_plan_s_order(prove: Prove) -> None:
    """Suites in their order; what is no check, or not planned, does not run."""
    suites = {
        "late": good("a") + "def test_stranger(): raise ZeroDivisionError\n",
        "early": good("b") + good("c"),
        "other": good("d"),
    }
    proved = prove(
        suites,
        suites=("early", "late"),
        checks=frozenset({"late.a", "early.c", "other.d"}),
    )
    assert list(proved.verdicts()) == ["early.c", "late.a"]
    assert proved.code == 0


@pytest.mark.parametrize(
    "expression", ["websocket_v2_two", "two and not three", "test_two"]
)
def test_a_check_is_found_by_both_of_its_names(prove: Prove, expression: str) -> None:
    """`-k` takes the catalogue's name and ours."""
    suites = {"toy": good("one") + good("two") + good("two_and_three")}
    proved = prove(suites, "-k", f"{expression} and not three")
    assert proved.planned() == ["toy.two"]


def test_a_session_without_checks_starts_nothing(prove: Prove) -> None:
    """The target is not bothered."""
    proved = prove({"toy": good("one")}, "-k", "nothing_is_called_so")
    assert [type(one) for one in proved.records] == [RunStarted, RunFinished]
    assert exit_code(proved.summary) == 3


def test_a_session_without_the_check_that_it_is_for_starts_nothing(
    prove: Prove,
) -> None:
    """``--faults`` with an expression that leaves out who plays them."""
    suites = {"toy": good("one") + good("two")}
    needed = frozenset({"toy.two"})
    proved = prove(suites, "-k", "one", indispensable=needed)
    assert proved.code == pytest.ExitCode.USAGE_ERROR
    assert [type(one) for one in proved.records] == [RunFinished]
    assert prove(suites, "-k", "two", indispensable=needed).code == 0


def test_an_expression_that_cannot_be_read_starts_nothing(prove: Prove) -> None:
    """The target was once started for checks that pytest then did not run."""
    proved = prove({"toy": good("one")}, "-k", "one and")
    assert proved.code == pytest.ExitCode.USAGE_ERROR
    assert [type(one) for one in proved.records] == [RunFinished]


def test_a_session_that_only_collects_starts_nothing(
    prove: Prove, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it promise a report."""
    proved = prove({"toy": good("one")}, "--collect-only")
    assert [type(one) for one in proved.records] == [RunFinished]
    assert "report in" not in capsys.readouterr().out


def test_a_session_says_where_the_report_will_be(
    prove: Prove, capsys: pytest.CaptureFixture[str]
) -> None:
    """In pytest's own summary."""
    proved = prove({"toy": good("one")})
    assert f"wavetank: report in {proved.run.folder}" in capsys.readouterr().out


def test_a_check_whose_needs_the_target_lacks_is_skipped_with_the_reason(
    prove: Prove,
) -> None:
    """All that is missing is named; a need that is there is no reason."""
    suites = {
        "toy": good("one", options="needs={'tls', 'resume', 'echo'}")
        + good("two", options="needs={'resume'}")
    }
    proved = prove(suites)
    assert proved.verdicts() == {"toy.one": Verdict.SKIP, "toy.two": Verdict.PASS}
    assert proved.findings("one") == [("one", "the target lacks: echo, tls")]


def test_a_process_that_the_lab_did_not_start_is_not_broken(prove: Prove) -> None:
    """The reason says what to do."""
    proved = prove({"toy": good("one", options="needs={'process'}")})
    assert proved.verdicts() == {"toy.one": Verdict.SKIP}
    ((_, reason),) = proved.findings("one")
    assert "--serve" in reason


@pytest.mark.parametrize("polite_only", [True, False])
def test_a_target_elsewhere_is_spared_what_is_impolite(
    prove: Prove, polite_only: bool
) -> None:
    """With the reason, and the option that changes it."""
    suites = {"toy": good("one", options="polite=False") + good("two")}
    proved = prove(suites, polite_only=polite_only)
    verdict = Verdict.SKIP if polite_only else Verdict.PASS
    assert proved.verdicts() == {"toy.one": verdict, "toy.two": Verdict.PASS}
    if polite_only:
        ((_, seen),) = proved.findings("one")
        assert "--i-own-this-target runs it" in seen


def test_what_goes_wrong_around_a_check_makes_it_unknown(prove: Prove) -> None:
    """A fixture that fails before or after it says nothing about the target."""
    fixtures = (
        "import pytest\n"
        "@pytest.fixture\ndef broken():\n    raise ZeroDivisionError('before')\n"
        "@pytest.fixture\ndef late():\n    yield\n"
        "    raise ZeroDivisionError('after')\n"
    )
    suites = {
        "toy": fixtures
        + good("one", arguments="broken, ")
        + good("two", arguments="late, ")
        + a_check("three", "1 / 0")
    }
    proved = prove(suites)
    assert set(proved.verdicts().values()) == {Verdict.UNKNOWN}
    assert proved.findings("one") == [
        ("setup of the check", "ZeroDivisionError: before")
    ]
    assert proved.findings("two")[1:] == [
        ("teardown of the check", "ZeroDivisionError: after")
    ]
    assert proved.findings("three") == [
        (
            "the check itself works",
            "it crashed: ZeroDivisionError: division by zero",
        )
    ]


def test_a_failure_shows_no_secret_in_the_terminal(
    prove: Prove, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pytest shows what a check saw, and a target may repeat a token."""
    suites = {"toy": a_check("one", "notebook.expect(False, 'it', seen='a d' + 'eep')")}
    prove(suites, secrets=("deep",))
    out = capsys.readouterr().out
    assert "saw a [secret]" in out
    assert "deep" not in out


def test_failing_fast_stops_at_the_first_failure(prove: Prove) -> None:
    """What did not run is told; a doubt is no failure."""
    suites = {"toy": a_check("one", "pass") + bad("two") + good("three")}
    proved = prove(suites, fail_fast=True)
    assert list(proved.verdicts()) == ["toy.one", "toy.two"]
    assert proved.summary.not_run == ["toy.three"]
    assert not proved.summary.interrupted
    assert exit_code(proved.summary) == 1


def test_failing_fast_goes_on_after_a_known_failure(prove: Prove) -> None:
    """It is let through."""
    until = datetime.date(2999, 1, 1)
    excuse = Excuse(check="toy.one", reason="bug 7", until=until)
    proved = prove(
        {"toy": bad("one") + good("two")}, fail_fast=True, excuses={"toy.one": excuse}
    )
    assert proved.verdicts() == {"toy.one": Verdict.SKIP, "toy.two": Verdict.PASS}
    assert exit_code(proved.summary) == 0


# Targets that fail


def test_a_target_that_is_not_ready_ends_the_session(
    prove: Prove, capsys: pytest.CaptureFixture[str]
) -> None:
    """No check runs; the terminal says why."""
    proved = prove(
        {"toy": good("one")}, source=Source.SERVE, serve="no-such-program", url=""
    )
    assert proved.verdicts() == {}
    assert exit_code(proved.summary) == 4
    out = capsys.readouterr().out
    assert "wavetank: cannot start `no-such-program`: No such file" in out


def test_a_target_that_dies_ends_the_session_and_fails_the_check(
    prove: Prove,
) -> None:
    """The check during which it died has a finding of its own."""
    kill = "os.kill(target.process.pid, signal.SIGKILL); 1 / 0"
    suites = {"toy": a_check("one", kill, arguments="target, ") + good("two")}
    proved = prove(
        suites,
        source=Source.SERVE,
        serve="{python} -m wavetank wreck sound --port {port}",
    )
    assert proved.verdicts() == {"toy.one": Verdict.FAIL}
    assert proved.findings("one")[1] == (
        "the target stays alive",
        "it ended by itself; its last output is in the report",
    )
    (ended,) = [one for one in proved.records if isinstance(one, TargetEnded)]
    assert ended.by_lab is False
    assert proved.summary.not_run == ["toy.two"]
    assert exit_code(proved.summary) == 1


# Interruptions


def test_an_interrupted_check_is_unknown_and_the_last_one(prove: Prove) -> None:
    """The signal cancels it; what comes after it is not run."""
    wait = "os.kill(os.getpid(), signal.SIGTERM); import asyncio; "
    wait += "await asyncio.Event().wait()"
    proved = prove({"toy": a_check("one", wait) + good("two")})
    assert proved.verdicts() == {"toy.one": Verdict.UNKNOWN}
    assert proved.findings("one") == [("the check ends", "interrupted")]
    assert proved.summary.interrupted
    assert exit_code(proved.summary) == 130


def test_an_impatient_interruption_is_written_down_too(prove: Prove) -> None:
    """Raised in the middle, it still leaves a whole journal."""
    # Without an event loop, which pytest would leave open.
    one = (
        "import pytest\n"
        "@pytest.mark.wavetank_check(needs=frozenset(), polite=True, deadline=1.0)\n"
        "def test_one(notebook):\n    raise KeyboardInterrupt\n"
    )
    proved = prove({"toy": one + good("two")}, "-p", "no:terminal")
    assert list(proved.verdicts()) == ["toy.one"]
    assert proved.findings("one") == [("", "interrupted")]
    assert proved.summary.interrupted


def test_an_interruption_while_the_target_starts_ends_the_session(
    prove: Prove,
) -> None:
    """Nobody waits for a target that nobody wants any more."""
    command = (
        f"import os, signal; os.kill({os.getpid()}, signal.SIGINT); signal.pause()"
    )
    proved = prove(
        {"toy": good("one")},
        *("-p", "no:terminal"),
        source=Source.SERVE,
        serve=f"{shlex.quote(sys.executable)} -c {shlex.quote(command)}",
        ready_timeout=60.0,
    )
    assert proved.verdicts() == {}
    assert proved.summary.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


MASKED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x81mask\x00"
"""A frame of a server with a mask, behind its answer to the opening handshake."""

PAGE = "request.config.stash[RUN].ledger.page('toy.two')"
HEARS = f"{PAGE}.tap().received({MASKED!r})"


@pytest.mark.parametrize(
    "body",
    [
        f"{HEARS}\n    notebook.expect(True, 'it holds')",
        f"request.addfinalizer(lambda: {HEARS})\n    notebook.expect(True, 'it holds')",
    ],
    ids=["in the check", "behind it"],
)
def test_a_check_fails_by_frames_that_broke_a_rule(prove: Prove, body: str) -> None:
    """It alone, though it found nothing itself, and also while it is taken down."""
    source = (
        "from wavetank.lab.proving import RUN\n"
        + good("one")
        + a_check("two", body, arguments="request, ")
        + good("three")
    )
    proved = prove({"toy": source})
    assert proved.verdicts() == {
        "toy.one": Verdict.PASS,
        "toy.two": Verdict.FAIL,
        "toy.three": Verdict.PASS,
    }
    titles = [title for title, _ in proved.findings("two")]
    assert titles == ["it holds", "S.1 A server's frames are not masked."]
    assert proved.code == 1


def test_a_broken_rule_is_told_once(prove: Prove) -> None:
    """A check that has told it itself is not told again."""
    body = f"{HEARS}\n    notebook.add(*{PAGE}.findings())"
    source = "from wavetank.lab.proving import RUN\n"
    proved = prove({"toy": source + a_check("two", body, arguments="request, ")})
    assert [title for title, _ in proved.findings("two")] == [
        "S.1 A server's frames are not masked."
    ]


def test_a_session_that_never_collects_ends_its_run(
    prove: Prove, tmp_path: Path
) -> None:
    """Pytest may stop before; the run is ended all the same."""
    proved = prove({"toy": good("one")}, "--help")
    assert [type(one) for one in proved.records] == [RunFinished]


def test_progress_sees_records_as_they_come(
    prove: Prove, records: list[Record]
) -> None:
    """Whoever watches the run watches the session."""
    prove({"toy": good("one")}, watch=records.append)
    assert any(isinstance(one, CheckFinished) for one in records)
