"""junit.xml: the summary for continuous integration.

It refuses to be green where the run is not: UNKNOWN is an error, and what is
wrong beyond the checks is a test case of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from wavetank.evidence import CheckSummary, Finding, Summary, Verdict
from wavetank.report.escaping import as_xml, visible

__all__ = ["junit_xml"]


@dataclass(frozen=True, slots=True)
class _Case:
    """One testcase; ``element`` is failure, error, skipped or "" (passed)."""

    name: str
    took: float = 0.0
    element: str = ""
    message: str = ""
    text: tuple[str, ...] = ()


_ELEMENTS = {
    Verdict.PASS: "",
    Verdict.FAIL: "failure",
    Verdict.UNKNOWN: "error",
    Verdict.SKIP: "skipped",
}
_ROOT_COUNTS = {"failures": "failure", "errors": "error"}
# The common schema has no count of skipped ones at the root.
_SUITE_COUNTS = {**_ROOT_COUNTS, "skipped": "skipped"}


def junit_xml(summary: Summary) -> str:
    """Return the run as JUnit XML: suites, and a test case for each check."""
    suites = {
        name: [_case(check, of_check) for check, of_check in suite.checks.items()]
        for name, suite in summary.suites.items()
    }
    beyond = list(_beyond_checks(summary))
    if beyond:
        suites["run"] = suites.get("run", []) + beyond
    everything = [case for cases in suites.values() for case in cases]
    started = _timestamp(summary.wall)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites name="wavetank" {_counts(everything, _ROOT_COUNTS)}>',
    ]
    for name, cases in suites.items():
        lines.append(
            f'  <testsuite name="{as_xml(name)}" {_counts(cases, _SUITE_COUNTS)}'
            f' timestamp="{started}">'
        )
        lines += (line for case in cases for line in _write(name, case))
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _counts(cases: list[_Case], elements: dict[str, str]) -> str:
    numbers = {"tests": len(cases)} | {
        attribute: sum(case.element == element for case in cases)
        for attribute, element in elements.items()
    }
    counts = " ".join(f'{name}="{number}"' for name, number in numbers.items())
    return f'{counts} time="{sum(case.took for case in cases):.3f}"'


def _timestamp(wall: float) -> str:
    try:
        return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%dT%H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00"


def _case(name: str, check: CheckSummary) -> _Case:
    decided = [f for f in check.findings if _weighs(f, check.verdict)]
    known = [f"known failure: {f.known}" for f in decided if f.known]
    seen = [finding.seen or finding.title for finding in decided]
    return _Case(
        name=name,
        took=check.took,
        element=_ELEMENTS[check.verdict],
        message=[*known, *seen, check.title][0],
        text=tuple(_sentences(decided)),
    )


def _weighs(finding: Finding, verdict: Verdict) -> bool:
    if verdict is Verdict.SKIP:
        return True
    return finding.verdict is verdict and not finding.known


def _sentences(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"{finding.verdict.value} {finding.title}"
        for name in ("expected", "seen", "note", "clause", "known"):
            if text := getattr(finding, name):
                yield f"  {name}: {text}"


def _beyond_checks(summary: Summary) -> Iterator[_Case]:
    if summary.reasons:
        yield _Case(
            name="run",
            element="failure" if summary.target_died else "error",
            message=summary.reasons[0],
            text=tuple(summary.reasons),
        )
    for name in summary.not_run:
        yield _Case(name=name, element="error", message="planned and not run")


def _write(suite: str, case: _Case) -> Iterator[str]:
    head = (
        f'    <testcase classname="{as_xml(suite)}" name="{as_xml(case.name)}"'
        f' time="{case.took:.3f}"'
    )
    if not case.element:
        yield f"{head}/>"
        return
    yield f"{head}>"
    # A message is one line in every viewer; the text has all of it.
    attributes = f'message="{as_xml(visible(case.message, limit=300))}"'
    if case.element != "skipped":
        attributes += f' type="{"FAIL" if case.element == "failure" else "UNKNOWN"}"'
    text = "\n".join(as_xml(line) for line in case.text)
    yield f"      <{case.element} {attributes}>{text}</{case.element}>"
    yield "    </testcase>"
