"""All percentiles of a load, as a table in text.

It refuses to know where the times come from: the tallies have them.
"""

from collections.abc import Iterable, Iterator, Sequence

from wavetank.evidence import Histogram
from wavetank.load.exchange import Tally
from wavetank.load.units import Unit

__all__ = ["PERCENTILES", "percentile_table"]

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999)

_LEAST_BEYOND = 1
"""Times that have to lie beyond a percentile for it to say something of its own."""


def percentile_table(tallies: Iterable[Tally]) -> str:
    """Return a table for each operation that was timed, "" where none was.

    A percentile beyond which no time lies is left out: it would be the largest time
    under another name.
    """
    return "\n\n".join(_table(tally) for tally in tallies if tally.response)


def _table(tally: Tally) -> str:
    columns = [("response", Histogram.decode(tally.response))]
    if tally.service:
        columns.append(("service", Histogram.decode(tally.service)))
    times = columns[0][1].count
    rows = [(f"{tally.scenario} {tally.operation}", [name for name, _ in columns])]
    rows += _rows([histogram for _, histogram in columns])
    lines = [
        "  ".join([f"{name:<24}", *(f"{cell:>12}" for cell in cells)]).rstrip()
        for name, cells in rows
    ]
    return "\n".join([*lines, f"{times:,} times"])


def _rows(histograms: Sequence[Histogram]) -> Iterator[tuple[str, list[str]]]:
    yield "  min", [_words(one.min) for one in histograms]
    yield "  mean", [_words(one.mean) for one in histograms]
    least = min(one.count for one in histograms)
    for percentile in PERCENTILES:
        if least * (100.0 - percentile) / 100.0 >= _LEAST_BEYOND:
            cells = [_words(one.percentile(percentile)) for one in histograms]
            yield f"  p{percentile:g}", cells
    yield "  max", [_words(one.max, capped=one.capped) for one in histograms]


def _words(seconds: float | None, *, capped: bool = False) -> str:
    if seconds is None:
        return "-"
    return f"{'>= ' * capped}{Unit.SECONDS.say(seconds)}"
