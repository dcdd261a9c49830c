"""Writes the reports of a results folder, from its journal alone.

It refuses to know how a report looks.
"""

from collections.abc import Mapping
from pathlib import Path

from wavetank.cli.disk import is_full
from wavetank.errors import UsageError
from wavetank.evidence import Journal, Summary, fold, read_journal
from wavetank.report import autobahn_files, render

__all__ = [
    "JOURNAL",
    "read_journal_of",
    "read_summary",
    "write_autobahn",
    "write_results",
]

JOURNAL = "journal.ndjson"


def write_results(folder: Path) -> Summary:
    """Read the journal, write every report beside it, return the summary.

    Args:
        folder: A results folder.

    Raises:
        UsageError: If there is no journal, nothing in it, or no leave to write.
        OSError: If the disk is full.
    """
    journal = read_journal_of(folder)
    files = render(
        journal.records,
        cut=journal.cut,
        folder=str(folder),
        problems=journal.problems,
    )
    _write(folder, files)
    return _fold(journal)


def read_summary(folder: Path) -> Summary:
    """Read the journal of a results folder, and return what its run came to.

    Raises:
        UsageError: If there is no journal, or nothing in it.
    """
    return _fold(read_journal_of(folder))


def write_autobahn(folder: Path, summary: Summary, *, agent: str = "") -> None:
    """Write index.json as Autobahn's test suite does, and a file for each case.

    Args:
        folder: A results folder.
        summary: What its run came to.
        agent: Who was tested; else how the target was given.

    Raises:
        UsageError: If there is no leave to write.
        OSError: If the disk is full.
    """
    _write(folder, autobahn_files(summary, agent=agent))


def read_journal_of(folder: Path) -> Journal:
    """Read the journal of a results folder.

    Raises:
        UsageError: If there is none, or nothing in it.
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
    return journal


def _fold(journal: Journal) -> Summary:
    return fold(journal.records, cut=journal.cut, problems=journal.problems)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    file = folder
    try:
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        if is_full(error):  # no mistake of whoever typed
            # The head of a report that is cut says PASS, whatever was to come.
            file.unlink(missing_ok=True)
            raise
        raise UsageError(f"{folder}: {error.strerror}") from None
