"""Transport: how writes, FIN and RST cut what is sent, and what comes of it.

It refuses to know sockets, and how long a write takes.
"""

import string
from itertools import combinations

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Chopped,
    End,
    HalfClose,
    Heard,
    Level,
    Need,
    Outcome,
    Pause,
    Pong,
    Raw,
    Reset,
    Step,
    Text,
    close,
    continuation,
    ping,
    text,
)
from wavetank.lab.conformance.framing import in_one_write
from wavetank.wire import Opcode, encode_frame

__all__ = ["CASES"]

_FRAMING = "RFC 6455 5.2"
_ECHO = frozenset({Need.ECHO})
_BINARY = frozenset({Need.BINARY})
_PLAIN = frozenset({Need.PLAIN})
_NOTHING: frozenset[Need] = frozenset()

_MASK = b"\x37\xfa\x21\x3d"
_HELLO = encode_frame(Opcode.BINARY, b"Hello", mask=_MASK)
_BREATH = Pause(0.02)
"""Long enough for two writes to be read as two, most of the time."""
_SOAK = Pause(0.2)
"""Long enough for what came before to be read."""


def _letters(size: int) -> bytes:
    """Return letters; 26 is no multiple of 4, so a slip of the mask shows."""
    letters = string.ascii_lowercase.encode()
    return (letters * (size // len(letters) + 1))[:size]


# One message in many writes.

_CHOPPED_ROWS: tuple[tuple[int, str, Chopped, Outcome, frozenset[Need]], ...] = (
    (
        1,
        "A text with a write for every byte comes back.",
        Chopped((text("Hello, world"),)),
        Outcome(heard=(Text(b"Hello, world"),)),
        _ECHO,
    ),
    (
        2,
        "A fragmented text around a ping with a write for every byte comes back.",
        Chopped((text("Hel", fin=False), ping(b"now"), continuation("lo"))),
        Outcome(heard=(Pong(b"now"), Text(b"Hello"))),
        _ECHO,
    ),
    (
        3,
        "A ping with a write for every byte is answered.",
        Chopped((ping(b"Hello"),)),
        Outcome(heard=(Pong(b"Hello"),)),
        _NOTHING,
    ),
    (
        4,
        "A close frame with a write for every byte is answered.",
        Chopped((close(1000, "done"),)),
        Outcome(end=End.CLOSED),
        _NOTHING,
    ),
    (
        5,
        "Texts in writes of 7 bytes, which fit no frame, come back.",
        Chopped(tuple(text(_letters(size)) for size in range(1, 11)), size=7),
        Outcome(heard=tuple(Text(_letters(size)) for size in range(1, 11))),
        _ECHO,
    ),
)

_CHOPPED = tuple(
    Case(
        id=f"B.{number}",
        title=title,
        clause=_FRAMING,
        steps=(chopped,),
        outcomes=(outcome,),
        needs=needs,
    )
    for number, title, chopped, outcome, needs in _CHOPPED_ROWS
)


# Many messages in one write.


def _burst(number: int, words: str, count: int) -> Case:
    """Return a case of that many texts in one write."""
    payloads = [f"text {index}".encode() for index in range(count)]
    return Case(
        id=f"B.{number}",
        title=f"{words} texts in one write come back in their order.",
        clause=_FRAMING,
        steps=(in_one_write(*map(text, payloads)),),
        outcomes=(Outcome(heard=tuple(map(Text, payloads))),),
        needs=_ECHO,
    )


_THREE = (b"one", b"two", b"three")

_ONE_WRITE = (
    _burst(6, "Two", 2),
    _burst(7, "Ten", 10),
    _burst(8, "A hundred", 100),
    Case(
        id="B.9",
        title="Three pings in one write are answered, the last of them at least.",
        clause="RFC 6455 5.5.3",
        steps=(in_one_write(*map(ping, _THREE)),),
        # A pong for the newest ping alone MAY stand for those before it.
        outcomes=tuple(
            Outcome(heard=tuple(map(Pong, (*answered, _THREE[-1]))))
            for count in (2, 1, 0)
            for answered in combinations(_THREE[:-1], count)
        ),
    ),
    Case(
        id="B.10",
        title="A text and a close frame in one write: the echo, then the answer.",
        clause="RFC 6455 5.5.1",
        level=Level.SHOULD,
        steps=(in_one_write(text("Hello"), close(1000)),),
        outcomes=(
            Outcome(heard=(Text(b"Hello"),), end=End.CLOSED),
            Outcome(
                end=End.CLOSED,
                note="it should answer the text before the close frame",
            ),
        ),
        needs=_ECHO,
    ),
    Case(
        id="B.11",
        title="A ping and a close frame in one write: the pong, then the answer.",
        clause="RFC 6455 5.5.2",
        steps=(in_one_write(ping(b"Hello"), close(1000)),),
        outcomes=(
            Outcome(heard=(Pong(b"Hello"),), end=End.CLOSED),
            # "unless it already received a Close frame", and it came with the ping.
            Outcome(
                end=End.CLOSED,
                note="it should answer the ping before the close frame",
            ),
        ),
    ),
    Case(
        id="B.12",
        title="A close frame with a text and a ping behind it in one write ends it.",
        clause="RFC 6455 5.5.1",
        steps=(in_one_write(close(1000), text("late"), ping(b"late")),),
        outcomes=(Outcome(end=End.CLOSED),),
    ),
)


# Headers cut by writes.


def _cut_everywhere(number: int, header: int, size: int) -> Case:
    """Return a case of one message for each place at which its header can be cut."""
    payload = _letters(size)
    data = encode_frame(Opcode.BINARY, payload, mask=_MASK)
    steps: list[Step] = []
    for at in range(1, header + 1):
        steps += (Raw(data[:at]), _BREATH, Raw(data[at:]))
    return Case(
        id=f"B.{number}",
        title=f"Messages with a header of {header} bytes cut at each place come back.",
        clause=_FRAMING,
        steps=tuple(steps),
        outcomes=(Outcome(heard=(Binary(payload),) * header),),
        needs=_BINARY,
    )


def _in_two(data: bytes, at: int) -> tuple[Step, ...]:
    """Return bytes in two writes that are read as two."""
    return Raw(data[:at]), _SOAK, Raw(data[at:])


_PING = encode_frame(Opcode.PING, b"now", mask=_MASK)
# Behind its first byte, this reads as an empty ping with a mask of zeros.
_NO_PING = encode_frame(Opcode.BINARY, bytes(9), mask=b"\x80\x00\x00\x00")

_HEADERS = (
    _cut_everywhere(13, 6, 5),
    _cut_everywhere(14, 8, 126),
    _cut_everywhere(15, 14, 65_536),
    Case(
        id="B.16",
        title="A ping whose header is cut is answered.",
        clause=_FRAMING,
        steps=_in_two(_PING, 1),
        outcomes=(Outcome(heard=(Pong(b"now"),)),),
    ),
    Case(
        id="B.17",
        title="A ping in one write with half a header is answered before the message.",
        clause="RFC 6455 5.5.2",
        steps=_in_two(_PING + _HELLO, len(_PING) + 1),
        outcomes=(Outcome(heard=(Pong(b"now"), Binary(b"Hello"))),),
        needs=_BINARY,
    ),
    Case(
        id="B.18",
        title="What reads as a ping between the halves of a header is no ping.",
        clause=_FRAMING,
        steps=_in_two(_NO_PING, 1),
        outcomes=(Outcome(heard=(Binary(bytes(9)),)),),
        needs=_BINARY,
    ),
    Case(
        id="B.19",
        title="A payload cut in the middle by a wait comes back.",
        clause=_FRAMING,
        steps=_in_two(_HELLO, 8),
        outcomes=(Outcome(heard=(Binary(b"Hello"),)),),
        needs=_BINARY,
    ),
)


# FIN and RST.

_HALF_HEADER: tuple[Step, ...] = (Raw(_HELLO[:3]), _SOAK)
_HALF_PAYLOAD: tuple[Step, ...] = (Raw(_HELLO[:8]), _SOAK)
_HALF_MESSAGE: tuple[Step, ...] = (text("Hel", fin=False), _SOAK)
_GONE = Outcome(end=End.FAILED)
"""TCP is over; no message came of what was cut, and any close code will do."""

_FIN_ROWS: tuple[tuple[int, str, tuple[Step, ...]], ...] = (
    (20, "FIN between two messages", ()),
    (21, "FIN in the middle of a header", _HALF_HEADER),
    (22, "FIN in the middle of a payload", _HALF_PAYLOAD),
    (23, "FIN in the middle of a fragmented message", _HALF_MESSAGE),
)

_FIN = tuple(
    Case(
        id=f"B.{number}",
        title=f"{what}: the target ends TCP too.",
        clause="RFC 6455 7.1.4",
        level=Level.SHOULD,
        steps=(*before, HalfClose()),
        outcomes=(_GONE,),
        needs=_PLAIN,
    )
    for number, what, before in _FIN_ROWS
)

_HEARD: tuple[Heard, ...] = (Text(b"Hello"),)

_FIN_LATE = (
    Case(
        id="B.24",
        title="FIN behind a text: the text comes back, and the target ends TCP too.",
        clause="RFC 6455 7.1.4",
        level=Level.SHOULD,
        steps=(text("Hello"), HalfClose()),
        outcomes=(
            Outcome(heard=_HEARD, end=End.FAILED),
            Outcome(
                end=End.FAILED,
                note="it should answer the text before FIN",
            ),
        ),
        needs=_ECHO | _PLAIN,
    ),
    Case(
        id="B.25",
        title="FIN behind a close frame: the close frame is answered.",
        clause="RFC 6455 5.5.1",
        steps=(close(1000), HalfClose()),
        outcomes=(Outcome(end=End.CLOSED),),
        needs=_PLAIN,
    ),
)

_RST_ROWS: tuple[tuple[int, str, tuple[Step, ...]], ...] = (
    (26, "RST between two messages", ()),
    (27, "RST in the middle of a header", _HALF_HEADER),
    (28, "RST in the middle of a payload", _HALF_PAYLOAD),
    (29, "RST in the middle of a fragmented message", _HALF_MESSAGE),
)

_RST = tuple(
    Case(
        id=f"B.{number}",
        title=f"{what}: the next connection is served as before.",
        clause="RFC 6455 7.1.4",
        level=Level.SHOULD,
        steps=(*before, Reset()),
        outcomes=(_GONE,),
        needs=_PLAIN,
    )
    for number, what, before in _RST_ROWS
)

CASES: tuple[Case, ...] = (
    *_CHOPPED,
    *_ONE_WRITE,
    *_HEADERS,
    *_FIN,
    *_FIN_LATE,
    *_RST,
)
"""B.1 to B.5: many writes; B.6 to B.12: one write; B.13 to B.19: cuts and waits;
B.20 to B.25: FIN; B.26 to B.29: RST."""
