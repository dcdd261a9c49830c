"""Hostile text shows as text, wherever it stands."""

import html
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich

from wavetank.report.escaping import (
    LONGEST_TEXT,
    as_code,
    as_fence,
    as_html,
    as_markdown,
    as_xml,
    visible,
)

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# Much of what means something to Markdown, and surrogates too.
TEXTS = st.text(
    st.one_of(st.sampled_from("\\`*_{}[]()<>#+-.!|~&$=1 \n\x1b"), st.characters())
)


@given(st.text(st.characters(categories=None)))
def test_visible_text_is_one_line_without_control_and_fits_utf8(text: str) -> None:
    """Neither a terminal nor a file can be hurt by it."""
    shown = visible(text, limit=None)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", shown)
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\rd", "a b c\\x0dd"),
        ("\x9b\x00", "\\x9b\\x00"),
        ("\u202ecod.exe", "\\u202ecod.exe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ufffd \u00e9 \U0001d11e", "\ufffd \u00e9 \U0001d11e"),
    ],
)
def test_visible_text_writes_out_what_cannot_be_seen(text: str, shown: str) -> None:
    """A reader learns what was there; all other letters stay."""
    assert visible(text) == shown


def test_visible_text_is_bounded_and_says_how_much_is_missing() -> None:
    """A target's megabyte does not become a megabyte of report."""
    assert visible("x" * 10, limit=4) == "xxxx ... (6 more characters)"
    assert visible("x" * 4, limit=4) == "xxxx"
    assert len(visible("x" * 1_000_000)) < LONGEST_TEXT + 40


def cell_of(written: str) -> str:
    """Return what a browser shows of the only cell of a table."""
    rendered = MARKDOWN.render(f"| head |\n|---|\n| {written} |\n")
    (cell,) = re.findall("<td>(.*)</td>", rendered)
    return html.unescape(re.sub("</?code>", "", cell))


@given(TEXTS)
@example("__0__")
@example("a_b")
def test_markdown_shows_text_as_it_is_in_a_table_and_in_a_list(text: str) -> None:
    """No emphasis, link, picture, tag, entity or second cell comes of it."""
    written = as_markdown(text)
    shown = visible(text).strip()
    assert cell_of(written).split() == shown.split()
    item = MARKDOWN.render(f"- {written}")
    match = re.fullmatch("<ul>\n<li>(.*)</li>\n</ul>\n", item)
    assert match
    assert html.unescape(match[1]).split() == shown.split()


@given(TEXTS)
@example("a\\|b")
def test_code_shows_text_as_it_is_in_a_table(text: str) -> None:
    """Backticks and pipes cannot end the span or the cell."""
    assert cell_of(as_code(text)).split() == visible(text).split()


def test_code_of_nothing_is_nothing() -> None:
    """An empty span is no span in Markdown."""
    assert as_code(" ") == ""


@given(st.lists(TEXTS))
def test_fence_shows_lines_as_they_are(lines: list[str]) -> None:
    """No line ends the block before its end."""
    rendered = MARKDOWN.render(as_fence(lines))
    match = re.fullmatch(
        '<pre><code class="language-text">(.*)</code></pre>\n', rendered, re.DOTALL
    )
    assert match
    assert html.unescape(match[1]) == "".join(visible(line) + "\n" for line in lines)


@given(st.text(st.characters(categories=None)))
def test_xml_and_html_give_text_back_as_it_is(text: str) -> None:
    """As content and as an attribute, a parser sees the same text."""
    shown = visible(text)
    for escape in (as_xml, as_html):
        parsed = ET.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>')
        assert (parsed.text or "") == shown
        assert parsed.get("b") == shown
