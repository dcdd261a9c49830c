"""A run in which everything happened that a report has to tell."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import settings

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    FigureMeasured,
    Finding,
    GeneratorSampled,
    Histogram,
    HistogramTaken,
    Kind,
    LoadSampled,
    Noted,
    Operation,
    Record,
    RunFinished,
    RunStarted,
    Sampled,
    Summary,
    TargetEnded,
    TargetReady,
    Verdict,
    fold,
)

# No timed assertion: a slow machine is not a failing property.
settings.register_profile("report", deadline=None, database=None)
settings.load_profile("report")

HOSTILE = (
    "\x1b[31mred\x1b[0m \x00 \x9b ]]> <script>alert(1)</script> | `tick` ``` *b* _i_ "
    "[l](javascript:x) # & \" ' \\| \ud800 \u202eevil\u2028 \r\n- item ![i](http://x/)"
)


@pytest.fixture
def hostile() -> str:
    """Text that wants to break a terminal, a table, a page and a parser."""
    return HOSTILE


@pytest.fixture
def records() -> list[Record]:
    """A run of three suites: passed, failed, unknown, skipped, known, not run."""
    slow = Histogram()
    slow.record(0.001, 98)
    slow.record(0.25)
    slow.record(75.0)
    return [
        RunStarted(
            at=0.0,
            run="core_20260921_133320",
            wall=1_790_000_000.0,
            version="0.1.0",
            seed=7,
            suites=["core", "load", "security"],
            planned=[
                "core.broadcast",
                "core.reconnection",
                "load.burst",
                "load.sustained",
                "security.access_control",
                "security.rate_limiting",
            ],
            target="python app.py --port {port}",
            machine={"system": "Linux 6.1", "processors": "2"},
            options={"fail-fast": "true"},
        ),
        TargetReady(
            at=0.5,
            url="ws://127.0.0.1:41233/ws",
            tls_url="wss://127.0.0.1:41234/ws",
            dialect="hub",
            capabilities=["echo", "publish"],
            took=0.412,
        ),
        Sampled(
            at=0.6,
            who="target",
            cpu=0.1,
            rss=30_000_000,
            descriptors=9,
            processes=1,
            threads=2,
        ),
        CheckStarted(at=1.0, suite="core", check="broadcast", title="All hear it."),
        Operation(
            at=1.1,
            check="broadcast",
            peer="peer-1",
            kind=Kind.INVOKE,
            name="publish",
            id=1,
            topic="prices",
            detail='{"price":1}',
        ),
        Operation(
            at=1.2,
            check="broadcast",
            peer="peer-1",
            kind=Kind.OK,
            name="publish",
            id=1,
            topic="prices",
            seq=1,
        ),
        CheckFinished(
            at=2.0,
            suite="core",
            check="broadcast",
            took=1.0,
            findings=[Finding(verdict=Verdict.PASS, title="All heard it.")],
        ),
        CheckStarted(at=2.0, suite="core", check="reconnection", title="It returns."),
        CheckFinished(
            at=2.5,
            suite="core",
            check="reconnection",
            took=0.5,
            findings=[
                Finding(
                    verdict=Verdict.FAIL,
                    title="Nothing is lost.",
                    expected="seq 1 to 9",
                    seen="seq 4 is missing",
                    clause="RFC 6455 5.4",
                ),
                Finding(verdict=Verdict.FAIL, title="Nothing is repeated."),
            ],
        ),
        CheckStarted(at=3.0, suite="load", check="burst", title="It stands a burst."),
        FigureMeasured(
            at=3.1, suite="load", check="burst", name="rate", value=1250.5, unit="1/s"
        ),
        HistogramTaken(
            at=3.2,
            suite="load",
            check="burst",
            name="response time",
            histogram=slow.encode(),
        ),
        CheckFinished(
            at=3.5,
            suite="load",
            check="burst",
            took=0.5,
            findings=[
                Finding(verdict=Verdict.UNKNOWN, title="p99", seen="too few values")
            ],
        ),
        CheckStarted(at=4.0, suite="security", check="access_control", title="Keys."),
        CheckFinished(
            at=4.1,
            suite="security",
            check="access_control",
            took=0.1,
            findings=[
                Finding(
                    verdict=Verdict.SKIP,
                    title="access_control",
                    seen="the target lacks: tokens",
                )
            ],
        ),
        CheckStarted(at=4.1, suite="security", check="rate_limiting", title="Limits."),
        CheckFinished(
            at=4.2,
            suite="security",
            check="rate_limiting",
            took=0.1,
            findings=[
                Finding(
                    verdict=Verdict.FAIL,
                    title="It limits.",
                    seen="1000 messages passed",
                    known="ticket 7 (until 2026-12-31)",
                )
            ],
        ),
        Noted(at=4.3, text="TLS is off"),
        TargetEnded(
            at=4.5,
            by_lab=False,
            status=-11,
            output=["Traceback", "Segmentation fault"],
        ),
        Sampled(
            at=4.6,
            who="target",
            cpu=1.3,
            rss=60_000_000,
            descriptors=12,
            processes=2,
            threads=5,
        ),
        RunFinished(at=5.25),
    ]


@pytest.fixture
def summary(records: list[Record]) -> Summary:
    """The fold of that run."""
    return fold(records, problems=["line 7: damaged: truncated"])


@pytest.fixture
def passed() -> Summary:
    """A run in which one check passed, and nothing else happened."""
    return fold(
        [
            RunStarted(
                at=0.0,
                run="core_1",
                wall=1_790_000_000.0,
                version="0.1.0",
                seed=7,
                suites=["core"],
                planned=["core.broadcast"],
                target="embedded hub",
            ),
            CheckStarted(at=1.0, suite="core", check="broadcast", title="All hear it."),
            CheckFinished(
                at=2.0,
                suite="core",
                check="broadcast",
                took=1.0,
                findings=[Finding(verdict=Verdict.PASS, title="All heard it.")],
            ),
            RunFinished(at=3.0),
        ]
    )


@pytest.fixture
def poisoned(hostile: str) -> list[Record]:
    """A run in which the target put hostile text wherever it could."""
    return [
        RunStarted(
            at=0.0,
            run=hostile,
            wall=1e300,
            version=hostile,
            seed=7,
            suites=[hostile],
            planned=[hostile],
            target=hostile,
            machine={hostile: hostile},
            options={hostile: hostile},
        ),
        TargetReady(
            at=0.1,
            url=hostile,
            tls_url=hostile,
            dialect=hostile,
            capabilities=[hostile],
            took=0.1,
        ),
        CheckStarted(at=1.0, suite=hostile, check="check", title=hostile),
        Operation(
            at=1.0,
            check="check",
            peer=hostile,
            kind=Kind.INFO,
            name=hostile,
            topic=hostile,
            detail=hostile * 1000,
        ),
        FigureMeasured(
            at=1.0,
            suite=hostile,
            check="check",
            name=hostile,
            value=float("nan"),
            unit=hostile,
        ),
        HistogramTaken(
            at=1.0,
            suite=hostile,
            check="check",
            name=hostile,
            histogram=Histogram().encode(),
        ),
        *(
            LoadSampled(
                at=1.5,
                suite=hostile,
                check="check",
                since=since,
                took=1.0,
                scenario=hostile,
                operation=hostile,
                counts={"received": 7, hostile: 2**63},
                response=text,
            )
            for since, text in ((0.0, ""), (1.0, hostile), (1e300, "HISTFAAA"))
        ),
        CheckFinished(
            at=2.0,
            suite=hostile,
            check="check",
            took=1.0,
            findings=[
                Finding(
                    verdict=verdict,
                    title=hostile,
                    expected=hostile,
                    seen=hostile * 1000,
                    clause=hostile,
                    known=known,
                )
                for verdict in Verdict
                for known in ("", hostile)
            ],
        ),
        Sampled(
            at=2.0, who=hostile, cpu=1.0, rss=1, descriptors=1, processes=1, threads=1
        ),
        Noted(at=2.0, text=hostile),
        TargetEnded(at=2.5, by_lab=False, output=[hostile] * 300, reason=hostile),
        RunFinished(at=3.0),
    ]


Played = Callable[..., Summary]


@pytest.fixture
def played() -> Played:
    """Return a run of conformance cases: each list of findings is a group."""

    def play(
        *groups: Sequence[Finding],
        names: Sequence[str] = ("framing", "close_matrix"),
        suite: str = "conformance",
        planned: Sequence[str] = (),
        target: str = "python app.py {port}",
    ) -> Summary:
        started = RunStarted(
            at=0.0,
            run="conformance_1",
            wall=1_790_000_000.0,
            version="0.1.0",
            seed=7,
            suites=[suite],
            planned=[*planned],
            target=target,
        )
        finished = [
            CheckFinished(
                at=2.0, suite=suite, check=name, took=1.0, findings=[*findings]
            )
            for name, findings in zip(names, groups, strict=False)
        ]
        return fold([started, *finished, RunFinished(at=3.0)])

    return play


LoadOf = Callable[..., list[Record]]


@pytest.fixture
def load_of() -> LoadOf:
    """Make the records of a check's load: each second as the last, or as asked."""

    def make(
        seconds: int = 3,
        *,
        suite: str = "load",
        check: str = "sustained",
        scenario: str = "echo",
        operation: str = "request",
        rate: int = 100,
        times: Sequence[float] = (0.001, 0.002, 0.010),
        service: Sequence[float] = (0.001,),
        started: float = 10.0,
        **counts: int,
    ) -> list[Record]:
        def encoded(durations: Sequence[float]) -> str:
            histogram = Histogram()
            for duration in durations:
                histogram.record(duration)
            return histogram.encode() if durations else ""

        response, served = encoded(times), encoded(service)
        records: list[Record] = []
        for second in range(seconds):
            records += [
                LoadSampled(
                    at=started + second + 1,
                    suite=suite,
                    check=check,
                    since=float(second),
                    took=1.0,
                    scenario=scenario,
                    operation=operation,
                    counts={
                        "intended": rate,
                        "sent": rate,
                        "received": rate,
                        **counts,
                    },
                    response=response,
                    service=served,
                ),
                GeneratorSampled(
                    at=started + second + 1,
                    suite=suite,
                    check=check,
                    since=float(second),
                    took=1.0,
                    cpu=[0.25, 0.5],
                    waited=0.2,
                    lag=0.002,
                    lateness=served,
                    open=50,
                ),
            ]
        return records

    return make


@pytest.fixture
def run_of() -> Callable[..., list[Record]]:
    """Make the records of a run around those of its loads."""

    def make(
        loads: Sequence[Record],
        *,
        verdict: Verdict = Verdict.PASS,
        check: str = "sustained",
        machine: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
    ) -> list[Record]:
        return [
            RunStarted(
                at=0.0,
                run="load_1",
                wall=1_790_000_000.0,
                version="0.1.0",
                seed=7,
                suites=["load"],
                planned=[],
                target="embedded hub",
                machine=machine or {"processors": "2"},
                options=options or {},
            ),
            CheckStarted(at=1.0, suite="load", check=check, title="It holds."),
            *loads,
            CheckFinished(
                at=90.0,
                suite="load",
                check=check,
                took=60.0,
                findings=[Finding(verdict=verdict, title="It holds.", seen="so so")],
            ),
            RunFinished(at=100.0),
        ]

    return make
