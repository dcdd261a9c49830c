"""The whole exception tree and the exit codes, on one screen.

It knows nothing else of the package, so that every room may use it.

A misbehaving target is evidence, not an exception: it ends in a finding.

    WavetankError
     +-- UsageError      the user's input: all problems at once      exit 2
     +-- TargetError     the target cannot even be started           exit 4
     +-- LocalError      we were asked to do what is not allowed
     +-- RemoteError     the other side broke the rules or went away
"""

import difflib
import enum
from collections.abc import Iterable, Sequence

__all__ = [
    "ExitCode",
    "LocalError",
    "RemoteError",
    "TargetError",
    "UsageError",
    "WavetankError",
    "nearest",
]


class ExitCode(enum.IntEnum):
    """What the process says when it ends; public API.

    UNKNOWN wins over a missing answer, FAIL over UNKNOWN.
    """

    PASS = 0
    """Every check passed."""
    FAIL = 1
    """A check failed, or the target died by itself in the middle."""
    USAGE = 2
    """The command line or a settings file is wrong; nothing was run."""
    UNKNOWN = 3
    """Something could not be judged, or nothing was checked."""
    NOT_READY = 4
    """The target never became ready."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the report says what was done so far."""


class WavetankError(Exception):
    """Root of everything that this package raises on purpose."""


class UsageError(WavetankError):
    """What the user gave is wrong; carries every problem, not the first one.

    Args:
        problems: One sentence each: what, where, what to do.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class TargetError(WavetankError):
    """The target could not be started or never became ready.

    Args:
        message: One sentence that says what happened.
        output: The last lines that the target printed, oldest first.
    """

    def __init__(self, message: str, *, output: Sequence[str] = ()) -> None:
        self.output = tuple(output)
        super().__init__(message)


class LocalError(WavetankError):
    """Our side asked for something that the protocol or state forbids."""


class RemoteError(WavetankError):
    """The other side broke the protocol, refused, or went away."""


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the closest candidate, or ``""``."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
