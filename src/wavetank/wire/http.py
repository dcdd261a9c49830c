"""Request and response heads: bytes to values and back.

They refuse to know bodies, sockets and what an upgrade is.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar, overload

import msgspec

from wavetank.errors import LocalError

__all__ = [
    "MAX_FIELDS",
    "MAX_HEAD",
    "Element",
    "HeadReader",
    "Headers",
    "Refusal",
    "Request",
    "Response",
    "encode_refusal",
    "encode_request",
    "encode_response",
    "is_token",
    "parse_elements",
]

MAX_HEAD: Final = 16_384
"""Bytes of a head, from its first line to its empty line."""
MAX_FIELDS: Final = 128
"""Header fields of a head."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'

_is_token = re.compile(_TOKEN).fullmatch
# RFC 9110 5.5: visible characters, blanks, and the bytes above ASCII.
_is_value = re.compile(r"[\t -~\x80-\xff]*").fullmatch
_is_target = re.compile(r"[!-~]+").fullmatch
_field = re.compile(rf"({_TOKEN}):([\t -~\x80-\xff]*)").fullmatch
_request_line = re.compile(rf"({_TOKEN}) ([!-~]+) (HTTP/[0-9]\.[0-9])").fullmatch
_status_line = re.compile(
    r"(HTTP/[0-9]\.[0-9]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*))?"
).fullmatch

# A bare LF ends a line here, only so that it is refused at once, not at a time-out.
_end_of_head = re.compile(rb"\r?\n\r?\n")

_element_name = re.compile(rf"[ \t,]*({_TOKEN})").match
_element_parameter = re.compile(
    rf"[ \t]*;[ \t]*({_TOKEN})(?:[ \t]*=[ \t]*(?:({_TOKEN})|{_QUOTED}))?"
).match
_element_end = re.compile(r"[ \t]*(?:,[ \t,]*|\Z)").match
_blank = re.compile(r"[ \t,]*").fullmatch

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})

_REASONS: Final = {
    101: "Switching Protocols",
    200: "OK",
    204: "No Content",
    301: "Moved Permanently",
    302: "Found",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


class Headers:
    """Header fields in their order, duplicates kept; names ignore case.

    A value that never changes. Credentials are not shown by ``repr``.
    """

    __slots__ = ("_by_name", "_pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)
        # A handshake asks for a dozen fields: each is found at once.
        by_name: dict[str, tuple[str, ...]] = {}
        for key, value in self._pairs:
            name = key.lower()
            by_name[name] = (*by_name[name], value) if name in by_name else (value,)
        self._by_name = by_name

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, in order."""
        return self._by_name.get(name.lower(), ())

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of a field."""
        values = self._by_name.get(name.lower())
        return values[0] if values else default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        shown = [
            (key, "***" if key.lower() in _SECRET else value)
            for key, value in self._pairs
        ]
        return f"Headers({shown!r})"


class Request(msgspec.Struct, frozen=True):
    """The head of a request; text is Latin-1, as HTTP has it on the wire."""

    method: str
    target: str
    version: str
    headers: Headers

    @property
    def path(self) -> str:
        """Path of the target, without its query; ``/`` where it has none."""
        return self._split()[0]

    @property
    def query(self) -> str:
        """Query of the target, or ""."""
        return self._split()[1]

    def _split(self) -> tuple[str, str]:
        """Split the target, in origin form or absolute form (RFC 9112 3.2)."""
        rest, _, query = self.target.partition("?")
        if not rest.startswith("/"):
            _, _, rest = rest.partition("://")
            _, slash, rest = rest.partition("/")
            rest = slash + rest
        return rest or "/", query


class Response(msgspec.Struct, frozen=True):
    """The head of a response; text is Latin-1, as HTTP has it on the wire."""

    status: int
    reason: str
    headers: Headers
    version: str = "HTTP/1.1"


class Refusal(msgspec.Struct, frozen=True):
    """Why a head is not taken: a status, a sentence, and fields to send with it."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


class Element(NamedTuple):
    """One element of a list field: a name and its parameters, in order."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()


def is_token(text: str) -> bool:
    """Tell whether the text is a token (RFC 9110 5.6.2)."""
    return _is_token(text) is not None


def parse_elements(values: Iterable[str]) -> tuple[Element, ...] | None:
    """Read list fields such as ``Sec-WebSocket-Extensions`` (RFC 6455 9.1).

    Empty elements are left out (RFC 9110 5.6.1.2). Time grows with the length
    of the values, whatever they are.

    Returns:
        The elements of all values in order, or None where one is malformed.
    """
    elements: list[Element] = []
    for value in values:
        if _blank(value):
            continue
        place = 0
        while place < len(value):
            name = _element_name(value, place)
            if name is None:
                return None
            parameters, place = _parse_parameters(value, name.end())
            end = _element_end(value, place)
            if end is None:
                return None
            elements.append(Element(name[1], parameters))
            place = end.end()
    return tuple(elements)


def _parse_parameters(
    value: str, place: int
) -> tuple[tuple[tuple[str, str | None], ...], int]:
    """Read the parameters of one element; return them and where they end."""
    parameters: list[tuple[str, str | None]] = []
    while match := _element_parameter(value, place):
        name, plain, quoted = match.groups()
        if quoted is not None:
            plain = re.sub(r"\\(.)", r"\1", quoted)
        parameters.append((name, plain))
        place = match.end()
    return tuple(parameters), place


_Head = TypeVar("_Head", Request, Response)


class HeadReader(Generic[_Head]):
    """Reads one head from bytes as they come, in bounded memory.

    Args:
        max_bytes: Largest head; beyond it, 431.
        of: ``Request`` (a server reads) or ``Response`` (a client reads).

    Attributes:
        rest: Bytes behind the head, once it is complete.
    """

    __slots__ = ("_buffer", "_done", "_max_bytes", "_of", "_refused", "rest")

    @overload
    def __init__(
        self: "HeadReader[Request]",
        max_bytes: int = MAX_HEAD,
        *,
        of: type[Request] = Request,
    ) -> None: ...

    @overload
    def __init__(
        self: "HeadReader[Response]",
        max_bytes: int = MAX_HEAD,
        *,
        of: type[Response],
    ) -> None: ...

    def __init__(
        self,
        max_bytes: int = MAX_HEAD,
        *,
        of: type[Request] | type[Response] = Request,
    ) -> None:
        self._max_bytes = max_bytes
        self._of = of
        self._buffer = bytearray()
        self._done = False
        self._refused = False
        self.rest = b""

    def __repr__(self) -> str:
        state = "done" if self._done else "reading"
        return f"<HeadReader of {self._of.__name__} {state} {self.statistics()}>"

    def statistics(self) -> dict[str, int]:
        """Return how many bytes it holds, and how many it takes at most."""
        return {"buffered": len(self._buffer), "max_bytes": self._max_bytes}

    def feed(self, data: bytes) -> _Head | Refusal | None:
        """Take bytes; return the head once it is complete, or why it is refused.

        A refusal has status 400 or 431, whichever kind of head it is about;
        bytes behind it are dropped. Bytes behind a head are added to ``rest``.
        """
        if self._done:
            self.rest += b"" if self._refused else data
            return None
        buffer = self._buffer
        searched = max(0, len(buffer) - 3)
        buffer += data
        end = _end_of_head.search(buffer, searched)
        if (end.end() if end else len(buffer)) > self._max_bytes:
            return self._refuse(431, f"the head is over {self._max_bytes} bytes")
        return self._finish(end) if end else self._look_at_start()

    def _finish(self, end: re.Match[bytes]) -> _Head | Refusal:
        """Read the complete head."""
        head = bytes(self._buffer[: end.start()])
        rest = bytes(self._buffer[end.end() :])
        if end.group() != b"\r\n\r\n":
            return self._refuse(400, "a line ends without CR LF")
        parsed = self._parse(head.decode("latin-1"))
        if isinstance(parsed, Refusal):
            return self._refuse(parsed.status, parsed.text)
        self._done = True
        self._buffer = bytearray()
        self.rest = rest
        return parsed

    def _refuse(self, status: int, text: str) -> Refusal:
        """Give up: nothing of what came is kept."""
        self._done = self._refused = True
        self._buffer = bytearray()
        self.rest = b""
        return Refusal(status, text)

    def _look_at_start(self) -> Refusal | None:
        """Refuse at once what cannot become a head, instead of waiting for more."""
        first = self._buffer[:1]
        if first == b"\x16":
            return self._refuse(400, "this is TLS, where plain HTTP was expected")
        if first not in (b"", b"\r") and not is_token(first.decode("latin-1")):
            return self._refuse(400, "this is not HTTP")
        return None

    def _parse(self, head: str) -> _Head | Refusal:
        """Read a complete head."""
        # RFC 9112 2.2: one empty line before the first one is ignored.
        line, *fields = head.removeprefix("\r\n").split("\r\n")
        if len(fields) > MAX_FIELDS:
            return Refusal(431, f"the head has more than {MAX_FIELDS} fields")
        headers = _parse_fields(fields)
        parsed: Request | Response | Refusal
        if self._of is Request:
            parsed = _parse_request(line, headers)
        else:
            parsed = _parse_response(line, headers)
        return parsed  # type: ignore[return-value]  # _of decides, as typed above


def _parse_request(line: str, headers: Headers | Refusal) -> Request | Refusal:
    """Read a request line (RFC 9112 3)."""
    match = _request_line(line)
    if match is None:
        return Refusal(400, "the request line is malformed")
    if isinstance(headers, Refusal):
        return headers
    return Request(match[1], match[2], match[3], headers)


def _parse_response(line: str, headers: Headers | Refusal) -> Response | Refusal:
    """Read a status line (RFC 9112 4)."""
    match = _status_line(line)
    if match is None:
        return Refusal(400, "the status line is malformed")
    if isinstance(headers, Refusal):
        return headers
    return Response(int(match[2]), match[3] or "", headers, match[1])


def _parse_fields(lines: list[str]) -> Headers | Refusal:
    """Read header fields; folded lines (RFC 9112 5.2) are refused."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        match = _field(line)
        if match is None:
            return Refusal(400, _field_problem(line))
        pairs.append((match[1], match[2].strip(" \t")))
    return Headers(pairs)


def _field_problem(line: str) -> str:
    """Say what is wrong with a line that is no header field."""
    if line[:1] in (" ", "\t"):
        return "a header field goes on over a second line"
    name, colon, _ = line.partition(":")
    if not colon or not is_token(name):
        return "the name of a header field is malformed"
    return f"the value of header field {name[:100]} is malformed"


def encode_request(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    *,
    version: str = "HTTP/1.1",
    checked: bool = True,
) -> bytes:
    """Return the bytes of a request head.

    Args:
        method: A token.
        target: Path and query, as they go on the wire.
        headers: Fields in their order.
        version: As it goes on the wire.
        checked: Whether what HTTP forbids raises; otherwise it is written.

    Raises:
        LocalError: If the head would not be one (CR or LF in a value, say).
    """
    if checked and not (is_token(method) and _is_target(target)):
        raise LocalError(f"not a request line: {method!r} {target!r}")
    lines = [f"{method} {target} {version}", *_encode_fields(headers, checked=checked)]
    return _encode_lines(lines)


def encode_response(
    status: int,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    reason: str | None = None,
) -> bytes:
    """Return the bytes of a response, with ``Content-Length`` where it may have one.

    Args:
        status: Such as 200.
        headers: Fields in their order.
        body: Bytes of the body.
        reason: Phrase behind the status; None takes the usual one.

    Raises:
        LocalError: If the head would not be one (CR or LF in a value, say).
    """
    fields = list(headers)
    named = any(name.lower() == "content-length" for name, _ in fields)
    # RFC 9110 8.6: neither 1xx nor 204 may have it.
    if not named and status >= 200 and status != 204:
        fields.append(("Content-Length", str(len(body))))
    phrase = _REASONS.get(status, "") if reason is None else reason
    if not _is_value(phrase):
        raise LocalError(f"not a reason phrase: {phrase!r}")
    lines = [f"HTTP/1.1 {status} {phrase}", *_encode_fields(fields, checked=True)]
    return _encode_lines(lines) + body


def encode_refusal(refusal: Refusal) -> bytes:
    """Return the response that says the refusal in words and ends the connection."""
    fields = (
        *refusal.headers,
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Connection", "close"),
    )
    body = f"{refusal.text}\n".encode("utf-8", "replace")
    return encode_response(refusal.status, fields, body)


def _encode_fields(
    headers: Iterable[tuple[str, str]], *, checked: bool
) -> Iterator[str]:
    """Write header fields, one line each."""
    for name, value in headers:
        if checked and not (is_token(name) and _is_value(value)):
            raise LocalError(f"not a header field: {name!r}")
        yield f"{name}: {value}"


def _encode_lines(lines: list[str]) -> bytes:
    """Join the lines of a head; text outside Latin-1 goes as UTF-8."""
    text = "\r\n".join([*lines, "", ""])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
