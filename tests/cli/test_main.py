"""``wavetank COMMAND``: errors become exit codes and one clear message."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
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


def test_what_a_process_imports_is_never_looked_at_for_garbage(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules stay; who calls it inside of another program keeps its collector."""
    calls: list[str] = []
    for name in ("disable", "freeze", "enable"):
        monkeypatch.setattr(cli.gc, name, lambda name=name: calls.append(name))
    monkeypatch.setattr(sys, "argv", ["wavetank", "run", "basics"])
    command(lambda arguments: calls.append(arguments[0]) or ExitCode.PASS)

    assert cli.main(["run", "core"]) == ExitCode.PASS
    assert cli.main() == ExitCode.PASS
    assert calls == ["core", "disable", "freeze", "enable", "basics"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError(["one", "two"]), ExitCode.USAGE, "wavetank run: two"),
        (TargetError("it is down"), ExitCode.NOT_READY, "wavetank run: it is down"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run", "wavetank run: full; make room, and `wavetank report FOLDER` tells"),
        ("conform", "; or choose another folder (--output)\n"),
        ("report", "wavetank report: full; make room for the reports\n"),
        ("sub", "the output cannot be written: full; make room, or send it elsewhere"),
        ("pub", "the output cannot be written: full; make room, or send it elsewhere"),
    ],
)
def test_a_full_disk_is_told_with_what_can_be_done(
    command, capsys: pytest.CaptureFixture[str], number: int, name: str, words: str
) -> None:
    """One sentence, of options that the command has."""
    command(raising(OSError(number, "full")))

    assert cli.main([name]) == ExitCode.UNKNOWN
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [("run", ExitCode.PASS), ("sub", ExitCode.PASS), ("pub", ExitCode.FAIL)],
)
def test_a_reader_that_leaves_is_no_error_of_what_only_shows(
    command, capsys: pytest.CaptureFixture[str], name: str, code: int
) -> None:
    """``wavetank … | head`` ends quietly; but to publish is more than to show."""
    command(raising(BrokenPipeError()))

    assert cli.main([name]) == code
    assert capsys.readouterr() == ("", "")


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


# Standard streams that are full, or are not there.


@pytest.fixture
def run_in_shell(tmp_path: Path):
    """Give a function that runs a line of shell, which has a command ``wavetank``."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("WAVETANK")}

    define = 'wavetank() { "$0" -m wavetank "$@"; };'

    def run(line: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["/bin/sh", "-c", f"{define} {line}", sys.executable],
            env=ours,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    return run


def full_device(line: str) -> str:
    """Let a line of shell write to a disk that is full."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is full")
    return line.format("/dev/full")


def bounded_file(line: str) -> str:
    """Let it write to a file that must not grow."""
    return "ulimit -f 0; " + line.format("file")


NOWHERE = "ws://127.0.0.1:1/ws t --timeout 1ms"
"""Words for a hub that is not there, which is not waited for."""


@pytest.mark.parametrize("full", [full_device, bounded_file])
def test_output_that_cannot_be_written_is_told(run_in_shell, full) -> None:
    """Also where it shows at the very end only, and by no traceback."""
    done = run_in_shell(full("wavetank --version >{}"))

    assert done.returncode == ExitCode.UNKNOWN
    assert b"the output cannot be written: " in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"sub {NOWHERE}", ExitCode.PASS),
        (f"sub {NOWHERE} --count 1", ExitCode.FAIL),
        ("pub ws://127.0.0.1:1/ws t 1 --no-enable", ExitCode.PASS),
        ("pub ws://127.0.0.1:1/ws t oops", ExitCode.USAGE),
        ("nothing", ExitCode.USAGE),
    ],
)
@pytest.mark.parametrize("full", [full_device, bounded_file])
def test_exit_code_stays_where_nothing_can_be_told(
    run_in_shell, line: str, code: int, full
) -> None:
    """Words on a full stderr are no result."""
    done = run_in_shell(full(f"wavetank {line} 2>{{}}"))

    assert done.returncode == code


def test_a_mistake_of_ours_keeps_its_code_where_it_cannot_be_told(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback goes nowhere, either."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(sys, "stderr", Full())
    command(raising(RuntimeError("oops")))

    assert cli.main(["run"]) == ExitCode.UNKNOWN


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_is_left_at_the_end_goes_nowhere(
    command, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    """The code is what the command has said, and nothing tries again."""
    reading, writing = os.pipe()
    os.close(reading)

    def main(_: list[str]) -> int:
        getattr(sys, stream).write("unread")
        return ExitCode.FAIL

    with open(writing, "w") as unread:
        monkeypatch.setattr(sys, stream, unread)
        command(main)
        assert cli.main(["run"]) == ExitCode.FAIL
        assert os.path.samestat(os.fstat(writing), os.stat(os.devnull))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--version", ExitCode.PASS),
        (f"sub {NOWHERE}", ExitCode.PASS),
        (f"pub {NOWHERE} --json", ExitCode.PASS),
        (f"pub {NOWHERE} --json 1", ExitCode.FAIL),
    ],
)
def test_streams_that_are_closed_are_no_error(
    run_in_shell, line: str, code: int, closed: str
) -> None:
    """No traceback, and no socket that takes their place."""
    done = run_in_shell(f"wavetank {line} {closed}")

    assert done.returncode == code
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("closed", "left"), [("<&- >&-", "stderr"), ("<&- 2>&-", "stdout")]
)
def test_the_hub_runs_where_streams_are_closed(closed: str, left: str) -> None:
    """From its first line, on the stream that is left, to its end."""
    command = [sys.executable, "-m", "wavetank", "hub", "--port", "0"]
    with subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as hub:
        heard = getattr(hub, left)
        assert b"ws://127.0.0.1:" in heard.readline()
        hub.terminate()
        rest = heard.read()

    assert hub.returncode == 0
    assert b"Assertion" not in rest


def test_streams_that_are_missing_are_opened(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As objects of Python, and as descriptors that children have, too."""
    done: list[tuple[object, ...]] = []
    known = os.fstat

    def fstat(number: int) -> os.stat_result:
        if number == 1:
            raise OSError(errno.EBADF, "closed")
        return known(number)

    monkeypatch.setattr(cli.os, "fstat", fstat)
    monkeypatch.setattr(cli.os, "dup2", lambda *pair: done.append(pair))
    monkeypatch.setattr(cli.os, "set_inheritable", lambda *pair: done.append(pair))
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, None)
    command(lambda _: print("unheard") or ExitCode.FAIL)

    assert cli.main(["run"]) == ExitCode.FAIL
    assert [pair[1] for pair in done] == [1, True]
    for stream in (sys.stdin, sys.stdout):
        assert stream.name == os.devnull
        stream.close()
