"""Attributes of a toxic: their names, kinds, defaults and units, as rows of a table.

They refuse to know which toxic has them.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from wavetank.chaos.toxic import Toxic
from wavetank.errors import nearest
from wavetank.kinds import Kind
from wavetank.wire.header import Opcode

__all__ = [
    "Attribute",
    "ToxicType",
    "number",
    "opcode",
    "read_attributes",
    "unknown_names",
]

_MOST_UNKNOWN: Final = 20
"""Names that are told one by one: links stand still while nearest ones are sought."""


class Attribute(msgspec.Struct, frozen=True):
    """One attribute.

    Attributes:
        name: As in Toxiproxy, where it has it.
        kind: Makes the value of what was typed.
        default: The value where nobody gives one.
        unit: ``ms``, ``us``, ``bytes``, ``KB/s``; "" where it has none.
        help: What it is, in a few words.
        many: Whether it is a list.
    """

    name: str
    kind: Kind
    default: Any
    unit: str
    help: str
    many: bool = False


class ToxicType(msgspec.Struct, frozen=True, kw_only=True):
    """One type of toxics.

    Attributes:
        name: How it is asked for.
        make: Makes one for a link, from its attributes (and ``rng``).
        frames: Whether it is for frames, and not for bytes.
        has_dice: Whether ``make`` takes ``rng``.
        attributes: What may be said about it.
        help: What it does, in one sentence.
    """

    name: str
    make: Callable[..., Toxic]
    frames: bool = False
    has_dice: bool = False
    attributes: tuple[Attribute, ...] = ()
    help: str


def number(minimum: float = 0.0, maximum: float = math.inf) -> Kind:
    """Make a kind for numbers within bounds, both included."""

    def kind(typed: str) -> float:
        try:
            value = float(typed)
        except ValueError:
            raise ValueError(f"{typed!r} is not a number") from None
        if not math.isfinite(value):
            raise ValueError(f"{typed!r} is not a finite number")
        if value < minimum:
            raise ValueError(f"{value:g} is too small; the least is {minimum:g}")
        if value > maximum:
            raise ValueError(f"{value:g} is too large; the most is {maximum:g}")
        return value

    return kind


def opcode(typed: str) -> int:
    """Read an opcode: its name in RFC 6455, or its number, 0 to 15."""
    names = {known.name.lower(): known.value for known in Opcode}
    word = typed.strip().lower()
    if word in names:
        return names[word]
    if word.isascii() and word.isdigit() and len(word) <= 2 and int(word) <= 0xF:
        return int(word)
    offered = ", ".join(names)
    raise ValueError(
        f"{typed!r} is not an opcode; they are {offered}, or a number from 0 to 15"
        f"{nearest(word, names)}"
    )


def unknown_names(
    given: Mapping[str, object], names: Collection[str], where: str
) -> list[str]:
    """Return a sentence for each name that is not known, as far as anybody reads them.

    Args:
        given: What was said, by name.
        names: Those that are known.
        where: What is read, for the sentences.
    """
    unknown = [str(name) for name in given if name not in names]
    problems = [
        f"{where}: nothing is known of {name!r:.60}{nearest(name[:60], names)}"
        for name in unknown[:_MOST_UNKNOWN]
    ]
    more = len(unknown) - len(problems)
    if more:
        problems.append(f"{where}: nor of {more} other names")
    return problems


def read_attributes(
    table: Sequence[Attribute],
    given: Mapping[str, object],
    where: str,
    problems: list[str],
) -> dict[str, Any]:
    """Read what is said about a toxic; what is not said has its default.

    Args:
        table: What may be said.
        given: As it came out of JSON or TOML, or as it was typed; None is not said.
        where: What is read, for the problems.
        problems: Gets one sentence for each mistake.
    """
    names = [row.name for row in table]
    problems += unknown_names(given, names, where)
    values = {row.name: row.default for row in table}
    for row in table:
        if given.get(row.name) is not None:
            try:
                values[row.name] = _read(row, given[row.name])
            except ValueError as error:
                problems.append(f"{where}, {row.name}: {error}")
    return values


def _read(row: Attribute, value: object) -> object:
    if row.many:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(row.kind(_typed(item)) for item in items)
    return row.kind(_typed(value))


def _typed(value: object) -> str:
    """Return a value as it would have been typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # JSON of languages that have no whole numbers.
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{value!r:.60} is neither a word nor a number")
