"""Numbers and topics: what events say of themselves.

They refuse to know what the events carry.
"""

import itertools
from collections.abc import Sequence

from wavetank.evidence import Finding, Verdict

__all__ = ["judge_numbers", "judge_topics"]


def judge_numbers(who: str, numbers: Sequence[int | None]) -> Finding:
    """Judge whether each event's number is the one before it, plus one.

    Args:
        who: The receiver, for the report.
        numbers: The numbers of all events of one topic, in the order in which
            they came; None where an event has none.

    Returns:
        PASS, or FAIL with the first place where it does not hold. No events at
        all are UNKNOWN.
    """
    title = f"{who} sees numbers that grow by one"
    if not numbers:
        return Finding(verdict=Verdict.UNKNOWN, title=title, seen="no events")
    for before, after in itertools.pairwise(numbers):
        if before is None or after != before + 1:
            due = "a number" if before is None else before + 1
            return Finding(
                verdict=Verdict.FAIL,
                title=title,
                expected=f"{before} and then {due}",
                seen=f"{before} and then {after}",
            )
    seen = f"{numbers[0]} to {numbers[-1]}"
    verdict = Verdict.FAIL if numbers[0] is None else Verdict.PASS
    return Finding(verdict=verdict, title=title, expected="numbers", seen=seen)


def judge_topics(who: str, topic: str, named: Sequence[str]) -> Finding:
    """Judge whether events name the topic that was subscribed to.

    Args:
        who: The receiver, for the report.
        topic: The topic.
        named: What each event says; "" where events do not name their topic.
    """
    wrong = [name for name in named if name not in {"", topic}]
    return Finding(
        verdict=Verdict.FAIL if wrong else Verdict.PASS,
        title=f"{who} sees the topic that it subscribed to",
        expected=topic,
        seen=wrong[0] if wrong else topic,
    )
