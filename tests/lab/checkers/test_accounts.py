"""The account of a load: what was sent, against what came of it."""

from typing import Any

import msgspec
import pytest

from wavetank.evidence import Finding, Histogram, Sampled, Verdict
from wavetank.lab.checkers import (
    arrived,
    judge_consistent,
    judge_keeping_up,
    judge_load,
    judge_times,
    parts_of,
)
from wavetank.load.exchange import Generator, Operation, Tally
from wavetank.load.plan import Arrivals, LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import LoadResult
from wavetank.load.thresholds import parse_threshold


def encoded(seconds: float, count: int) -> str:
    """Return a histogram of one time."""
    histogram = Histogram()
    if count:
        histogram.record(seconds, count)
    return histogram.encode() if count else ""


def requests(received: int = 1000, *, seconds: float = 0.01, **changes: Any) -> Tally:
    """Return the tally of a load of requests."""
    tally = Tally(
        scenario="x",
        operation=Operation.REQUEST,
        intended=1000,
        sent=1000,
        received=received,
        response=encoded(seconds, received),
        service=encoded(seconds, received),
    )
    return msgspec.structs.replace(tally, **changes)


def result(
    *tallies: Tally,
    thresholds: tuple[str, ...] = (),
    kind: ScenarioKind = ScenarioKind.REQUEST,
    **changes: Any,
) -> LoadResult:
    """Return the result of a load of a second."""
    plan = LoadPlan(
        scenarios=(
            Scenario(
                name="x",
                kind=kind,
                users=10,
                stages=(Stage(seconds=1.0, level=1000.0),),
                arrivals=changes.pop("arrivals", Arrivals.EVEN),
            ),
        ),
        thresholds=tuple(map(parse_threshold, thresholds)),
    )
    whole = list(tallies or [requests()])
    fields: dict[str, Any] = {
        "tallies": whole,
        "measured": whole,
        "window": 1.0,
        "opened": 10,
        "generators": {0: Generator(lateness=encoded(0.0001, 1000))},
    }
    return LoadResult(plan=plan, seconds=1.0, **(fields | changes))


def connected(count: int) -> Tally:
    """Return the tally of connections that opened."""
    counts = dict.fromkeys(("intended", "sent", "received"), count)
    return Tally(scenario="x", operation=Operation.CONNECT, **counts)


def by_title(findings: list[Finding]) -> dict[str, Verdict]:
    """Return the verdict of each sentence that does not pass."""
    return {
        one.title: one.verdict for one in findings if one.verdict is not Verdict.PASS
    }


def test_a_whole_load_passes_in_every_point() -> None:
    """With its thresholds, and without."""
    findings = judge_load(result(thresholds=("p99 < 100ms", "rate >= 900/s")))
    assert not by_title(findings)
    assert [one.title for one in findings[1:3]] == [
        "The load keeps to p99 < 100ms.",
        "The load keeps to rate >= 900/s.",
    ]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"failed": 2, "reasons": {"503": 2}}, "nothing is refused or cut off"),
        ({"lost": 2}, "nothing is lost"),
        ({"duplicated": 2}, "nothing is delivered twice"),
        ({"reordered": 2}, "nothing is overtaken by a later one"),
        ({"corrupted": 2}, "nothing is changed on its way"),
    ],
)
def test_each_kind_of_wrong_message_fails_by_its_name(
    changes: dict[str, Any], title: str
) -> None:
    """The finding says how many, where, and why it failed."""
    findings = judge_load(result(requests(998, **changes)))
    assert by_title(findings) == {title: Verdict.FAIL}
    (seen,) = [one.seen for one in findings if one.title == title]
    assert "2 in x.request" in seen
    assert ("503" in seen) is ("failed" in changes)


def test_what_the_plan_allows_is_no_fault() -> None:
    """A threshold of the user's own stands in the place of what is implied."""
    findings = judge_load(result(requests(998, lost=2), thresholds=("lost <= 1%",)))
    assert not by_title(findings)
    assert "nothing is lost" not in {one.title for one in findings}


def test_connections_that_do_not_open_or_hold_fail() -> None:
    """With the reasons."""
    findings = judge_load(
        result(
            failed=3,
            reasons={"the opening handshake was answered 503": 3},
            generators={0: Generator(lost_connections=2)},
        )
    )
    assert by_title(findings) == {
        "every connection opens": Verdict.FAIL,
        "every connection holds to the end": Verdict.FAIL,
    }
    assert any("answered 503" in one.seen for one in findings)


def test_a_load_of_which_nothing_came_is_unknown_in_that() -> None:
    """No data is never green."""
    wrong = by_title(judge_load(result(requests(0))))
    assert wrong["something comes back in x"] is Verdict.UNKNOWN


def test_a_drain_that_did_not_end_leaves_what_is_missing_unknown() -> None:
    """It may still have been on its way, or none may be missing that seems there."""
    lost = requests(990, lost=10)
    findings = judge_load(result(lost, complete=False, uncertain=[lost]))
    found = by_title(findings)
    assert found["nothing is lost"] is Verdict.UNKNOWN
    assert found["the figures for delivery can be relied on"] is Verdict.UNKNOWN
    assert Verdict.FAIL not in found.values()


def test_a_target_that_died_is_no_verdict_on_latency() -> None:
    """The run itself says FAIL; how quick it was is not known."""
    found = judge_load(
        result(thresholds=("p99 < 5ms",), target_gone="it ended by itself")
    )
    assert by_title(found)["The load keeps to p99 < 5ms."] is Verdict.UNKNOWN
    assert Verdict.FAIL not in by_title(found).values()


def test_a_doubt_whose_direction_is_known_is_told_and_taints_nothing() -> None:
    """A p99 that holds although the generator was late holds all the more."""
    late = {0: Generator(lateness=encoded(0.005, 1000))}
    findings = judge_load(result(thresholds=("p99 < 100ms",), generators=late))
    assert not by_title(findings)
    assert any("left 5.0 ms late" in one.seen for one in findings)
    strict = judge_load(result(thresholds=("p99 < 8ms",), generators=late))
    assert by_title(strict) == {"The load keeps to p99 < 8ms.": Verdict.UNKNOWN}


def test_a_saturated_generator_is_unknown() -> None:
    """It says what to do."""
    findings = judge_load(result(busy={0: 0.9}))
    (title,) = by_title(findings)
    assert title == "the figures for latency and rate can be relied on"
    assert any("Lower the rate" in one.seen for one in findings)


def test_the_targets_resources_can_be_a_threshold() -> None:
    """Samples of it are handed on."""
    samples = [
        Sampled(
            at=at, who="target", cpu=at, rss=5, descriptors=5, processes=1, threads=1
        )
        for at in (0.0, 1.0)
    ]
    findings = judge_load(result(thresholds=("cpu < 80%",)), samples)
    assert by_title(findings) == {"The load keeps to cpu < 80%.": Verdict.FAIL}


# What single checks ask for beside it


def test_arrivals_are_those_of_the_main_operation() -> None:
    """Acknowledgements are none, where messages reach receivers."""
    tallies = [
        requests(5, operation=Operation.PUBLISH),
        requests(10, operation=Operation.DELIVER),
        requests(3, operation=Operation.CONNECT),
    ]
    assert arrived(result(*tallies, kind=ScenarioKind.PUBLISH)) == 10


@pytest.mark.parametrize(
    ("came", "changes", "verdict"),
    [
        (900, {}, Verdict.PASS),
        (899, {}, Verdict.FAIL),
        (899, {"busy": {0: 1.0}}, Verdict.UNKNOWN),
        (900, {"busy": {0: 1.0}}, Verdict.PASS),
        (900, {"window": 0.0}, Verdict.UNKNOWN),
        (0, {"tallies": [requests(0)]}, Verdict.UNKNOWN),
    ],
)
def test_who_keeps_up_has_most_messages_there_when_the_last_is_sent(
    came: int, changes: dict[str, Any], verdict: Verdict
) -> None:
    """A queue that is emptied in the drain is none that was kept up with."""
    found = judge_keeping_up(result(**({"measured": [requests(came)]} | changes)))
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("seconds", "changes", "verdict"),
    [
        (0.03, {}, Verdict.PASS),
        (0.05, {}, Verdict.FAIL),
        (0.05, {"busy": {0: 1.0}}, Verdict.UNKNOWN),
        # This one cannot have made it slower.
        (0.05, {"arrivals": Arrivals.CLOSED}, Verdict.FAIL),
    ],
)
def test_a_message_may_take_some_times_as_long_as_before(
    seconds: float, changes: dict[str, Any], verdict: Verdict
) -> None:
    """Three times 10 ms, and 2 ms on top."""
    after = result(requests(seconds=seconds), **changes)
    assert judge_times(result(), after, times=3, spare=0.002).verdict is verdict


def test_times_that_nobody_has_cannot_be_compared() -> None:
    """No data is never green."""
    nothing = result(requests(0))
    assert judge_times(nothing, result(), times=3, spare=0).verdict is Verdict.UNKNOWN
    assert judge_times(result(), nothing, times=3, spare=0).verdict is Verdict.UNKNOWN


def test_times_are_those_of_the_first_scenario() -> None:
    """What goes on beside it is not compared."""
    both = result(requests(), requests(seconds=9.0, scenario="beside"))
    plan = msgspec.structs.replace(
        both.plan,
        scenarios=(
            *both.plan.scenarios,
            msgspec.structs.replace(both.plan.scenarios[0], name="beside"),
        ),
    )
    both = msgspec.structs.replace(both, plan=plan)
    assert judge_times(result(), both, times=1, spare=0).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("tally", "wrong"),
    [
        (requests(), set()),
        (requests(990, dropped=10, sent=990), set()),
        (requests(sent=990), {"what was due was sent or dropped"}),
        (requests(response=""), {"every answer has its time"}),
        (requests(response=encoded(0.01, 1001)), {"every answer has its time"}),
    ],
)
def test_figures_have_to_fit_each_other(tally: Tally, wrong: set[str]) -> None:
    """Where they do not, it is the generator that cannot be relied on."""
    found = by_title(judge_consistent(result(tally)))
    assert found == dict.fromkeys(wrong, Verdict.UNKNOWN)


def test_figures_that_are_not_there_fit_nothing() -> None:
    """No data is never green."""
    nothing = judge_consistent(result(requests(operation=Operation.CONNECT)))
    assert set(by_title(nothing).values()) == {Verdict.UNKNOWN}


def test_the_parts_of_a_way_are_the_generator_the_answer_and_the_delivery() -> None:
    """Each with its p99, from when it was really sent where that is known."""
    tallies = [
        requests(operation=Operation.PUBLISH, service=encoded(0.02, 5)),
        requests(operation=Operation.DELIVER, seconds=0.03, service=""),
        requests(operation=Operation.CONNECT, seconds=9.0),
    ]
    parts = parts_of(result(*tallies, kind=ScenarioKind.PUBLISH))
    rounded = {name: round(took, 4) for name, took in parts.items()}
    assert rounded == {
        "the generator": 0.0001,
        "the acknowledgement": 0.02,
        "the delivery": 0.03,
    }
    assert parts_of(result(requests(0), generators={})) == {}


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        (ScenarioKind.LISTEN, Operation.LISTEN),
        (ScenarioKind.SLOW, Operation.LISTEN),
        (ScenarioKind.PING, Operation.PING),
        (ScenarioKind.PUBLISH, Operation.DELIVER),
    ],
)
def test_users_that_are_connected_and_hear_nothing_prove_nothing(
    kind: ScenarioKind, operation: Operation
) -> None:
    """A dead feed passed, for its connections had come."""
    opened = connected(10)
    heard = Tally(scenario="x", operation=operation)
    title = "something comes back in x"
    assert by_title(judge_load(result(opened, heard, kind=kind))) == {
        title: Verdict.UNKNOWN
    }
    heard.received = 1
    assert not by_title(judge_load(result(opened, heard, kind=kind)))


def test_storm_is_about_those_who_came_back() -> None:
    """All ten had connected before it."""
    opened = connected(10)
    title = "something comes back in x"
    found = by_title(judge_load(result(opened, kind=ScenarioKind.STORM)))
    assert found == {title: Verdict.UNKNOWN}
    assert not by_title(judge_load(result(connected(20), kind=ScenarioKind.STORM)))


def test_load_that_was_not_put_on_the_target_is_not_passed() -> None:
    """Half of it was dropped, and of the other half nothing is lost: who knows.

    Without a threshold, that was a plain PASS.
    """
    half = requests(500, sent=500, dropped=500)
    title = "the load that was asked for is put on the target"
    findings = judge_load(result(half))
    assert by_title(findings) == {title: Verdict.UNKNOWN}
    (seen,) = [one.seen for one in findings if one.title == title]
    assert "500 of 1,000 in x.request, for which no user was free" in seen
    few = requests(995, sent=995, dropped=5)
    assert not by_title(judge_load(result(few)))


def test_who_says_how_much_may_be_dropped_is_judged_by_that() -> None:
    """A threshold of one's own stands for it."""
    half = requests(500, sent=500, dropped=500)
    assert not by_title(judge_load(result(half, thresholds=("dropped <= 60%",))))


def test_what_came_in_the_warm_up_did_not_come_late() -> None:
    """No load with a warm-up kept up: all of it was missing from the window."""
    found = judge_keeping_up(
        result(requests(1000), measured=[requests(600)], warming=[requests(400)])
    )
    assert found.verdict is Verdict.PASS
    assert "600 of 600" in found.seen
