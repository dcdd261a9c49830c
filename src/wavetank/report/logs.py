"""One log per suite: operations and findings in the order of time.

It refuses to know wires: it writes what the records say, in the marks of a
wire log (``<`` in, ``>`` out, ``=`` state, ``x`` close, ``!`` error).
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    FaultBegan,
    FaultHealed,
    FigureMeasured,
    Finding,
    Kind,
    Noted,
    Operation,
    Record,
    RunStarted,
    TargetEnded,
    TargetReady,
    Verdict,
)
from wavetank.report.escaping import visible
from wavetank.report.quantities import duration, figure, moment

__all__ = ["MOST_LINES", "log_name", "suite_logs"]

MOST_LINES = 100_000
"""Lines of one log; the journal has the rest."""

_MOST_HEAD_LINES = 1000
_NAMES = {"load": "load_tests.log"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
# What an operation is called decides before what came of it does.
_NAME_MARKS = {"close": "x", "closed": "x", "abort": "x", "error": "!"}
_KIND_MARKS = {Kind.INVOKE: ">", Kind.OK: "<", Kind.FAIL: "!", Kind.INFO: "="}
_SENT_UNASKED = frozenset({"send", "connect"})
_LONGEST_DETAIL = 500


def log_name(suite: str) -> str:
    """Return the file name of a suite's log; safe as a name whatever the suite."""
    return _NAMES.get(suite, f"{_UNSAFE.sub('_', suite)[:100]}.log")


def suite_logs(records: Iterable[Record]) -> dict[str, str]:
    """Return file name -> text, for each suite that was asked for or began."""
    writing = _Writing()
    for record in records:
        writer = writing.writers.get(type(record))
        if writer is not None:
            writer(record)
    return {name: log.text() for name, log in writing.logs.items()}


class _Log:
    """The lines of one log, bounded."""

    def __init__(self, head: list[str]) -> None:
        self.lines = list(head)
        self.left_out = 0

    def add(self, line: str) -> None:
        """Write a line while there is room."""
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)
        else:
            self.left_out += 1

    def text(self) -> str:
        """Return the whole log."""
        end = [f"... {self.left_out:,} more lines: see journal.ndjson"]
        return "\n".join(self.lines + end * bool(self.left_out)) + "\n"


class _Writing:
    """All logs of a run while they are written."""

    def __init__(self) -> None:
        self.logs: dict[str, _Log] = {}
        self.head: list[str] = []
        self.suite_of: dict[str, str] = {}
        self.current = ""
        self.writers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._run_started,
            TargetReady: self._target_ready,
            TargetEnded: self._target_ended,
            CheckStarted: self._check_started,
            CheckFinished: self._check_finished,
            Operation: self._operation,
            FigureMeasured: self._figure_measured,
            FaultBegan: self._fault_began,
            FaultHealed: self._fault_healed,
            Noted: self._noted,
        }

    def _log(self, suite: str) -> _Log:
        name = log_name(suite)
        if name not in self.logs:
            self.logs[name] = _Log(self.head)
        return self.logs[name]

    def _say(self, at: float, mark: str, text: str, *, suite: str = "") -> None:
        """Write a line to a suite's log, or to all where no suite has begun."""
        line = f"{at:12.6f} {mark} {text}"
        if suite or self.current:
            self._log(suite or self.current).add(line)
            return
        if len(self.head) < _MOST_HEAD_LINES:
            self.head.append(line)
        for log in self.logs.values():
            log.add(line)

    def _run_started(self, record: RunStarted) -> None:
        text = f"run {visible(record.run)}, {moment(record.wall)}, seed {record.seed}"
        self._say(record.at, "=", f"{text}, target {visible(record.target)}")
        for suite in record.suites:
            self._log(suite)

    def _target_ready(self, record: TargetReady) -> None:
        text = f"target ready at {visible(record.url)} after {duration(record.took)}"
        self._say(record.at, "=", text)

    def _target_ended(self, record: TargetEnded) -> None:
        who = "stopped by the lab" if record.by_lab else "died by itself"
        status = "" if record.status is None else f", status {record.status}"
        reason = f", {visible(record.reason)}" if record.reason else ""
        mark = "=" if record.by_lab else "!"
        self._say(record.at, mark, f"target {who}{status}{reason}")
        for line in record.output:
            self._say(record.at, mark, f"| {visible(line, limit=_LONGEST_DETAIL)}")

    def _check_started(self, record: CheckStarted) -> None:
        self.current = record.suite
        self.suite_of[record.check] = record.suite
        self._say(record.at, "=", f"{visible(record.check)}: {visible(record.title)}")

    def _check_finished(self, record: CheckFinished) -> None:
        check = visible(record.check)
        for finding in record.findings:
            mark = "!" if finding.verdict in {Verdict.FAIL, Verdict.UNKNOWN} else "="
            self._say(
                record.at, mark, f"{check} {_sentence(finding)}", suite=record.suite
            )
        verdict = record.verdict
        mark = "!" if verdict in {Verdict.FAIL, Verdict.UNKNOWN} else "="
        text = f"{check} {verdict.value} in {duration(record.took)}"
        self._say(record.at, mark, text, suite=record.suite)

    def _operation(self, record: Operation) -> None:
        suite = self.suite_of.get(record.check, "")
        self._say(record.at, _mark(record), _operation_text(record), suite=suite)

    def _figure_measured(self, record: FigureMeasured) -> None:
        value = visible(figure(record.value, record.unit))
        text = f"{visible(record.check)} {visible(record.name)} {value}"
        self._say(record.at, "=", text, suite=record.suite)

    def _fault_began(self, record: FaultBegan) -> None:
        told = ", ".join(f"{name}={said}" for name, said in record.attributes.items())
        words = [record.check, f"fault {record.name} begins:", record.what]
        words += [f"at {record.where}" * bool(record.where), f"({told})" * bool(told)]
        text = visible(" ".join(filter(None, words)), limit=_LONGEST_DETAIL)
        self._say(record.at, "=", text, suite=record.suite)

    def _fault_healed(self, record: FaultHealed) -> None:
        text = visible(f"{record.check} fault {record.name} is healed")
        self._say(record.at, "=", text, suite=record.suite)

    def _noted(self, record: Noted) -> None:
        self._say(record.at, "=", f"note: {visible(record.text)}")


def _mark(operation: Operation) -> str:
    if operation.name in _NAME_MARKS:
        return _NAME_MARKS[operation.name]
    if operation.kind is Kind.INFO and not operation.id:
        # Without an ask: one side spoke, and no answer is expected.
        return ">" if operation.name in _SENT_UNASKED else "<"
    return _KIND_MARKS[operation.kind]


def _operation_text(operation: Operation) -> str:
    words = [operation.check, operation.peer, operation.name, operation.kind.value]
    if operation.id:
        words.append(f"id={operation.id}")
    if operation.topic:
        words.append(f"topic={operation.topic}")
    if operation.seq is not None:
        words.append(f"seq={operation.seq}")
    words.append(operation.detail)
    return visible(" ".join(filter(None, words)), limit=_LONGEST_DETAIL)


def _sentence(finding: Finding) -> str:
    more = (
        f"{name}: {visible(text, limit=_LONGEST_DETAIL)}"
        for name in ("expected", "seen", "note", "clause", "known")
        if (text := getattr(finding, name))
    )
    return "; ".join([f"{finding.verdict.value} {visible(finding.title)}", *more])
