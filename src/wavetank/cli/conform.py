"""``wavetank conform``: RFC 6455 and RFC 7692 case by case, on one server.

It refuses to know the cases: it is ``wavetank run conformance`` with fewer words.
"""

from collections.abc import Sequence

from wavetank.cli.parser import Parser
from wavetank.cli.run import prove
from wavetank.errors import UsageError, nearest
from wavetank.lab.catalogue import catalogue
from wavetank.lab.options import OPTIONS

__all__ = ["main"]

_SUITE = "conformance"
_DESCRIPTION = """\
Tests a WebSocket server against RFC 6455 and RFC 7692, case by case. Cases that
Autobahn has, too, have its numbers. A case that needs what the server has not, such
as an echo, is SKIP and never PASS."""


def main(argv: Sequence[str]) -> int:
    """Play the cases on a server; return the exit code.

    Args:
        argv: What stands behind ``wavetank conform``.

    Raises:
        UsageError: With every mistake in its words, or else in the options, before
            anything is started.
    """
    groups = catalogue()[_SUITE]
    parser = Parser(
        "conform", description=_DESCRIPTION, options=OPTIONS, epilog=_epilog()
    )
    parser.add_argument(
        "words",
        metavar="[URL] GROUP",
        nargs="*",
        help="the server (or --serve CMD), and groups of cases; all where none is "
        "named",
    )
    typed = parser.parse(argv)
    flags, words = parser.flags(typed), list(typed.words)
    problems: list[str] = []
    if words and "://" in words[0]:
        if flags["target"] is not None:
            problems.append("the URL and --target: give one of the two")
        flags = {**flags, "target": words.pop(0)}
    problems += [
        f"there is no group of cases {word!r}{nearest(word, groups)}"
        for word in words
        if word not in groups
    ]
    if problems:
        raise UsageError(problems)
    names = [f"{_SUITE}.{word}" for word in words] or [_SUITE]
    return prove(flags, names=names)


def _epilog() -> str:
    groups = catalogue()[_SUITE].values()
    width = max(len(group.name) for group in groups)
    rows = "\n".join(f"  {group.name:<{width}}  {group.title}" for group in groups)
    return f"""\
groups:
{rows}

  wavetank conform ws://127.0.0.1:9000/            every case
  wavetank conform ws://127.0.0.1:9000/ unicode    one group
"""
