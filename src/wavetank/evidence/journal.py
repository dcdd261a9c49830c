"""Records to NDJSON lines and back.

It refuses to know files: bytes in, bytes out. Whatever the bytes are, reading
them ends in a value.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

import msgspec

from wavetank.evidence.records import Record, RunFinished

__all__ = ["LONGEST_LINE", "Journal", "encode_record", "read_journal"]

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; a longer line is skipped, so that a hostile file cannot fill memory."""

_MOST_PROBLEMS = 100
_LONGEST_PROBLEM = 300
_LONGEST_TAG = 80

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)
_known_tags = frozenset(kind.__struct_config__.tag for kind in get_args(Record))


class _Tag(msgspec.Struct):
    record: str


_tag_decoder = msgspec.json.Decoder(_Tag)


class Journal(msgspec.Struct, frozen=True):
    """What could be read of a journal.

    Attributes:
        records: In the order of the file.
        cut: Whether the end is missing: half a last line, or no RunFinished.
        problems: One sentence for each line that could not be read.
    """

    records: list[Record]
    cut: bool
    problems: list[str]


def encode_record(record: Record) -> bytes:
    """Return a record as one line, its end included.

    What UTF-8 cannot carry (lone surrogates in a target's text) is written out
    as ``\\udXXX``.

    Raises:
        ValueError: If a number is not finite; JSON has no such thing, and a
            figure without data must not look like one.
    """
    try:
        line = _encoder.encode(record)
    except UnicodeEncodeError:
        line = _encoder.encode(_written_out(msgspec.to_builtins(record)))
    if b":null" in line and not _is_finite(msgspec.to_builtins(record)):
        raise ValueError(f"a number that is not finite in {record!r}")
    return line + b"\n"


def _written_out(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_written_out(key): _written_out(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_written_out(item) for item in value]
    return value


def _is_finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list) or all(map(_is_finite, value))


def read_journal(data: bytes | Iterable[bytes]) -> Journal:
    """Read a journal; never raises, whatever the bytes are.

    Args:
        data: All of it, or its pieces in order (an open binary file will do),
            cut anywhere.
    """
    reading = _Reading()
    for line, is_whole in _lines((data,) if isinstance(data, bytes) else data):
        reading.take(line, is_whole=is_whole)
    return reading.journal()


def _lines(pieces: Iterable[bytes]) -> Iterator[tuple[bytes | None, bool]]:
    """Yield (line, has an end); a line that is too long is None."""
    pending: list[bytes] = []
    length = 0
    for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            if length + end - start > LONGEST_LINE:
                yield None, True
            else:
                yield b"".join((*pending, piece[start:end])), True
            pending, length, start = [], 0, end + 1
        length += len(piece) - start
        if length > LONGEST_LINE:
            pending.clear()
        else:
            pending.append(piece[start:])
    if length:
        yield (None if length > LONGEST_LINE else b"".join(pending)), False


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.problems: list[str] = []
        self.more_problems = 0
        self.unknown: Counter[str] = Counter()
        self.number = 0
        self.ends_in_half = False

    def take(self, line: bytes | None, *, is_whole: bool) -> None:
        """Read one line; half a line is the cut, not a problem."""
        self.number += 1
        if line is None:
            self._report(f"longer than {LONGEST_LINE} bytes")
            return
        if not line.strip():
            return
        try:
            self.records.append(_decoder.decode(line))
        except (ValueError, RecursionError) as error:
            # ValueError: msgspec's errors and those of UTF-8 are both of it.
            if is_whole:
                self._explain(line, error)
            else:
                self.ends_in_half = True

    def _explain(self, line: bytes, error: Exception) -> None:
        try:
            tag = _tag_decoder.decode(line).record[:_LONGEST_TAG]
        except (ValueError, RecursionError):
            tag = ""
        if not tag or tag in _known_tags:
            self._report(f"damaged: {error}")
            return
        self.unknown[tag] += 1
        if self.unknown[tag] == 1:
            self._report(f"record {tag!r} is unknown here; written by a newer version?")
        if len(self.unknown) > _MOST_PROBLEMS:
            del self.unknown[tag]

    def _report(self, problem: str) -> None:
        if len(self.problems) >= _MOST_PROBLEMS:
            self.more_problems += 1
            return
        self.problems.append(f"line {self.number}: {problem[:_LONGEST_PROBLEM]}")

    def journal(self) -> Journal:
        """Return the journal as far as it was read."""
        problems = list(self.problems)
        repeated = sum(self.unknown.values()) - len(self.unknown)
        if repeated:
            problems.append(f"{repeated} more lines hold records of the same names")
        if self.more_problems:
            problems.append(f"{self.more_problems} more problems")
        finished = any(type(record) is RunFinished for record in self.records)
        return Journal(self.records, self.ends_in_half or not finished, problems)
