"""Histogram logs: every second of a load, for the tools of HdrHistogram.

It refuses to know what a latency was of, and how fast is fast enough.
"""

import re
from collections.abc import Iterable, Iterator

from wavetank.evidence import Histogram, LoadNumbers, LoadSampled, Record, RunStarted
from wavetank.report.escaping import visible
from wavetank.report.quantities import moment

__all__ = ["MOST_LINES", "hlog_files"]

MOST_LINES = 100_000
"""Lines of one log; the journal has the rest."""

_DIVISOR = 1000.0
"""Values are microseconds; the column Interval_Max is in milliseconds."""

_LEGEND = (
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
)
_LONGEST_TAG = 200
# HistogramLogWriter.java refuses a tag with any of these.
_NO_TAG = re.compile(r"[,\s]")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")


def hlog_files(records: Iterable[Record]) -> dict[str, str]:
    """Return file name -> text, a log for each suite that has loads.

    The format is 1.3, as HdrHistogram's HistogramLogWriter writes it: one line for
    each second of each operation. The tag ``SCENARIO.OPERATION`` has the response
    times, ``SCENARIO.OPERATION.service`` the service times; where several checks of
    a suite have loads, the check stands before them.
    """
    wall = 0.0
    logs: dict[str, _Log] = {}
    for record in records:
        if isinstance(record, RunStarted):
            wall = wall or record.wall
        elif isinstance(record, LoadSampled):
            name = f"{_NO_NAME.sub('_', record.suite)[:100]}.hlog"
            logs.setdefault(name, _Log()).add(record)
    return {name: log.text(wall) for name, log in logs.items()}


class _Log:
    """The lines of one log, bounded."""

    def __init__(self) -> None:
        self.numbers = LoadNumbers()
        self.starts: dict[tuple[str, str], dict[int, float]] = {}
        self.lines: list[tuple[str, str]] = []
        self.left_out = 0
        self.damaged = 0

    def add(self, record: LoadSampled) -> None:
        """Write the lines of one record."""
        starts = self.starts.setdefault((record.suite, record.check), {})
        # A record is written when its second is over: nobody wrote down the start.
        start = starts.setdefault(
            self.numbers.of(record), record.at - record.since - record.took
        )
        since = max(start + record.since, 0.0)
        operation = f"{record.scenario}.{record.operation}"
        check = f"{record.check}."
        for tag, text in (
            (operation, record.response),
            (f"{operation}.service", record.service),
        ):
            if text:
                self._add(check, tag, _interval(since, record.took, text))

    def _add(self, check: str, tag: str, interval: str) -> None:
        if not interval:
            self.damaged += 1
        elif len(self.lines) < MOST_LINES:
            self.lines.append((check, f"{_tag(tag)},{interval}"))
        else:
            self.left_out += 1

    def text(self, wall: float) -> str:
        """Return the whole log of a run that began at this moment."""
        several = len(self.starts) > 1
        lines = [
            "#[Histogram log format version 1.3]",
            f"#[StartTime: {wall:.3f} (seconds since epoch), {moment(wall)}]",
            f"#[BaseTime: {wall:.3f} (seconds since epoch)]",
            f"#[MaxValueDivisor: {_DIVISOR:.3f}]",
            "#[Values are microseconds, Interval_Max is milliseconds]",
            _LEGEND,
            *(
                f"Tag={_tag(check) if several else ''}{line}"
                for check, line in self.lines
            ),
            *self._remarks(),
        ]
        return "\n".join(lines) + "\n"

    def _remarks(self) -> Iterator[str]:
        if self.left_out:
            yield f"#[{self.left_out} more intervals: see journal.ndjson]"
        if self.damaged:
            yield f"#[{self.damaged} intervals are damaged in journal.ndjson]"


def _tag(text: str) -> str:
    return _NO_TAG.sub("_", visible(text, limit=None))[:_LONGEST_TAG]


def _interval(since: float, took: float, text: str) -> str:
    """Return the four columns of a line, or "" where the histogram is damaged.

    What the journal holds is the standard's own form, so it is copied.
    """
    try:
        highest = Histogram.decode(text).max
    except ValueError:
        return ""
    most = (highest or 0.0) * 1e6 / _DIVISOR
    return f"{since:.3f},{max(took, 0.0):.3f},{most:.3f},{text}"
