"""The fold of what was broken on purpose: bands, lines over time, recovery figures.

It refuses to know how a fault was done, and whether the recovery was good enough.
What was not measured stays None; it is never 0.
"""

import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wavetank.evidence.loads import LoadNumbers
from wavetank.evidence.records import (
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    FigureSampled,
    LoadSampled,
    RecoveryMeasured,
    Sampled,
)
from wavetank.evidence.schedule import Schedule
from wavetank.evidence.shape import (
    FaultSummary,
    FaultTimeline,
    LoadSummary,
    Series,
)

__all__ = [
    "LATENCY",
    "MOST_FAULTS",
    "MOST_POINTS",
    "Change",
    "FaultRecord",
    "Faults",
    "Recovery",
    "Steadiness",
    "recovery_of",
    "slope_of",
    "steadiness_of",
]

LATENCY = "latency"
"""The line whose return to what it was before is the time to steady p99."""

MOST_FAULTS = 2000
MOST_POINTS = 1000
"""Of a line; a longer one has neighbours merged, the higher value stays."""

_MOST_SERIES = 32
_MOST_SCHEDULES = 10
_MOST_PROBLEMS = 20
_MOST_SAMPLES = 100
_FEWEST_SAMPLES = 10
_SHORTEST = 0.001
"""Seconds between two samples of which a slope can be made."""
_IN_A_ROW = 3
_STEADY_FACTOR = 2.0
_STEADY_LEAST = 0.005

FaultRecord = (
    FaultsPlanned | FaultBegan | FaultHealed | RecoveryMeasured | FigureSampled
)
"""What a fold of faults takes beside the seconds of loads."""

Point = tuple[float, float]
"""Seconds since the run's start, and a value."""


class Change(NamedTuple):
    """A peer was connected, or noticed that it is no longer."""

    at: float
    peer: str
    is_connected: bool


class Recovery(NamedTuple):
    """What the changes of connections around a fault come to.

    Attributes:
        hit: How many peers lost their connection.
        back: How many of these were connected again.
        detect: Seconds from the begin until the last of them noticed; None for none.
        reconnect: Seconds from the heal until the last of them was back, 0 where all
            were back before it; None where none was hit, or one never came back.
    """

    hit: int
    back: int
    detect: float | None
    reconnect: float | None


def recovery_of(
    changes: Iterable[Change],
    *,
    began_at: float,
    healed_at: float,
    until: float = float("inf"),
) -> Recovery:
    """Return how peers came through one fault.

    Args:
        changes: Of all peers, in the order of time.
        began_at: When the fault began.
        healed_at: When it was healed.
        until: What comes later belongs to another fault.
    """
    noticed: dict[str, float] = {}
    back: dict[str, float] = {}
    for change in changes:
        if not began_at <= change.at <= until:
            continue
        if not change.is_connected:
            noticed.setdefault(change.peer, change.at)
            back.pop(change.peer, None)
        elif change.peer in noticed:
            back.setdefault(change.peer, change.at)
    if not noticed:
        return Recovery(0, 0, None, None)
    is_whole = len(back) == len(noticed)
    return Recovery(
        hit=len(noticed),
        back=len(back),
        detect=max(noticed.values()) - began_at,
        reconnect=max(max(back.values()) - healed_at, 0.0) if is_whole else None,
    )


class Steadiness(NamedTuple):
    """When a line was again what it had been; both None where nobody can tell.

    Attributes:
        steady: Seconds from the heal until then.
        unsteady_for: Seconds that it was watched where that never was.
    """

    steady: float | None
    unsteady_for: float | None


def steadiness_of(
    points: Sequence[Point], *, first_began_at: float, healed_at: float, until: float
) -> Steadiness:
    """Return when latencies were steady again after a heal.

    Steady are three points in a row of at most twice the median from before the first
    fault; 5 ms more than it are always fine, as nobody minds them.

    Args:
        points: Moments and latencies, in the order of time.
        first_began_at: When the first fault of all began.
        healed_at: When this one was healed.
        until: When the next one began.
    """
    before = [value for at, value in points if at <= first_began_at]
    after = [(at, value) for at, value in points if healed_at < at < until]
    if len(before) < _IN_A_ROW or not after:
        return Steadiness(None, None)
    usual = statistics.median(before)
    bound = max(usual * _STEADY_FACTOR, usual + _STEADY_LEAST)
    in_a_row = 0
    for number, (_, value) in enumerate(after):
        in_a_row = in_a_row + 1 if value <= bound else 0
        if in_a_row == _IN_A_ROW:
            began = after[number - _IN_A_ROW + 1][0]
            return Steadiness(began - healed_at, None)
    if in_a_row:
        # Too few to tell: it may have been about to be steady.
        return Steadiness(None, None)
    return Steadiness(None, after[-1][0] - healed_at)


def slope_of(points: Sequence[Point]) -> float | None:
    """Return the median of the slopes between all points, None for too few.

    Theil's and Sen's estimate: a step or one garbage collection hardly moves it.
    """
    if len(points) < _FEWEST_SAMPLES:
        return None
    slopes = [
        (late[1] - early[1]) / (late[0] - early[0])
        for early, late in itertools.combinations(points, 2)
        if late[0] - early[0] >= _SHORTEST
    ]
    return statistics.median(slopes) if slopes else None


class _Line:
    """A figure over time, in at most `MOST_POINTS` points."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.points: list[Point] = []
        self.width = 1
        self.parts = 0

    def take(self, at: float, value: float) -> None:
        """Add a point; of several, the highest value stays."""
        if self.points and self.parts < self.width:
            self.points[-1] = at, max(value, self.points[-1][1])
            self.parts += 1
            return
        if len(self.points) >= MOST_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [(late[0], max(early[1], late[1])) for early, late in pairs]
            self.width *= 2
        self.points.append((at, value))
        self.parts = 1


@dataclass(slots=True)
class _Band:
    """One fault while it is folded."""

    began: FaultBegan
    healed_at: float | None = None
    next_at: float = float("inf")
    measured: dict[str, float | int] = field(default_factory=dict)
    memory: list[Point] = field(default_factory=list)
    descriptors: list[Point] = field(default_factory=list)
    step: int = 1
    seen: int = 0

    def used(self, sample: Sampled) -> None:
        """Take in what the target used after the heal."""
        self.seen += 1
        if (self.seen - 1) % self.step:
            return
        if len(self.memory) >= _MOST_SAMPLES:
            del self.memory[1::2], self.descriptors[1::2]
            self.step *= 2
        self.memory.append((sample.at, float(sample.rss)))
        self.descriptors.append((sample.at, float(sample.descriptors)))

    def forget(self) -> None:
        """Start anew: what comes now is of another process."""
        self.memory, self.descriptors = [], []
        self.step, self.seen = 1, 0


class Faults:
    """The faults of one check.

    Attributes:
        problems: What of the records could not be used; bounded.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._schedules: list[Schedule] = []
        self._bands: list[_Band] = []
        self._on: dict[str, _Band] = {}
        self._newest: dict[str, _Band] = {}
        self._watched: list[_Band] = []
        self._calm: _Band | None = None
        self._lines: dict[str, _Line] = {}
        self._numbers = LoadNumbers()
        self._starts: dict[int, float] = {}
        self._takers: dict[type, Callable[[Any], None]] = {
            FaultsPlanned: self._planned,
            FaultBegan: self._began,
            FaultHealed: self._healed,
            RecoveryMeasured: self._recovery_measured,
            FigureSampled: self._figure_sampled,
            LoadSampled: self._load_sampled,
        }

    def take(self, record: FaultRecord | LoadSampled) -> None:
        """Take the next record of the check in."""
        self._takers[type(record)](record)

    def _planned(self, record: FaultsPlanned) -> None:
        if len(self._schedules) < _MOST_SCHEDULES:
            self._schedules.append(record.schedule)
        else:
            self._report(f"more than {_MOST_SCHEDULES} schedules in a check")

    def _began(self, record: FaultBegan) -> None:
        if record.name in self._on:
            self._report(f"{record.name!r} began again while it was on")
            return
        if len(self._bands) >= MOST_FAULTS:
            self._report(f"more than {MOST_FAULTS} faults in a check")
            return
        band = _Band(record)
        for other in self._watched:
            other.next_at = record.at
        self._watched.clear()
        self._bands.append(band)
        self._on[record.name] = self._newest[record.name] = band
        self._calm = None

    def _healed(self, record: FaultHealed) -> None:
        band = self._on.pop(record.name, None)
        if band is None:
            self._report(f"{record.name!r} was healed, and was not on")
            return
        band.healed_at = record.at
        if self._on:
            # What comes now is not its recovery alone.
            band.next_at = record.at
        else:
            self._calm = band
            self._watched.append(band)

    def _recovery_measured(self, record: RecoveryMeasured) -> None:
        band = self._newest.get(record.fault)
        if band is None:
            self._report(f"a recovery from {record.fault!r}, which never began")
            return
        for name in _MEASURED:
            value = getattr(record, name)
            if value is not None:
                band.measured[name] = value

    def _figure_sampled(self, record: FigureSampled) -> None:
        self._point(record.name, record.unit, (record.at, record.value))

    def _load_sampled(self, record: LoadSampled) -> None:
        # When it began: the points of a load count their seconds from there.
        number = self._numbers.of(record)
        start = record.at - record.since - record.took
        self._starts[number] = min(start, self._starts.get(number, start))

    def target_sampled(self, record: Sampled) -> None:
        """Take in what the target uses; slopes are from a heal to the next fault."""
        if self._bands or self._schedules:
            self._point("target memory", "bytes", (record.at, float(record.rss)))
            descriptors = record.at, float(record.descriptors)
            self._point("target descriptors", "", descriptors)
        if self._calm is not None:
            self._calm.used(record)

    def target_started(self) -> None:
        """Take in that the target is a new process."""
        if self._calm is not None:
            self._calm.forget()

    def timeline(self, loads: Sequence[LoadSummary] = ()) -> FaultTimeline | None:
        """Return what it all comes to; None where nothing was broken or planned.

        Args:
            loads: Those of the same check, in the order they began: their latencies
                are lines, too.
        """
        if not (self._bands or self._schedules):
            return None
        series = [
            *(
                Series(name=name, unit=line.unit, points=line.points)
                for name, line in self._lines.items()
            ),
            *self._latencies(loads),
        ]
        timed = [one for one in series if one.name == LATENCY] or [
            one for one in series if one.name.startswith("p99 ")
        ]
        return FaultTimeline(
            schedules=self._schedules,
            faults=[self._summary(band, timed) for band in self._bands],
            series=series,
        )

    def _latencies(self, loads: Sequence[LoadSummary]) -> Iterable[Series]:
        """Yield the p99 of each operation, the loads one behind the other."""
        lines: dict[str, list[Point]] = {}
        for number, load in enumerate(loads):
            start = self._starts.get(number, 0.0)
            for one in load.operations:
                name = f"p99 {one.scenario}.{one.operation}"
                lines.setdefault(name, []).extend(
                    (start + point.since + point.took, point.p99)
                    for point in one.points
                    if point.p99 is not None
                )
        for name, points in lines.items():
            if points:
                yield Series(name=name, unit="s", points=points)

    def _summary(self, band: _Band, timed: Sequence[Series]) -> FaultSummary:
        began, healed_at = band.began, band.healed_at
        found = [
            steadiness_of(
                one.points,
                first_began_at=self._bands[0].began.at,
                healed_at=healed_at,
                until=band.next_at,
            )
            for one in timed
            if healed_at is not None
        ]
        steady, unsteady_for = _steadiness(found)
        if "steady" in band.measured:
            steady, unsteady_for = band.measured["steady"], None
        replayed = band.measured.get("replayed")
        return FaultSummary(
            name=began.name,
            what=began.what,
            where=began.where,
            seed=began.seed,
            attributes=began.attributes,
            began_at=began.at,
            healed_at=healed_at,
            detect=band.measured.get("detect"),
            reconnect=band.measured.get("reconnect"),
            steady=steady,
            unsteady_for=unsteady_for,
            replayed=None if replayed is None else int(replayed),
            memory_slope=band.measured.get("memory_slope", slope_of(band.memory)),
            descriptor_slope=band.measured.get(
                "descriptor_slope", slope_of(band.descriptors)
            ),
        )

    def _point(self, name: str, unit: str, point: Point) -> None:
        line = self._lines.get(name)
        if line is None:
            if len(self._lines) >= _MOST_SERIES:
                self._report(f"more than {_MOST_SERIES} figures over time")
                return
            line = self._lines[name] = _Line(unit)
        line.take(*point)

    def _report(self, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS and problem not in self.problems:
            self.problems.append(problem)


_MEASURED = (
    *("detect", "reconnect", "steady", "replayed"),
    *("memory_slope", "descriptor_slope"),
)


def _steadiness(found: Sequence[Steadiness]) -> Steadiness:
    """Return that of several lines: all have to be steady."""
    unsteady = [one.unsteady_for for one in found if one.unsteady_for is not None]
    if unsteady:
        return Steadiness(None, max(unsteady))
    steady = [one.steady for one in found if one.steady is not None]
    is_whole = bool(steady) and len(steady) == len(found)
    return Steadiness(max(steady) if is_whole else None, None)
