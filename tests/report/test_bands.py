"""Bands show when something was broken, behind what was measured."""

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from wavetank.report.bands import (
    MOST_LANES,
    Band,
    band_edges,
    bands_height,
    bands_svg,
    bands_text,
)


def drawn(*bands: Band) -> list[ET.Element]:
    """Return the elements of some bands, of which a second is one unit wide."""
    parts = bands_svg(bands, lambda at: at, left=0, right=100, bottom=500)
    return list(ET.fromstring(f"<svg>{''.join(parts)}</svg>"))


def boxes(elements: list[ET.Element], kind: str) -> list[tuple[float, float]]:
    """Return where the boxes of a kind begin, and how wide they are."""
    return [
        (float(element.get("x", "")), float(element.get("width", "")))
        for element in elements
        if element.get("class") == kind
    ]


def rows(*bands: Band) -> list[tuple[str, str, str]]:
    """Return some bands as text, a character for each tenth of the time."""
    return list(bands_text(bands, lambda at: at / 100, columns=10))


def test_each_name_has_a_lane_and_all_share_the_shade() -> None:
    """The shade lies behind every panel, and begins below the lanes."""
    bands = (Band("stop", 30.0, 40.0), Band("kill", 10.0, 20.0), Band("kill", 50, 55))
    elements = drawn(*bands)
    assert boxes(elements, "band") == [(10.0, 10.0), (30.0, 10.0), (50.0, 5.0)]
    assert boxes(elements, "bar") == [(10.0, 10.0), (50.0, 5.0), (30.0, 10.0)]
    texts = [element.text for element in elements if element.tag == "text"]
    assert texts == ["kill: 2 times", "stop: 1 time"]
    shade = next(element for element in elements if element.get("class") == "band")
    top, height = float(shade.get("y", "")), float(shade.get("height", ""))
    assert top == bands_height(bands)
    assert top + height == 500


def test_no_label_lies_on_another_or_on_a_bar() -> None:
    """Each stands in a row of its own, above its bars."""
    elements = drawn(*(Band(f"fault {n}", 1.0, 2.0) for n in range(5)))
    words = [float(e.get("y", "")) for e in elements if e.tag == "text"]
    bars = [float(e.get("y", "")) for e in elements if e.get("class") == "bar"]
    assert all(bar - word >= 5 for word, bar in zip(words, bars, strict=True))
    assert all(next_ - bar >= 15 for bar, next_ in zip(bars, words[1:], strict=False))


def test_band_without_an_end_goes_to_the_end() -> None:
    """A fault that was never healed is on until nobody looks any more."""
    assert boxes(drawn(Band("kill", 60.0, None)), "band") == [(60.0, 40.0)]
    assert rows(Band("kill", 60.0, None)) == [("fault kill", "······████", "1 time")]


def test_short_band_can_be_seen() -> None:
    """What was over at once was there all the same, at the very end, too."""
    elements = drawn(Band("cut", 10.0, 10.0), Band("cut", 100.0, 100.0))
    assert boxes(elements, "band") == [(10.0, 1.5), (98.5, 1.5)]
    (row,) = rows(Band("cut", 10.0, 10.0), Band("cut", 100.0, 100.0))
    assert row == ("fault cut", "·█·······█", "2 times")


def test_bands_that_touch_are_drawn_as_one() -> None:
    """Thousands of them do not make thousands of boxes."""
    many = [Band("kill", n / 100, n / 100 + 0.005) for n in range(2000)]
    assert boxes(drawn(*many), "band") == [(0.0, 21.5)]
    assert rows(*many)[0][2] == "2,000 times"


def test_names_beyond_the_most_share_a_lane() -> None:
    """A picture has room for few; that some are together is said."""
    bands = [Band(f"fault {n}", n * 5.0, n * 5.0 + 2) for n in range(MOST_LANES + 3)]
    elements = drawn(*bands)
    texts = [element.text for element in elements if element.tag == "text"]
    assert len(texts) == MOST_LANES
    assert texts[-1] == "4 other faults: 4 times"
    assert len(boxes(elements, "bar")) == len(bands)


def test_no_bands_take_no_room() -> None:
    """A plot without faults looks as it did."""
    assert bands_height([]) == 0
    assert drawn() == []
    assert rows() == []


def test_edges_are_all_moments_that_can_be_shown() -> None:
    """The bottom of a plot has to hold them."""
    bands = [Band("a", 1.0, 2.0), Band("b", 3.0, None), Band("c", float("nan"), 4.0)]
    assert band_edges(bands) == [1.0, 2.0, 3.0, 4.0]


def test_hostile_names_stay_text(hostile: str) -> None:
    """A fault's name reaches neither the page nor the terminal as code."""
    elements = drawn(Band(hostile, 1.0, 2.0))
    assert {element.tag for element in elements} == {"rect", "text", "path"}
    assert all(cell.isprintable() for cell in rows(Band(hostile, 1.0, 2.0))[0])


@given(
    st.lists(
        st.builds(
            Band, st.sampled_from("ab"), st.floats(0, 100), st.none() | st.floats()
        )
    )
)
def test_any_bands_can_be_drawn(bands: list[Band]) -> None:
    """Whatever the records say, boxes stay inside and rows keep their length."""
    elements = drawn(*bands)
    for kind in ("band", "bar"):
        for begin, width in boxes(elements, kind):
            assert begin >= 0
            assert width > 0
            assert begin + width <= 100.11
    for name, bars, _ in rows(*bands):
        assert len(bars) == 10
        assert re.fullmatch("fault [ab]", name)
