"""Quantities in words: seconds, bytes, counts, moments.

It refuses to know what was measured.
"""

import math
from datetime import UTC, datetime

__all__ = ["count", "duration", "figure", "moment", "share", "size"]

NOTHING = "-"
"""Where there is no value."""


def duration(seconds: float | None) -> str:
    """Return a duration with three digits, such as ``12.3 ms``."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    magnitude = abs(seconds)
    if magnitude >= 120:
        minutes, rest = divmod(round(magnitude), 60)
        return f"{'-' * (seconds < 0)}{minutes} min {rest:02d} s"
    if magnitude >= 0.9995:
        return f"{_three(seconds)} s"
    if magnitude >= 0.0009995:
        return f"{_three(seconds * 1e3)} ms"
    return f"{seconds * 1e6:.0f} us"


def _three(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if magnitude >= 9.995 else f"{value:.2f}"


def size(number: float) -> str:
    """Return a number of bytes, such as ``64.0 KiB``."""
    if not math.isfinite(number):
        return NOTHING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1023.5:
            return f"{number:.0f} B" if unit == "B" else f"{_three(number)} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"


def figure(value: float, unit: str) -> str:
    """Return a measured value with its unit."""
    if not math.isfinite(value):
        return NOTHING
    if unit in {"s", "seconds"}:
        return duration(value)
    if unit in {"B", "bytes"}:
        return size(value)
    return f"{_number(value)}{'' if unit[:1] == '/' else ' '}{unit}".rstrip()


def _number(value: float) -> str:
    if abs(value) >= 1e15:
        return f"{value:.4g}"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def share(part: float) -> str:
    """Return a part of one in per cent."""
    return f"{part * 100:.0f} %" if math.isfinite(part) else NOTHING


def moment(wall: float) -> str:
    """Return seconds since 1970 as a moment, UTC."""
    if not wall:
        return NOTHING
    try:
        return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return NOTHING


def count(number: int, noun: str) -> str:
    """Return a number and its noun: ``1 check``, ``2 checks``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
