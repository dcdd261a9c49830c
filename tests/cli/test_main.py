"""``wavetank COMMAND``: errors become exit codes and one clear message."""

import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from wavetank import __version__
from wavetank.cli import main as cli
from wavetank.errors import ExitCode, TargetError, UsageError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Make ``wavetank run`` do something else."""

    def make(action) -> None:
        module = SimpleNamespace(main=action)
        monkeypatch.setattr(cli.importlib, "import_module", lambda _: module)

    return make


def raising(error: BaseException):
    """Return a command that raises."""

    def main(_: list[str]) -> int:
        raise error

    return main


def test_a_command_gets_its_arguments_and_gives_its_exit_code(command) -> None:
    """The dispatcher adds nothing and takes nothing away."""
    got: list[list[str]] = []
    command(lambda arguments: got.append(arguments) or ExitCode.FAIL)

    assert cli.main(["run", "basics", "-k", "x"]) == ExitCode.FAIL
    assert got == [["basics", "-k", "x"]]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError(["one", "two"]), ExitCode.USAGE, "wavetank run: two"),
        (TargetError("it is down"), ExitCode.NOT_READY, "wavetank run: it is down"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
        (OSError(errno.ENOSPC, "No space left"), ExitCode.UNKNOWN, "make room"),
        (OSError(errno.EIO, "broken"), ExitCode.UNKNOWN, "a mistake of Wavetank"),
        (RuntimeError("oops"), ExitCode.UNKNOWN, "a mistake of Wavetank"),
    ],
)
def test_an_error_becomes_its_exit_code_and_words(
    command, capsys: pytest.CaptureFixture[str], error, code: int, words: str
) -> None:
    """A mistake of ours is never the target's FAIL."""
    command(raising(error))

    assert cli.main(["run"]) == code
    assert words in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error(command) -> None:
    """``wavetank … | head`` ends quietly."""
    command(raising(BrokenPipeError()))

    assert cli.main(["run"]) == ExitCode.PASS


def test_an_unknown_command_proposes_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A slip of the finger is mended, not explained."""
    assert cli.main(["rnu"]) == ExitCode.USAGE
    assert "did you mean run?" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["--help", "-h", "help", None])
def test_the_help_names_every_command_and_exit_code(
    capsys: pytest.CaptureFixture[str], word: str | None
) -> None:
    """Called with nothing, it says what there is."""
    assert cli.main([word] if word else []) == ExitCode.PASS
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in cli.COMMANDS)
    assert all(f"{int(code):>3}  " in printed for code in ExitCode)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_that_the_help_names_has_a_help(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """No command is named that is not there."""
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])

    assert ended.value.code == 0
    assert f"wavetank {name}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` is what a report names, too."""
    assert cli.main(["--version"]) == ExitCode.PASS
    assert capsys.readouterr().out == f"wavetank {__version__}\n"


def test_the_package_runs_as_a_module() -> None:
    """``python -m wavetank`` is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "wavetank", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, f"wavetank {__version__}\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_nobody_reads_is_no_error(unbuffered: str) -> None:
    """Whether it shows at once or at the very end, there is nothing to complain of."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "wavetank", "--help"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")
