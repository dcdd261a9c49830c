"""A check's notebook: what it expected, what it saw, what it measured.

It refuses to know who writes it down: it keeps values and hands them on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wavetank.errors import WavetankError
from wavetank.evidence import (
    CheckFinished,
    FigureMeasured,
    Finding,
    GeneratorSampled,
    Histogram,
    HistogramTaken,
    LoadSampled,
    Noted,
    Record,
    Verdict,
    merge,
)

__all__ = ["CheckFailed", "CheckUnknown", "Notebook"]

_MOST_FINDINGS = 200


class CheckFailed(WavetankError):
    """A check that ends in FAIL; carries its sentence to whoever runs it."""


class CheckUnknown(WavetankError):
    """A check that could not be judged."""


class Notebook:
    """Findings and figures of one check, in the order they were made.

    Args:
        suite: Name of the suite.
        check: Name of the check.
        record: Where records go as they come up.
        now: Seconds since the run started.

    Attributes:
        findings: What was found, bounded.
        looks: How often the check has begun; more than once is the exception.
    """

    def __init__(
        self,
        *,
        suite: str,
        check: str,
        record: Callable[[Record], None],
        now: Callable[[], float],
    ) -> None:
        self.suite = suite
        self.check = check
        self.findings: list[Finding] = []
        self.looks = 1
        self._excuse = ""
        self._record = record
        self._now = now
        self._started = now()

    def expect(
        self,
        holds: bool,
        title: str,
        *,
        expected: str = "",
        seen: object = "",
        clause: str = "",
    ) -> bool:
        """Note whether something is as expected; the check goes on either way.

        Args:
            holds: Whether it is.
            title: What was looked at, as one sentence.
            expected: What should have been seen.
            seen: What was seen.
            clause: The rule it rests on.

        Returns:
            ``holds``, so that a check can stop where going on has no meaning.
        """
        verdict = Verdict.PASS if holds else Verdict.FAIL
        self.add(
            Finding(
                verdict=verdict,
                title=title,
                expected=expected,
                seen=str(seen),
                clause=clause,
            )
        )
        return holds

    def unknown(self, title: str, *, seen: object = "", expected: str = "") -> None:
        """Note that something could not be judged, and why (``seen``)."""
        self.add(
            Finding(
                verdict=Verdict.UNKNOWN, title=title, expected=expected, seen=str(seen)
            )
        )

    def skip(self, reason: str) -> None:
        """Note that the check, or a row of it, was not looked at."""
        self.add(Finding(verdict=Verdict.SKIP, title=self.check, seen=reason))

    def add(self, *findings: Finding) -> None:
        """Keep findings that somebody else judged, such as a checker.

        Past a bound only what changes the verdict is kept: a check that finds more
        is broken or aimed at a hostile target, and the journal has to stay small.
        """
        for finding in findings:
            room = len(self.findings) < _MOST_FINDINGS
            if room or merge([self.verdict, finding.verdict]) is not self.verdict:
                self.findings.append(finding)

    def figure(self, name: str, value: float, unit: str) -> None:
        """Record a figure with its unit."""
        self._record(
            FigureMeasured(
                at=self._now(),
                suite=self.suite,
                check=self.check,
                name=name,
                value=value,
                unit=unit,
            )
        )

    def latencies(self, name: str, histogram: Histogram) -> None:
        """Record latencies as a histogram."""
        self._record(
            HistogramTaken(
                at=self._now(),
                suite=self.suite,
                check=self.check,
                name=name,
                histogram=histogram.encode(),
            )
        )

    def sampled(
        self, kind: type[LoadSampled] | type[GeneratorSampled], **fields: Any
    ) -> None:
        """Record a second of a load of this check.

        Args:
            kind: Which record.
            fields: What it says, beside when and by which check.
        """
        self._record(kind(at=self._now(), suite=self.suite, check=self.check, **fields))

    def note(self, sentence: str) -> None:
        """Record something that the reader of the report has to know."""
        self._record(Noted(at=self._now(), text=f"{self.check}: {sentence}"))

    @property
    def verdict(self) -> Verdict:
        """Sum of the findings so far."""
        return merge(finding.verdict for finding in self.findings)

    # A second look

    def blame(self, why: str) -> None:
        """Note that this machine itself may be why nothing can be said.

        Args:
            why: What it did, as the end of a sentence.
        """
        self._excuse = self._excuse or why

    def may_look_again(self) -> bool:
        """Tell whether the check may begin once more.

        Only where nothing is known, and for the lab's own sake: a FAIL is never taken
        back, and what a target makes UNKNOWN it would make so again.
        """
        return (
            self.looks == 1 and bool(self._excuse) and self.verdict is Verdict.UNKNOWN
        )

    def look_again(self) -> None:
        """Begin once more: what was found goes, and why is told."""
        self.note(
            f"looked at once more, for the lab itself was to blame: {self._excuse}"
        )
        self.findings.clear()
        self._excuse = ""
        self.looks += 1

    def finish(self, *, known: str = "") -> CheckFinished:
        """Close the notebook.

        Args:
            known: Reason of a known failure of this check; FAIL findings carry it.
        """
        findings = self.findings or [_nothing_was_looked_at(self.check)]
        if known:
            findings = [_excuse(finding, known) for finding in findings]
        return CheckFinished(
            at=self._now(),
            suite=self.suite,
            check=self.check,
            took=self._now() - self._started,
            findings=findings,
        )

    def worst(self) -> Finding:
        """The finding that decides: the first FAIL, else UNKNOWN, else any."""
        return _worst(self.findings) or _nothing_was_looked_at(self.check)

    def __repr__(self) -> str:
        """Show the check and its verdict so far."""
        return f"<Notebook {self.suite}.{self.check} {self.verdict}>"


def _worst(findings: Sequence[Finding]) -> Finding | None:
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.SKIP, Verdict.PASS):
        for finding in findings:
            if finding.verdict is verdict:
                return finding
    return None


def _nothing_was_looked_at(check: str) -> Finding:
    return Finding(
        verdict=Verdict.UNKNOWN,
        title=check,
        expected="at least one thing to look at",
        seen="the check ended without looking at anything",
    )


def _excuse(finding: Finding, known: str) -> Finding:
    if finding.verdict is not Verdict.FAIL:
        return finding
    return msgspec.structs.replace(finding, known=known)
