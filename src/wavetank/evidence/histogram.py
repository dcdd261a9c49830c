"""Latencies as a histogram of high dynamic range: record, merge, read, encode.

It refuses to know what was timed, and it never keeps the values themselves.
"""

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Self

__all__ = ["Histogram"]

_MICROSECONDS = 1_000_000
_LARGEST_VALUE = 86_400 * _MICROSECONDS
"""Nobody waits longer than a day; also bounds what `decode` allocates."""

_LARGEST_TEXT = 8 * 1024 * 1024
_LARGEST_PAYLOAD = 8 * 1024 * 1024

# HdrHistogram V2: an outer head, then a compressed payload with its own head.
_OUTER = struct.Struct(">II")
_OUTER_COOKIE = 0x1C849304
_INNER = struct.Struct(">IIIIQQd")
_INNER_COOKIE = 0x1C849303
_COOKIE_MASK = ~0xF0
_LONG_WORDS = 0x10
"""In a cookie: counts are variable words, a negative one is a run of zeros."""


class Histogram:
    """Counts of durations, each within ``digits`` significant digits.

    A value outside the range is clamped to its edge and counted in
    ``clamped``, which is not a part of the encoded form.

    Args:
        lowest: Smallest duration told apart from nothing, in seconds, at least
            1e-6.
        highest: Largest duration, in seconds.
        digits: Significant decimal digits that are kept, 1 to 5.

    Raises:
        ValueError: If the range or the digits make no sense.
    """

    __slots__ = (
        "_counts",
        "_dropped",
        "clamped",
        "digits",
        "highest",
        "lowest",
    )

    def __init__(
        self, *, lowest: float = 1e-6, highest: float = 60.0, digits: int = 3
    ) -> None:
        if not 1 <= digits <= 5:
            raise ValueError(f"digits must be 1 to 5, not {digits}")
        if not 1e-6 <= lowest <= highest / 2 or _micros(highest) > _LARGEST_VALUE:
            raise ValueError(
                f"a range of {lowest} s to {highest} s: the lowest must be at least "
                "1e-6 s, the highest at least twice that and at most a day"
            )
        self.lowest = lowest
        self.highest = highest
        self.digits = digits
        self.clamped = 0
        # A table, length in bits -> bits that are dropped: that many leading ones
        # stay, and nothing finer than the lowest value is kept.
        leading: int = (2 * 10**digits - 1).bit_length()
        unit = _micros(lowest).bit_length() - 1
        self._dropped = tuple(
            max(length - leading, unit)
            for length in range(max(_micros(highest).bit_length(), leading + unit) + 1)
        )
        # Lowest microsecond of each bucket -> count. A dictionary beats the dense
        # array: a run touches a few hundred of its 17 thousand places.
        self._counts: dict[int, int] = {}

    def record(self, seconds: float, count: int = 1) -> None:
        """Count a duration.

        Args:
            seconds: The duration; outside the range it is clamped and counted.
            count: How many of it, at least 1.

        Raises:
            ValueError: If ``seconds`` is not a number.
        """
        if not self.lowest <= seconds <= self.highest:
            seconds = self._clamp(seconds, count)
        # Spelled out, not called: this is run for every message of a load.
        micros = int(seconds * 1e6 + 0.5)
        dropped = self._dropped[micros.bit_length()]
        place = micros >> dropped << dropped
        counts = self._counts
        counts[place] = counts.get(place, 0) + count

    def record_microseconds(self, counts: Mapping[int, int]) -> None:
        """Count many durations at once, as `record` does each.

        Args:
            counts: Whole microseconds -> how many, at least 1 each.
        """
        lowest, highest = _micros(self.lowest), _micros(self.highest)
        own, dropped = self._counts, self._dropped
        for micros, count in counts.items():
            if lowest <= micros <= highest:
                within = micros
            else:
                self.clamped += count
                within = lowest if micros < lowest else highest
            bits = dropped[within.bit_length()]
            place = within >> bits << bits
            own[place] = own.get(place, 0) + count

    def _clamp(self, seconds: float, count: int) -> float:
        if math.isnan(seconds):
            raise ValueError("a duration must be a number")
        self.clamped += count
        return self.lowest if seconds < self.lowest else self.highest

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another histogram; exact, in any order.

        Raises:
            ValueError: If the other has another range or other digits.
        """
        if not self.is_like(other):
            raise ValueError(f"cannot merge exactly: {self!r} and {other!r}")
        counts = self._counts
        for place, count in other._counts.items():
            counts[place] = counts.get(place, 0) + count
        self.clamped += other.clamped

    def is_like(self, other: "Histogram") -> bool:
        """Tell whether the two can be merged: the same range, the same digits."""
        return self._shape() == other._shape()

    def _shape(self) -> tuple[int, int, int]:
        return _micros(self.lowest), _micros(self.highest), self.digits

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[float, int]:
        """Smallest duration of each bucket in seconds -> its count, in order."""
        return {place / 1e6: self._counts[place] for place in sorted(self._counts)}

    @property
    def capped(self) -> bool:
        """Whether some duration was at or above the highest: it may be longer."""
        return self._place(_micros(self.highest)) in self._counts

    @property
    def min(self) -> float | None:
        """Smallest duration of the lowest bucket in use, in seconds."""
        if not self._counts:
            return None
        return max(min(self._counts) / 1e6, self.lowest)

    @property
    def max(self) -> float | None:
        """Largest duration of the highest bucket in use, in seconds."""
        return self._top(max(self._counts)) if self._counts else None

    @property
    def mean(self) -> float | None:
        """Mean of the middles of the buckets, in seconds."""
        if not self._counts:
            return None
        total = sum(
            (place + self._top(place) * 1e6) / 2 * count
            for place, count in self._counts.items()
        )
        return total / 1e6 / self.count

    def percentile(self, percentile: float) -> float | None:
        """Return the duration that so many per cent did not exceed.

        Args:
            percentile: 0 to 100.

        Returns:
            Seconds: the largest of its bucket, as other HDR tools say it; None
            where nothing was recorded.

        Raises:
            ValueError: If ``percentile`` is not within 0 to 100.
        """
        if not 0 <= percentile <= 100:
            raise ValueError(f"a percentile is within 0 to 100, not {percentile}")
        if not self._counts:
            return None
        # Rounded first: 99.9 per cent of 1000 is the 999th, whatever binary
        # fractions say.
        rank = max(1, math.ceil(round(percentile * self.count / 100, 6)))
        seen = 0
        for place in sorted(self._counts):  # pragma: no branch: rank <= count
            seen += self._counts[place]
            if seen >= rank:
                break
        return self._top(place)

    def _place(self, micros: int) -> int:
        dropped = self._dropped[micros.bit_length()]
        return micros >> dropped << dropped

    def _top(self, place: int) -> float:
        """Return the largest duration of a bucket in seconds, within the range."""
        dropped = self._dropped[place.bit_length()]
        return min((place + (1 << dropped) - 1) / 1e6, self.highest)

    def encode(self) -> str:
        """Return the standard text form: HdrHistogram V2, compressed, base64.

        Its values are microseconds. Equal counts give equal text.
        """
        lowest, highest, digits = self._shape()
        counts = self._encoded_counts()
        payload = _INNER.pack(
            _INNER_COOKIE | _LONG_WORDS, len(counts), 0, digits, lowest, highest, 1.0
        )
        compressed = zlib.compress(payload + counts)
        outer = _OUTER.pack(_OUTER_COOKIE | _LONG_WORDS, len(compressed))
        return base64.b64encode(outer + compressed).decode()

    def _encoded_counts(self) -> bytes:
        """Return all counts of the dense array up to the last one that is not 0.

        Spelled out, not left to the library: that goes through the 17 thousand places
        of the array, 4 ms in which a worker of a load sends nothing, for each operation
        and second. This goes through those in use.
        """
        leading = (2 * 10**self.digits - 1).bit_length()
        unit = _micros(self.lowest).bit_length() - 1
        half = leading - 1
        words = bytearray()
        behind = 0
        for place in sorted(self._counts):
            bucket = max(place.bit_length() - leading - unit, 0)
            index = (bucket << half) + (place >> (bucket + unit))
            if index > behind:
                _append_word(words, behind - index)
            _append_word(words, self._counts[place])
            behind = index + 1
        return bytes(words)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the histogram of a text made by `encode` or another HDR tool.

        Raises:
            ValueError: If the text is damaged, or is not in microseconds.
        """
        try:
            lowest, highest, digits, counts = _examine(text)
            histogram = cls(lowest=lowest / 1e6, highest=highest / 1e6, digits=digits)
        except (binascii.Error, zlib.error, struct.error) as error:
            raise ValueError(f"not a histogram: {error}") from error
        histogram._read_counts(counts)
        return histogram

    def _read_counts(self, counts: bytes) -> None:
        """Take in counts as `_encoded_counts` writes them; a run of zeros is one step.

        Raises:
            ValueError: If there are more than the range has places.
        """
        leading = (2 * 10**self.digits - 1).bit_length()
        unit = _micros(self.lowest).bit_length() - 1
        half = leading - 1
        length = _micros(self.highest).bit_length()
        most = (max(length - leading - unit, 0) + 2) << half
        own, index = self._counts, 0
        # Spelled out: who adds up many workers reads a million of these a second.
        for word in _words(counts):
            if word > 0:
                bucket = (index >> half) - 1
                if bucket > 0:
                    own[(index - (bucket << half)) << (bucket + unit)] = word
                else:
                    own[index << unit] = word
                index += 1
            else:
                index -= word or -1
            if index > most:
                raise ValueError("not a histogram: a count outside its range")

    def __eq__(self, other: object) -> bool:
        """Be equal when range, digits and counts are."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._shape() == other._shape() and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]  # it changes, so it is no key

    def __repr__(self) -> str:
        """Show range, digits and how much was recorded."""
        return (
            f"<Histogram {self.lowest:g} to {self.highest:g} s, "
            f"{self.digits} digits, count={self.count}, clamped={self.clamped}>"
        )


def _micros(seconds: float) -> int:
    return int(seconds * _MICROSECONDS + 0.5)


def _append_word(words: bytearray, value: int) -> None:
    """Append a count, or a run of zeros: ZigZag, then LEB128 (at most nine bytes)."""
    left = value << 1 if value >= 0 else (-value << 1) - 1
    for _ in range(8):
        if left < 0x80:
            break
        words.append(left & 0x7F | 0x80)
        left >>= 7
    words.append(left & 0xFF)


def _words(data: bytes) -> Iterator[int]:
    """Yield the counts and runs of zeros that `_append_word` wrote."""
    value = shift = 0
    for byte in data:
        if byte < 0x80 and not shift:
            yield (byte >> 1) ^ -(byte & 1)
        # The ninth byte has all its eight bits for the value.
        elif byte < 0x80 or shift == 56:
            value |= byte << shift
            yield (value >> 1) ^ -(value & 1)
            value = shift = 0
        else:
            value |= (byte & 0x7F) << shift
            shift += 7


def _examine(text: str) -> tuple[int, int, int, bytes]:
    """Check everything that is taken on trust later.

    Returns:
        Lowest value, highest value (microseconds), digits, and the encoded counts.
    """
    if len(text) > _LARGEST_TEXT:
        raise ValueError("not a histogram: too large")
    data = base64.b64decode(text, validate=True)
    cookie, length = _OUTER.unpack_from(data)
    if cookie & _COOKIE_MASK != _OUTER_COOKIE or length != len(data) - _OUTER.size:
        raise ValueError("not a histogram: neither V2 nor compressed, or cut")
    inflating = zlib.decompressobj()
    payload = inflating.decompress(data[_OUTER.size :], _LARGEST_PAYLOAD)
    if not inflating.eof or inflating.unused_data:
        raise ValueError("not a histogram: cut, too large, or followed by more")
    cookie, length, offset, digits, lowest, highest, ratio = _INNER.unpack_from(payload)
    if cookie & _COOKIE_MASK != _INNER_COOKIE or length != len(payload) - _INNER.size:
        raise ValueError("not a histogram: damaged payload")
    if length and payload[-1] & 0x80:
        raise ValueError("not a histogram: the last count is cut")
    if offset or ratio != 1.0:
        raise ValueError("not a histogram in microseconds: shifted or scaled")
    if not 1 <= digits <= 5 or not 1 <= lowest <= highest // 2:
        raise ValueError("not a histogram: its range makes no sense")
    if highest > _LARGEST_VALUE:
        raise ValueError("not a histogram in microseconds: longer than a day")
    return lowest, highest, digits, payload[_INNER.size :]
