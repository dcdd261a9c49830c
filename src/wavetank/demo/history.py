"""Prices of the past, from CSV or NDJSON.

It refuses to know files: their texts are handed in.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

import msgspec

from wavetank.demo.market import Quote
from wavetank.errors import UsageError, nearest

__all__ = ["read_history"]

_FIELDS = ("price", "volume", "timestamp")
_MOST_TOLD = 20
_MILLISECONDS = 1e11
"""From here on a number counts milliseconds: as seconds it were the year 5138."""

_Row = tuple[int, Mapping[str, Any]]


def read_history(name: str, content: str) -> tuple[Quote, ...]:
    """Read prices, each with its volume and its time.

    A text that begins with ``{`` is NDJSON, anything else CSV with a header. Fields
    are ``price``, ``volume`` and ``timestamp``: seconds or milliseconds since 1970,
    or a date and time with its zone. Other fields are passed over.

    Args:
        name: Of the file, for the problems.
        content: Its text.

    Raises:
        UsageError: With what is wrong, by line.
    """
    problems: list[str] = []
    body = content.removeprefix("\ufeff")
    read = _json_rows if body.lstrip().startswith("{") else _csv_rows
    quotes = []
    for line, row in read(body, problems):
        try:
            quotes.append(_quote(row))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if not problems and not quotes:
        problems.append("there is no price in it")
    if problems:
        raise UsageError(_told(name, problems))
    return tuple(quotes)


def _told(name: str, problems: list[str]) -> list[str]:
    told = [f"{name} {problem}" for problem in problems[:_MOST_TOLD]]
    more = len(problems) - _MOST_TOLD
    return [*told, f"{name}: and {more} more lines"] if more > 0 else told


def _json_rows(content: str, problems: list[str]) -> Iterator[_Row]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            problems.append(f"line {number}: not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problems.append(f"line {number}: not an object")


def _csv_rows(content: str, problems: list[str]) -> Iterator[_Row]:
    reader = csv.reader(content.splitlines(), skipinitialspace=True)
    try:
        header = [field.strip().lower() for field in next(reader, [])]
        lacking = [field for field in _FIELDS if header and field not in header]
        problems += [
            f"line {reader.line_num}: no column {field}{nearest(field, header)}"
            for field in lacking
        ]
        for row in [] if lacking else reader:
            if row:
                yield reader.line_num, dict(zip(header, row, strict=False))
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: not CSV: {error}")


def _quote(row: Mapping[str, Any]) -> Quote:
    missing = [field for field in _FIELDS if field not in row]
    if missing:
        raise ValueError(f"without {' and '.join(missing)}")
    price = _amount("price", row["price"])
    volume = _amount("volume", row["volume"])
    if price <= 0:
        raise ValueError(f"price: {price} is not above 0")
    if volume < 0:
        raise ValueError(f"volume: {volume} is below 0")
    return Quote(price, volume, _time(row["timestamp"]))


def _amount(field: str, given: object) -> Decimal:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError(f"{field}: {given!r} is not a number")
    try:
        value = Decimal(str(given).strip())
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise ValueError(f"{field}: {given!r} is not a number")
    if abs(value) >= 10**9:
        raise ValueError(f"{field}: {given!r} is too large")
    return round(value, 8)


def _time(given: object) -> float:
    words = str(given).strip()
    try:
        number = float(words)
    except ValueError:
        return _date(words)
    if not isfinite(number) or number < 0:
        raise ValueError(f"timestamp: {words} is no time after 1970")
    return number / 1000 if number >= _MILLISECONDS else number


def _date(words: str) -> float:
    try:
        time = datetime.fromisoformat(words)
    except ValueError:
        raise ValueError(
            f"timestamp: {words!r} is neither a number nor a date and time"
        ) from None
    if time.tzinfo is None:
        raise ValueError(f"timestamp: {words}: which time zone? put Z behind it")
    return time.timestamp()
