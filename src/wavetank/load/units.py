"""What figures are measured in: how it is typed, and how it is said.

It refuses to know which figure is meant.
"""

import enum
import math
import re
from collections.abc import Callable, Mapping

__all__ = ["Unit"]

_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(.*)")
_TIMES = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_SIZES = {
    "": 1.0,
    "b": 1.0,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "kib": 1024.0,
    "mib": 1024.0**2,
    "gib": 1024.0**3,
}
_EACH = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}
_BYTES_EACH = {
    size + each: factor * share
    for size, factor in _SIZES.items()
    for each, share in _EACH.items()
}


class Unit(enum.Enum):
    """One of the few things that figures are measured in."""

    SECONDS = "seconds"
    COUNT = "count"
    SHARE = "share"
    """1.0 is all, or one core."""
    RATE = "rate"
    """Messages/s."""
    BYTES = "bytes"
    BYTE_RATE = "byte rate"
    """Bytes/s."""
    GROWTH = "growth"
    """Bytes/s, as one thinks of a leak: slowly."""
    COUNT_GROWTH = "count growth"
    """Each second, the same of things that are counted."""

    def read(self, typed: str) -> float:
        """Return a value in base units: seconds, bytes, each second, parts of one.

        Raises:
            ValueError: If it is none of this unit, with an example of one that is.
        """
        factors, example = _WAYS_TO_TYPE[self]
        match = _NUMBER.fullmatch(typed.strip())
        if not match:
            raise ValueError(f"{typed.strip()!r} is not a value such as {example}")
        number, unit = float(match[1]), match[2].lower().replace(" ", "")
        # Nothing is nothing in every unit.
        if number == 0 and unit == "":
            return 0.0
        if unit not in factors:
            what = f"does not know {match[2]!r}" if unit else "needs a unit"
            raise ValueError(f"{typed.strip()!r} {what}; write it as in {example}")
        return number * factors[unit]

    def say(self, value: float) -> str:
        """Return a value in words, such as ``12.3 ms``."""
        if not math.isfinite(value):
            return "no end"
        return _WAYS_TO_SAY[self](value)


_WAYS_TO_TYPE: Mapping[Unit, tuple[Mapping[str, float], str]] = {
    Unit.SECONDS: (_TIMES, "100ms, 1.5s or 500us"),
    Unit.COUNT: ({"": 1.0}, "0 or 100"),
    Unit.SHARE: ({"%": 0.01}, "1% or 0.1%"),
    Unit.RATE: ({"": 1.0} | _EACH, "5000/s"),
    Unit.BYTES: (_SIZES, "512MiB"),
    Unit.BYTE_RATE: (_BYTES_EACH, "10MiB/s"),
    Unit.GROWTH: (_BYTES_EACH, "1MiB/min"),
    Unit.COUNT_GROWTH: (_EACH, "1/min"),
}


def _seconds(value: float) -> str:
    if abs(value) >= 1:
        return f"{value:.3g} s" if abs(value) < 1000 else f"{value:.0f} s"
    if abs(value) >= 1e-3:
        return f"{value * 1e3:.3g} ms"
    return f"{value * 1e6:.0f} us"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{value * 100:.3g} %"


def _rate(value: float) -> str:
    return f"{value:,.0f}/s" if abs(value) >= 100 else f"{value:.3g}/s"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1000:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"


_WAYS_TO_SAY: Mapping[Unit, Callable[[float], str]] = {
    Unit.SECONDS: _seconds,
    Unit.COUNT: _count,
    Unit.SHARE: _share,
    Unit.RATE: _rate,
    Unit.BYTES: _bytes,
    Unit.BYTE_RATE: lambda value: f"{_bytes(value)}/s",
    Unit.GROWTH: lambda value: f"{_bytes(value * 60)}/min",
    Unit.COUNT_GROWTH: lambda value: f"{value * 60:.3g}/min",
}
