"""The lines of the journal.

They refuse to know who wrote them and who will read them: producers append,
readers fold, and nothing else passes between the two.
"""

import msgspec

from wavetank.evidence.finding import Finding
from wavetank.evidence.operations import Operation
from wavetank.evidence.schedule import Attribute, Schedule
from wavetank.evidence.verdict import Verdict, merge

__all__ = [
    "LOAD_COUNTS",
    "CheckFinished",
    "CheckStarted",
    "FaultBegan",
    "FaultHealed",
    "FaultsPlanned",
    "FigureMeasured",
    "FigureSampled",
    "GeneratorSampled",
    "HistogramTaken",
    "LoadSampled",
    "Noted",
    "Record",
    "RecoveryMeasured",
    "RunFinished",
    "RunStarted",
    "Sampled",
    "TargetEnded",
    "TargetReady",
]


class _Line(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record"
):
    """One line; ``at`` is seconds since the run started."""

    at: float


class RunStarted(_Line, frozen=True, kw_only=True, tag="run_started"):
    """First line: what is going to be done, with what, and where.

    Attributes:
        run: Name of the run, unique on its machine.
        wall: Start of the run in seconds since 1970 UTC.
        version: Version of Wavetank.
        seed: Seed of every die in this run.
        suites: The suites that were asked for, in the order they will run.
        planned: Names of the checks that were selected.
        target: How the target was given (``embedded hub``, command or URL).
        machine: System, processors, Python: what a reader has to know.
        options: Every option that was not left at its default.
        again: The command that makes the run again, as words; no secrets.
    """

    run: str
    wall: float
    version: str
    seed: int
    suites: list[str]
    planned: list[str]
    target: str
    machine: dict[str, str] = {}
    options: dict[str, str] = {}
    again: list[str] = []


class TargetReady(_Line, frozen=True, kw_only=True, tag="target_ready"):
    """The target answered an opening handshake.

    Attributes:
        url: Where it listens.
        tls_url: Its TLS twin, or "".
        dialect: How it speaks.
        capabilities: What it can do, by name.
        took: Seconds from its start to readiness.
        pid: Its process, or 0 where the lab did not start it.
    """

    url: str
    dialect: str
    capabilities: list[str]
    took: float
    tls_url: str = ""
    pid: int = 0


class TargetEnded(_Line, frozen=True, kw_only=True, tag="target_ended"):
    """The target's process ended.

    Attributes:
        by_lab: Whether the lab ended it; otherwise it died by itself.
        status: Exit status, negative for a signal; None where unknown.
        ready: Whether it had become ready before.
        output: The last lines that it printed, oldest first.
        reason: One sentence, where there is more to say.
    """

    by_lab: bool
    status: int | None = None
    ready: bool = True
    output: list[str] = []
    reason: str = ""


class CheckStarted(_Line, frozen=True, kw_only=True, tag="check_started"):
    """A check began; ``title`` is the sentence that it proves."""

    suite: str
    check: str
    title: str


class CheckFinished(_Line, frozen=True, kw_only=True, tag="check_finished"):
    """A check ended with its findings; without any it is UNKNOWN.

    Attributes:
        took: Seconds.
        findings: At least one; the check's verdict is their sum.
    """

    suite: str
    check: str
    took: float
    findings: list[Finding] = []

    @property
    def verdict(self) -> Verdict:
        """Sum of the findings; a known failure counts as SKIP."""
        return merge(
            Verdict.SKIP if finding.known else finding.verdict
            for finding in self.findings
        )


class FigureMeasured(_Line, frozen=True, kw_only=True, tag="figure_measured"):
    """A figure that a check measured: a value and its unit."""

    suite: str
    check: str
    name: str
    value: float
    unit: str


class FigureSampled(_Line, frozen=True, kw_only=True, tag="figure_sampled"):
    """A figure of a check at one moment; many of them are a line over time.

    Attributes:
        name: ``latency`` (p99 since the moment before), ``lag``, ``missing`` ...
        unit: ``s``, ``bytes``, ``messages`` ...
    """

    suite: str
    check: str
    name: str
    value: float
    unit: str


class FaultsPlanned(_Line, frozen=True, kw_only=True, tag="faults_planned"):
    """A schedule of faults begins now; its steps count their seconds from here."""

    suite: str
    check: str
    schedule: Schedule


class FaultBegan(_Line, frozen=True, kw_only=True, tag="fault_began"):
    """The lab broke something; what the target does now is not to be judged alone.

    Attributes:
        name: Its own name while it is on, such as ``latency-2``.
        what: Its kind: ``kill``, ``latency``, ``drop`` ...
        where: What was broken: ``the target's process``, ``link 3 upstream`` ...
        seed: Of its dice; 0 where it has none.
        attributes: How bad it is, in the words and units of its kind.
    """

    suite: str
    check: str
    name: str
    what: str
    where: str = ""
    seed: int = 0
    attributes: dict[str, Attribute] = {}


class FaultHealed(_Line, frozen=True, kw_only=True, tag="fault_healed"):
    """The fault of this name is over."""

    suite: str
    check: str
    name: str


class RecoveryMeasured(_Line, frozen=True, kw_only=True, tag="recovery_measured"):
    """How the target and its clients came back after a fault; None: not measured.

    Attributes:
        fault: Name of the fault that began last under it.
        detect: Seconds from its begin until it was noticed by all that it hit.
        reconnect: Seconds from its heal until all of these were connected again.
        steady: Seconds from its heal until p99 was steady again.
        replayed: Messages that were sent again from the history.
        memory_slope: Bytes each second that memory grows by after the heal.
        descriptor_slope: Descriptors each second, the same.
    """

    suite: str
    check: str
    fault: str
    detect: float | None = None
    reconnect: float | None = None
    steady: float | None = None
    replayed: int | None = None
    memory_slope: float | None = None
    descriptor_slope: float | None = None


class HistogramTaken(_Line, frozen=True, kw_only=True, tag="histogram_taken"):
    """Latencies of a check as an encoded histogram (``evidence.histogram``)."""

    suite: str
    check: str
    name: str
    histogram: str


class Sampled(_Line, frozen=True, kw_only=True, tag="sampled"):
    """Resources of a process tree at one moment.

    Attributes:
        who: ``target`` or ``lab``.
        cpu: Processor seconds used since the start of the tree.
        rss: Resident memory in bytes.
        descriptors: Open file descriptors.
        processes: Processes in the tree.
        threads: Threads in the tree.
    """

    who: str
    cpu: float
    rss: int
    descriptors: int
    processes: int
    threads: int


LOAD_COUNTS = (
    *("intended", "sent", "late", "dropped", "received", "failed"),
    *("lost", "duplicated", "reordered", "corrupted", "foreign"),
    *("bytes_sent", "bytes_received"),
)
"""What is counted of an operation of a load."""


class LoadSampled(_Line, frozen=True, kw_only=True, tag="load_sampled"):
    """One operation of one scenario of a load over a second, all workers together.

    The sum of all these records is the whole load; the last one of an operation may
    be of the drain.

    Attributes:
        since: Start of that second, in seconds since the load's start.
        took: Its length in seconds.
        scenario: Name of the scenario.
        operation: ``request``, ``publish``, ``deliver``, ``listen``, ``connect`` or
            ``ping``.
        counts: Of `LOAD_COUNTS`, those that are not 0.
        planned: Seconds of it that the plan has for its scenario, or in which it was
            still sent: what its rates refer to.
        response: Times from the intended moment, an encoded histogram; "" for none.
        service: Times from the moment it was really sent; "" for none.
    """

    suite: str
    check: str
    since: float
    took: float
    scenario: str
    operation: str
    counts: dict[str, int] = {}
    planned: float = 0.0
    response: str = ""
    service: str = ""


class GeneratorSampled(_Line, frozen=True, kw_only=True, tag="generator_sampled"):
    """How the load's own workers fared over a second.

    Attributes:
        since: Start of that second, in seconds since the load's start.
        took: Its length in seconds.
        cpu: Share of a core that each worker used, 0 to 1.
        waited: Largest share of it in which one could have run, and others had the
            core; 0 where the system does not tell.
        lag: Longest turn of a worker's loop, in seconds.
        lateness: Sent minus intended, an encoded histogram; "" for none.
        open: Connections that were open at its end.
        lost_connections: That the target had ended by then.
    """

    suite: str
    check: str
    since: float
    took: float
    cpu: list[float] = []
    waited: float = 0.0
    lag: float = 0.0
    lateness: str = ""
    open: int = 0
    lost_connections: int = 0


class Noted(_Line, frozen=True, kw_only=True, tag="noted"):
    """Something that the reader of the report has to know."""

    text: str


class RunFinished(_Line, frozen=True, kw_only=True, tag="run_finished"):
    """Last line; its absence means that the run was cut.

    Attributes:
        interrupted: Whether Ctrl-C or SIGTERM ended it.
    """

    interrupted: bool = False


Record = (
    RunStarted
    | TargetReady
    | TargetEnded
    | CheckStarted
    | CheckFinished
    | Operation
    | FigureMeasured
    | FigureSampled
    | FaultsPlanned
    | FaultBegan
    | FaultHealed
    | RecoveryMeasured
    | HistogramTaken
    | Sampled
    | LoadSampled
    | GeneratorSampled
    | Noted
    | RunFinished
)
