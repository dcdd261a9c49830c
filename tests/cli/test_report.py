"""``wavetank report``: the last block again, and the run's exit code."""

from pathlib import Path

import pytest

from wavetank.cli.report import main
from wavetank.errors import ExitCode, UsageError
from wavetank.evidence import RunFinished, RunStarted, encode_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The results folder of a run in which nothing was checked."""
    started = RunStarted(
        at=0.0,
        run="r",
        wall=1.0,
        version="1",
        seed=1,
        suites=[],
        planned=[],
        target="t",
    )
    journal = encode_record(started) + encode_record(RunFinished(at=2.0))
    (tmp_path / "journal.ndjson").write_bytes(journal)
    return tmp_path


def test_the_exit_code_is_that_of_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was not green is not green when it is reported again."""
    assert main([str(folder)]) == ExitCode.UNKNOWN
    printed = capsys.readouterr().out
    assert printed.startswith("UNKNOWN")
    assert str(folder) in printed


def test_a_folder_has_to_be_named() -> None:
    """Without a folder there is nothing to report."""
    with pytest.raises(UsageError, match="DIR"):
        main([])


def test_a_reader_that_leaves_does_not_change_the_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict stands, read or not."""

    def gone(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)

    assert main([str(folder)]) == ExitCode.UNKNOWN
