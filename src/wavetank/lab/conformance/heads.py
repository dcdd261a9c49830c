"""Heads of HTTP/1.1 around an opening handshake, as a table: grammar, bodies, size.

It refuses to know what the fields of the handshake mean.
"""

from typing import Final

from wavetank.lab.conformance.asking import (
    ENDS,
    OPENED,
    OPENS,
    REFUSED,
    REFUSES,
    Answer,
    Ask,
    row,
)
from wavetank.lab.conformance.case import Level
from wavetank.wire import Opcode, encode_frame

__all__ = ["ASKS"]

_VERSION: Final = "Sec-WebSocket-Version"

_MASK: Final = bytes.fromhex("01020304")
_BODY: Final = encode_frame(Opcode.PING, b"body", mask=_MASK)
_BEHIND: Final = encode_frame(Opcode.PING, b"behind", mask=_MASK)

_WITH_BODY = (
    Answer(statuses=REFUSED | {501}),
    Answer(statuses=OPENED, pongs=(b"behind",)),
    Answer(statuses=OPENED, pongs=(), note="it should read what is behind the body"),
    ENDS,
)

_BODIES = (
    row(
        "H.65",
        "A body with Content-Length is not read as frames.",
        "RFC 9112 6.3",
        *_WITH_BODY,
        change={"Content-Length": str(len(_BODY))},
        after=_BODY + _BEHIND,
    ),
    row(
        "H.66",
        "A chunked body is not read as frames.",
        "RFC 9112 6.3",
        *_WITH_BODY,
        change={"Transfer-Encoding": "chunked"},
        after=b"%x\r\n%b\r\n0\r\n\r\n%b" % (len(_BODY), _BODY, _BEHIND),
    ),
    row(
        "H.67",
        "Two lengths that differ are refused.",
        "RFC 9112 6.3",
        REFUSES,
        ENDS,
        change={"Content-Length": ("0", "5")},
    ),
    row(
        "H.68",
        "A transfer coding that is not known is refused.",
        "RFC 9112 6.3",
        Answer(statuses=REFUSED | {501}),
        ENDS,
        change={"Transfer-Encoding": "wavetank"},
    ),
)

_GRAMMAR = (
    row(
        "H.69",
        "A folded line is refused, or read as one line.",
        "RFC 9112 5.2",
        REFUSES,
        OPENS,
        ENDS,
        lines=(b"X-Wavetank: folded\r\n over two lines\r\n",),
    ),
    row(
        "H.70",
        "A line in front of the first field that begins with a space is no field.",
        "RFC 9112 2.2",
        REFUSES,
        ENDS,
        change={_VERSION: None},
        version=f"HTTP/1.1\r\n {_VERSION}: 13",
    ),
    row(
        "H.71",
        "Lines that end with LF alone are read, or refused.",
        "RFC 9112 2.2",
        OPENS,
        REFUSES,
        Answer(statuses=frozenset(), may_wait=True),
        level=Level.MAY,
        line_end=b"\n",
    ),
    row(
        "H.72",
        "CR alone does not end a line.",
        "RFC 9112 2.2",
        REFUSES,
        ENDS,
        change={_VERSION: None, "X-Wavetank": f"a\r{_VERSION}: 13"},
    ),
    row(
        "H.73",
        "NUL in a value is refused, or read as a space.",
        "RFC 9110 5.5",
        REFUSES,
        OPENS,
        ENDS,
        change={"X-Wavetank": "a\x00b"},
    ),
    *(
        row(f"H.{number}", f"{what} is refused.", clause, REFUSES, ENDS, lines=(line,))
        for number, what, clause, line in (
            (74, "A space in front of a colon", "RFC 9112 5.1", b"X-Wavetank : a\r\n"),
            (75, "A line without a colon", "RFC 6455 4.2.1", b"X-Wavetank\r\n"),
            (76, "A name that is no token", "RFC 6455 4.2.1", b"X(Wavetank): a\r\n"),
        )
    ),
    *(
        row(
            f"H.{number}",
            f"{what} is read, or refused with 4xx.",
            "RFC 9110 5.4",
            OPENS,
            REFUSES,
            ENDS,
            change={"X-Wavetank": value},
        )
        for number, what, value in (
            (77, "A field of 8 KB", "x" * 2**13),
            (78, "A field of 64 KB", "x" * 2**16),
            (79, "A field of 1 MB", "x" * 2**20),
            (80, "A head of 1000 fields", ("x",) * 1000),
        )
    ),
)

ASKS: tuple[Ask, ...] = (*_BODIES, *_GRAMMAR)
