"""Verdicts and how they add up.

It refuses to know what was judged.
"""

import enum
from collections.abc import Iterable

__all__ = ["Verdict", "merge"]


class Verdict(enum.StrEnum):
    """What can be said of a check, a suite or a run."""

    PASS = "PASS"
    """It was looked at, and it is as expected."""
    UNKNOWN = "UNKNOWN"
    """It could not be judged; never green."""
    FAIL = "FAIL"
    """It was looked at, and it is not as expected."""
    SKIP = "SKIP"
    """It was not looked at, for a reason that is given; neutral beside others."""


_RANK = {Verdict.PASS: 0, Verdict.UNKNOWN: 1, Verdict.FAIL: 2}


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """Add verdicts up: PASS < UNKNOWN < FAIL, SKIP is neutral.

    Nothing but SKIP stays SKIP. Nothing at all is UNKNOWN: no data never
    counts as success.
    """
    seen = set(verdicts)
    if not seen:
        return Verdict.UNKNOWN
    judged = seen - {Verdict.SKIP}
    return max(judged, key=_RANK.__getitem__) if judged else Verdict.SKIP
