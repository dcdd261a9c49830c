"""``wavetank conform``: RFC 6455 and RFC 7692 case by case, on a server or a client.

It refuses to know the cases: for a server it is ``wavetank run conformance`` with
fewer words, and for a client `lab.clients` plays them.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from wavetank.cli.parser import Parser
from wavetank.cli.progress import Progress, Screen
from wavetank.cli.run import conclude, prove
from wavetank.cli.variables import variables_of_others
from wavetank.errors import UsageError, nearest
from wavetank.lab.catalogue import catalogue
from wavetank.lab.conformance.aio.clients import SUITE as CLIENTS
from wavetank.lab.conformance.aio.clients import ClientRun
from wavetank.lab.conformance.aio.crew import problem_of
from wavetank.lab.conformance.clients import GROUPS
from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Source
from wavetank.lab.prepare import open_run, prepare

__all__ = ["main"]

_SUITE = "conformance"
_OF_BOTH = ("config", "env-file", "output", "ready-timeout")
"""Options that say something about the test of a client, too."""

_DESCRIPTION = """\
Tests a WebSocket server, or with --client a client, against RFC 6455 and RFC 7692,
case by case. Cases that Autobahn has, too, have its numbers. A case that needs what
the target has not, such as an echo, is SKIP and never PASS."""


def main(argv: Sequence[str]) -> int:
    """Play the cases on a server or a client; return the exit code.

    Args:
        argv: What stands behind ``wavetank conform``.

    Raises:
        UsageError: With every mistake in its words, or else in the options, before
            anything is started.
    """
    parser = _parser()
    typed = parser.parse(argv)
    flags, words = parser.flags(typed), list(typed.words)
    problems: list[str] = []
    if words and "://" in words[0]:
        if flags["target"] is not None:
            problems.append("the URL and --target: give one of the two")
        flags = {**flags, "target": words.pop(0)}
    is_client = typed.client is not None
    problems += _problems_of_client(typed.client, flags) if is_client else []
    groups: Collection[str] = GROUPS if is_client else catalogue()[_SUITE]
    problems += [
        _problem_of_group(word, groups) for word in words if word not in groups
    ]
    if problems:
        raise UsageError(problems)
    is_autobahn = typed.format == "autobahn"
    if is_client:
        return _test_client(
            flags, typed.client, words or list(GROUPS), is_autobahn=is_autobahn
        )
    names = [f"{_SUITE}.{word}" for word in words] or [_SUITE]
    return prove(flags, names=names, is_autobahn=is_autobahn)


def _parser() -> Parser:
    parser = Parser(
        "conform", description=_DESCRIPTION, options=OPTIONS, epilog=_epilog()
    )
    parser.add_argument(
        "words",
        metavar="[URL] GROUP",
        nargs="*",
        help="the server (or --serve CMD, or --client CMD), and groups of cases; all "
        "where none is named",
    )
    parser.add_argument(
        "--client",
        metavar="CMD",
        help="test a client: start this command, {url} filled in; it connects there "
        "and echoes until the connection ends, then ends too, or connects again",
    )
    parser.add_argument(
        "--format",
        choices=("autobahn",),
        help="write index.json, too, with the names of Autobahn's fields",
    )
    return parser


def _problem_of_group(word: str, groups: Collection[str]) -> str:
    """Say that there is no such group, or that it is for servers alone."""
    if word in catalogue()[_SUITE]:
        return f"the group of cases {word!r} is for servers alone"
    return f"there is no group of cases {word!r}{nearest(word, groups)}"


def _problems_of_client(command: str, flags: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the test of a client, as it was asked for."""
    problem = problem_of(command)
    problems = [problem] if problem else []
    for name in ("target", "serve"):
        if flags[name] is not None:
            what = "a URL" if name == "target" else "--serve"
            problems.append(f"--client and {what}: give one of the two")
    return problems + [
        f"--{name}: says nothing about a client; leave it out"
        for name, value in flags.items()
        if value is not None and name not in (*_OF_BOTH, "target", "serve")
    ]


def _test_client(
    flags: Mapping[str, object],
    command: str,
    groups: Sequence[str],
    *,
    is_autobahn: bool,
) -> int:
    """Play groups of cases on a client, report, and return the exit code."""
    asked, settings = prepare(flags, names=[_SUITE], elsewhere=variables_of_others())
    plan = dataclasses.replace(
        asked,
        suites=(CLIENTS,),
        asked=(),
        source=Source.SERVE,
        serve=command,
    )
    console = Screen(highlight=False)
    with Progress(console) as progress:
        run = open_run(plan, output=Path(settings["output"]), watch=progress.saw)
        try:
            ClientRun(run, command, groups).conform()
        except KeyboardInterrupt:  # the second Ctrl-C: no time for more
            pass
        finally:
            run.finish(interrupted=True)
    return conclude(run, console, is_autobahn=is_autobahn)


def _epilog() -> str:
    groups = {group.name: group.title for group in catalogue()[_SUITE].values()}
    width = max(map(len, (*groups, *GROUPS)))

    def rows(named: Mapping[str, str]) -> str:
        return "\n".join(f"  {name:<{width}}  {named[name]}" for name in named)

    return f"""\
groups of cases for a server:
{rows(groups)}

groups of cases for a client:
{rows({name: group.title for name, group in GROUPS.items()})}

  wavetank conform ws://127.0.0.1:9000/            every case
  wavetank conform ws://127.0.0.1:9000/ unicode    one group
  wavetank conform --client 'node client.js {{url}}'
"""
