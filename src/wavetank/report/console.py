"""What the terminal shows: a line for each check, and the last block.

It refuses to know colours: every line is plain, and begins with its verdict.
"""

from collections.abc import Iterator

from wavetank.evidence import CheckFinished, Finding, Located, Summary, Verdict
from wavetank.report.escaping import visible
from wavetank.report.loads import load_lines
from wavetank.report.outline import counts_sentence
from wavetank.report.quantities import count, duration

__all__ = ["check_line", "last_block"]

MOST_FINDINGS = 3
_LONGEST = 300
_INDENT = " " * 9


def check_line(record: CheckFinished) -> str:
    """Return one line for a finished check.

    A reason follows unless it passed, and then what of it was not looked at, and
    what should be better.
    """
    verdict = record.verdict
    line = (
        f"{verdict.value:<7}  {_short(record.suite)}.{_short(record.check)}"
        f"  {duration(record.took)}"
    )
    if verdict is Verdict.PASS:
        skipped = [one.seen for one in record.findings if one.verdict is Verdict.SKIP]
        notes = [one.note for one in record.findings if one.note]
        return "".join(
            [
                line,
                *(f"  (not all of it: {_short(reason)})" for reason in skipped[:1]),
                *(f"  ({count(len(notes), 'note')}: {_short(n)})" for n in notes[:1]),
            ]
        )
    return f"{line}  {_short(_reason(record.findings, verdict))}"


def _reason(findings: list[Finding], verdict: Verdict) -> str:
    for finding in findings:
        if finding.verdict is verdict and not finding.known:
            return finding.seen or finding.title
    if findings:
        # What decides is excused: only known failures are left.
        return f"known failure: {findings[0].known}"
    return "it ended without a finding"


def last_block(summary: Summary, *, folder: str = "") -> str:
    """Return the end of a run: verdict, counts, what matters most, the report.

    Args:
        summary: What the run came to.
        folder: Where the report lies; "" where none was written.
    """
    lines = [
        f"{summary.verdict.value:<7}  {counts_sentence(summary)}",
        *(f"{_INDENT}{_short(reason)}" for reason in summary.reasons),
    ]
    lines += [f"load     {_short(line)}" for line in load_lines(summary.suites)]
    for located in summary.findings[:MOST_FINDINGS]:
        lines += ["", *_case(located)]
    more = len(summary.findings) - MOST_FINDINGS
    if more > 0:
        lines += ["", f"{_INDENT}and {count(more, 'more finding')}"]
    if folder:
        lines += ["", f"report   {visible(folder)}/report.html"]
    return "\n".join(lines)


def _case(located: Located) -> Iterator[str]:
    finding = located.finding
    title = _short(finding.title)
    yield f"{finding.verdict.value:<7}  {_short(located.name)}: {title}"
    for name, text in (
        ("expected", finding.expected),
        ("seen", finding.seen),
        ("rule", finding.clause),
    ):
        if text:
            yield f"{_INDENT}{name}: {_short(text)}"


def _short(text: str) -> str:
    return visible(text, limit=_LONGEST)
