"""What is sent in volume: the same bytes each time, some of it compressible, some not.

It refuses to know frames, and how a message is compressed.
"""

import enum
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Material", "cut", "pieces"]

_KIB: Final = 1024


class Material(enum.StrEnum):
    """What messages are made of; the value is how it is called in a sentence."""

    LETTERS = "letters"
    BYTES = "bytes"
    STARS = "stars"
    THORNS = "bytes 0xfe"
    JSON = "JSON"
    BITMAP = "a bitmap"
    VERSE = "verse"
    HTML = "HTML"
    PDF = "a PDF"

    @property
    def is_text(self) -> bool:
        """Whether it goes out as text, and is UTF-8."""
        return self in _TEXTS


_TEXTS: Final = frozenset(
    {Material.LETTERS, Material.STARS, Material.JSON, Material.HTML}
)


_FAR: Final = 64 * _KIB
"""Bytes behind which pieces may come again: no window of deflate is that large."""

_FEWEST: Final = 32
"""Pieces that differ at least, whatever their size."""


def pieces(size: int) -> int:
    """Return how many pieces of a size there are; then the first comes again."""
    return max(_FEWEST, _FAR // max(size, 1))


def cut(
    material: Material, number: int, size: int, *, is_quoted: bool = False
) -> bytes:
    """Return a message: the next piece behind those before it, round and round.

    A piece of text begins and ends with a whole character; blanks make up for a part
    of one.

    Args:
        material: What it is made of.
        number: Which message, from 0; after as many as ``pieces`` says, the first.
        size: Its bytes.
        is_quoted: Whether it has to stand inside a JSON string as it is.
    """
    data = _quotable(material) if is_quoted else _data(material)
    start = number % pieces(size) * size % len(data)
    piece = data[start : start + size]
    if len(piece) < size:
        turns, rest = divmod(size - len(piece), len(data))
        piece += data * turns + data[:rest]
    if material.is_text and not piece.isascii():
        piece = piece.decode(errors="ignore").encode().ljust(size)
    return piece


@functools.cache
def _quotable(material: Material) -> bytes:
    """Return a text without the characters that JSON writes in another way."""
    table = bytes.maketrans(b'"\\\n\r\t', b"'/   ")
    return _data(material).translate(table)


@functools.cache
def _data(material: Material) -> bytes:
    return _MAKERS[material]()


def _dice(seed: str, count: int) -> bytes:
    """Return bytes in which nothing repeats itself, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(count)


def _picks(seed: str, words: Sequence[str], count: int) -> list[str]:
    """Return words of a list, those at its beginning more often than the others."""
    dice = _dice(seed, 2 * count)
    last = len(words)
    return [
        words[dice[at] * dice[at + 1] * last >> 16] for at in range(0, 2 * count, 2)
    ]


_NAMES: Final = (
    *("price", "size", "side", "venue", "symbol", "bid", "ask", "open", "high", "low"),
    *("Zürich", "Kraków", "東京", "São Paulo", "Ålesund", "Москва", "Lyon", "Accra"),
)
_HEADS: Final = (
    *("b", "br", "d", "f", "fl", "g", "gr", "h", "k", "l", "m", "n", "qu", "r", "s"),
    *("sch", "st", "str", "t", "w", "z"),
)
_HEARTS: Final = ("a", "ä", "au", "e", "ei", "ie", "i", "o", "ö", "u", "ü")
_TAILS: Final = (
    *("ch", "cht", "ck", "en", "er", "ge", "l", "lt", "m", "n", "nd", "ng", "r", "s"),
    *("ß", "t"),
)


def _words(count: int) -> list[str]:
    """Return words that sound German and mean nothing."""
    dice = iter(_dice("words", 9 * count))
    parts = (_HEADS, _HEARTS, _TAILS)
    return [
        "".join(
            part[next(dice) % len(part)]
            for _ in range(1 + number % 3)
            for part in parts
        )
        for number in range(count)
    ]


def _json() -> bytes:
    """Return a list of records, as an API gives them."""
    dice = _dice("json", 8 * 800)
    words = _picks("names", _NAMES, 1600)
    rows = []
    for row in range(800):
        a, b = (
            int.from_bytes(dice[at : at + 4], "big")
            for at in range(8 * row, 8 * row + 8, 4)
        )
        rows.append(
            {
                "id": row,
                "key": f"{a:08x}",
                "isActive": bool(a & 1),
                "balance": b % 1_000_000 / 100,
                "tags": words[2 * row : 2 * row + 2],
                "position": {"latitude": a % 90_000 / 1000, "longitude": b % 180},
            }
        )
    return json.dumps(rows, ensure_ascii=False, indent=2).encode()


def _bitmap() -> bytes:
    """Return 512 by 512 pixels of grey: slopes, edges, and the noise of a camera."""
    side = 512
    noise = _dice("bitmap", side * side)
    head = b"BM" + (1078 + side * side).to_bytes(4, "little") + bytes(4)
    palette = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
    pixels = bytes(
        (x * y >> 10) + (96 if (x // 64 + y // 96) % 3 else 0) + (noise[at] & 7) & 0xFF
        for at, (y, x) in enumerate((y, x) for y in range(side) for x in range(side))
    )
    return head.ljust(54, b"\0") + palette + pixels


def _verse() -> bytes:
    """Return lines that look like verse."""
    words = iter(_picks("verse", _words(4_000), 34_000))
    lines = [
        " ".join(next(words) for _ in range(4 + size % 4)).capitalize()
        + ",.;!"[size % 4]
        for size in _dice("lines", 4_800)
    ]
    return "\r\n".join(lines).encode()


def _html() -> bytes:
    """Return a page with one long table."""
    words = _picks("html", _NAMES + tuple(_words(60)), 8_000)
    dice = _dice("cells", 8_000)
    rows = [
        f'<tr class="row{at % 2}" id="r{at}"><td><a href="/item/{at}?from={dice[at]}">'
        f"{words[at]} {words[at + 2000]}</a></td>"
        f'<td style="text-align:right">{dice[at + 2000] * 1.25:.2f}</td>'
        f"<td>{words[at + 4000]} &amp; {words[at + 6000]}</td></tr>\n"
        for at in range(1_800)
    ]
    page = ("<!doctype html>\n<body>\n<table>\n", *rows, "</table>\n</body>\n")
    return "".join(page).encode()


def _pdf() -> bytes:
    """Return objects whose streams are compressed already, with little between."""
    size = 8 * _KIB
    streams = _dice("pdf", 120 * size)
    objects = [
        f"{at + 1} 0 obj\n<< /Filter /FlateDecode /Length {size} >>\nstream\n".encode()
        + streams[at * size : at * size + size]
        + b"\nendstream\nendobj\n"
        for at in range(120)
    ]
    return b"%PDF-1.4\n" + b"".join(objects) + b"%%EOF\n"


_MAKERS: Final[dict[Material, Callable[[], bytes]]] = {
    Material.LETTERS: lambda: b"BAsd7&jh23",
    Material.BYTES: lambda: b"\x00\xfe\x23\xfa\xf0",
    Material.STARS: lambda: b"*",
    Material.THORNS: lambda: b"\xfe",
    Material.JSON: _json,
    Material.BITMAP: _bitmap,
    Material.VERSE: _verse,
    Material.HTML: _html,
    Material.PDF: _pdf,
}
