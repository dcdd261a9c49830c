"""Masking: frames without a mask, and masks of every kind (RFC 6455 5.1 and 5.3).

It refuses to know how a frame is encoded, sent and judged.
"""

import string

from msgspec import structs

from wavetank.lab.conformance.case import (
    NOT_UTF8,
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    Heard,
    Level,
    Need,
    Outcome,
    Pong,
    Step,
    Text,
    binary,
    close,
    continuation,
    ping,
    pong,
    split,
    text,
)
from wavetank.lab.conformance.framing import failed

__all__ = ["CASES"]

_KEYS = (b"\x37\xfa\x21\x3d", b"\x01\x80\xff\x7e", b"\xc3\x28\x0d\x0a")
"""No two of their bytes at the same place are equal: a key taken for another shows."""

_WORDS = "zwölf Boxkämpfer 水槽 𝄞".encode()
_CLEF = "𝄞".encode()


def _bare(frame: Frame) -> Frame:
    """Return the frame without a mask."""
    return structs.replace(frame, is_masked=False)


def _keyed(frame: Frame, key: bytes) -> Frame:
    """Return the frame with this masking key."""
    return structs.replace(frame, mask=key)


def _fails(
    number: str, title: str, *steps: Step, outcomes: tuple[Outcome, ...] = failed()
) -> Case:
    """Return a case in which a frame without a mask fails the connection."""
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 5.1",
        level=Level.MUST,
        steps=steps,
        outcomes=outcomes,
    )


def _comes_back(
    number: str, title: str, *steps: Step, heard: tuple[Heard, ...]
) -> Case:
    """Return a case in which everything comes back as it was before masking."""
    is_text = any(isinstance(what, Text) for what in heard)
    is_binary = any(isinstance(what, Binary) for what in heard)
    wanted = ((Need.ECHO, is_text), (Need.BINARY, is_binary))
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 5.3",
        level=Level.MUST,
        steps=steps,
        outcomes=(Outcome(heard=heard),),
        needs=frozenset(need for need, is_wanted in wanted if is_wanted),
    )


_WITHOUT = (
    _fails(
        "M.1",
        "A text frame without a mask fails the connection.",
        _bare(text("Hello")),
    ),
    _fails(
        "M.2",
        "A binary frame without a mask fails the connection.",
        _bare(binary(b"\x00\xff\x7f")),
    ),
    _fails(
        "M.3",
        "A continuation without a mask fails the connection.",
        text("Hel", fin=False),
        _bare(continuation("lo")),
    ),
    _fails(
        "M.4",
        "A ping without a mask fails the connection.",
        _bare(ping(b"Hello")),
    ),
    _fails(
        "M.5",
        "A pong without a mask fails the connection.",
        _bare(pong(b"Hello")),
    ),
    _fails(
        "M.6",
        "A close frame without a mask fails the connection.",
        _bare(close(1000)),
        # RFC 6455 5.1 asks for the end and leaves 1002 to the server (MAY).
        outcomes=(
            *failed(),
            Outcome(
                end=End.CLOSED,
                note="it should fail the connection with 1002",
            ),
        ),
    ),
    _fails(
        "M.7",
        "A text frame without a mask fails the connection although it is empty.",
        _bare(text()),
    ),
    _fails(
        "M.8",
        "A ping without a mask fails the connection although it is empty.",
        _bare(ping()),
    ),
    _fails(
        "M.9",
        "A binary frame of 65536 bytes without a mask fails the connection.",
        _bare(binary(b"*" * 65_536)),
    ),
    _fails(
        "M.10",
        "An unmasked fragment in the middle of a masked message fails the connection.",
        text("Hel", fin=False),
        _bare(continuation("lo, wor", fin=False)),
        continuation("ld"),
    ),
    _fails(
        "M.11",
        "An unmasked ping in the middle of a masked message fails the connection.",
        text("Hel", fin=False),
        _bare(ping(b"now")),
        continuation("lo"),
    ),
    _fails(
        "M.12",
        "An unmasked first fragment fails the connection before the masked rest.",
        _bare(text("Hel", fin=False)),
        continuation("lo"),
    ),
    _fails(
        "M.13",
        "A masked text comes back, and an unmasked one after it fails the connection.",
        text("masked"),
        _bare(text("unmasked")),
        outcomes=failed(Text(b"masked")),
    ),
)

_LETTERS = string.ascii_letters.encode()
_UP_TO_70 = tuple((_LETTERS * 2)[:size] for size in range(71))
"""Routines that unmask by 4, 8, 16 or 32 bytes have to care for every rest."""

_KEYS_OF_EVERY_KIND = (
    _comes_back(
        "M.14",
        "A text with a mask of zeros comes back.",
        _keyed(text(_WORDS), bytes(4)),
        heard=(Text(_WORDS),),
    ),
    _comes_back(
        "M.15",
        "A text with a mask of ones comes back.",
        _keyed(text(_WORDS), b"\xff\xff\xff\xff"),
        heard=(Text(_WORDS),),
    ),
    _comes_back(
        "M.16",
        "Three texts with the same mask come back.",
        *(_keyed(text(word), _KEYS[0]) for word in ("one", "two", "three")),
        heard=(Text(b"one"), Text(b"two"), Text(b"three")),
    ),
    _comes_back(
        "M.17",
        "Three texts with a mask each come back.",
        *(
            _keyed(text(word), key)
            for word, key in zip(("one", "two", "three"), _KEYS, strict=True)
        ),
        heard=(Text(b"one"), Text(b"two"), Text(b"three")),
    ),
    _comes_back(
        "M.18",
        "A binary message that its mask turns into zeros comes back.",
        _keyed(binary(_KEYS[2] * 8), _KEYS[2]),
        heard=(Binary(_KEYS[2] * 8),),
    ),
    _comes_back(
        "M.19",
        "A ping with a mask is answered with what was masked.",
        _keyed(ping(_WORDS), _KEYS[1]),
        heard=(Pong(_WORDS),),
    ),
    _comes_back(
        "M.20",
        "Texts of every length from 0 to 70 bytes come back.",
        *(
            _keyed(text(payload), _KEYS[len(payload) % len(_KEYS)])
            for payload in _UP_TO_70
        ),
        heard=tuple(map(Text, _UP_TO_70)),
    ),
    _comes_back(
        "M.21",
        "A text that comes in writes of 3 bytes is unmasked across them.",
        Chopped((_keyed(text(_WORDS), _KEYS[0]),), size=3),
        heard=(Text(_WORDS),),
    ),
    _comes_back(
        "M.22",
        "A text whose code points are cut by writes of one byte is unmasked and whole.",
        Chopped((_keyed(text(_CLEF * 3), _KEYS[1]),), size=1),
        heard=(Text(_CLEF * 3),),
    ),
)


def _fragments(payload: bytes, *sizes: int) -> tuple[Frame, ...]:
    """Return a text in fragments of these sizes, each with a mask of its own."""
    parts = split(payload, sizes)
    last = len(parts) - 1
    frames = (
        (continuation if index else text)(part, fin=index == last)
        for index, part in enumerate(parts)
    )
    return tuple(
        _keyed(frame, _KEYS[index % len(_KEYS)]) for index, frame in enumerate(frames)
    )


_HELLO_IN_THREE = _fragments(b"Hello, world", 3, 6)

_FRAGMENTS = (
    _comes_back(
        "M.23",
        "A text in fragments with different masks comes back whole.",
        *_HELLO_IN_THREE,
        heard=(Text(b"Hello, world"),),
    ),
    _comes_back(
        "M.24",
        "A code point cut by fragments with different masks comes back whole.",
        *_fragments(_CLEF, 1, 1, 1),
        heard=(Text(_CLEF),),
    ),
    _comes_back(
        "M.25",
        "A ping with another mask than the fragments around it disturbs neither.",
        _HELLO_IN_THREE[0],
        _keyed(ping(b"now"), b"\xa5\x5a\x0f\xf0"),
        *_HELLO_IN_THREE[1:],
        heard=(Pong(b"now"), Text(b"Hello, world")),
    ),
)

_UTF8 = (
    Case(
        id="M.26",
        title="A text whose masked bytes are UTF-8 and whose unmasked are not fails.",
        clause="RFC 6455 8.1",
        steps=(_keyed(text(b"\xff\xff\xff\xff"), b"\xb7\xba\xb3\xb3"),),
        outcomes=(Outcome(end=End.FAILED, codes=NOT_UTF8),),
    ),
)

CASES: tuple[Case, ...] = (*_WITHOUT, *_KEYS_OF_EVERY_KIND, *_FRAGMENTS, *_UTF8)
"""M.1 to M.13: no mask; M.14 to M.25: masks of every kind; M.26: UTF-8 behind one."""
