"""The cases of a run: findings that are rows of a table, with the id of their row.

They refuse to know what a case is about, and how it is shown.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wavetank.evidence import Finding, Summary, Verdict

__all__ = ["SUITES", "Came", "CaseRow", "case_rows"]

SUITES = {"conformance": "server", "clients": "client"}
"""Suites whose checks are groups of cases, and what each of them tests."""

_ID = re.compile(r"(?P<id>(?:[A-Z]+|\d+)(?:\.\d+)+) (?P<title>.*)", re.DOTALL)


class Came(enum.StrEnum):
    """What a case came to, in words; the worst first."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    KNOWN = "known failure"
    NOTED = "noted"
    PASSED = "passed"
    SKIPPED = "skipped"


_CAME = {
    Verdict.PASS: Came.PASSED,
    Verdict.FAIL: Came.FAILED,
    Verdict.UNKNOWN: Came.UNKNOWN,
    Verdict.SKIP: Came.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case, and what it came to.

    Attributes:
        suite: Its suite.
        group: Its check.
        id: Such as ``3.2`` or ``C.12``; "" where the finding is of its whole group.
        title: The sentence behind the id.
        finding: All of it.
    """

    suite: str
    group: str
    id: str
    title: str
    finding: Finding

    @property
    def came(self) -> Came:
        """What it came to; a known failure is told apart, and so is a note."""
        if self.finding.known:
            return Came.KNOWN
        if self.finding.note and self.finding.verdict is Verdict.PASS:
            return Came.NOTED
        return _CAME[self.finding.verdict]


def case_rows(summary: Summary) -> Iterator[CaseRow]:
    """Yield the cases of a run, in the order of their groups.

    A finding of a group as a whole, such as a crash, is among them without an id.
    """
    for suite, of_suite in summary.suites.items():
        if suite not in SUITES:
            continue
        for group, check in of_suite.checks.items():
            yield from (_row(suite, group, finding) for finding in check.findings)


def _row(suite: str, group: str, finding: Finding) -> CaseRow:
    found = _ID.fullmatch(finding.title)
    return CaseRow(
        suite=suite,
        group=group,
        id=found["id"] if found else "",
        title=found["title"] if found else finding.title,
        finding=finding,
    )
