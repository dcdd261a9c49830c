"""Cases of single UTF-8 sequences, valid and not, each a text in one frame.

It refuses to know fragments, runners and how UTF-8 is decoded.
"""

from itertools import product

import msgspec

from wavetank.lab.conformance.case import NOT_UTF8, Case, End, Need, Outcome, Text, text
from wavetank.lab.conformance.unicode import WORD

__all__ = ["CASES"]


class _Row(msgspec.Struct, frozen=True):
    """A text, or what is none.

    Attributes:
        what: What it consists of, behind "A text of".
        payload: Its bytes.
        is_valid: Whether they are UTF-8.
    """

    what: str
    payload: bytes
    is_valid: bool


def _good(what: str, sequences: str) -> tuple[_Row, ...]:
    """Return rows of valid sequences, given in hexadecimal."""
    return tuple(_Row(what, bytes.fromhex(row), True) for row in sequences.split())


def _bad(what: str, sequences: str) -> tuple[_Row, ...]:
    """Return rows of invalid sequences, given in hexadecimal."""
    return tuple(_Row(what, bytes.fromhex(row), False) for row in sequences.split())


_ENDS = frozenset({2, 5, 7, 9, 11})
"""Where the characters of the word end."""

_PREFIXES = tuple(
    _Row("a Greek word up to the end of a character", WORD[:size], True)
    if size in _ENDS
    else _Row("a Greek word cut within a character", WORD[:size], False)
    for size in range(1, len(WORD) + 1)
)

# Autobahn leaves the last byte of each range out, and its cases stay as they are.
_CONTINUATIONS = bytes(range(0x80, 0xBF)).hex()
_STARTS = " ".join(
    b"".join(bytes((start, 0x20)) for start in range(first, last)).hex()
    for first, last in (
        *((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7)),
        *((0xF8, 0xFB), (0xFC, 0xFD)),
    )
)

_CUT = (
    "c0 e080 f08080 f8808080 fc80808080 "  # overlong, whatever came last
    "df efbf f7bfbf fbbfbfbf fdbfbfbfbf"
)

_HIGH = ("eda080", "edadbf", "edae80", "edafbf")
_LOW = ("edb080", "edbfbf")
_PAIRS = " ".join(high + low for high, low in product(_HIGH, _LOW))

_NON_CHARACTERS = tuple(
    _Row("one non-character", chr(plane << 16 | last).encode(), True)
    for plane, last in product(range(17), (0xFFFE, 0xFFFF))
)

_HELLO, _WORLD = b"hello".hex(), b"world".hex()
_BETWEEN = " ".join(
    _HELLO + sequence + _WORLD for sequence in ("24", "c2a2", "e282ac", "f0a4ada2")
)

# By the second part of their number; most are of Markus Kuhn's UTF-8 stress test.
_SETS: dict[int, tuple[_Row, ...]] = {
    5: (
        *_good("two words with a character between them", _BETWEEN),
        *_good("a Greek word", WORD.hex()),
    ),
    6: _PREFIXES,
    7: _good("the first character of its length", "00 c280 e0a080 f0908080"),
    8: _bad("the first sequence of five or six bytes", "f888808080 fc8480808080"),
    9: _good("the last character of its length", "7f dfbf efbfbf f48fbfbf"),
    10: _bad(
        "a last sequence, far beyond U+10FFFF", "f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf"
    ),
    11: (
        *_good("a character at a border", "ed9fbf ee8080 efbfbd f48fbfbf"),
        *_bad("the number behind the last character", "f4908080"),
    ),
    12: _bad(
        "continuation bytes that nothing begins",
        f"80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf {_CONTINUATIONS}",
    ),
    13: _bad("start bytes with a space behind each", _STARTS),
    14: _bad("a sequence without its last byte", _CUT),
    15: _bad("sequences without their last bytes", _CUT.replace(" ", "")),
    16: _bad("bytes that UTF-8 never has", "fe ff fefeffff"),
    17: _bad("an overlong slash", "c0af e080af f08080af f8808080af fc80808080af"),
    18: _bad(
        "the last overlong sequence of its length",
        "c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf",
    ),
    19: _bad("an overlong NUL", "c080 e08080 f0808080 f880808080 fc8080808080"),
    20: _bad("one surrogate", "eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf"),
    21: _bad("a pair of surrogates", _PAIRS),
    22: _NON_CHARACTERS,
    23: _good(
        "one of the specials", "efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf"
    ),
}

_SHOWN = 16
"""Bytes that a title shows; of longer texts it shows the beginning and the end."""


def _shown(payload: bytes) -> str:
    """Return bytes as a title shows them."""
    if len(payload) <= _SHOWN:
        return payload.hex(" ").upper()
    return f"{payload[:6].hex(' ')} … {payload[-2:].hex(' ')}".upper()


def _case(number: str, row: _Row) -> Case:
    """Return the case of a row."""
    subject = f"A text of {row.what} ({_shown(row.payload)})"
    if row.is_valid:
        return Case(
            id=number,
            title=f"{subject} comes back.",
            clause="RFC 6455 5.6",
            steps=(text(row.payload),),
            outcomes=(Outcome(heard=(Text(row.payload),)),),
            needs=frozenset({Need.ECHO}),
        )
    return Case(
        id=number,
        title=f"{subject} fails the connection.",
        clause="RFC 6455 8.1",
        steps=(text(row.payload),),
        outcomes=(Outcome(end=End.FAILED, codes=NOT_UTF8),),
    )


CASES: tuple[Case, ...] = tuple(
    _case(f"6.{group}.{place}", row)
    for group, rows in _SETS.items()
    for place, row in enumerate(rows, 1)
)
