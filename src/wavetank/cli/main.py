"""``wavetank COMMAND``: finds the command and turns errors into exit codes.

It refuses to know what a command does; each is imported only when it is called.
"""

import contextlib
import gc
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TextIO

from wavetank import __version__
from wavetank.cli.disk import is_full
from wavetank.errors import (
    ExitCode,
    TargetError,
    UsageError,
    nearest,
)

__all__ = ["COMMANDS", "main"]

_STANDARD_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))

_FOLDER_ADVICE = (
    "make room, and `wavetank report FOLDER` tells what was done until then; or choose "
    "another folder (--output)"
)
_ADVICE = {
    "run": _FOLDER_ADVICE,
    "conform": _FOLDER_ADVICE,
    "load": _FOLDER_ADVICE,
    "latency": _FOLDER_ADVICE,
    "report": "make room for the reports",
}
"""What to do where the disk is full; of the others it is their output."""

COMMANDS: dict[str, str] = {
    "run": "prove a WebSocket server: the embedded hub, --serve CMD or --target URL",
    "conform": "test a WebSocket server or client against RFC 6455 and RFC 7692",
    "load": "put a load on a WebSocket server, and find what it takes",
    "latency": "measure how long a WebSocket server lets its users wait",
    "report": "make the reports of a results folder again, from its journal alone",
    "compare": "tell whether the loads of one run are slower than those of another",
    "hub": "start the hub",
    "sub": "print what is published to topics",
    "pub": "publish, once or each line of standard input",
    "demo": "show a trading cycle: price feed, bot and dashboard on a hub",
    "proxy": "stand before a server and break on purpose what goes by",
    "wreck": "start a server that is broken on purpose",
}
"""Each command with one line of help; its module has the same name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: What stands behind ``wavetank``; the process's own by default.

    Returns:
        The exit code (`wavetank.errors.ExitCode`).
    """
    _open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a target said may be more than the terminal's encoding has.
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        command = arguments.pop(0) if arguments else "--help"
        return _run(command, arguments, is_alone=argv is None)
    finally:
        for stream in (sys.stdout, sys.stderr):
            _give_up(stream)


def _open_missing() -> None:
    """Open what is closed of the standard streams, to nowhere.

    Otherwise the next file or socket gets its number, and its bytes.
    """
    for number, (name, mode) in enumerate(_STANDARD_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the end


def _run(command: str, arguments: list[str], *, is_alone: bool) -> int:
    try:
        try:
            return _module_main(command, arguments, is_alone=is_alone)
        finally:
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output left (`| head`): nothing to say, nobody to say it to.
        # Of `pub` the output is not the work, which was left undone.
        return ExitCode.FAIL if command == "pub" else ExitCode.PASS
    except KeyboardInterrupt:
        _tell(command, "interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - exit code 1 would read as FAIL
        code, sentences = _explained(command, error)
        for sentence in sentences:
            _tell(command, sentence)
        return code


def _explained(command: str, error: Exception) -> tuple[ExitCode, Sequence[str]]:
    """Return what an error ends in, and what to tell the user."""
    if isinstance(error, UsageError):
        return ExitCode.USAGE, error.problems
    if isinstance(error, TargetError):
        return ExitCode.NOT_READY, [str(error)]
    if is_full(error):
        what = "" if command in _ADVICE else "the output cannot be written: "
        advice = _ADVICE.get(command, "make room, or send it elsewhere")
        return ExitCode.UNKNOWN, [f"{what}{error.strerror}; {advice}"]
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    return ExitCode.UNKNOWN, [
        "this is a mistake of Wavetank, not of the target; please report it with the "
        "lines above"
    ]


def _tell(command: str, sentence: str) -> None:
    """Tell the user, if it can be told; the exit code says it, too."""
    with contextlib.suppress(OSError):
        print(f"wavetank {command}: {sentence}", file=sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Write what is left; where that cannot be, to nowhere, without complaint.

    What were left for Python's own end would change the exit code.
    """
    try:
        stream.flush()
    except OSError:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), stream.fileno())


def _module_main(command: str, arguments: list[str], *, is_alone: bool) -> int:
    if command in {"-h", "--help", "help"}:
        print(_help())
        return ExitCode.PASS
    if command in {"-V", "--version", "version"}:
        print(f"wavetank {__version__}")
        return ExitCode.PASS
    if command not in COMMANDS:
        raise UsageError(
            f"there is no such command{nearest(command, COMMANDS)} "
            "`wavetank --help` lists them"
        )
    with _uncollected() if is_alone else contextlib.nullcontext():
        module = importlib.import_module(f"wavetank.cli.{command}")
    return int(module.main(arguments))


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from what is made meanwhile, for good.

    Modules stay until the end. To look them over while they come in, and again with
    each later collection (pytest alone asks for ten), was a third of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "usage: wavetank COMMAND [OPTIONS]\n\n"
        "Proves a WebSocket service before its users do.\n\n"
        f"commands:\n{rows}\n\n"
        "`wavetank COMMAND --help` shows the options of one.\n\n"
        f"exit codes:\n{_exit_codes()}"
    )


def _exit_codes() -> str:
    meanings = {
        ExitCode.PASS: "every check passed",
        ExitCode.FAIL: "a check failed, or the target died by itself",
        ExitCode.USAGE: "the command line or a settings file is wrong",
        ExitCode.UNKNOWN: "something could not be judged, or nothing was checked",
        ExitCode.NOT_READY: "the target never became ready",
        ExitCode.INTERRUPTED: "interrupted",
    }
    return "\n".join(f"  {int(code):>3}  {text}" for code, text in meanings.items())
