"""The body of an HTTP response that goes by: where it ends (RFC 9112 6.3).

It refuses to know what it says, and keeps nothing of it.
"""

import enum
import re
from typing import Final

__all__ = ["PassingBody", "body_of"]

_LONGEST_LINE: Final = 1024
"""Bytes of the line before a chunk, or of a trailer field."""
_MOST_TRAILER: Final = 16 * 1024
"""Bytes of all trailer fields."""
_NO_BODY: Final = frozenset({204, 304})
"""Statuses of responses without a body."""

_CHUNKED: Final = b"chunked"
_SPACE: Final = b" \t\r"

_length = re.compile(rb"(?im)^content-length[ \t]*:([^\n]*)")
_coding = re.compile(rb"(?im)^transfer-encoding[ \t]*:([^\n]*)")
_closes = re.compile(rb"(?im)^connection[ \t]*:[^\n]*\bclose\b")
_is_number = re.compile(rb"[0-9]{1,18}").fullmatch
_is_size = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r]*)?\r?\n").fullmatch


class _Part(enum.Enum):
    """What of a body comes next."""

    DATA = "data"
    SIZE = "size"
    BEHIND = "the line end behind a chunk"
    TRAILER = "trailer"
    OVER = "over"
    LOST = "lost"


class PassingBody:
    """Follows one body to its end.

    Args:
        size: Bytes of it; None where it comes in chunks.
    """

    __slots__ = ("_is_chunked", "_left", "_line", "_part", "_trailer")

    def __init__(self, size: int | None) -> None:
        self._is_chunked = size is None
        self._part = _Part.SIZE if size is None else _Part.DATA
        self._left = size or 0
        self._line = b""
        self._trailer = 0
        if size == 0:
            self._part = _Part.OVER

    def __repr__(self) -> str:
        """Show what comes next."""
        return f"<PassingBody {self._part.value}, {self._left} left>"

    @property
    def is_over(self) -> bool:
        """Whether its last byte has gone by."""
        return self._part is _Part.OVER

    @property
    def is_lost(self) -> bool:
        """Whether it broke the rules, so that nobody can tell where it ends."""
        return self._part is _Part.LOST

    def follow(self, data: bytes) -> int:
        """Take bytes; return how many of them are of it, all where it is lost."""
        at = 0
        while at < len(data) and not (self.is_over or self.is_lost):
            at = self._pass(data, at) if self._left else self._take_line(data, at)
        return len(data) if self.is_lost else at

    def _pass(self, data: bytes, at: int) -> int:
        """Let by what is counted; return where that ends."""
        size = min(self._left, len(data) - at)
        self._left -= size
        if not self._left:
            self._part = _Part.BEHIND if self._is_chunked else _Part.OVER
        return at + size

    def _take_line(self, data: bytes, at: int) -> int:
        """Take a line, or what there is of it; return where that ends."""
        end = data.find(b"\n", at) + 1
        is_whole = end > 0
        end = end or len(data)
        if len(self._line) + end - at > _LONGEST_LINE:
            self._part = _Part.LOST
            return end
        self._line += data[at:end]
        if is_whole:
            line, self._line = self._line, b""
            self._part = self._read(line)
        return end

    def _read(self, line: bytes) -> _Part:
        """Return what comes behind a whole line."""
        is_empty = line in (b"\r\n", b"\n")
        if self._part is _Part.BEHIND:
            return _Part.SIZE if is_empty else _Part.LOST
        if self._part is _Part.TRAILER:
            self._trailer += len(line)
            is_too_much = self._trailer > _MOST_TRAILER
            over = _Part.OVER if is_empty else _Part.TRAILER
            return _Part.LOST if is_too_much else over
        size = _is_size(line)
        if size is None:
            return _Part.LOST
        self._left = int(size[1], 16)
        return _Part.DATA if self._left else _Part.TRAILER


def body_of(head: bytes, status: int) -> PassingBody | None:
    """Return the body behind a response's head.

    Args:
        head: The whole of it.
        status: 200 or above.

    Returns:
        None where nothing can follow it, or nobody can tell where it ends: it lasts
        until the connection ends, or what the head says contradicts itself.
    """
    lengths = {length.strip(_SPACE) for length in _length.findall(head)}
    listed = b",".join(_coding.findall(head)).lower()
    codings = [coding.strip(_SPACE) for coding in listed.split(b",")] if listed else []
    if head.startswith(b"HTTP/1.0") or _closes.search(head):
        return None
    if status in _NO_BODY:
        return PassingBody(0)
    if codings:
        # RFC 9112 6.3: a length beside chunks may be an attempt to lead astray.
        is_chunked = codings[-1] == _CHUNKED and codings.count(_CHUNKED) == 1
        return PassingBody(None) if is_chunked and not lengths else None
    if len(lengths) != 1:
        return None
    (length,) = lengths
    return PassingBody(int(length)) if _is_number(length) else None
