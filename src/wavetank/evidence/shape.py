"""The shape of a summary, as it stands in test_summary.json.

It refuses to know how a summary comes about.
"""

import msgspec

from wavetank.evidence.finding import Finding
from wavetank.evidence.records import TargetEnded
from wavetank.evidence.schedule import Attribute, Schedule
from wavetank.evidence.verdict import Verdict

__all__ = [
    "CheckSummary",
    "FaultSummary",
    "FaultTimeline",
    "Figure",
    "GeneratorPoint",
    "GeneratorSummary",
    "Latency",
    "LoadPoint",
    "LoadSummary",
    "Located",
    "OperationSummary",
    "Resources",
    "Series",
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


class LoadPoint(_Part, frozen=True, kw_only=True):
    """A second of an operation; of a long load, some seconds together.

    Attributes:
        since: Its start, in seconds since the load's start.
        took: Its length in seconds.
        intended: Arrivals that the schedule had.
        sent: Of these, handed to the system.
        received: Answers, deliveries, connections that came.
        p50: Of the latency that ``OperationSummary.timed`` names; seconds.
        p99: The same.
        max: The same.
    """

    since: float
    took: float
    intended: int
    sent: int
    received: int
    p50: float | None
    p99: float | None
    max: float | None


class OperationSummary(_Part, frozen=True, kw_only=True):
    """One operation of one scenario of a load.

    Attributes:
        scenario: Name of the scenario.
        operation: ``request``, ``publish``, ``deliver`` ...
        counts: As in the records (`LoadSampled`), summed up; the drain included.
        seconds: What the rates refer to: while it was sent, or else received.
        intended_rate: Arrivals/s of the schedule.
        sent_rate: Messages/s sent.
        rate: Messages/s received.
        response: Response time, from the intended moment; None for none.
        service: Service time, from the moment it was really sent.
        response_curve: (percentile, seconds), from 0 to 100.
        service_curve: The same.
        timed: What the points tell: ``response``, else ``service``, or "".
        points: In the order of time; at most 1000, each as long as need be.
    """

    scenario: str
    operation: str
    counts: dict[str, int]
    seconds: float
    intended_rate: float
    sent_rate: float
    rate: float
    response: Latency | None
    service: Latency | None
    response_curve: list[tuple[float, float]]
    service_curve: list[tuple[float, float]]
    timed: str
    points: list[LoadPoint]


class GeneratorPoint(_Part, frozen=True, kw_only=True):
    """How the load's own workers fared in a second, or some together.

    Attributes:
        since: Its start, in seconds since the load's start.
        took: Its length in seconds.
        cpu: Share of a core of the busiest worker, 0 to 1.
        lag: Longest turn of a worker's loop, in seconds.
        lateness: p99 of sent minus intended, in seconds; of the worst second.
        open: Connections that were open at its end.
        lost_connections: That the target had ended by then.
    """

    since: float
    took: float
    cpu: float
    lag: float
    lateness: float | None
    open: int
    lost_connections: int


class GeneratorSummary(_Part, frozen=True, kw_only=True):
    """How the load's own workers fared.

    Attributes:
        workers: How many there were.
        cpu_peak: Highest share of a core of a worker in a second, 0 to 1.
        waited_peak: Highest share of a second in which a worker waited for a core
            that others had.
        lag: Longest turn of a worker's loop, in seconds.
        lateness: Sent minus intended.
        most_open: Most connections that were open at once.
        lost_connections: That the target ended.
        points: In the order of time; at most 1000.
    """

    workers: int
    cpu_peak: float
    waited_peak: float
    lag: float
    lateness: Latency | None
    most_open: int
    lost_connections: int
    points: list[GeneratorPoint]


class LoadSummary(_Part, frozen=True, kw_only=True):
    """A load: what was done to the target, and how it took it.

    Attributes:
        seconds: How long it was sent, at least.
        operations: In the order they began.
        generator: How the load's own workers fared.
    """

    seconds: float
    operations: list[OperationSummary]
    generator: GeneratorSummary


class FaultSummary(_Part, frozen=True, kw_only=True):
    """One fault from its begin to its heal, and what came after; None: not measured.

    Attributes:
        name: Its own name, such as ``latency-2``.
        what: Its kind.
        where: What was broken.
        seed: Of its dice; 0 where it has none.
        attributes: How bad it was, in the words and units of its kind.
        began_at: Seconds since the run's start.
        healed_at: The same; None where it was never healed.
        detect: Seconds from its begin until all that it hit had noticed.
        reconnect: Seconds from its heal until all of these were connected again.
        steady: Seconds from its heal until p99 was steady again.
        unsteady_for: Seconds that p99 was watched after the heal without getting
            steady; None where it did, or was not watched.
        replayed: Messages that were sent again from the history.
        memory_slope: Bytes each second that memory grew by after its heal.
        descriptor_slope: Descriptors each second, the same.
    """

    name: str
    what: str
    where: str
    seed: int
    attributes: dict[str, Attribute]
    began_at: float
    healed_at: float | None
    detect: float | None
    reconnect: float | None
    steady: float | None
    unsteady_for: float | None
    replayed: int | None
    memory_slope: float | None
    descriptor_slope: float | None


class Series(_Part, frozen=True, kw_only=True):
    """A figure over time: (seconds since the run's start, value); at most 1000."""

    name: str
    unit: str
    points: list[tuple[float, float]]


class FaultTimeline(_Part, frozen=True, kw_only=True):
    """What was broken on purpose in a check, and what was measured meanwhile.

    Attributes:
        schedules: What was planned.
        faults: What was done, in the order of the begins.
        series: Latency, lag, missing messages ...
    """

    schedules: list[Schedule]
    faults: list[FaultSummary]
    series: list[Series]


class CheckSummary(_Part, frozen=True, kw_only=True):
    """One check.

    Attributes:
        verdict: Sum of its findings; UNKNOWN where it began and did not finish.
        title: The sentence that it proves.
        took: Seconds.
        operations: Name of an operation -> kind -> how many.
        loads: Its loads, one after the other; most checks have none.
        faults: What was broken on purpose; None for nothing.
    """

    verdict: Verdict
    title: str
    took: float
    findings: list[Finding]
    figures: dict[str, Figure]
    latencies: dict[str, Latency]
    operations: dict[str, dict[str, int]]
    loads: list[LoadSummary] = []
    faults: FaultTimeline | None = None


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
        again: The command that makes the run again, as words; empty where nobody
            has told. Secrets are not in it.
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
    again: list[str] = []

    @property
    def target_died(self) -> bool:
        """Whether the target, once ready, ended by itself."""
        end = self.target_end
        return end is not None and not end.by_lab and not self.not_ready
