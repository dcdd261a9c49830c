"""The matrix: what several servers, or clients, came to, group by group of cases.

It refuses to know how they were played: it is made of the summaries of the runs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wavetank.evidence import Summary, Verdict
from wavetank.report.blocks import (
    Block,
    Cell,
    Code,
    Counts,
    Heading,
    Items,
    Paragraph,
    Table,
    bounded,
)
from wavetank.report.cases import SUITES, Came, CaseRow, case_rows
from wavetank.report.html import blocks_html
from wavetank.report.markdown import blocks_markdown
from wavetank.report.quantities import count, duration, moment

__all__ = ["Entry", "matrix_html", "matrix_markdown"]

_TITLE = "Conformance, case by case"
_MOST_IDS = 40
_NOTHING = "-"

_VERDICTS = {
    Came.FAILED: Verdict.FAIL,
    Came.UNKNOWN: Verdict.UNKNOWN,
    Came.KNOWN: Verdict.SKIP,
    Came.NOTED: Verdict.PASS,
    Came.PASSED: Verdict.PASS,
    Came.SKIPPED: Verdict.SKIP,
}
_LEGEND = (
    "A number alone is of cases that passed. Noted: passed, and a SHOULD was missed. "
    "Unknown: could not be judged. Skipped: it has not what the case needs."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run of the matrix.

    Attributes:
        name: Of the server or client.
        summary: What its run came to.
        about: What it is: its version, and how it was set up.
    """

    name: str
    summary: Summary
    about: str = ""

    @property
    def has_cases(self) -> bool:
        """Whether cases were played, or were to be."""
        return any(_is_in(self, suite) for suite in SUITES)


def matrix_markdown(entries: Sequence[Entry], *, intro: Iterable[Block] = ()) -> str:
    """Return the matrix as Markdown, GitHub's flavour.

    Args:
        entries: The runs, in the order of their rows.
        intro: What stands above the tables.
    """
    return blocks_markdown(_blocks(entries, intro))


def matrix_html(entries: Sequence[Entry], *, intro: Iterable[Block] = ()) -> str:
    """Return the matrix as one HTML page that needs nothing else."""
    return blocks_html(_blocks(entries, intro), title=_TITLE)


def _blocks(entries: Sequence[Entry], intro: Iterable[Block]) -> Iterator[Block]:
    yield Heading(_TITLE, level=1)
    yield from intro
    for suite, kind in SUITES.items():
        entered = [_Entered(entry, suite) for entry in entries if _is_in(entry, suite)]
        if entered:
            yield Heading(f"The {kind}s")
            yield Paragraph(_LEGEND)
            yield _matrix(kind, entered)
            yield _tested(kind, entered)
            for each in entered:
                yield from _details(each)


def _is_in(entry: Entry, suite: str) -> bool:
    """Tell whether a run was about a suite; where it was not ready, it was to be."""
    return suite in entry.summary.suites or suite in entry.summary.asked


class _Entered:
    """A run as far as one suite goes."""

    def __init__(self, entry: Entry, suite: str) -> None:
        self.entry = entry
        self.rows = [row for row in case_rows(entry.summary) if row.suite == suite]
        self.of_suite = entry.summary.suites.get(suite)
        self.not_run = {
            name.removeprefix(f"{suite}.")
            for name in entry.summary.not_run
            if name.startswith(f"{suite}.")
        }
        self.groups = list(self.of_suite.checks) if self.of_suite else []

    @property
    def verdict(self) -> Verdict:
        """Of the suite, or of the run where more is to be said than its checks do."""
        if self.of_suite is None or self.entry.summary.reasons:
            return self.entry.summary.verdict
        return self.of_suite.verdict

    def came(self, *whats: Came) -> list[CaseRow]:
        """Return the cases that came to something, in their order."""
        return [row for row in self.rows if row.came in whats]


# The matrix.


def _matrix(kind: str, entered: Sequence[_Entered]) -> Table:
    groups = _groups(entered)
    return Table(
        head=(kind.capitalize(), "Verdict", "All", *groups),
        rows=tuple(
            (
                each.entry.name,
                each.verdict,
                _counts(each.rows),
                *(_cell(each, group) for group in groups),
            )
            for each in entered
        ),
    )


def _groups(entered: Sequence[_Entered]) -> list[str]:
    """Return every group once; whoever has the most decides on the order."""
    by_number = sorted(entered, key=lambda each: len(each.groups), reverse=True)
    played = dict.fromkeys(group for each in by_number for group in each.groups)
    planned = {group for each in entered for group in each.not_run}
    return [*played, *sorted(planned - played.keys())]


def _cell(each: _Entered, group: str) -> Cell:
    rows = [row for row in each.rows if row.group == group]
    if rows:
        return _counts(rows)
    is_missing = group in each.not_run
    return Counts(((Verdict.UNKNOWN, "not run"),)) if is_missing else _NOTHING


def _counts(rows: Iterable[CaseRow]) -> Cell:
    """Return how many came to what, the worst first."""
    numbers = Counter(row.came for row in rows)
    parts = [
        (_VERDICTS[came], f"{numbers[came]}{_word(came)}")
        for came in Came
        if numbers[came]
    ]
    return Counts(tuple(parts)) if parts else _NOTHING


def _word(came: Came) -> str:
    return "" if came is Came.PASSED else f" {came}"


def _tested(kind: str, entered: Sequence[_Entered]) -> Table:
    return Table(
        head=(kind.capitalize(), "What it is", "Given as", "Played", "Took"),
        rows=tuple(
            (
                each.entry.name,
                each.entry.about or each.entry.summary.target.dialect or _NOTHING,
                Code(each.entry.summary.target.given),
                moment(each.entry.summary.wall),
                duration(each.entry.summary.duration),
            )
            for each in entered
        ),
        numbers=frozenset({"Took"}),
    )


# One server.


def _details(each: _Entered) -> Iterator[Block]:
    yield Heading(each.entry.name, level=3)
    if each.entry.summary.reasons:
        yield Items(tuple(each.entry.summary.reasons))
    told = each.came(Came.FAILED, Came.UNKNOWN, Came.KNOWN)
    noted, skipped = each.came(Came.NOTED), each.came(Came.SKIPPED)
    if told:
        yield from _told(told)
    if noted:
        passed = count(len(noted), "case")
        yield Paragraph(f"{passed} passed with a note:")
        yield from _gathered("Note", noted, [row.finding.note for row in noted])
    if skipped:
        yield Paragraph(f"{count(len(skipped), 'case')} skipped:")
        yield from _gathered("Because", skipped, [row.finding.seen for row in skipped])
    if not told and not noted and each.rows:
        yield Paragraph("All that was played passed, without a note.")


def _told(rows: Sequence[CaseRow]) -> Iterator[Block]:
    yield from bounded(
        ("Case", "Group", "Verdict", "What has to happen", "Seen", "Rule"),
        [
            (
                Code(row.id),
                row.group,
                row.finding.verdict,
                row.title,
                _seen(row),
                row.finding.clause,
            )
            for row in rows
        ],
    )


def _seen(row: CaseRow) -> str:
    known = f" (known failure: {row.finding.known})" if row.finding.known else ""
    return f"{row.finding.seen}{known}"


def _gathered(
    head: str, rows: Sequence[CaseRow], reasons: Sequence[str]
) -> Iterator[Block]:
    """Yield each reason once, with its cases and their rules."""
    ids: dict[str, list[str]] = {}
    rules: dict[str, dict[str, None]] = {}
    for row, reason in zip(rows, reasons, strict=True):
        ids.setdefault(reason, []).append(row.id or row.group)
        rules.setdefault(reason, {})[row.finding.clause] = None
    yield from bounded(
        (head, "Cases", "Rules"),
        [
            (reason, _few(ids[reason]), _few([rule for rule in rules[reason] if rule]))
            for reason in ids
        ],
    )


def _few(words: Sequence[str]) -> str:
    more = len(words) - _MOST_IDS
    shown = ", ".join(words[:_MOST_IDS])
    return f"{shown} and {more} more" if more > 0 else shown
