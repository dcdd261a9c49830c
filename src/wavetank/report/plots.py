"""Plots as values, and each of them as SVG and as a few lines of text.

They refuse to know what was measured; a name in them may be hostile.
"""

import enum
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from wavetank.report.bands import (
    Band,
    band_edges,
    bands_height,
    bands_svg,
    bands_text,
)
from wavetank.report.escaping import as_html, visible
from wavetank.report.quantities import duration, figure

__all__ = ["MOST_LINES", "Line", "Panel", "Plot", "Scale", "plot_svg", "plot_text"]

MOST_LINES = 6
"""Lines of a panel: more cannot be told apart."""

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 190, 90, 32, 30, 26
_COLUMNS = 60
_BARS = " ▁▂▃▄▅▆▇█"
_LONGEST_NAME = 60
_LEVELS = (0.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)
_STEPS = (1, 2, 5, 10, 20)
_TOPS = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10, 20)
_NOTHING = 1e-12
_END = 1.5
"""Where 100 % stands: so many times as far out as the last level before it."""


class Scale(enum.Enum):
    """What stands along the bottom."""

    TIME = "seconds since the load's start"
    RUN = "seconds since the run's start"
    PERCENTILE = "percentile; each step to the right is a rarer answer"


@dataclass(frozen=True, slots=True)
class Line:
    """A name and its points, in the order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines of one unit over each other; ``unit`` as `quantities.figure` takes it."""

    label: str
    unit: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Panels below each other, over the same bottom, and bands behind them all."""

    caption: str
    scale: Scale
    panels: tuple[Panel, ...]
    bands: tuple[Band, ...] = ()


def plot_svg(plot: Plot) -> str:
    """Return a plot as one SVG element, to stand inside an HTML page.

    It has no script, no style of its own and asks for nothing; its classes
    (``line s0`` ...) get their colours from the page.
    """
    across = _Axis.across(plot)
    over = bands_height(plot.bands)
    height = over + len(plot.panels) * (_PANEL + _TOP + _BOTTOM)
    parts = bands_svg(
        plot.bands,
        lambda at: _LEFT + across.place(at) * (_WIDTH - _LEFT - _RIGHT),
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        bottom=height - _BOTTOM,
    )
    parts += [
        _panel_svg(panel, across, top=over + number * (_PANEL + _TOP + _BOTTOM) + _TOP)
        for number, panel in enumerate(plot.panels)
    ]
    label = as_html(f"{plot.caption}; along the bottom: {plot.scale.value}")
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{label}">\n' + "\n".join(parts) + "\n</svg>"
    )


def plot_text(plot: Plot) -> list[str]:
    """Return a plot as lines of text, to stand in a monospaced block."""
    place = _Axis.across(plot).place
    rows = list(bands_text(plot.bands, place, columns=_COLUMNS))
    rows += [row for panel in plot.panels for row in _panel_text(panel, plot)]
    name, bars, most = (max((len(row[n]) for row in rows), default=0) for n in range(3))
    return [
        f"{row[0]:<{name}}  {row[1]:<{bars}}  {row[2]:>{most}}".rstrip() for row in rows
    ]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where along the bottom a value stands, and what is written there."""

    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def across(cls, plot: Plot) -> "_Axis":
        """Make the bottom of a plot, of all its points."""
        values = [x for panel in plot.panels for _, xy in _drawn(panel) for x, _ in xy]
        if plot.scale is Scale.PERCENTILE:
            return cls._of_percentiles(values)
        return cls._of_time([*values, *band_edges(plot.bands)])

    @classmethod
    def _of_time(cls, values: Sequence[float]) -> "_Axis":
        least, most = min(values, default=0.0), max(values, default=1.0)
        if most <= least:
            most = least + 1
        step = _nice((most - least) / 6, _STEPS)
        first, last = math.ceil(least / step), math.floor(most / step)
        ticks = tuple(
            (n * step, duration(n * step) if n else "0 s")
            for n in range(first, last + 1)
        )
        return cls(lambda x: (x - least) / (most - least), ticks)

    @classmethod
    def _of_percentiles(cls, values: Sequence[float]) -> "_Axis":
        """Give each halving of the distance to 100 % the same room.

        As HdrHistogram's own plots do: the tail is what one looks for.
        """
        within = [_nines(x) for x in values if x < 100]
        most = max(max(within, default=1.0) * _END, 1.0)
        ticks = [(x, f"{x:g} %") for x in _LEVELS if _nines(x) < most / _END + 0.01]
        return cls(
            lambda x: 1.0 if x >= 100 else _nines(x) / most,
            (*ticks, (100.0, "100 %")),
        )


def _nines(percentile: float) -> float:
    return -math.log10(1 - percentile / 100)


def _nice(value: float, numbers: Sequence[float]) -> float:
    """Return the next of some numbers, times a power of ten; 1 for nothing."""
    if value < _NOTHING:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return power * next(n for n in numbers if n * power >= value * 0.999)


def _drawn(panel: Panel) -> list[tuple[str, list[tuple[float, float]]]]:
    """Return the lines that are drawn, without what no plot can show."""
    lines = [
        (line.name, [(x, y) for x, y in line.points if math.isfinite(x + y)])
        for line in panel.lines
    ]
    return [(name, points) for name, points in lines if points][:MOST_LINES]


def _panel_svg(panel: Panel, across: _Axis, *, top: int) -> str:
    lines = _drawn(panel)
    highest = _nice(max((y for _, xy in lines for _, y in xy), default=0.0), _TOPS)
    right, bottom = _WIDTH - _LEFT - _RIGHT, top + _PANEL

    def x_of(x: float) -> str:
        return f"{_LEFT + across.place(x) * right:.1f}"

    def y_of(y: float) -> str:
        return f"{bottom - max(y, 0.0) / highest * _PANEL:.1f}"

    parts = [f'<text class="label" x="{_LEFT}" y="{top - 12}">{_legend(panel)}</text>']
    for part in (0.0, 0.5, 1.0):
        y = y_of(part * highest)
        words = as_html(figure(part * highest, panel.unit)) if part else "0"
        parts += [
            f'<path class="grid" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>',
            f'<text class="tick y" x="{_LEFT - 8}" y="{y}">{words}</text>',
        ]
    parts += [
        f'<text class="tick x" x="{x_of(x)}" y="{bottom + 16}">{as_html(words)}</text>'
        for x, words in across.ticks
    ]
    parts += [
        _line_svg(number, [(x_of(x), y_of(y)) for x, y in points])
        for number, (_, points) in enumerate(lines)
    ]
    return "\n".join(parts)


def _legend(panel: Panel) -> str:
    names = "".join(
        f'  <tspan class="s{number}">{as_html(name[:_LONGEST_NAME])}</tspan>'
        for number, (name, _) in enumerate(_drawn(panel))
    )
    more = len(panel.lines) - MOST_LINES
    return as_html(panel.label) + names + (f" and {more} more" if more > 0 else "")


def _line_svg(number: int, points: list[tuple[str, str]]) -> str:
    if len(points) == 1:
        x, y = points[0]
        return f'<circle class="dot s{number}" cx="{x}" cy="{y}" r="3"/>'
    places = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline class="line s{number}" points="{places}"/>'


def _panel_text(panel: Panel, plot: Plot) -> Iterator[tuple[str, str, str]]:
    """Yield (name, bars, words) for each row of a panel."""
    across = _Axis.across(plot)
    for name, points in _drawn(panel):
        label = f"{panel.label} {visible(name, limit=_LONGEST_NAME)}"
        if plot.scale is Scale.PERCENTILE:
            yield from _levels(label, points, panel.unit)
        else:
            most = max(y for _, y in points)
            least = min(y for _, y in points)
            words = f"{figure(least, panel.unit)} to {figure(most, panel.unit)}"
            yield label, _bars(points, across, most), words


def _bars(points: list[tuple[float, float]], across: _Axis, most: float) -> str:
    """Return one bar for each stretch of time, as high as its highest point."""
    highest = [-1.0] * _COLUMNS
    for x, y in points:
        column = min(int(across.place(x) * _COLUMNS), _COLUMNS - 1)
        highest[column] = max(highest[column], y)
    # What is shown at all is never shown as nothing.
    steps = len(_BARS) - 2
    return "".join(
        _BARS[1 + round(y / most * steps) if most > 0 else 1] if y >= 0 else " "
        for y in highest
    )


def _levels(
    label: str, points: list[tuple[float, float]], unit: str
) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each level that the points reach, its bar to the right."""
    most = max(y for _, y in points)
    last = max((x for x, _ in points if x < 100), default=0.0)
    for level in (*(each for each in _LEVELS if each <= last), 100.0):
        y = next((y for x, y in points if x >= level - 1e-9), most)
        length = round(y / most * _COLUMNS) if most > 0 else 0
        yield f"{label} {level:g} %", "█" * length, figure(y, unit)
