"""The exception tree and the exit codes."""

import pytest

from wavetank import errors
from wavetank.errors import ExitCode, TargetError, UsageError, WavetankError, nearest


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (ExitCode.PASS, 0),
        (ExitCode.FAIL, 1),
        (ExitCode.USAGE, 2),
        (ExitCode.UNKNOWN, 3),
        (ExitCode.NOT_READY, 4),
        (ExitCode.INTERRUPTED, 130),
    ],
)
def test_exit_code_keeps_its_number(code: ExitCode, number: int) -> None:
    """Each exit code has the number that the documentation promises."""
    assert code == number
    assert len(ExitCode) == 6


def test_usage_error_takes_one_problem_as_a_sentence() -> None:
    """A single sentence becomes a tuple of one."""
    error = UsageError("no suite is called cor")
    assert error.problems == ("no suite is called cor",)
    assert str(error) == "no suite is called cor"


def test_usage_error_shows_every_problem_on_its_own_line() -> None:
    """All problems are carried and shown, not the first one."""
    error = UsageError(["first", "second"])
    assert error.problems == ("first", "second")
    assert str(error) == "first\nsecond"


def test_target_error_carries_the_last_output() -> None:
    """The last lines of the target travel with the error, oldest first."""
    assert TargetError("it died").output == ()
    error = TargetError("it died", output=["starting", "Traceback"])
    assert str(error) == "it died"
    assert error.output == ("starting", "Traceback")


@pytest.mark.parametrize(
    "name", [name for name in errors.__all__ if name.endswith("Error")]
)
def test_every_exception_is_a_wavetank_error(name: str) -> None:
    """One except clause catches everything that is raised on purpose."""
    assert issubclass(getattr(errors, name), WavetankError)


@pytest.mark.parametrize(
    ("word", "candidates", "proposal"),
    [
        ("max-cleints", ["max-clients", "seed"], "; did you mean max-clients?"),
        ("zzz", ["max-clients", "seed"], ""),
        ("seed", [], ""),
    ],
)
def test_nearest_proposes_the_closest_word_or_nothing(
    word: str, candidates: list[str], proposal: str
) -> None:
    """A word that is close to a known one gets a proposal, another one gets none."""
    assert nearest(word, candidates) == proposal
