"""Cases of close frames that Autobahn has not: codes, bodies, neighbours, TCP.

It refuses to know Autobahn's own cases of closing, runners and verdicts.
"""

import msgspec

from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    End,
    Frame,
    HalfClose,
    Level,
    Need,
    Outcome,
    Pong,
    Step,
    binary,
    close,
    continuation,
    ping,
    pong,
    text,
)
from wavetank.lab.conformance.closing import (
    BAD_REASON,
    FAILED,
    answered,
    closed,
    refused,
)
from wavetank.lab.conformance.framing import in_one_write
from wavetank.wire import Opcode

__all__ = ["CASES"]

_BITS = "RFC 6455 5.2"
_CODES = "RFC 6455 7.4.1"
_CONTROL = "RFC 6455 5.5"
_DISCARDED = "RFC 6455 1.4"
_FRAGMENTS = "RFC 6455 5.4"
_MASKING = "RFC 6455 5.1"
_RANGES = "RFC 6455 7.4.2"
_REGISTRY = "RFC 6455 11.7"
_TCP = "RFC 6455 7.1.1"
_UTF8 = "RFC 6455 8.1"

_PLAIN = frozenset({Need.PLAIN})

_REFUSED_ALL_THE_SAME = Outcome(
    end=FAILED.end,
    codes=FAILED.codes,
    note="It should have known the code: it is registered since RFC 6455.",
)
_UNMASKED_ANSWER = "It should not have answered an unmasked close frame as a good one."
_UNASSIGNED_ECHO = "It should not have sent a close code itself that nobody assigned."


# Codes.


def _unused(number: int, code: int, clause: str, reason: str = "") -> Case:
    """Return the case of a code that must not be sent."""
    behind = " and a reason" if reason else ""
    return refused(
        f"C.{number}",
        f"A close frame with {code}{behind} fails the connection.",
        close(code, reason),
        clause=clause,
    )


def _usable(number: int, code: int, reason: str = "") -> Case:
    """Return the case of a code that may be sent."""
    behind = " and a reason" if reason else ""
    return answered(
        f"C.{number}",
        f"A close frame with {code}{behind} is answered with the code or with 1000.",
        close(code, reason),
        clause=_CODES if code < 3000 else _RANGES,
        codes=(1000, code),
    )


def _registered(number: int, code: int) -> Case:
    """Return the case of a code that IANA's registry has and RFC 6455 has not."""
    return Case(
        id=f"C.{number}",
        title=f"A close frame with {code}, registered later, is answered.",
        clause=_REGISTRY,
        level=Level.SHOULD,
        steps=(close(code),),
        outcomes=(*closed(1000, code), _REFUSED_ALL_THE_SAME),
    )


def _unassigned(number: int, code: int) -> Case:
    """Return the case of a code that the protocol keeps for itself.

    RFC 6455 7.4.2 reserves it, and tells no receiver to mind.
    """
    echoed = Outcome(end=End.CLOSED, codes=frozenset({code}), note=_UNASSIGNED_ECHO)
    return Case(
        id=f"C.{number}",
        title=f"A close frame with {code}, unassigned, fails the connection or is "
        "answered with 1000.",
        clause=_RANGES,
        level=Level.MAY,
        steps=(close(code),),
        outcomes=(FAILED, *closed(1000), echoed),
    )


_OF_CODES = (
    _unused(1, 1, _RANGES),
    _registered(2, 1012),
    _registered(3, 1013),
    _registered(4, 1014),
    _unused(5, 1015, _CODES),
    _unassigned(6, 1099),
    _unassigned(7, 1999),
    _usable(8, 3001),
    _usable(9, 3003),
    _usable(10, 3008),
    _unused(11, 999, _RANGES, "below every range"),
    _unused(12, 1005, _CODES, "no status"),
    _unused(13, 1015, _CODES, "no TLS"),
    _usable(14, 1001, "leaving"),
    _usable(15, 3000, "no credentials"),
    _usable(16, 4999, "bye"),
)

# Bodies.

_SIGN = "\N{EURO SIGN}"
_WAVE = "\N{WAVING HAND SIGN}".encode()

_OF_SIZES = (
    refused(
        "C.17",
        "A close frame with a body of one byte, zero, fails the connection.",
        close(body=b"\x00"),
    ),
    refused(
        "C.18",
        "A close frame with the first byte of 1000 alone fails the connection.",
        close(body=b"\x03"),
    ),
    answered(
        "C.19", "A close frame with a reason of one byte is answered.", close(1000, "a")
    ),
    answered(
        "C.20",
        "A close frame with a reason of 123 bytes, in 41 characters, is answered.",
        close(1000, _SIGN * 41),
    ),
    refused(
        "C.21",
        "A close frame with a reason of 124 bytes, in 42 characters, fails the "
        "connection.",
        close(1000, _SIGN * 41 + "a"),
        clause=_CONTROL,
    ),
    answered(
        "C.22",
        "A close frame with 4000 and a reason of 123 bytes is answered.",
        close(4000, "a" * 123),
        codes=(1000, 4000),
    ),
)

_NOT_TEXT = (
    (23, "a byte that UTF-8 never has", b"\xff"),
    (24, "a continuation byte that nothing begins", b"\x80"),
    (25, "a character of two bytes, cut", b"\xc3"),
    (26, "a character of three bytes, cut", b"\xe2\x82"),
    (27, "a character of four bytes, cut", _WAVE[:3]),
    (28, "an overlong slash", b"\xc0\xaf"),
    (29, "a pair of surrogates", b"\xed\xa0\xbd\xed\xb1\x8b"),
    (30, "the number behind the last character", b"\xf4\x90\x80\x80"),
    (31, "122 letters and a byte that UTF-8 never has", b"a" * 122 + b"\xff"),
    (32, "too many characters, cut at byte 123", ("a" + _SIGN * 41).encode()[:123]),
)

_TEXT = (
    (33, "a character of four bytes", _WAVE),
    (34, "a NUL", b"\x00"),
    (35, "a NUL between letters", b"a\x00b"),
    (36, "a byte order mark alone", b"\xef\xbb\xbf"),
    (37, "a byte order mark before letters", b"\xef\xbb\xbfbye"),
    (38, "the last character of all", b"\xf4\x8f\xbf\xbf"),
)

_OF_REASONS = (
    *(
        refused(
            f"C.{number}",
            f"A close reason of {what} fails the connection.",
            close(1000, reason),
            clause=_UTF8,
            codes=BAD_REASON,
        )
        for number, what, reason in _NOT_TEXT
    ),
    *(
        answered(
            f"C.{number}",
            f"A close frame with a reason of {what} is answered.",
            close(1000, reason),
        )
        for number, what, reason in _TEXT
    ),
)

# Neighbours.

_OF_TWO = (
    answered(
        "C.39",
        "Two equal close frames in one write get one answer.",
        in_one_write(close(1000), close(1000)),
    ),
    answered(
        "C.40",
        "Of close frames with 1000 and 1001 the first is answered.",
        close(1000),
        close(1001),
        clause=_DISCARDED,
    ),
    answered(
        "C.41",
        "A broken close frame behind a good one is ignored.",
        in_one_write(close(1000), close(body=b"\x03")),
        clause=_DISCARDED,
    ),
    refused(
        "C.42",
        "A good close frame behind one with 1005 saves nothing.",
        in_one_write(close(1005), close(1000)),
        clause="RFC 6455 7.1.7",
    ),
    refused(
        "C.43",
        "A good close frame behind one of one byte saves nothing.",
        in_one_write(close(body=b"\x03"), close(1000)),
        clause="RFC 6455 7.1.7",
    ),
)

_BEHIND = (
    (46, "A text message", text("late")),
    (47, "A binary message", binary(b"late")),
    (48, "A ping", ping(b"late")),
    (49, "A continuation of nothing", continuation("late")),
    (50, "A text message without a mask", Frame(opcode=1, is_masked=False)),
    (
        51,
        "A frame that breaks every rule",
        Frame(opcode=15, payload=b"late", fin=False, rsv=7, is_masked=False, form=64),
    ),
    (52, "Half a text message", Frame(opcode=1, payload=b"late", declared=100)),
)

_OF_NEIGHBOURS = (
    refused(
        "C.44",
        "A close frame in two fragments fails the connection.",
        Frame(opcode=Opcode.CLOSE, payload=b"\x03\xe8", fin=False),
        continuation("reason"),
        clause=_FRAGMENTS,
    ),
    refused(
        "C.45",
        "An empty close frame without FIN fails the connection.",
        Frame(opcode=Opcode.CLOSE, fin=False),
        clause=_FRAGMENTS,
    ),
    *(
        answered(
            f"C.{number}",
            f"{what} behind a close frame in one write is ignored.",
            in_one_write(close(1000), frame),
            clause=_DISCARDED,
        )
        for number, what, frame in _BEHIND
    ),
    answered(
        "C.53",
        "A close frame in the middle of a binary message is answered.",
        binary(b"half", fin=False),
        close(1000),
        clause=_FRAGMENTS,
    ),
    answered(
        "C.54",
        "A close frame in the middle of a character is answered.",
        text(_WAVE[:2], fin=False),
        close(1000),
        clause=_FRAGMENTS,
    ),
    answered(
        "C.55",
        "A close frame without a body in the middle of a message is answered.",
        text("half", fin=False),
        close(),
        clause=_FRAGMENTS,
    ),
    answered(
        "C.56",
        "A new message behind half a message and a close frame is ignored.",
        in_one_write(text("half", fin=False), close(1000), text("late")),
        clause=_DISCARDED,
    ),
)

# Headers.


def _odd(frame: Frame, **unusual: object) -> Frame:
    """Return a frame with something unusual in its header."""
    return msgspec.structs.replace(frame, **unusual)


def _unmasked(number: int, subject: str, frame: Frame) -> Case:
    """Return the case of a close frame without a mask."""
    return Case(
        id=f"C.{number}",
        title=f"{subject} fails the connection.",
        clause=_MASKING,
        steps=(_odd(frame, is_masked=False),),
        # RFC 6455 5.1 asks for the end and leaves 1002 to the server (MAY).
        outcomes=(
            FAILED,
            Outcome(end=End.CLOSED, codes=frozenset({1000}), note=_UNMASKED_ANSWER),
        ),
    )


_OF_HEADERS = (
    *(
        refused(
            f"C.{number}",
            f"A close frame with RSV{bit} fails the connection.",
            _odd(close(1000), rsv=8 >> bit),
            clause=_BITS,
        )
        for number, bit in ((57, 1), (58, 2), (59, 3))
    ),
    _unmasked(60, "A close frame with a reason, without a mask,", close(1000, "done")),
    _unmasked(61, "An empty close frame without a mask", close()),
    answered(
        "C.62",
        "A close frame with a masking key of zeros is answered.",
        _odd(close(1000), mask=bytes(4)),
        clause="RFC 6455 5.3",
    ),
)

# TCP.


def _abandoned(number: int, title: str, *steps: Step) -> Case:
    """Return a case in which FIN takes the place of a close frame.

    No rule was broken, and a close frame is not asked for: MAY keeps the judge from
    saying that one should have come.
    """
    return Case(
        id=f"C.{number}",
        title=title,
        clause=_TCP,
        level=Level.MAY,
        steps=(*steps, HalfClose()),
        outcomes=(Outcome(end=End.FAILED),),
        needs=_PLAIN,
    )


_OF_TCP = (
    _abandoned(63, "FIN without a close frame ends the connection."),
    _abandoned(
        64,
        "FIN behind the header of a close frame ends the connection.",
        Frame(opcode=Opcode.CLOSE, declared=2),
    ),
    _abandoned(
        65,
        "FIN in the middle of a close frame ends the connection.",
        Frame(opcode=Opcode.CLOSE, payload=b"\x03", declared=2),
    ),
    answered(
        "C.66",
        "A close frame with 3000 and a reason, FIN right behind it, is answered.",
        close(3000, "done"),
        HalfClose(),
        codes=(1000, 3000),
        needs=_PLAIN,
    ),
    answered(
        "C.67",
        "A close frame without a body, with FIN right behind it, is answered.",
        close(),
        HalfClose(),
        needs=_PLAIN,
    ),
    answered(
        "C.68",
        "A close frame in pieces of one byte is answered.",
        Chopped((close(1000),)),
    ),
    answered(
        "C.69",
        "A close frame with a reason, in pieces of one byte, is answered.",
        Chopped((close(1000, _WAVE),)),
    ),
    answered(
        "C.70",
        "A close frame without a body, in pieces of one byte, is answered.",
        Chopped((close(),)),
    ),
    refused(
        "C.71",
        "A close frame with 1005, in pieces of one byte, fails the connection.",
        Chopped((close(1005),)),
        clause=_CODES,
    ),
)

# What comes before.

_LAST = Pong(b"last")

_OF_LAST_WORDS = (
    Case(
        id="C.72",
        title="A close frame right behind a ping is answered, with or without a pong.",
        clause="RFC 6455 5.5.2",
        steps=(in_one_write(ping(b"last"), close(1000)),),
        outcomes=(*closed(1000, heard=(_LAST,)), *closed(1000)),
    ),
    answered(
        "C.73",
        "A close frame right behind a pong that nobody asked for is answered.",
        in_one_write(pong(b"last"), close(1000)),
        clause="RFC 6455 5.5.3",
    ),
)

CASES: tuple[Case, ...] = (
    *_OF_CODES,
    *_OF_SIZES,
    *_OF_REASONS,
    *_OF_TWO,
    *_OF_NEIGHBOURS,
    *_OF_HEADERS,
    *_OF_TCP,
    *_OF_LAST_WORDS,
)
