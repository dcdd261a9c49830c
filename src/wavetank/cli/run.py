"""``wavetank run``: proves a server and reports.

It refuses to know what a check is: pytest runs the suites, the journal keeps
what came of it, and the report is made of that.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import anyio.pytest_plugin
import pytest
from rich.console import Console

import wavetank.pytest_plugin
from wavetank.cli.disk import is_full
from wavetank.cli.parser import Parser
from wavetank.cli.progress import Progress, Screen, coloured
from wavetank.cli.results import write_autobahn, write_results
from wavetank.cli.variables import variables_of_others
from wavetank.errors import ExitCode
from wavetank.evidence import Summary, exit_code
from wavetank.lab.catalogue import catalogue
from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Source
from wavetank.lab.prepare import open_run, prepare
from wavetank.lab.proving import Proving
from wavetank.lab.run import Run
from wavetank.report import last_block

__all__ = ["conclude", "main", "prove"]

_SUITES = Path(__file__).parent.parent / "lab" / "suites"
_EPILOG = """\
Without --serve and --target the embedded hub is the target, on free ports.

  wavetank run                                        every suite, half a minute
  wavetank run basics -k reconnection                 some checks
  wavetank run --serve 'python app.py --port {port}'  a server that the lab starts
  wavetank run --target wss://staging.example/ws      a server that already runs
"""

# What a user has configured for their own tests must not reach the suites, and
# pytest's own terminal, cache and warnings are not for a user of this command. What
# else is left out takes time to be imported, or to collect garbage at the end.
_WITHOUT = (
    *("cacheprovider", "terminal", "warnings"),
    *("debugging", "doctest", "junitxml", "legacypath", "pastebin", "setuponly"),
    *("setupplan", "stepwise", "subtests", "unittest"),
    *("threadexception", "unraisableexception"),
)
_ISOLATED = (
    *(word for name in _WITHOUT for word in ("-p", f"no:{name}")),
    "--capture=no",
    "--import-mode=importlib",
)
_PYTEST_VARIABLES = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


def main(argv: Sequence[str]) -> int:
    """Run the suites that were asked for; return the exit code.

    Args:
        argv: What stands behind ``wavetank run``.

    Raises:
        UsageError: With every mistake at once, before anything is started.
    """
    parser = _parser()
    typed = parser.parse(argv)
    if typed.list:
        print(_list())
        return ExitCode.PASS
    return prove(
        parser.flags(typed),
        names=typed.suites,
        test_files=typed.test_file,
        keyword=typed.keyword,
    )


def prove(
    flags: Mapping[str, object],
    *,
    names: Sequence[str],
    test_files: Sequence[str] = (),
    keyword: str = "",
    is_autobahn: bool = False,
) -> int:
    """Run suites and checks, report, and return the exit code.

    Args:
        flags: Options as they were typed, by name.
        names: Suites, and checks as ``suite.check``; empty is all of them.
        test_files: Files of the catalogue that stand for some.
        keyword: Of checks, as pytest's ``-k`` has it.
        is_autobahn: Whether index.json is written, too, as Autobahn has it.

    Raises:
        UsageError: With every mistake at once, before anything is started.
    """
    plan, settings = prepare(
        flags,
        names=names,
        test_files=test_files,
        elsewhere=variables_of_others(),
        keyword=keyword,
    )
    console = Screen(highlight=False)
    with Progress(console) as progress:
        run = open_run(plan, output=Path(settings["output"]), watch=progress.saw)
        try:
            ended = _fill(run, keyword=keyword)
        except KeyboardInterrupt:  # the second Ctrl-C, while the first one ended it
            ended = pytest.ExitCode.INTERRUPTED
        finally:
            run.finish(interrupted=True)
    if ended == pytest.ExitCode.USAGE_ERROR:  # it has said why
        shutil.rmtree(run.folder)
        return ExitCode.USAGE
    return conclude(run, console, keyword=keyword, is_autobahn=is_autobahn)


def conclude(
    run: Run, console: Console, *, keyword: str = "", is_autobahn: bool = False
) -> int:
    """Write the reports of a run that is over, say how it ended, return the exit code.

    Args:
        run: The run.
        console: Where to.
        keyword: That chose its checks.
        is_autobahn: Whether index.json is written, too, as Autobahn has it.

    Raises:
        UsageError: If there is no place to write.
    """
    summary = write_results(run.folder)
    if is_autobahn:
        write_autobahn(run.folder, summary)
    with contextlib.suppress(BrokenPipeError):  # the verdict stands, read or not
        if run.not_ready is not None and run.plan.source is not Source.URL:
            _show_output(run.not_ready.output)
        console.print()
        block = last_block(summary, folder=str(run.folder))
        console.print(coloured(block), soft_wrap=True)
        _explain_nothing(summary, keyword)
    return exit_code(summary)


def _parser() -> Parser:
    parser = Parser(
        "run",
        description="Proves a WebSocket server and reports.",
        options=OPTIONS,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "suites",
        metavar="SUITE",
        nargs="*",
        help="suites, or single checks as SUITE.CHECK; all where none is named",
    )
    parser.add_argument(
        "-k",
        dest="keyword",
        metavar="EXPRESSION",
        default="",
        help="run the checks whose names match, as pytest -k does",
    )
    parser.add_argument(
        "--test-file",
        metavar="FILE",
        action="append",
        default=[],
        help="run the suite or check that this file of the catalogue stands for",
    )
    parser.add_argument(
        "--list", action="store_true", help="list suites and checks, and run nothing"
    )
    return parser


def _fill(run: Run, *, keyword: str) -> int:
    """Let pytest run the suites, shielded from the user's own configuration."""
    arguments = [*_ISOLATED, "-c", os.devnull, f"--rootdir={_SUITES}"]
    arguments.append(f"--confcutdir={_SUITES}")
    if keyword:
        arguments += ["-k", keyword]
    files = [str(_SUITES / f"test_{suite}.py") for suite in run.plan.suites]
    # As modules: for a name pytest would look through all packages that are installed.
    plugins = [anyio.pytest_plugin, wavetank.pytest_plugin, Proving(run), _FullDisk()]
    with _shielded_environment():
        return pytest.main([*arguments, *files], plugins=plugins)


class _FullDisk:
    """Keeps pytest's own lines about a full disk from the user.

    The end of the run meets it again, and the command says it in one sentence.
    """

    def pytest_internalerror(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> bool:
        """Tell whether there is nothing more to say."""
        return is_full(excinfo.value)


@contextlib.contextmanager
def _shielded_environment() -> Iterator[None]:
    """Leave out what the environment says to pytest; restore it afterwards."""
    before = dict(os.environ)
    for name in _PYTEST_VARIABLES:
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _list() -> str:
    """Return the catalogue as a table."""
    rows = [("suite.check", "remote", "needs", "what it proves")]
    for suite, checks in catalogue().items():
        for check in checks.values():
            needs = ", ".join(sorted(check.needs)) or "-"
            polite = "yes" if check.polite else "no"
            rows.append((f"{suite}.{check.name}", polite, needs, check.title))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(f"{row[i]:<{widths[i]}}" for i in range(3)), row[3]])
        for row in rows
    ]
    lines.append(
        "\nremote: whether it is polite enough for a --target elsewhere without "
        "--i-own-this-target"
    )
    return "\n".join(lines)


def _show_output(lines: Sequence[str]) -> None:
    """Show what the target printed before it was given up."""
    if not lines:
        print("the target printed nothing", file=sys.stderr)
        return
    print("the last that the target printed:", file=sys.stderr)
    for line in lines[-20:]:
        print(f"  {line.encode('unicode_escape').decode()}", file=sys.stderr)


def _explain_nothing(summary: Summary, keyword: str) -> None:
    if not summary.suites and not summary.not_run and keyword:
        print(
            f"-k {keyword}: no check of these suites matches; `wavetank run --list` "
            "shows them",
            file=sys.stderr,
        )
