"""The blocks that a report is made of: headings, tables, findings, plots.

They refuse to know what a report says, and Markdown and HTML, which write them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wavetank.evidence import Verdict
from wavetank.report.plots import Plot

__all__ = [
    "MOST_ROWS",
    "Block",
    "Case",
    "Cell",
    "Code",
    "Counts",
    "Excerpt",
    "Facts",
    "Heading",
    "Items",
    "Paragraph",
    "Table",
    "Title",
    "bounded",
    "left_out",
]

MOST_ROWS = 500
"""Of one table or list."""


@dataclass(frozen=True, slots=True)
class Code:
    """Text that a reader may copy: a name, a path, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many came to what; each part is shown in the colour of its verdict."""

    parts: tuple[tuple[Verdict, str], ...]


Cell = str | Code | Counts | Verdict


@dataclass(frozen=True, slots=True)
class Title:
    """The first lines: verdict, one sentence, and why beyond the checks."""

    run: str
    verdict: Verdict
    sentence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """The beginning of a part; level 2, or 3 inside a part."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or two."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; columns named in ``numbers`` stand to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines as they were printed."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A finding in full."""

    verdict: Verdict
    where: str
    title: str
    facts: tuple[tuple[str, str], ...]


Block = Title | Heading | Paragraph | Facts | Table | Items | Excerpt | Case | Plot


def bounded(
    head: tuple[str, ...],
    rows: list[tuple[Cell, ...]],
    *,
    numbers: frozenset[str] = frozenset(),
) -> Iterator[Block]:
    """Yield a table of as many rows as a page can bear, and how many are left out."""
    yield Table(head=head, rows=tuple(rows[:MOST_ROWS]), numbers=numbers)
    yield from left_out(len(rows))


def left_out(number: int) -> Iterator[Block]:
    """Yield a sentence about the rows beyond the most, if there are any."""
    if number > MOST_ROWS:
        more = f"{number - MOST_ROWS:,}"
        yield Paragraph(f"And {more} more: see test_summary.json.")
