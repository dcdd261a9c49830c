"""The fold of a journal gives one honest verdict."""

from collections.abc import Callable

import msgspec
import pytest

from wavetank.errors import ExitCode
from wavetank.evidence.finding import Finding
from wavetank.evidence.histogram import Histogram
from wavetank.evidence.journal import encode_record, read_journal
from wavetank.evidence.operations import Kind, Operation
from wavetank.evidence.records import (
    CheckFinished,
    CheckStarted,
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    FigureMeasured,
    FigureSampled,
    HistogramTaken,
    Noted,
    Record,
    RecoveryMeasured,
    RunFinished,
    RunStarted,
    Sampled,
    TargetEnded,
    TargetReady,
)
from wavetank.evidence.schedule import Schedule
from wavetank.evidence.shape import Figure
from wavetank.evidence.summary import MOST_FINDINGS, Summary, exit_code, fold
from wavetank.evidence.verdict import Verdict

PASS, UNKNOWN, FAIL, SKIP = Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL, Verdict.SKIP
Run = Callable[..., list[Record]]

DEATH = TargetEnded(at=3.0, by_lab=False, status=-9, output=["boom"])
STOP = TargetEnded(at=8.0, by_lab=True, status=0)
NEVER = TargetEnded(
    at=0.4, by_lab=True, ready=False, output=["no port"], reason="it exits at once"
)
KNOWN = Finding(verdict=FAIL, title="x", seen="late", known="ticket 7")


@pytest.mark.parametrize(
    ("checks", "verdict", "code"),
    [
        ({"one": [PASS]}, PASS, ExitCode.PASS),
        ({"one": [PASS], "two": [SKIP]}, PASS, ExitCode.PASS),
        ({"one": [PASS], "two": [FAIL]}, FAIL, ExitCode.FAIL),
        ({"one": [PASS], "two": [UNKNOWN]}, UNKNOWN, ExitCode.UNKNOWN),
        ({"one": [FAIL], "two": [UNKNOWN]}, FAIL, ExitCode.FAIL),
        ({"one": [PASS, FAIL]}, FAIL, ExitCode.FAIL),
        ({"one": []}, UNKNOWN, ExitCode.UNKNOWN),  # ended without a finding
        ({"one": [SKIP], "two": [SKIP]}, UNKNOWN, ExitCode.UNKNOWN),
        ({}, UNKNOWN, ExitCode.UNKNOWN),  # zero checks are never green
        ({"one": [KNOWN], "two": [PASS]}, PASS, ExitCode.PASS),
    ],
)
def test_run_is_the_sum_of_its_checks(
    run: Run, checks: dict[str, list[Finding]], verdict: Verdict, code: ExitCode
) -> None:
    """PASS < UNKNOWN < FAIL; nothing checked is UNKNOWN; a known failure is neutral."""
    summary = fold(run(**checks))
    assert summary.verdict is verdict
    assert exit_code(summary) is code


def test_run_whose_target_died_by_itself_fails_whatever_the_checks_say(
    run: Run,
) -> None:
    """A crash in the middle is a failure, with the target's last output."""
    summary = fold(run(DEATH, STOP, one=[PASS]))
    assert summary.verdict is FAIL
    assert summary.target_died
    assert summary.target_end == DEATH
    assert summary.reasons == ["the target died by itself by signal 9 after 3.0 s"]
    assert exit_code(summary) is ExitCode.FAIL


@pytest.mark.parametrize(
    ("death", "sentence"),
    [
        (TargetEnded(at=3.0, by_lab=False, status=0), "with status 0 after 3.0 s"),
        (TargetEnded(at=3.0, by_lab=False, status=2), "with status 2 after 3.0 s"),
        (TargetEnded(at=3.0, by_lab=False), "by itself after 3.0 s"),
        (TargetEnded(at=3.0, by_lab=False, reason="gone"), "after 3.0 s: gone"),
    ],
)
def test_reason_says_how_the_target_died(
    run: Run, death: TargetEnded, sentence: str
) -> None:
    """Status, signal or neither; also an orderly exit is a death."""
    (reason,) = fold(run(death, one=[PASS])).reasons
    assert reason.endswith(sentence)


def test_target_that_the_lab_ended_did_not_die(run: Run) -> None:
    """What we do to the target is never its fault."""
    summary = fold(run(STOP, one=[PASS]))
    assert (summary.verdict, summary.target_end) == (PASS, STOP)


def test_target_that_does_not_come_back_by_itself_died(run: Run) -> None:
    """It was ready once; after a restart it ended before it was ready again."""
    again = TargetEnded(at=3.0, by_lab=False, ready=False, status=1)
    summary = fold(run(again, one=[PASS]))
    assert (summary.verdict, summary.not_ready) == (FAIL, "")


def test_target_that_never_became_ready_is_no_failure_of_it() -> None:
    """Nothing could be checked; the reason is said, and all else follows from it."""
    started = RunStarted(
        at=0.0,
        run="r",
        wall=1.0,
        version="0",
        seed=1,
        suites=["core"],
        planned=["core.one"],
        target="python app.py",
    )
    summary = fold([started, NEVER, RunFinished(at=1.0)])
    assert summary.verdict is UNKNOWN
    assert summary.not_ready == "it exits at once"
    assert summary.reasons == ["the target never became ready: it exits at once"]
    assert summary.not_run == ["core.one"]
    assert summary.target.given == "python app.py"
    assert summary.target.starts == 0
    assert exit_code(summary) is ExitCode.NOT_READY
    silent = TargetEnded(at=0.4, by_lab=False, ready=False)
    assert fold([started, silent]).not_ready == "it ended by itself"
    late = TargetEnded(at=15.0, by_lab=True, ready=False)
    assert fold([started, late]).not_ready == "it did not answer in time"


def test_interrupted_run_is_unknown_and_its_exit_code_wins(run: Run) -> None:
    """Ctrl-C says 130 even where a check failed or the target never came."""
    summary = fold(run(interrupted=True, one=[PASS]))
    assert (summary.verdict, summary.reasons) == (UNKNOWN, ["the run was interrupted"])
    for records in (run(interrupted=True, one=[FAIL]), [NEVER, *run(interrupted=True)]):
        assert exit_code(fold(records)) is ExitCode.INTERRUPTED


def test_cut_run_is_unknown(run: Run) -> None:
    """Nobody knows what the missing end would have said."""
    without_end = fold(run(one=[PASS], finished=False))
    assert (without_end.verdict, without_end.cut) == (UNKNOWN, True)
    assert without_end.duration == 2.0  # the last moment that was seen
    told = fold(run(one=[PASS]), cut=True)
    assert (told.verdict, told.cut, told.duration) == (UNKNOWN, True, 9.0)
    assert fold(run(one=[FAIL], finished=False)).verdict is FAIL


def test_journal_without_a_beginning_is_unknown(run: Run) -> None:
    """Nobody knows what was planned."""
    summary = fold(run(one=[PASS])[1:])
    assert summary.reasons == ["the journal has no beginning"]
    assert summary.verdict is UNKNOWN


def test_evidence_with_holes_is_never_green(run: Run) -> None:
    """A line that could not be read may have been the one that failed."""
    summary = fold(run(one=[PASS]), problems=["line 3: damaged"])
    assert summary.verdict is UNKNOWN
    assert summary.problems == ["line 3: damaged"]
    assert summary.reasons == ["the evidence has holes (1)"]


def test_second_run_in_one_journal_is_a_problem(run: Run) -> None:
    """One journal holds one run; the first is the one that counts."""
    records = run(one=[PASS])
    summary = fold([*records, *run(two=[PASS], planned=[])])
    assert summary.run == "core_20260921_133320"
    assert summary.verdict is UNKNOWN


def test_planned_check_that_never_began_is_named_and_not_green(run: Run) -> None:
    """What was selected and did not run was not looked at."""
    summary = fold(run(planned=["core.one", "core.two", "core.three"], one=[PASS]))
    assert summary.not_run == ["core.two", "core.three"]
    assert summary.verdict is UNKNOWN
    assert summary.reasons == ["2 checks were planned and did not run"]
    assert exit_code(summary) is ExitCode.UNKNOWN


def test_planned_check_may_be_named_without_its_suite_or_several_times(
    run: Run,
) -> None:
    """A check of several rows, or a name in two suites, is counted, not named."""
    row = CheckStarted(at=1.0, suite="edge", check="one", title="")
    end = CheckFinished(
        at=1.0,
        suite="edge",
        check="one",
        took=0.1,
        findings=[Finding(verdict=PASS, title="x")],
    )
    records = run(row, end, planned=["one", "one", "one"], one=[PASS])
    assert fold(records).not_run == ["one"]
    assert fold(records).reasons == ["1 check was planned and did not run"]
    records = run(row, end, row, end, planned=["edge.one", "edge.one"], one=[PASS])
    assert fold(records).not_run == []


def test_check_that_began_and_did_not_finish_is_unknown(run: Run) -> None:
    """Neither its start nor its silence is a result."""
    began = CheckStarted(at=5.0, suite="core", check="two", title="about two")
    check = fold(run(began, one=[PASS])).suites["core"].checks["two"]
    assert (check.verdict, check.title) == (UNKNOWN, "about two")
    assert check.findings[0].seen == "it began and did not finish"


def test_check_that_finished_without_a_finding_says_so(run: Run) -> None:
    """The reader learns why it is UNKNOWN."""
    (located,) = fold(run(one=[])).findings
    assert located.finding.seen == "it finished without one"


def test_check_of_several_rows_is_their_sum(run: Run) -> None:
    """Findings are collected, seconds are added, the first title stays."""
    again = CheckStarted(at=3.0, suite="core", check="one", title="another")
    end = CheckFinished(
        at=4.0,
        suite="core",
        check="one",
        took=0.5,
        findings=[Finding(verdict=FAIL, title="row 2")],
    )
    suite = fold(run(again, end, one=[PASS])).suites["core"]
    check = suite.checks["one"]
    assert (check.verdict, check.took, check.title) == (FAIL, 1.5, "about one")
    assert [finding.title for finding in check.findings] == ["one", "row 2"]
    assert (suite.verdict, suite.took) == (FAIL, 1.5)


def test_counts_name_every_verdict(run: Run) -> None:
    """A reader of the JSON finds each key, also where the count is zero."""
    summary = fold(run(one=[PASS], two=[PASS], three=[SKIP]))
    assert summary.counts == {"PASS": 2, "UNKNOWN": 0, "FAIL": 0, "SKIP": 1}
    assert summary.suites["core"].counts == summary.counts


def test_most_important_findings_come_first_and_are_bounded(run: Run) -> None:
    """FAIL before UNKNOWN, in the order of the run; passes and excuses are left out."""
    summary = fold(run(a=[UNKNOWN], b=[PASS, FAIL], c=[KNOWN, SKIP], d=[FAIL]))
    assert [located.name for located in summary.findings] == [
        "core.b",
        "core.d",
        "core.a",
    ]
    many = fold(run(a=[FAIL] * (MOST_FINDINGS + 1)))
    assert len(many.findings) == MOST_FINDINGS


def test_skips_and_known_failures_keep_their_reasons(run: Run) -> None:
    """Nothing is left out in silence."""
    skipped = Finding(verdict=SKIP, title="one", seen="the target lacks: resume")
    summary = fold(run(one=[skipped], two=[KNOWN]))
    assert [located.finding for located in summary.skipped] == [skipped]
    assert [located.finding for located in summary.known] == [KNOWN]
    assert summary.findings == []


def test_target_is_described_as_it_first_became_ready(run: Run) -> None:
    """A restart is counted, and does not replace the address that was given."""
    later = TargetReady(
        at=5.0, url="ws://other/", dialect="echo", capabilities=[], took=9
    )
    target = fold(run(later, one=[PASS])).target
    assert (target.given, target.url) == ("embedded hub", "ws://127.0.0.1:9/ws")
    assert (target.dialect, target.took, target.starts) == ("hub", 0.4, 2)
    assert target.tls_url == "wss://127.0.0.1:10/ws"


def figure(value: float) -> FigureMeasured:
    """Return a figure of check one."""
    return FigureMeasured(
        at=1.0, suite="core", check="one", name="rate", value=value, unit="1/s"
    )


def test_figures_keep_the_last_value(run: Run) -> None:
    """A figure that is measured again replaces the one before."""
    check = fold(run(figure(1.0), figure(2.0), one=[PASS])).suites["core"].checks["one"]
    assert check.figures == {"rate": Figure(value=2.0, unit="1/s")}


def taken(text: str) -> HistogramTaken:
    """Return a histogram of check one."""
    return HistogramTaken(at=1.0, suite="core", check="one", name="rtt", histogram=text)


def test_histograms_of_one_name_are_added_up(run: Run) -> None:
    """A snapshot a second becomes one set of percentiles."""
    one, other = Histogram(), Histogram()
    one.record(0.001, 99)
    other.record(0.5)
    records = run(taken(one.encode()), taken(other.encode()), one=[PASS])
    latency = fold(records).suites["core"].checks["one"].latencies["rtt"]
    assert latency.count == 100
    assert latency.p99 == 0.001
    assert latency.max == pytest.approx(0.5, rel=1e-3)
    assert not latency.capped


@pytest.mark.parametrize("text", ["damaged", Histogram(digits=2).encode()])
def test_histogram_that_cannot_be_added_is_a_hole(run: Run, text: str) -> None:
    """Latencies that are missing from the sum are said to be missing."""
    summary = fold(run(taken(Histogram().encode()), taken(text), one=[PASS]))
    (problem,) = summary.problems
    assert problem.startswith("histogram 'rtt' of core.one: ")
    assert summary.verdict is UNKNOWN


def operation(kind: Kind, check: str = "one") -> Operation:
    """Return an operation."""
    return Operation(at=1.0, check=check, peer="p", kind=kind, name="publish", id=1)


def test_operations_are_counted_by_name_and_kind(run: Run) -> None:
    """What was asked, done, refused and never heard of; strangers are left out."""
    records = run(
        operation(Kind.INVOKE),
        operation(Kind.INVOKE),
        operation(Kind.OK),
        operation(Kind.OK, check="nobody"),
        one=[PASS],
    )
    (suite,) = fold(records).suites.values()
    assert suite.checks["one"].operations == {"publish": {"invoke": 2, "ok": 1}}
    assert list(suite.checks) == ["one"]


def sample(at: float, cpu: float, rss: int, *, who: str = "target") -> Sampled:
    """Return a look at a process tree."""
    return Sampled(
        at=at, who=who, cpu=cpu, rss=rss, descriptors=rss, processes=1, threads=2
    )


def test_resources_are_first_last_peak_and_total(run: Run) -> None:
    """A restart begins its processor time at zero; the total goes on."""
    used = fold(
        run(
            sample(1.0, 1.0, 10),
            sample(2.0, 1.5, 30),
            sample(2.0, 1.6, 25),  # two looks at one moment have no rate
            sample(3.0, 0.25, 20),  # started again
            sample(1.0, 0.5, 5, who="lab"),
            one=[PASS],
        )
    ).resources
    target = used["target"]
    assert (target.rss_first, target.rss_last, target.rss_peak) == (10, 20, 30)
    assert (target.descriptors_last, target.descriptors_peak) == (20, 30)
    assert (target.cpu, target.cpu_peak, target.samples) == (1.85, 0.5, 4)
    assert (target.processes_peak, target.threads_peak) == (1, 2)
    assert (used["lab"].cpu_peak, used["lab"].rss_peak) == (0.0, 5)


def test_notes_are_kept(run: Run) -> None:
    """What a reader has to know reaches the reader."""
    assert fold(run(Noted(at=1.0, text="slow disk"), one=[PASS])).notes == ["slow disk"]


def test_summary_is_the_same_after_the_way_through_the_journal(run: Run) -> None:
    """A report can be made again from the file, and says the same."""
    records = run(DEATH, figure(1.0), sample(1.0, 1.0, 1), one=[PASS, KNOWN, SKIP])
    journal = read_journal(b"".join(map(encode_record, records)))
    summary = fold(records)
    assert fold(journal.records, cut=journal.cut, problems=journal.problems) == summary
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def faults_of(check: str) -> list[Record]:
    """Return the records of a fault."""
    where = {"suite": "core", "check": check}
    schedule = Schedule(steps=(), seed=7, seconds=9.0)
    return [
        FaultsPlanned(at=1.1, schedule=schedule, **where),
        FaultBegan(at=1.2, name="kill", what="kill", **where),
        FigureSampled(at=1.3, name="lag", value=3.0, unit="messages", **where),
        FaultHealed(at=1.4, name="kill", **where),
        RecoveryMeasured(at=1.5, fault="kill", detect=0.1, **where),
    ]


def usage() -> list[Record]:
    """Return what target and lab used over 50 s; the target grows by 8 bytes/s."""
    return [
        Sampled(
            at=2.0 + number,
            who=who,
            cpu=0.0,
            rss=8 * number * (who == "target"),
            descriptors=9,
            processes=1,
            threads=1,
        )
        for number in range(50)
        for who in ("target", "lab")
    ]


def test_faults_of_a_check_stand_in_its_summary(run: Run) -> None:
    """Schedule, bands, lines and figures; a check without faults has none."""
    began = CheckStarted(at=1.0, suite="core", check="two", title="")
    checks = (
        fold(run(began, *faults_of("two"), *usage(), one=[PASS])).suites["core"].checks
    )
    assert checks["one"].faults is None
    timeline = checks["two"].faults
    assert timeline is not None
    assert [schedule.seed for schedule in timeline.schedules] == [7]
    assert [line.name for line in timeline.series] == [
        *("lag", "target memory", "target descriptors")
    ]
    assert timeline.series[0].points == [(1.3, 3.0)]
    (fault,) = timeline.faults
    assert (fault.began_at, fault.healed_at, fault.detect) == (1.2, 1.4, 0.1)
    # Of the target alone: what the lab uses is its own.
    assert fault.memory_slope == 8.0


def test_slopes_after_a_fault_end_with_its_check_and_its_process(run: Run) -> None:
    """What another check or another process uses is not the recovery."""
    end = CheckFinished(at=9.0, suite="core", check="two", took=1.0)
    before = faults_of("two")
    checks = fold(run(*before, end, *usage())).suites["core"].checks
    timeline = checks["two"].faults
    assert timeline is not None
    assert timeline.faults[0].memory_slope is None
    again = TargetReady(at=60.0, url="ws://x/", dialect="", capabilities=[], took=1.0)
    checks = fold(run(*before, *usage(), again)).suites["core"].checks
    timeline = checks["two"].faults
    assert timeline is not None
    assert timeline.faults[0].memory_slope is None


def test_faults_that_do_not_fit_are_holes_in_the_evidence(run: Run) -> None:
    """A heal without a begin: something of the journal is missing."""
    healed = FaultHealed(at=1.0, suite="core", check="one", name="kill")
    summary = fold(run(healed, one=[PASS]))
    assert summary.problems == ["faults of core.one: 'kill' was healed, and was not on"]
    assert summary.verdict is UNKNOWN
