"""The lines of the journal.

They refuse to know who wrote them and who will read them: producers append,
readers fold, and nothing else passes between the two.
"""

import msgspec

from wavetank.evidence.finding import Finding
from wavetank.evidence.operations import Operation
from wavetank.evidence.verdict import Verdict, merge

__all__ = [
    "CheckFinished",
    "CheckStarted",
    "FigureMeasured",
    "GeneratorSampled",
    "HistogramTaken",
    "LoadSampled",
    "Noted",
    "Record",
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
        counts: ``intended``, ``sent``, ``late``, ``dropped``, ``received``,
            ``failed``, ``lost``, ``duplicated``, ``reordered``, ``corrupted``,
            ``foreign``, ``bytes_sent``, ``bytes_received``; those that are not 0.
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
    response: str = ""
    service: str = ""


class GeneratorSampled(_Line, frozen=True, kw_only=True, tag="generator_sampled"):
    """How the load's own workers fared over a second.

    Attributes:
        since: Start of that second, in seconds since the load's start.
        took: Its length in seconds.
        cpu: Share of a core that each worker used, 0 to 1.
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
    | HistogramTaken
    | Sampled
    | LoadSampled
    | GeneratorSampled
    | Noted
    | RunFinished
)
