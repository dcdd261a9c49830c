"""``wavetank report DIR``: makes the reports again, from the journal alone.

It refuses to run anything.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wavetank.cli.parser import Parser
from wavetank.cli.results import read_summary, write_autobahn, write_results
from wavetank.errors import ExitCode, UsageError
from wavetank.evidence import exit_code
from wavetank.report import Entry, last_block, matrix_html, matrix_markdown

__all__ = ["main"]

_DESCRIPTION = """\
Makes the reports of a results folder again, from its journal alone; or one page of
several folders, which shows who came to what in each group of conformance cases."""
_EPILOG = """\
  wavetank report results/core_20261121_093000
  wavetank report --format autobahn results/conformance_20261121_093000
  wavetank report --matrix aiohttp=results/a tornado=results/b --output matrix.html

A matrix ends with the exit code of the run that went worst.
"""
_PAGES: Mapping[str, Callable[[Sequence[Entry]], str]] = {
    ".md": matrix_markdown,
    ".html": matrix_html,
}
_WORST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.NOT_READY,
    ExitCode.FAIL,
    ExitCode.UNKNOWN,
    ExitCode.PASS,
)


class _Named(NamedTuple):
    """A results folder, and the name that the user gave it, or ""."""

    name: str
    folder: Path

    def entry(self) -> Entry:
        """Return its row of a matrix."""
        summary = read_summary(self.folder)
        target = summary.target
        return Entry(
            name=self.name or target.given or self.folder.name, summary=summary
        )


def main(argv: Sequence[str]) -> int:
    """Write the reports of a results folder; return the run's exit code.

    Args:
        argv: What stands behind ``wavetank report``.

    Raises:
        UsageError: If there is no journal to read, or no place to write.
    """
    typed = _parser().parse(argv)
    problems = list(_problems(typed))
    if problems:
        raise UsageError(problems)
    named = [_named(word) for word in typed.folders]
    if typed.matrix:
        return _report_matrix(named, typed.output)
    return _report(named[0], is_autobahn=typed.format == "autobahn")


def _problems(typed: argparse.Namespace) -> Iterator[str]:
    if typed.matrix:
        if typed.format:
            yield f"--format {typed.format} is of one folder: leave out --matrix"
        if typed.output and typed.output.suffix not in _PAGES:
            kinds = " or ".join(_PAGES)
            yield f"--output {typed.output}: a page ends with {kinds}"
        return
    if len(typed.folders) > 1:
        yield "several folders make one page: add --matrix"
    if typed.output:
        yield "--output is where --matrix writes its page: add --matrix"


def _parser() -> Parser:
    parser = Parser("report", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument(
        "folders",
        metavar="[NAME=]DIR",
        nargs="+",
        help="a results folder, and how its target is called",
    )
    parser.add_argument(
        "--matrix",
        action="store_true",
        help="one page of all folders: who came to what",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="write the matrix there: .md or .html; else it is printed as Markdown",
    )
    parser.add_argument(
        "--format",
        choices=("autobahn",),
        help="write index.json, too, with the field names of Autobahn's test suite",
    )
    return parser


def _named(word: str) -> _Named:
    """Tell a name from its folder; a folder may have an equals sign, too."""
    name, _, folder = word.partition("=")
    if not folder or Path(word).exists():
        return _Named("", Path(word))
    return _Named(name, Path(folder))


def _report(named: _Named, *, is_autobahn: bool) -> int:
    summary = write_results(named.folder)
    if is_autobahn:
        write_autobahn(named.folder, summary, agent=named.name)
    with contextlib.suppress(BrokenPipeError):  # the verdict stands, read or not
        print(last_block(summary, folder=str(named.folder)))
    return exit_code(summary)


def _report_matrix(named: Sequence[_Named], output: Path | None) -> int:
    entries = [each.entry() for each in named]
    problems = [
        f"{each.folder}: there are no conformance cases in it"
        for each, entry in zip(named, entries, strict=True)
        if not entry.has_cases
    ]
    if problems:
        raise UsageError(problems)
    if output is None:
        with contextlib.suppress(BrokenPipeError):
            print(matrix_markdown(entries), end="")
    else:
        try:
            output.write_text(_PAGES[output.suffix](entries), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--output {output}: {error.strerror}") from None
    codes = {exit_code(entry.summary) for entry in entries}
    return next(code for code in _WORST_FIRST if code in codes)
