"""Bands over time: when something was broken, as SVG and as rows of text.

They refuse to know what is plotted over them; a name in them may be hostile.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from wavetank.report.escaping import as_html, visible
from wavetank.report.quantities import count

__all__ = [
    "MOST_LANES",
    "Band",
    "band_edges",
    "bands_height",
    "bands_svg",
    "bands_text",
]

MOST_LANES = 8
"""Names that have a lane of their own; the others share the last one."""

_LANE, _GAP = 30, 12
_BAR = 7
_LEAST = 1.5
"""The narrowest that can be seen, in units of the picture."""
_LONGEST_NAME = 60
_ON, _OFF = "█", "·"

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Band:
    """From when to when something held; ``until`` None is up to the end."""

    name: str
    since: float
    until: float | None


def band_edges(bands: Iterable[Band]) -> list[float]:
    """Return all moments at which a band begins or ends."""
    edges = (edge for band in bands for edge in (band.since, band.until))
    return [edge for edge in edges if edge is not None and math.isfinite(edge)]


def bands_height(bands: Sequence[Band]) -> int:
    """Return how much room the lanes of some bands take; none take none."""
    lanes = len(_lanes(bands))
    return lanes * _LANE + _GAP if lanes else 0


def bands_svg(
    bands: Sequence[Band],
    x_of: Callable[[float], float],
    *,
    left: float,
    right: float,
    bottom: float,
) -> list[str]:
    """Return the elements of some bands: a shade behind all panels, and lanes.

    Each name has a lane, with its name over it: no two labels are at one place.

    Args:
        bands: In any order.
        x_of: Where a moment is, from left to right.
        left: Where the first moment is.
        right: Where the last one is.
        bottom: Where the shade ends; it begins below the lanes.
    """
    top = bands_height(bands)
    parts = [
        f'<rect class="band" x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" '
        f'height="{bottom - top:.1f}"/>'
        for begin, end in _stretches(bands, x_of, right)
    ]
    for number, (name, of_name) in enumerate(_lanes(bands)):
        y = number * _LANE
        words = as_html(f"{_short(name)}: {count(len(of_name), 'time')}")
        parts += [
            f'<text class="lane" x="{left:g}" y="{y + 12}">{words}</text>',
            f'<path class="grid" d="M{left:g} {y + 21.5}H{right:g}"/>',
        ]
        parts += [
            f'<rect class="bar" x="{begin:.1f}" y="{y + 18}" '
            f'width="{end - begin:.1f}" height="{_BAR}"/>'
            for begin, end in _stretches(of_name, x_of, right)
        ]
    return parts


def bands_text(
    bands: Sequence[Band], place: Callable[[float], float], *, columns: int
) -> Iterator[tuple[str, str, str]]:
    """Yield (name, bars, words) for each lane.

    Args:
        bands: In any order.
        place: Where a moment is, from 0 to 1.
        columns: Characters of the bars.
    """
    for name, of_name in _lanes(bands):
        bars = [_OFF] * columns
        # Each is a character wide at least, whatever its length.
        stretches = _stretches(
            of_name, lambda at: place(at) * columns, columns, least=0
        )
        for begin, end in stretches:
            first = min(int(begin), columns - 1)
            last = max(math.ceil(end), first + 1)
            bars[first:last] = _ON * (min(last, columns) - first)
        yield f"fault {_short(name)}", "".join(bars), count(len(of_name), "time")


def _short(name: str) -> str:
    return visible(name, limit=_LONGEST_NAME)


def _lanes(bands: Sequence[Band]) -> list[tuple[str, list[Band]]]:
    """Return bands by name, in the order of their begins."""
    by_name: dict[str, list[Band]] = {}
    for band in sorted(bands, key=lambda band: band.since):
        if math.isfinite(band.since):
            by_name.setdefault(band.name, []).append(band)
    lanes = list(by_name.items())
    if len(lanes) <= MOST_LANES:
        return lanes
    rest = lanes[MOST_LANES - 1 :]
    others = [band for _, of_name in rest for band in of_name]
    return [*lanes[: MOST_LANES - 1], (f"{len(rest)} other faults", others)]


def _stretches(
    bands: Iterable[Band],
    x_of: Callable[[float], float],
    right: float,
    *,
    least: float = _LEAST,
) -> list[Stretch]:
    """Return where bands are; those that touch are one, so that there are few."""
    found: list[Stretch] = []
    places = sorted(
        (x_of(band.since), right if band.until is None else x_of(band.until))
        for band in bands
        if math.isfinite(band.since) and math.isfinite(band.until or 0.0)
    )
    for first, last in places:
        begin, end = first, max(last, first + least)
        if end > right:
            begin, end = min(begin, max(right - least, 0.0)), right
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found
