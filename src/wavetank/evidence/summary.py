"""The fold of a journal: what a run came to.

It refuses to know how a report looks; the same records give the same summary.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, get_args

from wavetank.errors import ExitCode
from wavetank.evidence.faults import FaultRecord, Faults
from wavetank.evidence.finding import Finding
from wavetank.evidence.histogram import Histogram
from wavetank.evidence.loads import Loads, latency
from wavetank.evidence.operations import Operation
from wavetank.evidence.records import (
    CheckFinished,
    CheckStarted,
    FigureMeasured,
    GeneratorSampled,
    HistogramTaken,
    LoadSampled,
    Noted,
    Record,
    RunFinished,
    RunStarted,
    Sampled,
    TargetEnded,
    TargetReady,
)
from wavetank.evidence.shape import (
    CheckSummary,
    Figure,
    Located,
    Resources,
    SuiteSummary,
    Summary,
    TargetSummary,
)
from wavetank.evidence.verdict import Verdict, merge

__all__ = ["MOST_FINDINGS", "Summary", "exit_code", "fold"]

MOST_FINDINGS = 100
"""How many of the most important findings the summary repeats on top."""


def fold(
    records: Iterable[Record], *, cut: bool = False, problems: Iterable[str] = ()
) -> Summary:
    """Return what the records of one run come to; one pass, in order.

    Args:
        records: As the journal gives them.
        cut: Whether the journal has no end (``Journal.cut``).
        problems: What of the journal could not be read (``Journal.problems``):
            a verdict on evidence with holes is never PASS.
    """
    folding = _Folding(list(problems))
    for record in records:
        folding.take(record)
    return folding.summary(cut=cut or not folding.finished)


def exit_code(summary: Summary) -> ExitCode:
    """Return what the process says at its end."""
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    if summary.not_ready:
        return ExitCode.NOT_READY
    return _EXIT_CODES[summary.verdict]


_EXIT_CODES = {
    Verdict.PASS: ExitCode.PASS,
    Verdict.FAIL: ExitCode.FAIL,
    Verdict.UNKNOWN: ExitCode.UNKNOWN,
    # Nothing was checked.
    Verdict.SKIP: ExitCode.UNKNOWN,
}

_UNFINISHED = Finding(
    verdict=Verdict.UNKNOWN,
    title="the check finishes",
    expected="a result",
    seen="it began and did not finish",
)
_WITHOUT_FINDING = Finding(
    verdict=Verdict.UNKNOWN,
    title="the check says what it found",
    expected="a finding at least",
    seen="it finished without one",
)
_NO_RUN = RunStarted(
    at=0.0, run="", wall=0.0, version="", seed=0, suites=[], planned=[], target=""
)


@dataclass(slots=True)
class _Check:
    """A check while it is folded."""

    title: str = ""
    took: float = 0.0
    starts: int = 0
    findings: list[Finding] = field(default_factory=list)
    results: list[Verdict] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    operations: dict[str, dict[str, int]] = field(default_factory=dict)
    loads: Loads = field(default_factory=Loads)
    faults: Faults = field(default_factory=Faults)

    def summary(self) -> CheckSummary:
        """Return it as far as it came."""
        is_open = self.starts > len(self.results) or not self.results
        unfinished = [_UNFINISHED] if is_open else []
        loads = self.loads.summaries()
        return CheckSummary(
            verdict=merge([*self.results, *(found.verdict for found in unfinished)]),
            title=self.title,
            took=self.took,
            findings=self.findings + unfinished,
            figures=self.figures,
            latencies={name: latency(h) for name, h in self.histograms.items()},
            operations=self.operations,
            loads=loads,
            faults=self.faults.timeline(loads),
        )


@dataclass(slots=True)
class _Usage:
    """A process tree while its samples are folded."""

    first: Sampled
    last: Sampled
    samples: int = 1
    cpu_before: float = 0.0
    cpu_peak: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)

    def add(self, sample: Sampled) -> None:
        """Take the next sample in."""
        used = sample.cpu - self.last.cpu
        if used < 0:
            # The target was started again: its processor time begins at zero.
            self.cpu_before += self.last.cpu
            used = sample.cpu
        passed = sample.at - self.last.at
        if passed > 0:
            self.cpu_peak = max(self.cpu_peak, used / passed)
        self.last = sample
        self.samples += 1
        self.look(sample)

    def look(self, sample: Sampled) -> None:
        """Raise the peaks."""
        for name in ("rss", "descriptors", "processes", "threads"):
            self.peaks[name] = max(self.peaks.get(name, 0), getattr(sample, name))

    def summary(self) -> Resources:
        """Return what was used."""
        return Resources(
            samples=self.samples,
            rss_first=self.first.rss,
            rss_last=self.last.rss,
            rss_peak=self.peaks["rss"],
            cpu=self.cpu_before + self.last.cpu,
            cpu_peak=self.cpu_peak,
            descriptors_last=self.last.descriptors,
            descriptors_peak=self.peaks["descriptors"],
            processes_peak=self.peaks["processes"],
            threads_peak=self.peaks["threads"],
        )


class _Folding:
    """All that is kept between two records."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.run: RunStarted | None = None
        self.ready: TargetReady | None = None
        self.starts = 0
        self.death: TargetEnded | None = None
        self.end: TargetEnded | None = None
        self.not_ready = ""
        self.checks: dict[tuple[str, str], _Check] = {}
        self.suite_of: dict[str, str] = {}
        self.usage: dict[str, _Usage] = {}
        self.faults: Faults | None = None
        self.notes: list[str] = []
        self.finished: RunFinished | None = None
        self.last_at = 0.0
        # A table instead of a chain of questions; each method takes its record.
        self.takers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._run_started,
            TargetReady: self._target_ready,
            TargetEnded: self._target_ended,
            CheckStarted: self._check_started,
            CheckFinished: self._check_finished,
            Operation: self._operation,
            FigureMeasured: self._figure_measured,
            HistogramTaken: self._histogram_taken,
            Sampled: self._sampled,
            LoadSampled: self._load_sampled,
            GeneratorSampled: self._generator_sampled,
            Noted: self._noted,
            RunFinished: self._run_finished,
            **dict.fromkeys(get_args(FaultRecord), self._fault_record),
        }

    def take(self, record: Record) -> None:
        """Take the next record in."""
        self.last_at = max(self.last_at, record.at)
        self.takers[type(record)](record)

    def _check(self, suite: str, check: str) -> _Check:
        return self.checks.setdefault((suite, check), _Check())

    def _run_started(self, record: RunStarted) -> None:
        if self.run is not None:
            self.problems.append(f"a second run, {record.run!r}, in the same journal")
            return
        self.run = record

    def _target_ready(self, record: TargetReady) -> None:
        self.ready = self.ready or record
        self.starts += 1
        if self.faults is not None:
            self.faults.target_started()

    def _target_ended(self, record: TargetEnded) -> None:
        self.end = record
        if not record.ready and self.ready is None:
            how = "it did not answer in time" if record.by_lab else "it ended by itself"
            self.not_ready = record.reason or how
        elif not record.by_lab:
            self.death = self.death or record

    def _check_started(self, record: CheckStarted) -> None:
        check = self._check(record.suite, record.check)
        check.title = check.title or record.title
        check.starts += 1
        self.suite_of[record.check] = record.suite

    def _check_finished(self, record: CheckFinished) -> None:
        check = self._check(record.suite, record.check)
        check.took += record.took
        check.findings += record.findings or [_WITHOUT_FINDING]
        check.results.append(record.verdict)
        if self.faults is check.faults:
            self.faults = None

    def _operation(self, record: Operation) -> None:
        suite = self.suite_of.get(record.check)
        if suite is None:
            return
        kinds = self._check(suite, record.check).operations.setdefault(record.name, {})
        kind = record.kind.value
        kinds[kind] = kinds.get(kind, 0) + 1

    def _figure_measured(self, record: FigureMeasured) -> None:
        figure = Figure(value=record.value, unit=record.unit)
        self._check(record.suite, record.check).figures[record.name] = figure

    def _histogram_taken(self, record: HistogramTaken) -> None:
        histograms = self._check(record.suite, record.check).histograms
        try:
            taken = Histogram.decode(record.histogram)
            if record.name in histograms:
                histograms[record.name].merge(taken)
            else:
                histograms[record.name] = taken
        except ValueError as error:
            where = f"{record.suite}.{record.check}"
            self.problems.append(f"histogram {record.name!r} of {where}: {error}")

    def _sampled(self, record: Sampled) -> None:
        usage = self.usage.get(record.who)
        if usage is None:
            usage = self.usage[record.who] = _Usage(first=record, last=record)
            usage.look(record)
        else:
            usage.add(record)
        if self.faults is not None and record.who == "target":
            self.faults.target_sampled(record)

    def _load_sampled(self, record: LoadSampled) -> None:
        check = self._check(record.suite, record.check)
        check.loads.sampled(record)
        check.faults.take(record)

    def _generator_sampled(self, record: GeneratorSampled) -> None:
        self._check(record.suite, record.check).loads.generator_sampled(record)

    def _fault_record(self, record: FaultRecord) -> None:
        self.faults = self._check(record.suite, record.check).faults
        self.faults.take(record)

    def _noted(self, record: Noted) -> None:
        self.notes.append(record.text)

    def _run_finished(self, record: RunFinished) -> None:
        self.finished = record

    def summary(self, *, cut: bool) -> Summary:
        """Return what it all comes to."""
        run = self.run or _NO_RUN
        self.problems += self._problems_of_checks()
        suites = self._suites()
        checks = [
            (suite, name, check)
            for suite, of_suite in suites.items()
            for name, check in of_suite.checks.items()
        ]
        not_run = self._not_run(run.planned)
        interrupted = self.finished is not None and self.finished.interrupted
        doubts = self._doubts(
            [check.verdict for _, _, check in checks],
            not_run=len(not_run),
            interrupted=interrupted,
            cut=cut,
        )
        death = _death_sentence(self.death) if self.death else []
        located = [
            Located(suite=suite, check=name, finding=finding)
            for suite, name, check in checks
            for finding in check.findings
        ]
        return Summary(
            verdict=merge(
                [
                    *(check.verdict for _, _, check in checks),
                    *(Verdict.FAIL for _ in death),
                    *(Verdict.UNKNOWN for _ in doubts),
                ]
            ),
            reasons=death + doubts,
            run=run.run,
            wall=run.wall,
            duration=self.finished.at if self.finished else self.last_at,
            version=run.version,
            seed=run.seed,
            asked=run.suites,
            target=self._target(run.target),
            counts=_count(check.verdict for _, _, check in checks),
            suites=suites,
            findings=_most_important(located),
            skipped=[
                place
                for place in located
                if place.finding.verdict is Verdict.SKIP and not place.finding.known
            ],
            known=[place for place in located if place.finding.known],
            not_run=not_run,
            resources={who: usage.summary() for who, usage in self.usage.items()},
            notes=self.notes,
            problems=self.problems,
            target_end=self.death or self.end,
            not_ready=self.not_ready,
            interrupted=interrupted,
            cut=cut,
            machine=run.machine,
            options=run.options,
            again=run.again,
        )

    def _problems_of_checks(self) -> list[str]:
        return [
            f"{what} of {suite}.{name}: {problem}"
            for (suite, name), check in self.checks.items()
            for what, part in (("load", check.loads), ("faults", check.faults))
            for problem in part.problems
        ]

    def _suites(self) -> dict[str, SuiteSummary]:
        by_suite: dict[str, dict[str, CheckSummary]] = {}
        for (suite, name), check in self.checks.items():
            by_suite.setdefault(suite, {})[name] = check.summary()
        return {
            suite: SuiteSummary(
                verdict=merge(check.verdict for check in checks.values()),
                counts=_count(check.verdict for check in checks.values()),
                took=sum(check.took for check in checks.values()),
                checks=checks,
            )
            for suite, checks in by_suite.items()
        }

    def _not_run(self, planned: list[str]) -> list[str]:
        """Return what was planned more often than it began.

        A name is planned as ``suite.check``, or as the check alone.
        """
        began = Counter[str]()
        for (suite, name), check in self.checks.items():
            times = max(check.starts, len(check.results))
            began[f"{suite}.{name}"] += times
            began[name] += times
        not_run = []
        for name in planned:
            began[name] -= 1
            if began[name] < 0:
                not_run.append(name)
        return not_run

    def _doubts(
        self, verdicts: list[Verdict], *, not_run: int, interrupted: bool, cut: bool
    ) -> list[str]:
        """Return every reason for which the run is UNKNOWN at least."""
        checked = any(verdict is not Verdict.SKIP for verdict in verdicts)
        if self.not_ready:
            # The rest follows from it.
            return [f"the target never became ready: {self.not_ready}"]
        reasons = {
            "the run was interrupted": interrupted,
            "the journal has no end: the run was cut": cut,
            "the journal has no beginning": self.run is None,
            "nothing was checked: every check was skipped": bool(verdicts)
            and not checked,
            "nothing was checked": not verdicts,
            f"{_checks(not_run)} planned and did not run": not_run > 0,
            f"the evidence has holes ({len(self.problems)})": bool(self.problems),
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _target(self, given: str) -> TargetSummary:
        ready = self.ready
        if ready is None:
            return TargetSummary(given=given)
        return TargetSummary(
            given=given,
            url=ready.url,
            tls_url=ready.tls_url,
            dialect=ready.dialect,
            capabilities=ready.capabilities,
            took=ready.took,
            starts=self.starts,
        )


def _checks(number: int) -> str:
    return "1 check was" if number == 1 else f"{number} checks were"


def _death_sentence(death: TargetEnded) -> list[str]:
    how = {None: "", 0: " with status 0"}.get(
        death.status,
        f" with status {death.status}"
        if (death.status or 0) > 0
        else f" by signal {-(death.status or 0)}",
    )
    why = f": {death.reason}" if death.reason else ""
    return [f"the target died by itself{how} after {death.at:.1f} s{why}"]


def _count(verdicts: Iterable[Verdict]) -> dict[str, int]:
    counts = {str(verdict): 0 for verdict in Verdict}
    for verdict in verdicts:
        counts[verdict] += 1
    return counts


def _most_important(located: list[Located]) -> list[Located]:
    return [
        place
        for verdict in (Verdict.FAIL, Verdict.UNKNOWN)
        for place in located
        if place.finding.verdict is verdict and not place.finding.known
    ][:MOST_FINDINGS]
