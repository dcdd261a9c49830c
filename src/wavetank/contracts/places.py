"""Places in a JSON document: pointers, references, and how a person reads them.

They refuse to know what stands there.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias
from urllib.parse import unquote

from wavetank.errors import nearest

__all__ = ["Place", "Reader", "written"]

Place: TypeAlias = tuple[str, ...]
"""Keys and indices from the outside in; the empty place is the whole document."""

_MOST_STEPS = 64
"""References that lead to references, one after the other."""
_PLAIN = re.compile(r"[\w$-]+")
_NO_INDEX = -1


class Reader:
    """Reads a document by its places, and notes whatever leads nowhere.

    Args:
        document: Objects, lists, texts, numbers.
        name: What the user calls it, for problems.

    Attributes:
        problems: One sentence each, none twice.
    """

    def __init__(self, document: object, *, name: str) -> None:
        self.document = document
        self.name = name
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What was found so far, in the order of reading."""
        return tuple(self._problems)

    def problem(self, place: Place, sentence: str) -> None:
        """Note what is wrong at a place, and what to do."""
        where = f"{self.name}: {written(place)}" if place else self.name
        self._problems[f"{where}: {sentence}"] = None

    def at(self, place: Place) -> object:
        """Return what stands at a place; None where there is nothing."""
        node = self.document
        for key in place:
            found, node = _step(node, key)
            if not found:
                return None
        return node

    def follow(self, place: Place) -> Place | None:
        """Return where a place leads: itself, or the end of its references.

        A reference that leads nowhere, out of the document or in a circle is a
        problem, and None.
        """
        start = place
        for _ in range(_MOST_STEPS):
            node = self.at(place)
            if not isinstance(node, dict) or "$ref" not in node:
                return place
            target = self.target(node["$ref"], place)
            if target is None:
                return None
            place = target
        self.problem(start, "refers to itself; say there what it is")
        return None

    def target(self, reference: object, place: Place) -> Place | None:
        """Return the place that a reference at some place names; None if none.

        Only places of this document: nothing is ever fetched.
        """
        if not isinstance(reference, str):
            self.problem(place, "a $ref is a text, such as #/components/schemas/Price")
            return None
        if reference != "#" and not reference.startswith("#/"):
            self.problem(
                place,
                f"$ref {_short(reference)} is not in this document, and nothing is "
                "fetched; copy it here and refer to it as #/…",
            )
            return None
        steps = [
            unquote(step).replace("~1", "/").replace("~0", "~")  # RFC 6901 4, 6
            for step in reference.split("/")[1:]
        ]
        problem = _lost(self.document, steps)
        if problem is not None:
            self.problem(place, f"$ref {_short(reference)} leads nowhere{problem}")
            return None
        return tuple(steps)

    def entries(self, place: Place) -> Iterator[tuple[str, Place]]:
        """Yield each key of the object at a place, with the place of its value.

        Nothing there is no entry; anything but an object is a problem.
        """
        node = self.at(place)
        if isinstance(node, dict):
            yield from ((key, (*place, key)) for key in node)
        elif node is not None:
            self.problem(place, f"has to be an object, not {_short(node)}")


def written(place: Sequence[str | int]) -> str:
    """Return a place as a person reads it: ``data.legs.0.price``.

    A key that would be misread stands in quotes.
    """
    return ".".join(
        str(step)
        if isinstance(step, int) or _PLAIN.fullmatch(step)
        else f'"{step[:64]}"'
        for step in place
    )


def _step(node: object, key: str) -> tuple[bool, object]:
    """Return whether there is something behind a key or index, and what."""
    if isinstance(node, dict):
        return key in node, node.get(key)
    index = int(key) if key.isascii() and key.isdigit() and len(key) < 8 else _NO_INDEX
    if isinstance(node, list) and 0 <= index < len(node):
        return True, node[index]
    return False, None


def _lost(node: object, steps: Sequence[str]) -> str | None:
    """Return a proposal (or "") for the step that leads nowhere; None if none does."""
    for key in steps:
        found, inner = _step(node, key)
        if not found:
            return nearest(key, node) if isinstance(node, dict) else ""
        node = inner
    return None


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    return text if len(text) <= 80 else f"{text[:80]}…"
