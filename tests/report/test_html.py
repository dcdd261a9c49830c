"""report.html is one page that needs nothing else and cannot be taken over."""

import re
from html.parser import HTMLParser

import pytest

from wavetank.evidence import Record, Summary, Verdict, fold
from wavetank.report.blocks import Counts, Table
from wavetank.report.html import blocks_html, report_html

VOID = {"meta"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; notes whatever is not balanced."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def hostile_page(poisoned: list[Record]) -> str:
    """Return the page of a run whose target is hostile."""
    summary = fold(poisoned)
    return report_html(summary, folder=summary.run)


def test_html_says_what_the_report_says(summary: Summary) -> None:
    """Verdict first, findings, output, facts, tables, lists, commands."""
    page = Page(report_html(summary, folder="results/x"))
    text = "\n".join(page.texts)
    position = -1
    for expected in (
        "1 passed, 1 failed, 1 unknown, 2 skipped, 1 not run in 5.25 s.",
        "the target died by itself by signal 11 after 4.5 s",
        "seq 4 is missing",
        "Segmentation fault",
        "ws://127.0.0.1:41233/ws",
        "seq 4 is missing (and 1 more finding)",
        "60.0 s or more",
        "the target lacks: tokens",
        "load.sustained",
        "TLS is off",
        "wavetank report results/x",
    ):
        position = text.index(expected, position + 1)


def test_html_is_balanced_and_has_only_known_tags(
    summary: Summary, passed: Summary, hostile_page: str
) -> None:
    """Whatever a target says, no tag and no attribute comes of it."""
    pages = [report_html(one, folder="x") for one in (summary, passed)]
    for page in map(Page, [*pages, hostile_page]):
        assert page.unbalanced == page.open == []
        assert page.tags <= {
            *("html", "head", "meta", "title", "style", "body", "main"),
            *("h1", "h2", "h3", "p", "ul", "li", "dl", "dt", "dd", "div", "span"),
            *("table", "thead", "tbody", "tr", "th", "td", "code", "pre"),
            *("figure", "figcaption", "svg", "text", "tspan", "path", "polyline"),
        }
        assert page.attributes <= {
            *("lang", "charset", "http-equiv", "content", "name", "class", "scope"),
            *("viewbox", "role", "aria-label", "x", "y", "d", "points"),
        }


def test_html_runs_no_script_and_asks_for_nothing(hostile_page: str) -> None:
    """No script, no link, no source, no import: it works without a network."""
    assert "<script" not in hostile_page
    style = re.findall("<style>.*?</style>", hostile_page, re.DOTALL)[0]
    assert not re.search(r"url\(|@import|http:|https:|//", style)
    assert "default-src 'none'" in hostile_page


def test_html_shows_hostile_text_as_text(hostile_page: str) -> None:
    """A reader sees what was sent, control characters written out."""
    text = "".join(Page(hostile_page).texts)
    assert "\\x1b[31mred\\x1b[0m \\x00 \\x9b ]]> <script>alert(1)</script>" in text
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", hostile_page
    )


def test_html_follows_the_readers_light_or_dark(passed: Summary) -> None:
    """By style alone."""
    page = report_html(passed, folder="x")
    assert "color-scheme: light dark" in page
    assert "@media (prefers-color-scheme: dark)" in page
    assert '<span class="verdict PASS">PASS</span> Wavetank run core_1' in page


def test_html_of_counts_has_the_colours_of_their_verdicts() -> None:
    """What failed is seen at once; a title is text."""
    counts = Counts(((Verdict.FAIL, "1 failed"), (Verdict.PASS, "<3>")))
    page = blocks_html([Table(head=("a",), rows=((counts,),))], title="<a>")
    assert (
        '<td><span class="count FAIL">1 failed</span>, '
        '<span class="count PASS">&lt;3&gt;</span></td>' in page
    )
    assert "<title>&lt;a&gt;</title>" in page
