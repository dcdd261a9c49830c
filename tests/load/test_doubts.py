"""The generator doubts itself where it should, and nowhere else."""

from typing import Any

import msgspec
import pytest

from wavetank.load.doubts import Affects, Bias, Doubt, find_doubts, is_own
from wavetank.load.exchange import Generator, Operation
from wavetank.load.plan import Arrivals, LoadPlan, ScenarioKind, Stage

from .results import encoded, load, scenario, tally

FINE = tally(
    intended=1000, sent=1000, received=1000, response=encoded(0.005, times=1000)
)


def only(**facts: Any) -> Doubt:
    """Return the one doubt of a load about which something is said."""
    (doubt,) = find_doubts(load(facts.pop("whole", [FINE]), **facts))
    return doubt


def late(*seconds: float, times: int = 1, lag: float = 0.0) -> dict[int, Generator]:
    """Return a worker that sent so late."""
    return {0: Generator(lateness=encoded(*seconds, times=times), lag=lag)}


LONG = Stage(seconds=200.0, level=100.0)


def test_sound_load_is_not_doubted() -> None:
    """Everything sent in time and answered: nothing to say."""
    result = load([FINE], generators=late(0.0001, times=1000, lag=0.02))
    assert find_doubts(result) == []


@pytest.mark.parametrize(
    ("facts", "words", "affects"),
    [
        (
            {"target_gone": "it was killed"},
            "gone before the end: it was killed",
            set(Affects),
        ),
        (
            {"lost_workers": {1: "it crashed"}, "complete": False},
            "Worker 1 was lost, and its part of the load: it crashed",
            set(Affects),
        ),
        (
            {"window": 0.0},
            "No second behind the warm-up was measured",
            {Affects.LATENCY, Affects.RATE},
        ),
        (
            {"busy": {0: 0.4, 1: 0.5}},
            "Worker 1 used 90 % of its core or more in 50% of the seconds",
            {Affects.LATENCY, Affects.RATE},
        ),
        (
            {"seconds": 10.2},
            "What was due in 10 s was sent in 10.2 s",
            {Affects.LATENCY, Affects.RATE},
        ),
        (
            {"whole": [tally(intended=1000, sent=980)]},
            "echo.request: 20 of 1,000 arrivals were never sent",
            {Affects.LATENCY, Affects.RATE},
        ),
        ({"complete": False}, "The drain ended before", {Affects.DELIVERY}),
        (
            {"busy": {0: 1.0}, "generators": {0: Generator(cpu=0.5, waited=0.5)}},
            "or more, or waited for one that others had, in 100% of the seconds",
            {Affects.LATENCY, Affects.RATE},
        ),
    ],
)
def test_doubt_that_says_nothing_of_the_target_goes_either_way(
    facts: dict[str, Any], words: str, affects: set[Affects]
) -> None:
    """What was not done as planned proves neither good nor bad."""
    doubt = only(**facts)
    assert words in doubt.what
    assert set(doubt.affects) == affects
    assert doubt.bias is Bias.EITHER
    assert doubt.percentile == 0


def test_every_doubt_says_what_to_do() -> None:
    """Both are whole sentences."""
    result = load(
        [tally(intended=1000, sent=900, dropped=50, response=encoded(0.005, times=99))],
        [scenario(arrivals=Arrivals.CLOSED)],
        target_gone="gone",
        lost_workers={0: "killed"},
        window=0.0,
        busy={0: 1.0},
        seconds=20.0,
        generators=late(0.5, times=99, lag=0.5),
        failed=3,
        reasons={"refused": 3},
    )
    doubts = find_doubts(result)
    assert len(doubts) == 11
    for doubt in doubts:
        for sentence in (doubt.what, doubt.advice):
            assert sentence[0].isupper() or sentence[0].isdigit() or "echo" in sentence
            assert sentence.endswith(".")
            assert "\n" not in sentence
    assert [doubt.affects for doubt in doubts[:2]] == [tuple(Affects)] * 2


def test_dropped_arrivals_are_a_doubt_of_the_rate_alone() -> None:
    """They may be the target's doing: what is too slow without them is too slow."""
    doubt = only(measured=[tally(intended=1000, sent=985, dropped=15)])
    assert "15 of 1,000 arrivals were dropped" in doubt.what
    assert doubt.affects == (Affects.RATE,)
    assert doubt.bias is Bias.BETTER


def test_up_to_one_per_cent_may_be_missing() -> None:
    """A few arrivals more or less are no doubt."""
    measured = [tally(intended=1000, sent=985, dropped=10)]
    assert find_doubts(load([FINE], measured=measured, seconds=10.1)) == []


def test_interrupted_load_is_not_told_that_it_ended_early() -> None:
    """Who ends it knows, and what was not sent was not to be sent."""
    measured = [tally(intended=1000, sent=500)]
    result = load([FINE], measured=measured, seconds=11.0, interrupted=True)
    assert find_doubts(result) == []


def test_lateness_is_doubted_when_it_is_a_good_part_of_the_response_time() -> None:
    """Only of the longer times, and only where they look too long."""
    doubt = only(generators=late(0.002, times=1000))
    assert "left 2.0 ms late or more" in doubt.what
    assert "p99 of the response times is 5.0 ms" in doubt.what
    assert doubt.affects == (Affects.LATENCY,)
    assert doubt.bias is Bias.BETTER
    assert doubt.percentile == 99


@pytest.mark.parametrize(
    ("delay", "response", "expected"),
    [
        (0.0009, 0.0001, False),
        (0.0011, 0.0001, True),
        (0.0011, 0.011, False),
        (0.0111, 0.1, True),
        (0.0099, 0.1, False),
        (None, 0.1, False),
        (0.1, None, False),
    ],
)
def test_delay_is_own_from_a_millisecond_and_a_tenth_on(
    delay: float | None, response: float | None, expected: bool
) -> None:
    """Both have to be exceeded; what is not known explains nothing."""
    assert is_own(delay, response) is expected


@pytest.mark.parametrize(
    ("tallies", "lateness"),
    [
        ([tally(sent=5)], encoded(1.0)),
        ([tally(sent=5, response=encoded(0.001))], ""),
        ([tally(sent=5, response=encoded())], encoded(1.0)),
        (
            [tally(operation=Operation.CONNECT, response=encoded(0.001))],
            encoded(1.0),
        ),
    ],
)
def test_lateness_is_not_compared_with_nothing(tallies: Any, lateness: str) -> None:
    """Without times of messages, or without lateness, there is nothing to compare."""
    generators = {0: Generator(lateness=lateness)}
    assert find_doubts(load(tallies, generators=generators)) == []


def test_worker_that_stood_still_is_doubted_though_it_sends_nothing() -> None:
    """A receiver alone has no lateness, but everything that came waited for it."""
    doubt = only(generators={0: Generator(), 3: Generator(lag=0.2)})
    assert doubt.what.startswith("Worker 3 stood still for 200 ms")
    assert doubt.bias is Bias.BETTER
    assert doubt.percentile == 99


def test_short_stall_touches_no_percentile_that_matters() -> None:
    """A turn shorter than 1 % of the time is in less than 1 % of the answers."""
    assert find_doubts(load([FINE], generators={0: Generator(lag=0.09)})) == []


def test_closed_scenario_is_doubted_where_it_looks_good() -> None:
    """It does not send while the target stalls."""
    plans = [scenario(), scenario("loop", arrivals=Arrivals.CLOSED)]
    (doubt,) = find_doubts(load([FINE], plans))
    assert doubt.what.startswith("loop has no schedule")
    assert (doubt.affects, doubt.bias) == ((Affects.LATENCY,), Bias.WORSE)


def test_connections_that_did_not_open_are_doubted_with_their_reasons() -> None:
    """A smaller load is easier on the target."""
    reasons = {"503": 3, "refused": 2, "time": 1, "other": 1}
    doubt = only(failed=7, reasons=reasons)
    assert doubt.what.startswith(
        "7 of 17 connections did not open (503, refused, time)"
    )
    assert doubt.bias is Bias.WORSE
    assert "open: the load" in only(failed=7).what


def test_load_that_only_listens_is_not_doubted() -> None:
    """Nothing is intended, and nothing is missing."""
    listening = tally("feed", Operation.LISTEN, received=500)
    assert find_doubts(load([listening], [scenario("feed", ScenarioKind.LISTEN)])) == []


CLOCKS = {"tcp://a:1": 0.004, "tcp://b:1": 0.008}


def test_clocks_that_are_hardly_known_are_doubted_with_what_goes_one_way() -> None:
    """From publication to delivery a message is timed by two of them."""
    delivered = tally("feed", Operation.DELIVER, received=500)
    plans = [scenario("feed", ScenarioKind.PUBLISH)]
    (doubt,) = find_doubts(load([delivered], plans, clock_errors=CLOCKS))
    assert "clocks may be wrong by 12 ms" in doubt.what
    assert (doubt.affects, doubt.bias) == ((Affects.LATENCY,), Bias.EITHER)
    better = {"tcp://a:1": 0.004, "tcp://b:1": 0.006}
    assert find_doubts(load([delivered], plans, clock_errors=better)) == []


def test_round_trips_are_not_doubted_for_the_clocks() -> None:
    """They begin and end on one of them."""
    assert find_doubts(load([FINE], clock_errors=CLOCKS)) == []


def test_deliveries_are_sent_by_nobody() -> None:
    """They are intended by who publishes: none of them is missing from what is sent."""
    came = tally(operation=Operation.DELIVER, intended=1000, received=1000)
    assert find_doubts(load([FINE, came])) == []


def test_what_is_left_when_the_time_is_over_is_missing_from_the_rate() -> None:
    """It is counted behind the window; of a long plan, 1 s of catching up says nothing.

    Two hundred seconds at more than a starved worker could send were reported as the
    target's own rate.
    """
    plan = LoadPlan(scenarios=(msgspec.structs.replace(scenario(), stages=(LONG,)),))
    result = load(
        [tally(intended=20_000, sent=16_000)],
        plan=plan,
        seconds=201.0,
        measured=[tally(intended=16_000, sent=16_000)],
    )
    assert "4,000 of 20,000 arrivals were never sent" in find_doubts(result)[0].what


@pytest.mark.parametrize(
    ("arrivals", "waited", "count"),
    [(Arrivals.CLOSED, 0.3, 1), (Arrivals.CLOSED, 0.05, 0), (Arrivals.EVEN, 0.3, 0)],
)
def test_closed_model_without_a_core_of_its_own_is_doubted(
    arrivals: Arrivals, waited: float, count: int
) -> None:
    """It has no schedule that it could be behind.

    Beside four busy processes, a target of 300,000/s failed with 5,000.
    """
    plan = LoadPlan(scenarios=(scenario(arrivals=arrivals),))
    fared = {0: Generator(cpu=0.1, waited=waited)}
    found = find_doubts(load([FINE], plan=plan, generators=fared))
    shared = [each for each in found if "waited for a core" in each.what]
    assert [each.bias for each in shared] == [Bias.BETTER] * count


@pytest.mark.parametrize(
    ("facts", "is_passing"),
    [
        ({"busy": {0: 0.5}}, True),
        ({"seconds": 10.2}, True),
        ({"whole": [tally(intended=1000, sent=980)]}, True),
        ({"generators": late(0.05)}, True),
        ({"generators": late(0.0001, lag=0.9)}, True),
        ({"target_gone": "it was killed"}, False),
        ({"complete": False}, False),
        ({"window": 0.0}, False),
    ],
)
def test_a_busy_machine_may_be_better_a_minute_later(
    facts: dict[str, Any], is_passing: bool
) -> None:
    """What the target did, or the plan, would be the same again."""
    assert only(**facts).is_passing is is_passing
