"""Tallies and generators added up, exactly: counts add, histograms merge.

They refuse to know where a tally comes from, and what a sum is good for.
"""

import heapq
from collections.abc import Iterable, Mapping

from wavetank.evidence import LOAD_COUNTS, Histogram
from wavetank.load.exchange import Generator, Operation, Tally

__all__ = [
    "MOST_REASONS",
    "OTHER_REASONS",
    "Times",
    "Totals",
    "merge_generators",
    "merge_reasons",
]


_USUAL = Histogram()

MOST_REASONS = 20
OTHER_REASONS = "other reasons"
"""Stands for the rarest reasons where there are too many: no failure goes uncounted."""


def merge_reasons(*reasons: Mapping[str, int]) -> dict[str, int]:
    """Add reasons up: the most frequent first, at most `MOST_REASONS`."""
    merged: dict[str, int] = {}
    for each in reasons:
        for reason, count in each.items():
            merged[reason] = merged.get(reason, 0) + count
    rest = merged.pop(OTHER_REASONS, 0)
    most = MOST_REASONS - 1
    ranked = heapq.nsmallest(most + 1, merged.items(), key=lambda one: (-one[1], one))
    if len(ranked) > most:
        ranked = ranked[:most]
        rest = sum(merged.values()) - sum(count for _, count in ranked) + rest
    return dict(ranked) | ({OTHER_REASONS: rest} if rest else {})


def merge_generators(generators: Iterable[Generator]) -> Generator:
    """Return several workers as one: the busiest, the slowest, all connections.

    Raises:
        ValueError: If a histogram is damaged, or of another range.
    """
    merged, lateness = Generator(), Times()
    for each in generators:
        lateness.add(each.lateness)
        merged.cpu = max(merged.cpu, each.cpu)
        merged.waited = max(merged.waited, each.waited)
        merged.lag = max(merged.lag, each.lag)
        merged.open += each.open
        merged.lost_connections += each.lost_connections
    merged.lateness = lateness.encode()
    return merged


class Times:
    """Encoded histograms added up, all of one range: 1 us to 1 min, three digits.

    Encoding takes milliseconds, and mostly there is one worker and so nothing to
    add: a text that came alone goes out as it is.

    Args:
        text: The first one; "" is none.

    Raises:
        ValueError: As `add` does.
    """

    __slots__ = ("_histogram", "_text")

    def __init__(self, text: str = "") -> None:
        self._histogram: Histogram | None = None
        self._text = ""
        self.add(text)

    def add(self, text: str) -> None:
        """Add the histogram of a text; "" is none.

        Raises:
            ValueError: If it is damaged, or of another range.
        """
        if text:
            histogram = Histogram.decode(text)
            # All that was taken can be added to all that was taken.
            if not histogram.is_like(_USUAL):
                raise ValueError(f"cannot merge exactly: {_USUAL!r} and {histogram!r}")
            self._merge(histogram, text, is_own=True)

    def merge(self, other: "Times") -> None:
        """Add all that another has."""
        if other._histogram is not None:
            self._merge(other._histogram, other._text)

    def _merge(self, histogram: Histogram, text: str, *, is_own: bool = False) -> None:
        if self._histogram is None and is_own:
            self._histogram, self._text = histogram, text
            return
        if self._histogram is None:
            # A copy of its own: the other one may be added to later.
            self._histogram, self._text = Histogram(), text
        else:
            self._text = ""
        self._histogram.merge(histogram)

    @property
    def histogram(self) -> Histogram | None:
        """The sum itself, None where nothing was added."""
        return self._histogram

    def encode(self) -> str:
        """Return the sum as text, "" where nothing was added."""
        if self._histogram is not None and not self._text:
            self._text = self._histogram.encode()
        return self._text


class _Sum:
    """What one operation of one scenario came to."""

    __slots__ = ("counts", "reasons", "response", "service")

    def __init__(self) -> None:
        self.counts = dict.fromkeys(LOAD_COUNTS, 0)
        self.reasons: dict[str, int] = {}
        self.response = Times()
        self.service = Times()

    def add(self, tally: Tally) -> None:
        # What can fail comes first, so that no tally counts by half.
        response, service = Times(tally.response), Times(tally.service)
        self.response.merge(response)
        self.service.merge(service)
        self.add_counts(tally)

    def add_counts(self, tally: Tally) -> None:
        for name in LOAD_COUNTS:
            self.counts[name] += getattr(tally, name)
        if tally.reasons:
            self.reasons = merge_reasons(self.reasons, tally.reasons)

    def merge(self, other: "_Sum") -> None:
        self.response.merge(other.response)
        self.service.merge(other.service)
        for name in LOAD_COUNTS:
            self.counts[name] += other.counts[name]
        self.reasons = merge_reasons(self.reasons, other.reasons)


class Totals:
    """Tallies added up by scenario and operation, in memory that does not grow."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, Operation], _Sum] = {}

    def add(self, tally: Tally) -> None:
        """Add one tally.

        Raises:
            ValueError: If a histogram is damaged, or of another range; nothing of
                the tally was added then.
        """
        self._sum(tally.scenario, tally.operation).add(tally)

    def add_counts(self, tally: Tally) -> None:
        """Add one tally, its times left out."""
        self._sum(tally.scenario, tally.operation).add_counts(tally)

    def merge(self, other: "Totals") -> None:
        """Add all that another has."""
        for (scenario, operation), each in other._sums.items():
            self._sum(scenario, operation).merge(each)

    def _sum(self, scenario: str, operation: Operation) -> _Sum:
        return self._sums.setdefault((scenario, operation), _Sum())

    def tallies(self) -> list[Tally]:
        """Return one tally for each scenario and operation, in the order they came."""
        return [
            Tally(
                scenario=scenario,
                operation=operation,
                response=each.response.encode(),
                service=each.service.encode(),
                reasons=dict(each.reasons),
                **each.counts,
            )
            for (scenario, operation), each in self._sums.items()
        ]

    def __repr__(self) -> str:
        """Show what is counted."""
        names = ", ".join(f"{name}.{operation}" for name, operation in self._sums)
        return f"<Totals {names or 'of nothing'}>"
