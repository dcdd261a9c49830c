"""A plot stands alone where no page gives it colours."""

import re
import xml.etree.ElementTree as ET

from wavetank.report import html
from wavetank.report.bands import Band
from wavetank.report.plots import MOST_LINES, Line, Panel, Plot, Scale, plot_svg
from wavetank.report.svg import COLOURS, alone

POINTS = ((0.0, 1.0), (10.0, 2.0))


def drawn(svg: str) -> list[ET.Element]:
    """Return the elements of a picture, the picture first."""
    return list(ET.fromstring(svg).iter())


def picture(name: str = "echo", lines: int = MOST_LINES) -> str:
    """Return a plot with everything in it."""
    some = tuple(Line(f"{name} {number}", POINTS) for number in range(lines))
    dot = Line(name, POINTS[:1])
    panels = (Panel("p99", "s", some), Panel("one", "s", (dot,)))
    return plot_svg(Plot(name, Scale.RUN, panels, (Band(name, 1.0, 2.0),)))


def test_picture_that_stands_alone_is_dark_on_white() -> None:
    """A white ground below everything, and no text or line without a colour."""
    root, ground, *others = drawn(alone(picture()))
    _, _, width, height = root.get("viewBox", "").split()
    assert (root.get("width"), root.get("height")) == (width, height)
    assert (ground.tag.rpartition("}")[2], ground.get("fill")) == ("rect", "#ffffff")
    assert (ground.get("width"), ground.get("height")) == (width, height)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for element in others:
        shown = {element.get("fill"), element.get("stroke")} - {None, "none"}
        assert shown, ET.tostring(element)
        assert "#ffffff" not in shown


def test_picture_keeps_its_classes_for_the_page() -> None:
    """Inside a page, whose style may be dark, the page has the last word."""
    plain, coloured = picture(), alone(picture())
    assert re.findall('class="[^"]*"', plain) == re.findall('class="[^"]*"', coloured)
    assert all(
        f".s{n} {{ stroke: {colour}; }}" in html._STYLE
        for n, colour in enumerate(COLOURS)
    )
    assert len(COLOURS) == MOST_LINES


def test_picture_has_no_empty_line() -> None:
    """In Markdown an empty line would end it."""
    assert "\n\n" not in alone(picture())
    assert "\n" in alone(picture())


def test_hostile_names_get_no_colours_and_no_tags(hostile: str) -> None:
    """A name that looks like a class stays a name."""
    evil = alone(picture(f'{hostile} class="bar" <svg class="plot" viewBox="0 0 1 1">'))
    assert {element.tag.rpartition("}")[2] for element in drawn(evil)} == {
        *("svg", "text", "tspan", "path", "polyline", "circle", "rect")
    }
    assert evil.count("<svg") == 1
    assert "&lt;svg class=&quot;plot&quot;" in evil
