"""A finding: one check's result, in words a user can act on.

It refuses to know how it was found.
"""

import msgspec

from wavetank.evidence.verdict import Verdict

__all__ = ["Finding"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check (or one row of it) came to.

    Attributes:
        verdict: PASS, UNKNOWN, FAIL or SKIP.
        title: What was looked at, as one sentence.
        expected: What should have been seen.
        seen: What was seen; for SKIP and UNKNOWN the reason.
        clause: The rule it rests on, such as ``RFC 6455 5.1``.
        known: Reason of a known failure; a FAIL with it does not fail the run.
        note: What should be better, where it passes all the same (a SHOULD missed).
        took: Seconds; None where nobody took the time.
        code: Close code that the target sent; None where it sent none.
    """

    verdict: Verdict
    title: str
    expected: str = ""
    seen: str = ""
    clause: str = ""
    known: str = ""
    note: str = ""
    took: float | None = None
    code: int | None = None
