"""What messages and connections cost the target, held against a bound.

They refuse to know how it was measured.
"""

from collections.abc import Mapping, Sequence

from wavetank.evidence import Finding, Sampled, Verdict
from wavetank.load.slopes import is_leak

__all__ = ["growth", "judge_cost", "judge_leak", "judge_level", "judge_slowest"]

SLACK = 5
"""Descriptors and threads that a target may have more: a log file, a pool."""

_NOT_OURS = "the lab did not start the target, and so cannot look into it"
_GONE = "the target's process is gone"


def growth(before: Sampled | None, after: Sampled | None, field: str) -> float | None:
    """Return how much more of something there is; None where nobody measured.

    Args:
        before: The earlier sample.
        after: The later one.
        field: Such as ``rss``.
    """
    if before is None or after is None:
        return None
    return float(getattr(after, field) - getattr(before, field))


def judge_cost(
    title: str,
    used: float | None,
    count: int,
    *,
    bound: float,
    unit: str,
    scale: float = 1.0,
) -> Finding:
    """Judge what one of many costs on average.

    Args:
        title: What was looked at, as one sentence.
        used: What all of them cost together; None where it cannot be measured.
        count: How many there were.
        bound: What one may cost, in ``unit``.
        unit: Such as ``KiB a message``.
        scale: How many base units one ``unit`` is.

    Returns:
        PASS or FAIL; UNKNOWN where there was nothing to share the cost among, and
        SKIP where it cannot be measured.
    """
    expected = f"at most {bound:g} {unit}"
    if used is None:
        return Finding(
            verdict=Verdict.SKIP, title=title, expected=expected, seen=_NOT_OURS
        )
    if count <= 0:
        return Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen="no data"
        )
    # Memory that was given back meanwhile is no cost below nothing.
    each = max(used, 0.0) / count / scale
    return Finding(
        verdict=Verdict.PASS if each <= bound else Verdict.FAIL,
        title=title,
        expected=expected,
        seen=f"{each:.3g} {unit}, over {count:,}",
    )


def judge_level(
    title: str,
    before: Sampled | None,
    after: Sampled | None,
    field: str,
    *,
    slack: int = SLACK,
) -> Finding:
    """Judge whether there is no more of something than there was.

    Args:
        title: What was looked at, as one sentence.
        before: The earlier sample; None where nothing can be measured.
        after: The later one; None where the process is gone.
        field: Such as ``descriptors``.
        slack: How many more are nothing to worry about.
    """
    if before is None:
        return Finding(verdict=Verdict.SKIP, title=title, seen=_NOT_OURS)
    was = getattr(before, field)
    expected = f"at most {was + slack:,}, as {was:,} were there before"
    if after is None:
        return Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen=_GONE
        )
    now = getattr(after, field)
    return Finding(
        verdict=Verdict.PASS if now <= was + slack else Verdict.FAIL,
        title=title,
        expected=expected,
        seen=f"{now:,}",
    )


def judge_leak(samples: Sequence[Sampled], messages: int, *, each: float) -> Finding:
    """Judge whether memory grows with messages, and does not stop.

    A load that is long enough shows whether growth ends. Of a short one, only what
    each message leaves behind can be held against a bound: what a target keeps for a
    while, such as its history, fits in that.

    Args:
        samples: Of the whole load, oldest first.
        messages: How many came meanwhile.
        each: Bytes that a message may leave behind.
    """
    title = "messages leave no memory behind"
    if not samples:
        return judge_cost(
            title, None, messages, bound=each / 1024, unit="KiB a message"
        )
    took = samples[-1].at - samples[0].at
    rate = messages / took if took > 0 else 0.0
    verdict = is_leak([(one.at, one.rss) for one in samples], bound=rate * each)
    found = judge_cost(
        title,
        growth(samples[0], samples[-1], "rss"),
        messages,
        bound=each / 1024,
        unit="KiB a message",
        scale=1024,
    )
    if verdict is Verdict.UNKNOWN:
        return found
    return Finding(
        verdict=verdict,
        title=found.title,
        expected=f"memory that levels off, or grows by {found.expected}",
        seen=found.seen,
    )


def judge_slowest(
    parts: Mapping[str, float], *, bound: float, own: str = ""
) -> Finding:
    """Name the slowest part of a message's way, and judge it.

    Args:
        parts: Name -> p99 in seconds.
        bound: Seconds that a part may take.
        own: The part that is the generator's.

    Returns:
        PASS or FAIL with the part's name; UNKNOWN without data, or where the
        generator itself is too slow to tell.
    """
    title = "the slowest part of the way is quick enough"
    expected = f"p99 of each part below {bound * 1000:g} ms"
    if not parts:
        return Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen="no data"
        )
    ranked = sorted(parts, key=lambda name: -parts[name])
    each = ", ".join(f"{name} {parts[name] * 1000:.2f} ms" for name in ranked)
    verdict = Verdict.PASS
    if parts[ranked[0]] >= bound:
        verdict = Verdict.UNKNOWN if ranked[0] == own else Verdict.FAIL
    return Finding(
        verdict=verdict,
        title=title,
        expected=expected,
        seen=f"the slowest is {ranked[0]} ({each})",
    )
