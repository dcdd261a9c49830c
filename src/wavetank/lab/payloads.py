"""Payloads that checks send: JSON texts, each told apart from every other.

It refuses to know how they travel.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

__all__ = [
    "BEYOND_A_DOUBLE",
    "VARIED",
    "canonical",
    "numbered",
    "of_size",
    "price_update",
]

BEYOND_A_DOUBLE = "9007199254740993"
"""A number that many servers change, as RFC 8259 6 lets them."""

VARIED: tuple[str, ...] = (
    '{"a":1}',
    '{"spaced" : [1,  2 ,3]}',
    '{"b":1,"a":2}',
    "[]",
    '""',
    "null",
    "0.1",
    "1.10",
    BEYOND_A_DOUBLE,
    "-0.0",
    "1e3",
    '{"deep":[[[[[[[["bottom"]]]]]]]]}',
    '{"text":"\\u00e9\\ud83c\\udf0a\\n\\t\\"quoted\\" \\\\"}',
    '{"text":"é 水槽 🌊 ﷽"}',
    '{"empty":{},"list":[],"null":null,"true":true}',
    '{"__proto__":{"x":1},"constructor":"y"}',
    '{"sql":"\'; DROP TABLE users; --","html":"<script>alert(1)</script>"}',
)
"""Valid JSON in the spellings that servers change when they parse and re-encode."""


def price_update(number: int, *, at: float) -> str:
    """Return a BTC price update.

    Args:
        number: Which one; no two have the same price and volume.
        at: Its timestamp in seconds since 1970 UTC.
    """
    price = Decimal(67_000) + Decimal(number) / 100
    volume = Decimal(125 + number) / 100
    return (
        f'{{"type":"btc_price_update","price":{price:.2f},"volume":{volume:.2f},'
        f'"timestamp":{at:.3f}}}'
    )


def numbered(count: int, *, sender: str = "", size: int = 0) -> Iterator[str]:
    """Yield payloads that carry a number and their sender.

    Args:
        count: How many.
        sender: Who sends them.
        size: Pad each to at least so many bytes.
    """
    for number in range(count):
        bare = f'{{"n":{number},"from":"{sender}","pad":""}}'
        pad = "x" * max(0, size - len(bare))
        yield f'{{"n":{number},"from":"{sender}","pad":"{pad}"}}'


def of_size(size: int, *, letter: str = "a") -> str:
    """Return a JSON string of exactly ``size`` bytes, at least 2."""
    return f'"{letter * (size - 2)}"'


def canonical(payload: str) -> str:
    """Return a text that two payloads share when their JSON values are equal.

    Numbers keep every digit; their spelling, the order of keys and white space
    do not count. What is not JSON is returned as it is.
    """
    try:
        value = json.loads(payload, parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError):
        return payload
    return json.dumps(value, sort_keys=True)


def _number(text: str) -> str:
    """Return one spelling of a number, with every digit of it."""
    written, _, power = text.lower().partition("e")
    whole, _, part = written.lstrip("-").partition(".")
    digits = (whole + part).lstrip("0")
    if not digits:
        return "\0" + "0"  # RFC 8259 6: -0 has no value of its own
    kept = digits.rstrip("0")
    exponent = int(power or "0") - len(part) + len(digits) - len(kept)
    sign = "-" if text.startswith("-") else ""
    # A mark that no string of a check starts with keeps 1 and "1" apart.
    return f"\0{sign}{kept}e{exponent}"
