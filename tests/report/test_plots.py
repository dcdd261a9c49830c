"""A plot is drawn as SVG for a page, and as text for everything else."""

import itertools
import math
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from wavetank.report.bands import Band
from wavetank.report.plots import (
    MOST_LINES,
    Line,
    Panel,
    Plot,
    Scale,
    plot_svg,
    plot_text,
)


def plot(
    *lines: Line, scale: Scale = Scale.TIME, unit: str = "s", caption: str = "It"
) -> Plot:
    """Return a plot of one panel."""
    return Plot(caption, scale, (Panel("p99", unit, lines),))


def drawn(svg: str) -> ET.Element:
    """Return an SVG as a tree; it is XML, too."""
    return ET.fromstring(svg)


def places(element: ET.Element) -> list[tuple[float, float]]:
    """Return the points of a line."""
    pairs = (pair.split(",") for pair in element.get("points", "").split())
    return [(float(x), float(y)) for x, y in pairs]


def texts(element: ET.Element, kind: str) -> list[str]:
    """Return what is written at the ticks of an axis."""
    return [
        text.text or ""
        for text in element.iter("text")
        if text.get("class") == f"tick {kind}"
    ]


def test_line_goes_from_left_to_right_and_higher_is_more() -> None:
    """Nothing leaves the picture; zero is at the bottom."""
    svg = drawn(plot_svg(plot(Line("echo", ((0.0, 0.0), (5.0, 1.0), (10.0, 2.0))))))
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    (line,) = svg.iter("polyline")
    first, middle, last = places(line)
    assert 0 < first[0] < middle[0] < last[0] <= width
    assert height > first[1] > middle[1] > last[1] >= 0
    assert texts(svg, "y") == ["0", "1.00 s", "2.00 s"]
    assert texts(svg, "x") == ["0 s", "2.00 s", "4.00 s", "6.00 s", "8.00 s", "10.0 s"]


def test_percentiles_give_the_tail_room() -> None:
    """Each further nine is as wide as the one before; 100 % is at the end."""
    levels = (0.0, 90.0, 99.0, 99.9, 100.0)
    line = Line("echo", tuple((level, 0.01 * n) for n, level in enumerate(levels)))
    svg = drawn(plot_svg(plot(line, scale=Scale.PERCENTILE)))
    (found,) = svg.iter("polyline")
    xs = [x for x, _ in places(found)]
    steps = [after - before for before, after in itertools.pairwise(xs)]
    assert math.isclose(steps[0], steps[1], abs_tol=0.2)
    assert math.isclose(steps[1], steps[2], abs_tol=0.2)
    ticks = ["0 %", "50 %", "75 %", "90 %", "99 %", "99.9 %", "100 %"]
    assert texts(svg, "x") == ticks


def test_a_single_point_is_a_dot() -> None:
    """A line of one point would be invisible."""
    svg = drawn(plot_svg(plot(Line("echo", ((3.0, 1.0),)))))
    assert len(list(svg.iter("circle"))) == 1
    assert not list(svg.iter("polyline"))


def test_empty_plots_are_empty_and_stand() -> None:
    """A load in which nothing came is still a report."""
    for scale in Scale:
        nothing = plot(Line("echo", ()), scale=scale)
        assert not list(drawn(plot_svg(nothing)).iter("polyline"))
        assert plot_text(nothing) == []


def test_lines_beyond_the_most_are_named_by_their_number() -> None:
    """More lines cannot be told apart; that some are missing is said."""
    lines = [Line(f"s{n}", ((0.0, 1.0), (1.0, 2.0))) for n in range(MOST_LINES + 2)]
    svg = plot_svg(plot(*lines))
    assert svg.count("<polyline") == MOST_LINES
    assert "and 2 more" in svg


def test_what_no_plot_can_show_is_left_out() -> None:
    """A number that is not finite is no place in a picture."""
    line = Line("echo", ((0.0, 1.0), (1.0, math.inf), (math.nan, 1.0), (2.0, 1.0)))
    svg = plot_svg(plot(line))
    assert "nan" not in svg
    assert "inf" not in svg
    assert len(places(next(drawn(svg).iter("polyline")))) == 2


def test_hostile_names_stay_text(hostile: str) -> None:
    """A scenario's name reaches neither the page nor the terminal as code."""
    evil = plot(Line(hostile, ((0.0, 1.0), (1.0, 2.0))), caption=hostile)
    svg = plot_svg(evil)
    assert {element.tag for element in drawn(svg).iter()} == {
        *("svg", "text", "tspan", "path", "polyline")
    }
    assert all(row.isprintable() for row in plot_text(evil))


def test_text_shows_each_line_as_bars() -> None:
    """Its name, a bar for each stretch of time, least and most."""
    points = tuple((float(n), float(n)) for n in range(61))
    (row,) = plot_text(plot(Line("echo", points)))
    name, bars, words = row.split("  ")
    assert name == "p99 echo"
    assert bars == "".join(sorted(bars))
    assert (len(bars), bars[0], bars[-1]) == (60, "▁", "█")
    assert words == "0 us to 60.0 s"


def test_text_shows_where_nothing_was() -> None:
    """A second without an answer is a gap, not a zero."""
    (row,) = plot_text(plot(Line("echo", ((0.0, 1.0), (60.0, 1.0))), unit=""))
    assert row == "p99 echo  █" + " " * 58 + "█  1 to 1"
    (zero,) = plot_text(plot(Line("echo", ((0.0, 0.0),)), unit=""))
    assert "▁" in zero


def test_text_shows_percentiles_level_by_level() -> None:
    """As far as the points go, and the largest."""
    curve = ((0.0, 0.001), (50.0, 0.002), (90.0, 0.004), (100.0, 0.008))
    rows = plot_text(plot(Line("echo", curve), scale=Scale.PERCENTILE))
    assert [row.split("  ")[0].strip() for row in rows] == [
        f"p99 echo {level} %" for level in (0, 50, 75, 90, 100)
    ]
    assert rows[-1].endswith("8.00 ms")
    assert rows[-1].count("█") == 2 * rows[-2].count("█")
    zeros = plot_text(plot(Line("echo", ((100.0, 0.0),)), scale=Scale.PERCENTILE))
    assert "█" not in zeros[0]


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, min_value=-1e9, max_value=1e12),
            st.floats(allow_nan=False, min_value=0, max_value=1e12),
        )
    )
)
def test_any_points_can_be_plotted(points: list[tuple[float, float]]) -> None:
    """Whatever was measured, the plot stands and stays inside."""
    line = Line("echo", tuple(sorted(points)))
    svg = drawn(plot_svg(plot(line)))
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    for found in svg.iter("polyline"):
        for x, y in places(found):
            assert 0 <= x <= width
            assert 0 <= y <= height
    assert len(plot_text(plot(line))) == bool(points)


def test_bands_lie_behind_the_panels_and_within_the_bottom() -> None:
    """The bottom reaches to the last of them; lanes stand above all panels."""
    line = Line("echo", ((0.0, 1.0), (10.0, 2.0)))
    banded = Plot(
        *("It", Scale.RUN, (Panel("p99", "s", (line,)),)), (Band("kill", 5.0, 20.0),)
    )
    svg = drawn(plot_svg(banded))
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    plain = drawn(plot_svg(plot(line, scale=Scale.RUN)))
    assert height > float(plain.get("viewBox", "").split()[3])
    kinds = [element.get("class") for element in svg]
    assert kinds.index("band") < kinds.index("line s0")
    shade = next(element for element in svg if element.get("class") == "band")
    begin, wide = float(shade.get("x", "")), float(shade.get("width", ""))
    (found,) = svg.iter("polyline")
    (start, _), (end, _) = places(found)
    # Over 20 s, the line is as long as the half; the band begins at a quarter.
    assert math.isclose(begin - start, (end - start) / 2, abs_tol=0.2)
    assert math.isclose(wide, (end - start) * 1.5, abs_tol=0.2)
    assert begin + wide <= width
    names = [row.split("  ")[0] for row in plot_text(banded)]
    assert names == ["fault kill", "p99 echo"]
