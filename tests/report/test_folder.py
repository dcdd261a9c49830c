"""The results folder is a pure function of the journal."""

from collections.abc import Callable

from wavetank.evidence import Record, encode_record, read_journal
from wavetank.report.folder import render


def test_folder_holds_every_file_but_the_journal(records: list[Record]) -> None:
    """Names are those that users and their tools look for."""
    files = render(records, cut=False, folder="results/x")
    assert list(files) == [
        "test_summary.json",
        "test_report.md",
        "report.html",
        "junit.xml",
        "core.log",
        "load_tests.log",
        "security.log",
    ]
    assert all(text.endswith("\n") for text in files.values())


def test_folder_is_the_same_when_it_is_made_again_from_the_journal(
    records: list[Record],
) -> None:
    """A report can be made later, elsewhere, byte by byte."""
    journal = read_journal(b"".join(map(encode_record, records)))
    again = render(
        iter(journal.records),
        cut=journal.cut,
        folder="results/x",
        problems=journal.problems,
    )
    assert again == render(records, cut=False, folder="results/x")


def test_folder_says_that_a_journal_was_cut_and_has_holes(
    records: list[Record],
) -> None:
    """Every report of it, for people and for programs."""
    files = render(records, cut=True, folder="x", problems=["line 3: damaged"])
    for name in ("test_summary.json", "test_report.md", "report.html", "junit.xml"):
        assert "the journal has no end: the run was cut" in files[name]
        assert "the evidence has holes (1)" in files[name]


def test_folder_of_nothing_is_still_a_report() -> None:
    """An empty journal gives files that say so."""
    files = render([], cut=True, folder="x")
    assert files["test_report.md"].startswith("# UNKNOWN")


def test_folder_can_be_written_whatever_the_target_said(
    poisoned: list[Record],
) -> None:
    """Every text is valid UTF-8, and every name a plain file name."""
    for name, text in render(poisoned, cut=False, folder="x").items():
        assert text.encode()
        assert "/" not in name


def test_folder_of_a_load_has_its_seconds_for_other_tools(
    load_of: Callable[..., list[Record]], run_of: Callable[..., list[Record]]
) -> None:
    """A histogram log for each suite, and a table of all."""
    files = render(run_of(load_of(3)), cut=False, folder="x")
    assert files["load.hlog"].count("Tag=echo.request,") == 3
    assert files["load.csv"].count("\n") == 4
    assert "<svg" in files["report.html"]
    assert "## Loads" in files["test_report.md"]
    assert '"loads": [' in files["test_summary.json"]
