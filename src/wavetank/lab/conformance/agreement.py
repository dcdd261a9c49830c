"""What a target agrees to on compression, and how both sides are held to it.

It refuses to know frames, and what is compressed.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from wavetank.lab.conformance.corpus import pieces
from wavetank.lab.conformance.volumes import Volume
from wavetank.wire import (
    DeflateParameters,
    Deflater,
    Inflater,
    Violation,
    agree,
    parse_elements,
    parse_parameters,
)

__all__ = [
    "EXTENSIONS",
    "Broken",
    "Declined",
    "ExactInflater",
    "Pieces",
    "agreed_on",
    "make_deflate",
    "make_inflater",
]

EXTENSIONS: Final = "Sec-WebSocket-Extensions"

_DEFLATE: Final = "permessage-deflate"

_SHOWN: Final = 120
"""Characters of an answer that a sentence shows."""

_SMALLEST: Final = 9
"""Bits of the smallest window that zlib can deflate into."""

_LARGEST: Final = 15
"""Bits of the largest window; there is nothing beyond it."""

_LEVEL: Final = 1
"""Effort of our own compression: what is looked at is the target's."""

_MOST_KEPT: Final = 32 * 1024 * 1024
"""Bytes of pieces that are kept compressed."""

_STEP: Final = 64
"""Bytes that are inflated at once where the window is looked at."""

_LOOKED_AT: Final = 4
"""Messages of which it is."""

_TAIL: Final = b"\x00\x00\xff\xff"
"""What a sender takes off the end of a message (RFC 7692 7.2.1)."""


class Declined(Exception):
    """The target does not agree to what was offered."""


class Broken(Exception):
    """The target agreed to what was not offered."""


def agreed_on(
    answer: Sequence[str], offers: Iterable[DeflateParameters]
) -> DeflateParameters:
    """Return what was agreed on compression.

    Args:
        answer: Lines of ``Sec-WebSocket-Extensions``.
        offers: What they answer.

    Raises:
        Declined: If nothing was, or what zlib cannot do.
        Broken: If it is not what was offered.
    """
    elements = parse_elements(answer) if answer else ()
    found = [each for each in elements or () if each.name == _DEFLATE]
    shown = f"{', '.join(answer)[:_SHOWN]!r}"
    if elements is None or len(found) > 1:
        raise Broken(shown)
    if not found:
        raise Declined("the target declines permessage-deflate as it is offered")
    given = parse_parameters(found[0], in_offer=False)
    if isinstance(given, DeflateParameters) and (
        (given.client_max_window_bits or _LARGEST) < _SMALLEST
    ):
        raise Declined("the target asks for a window of 8 bits, which zlib has not")
    agreed = agree(found[0], map(_as_may_be_answered, offers))
    if isinstance(agreed, Violation):
        raise Broken(shown)
    return agreed


def _as_may_be_answered(offer: DeflateParameters) -> DeflateParameters:
    """Return an offer of 15 bits as none: an answer that says nothing means 15."""
    if offer.server_max_window_bits != _LARGEST:
        return offer
    return msgspec.structs.replace(offer, server_max_window_bits=None)


# What we send


class Pieces:
    """Pieces of the corpus, deflated on their own, for all volumes that send them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int, int, int], bytes] = {}
        self._size = 0

    def deflated(self, volume: Volume, number: int, data: bytes, bits: int) -> bytes:
        """Return what a piece deflates to, where nothing before it counts.

        Args:
            volume: Whose piece.
            number: Which.
            data: The piece.
            bits: Of the window.
        """
        key = (volume.material, volume.size, number % pieces(volume.size), bits)
        found = self._kept.get(key)
        if found is None:
            found = Deflater(window_bits=bits, level=_LEVEL).deflate(data)
            if self._size > _MOST_KEPT:
                self._kept.clear()
                self._size = 0
            self._kept[key] = found
            self._size += len(found)
        return found

    def __repr__(self) -> str:
        """Show how much it keeps."""
        return f"<Pieces {len(self._kept)} of {self._size} bytes>"


def make_deflate(
    volume: Volume, agreed: DeflateParameters, kept: Pieces | None
) -> Callable[[int, bytes], bytes]:
    """Return what compresses our messages, given the number and the data of each.

    Args:
        volume: Whose messages.
        agreed: How.
        kept: Compressed before, where messages are pieces and nothing else.
    """
    bits = agreed.client_max_window_bits or _LARGEST
    forgets = agreed.client_no_context_takeover
    if forgets and kept is not None:
        return lambda number, data: kept.deflated(volume, number, data, bits)
    deflater = Deflater(window_bits=bits, context_takeover=not forgets, level=_LEVEL)
    return lambda number, data: deflater.deflate(data)


# What comes back


def make_inflater(agreed: DeflateParameters, limit: int) -> "ExactInflater":
    """Return what inflates the target's messages, no more than ``limit`` bytes each."""
    return ExactInflater(
        limit,
        window_bits=agreed.server_max_window_bits or _LARGEST,
        context_takeover=not agreed.server_no_context_takeover,
    )


class ExactInflater(Inflater):
    """An inflater that sees where a small window is not kept to.

    Inflating a message at once, zlib lets distances pass that reach back within the
    same call, however far; in small steps it does not. That takes its time, so only
    the first messages are looked at (RFC 7692 7.1.2.1).

    Args:
        limit: Most bytes that one message may inflate to.
        window_bits: Agreed for the target's window, 8 to 15.
        context_takeover: Whether a message may point back into those before.
    """

    __slots__ = ("_bits", "_left", "_narrow", "_remembers")

    def __init__(
        self, limit: int, *, window_bits: int = 15, context_takeover: bool = True
    ) -> None:
        super().__init__(
            limit, window_bits=window_bits, context_takeover=context_takeover
        )
        self._bits = window_bits
        self._remembers = context_takeover
        self._left = _LOOKED_AT if window_bits < _LARGEST else 0
        self._narrow = zlib.decompressobj(-window_bits)

    def inflate(
        self, data: bytes, *, final: bool = True, room: int | None = None
    ) -> bytes | Violation:
        """Return what the payload of a frame inflates to, or the rule it breaks."""
        inflated = super().inflate(data, final=final, room=room)
        if not self._left or isinstance(inflated, Violation):
            return inflated
        try:
            self._look_at(data + _TAIL if final else data)
        except zlib.error:
            words = f"it points back farther than its window of {2**self._bits} bytes"
            if not self._remembers:
                words += ", or into an earlier message"
            return Violation(1002, words, "RFC 7692 7.1.2.1")
        if final:
            self._left -= 1
            if not self._remembers:
                self._narrow = zlib.decompressobj(-self._bits)
        return inflated

    def _look_at(self, data: bytes) -> None:
        """Inflate in small steps; a final block ends the looking."""
        for start in range(0, len(data), _STEP):
            piece = data[start : start + _STEP]
            while piece and not self._narrow.eof:
                self._narrow.decompress(piece, _STEP)
                piece = self._narrow.unconsumed_tail
        if self._narrow.eof:
            self._left = 0
