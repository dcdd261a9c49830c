"""index.json: the cases of a run under the field names of Autobahn's test suite.

It refuses to be green where the run is not: whatever could not be judged is FAILED,
the only word that every reader of such a file takes for bad.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wavetank.evidence import Finding, Summary, Verdict
from wavetank.report.cases import Came, CaseRow, case_rows
from wavetank.report.escaping import visible

__all__ = ["autobahn_files"]

FOLDER = "autobahn"
"""Where the files of the cases lie, beside index.json."""

_LONGEST_NAME = 60
_UNSAFE = re.compile(r"[^a-z0-9]+")

_BEHAVIORS = {
    # What came of a case -> behavior and behaviorClose. Autobahn judges the closing
    # apart, and leaves it OK where a case is NON-STRICT or UNIMPLEMENTED.
    Came.PASSED: ("OK", "OK"),
    Came.NOTED: ("NON-STRICT", "OK"),
    Came.FAILED: ("FAILED", "FAILED"),
    Came.UNKNOWN: ("FAILED", "FAILED"),
    Came.KNOWN: ("INFORMATIONAL", "INFORMATIONAL"),
    Came.SKIPPED: ("UNIMPLEMENTED", "OK"),
}
_WORST_FIRST = list(Came)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the index: an id, and the finding behind it."""

    id: str
    title: str
    came: Came
    finding: Finding


def autobahn_files(summary: Summary, *, agent: str = "") -> dict[str, str]:
    """Return index.json and a file for each case: name -> text.

    Times and close codes are those that the evidence has: a duration that nobody took
    is 0 ms, and a close code that nobody saw is null, as Autobahn has it.

    Args:
        summary: What the run came to.
        agent: Who was tested; else how the target was given.
    """
    agent = visible(agent or summary.target.given or summary.run)
    stem = _UNSAFE.sub("_", agent.lower()).strip("_")[:_LONGEST_NAME] or "target"
    index: dict[str, object] = {}
    files: dict[str, str] = {}
    for row in _rows(summary):
        name = f"{FOLDER}/{stem}_case_{_UNSAFE.sub('_', row.id.lower())}.json"
        said = _said(row)
        index[row.id] = {**said, "reportfile": name}
        files[name] = _json({**_told(row), "agent": agent, **said})
    return {"index.json": _json({agent: index}), **files}


def _rows(summary: Summary) -> Iterator[_Row]:
    """Yield one row for each id, and one for whatever is wrong beyond the cases."""
    worst: dict[str, CaseRow] = {}
    for row in case_rows(summary):
        name = row.id or f"{row.suite}.{row.group}"
        if not row.id and row.came in {Came.PASSED, Came.NOTED}:
            continue
        if name not in worst or _rank(row) < _rank(worst[name]):
            worst[name] = row
    for name, row in worst.items():
        yield _Row(name, row.title, row.came, row.finding)
    for name in summary.not_run:
        yield _missing(name, "planned and not run")
    if summary.reasons:
        yield _missing("run", "; ".join(summary.reasons))


def _rank(row: CaseRow) -> int:
    return _WORST_FIRST.index(row.came)


def _missing(name: str, reason: str) -> _Row:
    finding = Finding(verdict=Verdict.UNKNOWN, title=name, seen=reason)
    return _Row(name, name, Came.UNKNOWN, finding)


def _said(row: _Row) -> dict[str, object]:
    behavior, behavior_close = _BEHAVIORS[row.came]
    return {
        "behavior": behavior,
        "behaviorClose": behavior_close,
        "duration": round((row.finding.took or 0.0) * 1000),
        "remoteCloseCode": row.finding.code,
    }


def _told(row: _Row) -> dict[str, object]:
    """Return the rest of what there is: Autobahn's names, then ours."""
    return {
        "id": row.id,
        "description": visible(row.title),
        "expectation": visible(row.finding.expected),
        "result": visible(row.finding.seen),
        "clause": visible(row.finding.clause),
        "note": visible(row.finding.note),
        "verdict": row.finding.verdict.value,
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=3) + "\n"
