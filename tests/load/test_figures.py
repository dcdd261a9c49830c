"""Figures are right where they are certain, and wide where they are not."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Sampled, Verdict
from wavetank.load.exchange import Generator, Operation
from wavetank.load.figures import Figures, driven_operation, main_operation
from wavetank.load.plan import ScenarioKind
from wavetank.load.result import LoadResult
from wavetank.load.thresholds import (
    FIGURES,
    Measured,
    judge_threshold,
    parse_threshold,
)

from .results import encoded, load, ramp, scenario, tally


def measured(figure: str, result: LoadResult, samples: Any = ()) -> Measured:
    """Return a figure of a load."""
    unit = {"cpu": "0%"}.get(figure, "0")
    return Figures(result, samples).measure(parse_threshold(f"{figure} < {unit}"))


def judged(text: str, result: LoadResult, samples: Any = ()) -> tuple[Verdict, str]:
    """Return what a threshold comes to, and what was seen."""
    finding = judge_threshold(parse_threshold(text), Figures(result, samples))
    return finding.verdict, finding.seen


def used(count: int, **slopes: float) -> list[Sampled]:
    """Return samples of a target, one a second, each figure growing by a slope."""
    return [
        Sampled(
            at=float(at),
            who="target",
            cpu=at * slopes.get("cpu", 0.5),
            rss=int(1e6 + at * slopes.get("rss", 0.0)),
            descriptors=int(20 + at * slopes.get("descriptors", 0.0)),
            processes=1,
            threads=4,
        )
        for at in range(count)
    ]


ANSWERED = tally(
    intended=1000,
    sent=1000,
    received=1000,
    bytes_sent=100_000,
    bytes_received=200_000,
    response=ramp(1000, 0.1),
    service=ramp(1000, 0.05),
)


# Times


@pytest.mark.parametrize(
    ("figure", "seconds"),
    [
        ("p50", 0.05),
        ("p99", 0.099),
        ("p99.9", 0.0999),
        ("max", 0.1),
        ("mean", 0.05005),
        ("min", 0.0001),
        ("service.p99", 0.0495),
    ],
)
def test_time_is_read_from_the_histogram(figure: str, seconds: float) -> None:
    """Response time unless service time is asked for, to three digits."""
    seen = measured(figure, load([ANSWERED]))
    assert seen.low == seen.high == pytest.approx(seconds, rel=0.002)
    assert seen.shown.startswith(f"{figure} ")
    assert seen.why == ""


@pytest.mark.parametrize(
    ("percentile", "needed"),
    [("p50", 2), ("p90", 10), ("p99", 100), ("p99.9", 1000), ("p99.99", 10_000)],
)
def test_percentile_is_unknown_below_the_answers_that_it_needs(
    percentile: str, needed: int
) -> None:
    """At least one answer has to lie beyond it."""
    enough = tally(received=needed, response=encoded(0.01, times=needed))
    assert judged(f"{percentile} < 1s", load([enough]))[0] is Verdict.PASS
    few = tally(received=needed - 1, response=encoded(0.01, times=needed - 1))
    verdict, seen = judged(f"{percentile} < 1s", load([few]))
    assert verdict is Verdict.UNKNOWN
    assert f"{percentile} needs at least {needed:,} answers, and there are" in seen


def test_percentile_fails_on_few_answers_when_nearly_all_are_too_slow() -> None:
    """The p99 is no less than the p98, and that needs fewer answers."""
    slow = tally(received=50, response=encoded(2.0, times=50))
    assert judged("p99 < 1s", load([slow]))[0] is Verdict.FAIL
    one = tally(received=1, response=encoded(2.0))
    assert judged("p99 < 1s", load([one]))[0] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "tallies",
    [[], [tally(sent=5)], [tally(sent=5, response=encoded())], [tally("other")]],
)
def test_time_is_unknown_where_none_was_measured(tallies: Any) -> None:
    """No data is no pass."""
    verdict, seen = judged("p99 < 1s", load(tallies))
    assert (verdict, seen) == (Verdict.UNKNOWN, "no times were measured")


@pytest.mark.parametrize(
    "gone", [{"failed": 20}, {"lost": 20}, {"intended": 1020, "dropped": 21}]
)
def test_what_never_came_counts_as_later_than_all_that_came(
    gone: dict[str, int],
) -> None:
    """Two per cent without a time: the p99 may be anything, the p90 not."""
    facts = {"intended": 1000, "received": 1000, "response": ramp(1000, 0.1)} | gone
    facts["sent"] = facts["intended"] - gone.get("dropped", 0)
    result = load([tally(**facts)], measured=[])
    verdict, seen = judged("p99 < 1s", result)
    assert verdict is Verdict.UNKNOWN
    assert "of the messages have no time, for they never came" in seen
    assert judged("p90 < 1s", result)[0] is Verdict.PASS
    assert judged("p99 < 50ms", result)[0] is Verdict.FAIL
    assert judged("max < 1s", result)[0] is Verdict.UNKNOWN
    assert judged("mean < 1s", result)[0] is Verdict.UNKNOWN
    assert judged("min < 1s", result)[0] is Verdict.PASS


def test_a_few_that_never_came_move_a_percentile_and_no_mean() -> None:
    """Half a per cent is missing: the p99 is at worst the p99.5 of what came."""
    seen = tally(received=995, lost=5, response=ramp(995, 0.1))
    p99 = measured("p99", load([seen]))
    assert p99.low == pytest.approx(0.099, rel=0.003)
    assert p99.high == pytest.approx(0.0995, rel=0.003)
    mean = measured("mean", load([seen]))
    assert mean.low == mean.high


def test_nothing_that_came_has_no_time_at_all() -> None:
    """All lost is not fast."""
    lost = tally(intended=500, lost=500)
    assert judged("p99 < 1s", load([lost]))[0] is Verdict.UNKNOWN
    warm_up = tally(intended=500, failed=500, response=encoded(0.1, times=200))
    assert judged("p99 < 1s", load([warm_up]))[0] is Verdict.UNKNOWN


def test_publication_that_was_dropped_is_missing_at_its_receivers() -> None:
    """What was never published was delivered to nobody."""
    chat = scenario("chat", ScenarioKind.PUBLISH)
    published = tally("chat", Operation.PUBLISH, intended=100, sent=95, dropped=5)
    delivered = tally(
        "chat", Operation.DELIVER, received=950, response=encoded(0.1, times=950)
    )
    result = load([published, delivered], [chat], measured=[])
    assert judged("p99 < 1s", result)[0] is Verdict.UNKNOWN
    assert judged("p90 < 1s", result)[0] is Verdict.PASS


def test_time_at_the_end_of_the_range_may_be_longer() -> None:
    """A histogram ends at a minute; what is longer is not told apart."""
    stuck = tally(received=100, response=encoded(3600.0, times=100))
    assert judged("max < 2min", load([stuck]))[0] is Verdict.UNKNOWN
    verdict, seen = judged("max < 30s", load([stuck]))
    assert verdict is Verdict.FAIL
    assert "times end at 60 s" in seen


def test_lateness_of_the_generator_excuses_a_failure_and_no_more() -> None:
    """What is fast enough in spite of it is; what is too slow may be its own."""
    generators = {0: Generator(lateness=encoded(0.03, times=1000))}
    result = load([ANSWERED], generators=generators)
    assert judged("p99 < 200ms", result)[0] is Verdict.PASS
    verdict, seen = judged("p99 < 50ms", result)
    assert verdict is Verdict.UNKNOWN
    assert "the generator itself was late by 30 ms" in seen
    assert judged("mean < 1ms", result)[0] is Verdict.UNKNOWN


def test_lateness_is_compared_at_the_same_percentile() -> None:
    """A generator that is late in one of a hundred may be on time in the median."""
    lateness = encoded(*[0.0001] * 980, *[0.05] * 20)
    result = load([ANSWERED], generators={0: Generator(lateness=lateness)})
    assert judged("p50 < 1ms", result)[0] is Verdict.FAIL
    assert judged("p99 < 1ms", result)[0] is Verdict.UNKNOWN


def test_longest_turn_of_the_generator_excuses_the_longest_time_alone() -> None:
    """One pause is in the maximum, and in no percentile of many answers."""
    result = load([ANSWERED], generators={0: Generator(lag=0.09)})
    assert judged("max < 20ms", result)[0] is Verdict.UNKNOWN
    assert judged("p99 < 20ms", result)[0] is Verdict.FAIL


@pytest.mark.parametrize("text", ["p99 < 1s", "p99 < 1ms", "max < 1s", "mean < 1ms"])
def test_saturated_generator_makes_every_latency_verdict_unknown(text: str) -> None:
    """Good or bad: this was not the load that was asked for."""
    verdict, seen = judged(text, load([ANSWERED], busy={0: 0.8}))
    assert verdict is Verdict.UNKNOWN
    assert "the generator was saturated" in seen


def test_smaller_load_excuses_no_failure() -> None:
    """What is too slow with fewer connections is too slow with all of them."""
    result = load([ANSWERED], failed=5)
    assert judged("p99 < 1ms", result)[0] is Verdict.FAIL
    assert judged("p99 < 1s", result)[0] is Verdict.UNKNOWN


# Scope


def test_figure_is_of_the_scenario_and_operation_that_are_named() -> None:
    """All scenarios together, one of them, or one operation of it."""
    plans = [scenario("chat", ScenarioKind.PUBLISH), scenario("echo")]
    tallies = [
        tally("chat", Operation.PUBLISH, sent=10, response=encoded(0.1, times=100)),
        tally("chat", Operation.DELIVER, received=70, response=encoded(0.2, times=100)),
        tally("echo", Operation.REQUEST, received=5, response=encoded(0.3, times=100)),
        tally("echo", Operation.CONNECT, received=9, response=encoded(0.4, times=100)),
    ]
    result = load(tallies, plans)
    assert measured("max", result).low == pytest.approx(0.3, rel=0.002)
    assert measured("chat:max", result).low == pytest.approx(0.2, rel=0.002)
    assert measured("chat.publish:max", result).low == pytest.approx(0.1, rel=0.002)
    assert measured(".connect:max", result).low == pytest.approx(0.4, rel=0.002)
    assert measured("rate", result).low == 7.5
    assert measured("sent_rate", result).low == 1.0
    assert measured("received", result).low == 75
    assert measured("echo:received", result).low == 5
    assert measured("echo.connect:received", result).low == 9
    assert measured("other:max", result).low is None


@pytest.mark.parametrize("kind", ScenarioKind)
def test_every_kind_of_scenario_has_a_main_operation(kind: ScenarioKind) -> None:
    """Only publications are driven by something else than what one waits for."""
    is_publish = kind is ScenarioKind.PUBLISH
    assert (main_operation(kind) is driven_operation(kind)) is not is_publish


# Counts and rates


def test_count_is_exact_after_a_whole_drain() -> None:
    """Every message is accounted for, as a number or as a share."""
    result = load([tally(intended=1000, sent=990, received=980, lost=10, dropped=10)])
    assert judged("lost == 0", result) == (Verdict.FAIL, "10")
    assert judged("lost <= 1%", result) == (Verdict.PASS, "1 %")
    assert judged("dropped < 1%", result) == (Verdict.FAIL, "1 %")
    assert judged("duplicated == 0", result) == (Verdict.PASS, "0")


def test_share_of_what_has_no_schedule_is_of_what_became_of_it() -> None:
    """Deliveries are not intended one by one."""
    chat = scenario("chat", ScenarioKind.PUBLISH)
    delivered = tally("chat", Operation.DELIVER, received=97, lost=2, failed=1)
    assert measured("lost", load([delivered], [chat])).low == 2
    assert judged("lost == 2%", load([delivered], [chat]))[0] is Verdict.PASS


@pytest.mark.parametrize("text", ["lost == 0", "failed == 0", "dropped < 1%"])
def test_count_is_unknown_where_nothing_was_tried(text: str) -> None:
    """Nothing lost of nothing sent is no success."""
    expected = (Verdict.UNKNOWN, "nothing was sent or received")
    assert judged(text, load([tally()])) == expected
    assert judged(text, load([])) == expected


def test_loss_is_unknown_while_messages_may_be_under_way() -> None:
    """What is lost for certain fails; what only did not come in time does not."""
    sent = {"intended": 100, "received": 90, "lost": 10}
    maybe = load([tally(**sent)], uncertain=[tally(lost=10)], complete=False)
    assert judged("lost == 0", maybe)[0] is Verdict.UNKNOWN
    certain = load([tally(**sent)], uncertain=[tally(lost=9)], complete=False)
    assert judged("lost == 0", certain)[0] is Verdict.FAIL
    none = load([tally(intended=100, received=100)], complete=False)
    verdict, seen = judged("lost == 0", none)
    assert verdict is Verdict.UNKNOWN
    assert "The drain ended before everything was accounted for" in seen


def test_duplicate_is_one_however_the_load_ended() -> None:
    """What was seen twice was seen twice."""
    seen = tally(received=100, duplicated=1)
    assert judged("duplicated == 0", load([seen], complete=False))[0] is Verdict.FAIL


def test_counts_of_a_lost_worker_are_missing() -> None:
    """They are what the others counted, or more."""
    result = load([tally(intended=100, received=100, failed=2)], lost_workers={1: "x"})
    assert judged("failed == 0", result)[0] is Verdict.FAIL
    assert judged("failed <= 2", result)[0] is Verdict.UNKNOWN
    assert judged("connections >= 10", result)[0] is Verdict.PASS
    assert judged("connections >= 11", result)[0] is Verdict.UNKNOWN
    assert judged("received >= 100", result)[0] is Verdict.PASS


def test_rate_is_that_of_the_measured_window() -> None:
    """Neither warm-up nor drain dilutes it."""
    window = tally(intended=900, sent=800, received=790, bytes_received=2**20)
    result = load([ANSWERED], measured=[window], window=8.0, interrupted=True)
    assert judged("rate >= 98/s", result) == (Verdict.PASS, "98.8/s")
    assert measured("sent_rate", result).low == 100.0
    assert measured("intended_rate", result).low == 112.5
    assert measured("bandwidth_received", result).shown == "128 KiB/s"
    assert measured("bandwidth_sent", result).low == 0


def test_rate_is_unknown_without_a_window() -> None:
    """A load that ended in its warm-up has no rate."""
    for result in (load([ANSWERED], window=0.0), load([ANSWERED], measured=[])):
        expected = (Verdict.UNKNOWN, "no second behind the warm-up was measured")
        assert judged("rate >= 1/s", result) == expected


def test_rate_that_was_reached_was_reached_whoever_held_it_back() -> None:
    """Dropped arrivals excuse a low rate, and take nothing from a high one."""
    result = load([tally(intended=1000, sent=900, dropped=100, received=900)])
    assert judged("rate >= 80/s", result)[0] is Verdict.PASS
    verdict, seen = judged("rate >= 95/s", result)
    assert verdict is Verdict.UNKNOWN
    assert "100 of 1,000 arrivals were dropped" in seen
    saturated = load([ANSWERED], busy={0: 1.0})
    assert judged("rate >= 80/s", saturated)[0] is Verdict.PASS
    assert judged("rate >= 200/s", saturated)[0] is Verdict.UNKNOWN


def test_connections_are_counted() -> None:
    """Most at once, not opened, and ended by the target."""
    generators = {0: Generator(lost_connections=3)}
    result = load([ANSWERED], most_open=120, failed=2, generators=generators)
    assert judged("connections >= 100", result) == (Verdict.PASS, "120")
    assert judged("unopened == 0", result) == (Verdict.FAIL, "2")
    assert judged("lost_connections == 0", result) == (Verdict.FAIL, "3")


# Resources


def test_resources_are_those_of_the_target() -> None:
    """Mean use of the processor, and the most of everything else."""
    own = [
        msgspec.structs.replace(each, who="lab") for each in used(10, cpu=9, rss=1e9)
    ]
    samples = [*used(10, descriptors=2), *own]
    assert judged("cpu < 60%", load(), samples) == (Verdict.PASS, "50 %")
    assert judged("rss < 1MB", load(), samples)[0] is Verdict.FAIL
    assert measured("descriptors", load(), samples).low == 38
    assert measured("threads", load(), samples).low == 4


def test_processor_time_survives_a_restart_of_the_target() -> None:
    """A new process begins at nothing, and takes nothing away."""
    first = used(5)
    later = [msgspec.structs.replace(each, at=each.at + 5) for each in first]
    assert measured("cpu", load(), [*first, *later]).low == pytest.approx(4 / 9)


@pytest.mark.parametrize("text", ["cpu < 80%", "rss < 1GiB", "rss_slope < 1MiB/min"])
def test_resources_of_a_target_that_was_not_watched_are_unknown(text: str) -> None:
    """A remote target's memory is not known, and is not called small."""
    verdict, seen = judged(text, load())
    assert verdict is Verdict.UNKNOWN
    assert "--serve" in seen


def test_slope_is_judged_with_its_confidence() -> None:
    """A leak fails, a level target passes, few samples say nothing."""
    assert judged("rss_slope < 1KiB/min", load(), used(60))[0] is Verdict.PASS
    leak = used(60, rss=1e5)
    verdict, seen = judged("rss_slope < 1MiB/min", load(), leak)
    assert verdict is Verdict.FAIL
    assert seen.startswith("5.72 MiB/min in the later half")
    few = judged("rss_slope < 1MiB/min", load(), leak[:12])
    assert few == (Verdict.UNKNOWN, "too few samples; let the load take longer")
    leaking = used(60, descriptors=1.0)
    assert judged("descriptors_slope < 1/min", load(), leaking)[0] is Verdict.FAIL


def test_slope_that_is_uncertain_says_its_interval() -> None:
    """What may be below and above the bound is unknown, with both ends."""
    wild = [
        msgspec.structs.replace(each, rss=number * 7919 % 13)
        for number, each in enumerate(used(30))
    ]
    verdict, seen = judged("rss_slope < 0", load(), wild)
    assert verdict is Verdict.UNKNOWN
    assert "95 % certain is only" in seen


# All of them


@given(
    st.sampled_from([*FIGURES, "p50", "p99", "service.p99.99"]),
    st.integers(0, 200),
    st.integers(0, 20),
    st.booleans(),
)
def test_figure_has_its_low_end_below_its_high_end(
    figure: str, received: int, gone: int, is_busy: bool
) -> None:
    """Whatever was counted, the least is no more than the most, or nothing is known."""
    seen = tally(
        intended=received + gone,
        received=received,
        lost=gone,
        response=encoded(0.01, times=received) if received else "",
    )
    result = load([seen], busy={0: float(is_busy)}, complete=gone % 2 == 0)
    figures = measured(figure, result, used(received))
    if figures.low is None or figures.high is None:
        assert figures.why
    else:
        assert figures.low <= figures.high
        assert figures.low == figures.high or figures.why
        assert not math.isnan(figures.low)


def test_times_from_one_machine_to_another_are_as_sure_as_their_clocks() -> None:
    """A threshold within the error is UNKNOWN, and round trips are not touched."""
    plans = [scenario("feed", ScenarioKind.PUBLISH), scenario()]
    delivered = tally(
        "feed", Operation.DELIVER, received=1000, response=ramp(1000, 0.1)
    )
    clocks = {"a": 0.002, "b": 0.003}
    result = load([delivered, ANSWERED], plans, clock_errors=clocks)
    assert judged("feed: p50 < 60ms", result)[0] is Verdict.PASS
    verdict, seen = judged("feed: p50 < 52ms", result)
    assert verdict is Verdict.UNKNOWN
    assert "clocks are known within 5 ms" in seen
    assert judged("feed: p50 < 40ms", result)[0] is Verdict.FAIL
    assert judged("feed: min < 6ms", result)[0] is Verdict.PASS
    assert judged("echo: p50 < 52ms", result)[0] is Verdict.PASS


def test_connections_are_counted_where_a_scenario_is_about_them() -> None:
    """A churn receives nothing else."""
    opened = tally(operation=Operation.CONNECT, received=9)
    result = load([opened], [scenario(kind=ScenarioKind.CHURN)])
    assert measured("received", result).low == 9


@pytest.mark.parametrize("what", ["failed", "lost", "dropped"])
def test_share_is_the_highest_of_any_operation(what: str) -> None:
    """Ten thousand connections that open hide no fifty messages that fail.

    They did: all fifty of fifty were half a per cent.
    """
    opened = tally(operation=Operation.CONNECT, intended=10_000, received=10_000)
    gone = tally(intended=50, **{what: 50})
    assert judged(f"{what} <= 1%", load([opened, gone]))[0] is Verdict.FAIL
    assert judged(f"{what} <= 100%", load([opened, gone]))[0] is Verdict.PASS


def test_share_of_what_may_still_come_is_not_certain() -> None:
    """Of what is lost, that which a drain did not wait for is left out below."""
    gone = tally(intended=100, lost=50)
    unsure = tally(lost=50)
    verdict, _ = judged(
        "lost <= 1%", load([gone], uncertain=[unsure, tally("other", lost=3)])
    )
    assert verdict is Verdict.UNKNOWN
