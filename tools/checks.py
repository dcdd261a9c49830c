"""Runs the steps of `./check` and says at the end what held and what was skipped.

It refuses to know what a step looks for: each is a command with an exit code.
"""

import argparse
import fnmatch
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

__all__ = ["Need", "Outcome", "Skip", "Step", "main", "read_needs", "unexcused"]

NOTHING_RAN = 5
"""Pytest's exit code where no test was selected."""

_GRACE = 30.0
_MINUTES = 15.0

_BIN = Path(sys.executable).parent
_PYTEST = (sys.executable, "-m", "pytest", "-q")
# Twice the processors: the tests that take long wait for servers, and compute little.
_WORKERS = min(2 * (os.cpu_count() or 1), 8)
_PARALLEL = ("-n", str(_WORKERS), "--dist", "worksteal")
_SHORT = ("-m", "not long")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One name of the command line.

    Attributes:
        commands: Run one after the other, all of them, even if one fails.
        by_default: Whether it runs when no step is named.
        may_be_empty: Whether a step without a single test is fine.
    """

    commands: tuple[tuple[str, ...], ...]
    by_default: bool = True
    may_be_empty: bool = False


STEPS: Mapping[str, Step] = {
    "style": Step(
        commands=(
            (sys.executable, "-m", "ruff", "format", "--check", "."),
            (sys.executable, "-m", "ruff", "check", "."),
        ),
    ),
    "types": Step(commands=((sys.executable, "-m", "mypy"),)),
    "layers": Step(
        commands=(
            (str(_BIN / "lint-imports"), "--no-logo"),
            (*_PYTEST, "tests/architecture"),
        ),
    ),
    "tests": Step(
        commands=(
            (
                *(*_PYTEST, *_PARALLEL, *_SHORT),
                "--ignore=tests/architecture",
            ),
        ),
    ),
    # A part of the tests: its pages wait for what they show, and others run meanwhile.
    "docs": Step(
        commands=((*_PYTEST, *_PARALLEL, *_SHORT, "tests/docs"),), by_default=False
    ),
    "long": Step(
        commands=((*_PYTEST, *_PARALLEL, "-m", "long"),),
        by_default=False,
        may_be_empty=True,
    ),
    "coverage": Step(
        commands=((sys.executable, "tools/own_coverage.py"),), by_default=False
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A test that did not run."""

    test: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a machine may lack, and which tests may then be skipped.

    Attributes:
        tests: Pattern of the ids of those tests.
        reason: Pattern of the reason that they give.
        because: Why a machine without it is accepted.
    """

    tests: str
    reason: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step came to; without tests of its own it counts as one."""

    step: str
    problem: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skips: tuple[Skip, ...] = ()


def read_needs(text: str) -> list[Need]:
    """Return what ``tests/machine_needs.toml`` says."""
    return [Need(**row) for row in tomllib.loads(text).get("need", [])]


def unexcused(skips: Sequence[Skip], needs: Sequence[Need]) -> list[Skip]:
    """Return the skips that no machine need excuses."""
    return [
        skip
        for skip in skips
        if not any(
            fnmatch.fnmatchcase(skip.test, need.tests)
            and fnmatch.fnmatchcase(skip.reason, need.reason)
            for need in needs
        )
    ]


def run_step(name: str, step: Step, *, limit: float) -> Outcome:
    """Run a step's commands and read what its tests wrote down.

    Args:
        name: Its name.
        step: What to run.
        limit: Seconds for each command; what takes longer is stopped and failed.
    """
    began = time.monotonic()
    problems, passed, failed = [], 0, 0
    skips: list[Skip] = []
    for command in step.commands:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "outcomes.json")
            problem = _run(command, file, limit)
            told = json.loads(file.read_text()) if file.exists() else {}
        if problem == _status(NOTHING_RAN) and step.may_be_empty:
            problem = ""
            print(f"{name}: there is no such test yet")
        elif not told:
            passed, failed = passed + (not problem), failed + bool(problem)
        problems += [problem] if problem else []
        passed += told.get("passed", 0)
        failed += told.get("failed", 0)
        skips += [Skip(**row) for row in told.get("skipped", [])]
    return Outcome(
        step=name,
        problem=", ".join(problems),
        seconds=time.monotonic() - began,
        passed=passed,
        failed=failed or bool(problems),
        skips=tuple(skips),
    )


def _status(code: int) -> str:
    return f"exit code {code}"


def _run(command: Sequence[str], outcomes: Path, limit: float) -> str:
    """Run one command; return what is wrong with how it ended, or nothing."""
    environ = os.environ | {"CHECK_OUTCOMES": str(outcomes)}
    # Images of containers set it. Tests start some hundred processes, and each would
    # compile the package anew, for half a second.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL) as process:
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            _stop(process)
            return f"stopped after {limit / 60:g} minutes"
        except BaseException:
            _stop(process)
            raise
    return _status(code) if code else ""


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Let it clean up and report as after Ctrl-C, but not for ever."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def report(outcomes: Sequence[Outcome], uncalled: Sequence[Skip], out: TextIO) -> None:
    """Write the last block: steps, skips, and the sum of all tests.

    Args:
        outcomes: What the steps came to.
        uncalled: Skips that count as failures.
        out: Where to.
    """
    print(file=out)
    for outcome in outcomes:
        word = "failed" if outcome.problem else "ok"
        line = f"{outcome.step:<9} {word:<7} {outcome.seconds:6.1f} s"
        print(f"{line}  {outcome.problem}".rstrip(), file=out)
    skips = [skip for outcome in outcomes for skip in outcome.skips]
    for skip in skips:
        mark = (
            "skipped, which no machine need excuses" if skip in uncalled else "skipped"
        )
        print(f"{mark}: {skip.test}: {skip.reason}", file=out)
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes) + len(uncalled)
    excused = len(skips) - len(uncalled)
    print(f"{passed} passed, {failed} failed, {excused} skipped", file=out, flush=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./check", description=__doc__)
    default = ", ".join(name for name, step in STEPS.items() if step.by_default)
    parser.add_argument(
        "steps",
        nargs="*",
        metavar="STEP",
        help=f"{', '.join(STEPS)}; without any: {default}",
    )
    parser.add_argument(
        "--fail-on-skip",
        action="store_true",
        help="fail on a skip that tests/machine_needs.toml does not name",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=_MINUTES,
        help="stop and fail a command that takes longer (%(default)s)",
    )
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.steps if name not in STEPS]
    if unknown:
        parser.error(
            f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}"
        )
    return chosen


def main(
    arguments: Sequence[str],
    *,
    run: Callable[..., Outcome] = run_step,
    out: TextIO = sys.stdout,
) -> int:
    """Run the steps that the command line names; return the exit code."""
    chosen = parse(arguments)
    names = chosen.steps or [name for name, step in STEPS.items() if step.by_default]
    outcomes = []
    code = 0
    try:
        for name in names:
            print(f"== {name}", file=out, flush=True)
            outcomes.append(run(name, STEPS[name], limit=chosen.minutes * 60))
    except KeyboardInterrupt:
        code = 130
    needs = read_needs(Path("tests/machine_needs.toml").read_text(encoding="utf-8"))
    skips = [skip for outcome in outcomes for skip in outcome.skips]
    uncalled = unexcused(skips, needs) if chosen.fail_on_skip else []
    report(outcomes, uncalled, out)
    if uncalled or any(outcome.problem for outcome in outcomes):
        code = code or 1
    return code


if __name__ == "__main__":
    # A shell's background job ignores Ctrl-C, and so would every test's child.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
