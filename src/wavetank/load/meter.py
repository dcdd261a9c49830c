"""What one operation of a scenario comes to, counted and timed until it is taken.

It refuses to know who counts, and what is done with it. Times are microseconds.
"""

from collections import Counter
from collections.abc import Iterable

from wavetank.evidence import Histogram
from wavetank.load.exchange import Operation, Tally
from wavetank.load.totals import MOST_REASONS, OTHER_REASONS

__all__ = ["Meter", "histogram_text", "note_reason"]

_LONGEST_REASON = 200
_LATE = 1000
"""Microseconds behind the intended time from which on a message was sent late."""


class Meter:
    """Counts of one operation, such as the requests of a scenario.

    Args:
        scenario: Its name.
        operation: Which.

    Attributes:
        tally: The counts so far; the histograms in it stay empty until it is taken.
        response: Microseconds from the intended moment -> how often.
        service: Microseconds from the moment of sending -> how often.
        lateness: Microseconds from the intended moment to sending -> how often.
    """

    __slots__ = ("_operation", "_scenario", "lateness", "response", "service", "tally")

    def __init__(self, scenario: str, operation: Operation) -> None:
        self._scenario = scenario
        self._operation = operation
        self.response: Counter[int] = Counter()
        self.service: Counter[int] = Counter()
        self.lateness: Counter[int] = Counter()
        self.tally = Tally(scenario=scenario, operation=operation)

    def sent(self, intended: Iterable[int], now: int) -> None:
        """Count messages that are handed to the system now.

        Args:
            intended: When each should have been; oldest first.
            now: When they are.
        """
        behind = [now - each for each in intended]
        self.lateness.update(behind)
        tally = self.tally
        tally.intended += len(behind)
        tally.sent += len(behind)
        # The first is the oldest: mostly none is late, or one look says that some are.
        if behind and behind[0] > _LATE:
            tally.late += sum(each > _LATE for each in behind)

    def failed(self, reason: str, count: int = 1) -> None:
        """Count what failed, and why."""
        self.tally.failed += count
        note_reason(self.tally.reasons, reason, count)

    def take(self) -> tuple[Tally, Counter[int]]:
        """Return what was counted since the last time, and how late it was sent."""
        tally, lateness = self.tally, self.lateness
        tally.response = histogram_text(self.response)
        tally.service = histogram_text(self.service)
        self.tally = Tally(scenario=self._scenario, operation=self._operation)
        self.response, self.service = Counter(), Counter()
        self.lateness = Counter()
        return tally, lateness

    def __repr__(self) -> str:
        """Show what it is of, and how much came."""
        return f"<Meter {self._scenario}.{self._operation} {self.tally.received}>"


def note_reason(reasons: dict[str, int], reason: str, count: int) -> None:
    """Count a reason; where there are too many, as one of `OTHER_REASONS`."""
    reason = reason[:_LONGEST_REASON]
    if reason not in reasons and len(reasons) >= MOST_REASONS - 1:
        reason = OTHER_REASONS
    reasons[reason] = reasons.get(reason, 0) + count


def histogram_text(micros: Counter[int]) -> str:
    """Return an encoded histogram of microseconds -> how often; "" for none."""
    if not micros:
        return ""
    histogram = Histogram()
    histogram.record_microseconds(micros)
    return histogram.encode()
