"""``wavetank report``: the last block again, and the run's exit code; or a matrix."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wavetank.cli.report import main
from wavetank.errors import ExitCode, UsageError
from wavetank.evidence import (
    CheckFinished,
    Finding,
    RunFinished,
    RunStarted,
    Verdict,
    encode_record,
)

Make = Callable[..., Path]

PASSED = Finding(verdict=Verdict.PASS, title="1.1.1 It comes back.")
FAILED = Finding(verdict=Verdict.FAIL, title="3.2 It fails.", seen="it went on")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make the results folder of a run of conformance cases, by its name."""

    def make(
        name: str,
        findings: Sequence[Finding] = (),
        *,
        interrupted: bool = False,
        suite: str = "conformance",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        started = RunStarted(
            at=0.0,
            run=name,
            wall=1.0,
            version="1",
            seed=1,
            suites=[suite],
            planned=[],
            target="",
        )
        finished = CheckFinished(
            at=1.0,
            suite=suite,
            check="framing",
            took=1.0,
            findings=[*findings],
        )
        ended = RunFinished(at=2.0, interrupted=interrupted)
        records = [started, *([finished] if findings else []), ended]
        journal = b"".join(map(encode_record, records))
        (folder / "journal.ndjson").write_bytes(journal)
        return folder

    return make


def test_the_exit_code_is_that_of_the_run(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was not green is not green when it is reported again."""
    folder = make("r")
    assert main([str(folder)]) == ExitCode.UNKNOWN
    printed = capsys.readouterr().out
    assert printed.startswith("UNKNOWN")
    assert str(folder) in printed
    assert not (folder / "index.json").exists()


def test_a_folder_has_to_be_named() -> None:
    """Without a folder there is nothing to report."""
    with pytest.raises(UsageError, match="DIR"):
        main([])


@pytest.mark.parametrize("options", [[], ["--matrix"]])
def test_a_reader_that_leaves_does_not_change_the_exit_code(
    make: Make, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """The verdict stands, read or not."""
    folder = make("r", [FAILED])

    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)

    assert main([str(folder), *options]) == ExitCode.FAIL


def test_autobahns_index_is_written_beside_the_report(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a file for each case, under the name that was given."""
    folder = make("r", [PASSED, FAILED])

    assert main(["--format", "autobahn", f"mine={folder}"]) == ExitCode.FAIL

    assert "1 failed" in capsys.readouterr().out
    cases = json.loads((folder / "index.json").read_text())["mine"]
    assert cases["1.1.1"]["behavior"] == "OK"
    assert cases["3.2"]["behavior"] == "FAILED"
    for case in cases.values():
        assert (folder / case["reportfile"]).is_file()
    assert (folder / "report.html").is_file()


def test_a_matrix_is_printed_as_markdown(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each folder, called as it was named, or else like the folder."""
    first, second = make("first", [PASSED]), make("second", [FAILED])

    assert main(["--matrix", str(first), f"two={second}"]) == ExitCode.FAIL

    printed = capsys.readouterr().out
    assert "| first | PASS | 1 | 1 |" in printed
    assert "| two | **FAIL** | **1 failed** | **1 failed** |" in printed
    assert not (first / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "beginning"), [("m.md", "# Conf"), ("m.html", "<!doctype html>")]
)
def test_a_matrix_is_written_as_its_name_ends(
    make: Make,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    beginning: str,
) -> None:
    """And then nothing is printed."""
    page = tmp_path / file

    code = main(["--matrix", str(make("r", [PASSED])), "--output", str(page)])

    assert code == ExitCode.PASS
    assert page.read_text().startswith(beginning)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ([("p", [PASSED])], ExitCode.PASS),
        ([("p", [PASSED]), ("u", [])], ExitCode.UNKNOWN),
        ([("u", []), ("f", [FAILED]), ("p", [PASSED])], ExitCode.FAIL),
    ],
)
def test_a_matrix_ends_like_the_worst_of_its_runs(
    make: Make, others: list[tuple[str, list[Finding]]], code: ExitCode
) -> None:
    """One FAIL is not hidden by many that passed."""
    folders = [str(make(name, findings)) for name, findings in others]
    assert main(["--matrix", *folders]) == code


def test_a_run_that_was_interrupted_is_worse_than_any(make: Make) -> None:
    """Nobody knows what would have come."""
    folders = [make("i", [PASSED], interrupted=True), make("f", [FAILED])]
    assert main(["--matrix", *map(str, folders)]) == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["a", "b"], "add --matrix"),
        (["a", "--output", "x.md"], "add --matrix"),
        (["a", "--matrix", "--output", "x.txt"], r"ends with \.md or \.html"),
        (["a", "--matrix", "--format", "autobahn"], "leave out --matrix"),
        (["a", "--format", "h2spec"], "invalid choice"),
        (["gone"], "No such file"),
        (["name=gone"], r"gone/journal\.ndjson: No such file"),
        (["--matrix", "gone"], "No such file"),
    ],
)
def test_words_that_do_not_fit_are_refused(arguments: list[str], problem: str) -> None:
    """Before anything is read or written."""
    with pytest.raises(UsageError, match=problem):
        main(arguments)


def test_a_folder_may_have_an_equals_sign(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there is taken for what it is."""
    folder = make("a=b", [PASSED])
    assert main(["--matrix", str(folder)]) == ExitCode.PASS
    assert "| a=b | PASS |" in capsys.readouterr().out


def test_a_page_that_cannot_be_written_is_a_usage_error(
    make: Make, tmp_path: Path
) -> None:
    """The error names the file."""
    page = tmp_path / "page.md"
    page.mkdir()
    with pytest.raises(UsageError, match=r"page\.md: Is a directory"):
        main(["--matrix", str(make("r", [PASSED])), "--output", str(page)])


def test_a_run_without_cases_has_no_place_in_a_matrix(make: Make) -> None:
    """A page without its row would look as if it had passed."""
    folders = [make("a", [PASSED]), make("b", [PASSED], suite="core")]
    with pytest.raises(UsageError, match="b: there are no conformance cases in it"):
        main(["--matrix", *map(str, folders)])
