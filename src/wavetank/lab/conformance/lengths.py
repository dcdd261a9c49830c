"""Lengths: every form, at its borders, too long, and beyond reason (RFC 6455 5.2).

It refuses to know how a frame is encoded, sent and judged.
"""

import string

from msgspec import structs

from wavetank.lab.conformance.case import (
    BROKEN,
    Binary,
    Case,
    End,
    Frame,
    HalfClose,
    Heard,
    Level,
    Need,
    Outcome,
    Pause,
    Pong,
    Raw,
    Step,
    Text,
    binary,
    close,
    continuation,
    frames_of,
    ping,
    pong,
    text,
)
from wavetank.lab.conformance.framing import failed
from wavetank.wire import Opcode, encode_frame

__all__ = ["CASES"]

_CLAUSE = "RFC 6455 5.2"

_MASK = b"\x37\xfa\x21\x3d"


def _payload(size: int) -> bytes:
    """Return letters; 26 is no multiple of 4, so a slip of the mask shows."""
    letters = string.ascii_lowercase.encode()
    return (letters * (size // len(letters) + 1))[:size]


# Lengths that are legal.

_BORDERS = tuple(
    Case(
        id=f"L.{number}",
        title=f"A text of {size} bytes with its length in {form} bits comes back.",
        clause=_CLAUSE,
        steps=(text(_payload(size)),),
        outcomes=(Outcome(heard=(Text(_payload(size)),)),),
        needs=frozenset({Need.ECHO}),
    )
    for number, size, form in (
        (1, 125, 7),
        (2, 126, 16),
        (3, 127, 16),
        (4, 128, 16),
        (5, 65_535, 16),
        (6, 65_536, 64),
    )
)

_EMPTY_ROWS: tuple[tuple[int, str, tuple[Step, ...], tuple[Heard, ...]], ...] = (
    (7, "An empty text comes back.", (text(),), (Text(b""),)),
    (8, "An empty binary message comes back.", (binary(),), (Binary(b""),)),
    (9, "An empty ping is answered.", (ping(),), (Pong(b""),)),
    (10, "An empty pong is ignored.", (pong(),), ()),
    (
        11,
        "An empty continuation ends a message, which comes back.",
        (text("Hello", fin=False), continuation()),
        (Text(b"Hello"),),
    ),
    (
        12,
        "An empty continuation in the middle of a message changes nothing.",
        (
            text("Hel", fin=False),
            continuation(fin=False),
            continuation("lo"),
        ),
        (Text(b"Hello"),),
    ),
)


def _needs(heard: tuple[Heard, ...]) -> frozenset[Need]:
    """Return what has to come back for these to be heard."""
    kinds = {Text: Need.ECHO, Binary: Need.BINARY}
    return frozenset(kinds[type(what)] for what in heard if type(what) in kinds)


_EMPTY = tuple(
    Case(
        id=f"L.{number}",
        title=title,
        clause=_CLAUSE,
        steps=steps,
        outcomes=(Outcome(heard=heard),),
        needs=_needs(heard),
    )
    for number, title, steps, heard in _EMPTY_ROWS
)


# Lengths written longer than needed.

_BEGUN: tuple[Step, ...] = (binary(b"Hello", fin=False),)

_LONGER_ROWS: tuple[tuple[int, str, tuple[Step, ...], Frame, int], ...] = (
    (13, "A text", (), text(), 16),
    (14, "A text", (), text(), 64),
    (15, "A text", (), text(_payload(125)), 16),
    (16, "A text", (), text(_payload(125)), 64),
    (17, "A text", (), text(_payload(126)), 64),
    (18, "A text", (), text(_payload(65_535)), 64),
    (19, "A binary message", (), binary(_payload(125)), 16),
    (20, "A binary message", (), binary(_payload(65_535)), 64),
    (21, "A continuation", _BEGUN, continuation(_payload(125)), 16),
    (22, "A continuation", _BEGUN, continuation(_payload(65_535)), 64),
    (23, "A ping", (), ping(), 16),
    (24, "A ping", (), ping(_payload(125)), 16),
    (25, "A ping", (), ping(), 64),
    (26, "A ping", (), ping(_payload(125)), 64),
    (27, "A pong", (), pong(_payload(125)), 16),
    (28, "A pong", (), pong(_payload(125)), 64),
    (29, "A close frame", (), close(1000), 16),
    (30, "A close frame", (), close(1000), 64),
)


def _title(what: str, frame: Frame, form: int) -> str:
    """Return the sentence of a case that fails for its length."""
    size = len(frame.payload)
    return f"{what} of {size} bytes with its length in {form} bits fails."


def _in_form(frame: Frame, form: int) -> Step:
    """Return the frame with its length in that form.

    A text goes as bytes: what a way to get it back would put around it might be
    just enough to need the form.
    """
    if frame.opcode != Opcode.TEXT:
        return structs.replace(frame, form=form)
    data = encode_frame(frame.opcode, frame.payload, mask=_MASK, length_form=form)
    return Raw(data)


_LAX = "it should not take a length that is written longer than it need be"


def _taken(before: tuple[Step, ...], frame: Frame) -> tuple[Outcome, ...]:
    """Return what comes of a frame where its length is taken as it is written."""
    if frame.opcode == Opcode.CLOSE:
        return (Outcome(end=End.CLOSED, note=_LAX),)
    payload = b"".join(each.payload for each in (*frames_of(before), frame))
    answers: dict[int, Heard] = {
        Opcode.TEXT: Text(payload),
        Opcode.BINARY: Binary(payload),
        Opcode.CONTINUATION: Binary(payload),
        Opcode.PING: Pong(payload),
    }
    nothing = Outcome(note=_LAX)
    if frame.opcode not in answers:
        return (nothing,)
    return (nothing, Outcome(heard=(answers[frame.opcode],), note=_LAX))


# RFC 6455 5.2 binds whoever writes the length; 10.7 lets the other side refuse.
_LONGER = tuple(
    Case(
        id=f"L.{number}",
        title=_title(what, frame, form),
        clause=_CLAUSE,
        level=Level.SHOULD,
        steps=(*before, _in_form(frame, form)),
        outcomes=(*failed(), *_taken(before, frame)),
    )
    for number, what, before, frame, form in _LONGER_ROWS
)


# Control frames over 125 bytes.

_REASON = _payload(65_534)

_CONTROL_ROWS = (
    (31, "A ping", ping(_payload(126)), 16),
    (32, "A ping", ping(_payload(126)), 64),
    (33, "A ping", ping(_payload(65_536)), 64),
    (34, "A pong", pong(_payload(126)), 16),
    (35, "A pong", pong(_payload(126)), 64),
    (36, "A pong", pong(_payload(65_536)), 64),
    (37, "A close frame", close(1000, _REASON[:124]), 16),
    (38, "A close frame", close(1000, _REASON[:124]), 64),
    (39, "A close frame", close(1000, _REASON), 64),
)

_CONTROL = tuple(
    Case(
        id=f"L.{number}",
        title=_title(what, frame, form),
        clause="RFC 6455 5.5",
        steps=(structs.replace(frame, form=form),),
        outcomes=failed(),
    )
    for number, what, frame, form in _CONTROL_ROWS
)


# Lengths that nobody can mean.

_TOP_BIT_ROWS = (
    (40, "A text that declares 2^63 bytes fails.", text("Hello"), 2**63),
    (41, "A binary message that declares 2^64-1 bytes fails.", binary(), 2**64 - 1),
    (42, "A ping that declares 2^63 bytes fails.", ping(b"Hello"), 2**63),
)

_TOP_BIT = tuple(
    Case(
        id=f"L.{number}",
        title=title,
        clause=_CLAUSE,
        steps=(structs.replace(frame, form=64, declared=declared),),
        outcomes=failed(),
    )
    for number, title, frame, declared in _TOP_BIT_ROWS
)

_TIB = 2**40

_HUGE_ROWS: tuple[tuple[int, str, tuple[Step, ...], Frame, int], ...] = (
    (43, "A text that declares 2^63-1 bytes", (), text(), 2**63 - 1),
    (44, "A binary message that declares 2^63-1 bytes", (), binary(), 2**63 - 1),
    (45, "A text that declares 1 TiB", (), text("Hello"), _TIB),
    (46, "A binary message that declares 1 TiB", (), binary(b"Hello"), _TIB),
    (
        47,
        "A continuation that brings its message to over 2^63 bytes",
        _BEGUN,
        continuation(),
        2**63 - 1,
    ),
)


def _huge(
    number: int, what: str, before: tuple[Step, ...], frame: Frame, *, declared: int
) -> Case:
    """Return a case of a length that is legal and that nothing has room for.

    A close frame would be taken for payload, so whoever waits is let go with a FIN.
    """
    opening = (*before, structs.replace(frame, form=64, declared=declared), Pause(1.0))
    return Case(
        id=f"L.{number}",
        title=f"{what} is refused before it comes.",
        clause="RFC 6455 10.4",
        level=Level.SHOULD,
        steps=(*opening, HalfClose()),
        outcomes=(
            Outcome(
                end=End.FAILED,
                codes=BROKEN | {1009},
                before=len(opening),
            ),
            Outcome(
                end=End.FAILED,
                note="it should refuse the length instead of waiting for the payload",
            ),
        ),
        needs=frozenset({Need.PLAIN}),
    )


_HUGE = tuple(
    _huge(number, what, before, frame, declared=declared)
    for number, what, before, frame, declared in _HUGE_ROWS
)


# Headers that come in two parts.

_CUT_ROWS = (
    (48, "between its first two bytes", 5, 1),
    (49, "within a length of 16 bits", 126, 3),
    (50, "within a length of 64 bits", 65_536, 6),
    (51, "between length and mask", 126, 4),
    (52, "within its mask", 65_536, 12),
    (53, "behind its mask", 5, 6),
)


def _cut(number: int, where: str, size: int, at: int) -> Case:
    """Return a case of a binary message whose header comes in two parts."""
    data = encode_frame(Opcode.BINARY, _payload(size), mask=_MASK)
    return Case(
        id=f"L.{number}",
        title=f"A binary message whose header is cut {where} comes back.",
        clause=_CLAUSE,
        steps=(Raw(data[:at]), Pause(0.2), Raw(data[at:])),
        outcomes=(Outcome(heard=(Binary(_payload(size)),)),),
        needs=frozenset({Need.BINARY}),
    )


_CUTS = tuple(_cut(*row) for row in _CUT_ROWS)

CASES: tuple[Case, ...] = (
    *_BORDERS,
    *_EMPTY,
    *_LONGER,
    *_CONTROL,
    *_TOP_BIT,
    *_HUGE,
    *_CUTS,
)
"""L.1 to L.12: legal ones; L.13 to L.30: written longer than needed; L.31 to L.39:
control frames over 125 bytes; L.40 to L.47: beyond reason; L.48 to L.53: cut."""
