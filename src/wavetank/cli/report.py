"""``wavetank report DIR``: makes the reports again, from the journal alone.

It refuses to run anything.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from wavetank.cli.parser import Parser
from wavetank.cli.results import write_results
from wavetank.evidence import exit_code
from wavetank.report import last_block

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Write the reports of a results folder; return the run's exit code.

    Args:
        argv: What stands behind ``wavetank report``.

    Raises:
        UsageError: If there is no journal to read.
    """
    parser = Parser("report", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", metavar="DIR", type=Path, help="a results folder")
    folder: Path = parser.parse(argv).folder
    summary = write_results(folder)
    with contextlib.suppress(BrokenPipeError):  # the verdict stands, read or not
        print(last_block(summary, folder=str(folder)))
    return exit_code(summary)
