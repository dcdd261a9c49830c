"""Writes the reports of a results folder, from its journal alone.

It refuses to know how a report looks.
"""

from pathlib import Path

from wavetank.errors import UsageError
from wavetank.evidence import Summary, fold, read_journal
from wavetank.report import render

__all__ = ["JOURNAL", "write_results"]

JOURNAL = "journal.ndjson"


def write_results(folder: Path) -> Summary:
    """Read the journal, write every report beside it, return the summary.

    Args:
        folder: A results folder.

    Raises:
        UsageError: If there is no journal, nothing in it, or no place to write.
    """
    path = folder / JOURNAL
    try:
        with path.open("rb") as lines:
            journal = read_journal(lines)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; give a results folder of `wavetank run`"
        ) from None
    if not journal.records:
        raise UsageError(f"{path}: no record can be read in it")
    files = render(
        journal.records,
        cut=journal.cut,
        folder=str(folder),
        problems=journal.problems,
    )
    try:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from None
    return fold(journal.records, cut=journal.cut, problems=journal.problems)
