"""A small run, record by record."""

from collections.abc import Callable

import pytest
from hypothesis import settings

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    Finding,
    Record,
    RunFinished,
    RunStarted,
    TargetReady,
    Verdict,
)

# No timed assertion: a slow machine is not a failing property.
settings.register_profile("evidence", deadline=None, database=None)
settings.load_profile("evidence")

Run = Callable[..., list[Record]]


@pytest.fixture
def run() -> Run:
    """Make the records of a run: ``run(broadcast=[PASS], latency=[FAIL, PASS])``."""

    def records(
        *between: Record,
        planned: list[str] | None = None,
        finished: bool = True,
        interrupted: bool = False,
        **checks: list[Finding | Verdict],
    ) -> list[Record]:
        names = [f"core.{name}" for name in checks]
        made: list[Record] = [
            RunStarted(
                at=0.0,
                run="core_20260921_133320",
                wall=1_790_000_000.0,
                version="0.1.0",
                seed=7,
                suites=["core"],
                planned=names if planned is None else planned,
                target="embedded hub",
                machine={"python": "3.11"},
                options={"fail-fast": "true"},
            ),
            TargetReady(
                at=0.5,
                url="ws://127.0.0.1:9/ws",
                tls_url="wss://127.0.0.1:10/ws",
                dialect="hub",
                capabilities=["echo", "publish"],
                took=0.4,
            ),
        ]
        for name, findings in checks.items():
            made += [
                CheckStarted(at=1.0, suite="core", check=name, title=f"about {name}"),
                CheckFinished(
                    at=2.0,
                    suite="core",
                    check=name,
                    took=1.0,
                    findings=[
                        finding
                        if isinstance(finding, Finding)
                        else Finding(verdict=finding, title=name, seen="so")
                        for finding in findings
                    ],
                ),
            ]
        made += between
        if finished:
            made.append(RunFinished(at=9.0, interrupted=interrupted))
        return made

    return records
