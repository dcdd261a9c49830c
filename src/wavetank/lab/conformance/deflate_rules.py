"""permessage-deflate: its bit, its blocks, its window, and data that is none of it.

It refuses to know parameters beyond the two that forget, and who agreed to them.
"""

import hashlib
import zlib

from wavetank.lab.conformance.case import (
    BROKEN,
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
from wavetank.wire import Opcode

__all__ = ["CASES"]

_OFFER = "permessage-deflate"
_RESERVED = "RFC 6455 5.2"
_FRAMING = "RFC 7692 6.1"
_INFLATING = "RFC 7692 7.2.2"
_RSV1, _RSV2, _RSV3 = 4, 2, 1

_INVALID = frozenset({1002, 1007})
"""RFC 7692 names no code for data that cannot be inflated; both are in use."""

_TAIL = b"\x00\x00\xff\xff"
"""What a sender takes off the end of a message (RFC 7692 7.2.1)."""

# The examples of RFC 7692 7.2.3; each of them means "Hello".
_HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
_HELLO_AGAIN = bytes.fromhex("f2 00 11 00 00")
_HELLO_STORED = bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00")
_HELLO_FINAL = bytes.fromhex("f3 48 cd c9 c9 07 00 00")
_HELLO_TWICE = bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00")

_NOISE = "".join(
    hashlib.sha256(number.to_bytes(2, "big")).hexdigest() for number in range(500)
).encode()
"""32000 bytes that hardly repeat themselves."""

_PROSE = "Wer zu spät liest, liest zu spät. 水槽 𝄞 ".encode() * 5


def _blocks(
    data: bytes, level: int = -1, strategy: int = zlib.Z_DEFAULT_STRATEGY
) -> bytes:
    """Return data deflated with nothing before it, and an empty block behind it."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _deflate(data: bytes) -> bytes:
    """Return data deflated with nothing before it, as a message has it."""
    return _blocks(data)[: -len(_TAIL)]


def _around_empty_fixed(before: bytes, behind: bytes) -> bytes:
    """Return two blocks with an empty one of fixed codes between them."""
    stream = zlib.compressobj(-1, zlib.DEFLATED, -15, 8, zlib.Z_FIXED)
    first = stream.compress(before) + stream.flush(zlib.Z_PARTIAL_FLUSH)
    second = stream.compress(behind) + stream.flush(zlib.Z_SYNC_FLUSH)
    return (first + second)[: -len(_TAIL)]


def _compressed(payload: bytes) -> Frame:
    """Return a text with RSV1 and this payload."""
    return text(payload, rsv=_RSV1)


def _fragments(payload: bytes, *sizes: int) -> tuple[Frame, ...]:
    """Return a compressed text in fragments of these sizes; RSV1 is on the first."""
    first, *middle, last = split(payload, sizes)
    return (
        text(first, fin=False, rsv=_RSV1),
        *(continuation(part, fin=False) for part in middle),
        continuation(last),
    )


def _comes_back(
    number: int,
    title: str,
    *steps: Step,
    heard: tuple[Heard, ...],
    clause: str = _INFLATING,
    level: Level = Level.MUST,
    others: tuple[Outcome, ...] = (),
    offer: str = _OFFER,
    points_back: bool = False,
) -> Case:
    """Return a case in which what was sent comes back, compressed or not."""
    is_binary = any(isinstance(what, Binary) for what in heard)
    needs = {Need.DEFLATE, Need.BINARY if is_binary else Need.ECHO}
    return Case(
        id=f"D.{number}",
        title=title,
        clause=clause,
        level=level,
        steps=steps,
        outcomes=(Outcome(heard=heard), *others),
        needs=frozenset(needs | ({Need.TAKEOVER} if points_back else set())),
        extensions=offer,
    )


def _fails(
    number: int,
    title: str,
    *steps: Step,
    codes: frozenset[int] = BROKEN,
    clause: str = _FRAMING,
    offer: str = _OFFER,
) -> Case:
    """Return a case that ends with the connection failed."""
    return Case(
        id=f"D.{number}",
        title=title,
        clause=clause,
        steps=steps,
        outcomes=(Outcome(end=End.FAILED, codes=codes),),
        needs=frozenset({Need.DEFLATE} if offer else ()),
        extensions=offer,
    )


# Reserved bits, and whether a message is compressed.

_BITS = (
    _fails(
        1,
        "A text with RSV1 fails where no extension is agreed.",
        text("Hello", rsv=_RSV1),
        clause=_RESERVED,
        offer="",
    ),
    _fails(
        2,
        "A compressed message fails where no extension is agreed.",
        binary(_HELLO, rsv=_RSV1),
        clause=_RESERVED,
        offer="",
    ),
    _fails(3, "A ping with RSV1 fails.", ping(b"Hello", rsv=_RSV1)),
    _fails(4, "A pong with RSV1 fails.", pong(b"Hello", rsv=_RSV1)),
    _fails(
        5,
        "A close frame with RSV1 fails.",
        Frame(opcode=Opcode.CLOSE, payload=close(1000).payload, rsv=_RSV1),
    ),
    _fails(
        6,
        "A continuation with RSV1 fails in a compressed message.",
        text(_HELLO[:3], fin=False, rsv=_RSV1),
        continuation(_HELLO[3:], rsv=_RSV1),
    ),
    _fails(
        7,
        "A continuation with RSV1 fails in a message that is not compressed.",
        text("Hel", fin=False),
        continuation("lo", rsv=_RSV1),
    ),
    _fails(
        8,
        "A compressed text with RSV2 fails.",
        text(_HELLO, rsv=_RSV1 | _RSV2),
        clause=_RESERVED,
    ),
    _fails(9, "A text with RSV3 fails.", text("Hello", rsv=_RSV3), clause=_RESERVED),
)

_CHOICE = (
    _comes_back(
        10,
        "A text that is not compressed comes back.",
        text("Hello"),
        heard=(Text(b"Hello"),),
        clause=_FRAMING,
    ),
    _comes_back(
        11,
        "A text in fragments that is not compressed comes back.",
        text("Hel", fin=False),
        continuation("lo"),
        heard=(Text(b"Hello"),),
        clause=_FRAMING,
    ),
    _comes_back(
        12,
        "A text that is not compressed between two that are: all come back.",
        _compressed(_HELLO),
        text("plain"),
        _compressed(_deflate(b"Hello again")),
        heard=(Text(b"Hello"), Text(b"plain"), Text(b"Hello again")),
        clause=_FRAMING,
    ),
    _comes_back(
        13,
        "A compressed text comes back.",
        _compressed(_HELLO),
        heard=(Text(b"Hello"),),
    ),
    _comes_back(
        14,
        "A compressed binary message comes back.",
        binary(_deflate(bytes(range(256))), rsv=_RSV1),
        heard=(Binary(bytes(range(256))),),
    ),
)


# One message, in blocks of every kind.

_STORED = _blocks(b"stored ", level=0)
_FIXED = _blocks(b"fixed ", strategy=zlib.Z_FIXED)
_DYNAMIC = _blocks(_NOISE[:999])
_ALL_THREE = (_STORED + _FIXED + _DYNAMIC)[: -len(_TAIL)]

_BLOCK_ROWS = (
    (15, "a stored block", "7.2.3.3", _HELLO_STORED, b"Hello"),
    (16, "a block of fixed codes", "7.2.2", _FIXED[:-4], b"fixed "),
    (17, "a block of dynamic codes", "7.2.2", _DYNAMIC[:-4], _NOISE[:999]),
    (18, "blocks of all types", "7.2.3.5", _ALL_THREE, b"stored fixed " + _NOISE[:999]),
    (19, "two blocks around an empty stored one", "7.2.3.5", _HELLO_TWICE, b"Hello"),
    (
        20,
        "two blocks around an empty one of fixed codes",
        "7.2.3.5",
        _around_empty_fixed(b"Hel", b"lo"),
        b"Hello",
    ),
    (21, "a block with BFINAL", "7.2.3.4", _HELLO_FINAL, b"Hello"),
    (
        22,
        "a block with BFINAL and one behind it",
        "7.2.1",
        _HELLO_FINAL[:-1] + _deflate(b" and on"),
        b"Hello and on",
    ),
    (23, "an empty stored block", "7.2.3.6", b"\x00", b""),
    (24, "an empty block of fixed codes", "7.2.2", b"\x02\x00", b""),
    (
        25,
        "blocks that inflate to 100000 bytes",
        "7.2.2",
        _deflate(b"*" * 100_000),
        b"*" * 100_000,
    ),
    (
        26,
        "blocks that point 32000 bytes back",
        "7.2.2",
        _deflate(_NOISE * 2),
        _NOISE * 2,
    ),
)

_BLOCKS = tuple(
    _comes_back(
        number,
        f"A text in {what} comes back.",
        _compressed(payload),
        heard=(Text(inflated),),
        clause=f"RFC 7692 {section}",
    )
    for number, what, section, payload, inflated in _BLOCK_ROWS
)


# One message, in parts.

_CLEF = "𝄞".encode()
_CLEF_STORED = b"\x00\x04\x00\xfb\xff" + _CLEF + b"\x00"

_PART_ROWS: tuple[tuple[int, str, tuple[Step, ...], bytes], ...] = (
    (27, "in three fragments", _fragments(_deflate(_PROSE), 20, 20), _PROSE),
    (28, "with empty fragments all over", _fragments(_HELLO, 0, 3, 0, 4), b"Hello"),
    (29, "with a fragment for every byte", _fragments(_HELLO, *(1,) * 6), b"Hello"),
    (30, "with a code point in fragments", _fragments(_CLEF_STORED, 6, 1, 1), _CLEF),
    (31, "in writes of one byte", (Chopped((_compressed(_HELLO),)),), b"Hello"),
)

_PARTS = (
    *(
        _comes_back(
            number,
            f"A compressed text {how} comes back.",
            *steps,
            heard=(Text(inflated),),
            clause=_FRAMING,
        )
        for number, how, steps, inflated in _PART_ROWS
    ),
    _comes_back(
        32,
        "A ping in the middle of a compressed message is answered before it.",
        text(_HELLO[:3], fin=False, rsv=_RSV1),
        ping(b"now"),
        continuation(_HELLO[3:]),
        heard=(Pong(b"now"), Text(b"Hello")),
        clause=_FRAMING,
    ),
)


# Messages and those before them.


_WINDOW = (
    _comes_back(
        33,
        "A text that points back into the one before comes back.",
        _compressed(_HELLO),
        _compressed(_HELLO_AGAIN),
        heard=(Text(b"Hello"), Text(b"Hello")),
        clause="RFC 7692 7.2.3.2",
        points_back=True,
    ),
    _comes_back(
        34,
        "A text that points back over one that is not compressed comes back.",
        _compressed(_HELLO),
        text("plain"),
        _compressed(_HELLO_AGAIN),
        heard=(Text(b"Hello"), Text(b"plain"), Text(b"Hello")),
        clause="RFC 7692 7.2.3.2",
        points_back=True,
    ),
    _comes_back(
        35,
        "Two equal texts of a client that forgets between them come back.",
        _compressed(_HELLO),
        _compressed(_HELLO),
        heard=(Text(b"Hello"), Text(b"Hello")),
        clause="RFC 7692 7.1.1.2",
        offer=f"{_OFFER}; client_no_context_takeover",
    ),
    _comes_back(
        36,
        "A server that agreed to forget sends two equal texts without pointing back.",
        _compressed(_deflate(_PROSE)),
        _compressed(_deflate(_PROSE)),
        heard=(Text(_PROSE), Text(_PROSE)),
        clause="RFC 7692 7.1.1.1",
        offer=f"{_OFFER}; server_no_context_takeover",
    ),
    _comes_back(
        37,
        "A text that follows one in a block with BFINAL comes back.",
        _compressed(_HELLO_FINAL),
        _compressed(_deflate(b"and on")),
        heard=(Text(b"Hello"), Text(b"and on")),
        clause="RFC 7692 7.2.3.4",
    ),
    _comes_back(
        38,
        "A compressed text without a byte is empty, or fails; it harms no later one.",
        _compressed(b""),
        _compressed(_HELLO),
        heard=(Text(b""), Text(b"Hello")),
        level=Level.MAY,
        others=(
            Outcome(end=End.FAILED, codes=_INVALID),
            Outcome(heard=(Text(b""),), end=End.FAILED, codes=_INVALID),
        ),
    ),
)


# Data that is none.

_BAD_BLOCK = b"\x06\x00"
_BAD_LENGTH = bytes.fromhex("00 05 00 fa fe 48 65 6c 6c 6f 00")
_SHORT_STORED = bytes.fromhex("00 64 00 9b ff 48 65 6c 6c 6f")
_UTF16 = _deflate(b"Hello \xed\xa0\x80 world")
_LONELY = _deflate(b"Hello \xc3\x28 world")
_UNFINISHED = _deflate(b"Hello " + _CLEF[:3])

_BAD_ROWS: tuple[tuple[int, str, tuple[Step, ...], frozenset[int]], ...] = (
    (39, "that is no deflate data", (_compressed(b"this is no deflate"),), _INVALID),
    (40, "with a block of the reserved type", (_compressed(_BAD_BLOCK),), _INVALID),
    (41, "with a wrong complement of a length", (_compressed(_BAD_LENGTH),), _INVALID),
    (42, "that ends in a stored block", (_compressed(_SHORT_STORED),), _INVALID),
    (43, "that points before its begin", (_compressed(_HELLO_AGAIN),), _INVALID),
    (44, "that inflates to a surrogate", (_compressed(_UTF16),), NOT_UTF8),
    (45, "in fragments that is no UTF-8", _fragments(_LONELY, 3, 5), NOT_UTF8),
    (46, "that ends within a code point", (_compressed(_UNFINISHED),), NOT_UTF8),
)

_BAD = tuple(
    _fails(
        number,
        f"A compressed text {what} fails.",
        *steps,
        codes=codes,
        clause="RFC 6455 8.1" if codes is NOT_UTF8 else _INFLATING,
    )
    for number, what, steps, codes in _BAD_ROWS
)

_SHORT = "it should not take a text that is cut short for a shorter one"

_LATE = (
    Case(
        id="D.47",
        title="A good compressed text comes back, and a broken one after it fails.",
        clause=_INFLATING,
        steps=(_compressed(_HELLO), _compressed(_BAD_BLOCK)),
        outcomes=(
            Outcome(heard=(Text(b"Hello"),), end=End.FAILED, codes=_INVALID),
            Outcome(
                end=End.FAILED,
                codes=_INVALID,
                note="it should answer the text before the broken one",
            ),
        ),
        needs=frozenset({Need.DEFLATE}),
        extensions=_OFFER,
    ),
    Case(
        id="D.48",
        title="A compressed text that is cut short within a block fails.",
        clause=_INFLATING,
        level=Level.SHOULD,
        steps=(_compressed(_HELLO[:4]), _compressed(_HELLO)),
        outcomes=(
            Outcome(end=End.FAILED, codes=_INVALID),
            # The zeros that a receiver appends read as the end of the block.
            Outcome(
                heard=(Text(b"Helh"),), end=End.FAILED, codes=_INVALID, note=_SHORT
            ),
            Outcome(heard=(Text(b"Helh"), Text(b"Hello")), note=_SHORT),
        ),
        needs=frozenset({Need.DEFLATE, Need.ECHO}),
        extensions=_OFFER,
    ),
)

CASES: tuple[Case, ...] = (
    *_BITS,
    *_CHOICE,
    *_BLOCKS,
    *_PARTS,
    *_WINDOW,
    *_BAD,
    *_LATE,
)
"""D.1 to D.14: reserved bits, compressed or not; D.15 to D.32: one message, in blocks
and parts; D.33 to D.38: messages and those before them; D.39 to D.48: bad data."""
