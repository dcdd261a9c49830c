"""What a message of a load carries, but for the mark in it.

It refuses to know what the mark says: it is put between two halves, with each send.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from wavetank.errors import nearest
from wavetank.load.marks import WIDTH
from wavetank.load.plan import Payload

if TYPE_CHECKING:
    import random

__all__ = ["Texts", "problems_of"]

_OPENED, _PADDED, _CLOSED = b'{"mark":"', b'","pad":"', b'"}'
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PLACES = ("marker", "n", "user", "pad")
_PLACE = re.compile(r"\{(marker|n|user|pad)\}")
_WORD = re.compile(r"\{([a-z_]{1,20})\}")
_MOST_PROBLEMS = 5


def problems_of(payload: Payload, *, marker: int = WIDTH) -> list[str]:
    """Return what is wrong with a payload, a sentence each.

    Args:
        payload: The payload.
        marker: Bytes of the mark.
    """
    if payload.lines:
        found = (
            f"line {number}: {problem}"
            for number, line in enumerate(payload.lines, start=1)
            for problem in _problems_of_text(line)
        )
        return list(islice(found, _MOST_PROBLEMS))
    if payload.template:
        return [f"template: {one}" for one in _problems_of_text(payload.template)]
    least = len(_OPENED) + marker + len(_CLOSED)
    if payload.size < least:
        return [
            f"size {payload.size}: too small for the mark that finds each message "
            f"again; the least is {least}, or give a template"
        ]
    return []


def _problems_of_text(text: str) -> Iterator[str]:
    for word in dict.fromkeys(_WORD.findall(text)):
        close = nearest(word, _PLACES)
        if word not in _PLACES and close:
            yield f"{{{word}}} is not a placeholder{close}"
    marks = text.count("{marker}")
    if not marks:
        yield "it has no {marker}, without which no message is found again"
    if marks > 1:
        yield f"it has {{marker}} {marks} times; once is enough"
    if text.count("{pad}") > 1:
        yield "it has {pad} more than once"
    if "{marker}" in text and not _is_plain(text):
        yield "it cannot be sent as UTF-8"


def _is_plain(text: str) -> bool:
    """Tell whether a text has no lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


class Texts:
    """The texts of a payload, each in the halves that stand around its mark.

    Args:
        payload: One of which `problems_of` says nothing.
        rng: Dice for what fills a payload up, so that it cannot be compressed away;
            without them it is filled with one letter.
        marker: Bytes of the mark.

    Attributes:
        is_constant: Whether the halves are the same for every message.
    """

    def __init__(
        self,
        payload: Payload,
        rng: "random.Random | None" = None,
        *,
        marker: int = WIDTH,
    ) -> None:
        templates = payload.lines or ((payload.template,) if payload.template else ())
        room = payload.size - marker
        self._marker = marker
        self._made = [_Text(template, rng, room) for template in templates]
        self._halves = (
            _made_up(rng, room) if not templates else self._made[0].halves(0, 0)
        )
        self.is_constant = len(templates) <= 1 and all(
            made.is_constant for made in self._made
        )

    def halves(self, n: int, user: int) -> tuple[bytes, bytes]:
        """Return what stands before and behind the mark of a message.

        Args:
            n: Number of the message; recorded lines are taken in turn.
            user: Who sends it.
        """
        if self.is_constant:
            return self._halves
        return self._made[n % len(self._made)].halves(n, user)

    def is_json(self) -> bool:
        """Tell whether each text is JSON, as publications have to be."""
        mark = b"x" * self._marker
        for n in range(max(len(self._made), 1)):
            before, behind = self.halves(n, 0)
            try:
                msgspec.json.decode(before + mark + behind)
            except msgspec.DecodeError:
                return False
        return True


def _made_up(rng: "random.Random | None", room: int) -> tuple[bytes, bytes]:
    """Return the halves of a JSON object of exactly so many bytes, its mark apart."""
    rest = room - len(_OPENED) - len(_CLOSED) - len(_PADDED)
    if rest < 0:  # there is no room for a pad's name; spaces are JSON, too
        return _OPENED, b'"' + b" " * (rest + len(_PADDED)) + b"}"
    return _OPENED, _PADDED + _filling(rng, rest) + _CLOSED


def _filling(rng: "random.Random | None", count: int) -> bytes:
    if rng is None:
        return b"x" * max(count, 0)
    return "".join(rng.choices(_LETTERS, k=max(count, 0))).encode()


class _Text:
    """A template, cut at its places once and for all.

    Args:
        template: The text.
        rng: Dice for what fills it up, or None.
        room: Bytes that it should come to, its mark apart.
    """

    def __init__(self, template: str, rng: "random.Random | None", room: int) -> None:
        # Plain pieces and names of places take turns.
        parts = _PLACE.split(template)
        middle = parts.index("marker", 1)
        self._before = [part.encode() for part in parts[:middle]]
        self._behind = [part.encode() for part in parts[middle + 1 :]]
        self._room = room
        places = set(parts[1::2])
        self.is_constant = not places & {"n", "user"}
        self._pad = _filling(rng, room) if "pad" in places else b""
        self._bare = sum(len(part.encode()) for part in parts[::2])

    def halves(self, n: int, user: int) -> tuple[bytes, bytes]:
        words = {b"n": b"%d" % n, b"user": b"%d" % user, b"pad": b""}
        if self._pad:
            names = (*self._before[1::2], *self._behind[1::2])
            used = self._bare + sum(len(words[name]) for name in names)
            words[b"pad"] = self._pad[: max(self._room - used, 0)]
        return _joined(self._before, words), _joined(self._behind, words)


def _joined(parts: list[bytes], words: dict[bytes, bytes]) -> bytes:
    return b"".join(
        words[part] if place % 2 else part for place, part in enumerate(parts)
    )
