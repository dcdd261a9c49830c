"""The fold of a load's records: totals, and what every second was like.

It refuses to know how a load was carried out, and whether it was good enough.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from wavetank.evidence.histogram import Histogram
from wavetank.evidence.records import GeneratorSampled, LoadSampled
from wavetank.evidence.shape import (
    GeneratorPoint,
    GeneratorSummary,
    Latency,
    LoadPoint,
    LoadSummary,
    OperationSummary,
)

__all__ = ["MOST_POINTS", "LoadNumbers", "Loads", "latency"]

MOST_POINTS = 1000
"""Points of a series; a longer one has neighbours merged, two by two."""

MOST_LOADS = 100
MOST_OPERATIONS = 64
"""Of one check, and of one load; a hostile journal cannot fill memory."""

_MOST_PROBLEMS = 20

_BACK = 1.5
"""Seconds that a record may lie behind the newest one of the same load."""

_CONNECT = "connect"

_BEYOND = sorted(
    {2 ** (-tick / 5) for tick in range(166)}
    | {10.0**-nines for nines in range(1, 10)},
    reverse=True,
)
"""Distances to 100 % at which a curve has points: five for each time that they halve,
and each further nine."""


def latency(histogram: Histogram) -> Latency:
    """Return a histogram in nine numbers."""
    return Latency(
        count=histogram.count,
        min=histogram.min,
        mean=histogram.mean,
        p50=histogram.percentile(50),
        p90=histogram.percentile(90),
        p99=histogram.percentile(99),
        p999=histogram.percentile(99.9),
        max=histogram.max,
        capped=histogram.capped,
    )


class LoadNumbers:
    """Which load of its check a record is of: a search has many, one by one.

    Each load counts its seconds from its own start, so that they go back where the
    next one begins.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}

    def of(self, record: LoadSampled | GeneratorSampled) -> int:
        """Return the number of a record's load; the first of a check is 0."""
        key = record.suite, record.check
        number, newest = self._seen.get(key, (0, record.since))
        if record.since < newest - _BACK:
            number, newest = number + 1, record.since
        self._seen[key] = number, max(newest, record.since)
        return number


class Loads:
    """The loads of one check, one after the other (a search has many).

    Attributes:
        problems: What of the records could not be used; bounded.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._loads: list[_Load] = []
        self._numbers = LoadNumbers()

    def sampled(self, record: LoadSampled) -> None:
        """Take in what one operation did in one second."""
        load = self._load(record)
        if load is None:
            return
        key = record.scenario, record.operation
        operation = load.operations.get(key)
        if operation is None:
            if len(load.operations) >= MOST_OPERATIONS:
                self._report(f"more than {MOST_OPERATIONS} operations in a load")
                return
            operation = load.operations[key] = _Operation(*key)
        try:
            operation.take(record)
        except ValueError as error:
            where = f"{record.scenario}.{record.operation}"
            self._report(f"second {record.since:g} of {where}: {error}")

    def generator_sampled(self, record: GeneratorSampled) -> None:
        """Take in how the workers fared in one second."""
        load = self._load(record)
        if load is None:
            return
        try:
            load.generator.take(record)
        except ValueError as error:
            self._report(f"second {record.since:g} of the generator: {error}")

    def summaries(self) -> list[LoadSummary]:
        """Return what each load came to, in the order they began."""
        return [load.summary() for load in self._loads]

    def _load(self, record: LoadSampled | GeneratorSampled) -> "_Load | None":
        number = self._numbers.of(record)
        if number >= MOST_LOADS:
            self._report(f"more than {MOST_LOADS} loads in a check")
            return None
        if number == len(self._loads):
            self._loads.append(_Load())
        return self._loads[number]

    def _report(self, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS and problem not in self.problems:
            self.problems.append(problem)


class _Operation:
    """One operation of one scenario while it is folded."""

    def __init__(self, scenario: str, operation: str) -> None:
        self.scenario = scenario
        self.operation = operation
        self.counts: Counter[str] = Counter()
        self.response: Histogram | None = None
        self.service: Histogram | None = None
        self.timed = ""
        self.sent = _Span()
        self.received = _Span()
        self.planned = 0.0
        self.series = _Series()

    def take(self, record: LoadSampled) -> None:
        """Add one second.

        Raises:
            ValueError: If a histogram is damaged, or of another range than the
                others; the counts are taken all the same.
        """
        self.counts.update(record.counts)
        self.planned += max(record.planned, 0.0)
        if record.counts.get("intended") or record.counts.get("sent"):
            self.sent.take(record)
        if record.counts.get("received"):
            self.received.take(record)
        point = self.series.open_point(record)
        response = Histogram.decode(record.response) if record.response else None
        service = Histogram.decode(record.service) if record.service else None
        self.response = _merged(self.response, response)
        self.service = _merged(self.service, service)
        if not self.timed and (response or service):
            self.timed = "response" if response else "service"
        # The last use of the two: a point may keep its histogram.
        if self.timed == "response" and response:
            point.time(response, record.response)
        elif self.timed == "service" and service:
            point.time(service, record.service)

    def summary(self, seconds: float, until: float) -> OperationSummary:
        """Return what it came to.

        Args:
            seconds: What its rates refer to.
            until: What came later is counted, and makes no rate higher.
        """
        counts = self.counts
        points = self.series.summary()
        came = sum(point.received for point in points if point.since < until)
        intended_rate, sent_rate, rate = (
            count / seconds if seconds > 0 else 0.0
            for count in (counts["intended"], counts["sent"], came)
        )
        return OperationSummary(
            scenario=self.scenario,
            operation=self.operation,
            counts=dict(counts),
            seconds=seconds,
            intended_rate=intended_rate,
            sent_rate=sent_rate,
            rate=rate,
            response=latency(self.response) if self.response else None,
            service=latency(self.service) if self.service else None,
            response_curve=list(_curve(self.response)),
            service_curve=list(_curve(self.service)),
            timed=self.timed,
            points=points,
        )


@dataclass(slots=True)
class _Span:
    """From the first second in which something was done to the last one."""

    since: float = math.inf
    until: float = 0.0

    def take(self, record: LoadSampled) -> None:
        """Take in that something was done in the time of a record."""
        self.since = min(self.since, record.since)
        self.until = max(self.until, record.since + record.took)

    def seconds(self, end: float) -> float:
        """Return how long it was, up to the end of the load."""
        return max(min(self.until, end) - self.since, 0.0)


def _merged(sum_: Histogram | None, part: Histogram | None) -> Histogram | None:
    """Return a sum with one more part; the part stays as it is."""
    if part is None:
        return sum_
    if sum_ is None:
        sum_ = Histogram(lowest=part.lowest, highest=part.highest, digits=part.digits)
    sum_.merge(part)
    return sum_


def _curve(histogram: Histogram | None) -> Iterator[tuple[float, float]]:
    """Yield (percentile, seconds), closer and closer to 100 as data allow."""
    if histogram is None or not histogram.count:
        return
    count, most = histogram.count, histogram.max
    for beyond in _BEYOND:
        if beyond * count < 1:
            break
        level = round(100 * (1 - beyond), 10)
        yield level, histogram.percentile(level) or 0.0
    yield 100.0, most or 0.0


@dataclass(slots=True)
class _Point:
    """One point of a series while it is folded: one second, or some."""

    since: float
    until: float
    parts: int = 0
    intended: int = 0
    sent: int = 0
    received: int = 0
    histogram: Histogram | None = None
    text: str = ""
    times: tuple[float | None, float | None, float | None] = (None, None, None)

    def count(self, record: LoadSampled) -> None:
        """Add the counts of a record."""
        self.parts += 1
        self.until = max(self.until, record.since + record.took)
        self.intended += record.counts.get("intended", 0)
        self.sent += record.counts.get("sent", 0)
        self.received += record.counts.get("received", 0)

    def time(self, histogram: Histogram, text: str) -> None:
        """Add the times of a record."""
        if self.histogram is None:
            self.histogram, self.text = histogram, text
        else:
            self.histogram.merge(histogram)
            self.text = ""

    def close(self) -> None:
        """Keep what is shown, and the histogram as text: a hundredth of its size."""
        histogram = self.histogram
        if histogram is not None:
            self.text = self.text or histogram.encode()
            p50, p99 = map(histogram.percentile, (50, 99))
            self.times = p50, p99, histogram.max
            self.histogram = None

    def join(self, other: "_Point") -> None:
        """Take a later neighbour in; both are closed."""
        self.parts += other.parts
        self.until = other.until
        self.intended += other.intended
        self.sent += other.sent
        self.received += other.received
        if self.text and other.text:
            self.histogram = Histogram.decode(self.text)
            self.histogram.merge(Histogram.decode(other.text))
            self.text = ""
            self.close()
        elif other.text:
            self.text, self.times = other.text, other.times

    def summary(self) -> LoadPoint:
        """Return it as it stands in the summary."""
        p50, p99, longest = self.times
        return LoadPoint(
            since=self.since,
            took=self.until - self.since,
            intended=self.intended,
            sent=self.sent,
            received=self.received,
            p50=p50,
            p99=p99,
            max=longest,
        )


class _Series:
    """What every second was like, in at most `MOST_POINTS` points."""

    def __init__(self) -> None:
        self.points: list[_Point] = []
        self.width = 1

    def open_point(self, record: LoadSampled) -> _Point:
        """Return the point that a record belongs to, its counts taken in."""
        if not self.points or self.points[-1].parts >= self.width:
            self._begin(record)
        self.points[-1].count(record)
        return self.points[-1]

    def _begin(self, record: LoadSampled) -> None:
        if self.points:
            self.points[-1].close()
        if len(self.points) >= MOST_POINTS:
            for even, odd in zip(self.points[::2], self.points[1::2], strict=True):
                even.join(odd)
            del self.points[1::2]
            self.width *= 2
        self.points.append(_Point(since=record.since, until=record.since + record.took))

    def summary(self) -> list[LoadPoint]:
        """Return the points as they stand in the summary."""
        if self.points:
            self.points[-1].close()
        return [point.summary() for point in self.points]


class _Generator:
    """The workers while they are folded."""

    def __init__(self) -> None:
        self.lateness: Histogram | None = None
        self.workers = 0
        self.waited = 0.0
        self.points: list[GeneratorPoint] = []
        self.parts: list[int] = []
        self.width = 1

    def take(self, record: GeneratorSampled) -> None:
        """Add one second.

        Raises:
            ValueError: If the histogram is damaged.
        """
        lateness = Histogram.decode(record.lateness) if record.lateness else None
        self.lateness = _merged(self.lateness, lateness)
        self.workers = max(self.workers, len(record.cpu))
        self.waited = max(self.waited, record.waited)
        self._add(
            GeneratorPoint(
                since=record.since,
                took=record.took,
                cpu=max(record.cpu, default=0.0),
                lag=record.lag,
                lateness=lateness.percentile(99) if lateness else None,
                open=record.open,
                lost_connections=record.lost_connections,
            )
        )

    def _add(self, point: GeneratorPoint) -> None:
        if self.points and self.parts[-1] < self.width:
            self.points[-1] = _joined(self.points[-1], point)
            self.parts[-1] += 1
            return
        if len(self.points) >= MOST_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [_joined(*pair) for pair in pairs]
            self.width *= 2
            self.parts = [self.width] * len(self.points)
        self.points.append(point)
        self.parts.append(1)

    def summary(self) -> GeneratorSummary:
        """Return how the workers fared."""
        points = self.points
        return GeneratorSummary(
            workers=self.workers,
            cpu_peak=max((point.cpu for point in points), default=0.0),
            waited_peak=self.waited,
            lag=max((point.lag for point in points), default=0.0),
            lateness=latency(self.lateness) if self.lateness else None,
            most_open=max((point.open for point in points), default=0),
            lost_connections=points[-1].lost_connections if points else 0,
            points=points,
        )


def _joined(first: GeneratorPoint, second: GeneratorPoint) -> GeneratorPoint:
    latenesses = [each for each in (first.lateness, second.lateness) if each]
    return GeneratorPoint(
        since=first.since,
        took=second.since + second.took - first.since,
        cpu=max(first.cpu, second.cpu),
        lag=max(first.lag, second.lag),
        lateness=max(latenesses, default=None),
        open=second.open,
        lost_connections=second.lost_connections,
    )


@dataclass(slots=True)
class _Load:
    """One load while it is folded."""

    operations: dict[tuple[str, str], _Operation] = field(default_factory=dict)
    generator: _Generator = field(default_factory=_Generator)

    def summary(self) -> LoadSummary:
        """Return what it came to."""
        operations = list(self.operations.values())
        generator = self.generator.summary()
        # Workers are sampled up to the drain.
        end = max((each.since + each.took for each in generator.points), default=0.0)
        spans = [_seconds(each, operations, end=end) for each in operations]
        return LoadSummary(
            seconds=max((seconds for seconds, _ in spans), default=0.0),
            operations=[
                each.summary(*span)
                for each, span in zip(operations, spans, strict=True)
            ],
            generator=generator,
        )


def _seconds(
    operation: _Operation, operations: list[_Operation], *, end: float
) -> tuple[float, float]:
    """Return the seconds that an operation's rates refer to, and when they end.

    Deliveries go on as long as is published, not longer: neither what comes in the
    drain nor the waiting for it changes a rate. A closed model sends nothing while the
    target stalls, so the plan says how long it is; what has none, what is seen does.
    Connections are mostly opened before the load begins: a time of their own.
    """
    if operation.operation == _CONNECT:
        beside = [operation]
    else:
        beside = [
            each
            for each in operations
            if each.scenario == operation.scenario and each.operation != _CONNECT
        ]
    if planned := max(each.planned for each in beside):
        return planned, end or math.inf
    # What was done behind the end alone, or where no end is known, counts whole.
    for until in (end, math.inf):
        for spans in ([e.sent for e in beside], [e.received for e in beside]):
            if seconds := max(span.seconds(until) for span in spans):
                return seconds, until
    return 0.0, end
