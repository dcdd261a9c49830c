"""Tallies: how often each anomaly was seen, and the first few of each.

They refuse to know what an anomaly means for the verdict.
"""

from collections import Counter
from typing import Self

import msgspec

from wavetank.evidence import Histogram
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.promises import Anomaly

__all__ = ["Example", "Tally", "Times"]

MOST_EXAMPLES = 5
_MOST_VALUES = 65_536
_LONGEST = 86_400.0


class Example(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message that shows an anomaly.

    Attributes:
        subscriber: Who saw it, or did not get it; "" where it concerns nobody alone.
        topic: On which topic.
        id: Its id.
        seq: Its sequence number.
        epoch: The epoch of that.
        at: When, in seconds; None for what never happened.
        detail: What else there is to say.
        by: Where it was lost, as the wire has it.
    """

    subscriber: str = ""
    topic: str = ""
    id: str = ""
    seq: int | None = None
    epoch: str = ""
    at: float | None = None
    detail: str = ""
    by: Fate = Fate.UNKNOWN

    def __str__(self) -> str:
        """Say it in one line."""
        place = "" if self.seq is None else f"seq {self.seq}"
        if self.epoch and place:
            place = f"{place} of {self.epoch}"
        on = f"on {self.topic}" if self.topic else ""
        to = f"for {self.subscriber}" if self.subscriber else ""
        at = "" if self.at is None else f"at {self.at:.3f} s"
        words = " ".join(part for part in (self.id, place, on, to, at) if part)
        said = [part for part in (self.detail, str(self.by)) if part]
        return f"{words} ({'; '.join(said)})" if said else words


class Times:
    """Durations that are counted quickly: whole microseconds first, then buckets."""

    __slots__ = ("_counts", "_histogram")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._histogram = Histogram(highest=_LONGEST)

    def add(self, seconds: float) -> None:
        """Count one; what is shorter than a microsecond counts as one."""
        micros = int(seconds * 1e6) or 1
        counts = self._counts
        counts[micros] = counts.get(micros, 0) + 1
        if len(counts) > _MOST_VALUES:
            self._flush()

    def _flush(self) -> None:
        self._histogram.record_microseconds(self._counts)
        self._counts = {}

    def histogram(self) -> Histogram:
        """Return a histogram of all so far, of its own."""
        self._flush()
        both = Histogram(highest=_LONGEST)
        both.merge(self._histogram)
        return both

    def copy(self) -> Self:
        """Return one that goes its own way."""
        copy = type(self)()
        copy._histogram = self.histogram()
        return copy


class Tally:
    """What was counted.

    Attributes:
        counts: Anomaly -> how often.
        examples: Anomaly -> the first few.
        fates: Where lost messages were lost -> how many.
        attempted: Publications that were begun.
        acked: Publications that were acknowledged.
        delivered: Publications that a subscriber got, for each subscriber, once.
        replayed: Deliveries of which the target says that it sends them again.
        connections: How often a subscriber connected again.
        late: Deliveries of what is forgotten; nothing is known of them.
        decided: Deliveries that were given up for lost when they were forgotten.
        lags: From acknowledgement to each delivery.
        stable: From acknowledgement to the last subscriber's delivery.
    """

    def __init__(self) -> None:
        self.counts: Counter[Anomaly] = Counter()
        self.examples: dict[Anomaly, list[Example]] = {}
        self.fates: Counter[Fate] = Counter()
        self.attempted = self.acked = self.delivered = self.replayed = 0
        self.connections = self.late = self.decided = 0
        self.lags = Times()
        self.stable = Times()

    def add(self, anomaly: Anomaly, count: int = 1) -> list[Example] | None:
        """Count an anomaly.

        Returns:
            Where to put an example of it; None where there are enough.
        """
        self.counts[anomaly] += count
        examples = self.examples.setdefault(anomaly, [])
        return examples if len(examples) < MOST_EXAMPLES else None

    def copy(self) -> "Tally":
        """Return one that goes its own way."""
        copy = Tally()
        copy.__dict__.update(self.__dict__)
        copy.counts = self.counts.copy()
        copy.examples = {name: list(some) for name, some in self.examples.items()}
        copy.fates = self.fates.copy()
        copy.lags, copy.stable = self.lags.copy(), self.stable.copy()
        return copy

    def __repr__(self) -> str:
        """Show the counts."""
        said = " ".join(f"{name}={count}" for name, count in self.counts.items())
        return f"<Tally acked={self.acked} delivered={self.delivered} {said}>"
