"""test_report.md reads well, also where the target is hostile."""

import re

from markdown_it import MarkdownIt  # comes with rich

from wavetank.evidence import Record, Summary, Verdict, fold
from wavetank.report.bands import Band
from wavetank.report.blocks import Counts, Table
from wavetank.report.markdown import blocks_markdown, report_markdown
from wavetank.report.plots import Line, Panel, Plot, Scale

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def test_markdown_begins_with_the_verdict(summary: Summary) -> None:
    """Verdict, counts and reasons stand above everything else."""
    lines = report_markdown(summary, folder="results/x").splitlines()
    assert lines[:7] == [
        "# FAIL: Wavetank run core_20260921_133320",
        "",
        "**FAIL**: 1 passed, 1 failed, 1 unknown, 2 skipped, 1 not run in 5.25 s.",
        "",
        "- the target died by itself by signal 11 after 4.5 s",
        "- 1 check was planned and did not run",
        "- the evidence has holes (1)",
    ]


def test_markdown_writes_every_kind_of_block(summary: Summary) -> None:
    """Findings, output, facts, tables, lists and commands."""
    text = report_markdown(summary, folder="results/x")
    for expected in (
        "**FAIL** `core.reconnection`: Nothing is lost.\n\n- expected: seq 1 to 9\n",
        "**FAIL** `core.reconnection`: Nothing is repeated.\n\n**UNKNOWN**",
        "```text\nTraceback\nSegmentation fault\n```",
        "| | |\n|---|---|\n| Target | `python app.py --port {port}` |\n",
        "|---|---|---:|---:|---:|---:|---:|\n| `core` | **FAIL** | 1 | 0 | 1 | 0 | ",
        "### security\n",
        "- `load.sustained`\n",
        "- TLS is off\n",
        "wavetank report results/x\nwavetank run core load security --seed 7\n```",
    ):
        assert expected in text


def test_markdown_of_a_passed_run_has_no_reasons(passed: Summary) -> None:
    """A green report is short."""
    text = report_markdown(passed, folder="results/x")
    assert text.startswith(
        "# PASS: Wavetank run core_1\n\n**PASS**: 1 passed in 3.00 s.\n\n## What was"
    )


def test_markdown_holds_hostile_text_as_text(poisoned: list[Record]) -> None:
    """No tag, link, picture, emphasis or broken table comes of it."""
    summary = fold(poisoned, problems=[poisoned[0].run])  # type: ignore[union-attr]
    text = report_markdown(summary, folder=summary.run)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", text)
    rendered = MARKDOWN.render(text)
    assert set(re.findall(r"<(\w+)", rendered)) == {
        *("h1", "h2", "h3", "p", "ul", "li", "strong", "code", "pre"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    for table in re.findall("<table>.*?</table>", rendered, re.DOTALL):
        rows = re.findall("<tr>.*?</tr>", table, re.DOTALL)
        assert len({len(re.findall("<t[hd]", row)) for row in rows}) == 1


def test_markdown_of_counts_shows_what_failed() -> None:
    """It stands out, in bold; the rest is told beside it."""
    counts = Counts(((Verdict.FAIL, "1 failed"), (Verdict.PASS, "*3*")))
    assert blocks_markdown([Table(head=("a",), rows=((counts,),))]) == (
        "| a |\n|---|\n| **1 failed**, \\*3\\* |\n"
    )


def test_markdown_shows_a_plot_as_lines_of_text() -> None:
    """It stands in any viewer, without a picture beside it."""
    lines = (Line("echo", ((0.0, 1.0), (60.0, 2.0))),)
    plot = Plot("p99 <b>", Scale.TIME, (Panel("p99", "s", lines),))
    text = blocks_markdown([plot])
    assert text.startswith("p99 \\<b\\> (seconds since the load's start):\n\n```text\n")
    assert "p99 echo" in text
    assert text.endswith("1.00 s to 2.00 s\n```\n")


def test_markdown_shows_bands_as_a_picture_and_as_text() -> None:
    """Where the reader of Markdown shows no picture, the text says the same."""
    line = Line("echo", ((0.0, 1.0), (10.0, 2.0)))
    panels = (Panel("p99", "s", (line,)),)
    banded = Plot("It", Scale.RUN, panels, (Band("kill", 1.0, 2.0),))
    rendered = MARKDOWN.render(blocks_markdown([banded]))
    assert rendered.count("<svg") == rendered.count("</svg>") == 1
    assert "<p><svg" not in rendered
    assert rendered.index("</svg>") < rendered.index("<pre>")
    assert "fault kill" in rendered
    assert "<svg" not in blocks_markdown([Plot("It", Scale.RUN, panels)])
