"""Pacers: how many arrivals there are up to a moment, and when each of them is due.

They refuse to know the clock, and what arrives.

Every shape is made of straight lines, so one closed form serves all of them: the
arrivals are the integral of the level, and the moment of an arrival is the exact
inverse of that. (vegeta, `lib/pacer.go`, gives a sine to a fixed-point iteration that
need not converge.) A sine is 64 lines a period: its level is within 0.13 % of the
amplitude, and its arrivals in whole periods are exact, for the trapezoidal rule is
exact for it.
"""

import functools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from wavetank.load.exchange import Share
from wavetank.load.plan import Arrivals, Shape, Stage

if TYPE_CHECKING:
    import random

__all__ = ["Chain", "Line", "Pacer", "Schedule", "levels_of", "pacer_of", "users_at"]

_STEPS = 5
_BURSTS = 3
_LINES_OF_A_PERIOD = 64
_CLOSE = 1e-6
"""Arrivals that are so close to a whole number are that number: 0.7 + 0.7 + ..."""
_DRAWN_AT_ONCE = 1024
"""Gaps: enough to be quick, few enough to be worth nothing if they are not used."""


class Pacer(Protocol):
    """A level over time, and the arrivals that it makes.

    Attributes:
        seconds: How long it lasts; before and behind, nothing arrives.
    """

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        ...

    def level(self, at: float) -> float:
        """Return arrivals/s (or users) at a moment."""
        ...

    def arrivals(self, upto: float) -> float:
        """Return how many arrivals there are before a moment."""
        ...

    def time_of(self, arrival: float) -> float:
        """Return when there have been so many arrivals, and the next is due.

        Where the level is 0, nothing is due: the moment is the end of that stretch.
        """
        ...

    def times_of(self, arrivals: Sequence[float]) -> list[float]:
        """Return `time_of` each of many arrivals, which ascend."""
        ...


class Line(NamedTuple):
    """A level that goes straight from one value to another.

    Attributes:
        seconds: How long it takes.
        first: The level at its start.
        last: The level at its end.
    """

    seconds: float
    first: float
    last: float

    def level(self, at: float) -> float:
        """Return arrivals/s (or users) at a moment; the ends hold for ever."""
        part = min(max(at / self.seconds, 0.0), 1.0)
        return self.first + (self.last - self.first) * part

    def arrivals(self, upto: float) -> float:
        """Return how many arrivals there are before a moment."""
        time = min(max(upto, 0.0), self.seconds)
        return time * (self.first + self.level(time)) / 2

    def time_of(self, arrival: float) -> float:
        """Return when there have been so many arrivals, and the next is due."""
        return self.times_of((arrival,))[0]

    def times_of(
        self, arrivals: Sequence[float], *, since: float = 0.0, before: float = 0.0
    ) -> list[float]:
        """Return `time_of` each of many arrivals.

        Args:
            arrivals: Which ones.
            since: Moment of the line's own start.
            before: Arrivals before that.
        """
        first = self.first
        slope = (self.last - first) / self.seconds
        if not first and not slope:
            return [since + self.seconds for _ in arrivals]
        if not slope:  # the hot path: 300,000 a second
            return [since + (arrival - before) / first for arrival in arrivals]
        # Solves first t + slope t^2 / 2 = n in the form that loses no digits.
        # At the very end of a way down rounding may leave less than nothing: abs.
        root, square, twice = math.sqrt, first * first, 2 * slope
        return [
            since + 2 * n / (first + root(abs(square + twice * n)))
            if (n := arrival - before) > 0
            else since
            for arrival in arrivals
        ]


class Chain:
    """Lines, one after the other.

    Args:
        lines: In their order; those without any length are left out.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = [line for line in lines if line.seconds > 0]
        self._starts = list(
            accumulate((line.seconds for line in self._lines), initial=0.0)
        )
        counts = (line.arrivals(line.seconds) for line in self._lines)
        self._before = [_snapped(count) for count in accumulate(counts, initial=0.0)]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self._starts[-1]

    @property
    def total(self) -> int:
        """How many arrivals there are, each of them whole."""
        return _whole(self._before[-1])

    def level(self, at: float) -> float:
        """Return arrivals/s (or users) at a moment; the ends hold for ever."""
        if not self._lines:
            return 0.0
        place = self._place(self._starts, at)
        return self._lines[place].level(at - self._starts[place])

    def arrivals(self, upto: float) -> float:
        """Return how many arrivals there are before a moment."""
        if upto >= self.seconds:
            return self._before[-1]
        place = self._place(self._starts, upto)
        within = self._lines[place].arrivals(upto - self._starts[place])
        return self._before[place] + within

    def time_of(self, arrival: float) -> float:
        """Return when there have been so many arrivals, and the next is due."""
        return self.times_of((arrival,))[0]

    def times_of(self, arrivals: Sequence[float]) -> list[float]:
        """Return `time_of` each of many arrivals, which ascend."""
        times: list[float] = []
        before = self._before
        while len(times) < len(arrivals):
            done = len(times)
            if arrivals[done] >= before[-1]:
                return times + [self.seconds] * (len(arrivals) - done)
            place = self._place(before, arrivals[done])
            end = bisect_left(arrivals, before[place + 1], done)
            times += self._lines[place].times_of(
                arrivals[done:end], since=self._starts[place], before=before[place]
            )
        return times

    def _place(self, bounds: Sequence[float], value: float) -> int:
        """Return the line that begins last of those that a value has reached."""
        return min(max(bisect_right(bounds, value) - 1, 0), len(self._lines) - 1)

    def __repr__(self) -> str:
        """Show how long it is, and how much arrives."""
        return f"<Chain of {len(self._lines)}: {self.total} in {self.seconds:g} s>"


def _whole(count: float) -> int:
    """Return how many numbers, from 0 on, are below a count."""
    return math.ceil(_snapped(count))


def _snapped(count: float) -> float:
    whole = round(count)
    return float(whole) if abs(count - whole) < _CLOSE else count


# Shapes


def _constant(stage: Stage) -> list[Line]:
    return [Line(stage.seconds, stage.level, stage.level)]


def _ramp(stage: Stage) -> list[Line]:
    return [Line(stage.seconds, stage.level, stage.peak)]


def _steps(stage: Stage) -> list[Line]:
    steps = stage.times or _STEPS
    rise = (stage.peak - stage.level) / max(steps - 1, 1)
    return _stairs(stage.seconds, [stage.level + rise * n for n in range(steps)])


def _fibonacci(stage: Stage) -> list[Line]:
    return _stairs(stage.seconds, levels_of(stage))


def _stairs(seconds: float, levels: Sequence[float]) -> list[Line]:
    return [Line(seconds / len(levels), level, level) for level in levels]


def _burst(stage: Stage) -> list[Line]:
    """Make bursts, each a quarter of its period, in the middle of it."""
    level, peak = stage.level, stage.peak
    times = stage.times or _BURSTS
    period = stage.seconds / times
    quiet = Line(period * 3 / 8, level, level)
    return [quiet, Line(period / 4, peak, peak), quiet] * times


def _spike(stage: Stage) -> list[Line]:
    """Make spikes: up to the peak in a tenth of the period, and down in another."""
    level, peak = stage.level, stage.peak
    times = stage.times or 1
    period = stage.seconds / times
    quiet, flank = Line(period * 4 / 10, level, level), period / 10
    return [quiet, Line(flank, level, peak), Line(flank, peak, level), quiet] * times


def _sine(stage: Stage) -> list[Line]:
    """Make periods that begin and end at the level, the peak in the middle."""
    times = stage.times or 1
    turns = [
        math.cos(2 * math.pi * n / _LINES_OF_A_PERIOD)
        for n in range(_LINES_OF_A_PERIOD + 1)
    ]
    height = (stage.peak - stage.level) / 2
    levels = [stage.level + height * (1 - turn) for turn in turns]
    seconds = stage.seconds / times / _LINES_OF_A_PERIOD
    return [Line(seconds, first, last) for first, last in pairwise(levels)] * times


_SHAPES: dict[Shape, Callable[[Stage], list[Line]]] = {
    Shape.CONSTANT: _constant,
    Shape.RAMP: _ramp,
    Shape.STEPS: _steps,
    Shape.BURST: _burst,
    Shape.SPIKE: _spike,
    Shape.SINE: _sine,
    Shape.FIBONACCI: _fibonacci,
}


def levels_of(stage: Stage) -> list[float]:
    """Return the levels of a Fibonacci stage, from its level to its peak.

    Between both stand the Fibonacci numbers 1, 2, 3, 5, 8 ... that are there. Where
    the number of steps is given, the first so many Fibonacci numbers are stretched
    to go from the level to the peak.
    """
    if stage.times:
        return _stretched(stage)
    low, high = sorted((stage.level, stage.peak))
    levels, numbers = [low], (1, 2)
    while numbers[0] < high:
        if numbers[0] > low:
            levels.append(float(numbers[0]))
        numbers = (numbers[1], sum(numbers))
    levels += [high] if high > low else []
    return levels if stage.level <= stage.peak else levels[::-1]


def _stretched(stage: Stage) -> list[float]:
    numbers = [1, 2]
    while len(numbers) < stage.times:
        numbers.append(numbers[-1] + numbers[-2])
    parts = [(n - 1) / (numbers[stage.times - 1] - 1 or 1) for n in numbers]
    rise = stage.peak - stage.level
    return [stage.level + rise * part for part in parts[: stage.times]]


@functools.lru_cache(maxsize=256)
def pacer_of(stages: tuple[Stage, ...]) -> Chain:
    """Return the pacer of stages, one after the other; without any, nothing arrives."""
    return Chain(line for stage in stages for line in _SHAPES[stage.shape](stage))


def users_at(population: tuple[Stage, ...], at: float) -> int:
    """Return how many users there are at a moment; the last level holds for ever.

    Args:
        population: At least one stage.
        at: Seconds since the start of the scenario.
    """
    return round(pacer_of(population).level(at))


# Schedules


class Schedule:
    """A share's arrivals, in their order: which are due, and when the next one is.

    Number k is of share k mod count, so the shares of all workers are the whole, and
    no arrival is in two of them. Poisson arrivals are those of one process with unit
    rate, seen through the pacer's inverse. Every worker draws all of it from the same
    seed and keeps its own part, so the number of workers changes nothing. In a closed
    model nothing is due at any time.

    Args:
        pacer: Says when arrivals are due.
        share: Whose arrivals.
        arrivals: Even or Poisson, or closed.
        rng: The dice that seed those of Poisson arrivals; in the same state for every
            share.

    Raises:
        ValueError: If there are no dice for Poisson arrivals.
    """

    def __init__(
        self,
        pacer: Pacer,
        *,
        share: Share,
        arrivals: Arrivals = Arrivals.EVEN,
        rng: "random.Random | None" = None,
    ) -> None:
        self._pacer = pacer
        whole = pacer.arrivals(math.inf)
        self._source: _Even | _Poisson
        if arrivals is Arrivals.POISSON:
            if rng is None:
                raise ValueError("Poisson arrivals need dice")
            # Dice of its own: how often others throw theirs must change nothing.
            own = type(rng)(rng.getrandbits(64))
            self._source = _Poisson(own, share, whole)
        else:
            is_closed = arrivals is Arrivals.CLOSED
            self._source = _Even(share, 0 if is_closed else _whole(whole))

    def take(self, until: float, most: int) -> list[float]:
        """Hand out arrivals that nobody was given yet.

        Args:
            until: Those that are due before; seconds since the scenario's start.
            most: So many at most; the others come with the next call.

        Returns:
            Their times in ascending order.
        """
        # Times decide, not counts: rounding makes one of them more or less.
        ahead = self._source.peek(self._pacer.arrivals(until) + _CLOSE, most)
        times = self._pacer.times_of(ahead)
        while times and times[-1] >= until:
            times.pop()
        self._source.drop(len(times))
        return times

    def next_time(self) -> float | None:
        """Return when the next one is due; None where there is none."""
        ahead = self._source.peek(math.inf, 1)
        return self._pacer.time_of(ahead[0]) if ahead else None


class _Even:
    """Whole numbers, ``count`` apart."""

    def __init__(self, share: Share, total: int) -> None:
        self._left = range(share.index, total, share.count)

    def peek(self, upto: float, most: int) -> Sequence[float]:
        left = self._left
        if upto >= left.stop:
            return left[:most]
        end = range(left.start, min(left.stop, math.ceil(upto)), left.step)
        return end[:most]

    def drop(self, count: int) -> None:
        self._left = self._left[count:]


class _Poisson:
    """Sums of gaps from an exponential distribution with mean 1."""

    def __init__(self, rng: "random.Random", share: Share, whole: float) -> None:
        self._rng = rng
        self._share = share
        self._whole = whole
        self._drawn = 0
        self._last = 0.0
        self._own: list[float] = []

    def peek(self, upto: float, most: int) -> Sequence[float]:
        upto = min(upto, self._whole)
        while self._last < upto and len(self._own) < most:
            self._draw()
        return self._own[: min(bisect_left(self._own, upto), most)]

    def drop(self, count: int) -> None:
        del self._own[:count]

    def _draw(self) -> None:
        dice, log = self._rng.random, math.log
        gaps = (-log(1.0 - dice()) for _ in range(_DRAWN_AT_ONCE))
        sums = list(accumulate(gaps, initial=self._last))[1:]
        self._last = sums[-1]
        skip = (self._share.index - self._drawn) % self._share.count
        self._own += sums[skip :: self._share.count]
        self._drawn += _DRAWN_AT_ONCE
