"""Cases of text as UTF-8: empty, in fragments, broken, and how fast it is failed.

It refuses to know the data sets of single sequences, runners and verdicts.
"""

from wavetank.lab.conformance.case import (
    NOT_UTF8,
    Case,
    End,
    Frame,
    Need,
    Outcome,
    Pause,
    Raw,
    Step,
    Text,
    continuation,
    split,
    text,
)
from wavetank.wire import Opcode, encode_frame

__all__ = ["CASES", "WORD"]


WORD = bytes.fromhex("ceba e1bdb9 cf83 cebc ceb5")
"""A Greek word, of characters of two and three bytes."""

_EDITED = b"edited"

_BEYOND = WORD + b"\xf4\x90\x80\x80" + _EDITED
"""Broken by its byte 12, 0x90, counted from 0: the start of U+110000."""

_MASK = bytes.fromhex("37fa213d")
"""The key of RFC 6455 5.7: a frame that goes out in parts needs one that is known."""

_TOO_LATE = 4
"""The step that carries the rest, behind the part that breaks UTF-8."""

_LATE = "it should fail the connection at the bytes that are not UTF-8"


def _echoed(number: str, title: str, clause: str, frames: tuple[Frame, ...]) -> Case:
    """Return a case whose frames are one text that comes back."""
    whole = b"".join(frame.payload for frame in frames)
    return Case(
        id=number,
        title=title,
        clause=clause,
        steps=frames,
        outcomes=(Outcome(heard=(Text(whole),)),),
        needs=frozenset({Need.ECHO}),
    )


def _refused(number: str, title: str, frames: tuple[Frame, ...]) -> Case:
    """Return a case whose frames are no text."""
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 8.1",
        steps=frames,
        outcomes=(Outcome(end=End.FAILED, codes=NOT_UTF8),),
    )


def _refused_fast(number: str, title: str, parts: tuple[Step, ...]) -> Case:
    """Return a case whose second part breaks UTF-8 long before the message ends."""
    first, second, *rest = parts
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 8.1",
        # Whoever fails fast ends the second pause at once: it may be generous.
        steps=(first, Pause(0.2), second, Pause(0.6), *rest),
        outcomes=(
            Outcome(end=End.FAILED, codes=NOT_UTF8, before=_TOO_LATE, after=3),
            Outcome(end=End.FAILED, codes=NOT_UTF8, note=_LATE, after=3),
        ),
    )


def _fragments(*payloads: str | bytes) -> tuple[Frame, ...]:
    """Return one text in fragments."""
    first, *middle, last = payloads
    return (
        text(first, fin=False),
        *(continuation(payload, fin=False) for payload in middle),
        continuation(last),
    )


def _single_bytes(payload: bytes) -> tuple[Frame, ...]:
    """Return one text in fragments of a byte, and an empty one that ends it."""
    return _fragments(*split(payload, [1] * len(payload)))


def _one_frame(payload: bytes, sizes: tuple[int, int]) -> tuple[Step, ...]:
    """Return one text in a frame that goes out in three parts, and an empty end."""
    wire = encode_frame(Opcode.TEXT, payload, fin=False, mask=_MASK)
    head = len(wire) - len(payload)
    parts = split(wire, (head + sizes[0], sizes[1]))
    return (*map(Raw, parts), continuation())


_GREETING = ("Hello-µ@ßöä", "üàá-UTF-8!!")

_BEHIND_THE_WORD = (11, 4)
"""Cuts around all of U+110000."""

_BEHIND_THE_START = (12, 1)
"""Cuts around the byte that breaks UTF-8, alone."""

CASES: tuple[Case, ...] = (
    _echoed("6.1.1", "An empty text comes back.", "RFC 6455 5.6", (text(),)),
    _echoed(
        "6.1.2",
        "An empty text in three empty fragments comes back.",
        "RFC 6455 5.4",
        _fragments("", "", ""),
    ),
    _echoed(
        "6.1.3",
        "A text between two empty fragments comes back.",
        "RFC 6455 5.4",
        _fragments("", "middle frame payload", ""),
    ),
    _echoed(
        "6.2.1",
        "A text with characters of two bytes comes back.",
        "RFC 6455 5.6",
        (text("".join(_GREETING)),),
    ),
    _echoed(
        "6.2.2",
        "A text in two fragments, cut between characters, comes back.",
        "RFC 6455 5.6",
        _fragments(*_GREETING),
    ),
    _echoed(
        "6.2.3",
        "A text in fragments of one byte, cut within characters, comes back.",
        "RFC 6455 5.6",
        _single_bytes("".join(_GREETING).encode()),
    ),
    _echoed(
        "6.2.4",
        "A Greek word in fragments of one byte, cut within characters, comes back.",
        "RFC 6455 5.6",
        _single_bytes(WORD),
    ),
    _refused(
        "6.3.1",
        "A text with a surrogate among its characters fails the connection.",
        (text(WORD + b"\xed\xa0\x80" + _EDITED),),
    ),
    _refused(
        "6.3.2",
        "A text with a surrogate, in fragments of one byte, fails the connection.",
        _single_bytes(WORD + b"\xed\xa0\x80" + _EDITED),
    ),
    _refused_fast(
        "6.4.1",
        "A fragment with U+110000 fails the connection before the text ends.",
        _fragments(*split(_BEYOND, _BEHIND_THE_WORD)),
    ),
    _refused_fast(
        "6.4.2",
        "A fragment of the byte that breaks UTF-8 fails the connection before the "
        "text ends.",
        _fragments(*split(_BEYOND, _BEHIND_THE_START)),
    ),
    _refused_fast(
        "6.4.3",
        "A part of a frame with U+110000 fails the connection before the frame ends.",
        _one_frame(_BEYOND, _BEHIND_THE_WORD),
    ),
    _refused_fast(
        "6.4.4",
        "A part of a frame, the byte that breaks UTF-8, fails the connection before "
        "the frame ends.",
        _one_frame(_BEYOND, _BEHIND_THE_START),
    ),
)
