"""The search for the most that a target can take."""

import asyncio
from typing import Any

import msgspec
import pytest

from wavetank.dialects import Echo
from wavetank.evidence import FigureMeasured, Histogram, Noted, Record, Verdict
from wavetank.lab import searching
from wavetank.lab.loading import Load
from wavetank.lab.notebook import Notebook
from wavetank.lab.searching import (
    find,
    finding_of,
    judge_trial,
    kept_up,
    trial_plan,
)
from wavetank.lab.target import Target
from wavetank.load.exchange import Operation, Tally
from wavetank.load.plan import Arrivals, LoadPlan, Scenario, ScenarioKind, Shape, Stage
from wavetank.load.result import LoadResult
from wavetank.load.search import Found, Limit, Outcome, Trial
from wavetank.load.thresholds import parse_threshold

P99 = parse_threshold("p99 < 100ms")
TARGET = Target(url="ws://127.0.0.1:9/", dialect=Echo())


def plan(seconds: float = 10.0, *, users: int = 10) -> LoadPlan:
    """Return what was asked for."""
    ramp = Stage(seconds=seconds, level=10.0, peak=100.0, shape=Shape.RAMP)
    scenario = Scenario(
        name="x", kind=ScenarioKind.REQUEST, users=users, stages=(ramp,)
    )
    return LoadPlan(scenarios=(scenario,), warm_up=2.0)


def load(
    trial: LoadPlan, capacity: float, *, per_user: bool = False, **changes: Any
) -> Load:
    """Return what a target of so many messages/s (or users) makes of a trial."""
    (scenario,) = trial.scenarios
    (stage,) = scenario.stages
    level = scenario.users if per_user else stage.level
    sent = round(stage.level * stage.seconds)
    in_time = round(min(1.0, capacity / level) * sent)
    # A queue that grows: the last message waits as long as the surplus takes.
    slowest = 0.005 + max(level / capacity - 1, 0.0) * stage.seconds
    histogram = Histogram()
    for number in range(100):
        histogram.record(slowest * (number + 1) / 100, max(sent // 100, 1))
    whole = Tally(
        scenario="x",
        operation=Operation.REQUEST,
        intended=sent,
        sent=sent,
        received=sent,
        response=histogram.encode(),
    )
    fields: dict[str, Any] = {
        "tallies": [whole],
        "measured": [msgspec.structs.replace(whole, received=in_time, response="")],
        "window": stage.seconds,
    }
    return Load(
        result=LoadResult(plan=trial, seconds=stage.seconds, **(fields | changes))
    )


@pytest.fixture
def notebook(records: list[Record]) -> Notebook:
    """The notebook of the search."""
    return Notebook(suite="load", check="toy", record=records.append, now=lambda: 0.0)


# One trial


def test_a_trial_is_constant_and_short() -> None:
    """The level takes the place of all stages; the rest stays as it was asked for."""
    trial = trial_plan(plan(), Trial(level=750.0, number=1), P99, by_users=False)
    (scenario,) = trial.scenarios
    assert scenario.stages == (Stage(seconds=4.0, level=750.0),)
    assert (scenario.users, trial.warm_up) == (10, 1.0)
    assert trial.thresholds == (P99,)
    shorter = trial_plan(plan(2.0), Trial(level=1.0, number=1), P99, by_users=False)
    assert shorter.seconds == 2.0


@pytest.mark.parametrize(("level", "seconds"), [(1000.0, 1.0), (50.0, 2.0), (1.0, 4.0)])
def test_a_short_trial_has_a_hundred_arrivals(level: float, seconds: float) -> None:
    """Or as many as come in a long one."""
    trial = Trial(level=level, number=1, is_short=True)
    assert trial_plan(plan(), trial, P99, by_users=False).seconds == seconds


def test_a_trial_of_users_keeps_the_rate() -> None:
    """Its highest, all the time."""
    (scenario,) = trial_plan(
        plan(), Trial(level=70.0, number=1), P99, by_users=True
    ).scenarios
    assert scenario.users == 70
    assert scenario.stages == (Stage(seconds=4.0, level=100.0),)


def test_a_trial_without_a_schedule_has_none() -> None:
    """Listeners only listen."""
    scenario = Scenario(name="x", kind=ScenarioKind.LISTEN, users=5)
    listening = LoadPlan(scenarios=(scenario,), duration=9.0)
    trial = trial_plan(listening, Trial(level=7.0, number=1), P99, by_users=True)
    assert trial.scenarios[0].stages == ()
    assert (trial.scenarios[0].users, trial.duration) == (7, 4.0)


TRIAL = trial_plan(plan(), Trial(level=1000.0, number=1), P99, by_users=False)


@pytest.mark.parametrize(
    ("capacity", "changes", "outcome"),
    [
        (1200.0, {}, Outcome.HELD),
        (800.0, {}, Outcome.BROKE),
        (1200.0, {"busy": {0: 1.0}}, Outcome.HELD),
        (800.0, {"busy": {0: 1.0}}, Outcome.SATURATED),
        (1200.0, {"complete": False}, Outcome.UNKNOWN),
    ],
)
def test_a_trial_holds_breaks_or_says_nothing(
    capacity: float, changes: dict[str, Any], outcome: Outcome
) -> None:
    """A generator at its own end explains what breaks, and nothing that holds.

    Searches on two cores ended anywhere between 700 and 12,800 messages/s, at the
    first level that kept a worker busy, however well it held.
    """
    assert judge_trial(load(TRIAL, capacity, **changes), P99) is outcome


def test_a_busy_generator_without_a_schedule_says_nothing() -> None:
    """Its users asked later than they could: what holds may hold for that."""
    (scenario,) = TRIAL.scenarios
    closed = msgspec.structs.replace(scenario, arrivals=Arrivals.CLOSED)
    result = load(TRIAL, 1200.0, busy={0: 1.0}).result
    asked = msgspec.structs.replace(TRIAL, scenarios=(closed,))
    result = msgspec.structs.replace(result, plan=asked)
    assert judge_trial(Load(result=result), P99) is Outcome.SATURATED


@pytest.mark.parametrize("wrong", ["lost", "failed"])
def test_quick_answers_to_the_rest_are_no_success(wrong: str) -> None:
    """Whoever loses one of fifty does not hold."""
    good = load(TRIAL, 1200.0).result
    tally = msgspec.structs.replace(good.tallies[0], received=3920, **{wrong: 80})
    bad = msgspec.structs.replace(good, tallies=[tally])
    assert judge_trial(Load(result=bad), P99) is Outcome.BROKE


def test_a_queue_that_grows_does_not_hold() -> None:
    """Though nothing that it was asked for is broken yet."""
    rate = parse_threshold("rate >= 10/s")
    assert judge_trial(load(TRIAL, 950.0), rate) is Outcome.BROKE
    assert judge_trial(load(TRIAL, 990.0), rate) is Outcome.HELD


def test_what_is_under_way_for_as_long_as_an_answer_takes_is_no_queue() -> None:
    """A target that answers all in 0.5 s has an eighth under way when 4 s are over.

    It was said to break at every level, whatever its threshold.
    """
    slow = parse_threshold("p99 < 1s")
    good = load(TRIAL, 1200.0).result
    histogram = Histogram()
    histogram.record(0.5, 4000)
    result = msgspec.structs.replace(
        good,
        tallies=[msgspec.structs.replace(good.tallies[0], response=histogram.encode())],
        measured=[msgspec.structs.replace(good.measured[0], received=3500)],
    )
    assert kept_up(result) == pytest.approx(1.0, abs=0.01)
    assert judge_trial(Load(result=result), slow) is Outcome.HELD


def test_a_warm_up_is_no_queue() -> None:
    """What came in it is not asked for again; each search with one found nothing."""
    good = load(TRIAL, 1200.0).result
    measured = msgspec.structs.replace(
        good.measured[0], intended=3000, sent=3000, received=3000
    )
    result = msgspec.structs.replace(good, measured=[measured], window=3.0)
    assert kept_up(result) == pytest.approx(1.0, abs=0.01)
    assert judge_trial(Load(result=result), P99) is Outcome.HELD


def test_who_keeps_up_with_half_says_so() -> None:
    """And with nothing where nothing came."""
    assert kept_up(load(TRIAL, 500.0).result) == pytest.approx(0.5, abs=0.03)
    empty = LoadResult(plan=TRIAL, seconds=4.0)
    assert kept_up(empty) == 0.0
    listening = Scenario(name="x", kind=ScenarioKind.LISTEN, users=5)
    heard = Tally(scenario="x", operation=Operation.LISTEN, received=10)
    result = LoadResult(
        plan=LoadPlan(scenarios=(listening,)),
        seconds=4.0,
        tallies=[heard],
        measured=[heard],
        window=4.0,
    )
    assert kept_up(result) == 1.0


# The whole search


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was usual when a target was waited for; it is quiet at once."""
    seen: list[float] = []

    async def wait(_: Target, __: LoadPlan, *, usual: float, **___: Any) -> bool:
        seen.append(usual)
        return len(seen) != 2

    monkeypatch.setattr(searching, "wait_for_quiet", wait)
    return seen


@pytest.mark.anyio
@pytest.mark.parametrize("capacity", [37.0, 500.0, 12_345.0])
async def test_the_highest_rate_is_found(
    monkeypatch: pytest.MonkeyPatch,
    notebook: Notebook,
    records: list[Record],
    waits: list[float],
    capacity: float,
) -> None:
    """Within 5 % of what the target can take, and each trial is told."""
    told: list[tuple[int, Outcome]] = []

    async def put(_: Target, __: Notebook, trial: LoadPlan, **___: Any) -> Load:
        return load(trial, capacity)

    monkeypatch.setattr(searching, "put", put)
    found = await find(
        TARGET,
        notebook,
        plan(),
        P99,
        tell=lambda trial, outcome: told.append((trial.number, outcome)),
    )
    assert found is not None
    assert found.level == pytest.approx(capacity, rel=0.05)
    assert [number for number, _ in told] == list(range(1, found.trials + 1))
    assert notebook.verdict is Verdict.PASS
    # After each trial that was too much, and the second time in vain.
    assert len(waits) == sum(outcome is Outcome.BROKE for _, outcome in told)
    assert 0 < waits[-1] < 0.01
    notes = [record.text for record in records if isinstance(record, Noted)]
    assert len(notes) == 1
    assert "the target did not come to rest" in notes[0]
    figures = {
        record.name: record.value
        for record in records
        if isinstance(record, FigureMeasured)
    }
    assert figures == {
        "most messages/s with p99 < 100ms": found.level,
        "trials": found.trials,
    }


@pytest.mark.anyio
async def test_the_most_users_are_found(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebook
) -> None:
    """Exactly, as there are no halves of them."""

    async def put(_: Target, __: Notebook, trial: LoadPlan, **___: Any) -> Load:
        return load(trial, 83.4, per_user=True)

    monkeypatch.setattr(searching, "put", put)
    found = await find(TARGET, notebook, plan(), P99, by_users=True)
    assert found is not None
    assert found.level == pytest.approx(83, abs=3)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "seen"),
    [({"interrupted": True}, "interrupted"), ({"target_gone": "it died"}, "it died")],
)
async def test_a_search_that_cannot_go_on_ends_as_unknown(
    monkeypatch: pytest.MonkeyPatch,
    notebook: Notebook,
    changes: dict[str, Any],
    seen: str,
) -> None:
    """A target that is gone is not tried again, and neither is a user's patience."""
    stop = asyncio.Event()
    given: list[dict[str, Any]] = []

    async def put(_: Target, __: Notebook, trial: LoadPlan, **options: Any) -> Load:
        given.append(options)
        return load(trial, 1e9, **changes)

    monkeypatch.setattr(searching, "put", put)
    options = {"stop": stop, "cluster": "tcp://10.0.0.1:8786"}
    assert await find(TARGET, notebook, plan(), P99, **options) is None
    assert given == [options]
    (finding,) = notebook.findings
    assert (finding.verdict, finding.seen) == (Verdict.UNKNOWN, seen)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Found(level=500, beyond=510, limit=Limit.TARGET, trials=9), Verdict.PASS),
        (Found(level=0, beyond=1, limit=Limit.TARGET, trials=9), Verdict.FAIL),
        (Found(level=9, beyond=18, limit=Limit.GENERATOR, trials=9), Verdict.UNKNOWN),
        (Found(level=9, beyond=18, limit=Limit.UNKNOWN, trials=9), Verdict.UNKNOWN),
        (Found(level=9, beyond=18, limit=Limit.TRIALS, trials=9), Verdict.UNKNOWN),
        (Found(level=9, beyond=9.9, limit=Limit.BOUND, trials=9), Verdict.PASS),
        (Found(level=0, beyond=9.9, limit=Limit.BOUND, trials=9), Verdict.UNKNOWN),
        (
            Found(level=9, beyond=9.2, limit=Limit.TARGET, trials=9, disagreed=(5,)),
            Verdict.UNKNOWN,
        ),
    ],
)
def test_what_was_found_passes_where_it_is_certain(
    found: Found, verdict: Verdict
) -> None:
    """An "at least" is none of the target's limits; nothing at all is a failure."""
    finding = finding_of(found, P99, by_users=False)
    assert finding.verdict is verdict
    assert finding.seen.endswith("after 9 trials")
    assert finding.title == "the most messages/s with which p99 < 100ms holds"
