"""Two runs are compared where they can be, and the reason is said where not."""

from collections.abc import Callable

import msgspec
import pytest

from wavetank.evidence import (
    Histogram,
    LoadSampled,
    Record,
    RunFinished,
    TargetEnded,
    Verdict,
)
from wavetank.report.pairing import Key, Pair, Side, common_reasons, pairs

LoadOf = Callable[..., list[Record]]
RunOf = Callable[..., list[Record]]


def together(*loads: list[Record]) -> list[Record]:
    """Return operations of one load as the journal has them: second by second."""
    return sorted((r for load in loads for r in load), key=lambda record: record.at)


def only(first: list[Record], second: list[Record]) -> Pair:
    """Return the one pair of two runs that can be compared as a whole."""
    sides = Side.of("A", first), Side.of("B", second)
    assert common_reasons(*sides) == []
    (pair,) = pairs(*sides)
    return pair


def test_same_operations_of_the_same_plan_are_a_pair(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Second by second, of the response time where both have it."""
    pair = only(run_of(load_of(30)), run_of(load_of(30)))
    assert str(pair.key) == "load.sustained echo.request"
    assert (pair.apart, pair.timed) == ("", "response time")
    assert len(pair.first) == len(pair.second) == 30
    assert (pair.first[0].received, pair.first[0].took) == (100, 1.0)
    assert pair.first[0].times.count == 3


def test_closed_loads_are_compared_by_their_service_time(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """They have no schedule, so other counts are no other plan."""
    pair = only(run_of(load_of(30, times=())), run_of(load_of(30, times=(), rate=400)))
    assert (pair.apart, pair.timed) == ("", "service time")


def test_answers_of_the_drain_belong_to_the_last_second(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """They were asked for before, and are the slowest."""
    late = Histogram()
    late.record(4.0)
    drain = LoadSampled(
        at=60.0,
        suite="load",
        check="sustained",
        since=30.0,
        took=5.0,
        scenario="echo",
        operation="request",
        counts={"received": 1},
        response=late.encode(),
    )
    pair = only(run_of([*load_of(30), drain]), run_of(load_of(30)))
    assert len(pair.first) == 30
    assert pair.first[-1].received == 101
    assert pair.first[-1].times.max == late.max
    assert pair.second[-1].times.count == 3


def test_long_loads_are_put_together(load_of: LoadOf, run_of: RunOf) -> None:
    """Hours of seconds are no more exact than ten minutes of longer stretches."""
    records = run_of(load_of(621, times=(), service=(0.001,)))
    pair = only(records, records)
    assert len(pair.first) == 311
    assert {stretch.took for stretch in pair.first} == {2.0, 1.0}
    assert sum(stretch.received for stretch in pair.first) == 62_100


def test_seconds_without_an_answer_are_seconds(load_of: LoadOf, run_of: RunOf) -> None:
    """A stall of the target has none, and is not left out."""
    loads = load_of(30)
    silent = [
        record
        for record in loads
        if not (isinstance(record, LoadSampled) and 10 <= record.since < 12)
    ]
    pair = only(run_of(silent), run_of(loads))
    assert [stretch.received for stretch in pair.first[9:13]] == [100, 0, 0, 100]
    assert pair.first[10].times.count == 0


def test_seconds_in_which_a_closed_model_stalled_to_the_end_are_seconds(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Nothing is sent while the target stalls, and it is the same plan all the same."""

    def planned(records: list[Record], *, stalls_at: float) -> list[Record]:
        return [
            msgspec.structs.replace(
                record,
                planned=1.0,
                response="",
                **({} if record.since < stalls_at else {"counts": {}, "service": ""}),
            )
            if isinstance(record, LoadSampled)
            else record
            for record in records
        ]

    sides = [planned(load_of(30), stalls_at=at) for at in (30.0, 10.0)]
    pair = only(*map(run_of, sides))
    assert pair.apart == ""
    assert [stretch.received for stretch in pair.second[9:12]] == [100, 0, 0]
    assert len(pair.first) == len(pair.second) == 30


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"seconds": 30}, {"seconds": 60}, "another plan: they took 30.0 s and 60.0 s"),
        (
            {"rate": 100},
            {"rate": 200},
            "another plan: 3,000 and 6,000 messages were intended",
        ),
        (
            {"seconds": 5},
            {"seconds": 5},
            "too short: 5 seconds, and 20 are needed; repeat both runs with "
            "--duration 20s, or longer stages",
        ),
        ({}, {"times": (), "service": ()}, "nothing was timed, or not in the same way"),
        ({}, {"scenario": "other"}, "B has no such operation"),
    ],
)
def test_what_cannot_be_compared_says_why(
    load_of: LoadOf,
    run_of: RunOf,
    first: dict[str, object],
    second: dict[str, object],
    reason: str,
) -> None:
    """One sentence, and no figures."""
    sides = [
        Side.of(name, run_of(load_of(**{"seconds": 30} | given)))
        for name, given in (("A", first), ("B", second))
    ]
    pair = next(pairs(*sides))
    assert (pair.apart, pair.first, pair.aside) == (reason, (), False)


def test_a_little_more_is_the_same_plan(load_of: LoadOf, run_of: RunOf) -> None:
    """Random arrivals differ by the root of their number."""
    pair = only(run_of(load_of(30, rate=100)), run_of(load_of(30, rate=103)))
    assert pair.apart == ""


def test_damaged_histograms_cannot_be_compared(load_of: LoadOf, run_of: RunOf) -> None:
    """Their run is UNKNOWN as a whole, and says so."""
    loads = load_of(30)
    damaged = LoadSampled(
        at=50.0,
        suite="load",
        check="sustained",
        since=29.5,
        took=1.0,
        scenario="echo",
        operation="request",
        response="damaged",
    )
    sides = Side.of("A", run_of(loads)), Side.of("B", run_of([*loads, damaged]))
    assert common_reasons(*sides) == ["B: the evidence has holes (1)"]
    (pair,) = pairs(*sides)
    assert pair.apart.startswith("not a histogram")


def test_check_that_was_unknown_is_no_measure(load_of: LoadOf, run_of: RunOf) -> None:
    """A saturated generator measured itself; the reason is the check's own."""
    loads = load_of(30)
    pair = only(run_of(loads), run_of(loads, verdict=Verdict.UNKNOWN))
    assert pair.apart == "B was UNKNOWN: so so"
    unfinished = run_of(loads)
    del unfinished[-2]
    assert only(unfinished, run_of(loads)).apart == (
        "A was UNKNOWN: it began and did not finish"
    )


def test_check_that_failed_is_compared_all_the_same(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """A threshold that did not hold is what one wants to compare."""
    loads = load_of(30)
    assert only(run_of(loads, verdict=Verdict.FAIL), run_of(loads)).apart == ""


def test_connections_opened_beside_the_load_are_left_aside(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """They take a second or two before each load: nothing to judge it by."""
    loads = together(load_of(30), load_of(30, operation="connect")[:2])
    sides = Side.of("A", run_of(loads)), Side.of("B", run_of(loads))
    request, connect = pairs(*sides)
    assert request.apart == ""
    assert connect.aside
    alone = load_of(2, operation="connect")
    assert not only(run_of(alone), run_of(alone)).aside


def test_deliveries_go_on_as_long_as_their_publications(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """What arrives in the drain is the last second's."""
    loads = together(
        load_of(25, operation="publish"),
        load_of(27, operation="deliver", intended=0, sent=0),
    )
    sides = Side.of("A", run_of(loads)), Side.of("B", run_of(loads))
    _, deliver = pairs(*sides)
    assert len(deliver.first) == 25
    assert deliver.first[-1].received == 300


def test_loads_of_a_search_are_paired_by_number(load_of: LoadOf, run_of: RunOf) -> None:
    """The second with the second; nothing was heard of an empty one."""
    loads = load_of(30) + load_of(30, started=50.0)
    sides = Side.of("A", run_of(loads)), Side.of("B", run_of(load_of(30)))
    first, second = pairs(*sides)
    assert first.apart == ""
    assert str(second.key) == "load.sustained (load 2) echo.request"
    assert second.apart == "B has no such operation"
    nothing = load_of(3, intended=0, sent=0, received=0)
    key = Key("load", "sustained", 0, "echo", "request")
    assert Side.of("A", run_of(nothing)).seconds(key) == 0


def test_other_machines_and_other_options_are_no_comparison(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Each difference is named; where the target is may differ."""
    loads = load_of(30)
    first = run_of(
        loads, machine={"processors": "2"}, options={"payload": "128", "serve": "a"}
    )
    second = run_of(loads, machine={"processors": "8"}, options={"serve": "b"})
    assert common_reasons(Side.of("A", first), Side.of("B", second)) == [
        "another machine: processors 2 and 8",
        "another plan: payload 128 and not given",
    ]


def test_runs_that_did_not_come_to_their_end_are_no_comparison(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Cut, interrupted, holes in the journal, the target died, no load at all."""
    whole = run_of(load_of(30))
    sound = Side.of("A", whole)
    reasons = {
        "the journal has no end: the run was cut": Side.of("B", whole[:-1]),
        "the run was interrupted": Side.of(
            "B", [*whole[:-1], RunFinished(at=100.0, interrupted=True)]
        ),
        "the evidence has holes (1)": Side.of("B", whole, problems=["line 3"]),
        "the target died by itself by signal 9 after 50.0 s": Side.of(
            "B", [*whole[:-1], TargetEnded(at=50.0, by_lab=False, status=-9), whole[-1]]
        ),
    }
    for reason, side in reasons.items():
        assert common_reasons(sound, side) == [f"B: {reason}"]
    assert common_reasons(sound, Side.of("B", run_of([]))) == [
        "B has no load in its journal"
    ]
