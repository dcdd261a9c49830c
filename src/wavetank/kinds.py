"""Kinds of values that a user types: numbers, durations, sizes, choices.

They refuse to know where a text was typed; ValueError says what is wrong with it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wavetank.errors import nearest

__all__ = [
    "Kind",
    "UnlimitedOr",
    "boolean",
    "choice",
    "integer",
    "path",
    "seconds",
    "size_in_bytes",
    "text",
    "unlimited_or",
]

Kind = Callable[[str], object]
"""Turns what was typed into a value; ValueError says in plain words why not."""

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_DURATIONS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_MEASURE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?(?:e[+-]?[0-9]{1,2})?) ?([a-z]*)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def text(typed: str) -> str:
    """Take the words as they are."""
    return typed


def integer(minimum: int | None = None, maximum: int | None = None) -> Kind:
    """Make a kind for whole numbers within bounds, both included."""

    def kind(typed: str) -> int:
        if not _INTEGER.fullmatch(typed.strip()):
            raise ValueError(f"{typed!r} is not a whole number")
        value = int(typed)
        if minimum is not None and value < minimum:
            raise ValueError(f"{value} is too small; the least is {minimum}")
        if maximum is not None and value > maximum:
            raise ValueError(f"{value} is too large; the most is {maximum}")
        return value

    return kind


def seconds(typed: str) -> float:
    """Read a duration: ``10``, ``1.5``, ``200ms``, ``10s``, ``2m``, ``1h``."""
    measured = _measure(typed, _DURATIONS)
    if measured is None:
        raise ValueError(f"{typed!r} is not a duration such as 10, 1.5s, 200ms or 2m")
    return measured


def size_in_bytes(typed: str) -> int:
    """Read a size: ``65536``, ``64KiB`` (1024s), ``64kB`` (1000s), up to GiB."""
    measured = _measure(typed, _SIZES)
    if measured is None or measured != int(measured):
        raise ValueError(f"{typed!r} is not a size such as 65536, 64KiB or 1MiB")
    return int(measured)


def _measure(typed: str, units: Mapping[str, float]) -> float | None:
    """Return number times unit, or None where it is not one of these."""
    match = _MEASURE.fullmatch(typed.strip().lower())
    if not match or match[2] not in units:
        return None
    return float(match[1]) * units[match[2]]


def boolean(typed: str) -> bool:
    """Read ``true``, ``yes``, ``on``, ``1`` or ``false``, ``no``, ``off``, ``0``."""
    word = typed.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{typed!r} is neither true nor false")
    return word in _TRUE


def choice(*words: str) -> Kind:
    """Make a kind for one of a few words."""

    def kind(typed: str) -> str:
        if typed not in words:
            offered = ", ".join(words)
            raise ValueError(
                f"{typed!r} is not one of {offered}{nearest(typed, words)}"
            )
        return typed

    return kind


def path(typed: str) -> Path:
    """Take a path as it was typed; whether it exists is the shell's question."""
    if not typed or "\0" in typed:
        raise ValueError(f"{typed!r} is not a path")
    return Path(typed)


def unlimited_or(kind: Kind) -> Kind:
    """Make a kind that takes the typed word ``unlimited`` too, which is None."""
    return UnlimitedOr(kind)


@dataclass(frozen=True, slots=True)
class UnlimitedOr:
    """A class and not a closure, so that None can be shown as ``unlimited``."""

    kind: Kind

    def __call__(self, typed: str) -> object:
        """Read the word, or else what the kind reads."""
        if typed.strip() == "unlimited":
            return None
        try:
            return self.kind(typed)
        except ValueError as error:
            raise ValueError(f"{error} (or the word unlimited)") from None
