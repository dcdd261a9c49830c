"""report.html: the report as one page that needs nothing else.

It refuses to know what a report says, and it has no script and asks for
nothing over the network.
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
from wavetank.report.escaping import as_html
from wavetank.report.outline import outline
from wavetank.report.plots import Plot, plot_svg

__all__ = ["blocks_html", "report_html"]

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c2024; --soft: #60646c;
  --line: #d9dce1; --raised: #f6f7f9; --pass: #18794e; --fail: #c62a2f;
  --unknown: #946800; --skip: #60646c; }
@media (prefers-color-scheme: dark) { :root { --page: #111315; --ink: #e6e8eb;
  --soft: #9ba1a6; --line: #2e3236; --raised: #1a1d1f; --pass: #4cc38a;
  --fail: #ff8b8b; --unknown: #f1c451; --skip: #9ba1a6; } }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: var(--ink);
  background: var(--page); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin-top: 1.6rem; }
.scroll { overflow-x: auto; } .scroll + .scroll { margin-top: 1rem; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem .3rem 0;
  text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--raised); border: 1px solid var(--line); padding: .8rem;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.case { background: var(--raised); border-left: 4px solid var(--line);
  margin: .8rem 0; padding: .5rem .9rem; }
.case p, .case dl { margin: .2rem 0; } .case dt { color: var(--soft); }
.case dd { margin: 0 0 .3rem 1rem; overflow-wrap: anywhere; }
.case.FAIL { border-color: var(--fail); }
.case.UNKNOWN { border-color: var(--unknown); }
.count { white-space: nowrap; }
.count.FAIL { color: var(--fail); font-weight: 700; }
.count.UNKNOWN { color: var(--unknown); font-weight: 700; }
.count.SKIP { color: var(--skip); }
.verdict { font-weight: 700; } .verdict.PASS { color: var(--pass); }
.verdict.FAIL { color: var(--fail); } .verdict.UNKNOWN { color: var(--unknown); }
.verdict.SKIP { color: var(--skip); }
figure { margin: 1rem 0; } figcaption { color: var(--soft); }
.plot { width: 100%; height: auto; color: var(--ink); font-size: 12px; }
.plot text { fill: currentColor; white-space: pre; }
.plot .tick { fill: var(--soft); } .plot .x { text-anchor: middle; }
.plot .y { text-anchor: end; dominant-baseline: middle; }
.plot .grid { stroke: var(--line); fill: none; }
.plot .band { fill: var(--fail); fill-opacity: .12; }
.plot .bar { fill: var(--fail); }
.plot .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.plot .line.s0 { stroke: #3478c6; } .plot .line.s1 { stroke: #c7692a; }
.plot .line.s2 { stroke: #2f9466; } .plot .line.s3 { stroke: #b5519c; }
.plot .line.s4 { stroke: #8a7a1f; } .plot .line.s5 { stroke: #7d6bd1; }
.plot .dot.s0, .plot tspan.s0 { fill: #3478c6; }
.plot .dot.s1, .plot tspan.s1 { fill: #c7692a; }
.plot .dot.s2, .plot tspan.s2 { fill: #2f9466; }
.plot .dot.s3, .plot tspan.s3 { fill: #b5519c; }
.plot .dot.s4, .plot tspan.s4 { fill: #8a7a1f; }
.plot .dot.s5, .plot tspan.s5 { fill: #7d6bd1; }
"""

# The browser itself refuses whatever the page might ask for.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_html(summary: Summary, *, folder: str) -> str:
    """Return the report as one HTML page.

    Args:
        summary: What the run came to.
        folder: Where the report lies, for the commands in it.
    """
    title = f"{summary.verdict.value}: Wavetank run {summary.run}"
    return blocks_html(outline(summary, folder=folder), title=title)


def blocks_html(blocks: Iterable[Block], *, title: str) -> str:
    """Return blocks as one HTML page."""
    body = "\n".join(_WRITERS[type(block)](block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{as_html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _verdict(verdict: Verdict) -> str:
    return f'<span class="verdict {verdict.value}">{verdict.value}</span>'


def _cell(cell: Cell) -> str:
    if isinstance(cell, Verdict):
        return _verdict(cell)
    if isinstance(cell, Counts):
        return ", ".join(
            f'<span class="count {verdict.value}">{as_html(text)}</span>'
            for verdict, text in cell.parts
        )
    if isinstance(cell, Code):
        return f"<code>{as_html(cell.text)}</code>"
    return as_html(cell)


def _title(block: Title) -> str:
    reasons = "".join(f"<li>{as_html(reason)}</li>\n" for reason in block.reasons)
    return (
        f"<h1>{_verdict(block.verdict)} Wavetank run {as_html(block.run)}</h1>\n"
        f"<p>{as_html(block.sentence)}.</p>"
    ) + (f"\n<ul>\n{reasons}</ul>" if reasons else "")


def _heading(block: Heading) -> str:
    return f"<h{block.level}>{as_html(block.text)}</h{block.level}>"


def _paragraph(block: Paragraph) -> str:
    return f"<p>{as_html(block.text)}</p>"


def _facts(block: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{as_html(name)}</th><td>{_cell(value)}</td></tr>\n'
        for name, value in block.rows
    )
    return f'<div class="scroll"><table>\n{rows}</table></div>'


def _table(block: Table) -> str:
    classes = [' class="number"' * (name in block.numbers) for name in block.head]
    head = "".join(
        f'<th scope="col"{kind}>{as_html(name)}</th>'
        for name, kind in zip(block.head, classes, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{_cell(cell)}</td>"
            for cell, kind in zip(row, classes, strict=True)
        )
        + "</tr>\n"
        for row in block.rows
    )
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>"
    )


def _items(block: Items) -> str:
    items = "".join(f"<li>{_cell(item)}</li>\n" for item in block.items)
    return f"<ul>\n{items}</ul>"


def _excerpt(block: Excerpt) -> str:
    lines = "\n".join(as_html(line) for line in block.lines)
    return f"<pre>{lines}</pre>"


def _case(block: Case) -> str:
    facts = "".join(
        f"<dt>{name}</dt><dd>{as_html(text)}</dd>\n" for name, text in block.facts
    )
    return (
        f'<div class="case {block.verdict.value}">\n<p>{_verdict(block.verdict)} '
        f"<code>{as_html(block.where)}</code>: {as_html(block.title)}</p>\n"
        + (f"<dl>\n{facts}</dl>\n" if facts else "")
        + "</div>"
    )


def _plot(block: Plot) -> str:
    caption = as_html(f"{block.caption} ({block.scale.value})")
    return (
        f"<figure>\n{plot_svg(block)}\n<figcaption>{caption}.</figcaption>\n</figure>"
    )


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
