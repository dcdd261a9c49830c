"""A load folds into exact totals, and into a series that stays short."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence.histogram import Histogram
from wavetank.evidence.loads import (
    MOST_LOADS,
    MOST_OPERATIONS,
    MOST_POINTS,
    LoadNumbers,
    Loads,
    latency,
)
from wavetank.evidence.records import GeneratorSampled, LoadSampled, Record
from wavetank.evidence.shape import OperationSummary
from wavetank.evidence.summary import fold
from wavetank.evidence.verdict import Verdict

Run = Callable[..., list[Record]]


def histogram(*durations: float) -> Histogram:
    """Return a histogram of a few durations."""
    made = Histogram()
    for duration in durations:
        made.record(duration)
    return made


def sampled(
    since: float,
    *,
    took: float = 1.0,
    scenario: str = "echo",
    operation: str = "request",
    planned: float = 0.0,
    response: str = "",
    service: str = "",
    **counts: int,
) -> LoadSampled:
    """Return one second of an operation."""
    return LoadSampled(
        at=since + 5,
        suite="core",
        check="sustained",
        since=since,
        took=took,
        scenario=scenario,
        operation=operation,
        counts=counts,
        planned=planned,
        response=response,
        service=service,
    )


def generator(
    since: float,
    *,
    cpu: Sequence[float] = (0.5,),
    waited: float = 0.0,
    lateness: str = "",
    lag: float = 0.0,
) -> GeneratorSampled:
    """Return how the workers fared in one second."""
    return GeneratorSampled(
        at=since + 5,
        suite="core",
        check="sustained",
        since=since,
        took=1.0,
        cpu=[*cpu],
        waited=waited,
        lag=lag,
        lateness=lateness,
        open=int(since) + 1,
        lost_connections=int(since),
    )


def folded(records: Sequence[LoadSampled]) -> list[OperationSummary]:
    """Return the operations of the one load of these records."""
    loads = Loads()
    for record in records:
        loads.sampled(record)
    assert loads.problems == []
    (load,) = loads.summaries()
    return load.operations


def test_totals_are_the_sum_of_all_seconds() -> None:
    """Counts add up, the drain included; histograms merge exactly."""
    parts = [histogram(0.001, 0.010), histogram(0.002), histogram(3.0)]
    (operation,) = folded(
        [
            sampled(0, intended=3, sent=2, received=2, response=parts[0].encode()),
            sampled(1, intended=3, sent=4, received=1, response=parts[1].encode()),
            sampled(2, took=4.0, received=2, lost=1, response=parts[2].encode()),
        ]
    )
    whole = histogram(0.001, 0.010, 0.002, 3.0)
    assert operation.counts == {"intended": 6, "sent": 6, "received": 5, "lost": 1}
    assert operation.response == latency(whole)
    assert operation.service is None
    assert operation.timed == "response"


def test_rates_are_of_the_time_in_which_was_sent() -> None:
    """Waiting for the drain makes no rate lower; what comes in it counts."""
    (operation,) = folded(
        [
            sampled(0, intended=100, sent=100, received=90),
            sampled(1, intended=100, sent=80, received=80),
            sampled(2, took=8.0, received=10),
        ]
    )
    assert operation.seconds == 2.0
    assert operation.intended_rate == 100.0
    assert operation.sent_rate == 90.0
    assert operation.rate == 90.0


def test_deliveries_are_counted_over_the_seconds_of_their_publications() -> None:
    """A delivery in the drain belongs to the time in which it was published."""
    publish, deliver = folded(
        [
            sampled(0, operation="publish", intended=10, sent=10, received=10),
            sampled(0, operation="deliver", received=50),
            sampled(1, took=5.0, operation="deliver", received=50),
        ]
    )
    assert publish.seconds == deliver.seconds == 1.0
    assert deliver.rate == 100.0


def summed(records: Sequence[LoadSampled], *, seconds: int) -> list[OperationSummary]:
    """Return the operations of a load whose workers were sampled for so long."""
    loads = Loads()
    for record in sorted(records, key=lambda record: record.since):
        loads.sampled(record)
        if record.since < seconds:
            loads.generator_sampled(generator(record.since))
    (load,) = loads.summaries()
    return load.operations


def test_a_long_drain_changes_no_rate() -> None:
    """500/s of 2,000/s came: not 2,000/s, and not as many in six seconds.

    A last message may be sent a moment behind the end, and so in the drain.
    """
    publish, deliver = summed(
        [
            *(
                sampled(s, operation="publish", intended=2000, sent=2000)
                for s in (0, 1)
            ),
            *(sampled(s, operation="deliver", received=500) for s in (0, 1)),
            sampled(2.01, took=6.0, operation="publish", intended=1, sent=1),
            sampled(2.01, took=6.0, operation="deliver", intended=4001, received=3001),
        ],
        seconds=2,
    )
    assert publish.seconds == deliver.seconds == 2.0
    assert publish.sent_rate == 2000.5
    assert (deliver.rate, deliver.counts["received"]) == (500.0, 4001)


FEW = (100, 100, 0, 0, 0, 0, 0, 0, 0, 0)
"""What a closed model sends in ten seconds to a target that stalls after two."""


def test_seconds_in_which_a_closed_model_sent_nothing_count() -> None:
    """The target stalled; its rate is that of all the time."""
    seconds = {0: 100, 1: 0, 2: 0, 3: 100}
    (operation,) = summed(
        [sampled(s, sent=n, received=n) for s, n in seconds.items()], seconds=4
    )
    assert (operation.seconds, operation.rate) == (4.0, 50.0)


def test_rates_are_of_all_the_time_that_the_plan_has() -> None:
    """A target that stalls to the very end makes a closed model send nothing more.

    It once was rated up to the last second in which it sent: as if nothing were wrong.
    """
    stalled, publish, deliver, later = summed(
        [
            *(sampled(s, planned=1.0, sent=n, received=n) for s, n in enumerate(FEW)),
            *(
                sampled(s, scenario="pub", operation=operation, planned=1.0, **counts)
                for s in range(4)
                for operation, counts in (
                    ("publish", {"intended": 1, "sent": 1}),
                    ("deliver", {"received": 4}),
                )
            ),
            *(
                sampled(s, scenario="later", planned=planned, sent=5, received=5)
                for s, planned in ((4, 0.5), (5, 1.0))
            ),
            sampled(10, took=5.0, received=1, lost=1),
        ],
        seconds=10,
    )
    assert (stalled.seconds, stalled.rate) == (10.0, 20.0)
    assert stalled.counts["received"] == 201
    assert (publish.seconds, publish.sent_rate) == (4.0, 1.0)
    assert (deliver.seconds, deliver.rate) == (4.0, 4.0)
    assert (later.seconds, later.rate) == (1.5, 10 / 1.5)


def test_rates_of_a_hostile_journal_are_numbers_all_the_same() -> None:
    """Time that is not there, and seconds without a generator."""
    (operation,) = folded([sampled(0, planned=-5.0, sent=1, received=1)])
    assert (operation.seconds, operation.rate) == (1.0, 1.0)
    (operation,) = folded([sampled(0, planned=2.0, sent=1, received=1)])
    assert (operation.seconds, operation.rate) == (2.0, 0.5)


def test_connections_opened_before_the_load_are_counted_whole() -> None:
    """They are told with what came behind its end."""
    listen, connect = summed(
        [
            sampled(0, operation="listen", received=7),
            sampled(1, took=0.5, operation="connect", intended=10, received=10),
        ],
        seconds=1,
    )
    assert (connect.seconds, connect.rate) == (0.5, 20.0)
    assert (listen.seconds, listen.rate) == (1.0, 7.0)


def test_connections_have_a_time_of_their_own() -> None:
    """They are opened before the load begins, mostly."""
    connect, listen = folded(
        [
            sampled(-2, took=2.0, operation="connect", intended=10, received=10),
            sampled(0, operation="listen", received=7),
            sampled(1, operation="listen", received=7),
        ]
    )
    assert (connect.seconds, connect.rate) == (2.0, 5.0)
    assert (listen.seconds, listen.rate) == (2.0, 7.0)


def test_operation_that_did_nothing_has_no_rate() -> None:
    """And no latency: none is made up."""
    (operation,) = folded([sampled(0, took=1.0, failed=3)])
    assert operation.rate == 0.0
    assert operation.response_curve == operation.service_curve == []
    assert operation.timed == ""
    assert operation.points[0].p99 is None


def test_a_closed_load_shows_its_service_time() -> None:
    """Without a schedule there is no intended time to count from."""
    text = histogram(0.001).encode()
    (operation,) = folded([sampled(0, received=1, service=text), sampled(1)])
    assert operation.timed == "service"
    assert operation.response is None
    assert [point.max for point in operation.points] == [
        histogram(0.001).max,
        None,
    ]


def test_series_has_a_point_for_each_second() -> None:
    """As long as there are not too many of them."""
    text = histogram(0.001, 0.5).encode()
    (operation,) = folded(
        [sampled(s, intended=9, sent=8, received=7, response=text) for s in range(3)]
    )
    assert [point.since for point in operation.points] == [0, 1, 2]
    point = operation.points[0]
    assert (point.took, point.intended, point.sent, point.received) == (1.0, 9, 8, 7)
    assert point.p50 == histogram(0.001).max
    assert point.p99 == point.max == histogram(0.5).max


@given(st.integers(1, 3 * MOST_POINTS))
def test_series_of_a_long_load_stays_short_and_loses_nothing(seconds: int) -> None:
    """Neighbours are put together: same counts, no gap, nothing twice."""
    (operation,) = folded([sampled(s, received=s) for s in range(seconds)])
    points = operation.points
    assert len(points) <= MOST_POINTS
    assert sum(point.received for point in points) == sum(range(seconds))
    ends = [point.since + point.took for point in points]
    assert [point.since for point in points] == [0.0, *ends[:-1]]
    assert ends[-1] == seconds


def test_points_that_are_put_together_keep_their_latencies() -> None:
    """Percentiles of a merged point are those of the merged seconds."""
    texts = [histogram(0.001).encode(), histogram(0.9).encode(), ""]
    records = [
        sampled(s, received=1, response=texts[s % 3]) for s in range(2 * MOST_POINTS)
    ]
    (operation,) = folded(records)
    first, second, third = operation.points[:3]
    # Seconds 0 and 1, 2 and 3, 4 and 5.
    assert (first.p50, first.max) == (histogram(0.001).max, histogram(0.9).max)
    assert (second.p50, second.max) == (histogram(0.001).max, histogram(0.001).max)
    assert (third.p50, third.max) == (histogram(0.9).max, histogram(0.9).max)
    last, before = operation.points[-1], operation.points[-2]
    assert last.took == before.took == 2.0
    assert (last.p50, last.max) == (histogram(0.001).max, histogram(0.9).max)
    assert before.p50 == histogram(0.9).max  # seconds 1996 and 1997


def test_curve_goes_as_far_as_the_data() -> None:
    """From the smallest to the largest; not closer to 100 % than one answer."""
    text = histogram(*(n / 1000 for n in range(1, 101))).encode()
    (operation,) = folded([sampled(0, received=100, response=text)])
    curve = operation.response_curve
    assert curve[0] == (0.0, histogram(0.001).max)
    assert curve[-1] == (100.0, histogram(0.1).max)
    assert curve[-2] == (99.0, histogram(0.099).max)
    assert dict(curve)[90.0] == histogram(0.09).max
    assert curve == sorted(curve)


def test_a_load_begins_where_the_seconds_go_back() -> None:
    """A search puts one load after the other on the target, in the same check."""
    loads = Loads()
    for since in (0, 1, 2, 0, 1):
        loads.sampled(sampled(since, received=1))
        loads.generator_sampled(generator(since))
    assert [load.seconds for load in loads.summaries()] == [3.0, 2.0]
    assert [len(load.generator.points) for load in loads.summaries()] == [3, 2]


def test_operations_of_the_same_second_may_come_in_any_order() -> None:
    """A second back is no new load: the drain ends when it ends."""
    numbers = LoadNumbers()
    seconds = (0, 0, 1, 0.5, 2, 1, 0, 0)
    assert [numbers.of(sampled(s)) for s in seconds] == [0, 0, 0, 0, 0, 0, 1, 1]


def test_generator_is_shown_at_its_worst() -> None:
    """The busiest, who waited most, the longest turn, all latenesses, connections."""
    loads = Loads()
    early, late = histogram(0.0001), histogram(0.2)
    loads.generator_sampled(generator(0, cpu=(0.2, 0.9), lateness=early.encode()))
    loads.generator_sampled(generator(1, waited=0.4, lag=0.3, lateness=late.encode()))
    loads.generator_sampled(generator(2, waited=0.1))
    (load,) = loads.summaries()
    fared = load.generator
    assert (fared.workers, fared.cpu_peak, fared.lag) == (2, 0.9, 0.3)
    assert fared.waited_peak == 0.4
    assert (fared.most_open, fared.lost_connections) == (3, 2)
    assert fared.lateness == latency(histogram(0.0001, 0.2))
    assert [point.lateness for point in fared.points] == [early.max, late.max, None]


def test_generator_of_a_long_load_stays_short() -> None:
    """Neighbours are put together, the worse of both is kept."""
    loads = Loads()
    for second in range(4 * MOST_POINTS):
        loads.generator_sampled(generator(second, cpu=(second % 4 / 10,)))
    (load,) = loads.summaries()
    points = load.generator.points
    assert len(points) == MOST_POINTS
    assert {point.took for point in points} == {4.0}
    assert {point.cpu for point in points} == {0.3}
    assert points[-1].open == 4 * MOST_POINTS
    assert points[-1].since == 4 * (MOST_POINTS - 1)


def test_load_without_a_generator_has_no_figures_of_it() -> None:
    """Nothing is made up, and nothing breaks."""
    loads = Loads()
    loads.sampled(sampled(0))
    loads.generator_sampled(generator(0, cpu=()))
    (load,) = loads.summaries()
    assert load.generator.cpu_peak == 0.0
    assert load.generator.lateness is None


def test_damaged_histograms_are_holes_in_the_evidence(run: Run) -> None:
    """A verdict on evidence with holes is not green; what can be counted is."""
    journal = run(
        sampled(0, received=3, response="HISTFAAA"),
        generator(0, lateness="?"),
        sustained=[Verdict.PASS],
    )
    summary = fold(journal)
    assert summary.verdict is Verdict.UNKNOWN
    assert len(summary.problems) == 2
    assert "second 0 of echo.request: not a histogram" in summary.problems[0]
    check = summary.suites["core"].checks["sustained"]
    assert check.loads[0].operations[0].counts == {"received": 3}


def test_check_without_a_load_has_none(run: Run) -> None:
    """An empty list stands in the summary."""
    summary = fold(run(sustained=[Verdict.PASS]))
    assert summary.suites["core"].checks["sustained"].loads == []


def test_a_hostile_journal_cannot_fill_memory() -> None:
    """Loads, operations and problems are bounded; more of them is a problem."""
    loads = Loads()
    for number in range(MOST_OPERATIONS + 30):
        loads.sampled(sampled(0, scenario=str(number)))
    for number in range(30):
        loads.sampled(sampled(0, scenario="0", response=f"damaged {number}" * number))
        loads.sampled(sampled(number / 100, scenario="1", response="?"))
    assert len(loads.summaries()[0].operations) == MOST_OPERATIONS
    assert f"more than {MOST_OPERATIONS} operations in a load" in loads.problems
    assert len(loads.problems) == 20


@pytest.mark.parametrize("taken", ["load", "generator"])
def test_loads_beyond_the_most_are_left_out(taken: str) -> None:
    """And said."""
    loads = Loads()
    for number in range(2 * MOST_LOADS + 10):
        since = 9.0 if number % 2 == 0 else 20.0
        if taken == "load":
            loads.sampled(sampled(since))
        else:
            loads.generator_sampled(generator(since))
    assert len(loads.summaries()) == MOST_LOADS
    assert loads.problems == [f"more than {MOST_LOADS} loads in a check"]
