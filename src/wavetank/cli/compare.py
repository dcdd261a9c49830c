"""``wavetank compare A B``: tells whether the loads of B are slower than those of A.

It refuses to run anything.
"""

import contextlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from wavetank.cli.parser import Parser
from wavetank.cli.progress import coloured
from wavetank.cli.results import read_journal_of
from wavetank.errors import ExitCode, UsageError
from wavetank.evidence import Verdict
from wavetank.load.units import Unit
from wavetank.report import Side, compare, comparison_text
from wavetank.report.escaping import visible

__all__ = ["main"]

_DESCRIPTION = """\
Tells whether the loads of one run are slower than those of another, of the same plan
on the same machine, and how sure that is: p50, p99 and the rate with a confidence
interval over the seconds of the runs, read from their journals."""
_EPILOG = """\
  wavetank compare results/load_20261121_093000 results/load_20261121_101500
  wavetank compare --bound 10% results/before results/after

exit codes: 0 B is not slower by more than the bound, 1 it is, 3 that cannot be told
"""
_MOST = 10.0
_CODES: Mapping[Verdict, ExitCode] = {
    Verdict.PASS: ExitCode.PASS,
    Verdict.FAIL: ExitCode.FAIL,
    Verdict.UNKNOWN: ExitCode.UNKNOWN,
}


def main(argv: Sequence[str]) -> int:
    """Compare two results folders; return 0, 1 or 3 as the help says.

    Args:
        argv: What stands behind ``wavetank compare``.

    Raises:
        UsageError: If there is no journal to read, or an option is wrong.
    """
    typed = _parser().parse(argv)
    problems: list[str] = []
    bound = _bound(typed.bound, problems)
    sides = [
        side
        for name, folder in (("A", typed.first), ("B", typed.second))
        if (side := _side(name, folder, problems)) is not None
    ]
    if problems:
        raise UsageError(problems)
    comparison = compare(*sides, rng=random.Random(typed.seed), bound=bound)
    with contextlib.suppress(BrokenPipeError):  # the verdict stands, read or not
        console = Console(highlight=False)
        for side, folder in zip(sides, (typed.first, typed.second), strict=True):
            given = side.summary.target.given
            line = f"{side.name:<7}  {visible(str(folder))}: {visible(given)}"
            console.print(coloured(line), soft_wrap=True)
        console.print()
        console.print(coloured(comparison_text(comparison)), soft_wrap=True)
    return _CODES[comparison.verdict]


def _parser() -> Parser:
    parser = Parser("compare", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument(
        "first", metavar="A", type=Path, help="results folder to compare with"
    )
    parser.add_argument(
        "second", metavar="B", type=Path, help="results folder that may be slower"
    )
    parser.add_argument(
        "--bound",
        metavar="SHARE",
        default="5%",
        help="how much slower does not matter (default: 5%%)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="of the dice that draw the seconds again (default: 0)",
    )
    return parser


def _bound(typed: str, problems: list[str]) -> float:
    try:
        bound = Unit.SHARE.read(typed)
    except ValueError as error:
        problems.append(f"--bound {typed}: {error}")
        return 0.0
    if bound > _MOST:
        problems.append(f"--bound {typed}: at most 1000%")
    return bound


def _side(name: str, folder: Path, problems: list[str]) -> Side | None:
    try:
        journal = read_journal_of(folder)
    except UsageError as error:
        problems += error.problems
        return None
    return Side.of(name, journal.records, cut=journal.cut, problems=journal.problems)
