"""The shape of a summary, as it stands in test_summary.json.

It refuses to know how a summary comes about.
"""

import msgspec

from wavetank.evidence.finding import Finding
from wavetank.evidence.records import TargetEnded
from wavetank.evidence.verdict import Verdict

__all__ = [
    "CheckSummary",
    "Figure",
    "Latency",
    "Located",
    "Resources",
    "SuiteSummary",
    "Summary",
    "TargetSummary",
]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the summary; every field is written, also an empty one."""


class Located(_Part, frozen=True, kw_only=True):
    """A finding and where it was made."""

    suite: str
    check: str
    finding: Finding

    @property
    def name(self) -> str:
        """The check with its suite."""
        return f"{self.suite}.{self.check}"


class Figure(_Part, frozen=True, kw_only=True):
    """A measured value and its unit."""

    value: float
    unit: str


class Latency(_Part, frozen=True, kw_only=True):
    """A histogram in nine numbers; all but ``count`` are seconds.

    Attributes:
        capped: Whether a duration reached the end of the range, so that the
            largest may be larger still.
    """

    count: int
    min: float | None
    mean: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    max: float | None
    capped: bool


class CheckSummary(_Part, frozen=True, kw_only=True):
    """One check.

    Attributes:
        verdict: Sum of its findings; UNKNOWN where it began and did not finish.
        title: The sentence that it proves.
        took: Seconds.
        operations: Name of an operation -> kind -> how many.
    """

    verdict: Verdict
    title: str
    took: float
    findings: list[Finding]
    figures: dict[str, Figure]
    latencies: dict[str, Latency]
    operations: dict[str, dict[str, int]]


class SuiteSummary(_Part, frozen=True, kw_only=True):
    """One suite; ``counts`` is verdict -> number of checks."""

    verdict: Verdict
    counts: dict[str, int]
    took: float
    checks: dict[str, CheckSummary]


class TargetSummary(_Part, frozen=True, kw_only=True):
    """What was tested.

    Attributes:
        given: How it was given: embedded hub, a command, a URL.
        took: Seconds to its first readiness.
        starts: How often it became ready.
    """

    given: str
    url: str = ""
    tls_url: str = ""
    dialect: str = ""
    capabilities: list[str] = []
    took: float = 0.0
    starts: int = 0


class Resources(_Part, frozen=True, kw_only=True):
    """What a process tree used.

    Attributes:
        samples: How often it was looked at.
        rss_first: Resident memory at the first look, in bytes.
        rss_last: The same at the last look.
        rss_peak: The highest seen.
        cpu: Processor seconds, over all starts.
        cpu_peak: Highest share of one processor between two looks; 1.0 is one.
        descriptors_last: Open file descriptors at the last look.
        descriptors_peak: The most seen.
        processes_peak: The most processes seen.
        threads_peak: The most threads seen.
    """

    samples: int
    rss_first: int
    rss_last: int
    rss_peak: int
    cpu: float
    cpu_peak: float
    descriptors_last: int
    descriptors_peak: int
    processes_peak: int
    threads_peak: int


class Summary(_Part, frozen=True, kw_only=True):
    """What a run came to.

    Attributes:
        verdict: Of the whole run.
        reasons: Why, beyond the checks: cut, interrupted, the target died ...
        run: Name of the run.
        wall: Start in seconds since 1970 UTC.
        duration: Seconds.
        version: Version of Wavetank.
        seed: Seed of every die.
        asked: The suites that were asked for.
        target: What was tested.
        counts: Verdict -> number of checks.
        suites: By name, in the order they began.
        findings: The most important: FAIL first, then UNKNOWN.
        skipped: What was not looked at, with the reason in ``seen``.
        known: Findings that a known failure covers, with the reason.
        not_run: Planned checks that never began.
        resources: ``target`` and ``lab`` -> what they used.
        notes: What else a reader has to know.
        problems: What of the evidence could not be read.
        target_end: Its death by itself, or else its last end; None where it
            was not seen to end.
        not_ready: Why the target never became ready, or "".
        interrupted: Whether Ctrl-C or SIGTERM ended the run.
        cut: Whether the journal has no end.
        machine: Where the run took place.
        options: Every option that was not left at its default.
    """

    verdict: Verdict
    reasons: list[str]
    run: str
    wall: float
    duration: float
    version: str
    seed: int
    asked: list[str]
    target: TargetSummary
    counts: dict[str, int]
    suites: dict[str, SuiteSummary]
    findings: list[Located]
    skipped: list[Located]
    known: list[Located]
    not_run: list[str]
    resources: dict[str, Resources]
    notes: list[str]
    problems: list[str]
    target_end: TargetEnded | None
    not_ready: str
    interrupted: bool
    cut: bool
    machine: dict[str, str]
    options: dict[str, str]

    @property
    def target_died(self) -> bool:
        """Whether the target, once ready, ended by itself."""
        end = self.target_end
        return end is not None and not end.by_lab and not self.not_ready
