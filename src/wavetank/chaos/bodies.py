"""The body of one HTTP request, as its bytes come: counted, or in chunks (RFC 9112 6).

It refuses to know what it says.
"""

import re
from typing import Final

from wavetank.wire.http import Refusal, Request

__all__ = ["BodyReader", "expects_continue", "stays_open"]

_LONGEST_LINE: Final = 1024
"""Of a chunk's size with its extensions, or of a trailer field."""

_is_size = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?").fullmatch


class BodyReader:
    """Reads the body of a request, in bounded memory.

    Args:
        request: Its head.
        most: Bytes at most; beyond them, 413.

    Attributes:
        rest: Bytes behind it, once it is complete.
    """

    def __init__(self, request: Request, most: int) -> None:
        self.rest = b""
        self._most = most
        self._buffer = bytearray()
        self._body = bytearray()
        self._raw = 0
        self._is_in_trailer = False
        self._length: int | None = 0
        self._refusal = self._frame(request)

    def __repr__(self) -> str:
        """Show how far it is."""
        whole = "chunks" if self._length is None else f"{self._length} bytes"
        return f"<BodyReader {len(self._body) + len(self._buffer)} of {whole}>"

    def feed(self, data: bytes) -> bytes | Refusal | None:
        """Take bytes; return the body once it is complete, or why it is refused.

        It is not to be asked again after that.
        """
        if self._refusal is not None:
            return self._refusal
        self._buffer += data
        self._raw += len(data)
        return self._feed_counted() if self._length is not None else self._feed_chunks()

    def _frame(self, request: Request) -> Refusal | None:
        """Find out how its end is told."""
        lengths = {value.strip() for value in request.headers.all("Content-Length")}
        codings = request.headers.all("Transfer-Encoding")
        if codings and lengths:
            # RFC 9112 6.1: whoever forwards both may be led astray by it.
            return Refusal(400, "a body has a length or chunks, not both")
        if codings:
            self._length = None
            is_chunked = [coding.strip().lower() for coding in codings] == ["chunked"]
            return None if is_chunked else Refusal(501, "chunks are read, nothing else")
        if len(lengths) > 1:
            return Refusal(400, "the body has more than one length")
        text = lengths.pop() if lengths else "0"
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            return Refusal(400, "Content-Length is not a number of bytes")
        self._length = int(text)
        return self._too_large() if self._length > self._most else None

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is over {self._most} bytes")

    def _feed_counted(self) -> bytes | None:
        length = self._length or 0
        if len(self._buffer) < length:
            return None
        self.rest = bytes(self._buffer[length:])
        return bytes(self._buffer[:length])

    def _feed_chunks(self) -> bytes | Refusal | None:
        if self._raw > 2 * self._most + 2 * _LONGEST_LINE:
            return self._too_large()  # Tiny chunks are mostly what is around them.
        while True:
            end = self._buffer.find(b"\r\n", 0, _LONGEST_LINE)
            if end < 0:
                is_too_long = len(self._buffer) >= _LONGEST_LINE
                text = "the line before a chunk is too long"
                return Refusal(400, text) if is_too_long else None
            outcome = self._take_line(bytes(self._buffer[:end]), end + 2)
            if not isinstance(outcome, bool):
                return outcome

    def _take_line(self, line: bytes, start: int) -> bytes | Refusal | bool | None:
        """Take a line, and the chunk behind it; True where there is more to look at."""
        if not self._is_in_trailer:
            size = _is_size(line)
            if size is None:
                return Refusal(400, "the size of a chunk is malformed")
            return self._take_chunk(start, int(size[1], 16))
        del self._buffer[:start]
        if line:
            return True  # A trailer field: nobody here reads them.
        self.rest = bytes(self._buffer)
        return bytes(self._body)

    def _take_chunk(self, start: int, size: int) -> Refusal | bool | None:
        """Take one chunk; None where it is not all there."""
        if len(self._body) + size > self._most:
            return self._too_large()
        if size == 0:
            self._is_in_trailer = True
            del self._buffer[:start]
            return True
        end = start + size
        if len(self._buffer) < end + 2:
            return None
        if self._buffer[end : end + 2] != b"\r\n":
            return Refusal(400, "a chunk is not as long as it says")
        self._body += self._buffer[start:end]
        del self._buffer[: end + 2]
        return True


def expects_continue(request: Request) -> bool:
    """Tell whether the client waits before it sends its body (RFC 9110 10.1.1)."""
    return (request.headers.get("Expect") or "").strip().lower() == "100-continue"


def stays_open(request: Request) -> bool:
    """Tell whether another request may follow (RFC 9112 9.3)."""
    asked = ",".join(request.headers.all("Connection")).lower().split(",")
    return request.version == "HTTP/1.1" and "close" not in {w.strip() for w in asked}
