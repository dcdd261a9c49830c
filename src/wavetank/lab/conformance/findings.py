"""What a row of a table came to, as a finding: the same words for each kind of row.

It refuses to know how a row was played, and to judge.
"""

from typing import Protocol

from wavetank.evidence import Finding, Verdict
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.judge import Judgement

__all__ = ["Ruled", "finding_of"]


class Ruled(Protocol):
    """Whatever stands in a table of this room."""

    @property
    def id(self) -> str:
        """Such as ``3.2``."""
        ...

    @property
    def title(self) -> str:
        """What has to happen, as one sentence."""
        ...

    @property
    def clause(self) -> str:
        """The rule, such as ``RFC 6455 5.2``."""
        ...

    @property
    def level(self) -> Level:
        """How much it binds."""
        ...


def finding_of(
    row: Ruled,
    judgement: Judgement | None,
    *,
    skipped: str = "",
    took: float | None = None,
    code: int | None = None,
) -> Finding:
    """Return the finding of a row.

    Args:
        row: What was played.
        judgement: What it came to; None where it was skipped.
        skipped: Why it was.
        took: Seconds.
        code: Close code of the target; None where it sent none.
    """
    title = f"{row.id} {row.title}"
    if judgement is None:
        return Finding(verdict=Verdict.SKIP, title=title, seen=skipped)
    return Finding(
        verdict=judgement.verdict,
        title=title,
        expected=judgement.expected,
        seen=judgement.seen,
        clause=f"{row.clause} ({row.level})",
        note=judgement.note,
        took=took,
        code=code,
    )
