"""A target is waited for until it has worked off what a load left."""

import asyncio
from typing import Any

import pytest

from wavetank.dialects import Echo
from wavetank.evidence import Histogram
from wavetank.lab import quiet
from wavetank.lab.quiet import is_quiet, probe_of, wait_for_quiet
from wavetank.lab.target import Target
from wavetank.load.exchange import Operation, Tally
from wavetank.load.plan import Arrivals, LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import LoadResult

TARGET = Target(url="ws://127.0.0.1:9/", dialect=Echo())


def plan(kind: ScenarioKind = ScenarioKind.REQUEST) -> LoadPlan:
    """Return a load that was too much."""
    scenario = Scenario(
        name="x",
        kind=kind,
        users=500,
        publishers=7,
        topics=3,
        stages=(Stage(seconds=4.0, level=9000.0),),
        arrivals=Arrivals.POISSON,
    )
    return LoadPlan(scenarios=(scenario, scenario), warm_up=1.0)


def answered(seconds: float, *, lost: int = 0, **changes: Any) -> LoadResult:
    """Return a probe whose ten messages took so long."""
    histogram = Histogram()
    histogram.record(seconds, 10)
    tally = Tally(
        scenario="x",
        operation=Operation.REQUEST,
        received=10 - lost,
        lost=lost,
        response=histogram.encode(),
    )
    return LoadResult(plan=plan(), seconds=0.5, tallies=[tally], **changes)


def test_a_probe_is_ten_messages_of_one_user() -> None:
    """Of the same kind, at an even rate, whatever the load was like."""
    probe = probe_of(plan(ScenarioKind.PUBLISH))
    (scenario,) = probe.scenarios
    assert (scenario.kind, scenario.users) == (ScenarioKind.PUBLISH, 1)
    assert (scenario.publishers, scenario.topics) == (1, 1)
    assert scenario.stages == (Stage(seconds=0.5, level=20.0),)
    assert scenario.arrivals is Arrivals.EVEN
    assert (probe.warm_up, probe.workers, probe.seconds) == (0.0, 1, 0.5)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (answered(0.003), True),
        (answered(0.03), True),
        (answered(0.5), False),
        (answered(0.003, lost=1), False),
        (answered(0.003, complete=False), False),
        (LoadResult(plan=plan(), seconds=0.5), False),
    ],
)
def test_quiet_is_who_answers_all_as_quickly_as_usual(
    result: LoadResult, *, expected: bool
) -> None:
    """Twice that and a little: a busy machine is no queue."""
    assert is_quiet(result, usual=0.01) is expected


class Probes:
    """Stands for the workers: each probe comes to the next result, the last for ever.

    Args:
        results: Of the probes.
        stop: Set when the last result is handed out, if there is one.
    """

    def __init__(self, *results: LoadResult, stop: asyncio.Event | None = None) -> None:
        self.results = list(results)
        self.stop = stop
        self.count = 0

    async def __call__(self, *_: object, **__: object) -> LoadResult:
        """Return what came of a probe."""
        self.count += 1
        if len(self.results) > 1:
            return self.results.pop(0)
        if self.stop is not None:
            self.stop.set()
        return self.results[0]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes follow each other at once."""
    monkeypatch.setattr(quiet, "_PAUSE", 0.0)


@pytest.mark.anyio
async def test_a_target_is_probed_until_it_is_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two probes find it at work, the third one does not."""
    probes = Probes(answered(2.0), answered(0.5), answered(0.003))
    monkeypatch.setattr(quiet, "run_load", probes)
    assert await wait_for_quiet(TARGET, plan(), usual=0.003)
    assert probes.count == 3


@pytest.mark.anyio
async def test_a_target_that_never_rests_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound ends it."""
    monkeypatch.setattr(quiet, "run_load", Probes(answered(2.0)))
    assert not await wait_for_quiet(TARGET, plan(), usual=0.003, within=0.0)


@pytest.mark.anyio
async def test_nobody_is_waited_for_once_the_search_is_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C ends the wait, too."""
    stop = asyncio.Event()
    probes = Probes(answered(2.0), answered(2.0), stop=stop)
    monkeypatch.setattr(quiet, "run_load", probes)
    assert await wait_for_quiet(TARGET, plan(), usual=0.003, stop=stop)
    assert probes.count == 2


@pytest.mark.anyio
async def test_a_target_whose_answers_nobody_waits_for_is_not_probed() -> None:
    """A churn, say: what would be asked?"""
    assert await wait_for_quiet(TARGET, plan(ScenarioKind.CHURN), usual=0.003)
