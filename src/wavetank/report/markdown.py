"""test_report.md: the report as Markdown.

It refuses to know what a report says: it writes the blocks of the outline.
"""

from collections.abc import Callable, Iterable
from typing import Any

from wavetank.evidence import Summary, Verdict
from wavetank.report.blocks import (
    Block,
    Case,
    Cell,
    Code,
    Counts,
    Excerpt,
    Facts,
    Heading,
    Items,
    Paragraph,
    Table,
    Title,
)
from wavetank.report.escaping import as_code, as_fence, as_markdown
from wavetank.report.outline import outline
from wavetank.report.plots import Plot, plot_svg, plot_text
from wavetank.report.svg import alone

__all__ = ["blocks_markdown", "report_markdown"]


def report_markdown(summary: Summary, *, folder: str) -> str:
    """Return the report as Markdown, GitHub's flavour.

    Args:
        summary: What the run came to.
        folder: Where the report lies, for the commands in it.
    """
    return blocks_markdown(outline(summary, folder=folder))


def blocks_markdown(blocks: Iterable[Block]) -> str:
    """Return blocks as Markdown, GitHub's flavour."""
    return "\n\n".join(_WRITERS[type(block)](block) for block in blocks) + "\n"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Verdict):
        return _told(cell, cell.value)
    if isinstance(cell, Counts):
        return ", ".join(
            _told(verdict, as_markdown(text)) for verdict, text in cell.parts
        )
    return as_code(cell.text) if isinstance(cell, Code) else as_markdown(cell)


def _told(verdict: Verdict, text: str) -> str:
    return f"**{text}**" if verdict is Verdict.FAIL else text


def _title(block: Title) -> str:
    lines = [
        f"# {block.verdict.value}: Wavetank run {as_markdown(block.run)}".rstrip(),
        "",
        f"**{block.verdict.value}**: {as_markdown(block.sentence)}.",
    ]
    if block.reasons:
        lines += ["", *(f"- {as_markdown(reason)}" for reason in block.reasons)]
    return "\n".join(lines)


def _heading(block: Heading) -> str:
    return f"{'#' * block.level} {as_markdown(block.text)}"


def _paragraph(block: Paragraph) -> str:
    return as_markdown(block.text)


def _facts(block: Facts) -> str:
    rows = (f"| {as_markdown(name)} | {_cell(value)} |" for name, value in block.rows)
    return "\n".join(["| | |", "|---|---|", *rows])


def _table(block: Table) -> str:
    rules = ("---:" if name in block.numbers else "---" for name in block.head)
    lines = [
        f"| {' | '.join(map(as_markdown, block.head))} |",
        f"|{'|'.join(rules)}|",
        *(f"| {' | '.join(map(_cell, row))} |" for row in block.rows),
    ]
    return "\n".join(lines)


def _items(block: Items) -> str:
    return "\n".join(f"- {_cell(item)}" for item in block.items)


def _excerpt(block: Excerpt) -> str:
    return as_fence(list(block.lines))


def _case(block: Case) -> str:
    head = f"**{block.verdict.value}** {as_code(block.where)}: "
    facts = (f"- {name}: {as_markdown(text)}" for name, text in block.facts)
    return "\n".join([head + as_markdown(block.title), "", *facts]).rstrip()


def _plot(block: Plot) -> str:
    caption = as_markdown(f"{block.caption} ({block.scale.value})")
    # Where a reader of Markdown shows no SVG, the text below it says the same.
    picture = f"{alone(plot_svg(block))}\n\n" if block.bands else ""
    return f"{caption}:\n\n{picture}{as_fence(plot_text(block))}"


_WRITERS: dict[type, Callable[[Any], str]] = {
    Title: _title,
    Heading: _heading,
    Paragraph: _paragraph,
    Facts: _facts,
    Table: _table,
    Items: _items,
    Excerpt: _excerpt,
    Case: _case,
    Plot: _plot,
}
