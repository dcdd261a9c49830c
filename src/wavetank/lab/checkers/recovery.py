"""How a target comes through faults: who was hurt, and what is left behind.

They refuse to know the faults, and how anything was measured.
"""

from collections.abc import Mapping, Sequence

from wavetank.evidence import Finding, Histogram, Sampled, Verdict
from wavetank.lab.checkers.costs import growth, judge_cost
from wavetank.load.slopes import is_leak

__all__ = [
    "judge_bystander",
    "judge_producer",
    "judge_rest",
    "judge_rounds",
    "judge_shut_out",
    "judge_untouched",
]

STILL = 1.0
"""Seconds for which the lab may stand still before it doubts what it has seen."""
RESTS = 0.1
"""Share of a core that a target may take more while it cannot accept: it may try again
and write that down; who does nothing else takes all that there is to be had."""


def judge_bystander(
    times: Histogram, *, bound: float, failure: str, stood_still: float
) -> list[Finding]:
    """Judge how somebody was served who had no part in what went wrong.

    Args:
        times: Seconds of its round trips.
        bound: Seconds that 99 of 100 may take.
        failure: Why it was served no longer; "" where it was to the end.
        stood_still: The longest time for which the lab itself did nothing.
    """
    title = "a bystander is served all the while"
    served = Finding(
        verdict=Verdict.FAIL if failure else Verdict.PASS,
        title=title,
        expected="answers, and a connection that holds",
        seen=failure or f"{times.count:,} answers",
    )
    if failure and stood_still >= STILL:
        served = Finding(
            verdict=Verdict.UNKNOWN, title=title, seen=_still(failure, stood_still)
        )
    p99 = times.percentile(99)
    expected = f"p99 within {bound:g} s"
    title = "a bystander waits no longer than usual"
    if p99 is None:
        unknown = Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen="no answers"
        )
        return [served, unknown]
    seen, verdict = f"p99 {p99 * 1000:.1f} ms", Verdict.PASS
    if p99 > bound:
        # Who waits while nothing runs at all waits for the machine.
        is_ours = stood_still >= min(STILL, p99 / 2)
        verdict = Verdict.UNKNOWN if is_ours else Verdict.FAIL
        seen = _still(seen, stood_still) if is_ours else seen
    return [served, Finding(verdict=verdict, title=title, expected=expected, seen=seen)]


def judge_untouched(opened: Mapping[str, int], *, stood_still: float) -> Finding:
    """Judge whether those kept their connection whom nothing was done to.

    Args:
        opened: Name -> how often it had to connect.
        stood_still: The longest time for which the lab itself did nothing.
    """
    title = "who has no part in it keeps its connection"
    expected = "one connection each"
    touched = [f"{name} connected {n} times" for name, n in opened.items() if n > 1]
    verdict, seen = Verdict.PASS, f"{len(opened)} kept theirs"
    if touched:
        is_ours = stood_still >= STILL
        verdict = Verdict.UNKNOWN if is_ours else Verdict.FAIL
        seen = "; ".join(touched)
        seen = _still(seen, stood_still) if is_ours else seen
    return Finding(verdict=verdict, title=title, expected=expected, seen=seen)


def judge_producer(counts: Mapping[str, int], *, is_answered: bool) -> Finding:
    """Judge whether a publisher was neither held up nor refused.

    Args:
        counts: Its `statistics`.
        is_answered: Whether the target acknowledges publications.
    """
    title = "a publisher goes on though nobody listens"
    expected = "each publication acknowledged, on one connection"
    seen = (
        f"{counts['sent']:,} sent, {counts['acknowledged']:,} acknowledged, "
        f"{counts['refused']:,} refused, {counts['opened']:,} connections"
    )
    if not counts["sent"]:
        return Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen=seen
        )
    failed = counts["refused"] or (is_answered and counts["unknown"])
    is_whole = counts["opened"] == 1 and not failed
    return Finding(
        verdict=Verdict.PASS if is_whole else Verdict.FAIL,
        title=title,
        expected=expected,
        seen=seen,
    )


def judge_shut_out(let_in: int, wanted: int) -> Finding:
    """Judge whether a target was out of descriptors, for else nothing is proven.

    Args:
        let_in: How many were let in while it was to have none.
        wanted: How many wanted in.
    """
    was_out = let_in < wanted
    return Finding(
        verdict=Verdict.PASS if was_out else Verdict.UNKNOWN,
        title="a target without descriptors lets nobody in",
        expected="connections that wait or fail",
        seen=f"{let_in} of {wanted} were let in"
        + ("" if was_out else ": its limits do not hold, so this check says nothing"),
    )


def judge_rest(
    before: Sequence[Sampled | None], during: Sequence[Sampled | None]
) -> Finding:
    """Judge whether a target that cannot accept rests instead of trying for ever.

    Args:
        before: What it used at the begin and the end of a time like any other.
        during: The same while it could not accept.
    """
    title = "a target that cannot accept does not burn a core"
    usual, busy = _share(before), _share(during)
    if usual is None or busy is None:
        seen = "its processor time cannot be measured"
        return Finding(verdict=Verdict.UNKNOWN, title=title, seen=seen)
    return Finding(
        verdict=Verdict.PASS if busy <= usual + RESTS else Verdict.FAIL,
        title=title,
        expected=f"at most {usual + RESTS:.0%} of a core, {RESTS:.0%} above the usual",
        seen=f"{busy:.0%} of a core",
    )


def _share(samples: Sequence[Sampled | None]) -> float | None:
    """Return the share of a core that was used from the first to the last sample."""
    there = [one for one in samples if one is not None]
    if len(there) < 2 or there[-1].at <= there[0].at:
        return None
    return (there[-1].cpu - there[0].cpu) / (there[-1].at - there[0].at)


def judge_rounds(
    samples: Sequence[Sampled], connections: int, *, each: float, kept: float
) -> Finding:
    """Judge whether connections that came and went leave memory behind.

    Rounds that are enough show whether growth ends; of a few, only what each
    connection leaves can be held against a bound.

    Args:
        samples: One after each round, oldest first.
        connections: How many came and went between the first one and the last.
        each: Bytes that a connection may leave.
        kept: Bytes that the target may keep as history of what was published.
    """
    title = "connections leave no memory behind"
    used = growth(samples[0], samples[-1], "rss") if samples else None
    found = judge_cost(
        title,
        None if used is None else used - kept,
        connections,
        bound=each / 1024,
        unit="KiB a connection",
        scale=1024,
    )
    took = samples[-1].at - samples[0].at if samples else 0.0
    if took <= 0:
        return found
    bound = (connections * each + kept) / took
    verdict = is_leak([(one.at, float(one.rss)) for one in samples], bound=bound)
    if verdict is Verdict.UNKNOWN:
        return found
    return Finding(
        verdict=verdict,
        title=title,
        expected=f"memory that levels off, or grows by {found.expected}",
        seen=found.seen,
    )


def _still(seen: str, seconds: float) -> str:
    return f"{seen}; but the lab itself stood still for {seconds:.1f} s"
