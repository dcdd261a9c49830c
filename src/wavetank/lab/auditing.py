"""Auditing: which connections of a run are listened in on, and what that has shown.

It refuses to know the rules, and how frames are read; ``conformance`` does both.
"""

from collections.abc import Callable

from wavetank.evidence import Finding, Verdict
from wavetank.lab.conformance.audit import PATIENCE, Audit
from wavetank.lab.conformance.obligations import RULES, Blame, Rule, Tally

__all__ = ["Ledger", "Page"]

_SHOWN = 3
"""Examples that a finding shows."""


class Page:
    """What the connections of one check have shown.

    Args:
        check: Its name, such as ``basics.load``.
        now: Seconds since the run started.
        patience: Seconds that a server has for the end of TCP.

    Attributes:
        connections: How many were listened in on.
        tally: What was judged on them.
    """

    def __init__(
        self, check: str, now: Callable[[], float], *, patience: float = PATIENCE
    ) -> None:
        self.check = check
        self.connections = 0
        self.tally = Tally()
        self._now = now
        self._patience = patience

    def tap(self) -> Audit:
        """Return who listens in on a new connection."""
        self.connections += 1
        return Audit(self.tally, now=self._now, patience=self._patience)

    def findings(self) -> list[Finding]:
        """Return the rules that were broken, and nothing of the others."""
        return [
            _fault(
                rule, self.tally.judged[rule.unit], [("", self.tally.faults[rule.id])]
            )
            for rule in RULES
            if rule.id in self.tally.faults
        ]

    def __repr__(self) -> str:
        """Show the check, and how many connections it had."""
        return f"<Page {self.check} {self.connections} connections>"


class Ledger:
    """What all connections of a run have shown, a page for each check.

    Args:
        now: Seconds since the run started.
        patience: Seconds that a server has for the end of TCP.
    """

    def __init__(self, now: Callable[[], float], *, patience: float = PATIENCE) -> None:
        self._now = now
        self._patience = patience
        self._pages: dict[str, Page] = {}

    @property
    def connections(self) -> int:
        """How many connections were listened in on."""
        return sum(page.connections for page in self._pages.values())

    def page(self, check: str) -> Page:
        """Return the page of a check; a new one, where it has none."""
        if check not in self._pages:
            self._pages[check] = Page(check, self._now, patience=self._patience)
        return self._pages[check]

    def findings(self) -> list[Finding]:
        """Return one finding for each rule, broken or not."""
        return [self._finding(rule) for rule in RULES]

    def _finding(self, rule: Rule) -> Finding:
        pages = self._pages.values()
        judged = sum(page.tally.judged[rule.unit] for page in pages)
        faults = [
            (f"{page.check}: ", page.tally.faults[rule.id])
            for page in pages
            if rule.id in page.tally.faults
        ]
        if faults:
            return _fault(rule, judged, faults)
        notes = [
            (f"{page.check}: ", page.tally.notes[rule.id])
            for page in pages
            if rule.id in page.tally.notes
        ]
        return Finding(
            verdict=Verdict.PASS if judged else Verdict.SKIP,
            title=_title(rule),
            seen=f"{rule.unit}: {judged:,}" if judged else f"there were no {rule.unit}",
            clause=_clause(rule),
            note=_examples(notes) if notes else "",
        )

    def __repr__(self) -> str:
        """Show how much it holds."""
        return f"<Ledger {len(self._pages)} pages, {self.connections} connections>"


def _fault(rule: Rule, judged: int, blames: list[tuple[str, Blame]]) -> Finding:
    return Finding(
        verdict=Verdict.FAIL,
        title=_title(rule),
        seen=f"{_examples(blames)} ({rule.unit}: {judged:,})",
        clause=_clause(rule),
    )


def _examples(blames: list[tuple[str, Blame]]) -> str:
    """Return how often something was seen, and the first few, each with its place."""
    count = sum(blame.count for _, blame in blames)
    shown = [f"{place}{one}" for place, blame in blames for one in blame.examples]
    often = "once" if count == 1 else f"{count:,} times"
    return f"{often}: {'; '.join(shown[:_SHOWN])}"


def _title(rule: Rule) -> str:
    return f"{rule.id} {rule.title}"


def _clause(rule: Rule) -> str:
    return f"{rule.clause} ({rule.level})"
