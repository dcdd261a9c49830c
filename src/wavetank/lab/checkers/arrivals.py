"""Arrivals: what one receiver got, held against what it was owed.

It refuses to know how the messages travelled.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from wavetank.evidence import Finding, Verdict

__all__ = ["judge_arrivals"]

_EXAMPLES = 3
_SHOWN = 60


def judge_arrivals(
    who: str,
    owed: Sequence[str],
    got: Sequence[str],
    *,
    ordered: bool = True,
    form: Callable[[str], str] = str,
) -> Finding:
    """Judge whether a receiver got each message once, unchanged, in order.

    Args:
        who: The receiver, for the report.
        owed: The payloads it should have got, in their order; each is unique.
        got: The payloads it got, in the order of their arrival.
        ordered: Whether their order counts.
        form: Gives the form in which two payloads are compared; as they are, by
            default.

    Returns:
        PASS, or FAIL with what is lost, repeated, foreign or out of order, and
        the first few of each. Nothing owed is UNKNOWN.
    """
    title = f"{who} gets each message once" + (", in order" if ordered else "")
    if not owed:
        return Finding(
            verdict=Verdict.UNKNOWN,
            title=title,
            expected="at least one message owed",
            seen="nothing was sent",
        )
    shown = {form(payload): payload for payload in [*got, *owed]}
    faults = [
        f"{len(found)} {name}, such as {_examples([shown[key] for key in found])}"
        for name, found in _faults(
            [form(one) for one in owed], [form(one) for one in got], ordered=ordered
        )
    ]
    return Finding(
        verdict=Verdict.FAIL if faults else Verdict.PASS,
        title=title,
        expected=f"{len(owed)} messages",
        seen="; ".join([f"{len(got)} messages", *faults]),
    )


def _faults(
    owed: Sequence[str], got: Sequence[str], *, ordered: bool
) -> list[tuple[str, list[str]]]:
    """Return each kind of fault that there is, with its messages."""
    due = set(owed)
    counts = Counter(got)
    lost = [payload for payload in owed if payload not in counts]
    repeated = [payload for payload, times in counts.items() if times > 1]
    foreign = [payload for payload in counts if payload not in due]
    late = _late(owed, [payload for payload in counts if payload in due])
    faults = [
        ("lost", lost),
        ("repeated", repeated),
        ("never sent like this", foreign),
        ("out of order, after a later one", late if ordered else []),
    ]
    return [(name, found) for name, found in faults if found]


def _late(owed: Sequence[str], first_seen: Sequence[str]) -> list[str]:
    """Return the payloads that came after one that was sent later."""
    place = {payload: number for number, payload in enumerate(owed)}
    late, highest = [], -1
    for payload in first_seen:
        if place[payload] < highest:
            late.append(payload)
        highest = max(highest, place[payload])
    return late


def _examples(payloads: Sequence[str]) -> str:
    return ", ".join(_short(payload) for payload in payloads[:_EXAMPLES])


def _short(payload: str) -> str:
    return payload if len(payload) <= _SHOWN else f"{payload[:_SHOWN]}…"
