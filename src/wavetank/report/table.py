"""load.csv: every second of a load as a row, for a spreadsheet.

It refuses to know what the figures mean, and it never lets one be a formula.
"""

import csv
from collections.abc import Iterable, Iterator

from wavetank.evidence import LOAD_COUNTS, Histogram, LoadNumbers, LoadSampled, Record
from wavetank.report.escaping import visible

__all__ = ["COLUMNS", "MOST_ROWS", "load_csv"]

MOST_ROWS = 1_000_000
"""As many as a spreadsheet opens; the journal has the rest."""

_FIGURES = ("count", "p50", "p90", "p99", "max")
COLUMNS = (
    *("suite", "check", "load", "since_s", "took_s", "scenario", "operation"),
    *LOAD_COUNTS,
    *(
        f"{kind}_{name}" if name == "count" else f"{kind}_{name}_s"
        for kind in ("response", "service")
        for name in _FIGURES
    ),
)
"""Times are seconds; a latency is empty where nothing was timed."""

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), the
# full-width forms of the same signs too.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def load_csv(records: Iterable[Record]) -> str:
    """Return the seconds of all loads as CSV (RFC 4180); "" where there are none."""
    rows = _rows(records)
    first = next(rows, None)
    if first is None:
        return ""
    lines = _Lines()
    # Lines end as everywhere in a results folder; each reader of CSV takes that.
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerow(first)
    for _, row in zip(range(MOST_ROWS - 1), rows, strict=False):
        writer.writerow(row)
    return "".join(lines.written)


class _Lines:
    """What `csv.writer` takes for a file."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, line: str) -> None:
        """Keep a line."""
        self.written.append(line)


def _rows(records: Iterable[Record]) -> Iterator[list[str]]:
    numbers = LoadNumbers()
    for record in records:
        if not isinstance(record, LoadSampled):
            continue
        yield [
            _cell(record.suite),
            _cell(record.check),
            str(numbers.of(record) + 1),
            f"{record.since:.6g}",
            f"{record.took:.6g}",
            _cell(record.scenario),
            _cell(record.operation),
            *(str(record.counts.get(name, 0)) for name in LOAD_COUNTS),
            *_times(record.response),
            *_times(record.service),
        ]


def _cell(text: str) -> str:
    """Return a text that no spreadsheet runs: a quote in front keeps it a text."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _times(text: str) -> list[str]:
    try:
        histogram = Histogram.decode(text) if text else None
    except ValueError:
        histogram = None
    if histogram is None:
        return [""] * len(_FIGURES)
    times = (*map(histogram.percentile, (50, 90, 99)), histogram.max)
    return [
        str(histogram.count),
        *("" if time is None else f"{time:.6f}" for time in times),
    ]
