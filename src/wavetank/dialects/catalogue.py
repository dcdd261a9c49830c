"""The dialects by their names, and a first guess at which one a target speaks.

It refuses to know how a target is reached: names, tables and texts come in.
"""

from collections.abc import Mapping, Sequence

from wavetank.dialects.base import Bare, Dialect, Welcome
from wavetank.dialects.description import SECTIONS
from wavetank.dialects.echo import Echo
from wavetank.dialects.hub import Hub
from wavetank.dialects.template import Template
from wavetank.errors import UsageError, nearest

__all__ = ["SHIPPED", "named", "recognise"]

SHIPPED: Mapping[str, type[Dialect]] = {"bare": Bare, "echo": Echo, "hub": Hub}
"""The dialects that need no description."""


def named(
    name: str,
    tables: Mapping[str, object] | None = None,
    *,
    file: str = "wavetank.toml",
) -> Dialect:
    """Return the dialect of a name.

    Args:
        name: ``bare``, ``echo``, ``hub``, or one that the user described.
        tables: The ``[dialect]`` table of the user's file: name to description.
        file: Name of that file, for the problems.

    Raises:
        UsageError: If nobody knows the name, or with every mistake of its table.
    """
    tables = tables or {}
    problems = [
        f"{file} [dialect.{word}]: {_wrong(word, table)}"
        for word, table in tables.items()
        if _wrong(word, table)
    ]
    if name not in SHIPPED and name not in tables:
        near = nearest(name, [*SHIPPED, *tables])
        problems.append(f"no dialect is called {name!r}{near}")
    if problems:
        raise UsageError(problems)
    table = tables.get(name)
    if isinstance(table, Mapping):
        return Template.parse(table, f"{file} [dialect.{name}]", name=name)
    return SHIPPED[name]()


def _wrong(name: str, table: object) -> str:
    """Return why this cannot be a described dialect, or ""."""
    if name in SHIPPED:
        return "this name is taken"
    if name in SECTIONS or not isinstance(table, Mapping):
        return "a description needs a name of its own, such as [dialect.mine]"
    return ""


def recognise(
    first_messages: Sequence[str | bytes], subprotocol: str | None
) -> Dialect | None:
    """Guess the dialect from what a target says unasked; None where it says nothing.

    Args:
        first_messages: What came before anything was sent.
        subprotocol: What the target chose in the opening handshake.
    """
    hub = Hub()
    if subprotocol in hub.endpoint.subprotocols:
        return hub
    greetings = (hub.decode(message) for message in first_messages)
    return hub if Welcome() in greetings else None
