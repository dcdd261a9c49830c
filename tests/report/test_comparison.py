"""A comparison says slower only where it is sure, and not slower only then, too."""

import random
from collections.abc import Callable

import pytest

from wavetank.evidence import Histogram, LoadSampled, Record, Verdict
from wavetank.report.comparison import (
    Comparison,
    Outcome,
    Ratio,
    Row,
    compare,
    comparison_text,
)
from wavetank.report.pairing import Side

RunOf = Callable[..., list[Record]]
LoadOf = Callable[..., list[Record]]
Between = Callable[..., Comparison]


def seconds(
    factor: float = 1.0,
    *,
    noise: float = 0.0,
    number: int = 40,
    each: int = 100,
    received: int = 100,
    seed: int = 1,
) -> list[Record]:
    """Return a load whose latencies go up and down from second to second."""
    rng = random.Random(seed)
    made: list[Record] = []
    for second in range(number):
        times = Histogram()
        level = factor * 0.01 * (1 + noise * rng.random())
        for n in range(each):
            times.record(level * (1 + n / each))
        made.append(
            LoadSampled(
                at=10.0 + second,
                suite="load",
                check="sustained",
                since=float(second),
                took=1.0,
                scenario="echo",
                operation="request",
                counts={"intended": 100, "sent": 100, "received": received},
                response=times.encode(),
            )
        )
    return made


@pytest.fixture
def between(run_of: RunOf) -> Between:
    """Compare two loads of the same plan."""

    def compared(
        first: list[Record], second: list[Record], *, bound: float = 0.05
    ) -> Comparison:
        return compare(
            Side.of("A", run_of(first)),
            Side.of("B", run_of(second)),
            rng=random.Random(7),
            bound=bound,
            resamples=400,
        )

    return compared


@pytest.mark.parametrize(
    ("factor", "noise", "outcome", "verdict"),
    [
        (1.0, 0.0, Outcome.SAME, Verdict.PASS),
        (1.3, 0.1, Outcome.SLOWER, Verdict.FAIL),
        (1.03, 0.0, Outcome.LITTLE, Verdict.PASS),
        (0.7, 0.1, Outcome.FASTER, Verdict.PASS),
        (1.0, 1.5, Outcome.UNCLEAR, Verdict.UNKNOWN),
        (1.05, 0.1, Outcome.UNCLEAR, Verdict.UNKNOWN),
    ],
)
def test_comparison_says_what_the_seconds_allow(
    between: Between, factor: float, noise: float, outcome: Outcome, verdict: Verdict
) -> None:
    """Slower, a little slower, the same, faster; and unclear where it is."""
    compared = between(
        seconds(noise=noise), seconds(factor, noise=noise, seed=2), bound=0.05
    )
    (row,) = compared.rows
    assert (row.outcome, compared.verdict) == (outcome, verdict)


def test_slower_is_said_with_its_interval(between: Between) -> None:
    """One sentence: by how much, and how sure that is."""
    (row,) = between(seconds(noise=0.05), seconds(1.32, noise=0.05, seed=2)).rows
    assert row.sentence.startswith("B is slower: p50 1.3")
    p99 = row.ratios[1]
    assert str(p99) in row.sentence
    assert p99.interval is not None
    low, high = p99.interval
    assert 1.2 < low < p99.value < high < 1.5


def test_more_than_the_bound_has_to_be_ruled_out(between: Between) -> None:
    """A wide interval around 1 is no proof that nothing is slower."""
    first, second = seconds(noise=0.6), seconds(noise=0.6, seed=2)
    (row,) = between(first, second).rows
    assert row.sentence.startswith(
        "no difference that these runs can show, but more than 5 % cannot be ruled out"
    )
    assert row.sentence.endswith("run longer")
    assert between(first, second, bound=2.0).verdict is Verdict.PASS


def test_slower_by_an_unclear_amount_is_said(between: Between) -> None:
    """It is slower for certain; whether beyond the bound is not."""
    (row,) = between(seconds(noise=0.05), seconds(1.05, noise=0.05, seed=2)).rows
    assert row.sentence.startswith("B is slower, but more than 5 % cannot be ruled out")


def test_lower_rate_is_slower(between: Between) -> None:
    """Answers that did not come have no latency; the rate tells."""
    (row,) = between(seconds(), seconds(received=80)).rows
    assert row.outcome is Outcome.SLOWER
    assert row.sentence == "B is slower: rate 0.80x (95 % 0.80 to 0.80)"


def test_maximum_has_no_interval(between: Between) -> None:
    """It is shown, and decides nothing."""
    second = seconds()
    stall = Histogram()
    stall.record(5.0)
    second.append(
        LoadSampled(
            at=49.0,
            suite="load",
            check="sustained",
            since=39.0,
            took=1.0,
            scenario="echo",
            operation="request",
            counts={"received": 1},
            response=stall.encode(),
        )
    )
    compared = between(seconds(), second)
    (row,) = compared.rows
    ratio = row.ratios[2]
    assert (ratio.name, ratio.interval, ratio.worse) == ("max", None, None)
    assert ratio.value > 200
    assert str(ratio) == "max 251x"
    assert compared.verdict is Verdict.PASS


def beside(operation: str, *, since: float, **counts: int) -> LoadSampled:
    """Return what else the scenario of `seconds` did."""
    times = Histogram()
    times.record(0.003, counts.get("received", 0) or 1)
    return LoadSampled(
        at=50.0,
        suite="load",
        check="sustained",
        since=since,
        took=0.5,
        scenario="echo",
        operation=operation,
        counts=counts,
        response=times.encode() if counts else "",
    )


def test_connections_opened_for_a_load_leave_its_verdict_alone(
    between: Between,
) -> None:
    """They are told behind its last second, and are too few to say anything.

    So no two loads could ever be compared: each comparison was UNKNOWN.
    """
    opening = beside("connect", since=40.0, intended=10, received=10)
    compared = between([*seconds(), opening], [*seconds(), opening])
    assert [row.outcome for row in compared.rows] == [Outcome.SAME, Outcome.ASIDE]
    assert compared.verdict is Verdict.PASS


def test_more_connections_are_another_plan(between: Between) -> None:
    """The same rate over ten times the users is not the same load."""
    few, many = (
        beside("connect", since=40.0, intended=number, received=number)
        for number in (100, 1000)
    )
    compared = between([*seconds(), few], [*seconds(), many])
    assert compared.verdict is Verdict.UNKNOWN
    assert "another plan: 100 and 1,000" in compared.rows[1].sentence


def test_an_operation_in_which_nothing_happened_is_left_aside(
    between: Between,
) -> None:
    """Who is in a churn subscribes, and may hear nothing."""
    silence = beside("listen", since=40.0)
    compared = between([*seconds(), silence], [*seconds(), silence])
    assert compared.rows[1].outcome is Outcome.ASIDE
    assert compared.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (
            {"each": 10},
            "too few answers: 400, and 1,000 are needed; repeat both runs with a "
            "longer --duration or a higher --rate",
        ),
        (
            {"number": 15},
            "too short: 15 seconds, and 20 are needed; repeat both runs with "
            "--duration 20s, or longer stages",
        ),
        ({"received": 0}, "too little was received"),
    ],
)
def test_too_little_is_not_comparable(
    between: Between, load: dict[str, int], why: str
) -> None:
    """UNKNOWN is never green."""
    compared = between(seconds(**load), seconds(**load))
    (row,) = compared.rows
    assert row.sentence == f"not comparable: {why}"
    assert compared.verdict is Verdict.UNKNOWN


def test_worst_row_decides(between: Between) -> None:
    """Slower wins over unclear, unclear over not slower; aside counts for nothing."""

    def whole(*outcomes: Outcome) -> Verdict:
        key = between(seconds(number=20), seconds(number=20)).rows[0].key
        rows = tuple(Row(key, outcome, "") for outcome in outcomes)
        return Comparison(("A", "B"), 0.05, rows=rows).verdict

    assert whole(Outcome.APART, Outcome.SLOWER) is Verdict.FAIL
    assert whole(Outcome.SAME, Outcome.UNCLEAR) is Verdict.UNKNOWN
    assert whole(Outcome.ASIDE, Outcome.FASTER) is Verdict.PASS
    assert whole(Outcome.ASIDE) is Verdict.UNKNOWN
    assert whole() is Verdict.UNKNOWN


def test_text_shows_every_figure_of_both(between: Between) -> None:
    """A verdict first, then each operation with a table."""
    text = comparison_text(between(seconds(), seconds(1.5)))
    lines = text.splitlines()
    assert lines[0] == "FAIL     B is slower than A"
    assert lines[2] == "FAIL     load.sustained echo.request"
    assert lines[4].split() == ["response", "time", "A", "B", "ratio", "95", "%"]
    assert [line.split()[0] for line in lines[5:9]] == ["p50", "p99", "max", "rate"]
    assert lines[7].endswith("1.50x  -")
    assert lines[8].split()[1:] == [*("100/s", "100/s", "1.00x", "1.00", "to", "1.00")]
    assert "only repeated runs can tell" in lines[-1]


def test_text_says_what_passed_and_what_is_unknown(between: Between) -> None:
    """In the words of the bound, and of the names."""
    same = comparison_text(between(seconds(), seconds()))
    assert same.startswith("PASS     B is not slower than A by more than 5 %\n")
    unknown = comparison_text(between(seconds(number=3), seconds(number=3)))
    assert unknown.startswith("UNKNOWN  whether B is slower than A cannot be told\n")


def test_runs_that_cannot_be_compared_say_why(
    run_of: RunOf, load_of: LoadOf, hostile: str
) -> None:
    """Every reason; what a target said moves no cursor."""
    first = Side.of("A", run_of(load_of(30), machine={"cpu": "x"}))
    second = Side.of("B", run_of(load_of(30), machine={"cpu": hostile}))
    compared = compare(first, second, rng=random.Random(1))
    assert compared.verdict is Verdict.UNKNOWN
    text = comparison_text(compared)
    assert text.startswith("UNKNOWN  not comparable\n         another machine: cpu x")
    assert all(line.isprintable() for line in text.splitlines())


def test_ratio_of_nothing_has_no_end() -> None:
    """And is shown all the same."""
    assert Ratio("rate", 0.0, 5.0).value == float("inf")
