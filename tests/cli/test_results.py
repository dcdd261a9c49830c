"""Reports are written from a journal alone."""

import errno
import json
import os
from pathlib import Path

import pytest

from wavetank.cli.results import (
    JOURNAL,
    read_summary,
    write_autobahn,
    write_results,
)
from wavetank.errors import UsageError
from wavetank.evidence import (
    CheckFinished,
    Finding,
    RunFinished,
    RunStarted,
    Verdict,
    encode_record,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder with the journal of a small run in it."""
    passed = Finding(verdict=Verdict.PASS, title="It holds")
    records = [
        RunStarted(
            at=0.0,
            run="r",
            wall=1.0,
            version="1",
            seed=1,
            suites=["toy"],
            planned=["toy.one"],
            target="t",
        ),
        CheckFinished(at=1.0, suite="toy", check="one", took=1.0, findings=[passed]),
        RunFinished(at=2.0),
    ]
    (tmp_path / JOURNAL).write_bytes(b"".join(map(encode_record, records)))
    return tmp_path


def test_every_report_is_written_beside_the_journal(folder: Path) -> None:
    """Programs, people and continuous integration get their files."""
    summary = write_results(folder)

    assert summary.verdict is Verdict.PASS
    written = {path.name for path in folder.iterdir()}
    assert written == {
        *(JOURNAL, "test_summary.json", "test_report.md", "report.html"),
        *("junit.xml", "toy.log"),
    }
    assert json.loads((folder / "test_summary.json").read_text())["verdict"] == "PASS"


def test_a_full_disk_is_no_mistake_of_whoever_typed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on to who knows what to do about it; a folder without leave does not."""

    def fail(number: int) -> None:
        def write_text(file: Path, *_: object, **__: object) -> int:
            file.write_bytes(b"the first ha")
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "write_text", write_text)

    fail(errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        write_results(folder)
    # Nor is a report left that is cut, whose head says what was not to be.
    assert [path.name for path in folder.iterdir()] == [JOURNAL]
    fail(errno.EACCES)
    with pytest.raises(UsageError, match="Permission denied"):
        write_results(folder)


def test_a_damaged_line_is_never_green(folder: Path) -> None:
    """What of the journal cannot be read is told, and spoils the verdict."""
    journal = folder / JOURNAL
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([first, b"\xff not a record\n", *rest]))

    summary = write_results(folder)

    assert summary.verdict is Verdict.UNKNOWN
    assert summary.problems


def test_a_folder_without_a_journal_is_a_usage_error(tmp_path: Path) -> None:
    """The error names the file and what to give."""
    with pytest.raises(UsageError, match=r"journal\.ndjson: No such file"):
        write_results(tmp_path)


def test_an_empty_journal_is_a_usage_error(tmp_path: Path) -> None:
    """There is nothing to report."""
    (tmp_path / JOURNAL).touch()

    with pytest.raises(UsageError, match="no record can be read"):
        write_results(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_usage_error(folder: Path) -> None:
    """A report that cannot be written is not passed over."""
    (folder / "junit.xml").mkdir()

    with pytest.raises(UsageError, match="Is a directory"):
        write_results(folder)


def test_a_summary_can_be_read_alone(folder: Path) -> None:
    """Nothing is written then."""
    assert read_summary(folder).verdict is Verdict.PASS
    assert [path.name for path in folder.iterdir()] == [JOURNAL]


def test_autobahns_index_is_written_with_its_files(folder: Path) -> None:
    """Also where they are there already."""
    summary = read_summary(folder)
    for agent in ("one", "two"):
        write_autobahn(folder, summary, agent=agent)
        assert list(json.loads((folder / "index.json").read_text())) == [agent]
