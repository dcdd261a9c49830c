"""Texts with blanks: ``{"op":"subscribe","topic":"{topic}"}``.

They refuse to know what the texts ask for. JSON's own braces never look like
blanks: a name directly between two braces is not JSON.
"""

import json
import re
from collections.abc import Collection, Mapping

import msgspec

__all__ = ["Blank", "Wording", "parse_wording"]

_TOKEN = re.compile(r'\\.|"|\{(?P<name>[a-z_]{1,30})\}', re.DOTALL)

_VERBATIM = "payload"
"""The blank that holds a JSON text already, and is not quoted again."""


class Blank(msgspec.Struct, frozen=True):
    """A place to fill in; ``is_quoted`` where it stands inside a JSON string."""

    name: str
    is_quoted: bool


class Wording(msgspec.Struct, frozen=True):
    """A JSON text with blanks."""

    parts: tuple[str | Blank, ...]

    @property
    def blanks(self) -> frozenset[str]:
        """Names of the blanks."""
        return frozenset(part.name for part in self.parts if isinstance(part, Blank))

    def fill(self, values: Mapping[str, str | int]) -> str:
        """Return the text with every blank filled in, so that it stays JSON.

        Inside a string a value is escaped. Outside, numbers and the payload
        stand as they are, and other texts get their quotes.
        """
        return "".join(
            part if isinstance(part, str) else _filled(part, values[part.name])
            for part in self.parts
        )


def _filled(blank: Blank, value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    if blank.is_quoted:
        return json.dumps(value, ensure_ascii=False)[1:-1]
    if blank.name == _VERBATIM:
        return value
    return json.dumps(value, ensure_ascii=False)


def parse_wording(text: str, names: Collection[str]) -> Wording:
    """Find the blanks in a JSON text.

    Args:
        text: The text.
        names: The blanks that may be in it.

    Raises:
        ValueError: If it has another blank, or is not JSON once filled in.
    """
    parts: list[str | Blank] = []
    is_quoted = False
    start = 0
    for token in _TOKEN.finditer(text):
        name = token["name"]
        if token[0] == '"':
            is_quoted = not is_quoted
        elif name in names:
            parts += [text[start : token.start()], Blank(name, is_quoted)]
            start = token.end()
        elif name:
            raise ValueError(_unknown(name, names))
    parts.append(text[start:])
    wording = Wording(tuple(part for part in parts if part != ""))
    _prove(wording)
    return wording


def _unknown(name: str, names: Collection[str]) -> str:
    offered = ", ".join(f"{{{known}}}" for known in sorted(names))
    return f"{{{name}}} cannot be filled in here; there are {offered}"


def _prove(wording: Wording) -> None:
    """Fill in samples and see that the result is JSON."""
    sample = wording.fill(dict.fromkeys(wording.blanks, "0"))
    try:
        msgspec.json.decode(sample)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON once filled in: {error}") from None
