"""The account of a load: what was asked of it, and what came of all that was sent.

They refuse to know how the load was carried out, and why it was made.
"""

from collections.abc import Iterable, Sequence

import msgspec

from wavetank.evidence import Finding, Histogram, Sampled, Verdict
from wavetank.load.doubts import Affects, Bias, Doubt, find_doubts
from wavetank.load.exchange import Operation, Tally
from wavetank.load.figures import Figures, driven_operation, main_operation
from wavetank.load.plan import Scenario, ScenarioKind
from wavetank.load.result import LoadResult
from wavetank.load.thresholds import judge_threshold, parse_threshold
from wavetank.load.totals import Times

__all__ = [
    "GENERATOR",
    "arrived",
    "judge_consistent",
    "judge_keeping_up",
    "judge_load",
    "judge_times",
    "parts_of",
]

_IMPLIED = {
    # figure that has to be 0, unless the plan says what it may be, and in words
    "failed": "nothing is refused or cut off",
    "lost": "nothing is lost",
    "duplicated": "nothing is delivered twice",
    "reordered": "nothing is overtaken by a later one",
    "corrupted": "nothing is changed on its way",
    "unopened": "every connection opens",
    "lost_connections": "every connection holds to the end",
}
_ABOUT_THE_ASKED = {"dropped", "sent", "sent_rate"}
"""Figures of thresholds that say how much of it has to be put on the target."""

_MOST_REASONS = 3

GENERATOR = "the generator"
"""The part of a message's way that is our own."""

_PARTS = {
    Operation.REQUEST: "the answer",
    Operation.PUBLISH: "the acknowledgement",
    Operation.DELIVER: "the delivery",
    Operation.PING: "the pong",
}


def judge_load(result: LoadResult, samples: Iterable[Sampled] = ()) -> list[Finding]:
    """Judge a load: its thresholds, what was lost or wrong, and its own doubts.

    Args:
        result: What it came to.
        samples: What the target used meanwhile, oldest first.
    """
    figures = Figures(result, samples)
    said = {threshold.figure for threshold in result.plan.thresholds}
    implied = [
        _judge_implied(result, figures, figure)
        for figure in _IMPLIED
        if figure not in said
    ]
    return [
        *(_judge_arrival(result, scenario) for scenario in result.plan.scenarios),
        *(judge_threshold(each, figures) for each in result.plan.thresholds),
        *([] if said & _ABOUT_THE_ASKED else [_judge_asked(result, figures)]),
        *implied,
        *map(_finding, figures.doubts),
    ]


def _judge_arrival(result: LoadResult, scenario: Scenario) -> Finding:
    """Judge whether a scenario has anything that could be judged.

    That users are connected says nothing of what they are there for. Of a
    storm, what counts is who came back.
    """
    main = main_operation(scenario.kind)
    came = sum(
        one.received
        for one in result.tallies
        if (one.scenario, one.operation) == (scenario.name, main)
    )
    if scenario.kind is ScenarioKind.STORM:
        # All users have connected once before the first storm.
        came = max(came - scenario.users, 0)
    return Finding(
        verdict=Verdict.PASS if came else Verdict.UNKNOWN,
        title=f"something comes back in {scenario.name}",
        expected="at least one answer, delivery, pong or connection",
        seen=f"{came:,}" if came else "nothing, and so nothing is known of it",
    )


def _judge_asked(result: LoadResult, figures: Figures) -> Finding:
    """Judge whether what was asked for was put on the target.

    Nothing is lost of what is never sent. What the target did with the rest may be as
    it should; with the load that was asked for, nobody knows.
    """
    dropped = judge_threshold(parse_threshold("dropped <= 1%"), figures)
    where = [
        f"{one.dropped:,} of {one.intended:,} in {_name(one)}, for which no user was "
        "free"
        for one in result.tallies
        if one.dropped
    ]
    verdict = dropped.verdict
    return Finding(
        verdict=Verdict.UNKNOWN if verdict is Verdict.FAIL else verdict,
        title="the load that was asked for is put on the target",
        expected="at most 1 % of what is due is dropped",
        seen="; ".join([dropped.seen, *where]),
    )


def _judge_implied(result: LoadResult, figures: Figures, figure: str) -> Finding:
    found = judge_threshold(parse_threshold(f"{figure} == 0"), figures)
    wrong = [one for one in result.tallies if getattr(one, figure, 0)]
    where = [f"{getattr(one, figure):,} in {_name(one)}" for one in wrong]
    if figure == "failed":
        where += _first(reason for one in wrong for reason in one.reasons)
    if figure == "unopened":
        where += _first(result.reasons)
    return msgspec.structs.replace(
        found,
        title=_IMPLIED[figure],
        seen="; ".join([found.seen, *where]) if where else found.seen,
    )


def _first(reasons: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(reasons))[:_MOST_REASONS]


def _finding(doubt: Doubt) -> Finding:
    """Return a doubt as a finding.

    One that works in a known direction has done so already: a threshold that holds
    all the same has passed, and the others are UNKNOWN.
    """
    is_known = doubt.bias is not Bias.EITHER
    return Finding(
        verdict=Verdict.PASS if is_known else Verdict.UNKNOWN,
        title=f"the figures for {' and '.join(doubt.affects)} can be relied on",
        seen=f"{doubt.what} {doubt.advice}",
    )


# What single checks ask for beside it


def arrived(result: LoadResult) -> int:
    """Return how many messages came back, or reached a receiver."""
    return sum(one.received for one in _main(result, result.tallies))


def judge_keeping_up(result: LoadResult, *, least: float = 0.9) -> Finding:
    """Judge whether messages came as fast as they were sent, and no queue was left.

    Args:
        result: Of the load.
        least: Share of all messages that has to be there when the last one is sent.
    """
    came = sum(one.received for one in _main(result, result.measured))
    due = sum(
        one.received + one.lost + one.failed for one in _main(result, result.tallies)
    ) - sum(one.received for one in _main(result, result.warming))
    title = "messages come as fast as they are sent"
    expected = f"{least:.0%} of them by the time the last one is sent"
    if not due or not result.window:
        return Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen="no data"
        )
    seen = f"{came:,} of {due:,}, {came / result.window:,.0f} a second"
    return _judged(
        title, expected, seen, result, holds=came >= least * due, affects=Affects.RATE
    )


def judge_times(
    before: LoadResult, after: LoadResult, *, times: float, spare: float
) -> Finding:
    """Judge whether the median response time is still what it was.

    Args:
        before: A load as it should be.
        after: The same one under other circumstances.
        times: How often its time the other one may take.
        spare: Seconds on top: what is short may be many times as long.
    """
    title = "a message takes no longer than it did"
    first, second = _median(before), _median(after)
    if first is None or second is None:
        return Finding(verdict=Verdict.UNKNOWN, title=title, seen="no data")
    bound = first * times + spare
    return _judged(
        title,
        f"a median below {bound * 1000:.2f} ms, as it was {first * 1000:.2f} ms",
        f"{second * 1000:.2f} ms",
        after,
        holds=second <= bound,
        affects=Affects.LATENCY,
    )


def _judged(
    title: str,
    expected: str,
    seen: str,
    result: LoadResult,
    *,
    holds: bool,
    affects: Affects,
) -> Finding:
    """Return PASS or FAIL; UNKNOWN where a FAIL may be the generator's own."""
    verdict = Verdict.PASS if holds else Verdict.FAIL
    doubts = [
        doubt
        for doubt in find_doubts(result)
        if affects in doubt.affects
        and doubt.bias is not Bias.WORSE
        and not doubt.percentile
    ]
    if not holds and doubts:
        verdict, seen = Verdict.UNKNOWN, f"{seen}; {doubts[0].what}"
    return Finding(verdict=verdict, title=title, expected=expected, seen=seen)


def judge_consistent(result: LoadResult) -> list[Finding]:
    """Judge whether the figures of a load fit each other.

    Where they do not, the generator cannot be relied on: that is UNKNOWN, for the
    target has no part in it.
    """
    schedule = _driven(result)
    rows = [
        (
            "what was due was sent or dropped",
            [one for one in schedule if one.intended != one.sent + one.dropped],
        ),
        (
            "every answer has its time",
            [one for one in _main(result, result.tallies) if not _is_timed(one)],
        ),
    ]
    return [
        Finding(
            verdict=Verdict.UNKNOWN if wrong or not schedule else Verdict.PASS,
            title=title,
            expected="figures that add up",
            seen=", ".join(map(_name, wrong))
            or ("all of them" if schedule else "none"),
        )
        for title, wrong in rows
    ]


def _is_timed(tally: Tally) -> bool:
    times = Times(tally.response)
    count = times.histogram.count if times.histogram else 0
    # Answers within the warm-up are counted, and not timed.
    return 0 < count <= tally.received + tally.duplicated


def parts_of(result: LoadResult) -> dict[str, float]:
    """Return the p99 of each part of a message's way, in seconds."""
    parts: dict[str, float] = {}
    lateness = Times()
    for generator in result.generators.values():
        lateness.add(generator.lateness)
    own = _percentile(lateness.histogram, 99)
    if own is not None:
        parts[GENERATOR] = own
    for tally in result.tallies:
        name = _PARTS.get(tally.operation)
        # A delivery has no service time of its own where others publish.
        times = Times(tally.service or tally.response)
        value = _percentile(times.histogram, 99)
        if name is not None and value is not None:
            parts[name] = max(value, parts.get(name, 0.0))
    return parts


def _percentile(histogram: Histogram | None, percentile: float) -> float | None:
    return histogram.percentile(percentile) if histogram is not None else None


def _median(result: LoadResult) -> float | None:
    times = Times()
    scenario = result.plan.scenarios[0]
    for tally in _main(result, result.tallies):
        if tally.scenario == scenario.name:
            times.add(tally.response)
    return _percentile(times.histogram, 50)


def _main(result: LoadResult, tallies: Sequence[Tally]) -> list[Tally]:
    """Return the tallies of the operations that the scenarios are about."""
    main = {
        (scenario.name, main_operation(scenario.kind))
        for scenario in result.plan.scenarios
    }
    return [one for one in tallies if (one.scenario, one.operation) in main]


def _driven(result: LoadResult) -> list[Tally]:
    """Return the tallies of the operations that have a schedule."""
    driven = {
        (scenario.name, driven_operation(scenario.kind))
        for scenario in result.plan.scenarios
        if scenario.stages
    }
    return [one for one in result.tallies if (one.scenario, one.operation) in driven]


def _name(tally: Tally) -> str:
    return f"{tally.scenario}.{tally.operation}"
