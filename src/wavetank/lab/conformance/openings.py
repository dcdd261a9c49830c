"""Answers to a client's opening handshake, right and wrong, and what comes of them.

They refuse to know sockets, time, and which answers there are.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.judge import Judgement
from wavetank.wire import (
    DeflateParameters,
    Element,
    Frame,
    FrameReader,
    Opcode,
    Request,
    accept_key,
    encode_frame,
    encode_parameters,
    negotiate,
    parse_elements,
    parse_parameters,
)

__all__ = [
    "BEHIND",
    "DEFLATE",
    "EXTENSIONS",
    "SUBPROTOCOL",
    "Opening",
    "Reaction",
    "agreement",
    "answer_bytes",
    "has_opened",
    "judge_opening",
    "reason_to_leave_out",
    "right_fields",
]

EXTENSIONS: Final = "Sec-WebSocket-Extensions"
DEFLATE: Final = "permessage-deflate"
SUBPROTOCOL: Final = "Sec-WebSocket-Protocol"

BEHIND: Final = encode_frame(Opcode.PING, b"open?") + encode_frame(
    Opcode.TEXT, b"open?"
)
"""What is said behind each answer: whoever takes it for open reacts."""

_MOST: Final = 65_536
_SHOWN: Final = 80
_BITS: Final = 10
_HTTP: Final = (b"GET ", b"HEAD ", b"OPTIONS ", b"POST ")
_KEY: Final = "Sec-WebSocket-Key"


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """One row: an answer to an opening handshake, and whether it opens.

    A text of the answer may have ``{accept}`` for the right accept key, ``{swapped}``
    for that key with its letters in the other case, ``{key}`` for the client's own,
    ``{agreed}`` for what agrees to its offer of permessage-deflate, no more, and
    ``{bits}`` for a client's window of 10 bits, or fewer where it offers that.

    Attributes:
        id: Such as ``K.31``.
        title: What is answered and what has to happen, as one sentence.
        clause: The rule, such as ``RFC 6455 4.1``.
        level: How much it binds.
        opens: Whether the client has to take the connection for open, or must not.
        line: The status line.
        change: Fields by name: None leaves one out, several texts are several lines.
        lines: Raw lines behind the fields, their ends included.
        line_end: What ends every other line.
        raw: Bytes in place of the whole head.
        cut: Bytes of the head that are left out at its end; then FIN follows.
        filler: Bytes of fields that are sent behind the others, without an end.
        is_silent: Whether nothing at all is answered.
        piece: Bytes of a write; None is everything in one.
        is_joined: Whether frames go out in one write with the head.
        wants: Parameters of permessage-deflate that the client has to have offered,
            or its name alone.
        spared: Likewise, that it must not have offered.
    """

    id: str
    title: str
    clause: str
    level: Level = Level.MUST
    opens: bool
    line: str = "HTTP/1.1 101 Switching Protocols"
    change: Mapping[str, str | tuple[str, ...] | None] = {}
    lines: tuple[bytes, ...] = ()
    line_end: bytes = b"\r\n"
    raw: bytes | None = None
    cut: int = 0
    filler: int = 0
    is_silent: bool = False
    piece: int | None = None
    is_joined: bool = False
    wants: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether it is an answer of HTTP that is not about WebSockets any more."""
        return self.raw is None and " 101" not in self.line and not self.is_silent


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a client did behind an answer.

    Attributes:
        data: What it sent, its first bytes.
        ending: How it ended TCP, ``fin`` or ``reset``; "" while it did not.
    """

    data: bytes = b""
    ending: str = ""


# What a client offers.


def reason_to_leave_out(opening: Opening, request: Request) -> str:
    """Say why an answer says nothing to this client; "" if it does."""
    offered = _offered(request)
    for name in opening.wants:
        if name not in offered:
            return f"the client does not offer {name}"
    for name in opening.spared:
        if name in offered:
            return f"the client offers {name}"
    return ""


def _offered(request: Request) -> set[str]:
    """Return the names of extensions, and those of permessage-deflate's parameters."""
    elements = _elements(request)
    return {each.name for each in elements} | {
        name for each in elements if each.name == DEFLATE for name, _ in each.parameters
    }


def _elements(request: Request) -> tuple[Element, ...]:
    return parse_elements(request.headers.all(EXTENSIONS)) or ()


def agreement(wanted: str, request: Request) -> DeflateParameters | str:
    """Return what a server can agree to, or why it cannot.

    Args:
        wanted: The server's own wish, as its header would have it.
        request: With the client's offer.
    """
    elements = parse_elements([wanted])
    assert elements, "a case asks for what can be read"
    wish = parse_parameters(elements[0], in_offer=False)
    assert isinstance(wish, DeflateParameters), "a case asks for what is legal"
    agreed = negotiate(_elements(request), wish)
    if agreed is None:
        return f"the client does not offer {DEFLATE}"
    if agreed.server_no_context_takeover > wish.server_no_context_takeover:
        return "the client wants a server that forgets between messages"
    if (agreed.server_max_window_bits or 15) < (wish.server_max_window_bits or 15):
        return "the client wants a server with a smaller window"
    return agreed


# What is answered.


def answer_bytes(opening: Opening, request: Request) -> bytes:
    """Return the bytes of an answer, without frames."""
    if opening.is_silent:
        return b""
    if opening.raw is not None:
        return opening.raw
    head = [opening.line, *_fields(opening, request)]
    end = opening.line_end
    written = b"".join(line.encode("latin-1") + end for line in head)
    written += b"".join(opening.lines)
    if opening.filler:
        return written + _filled(opening.filler)
    written += end
    return written[: len(written) - opening.cut]


def _filled(size: int) -> bytes:
    """Return fields of so many bytes, about."""
    line = b"X-Filler-%06d: " + b"*" * 990 + b"\r\n"
    return b"".join(line % number for number in range(size // 1010))


def right_fields(request: Request) -> list[tuple[str, str]]:
    """Return the fields that open, extensions aside (RFC 6455 4.2.2).

    The first subprotocol that is offered is taken: a browser that offers some opens
    with nobody who takes none.
    """
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(request.headers.get(_KEY) or "")),
    ]
    offered = parse_elements(request.headers.all(SUBPROTOCOL))
    return fields + [(SUBPROTOCOL, each.name) for each in (offered or ())[:1]]


def _fields(opening: Opening, request: Request) -> Iterator[str]:
    """Yield the lines of all fields."""
    words = _words(request)
    changed = {name.lower() for name in opening.change}
    for name, value in right_fields(request):
        if name.lower() not in changed:
            yield f"{name}: {value}"
    for name, values in opening.change.items():
        for value in (values,) if isinstance(values, str) else values or ():
            yield _line(name, value, words)


def _line(name: str, value: str, words: Mapping[str, str]) -> str:
    for word, meaning in words.items():
        value = value.replace(word, meaning)
    return f"{name}: {value}"


def _words(request: Request) -> dict[str, str]:
    key = request.headers.get(_KEY) or ""
    accept = accept_key(key)
    agreed = negotiate(_elements(request), DeflateParameters()) or DeflateParameters()
    # The client's own limit on itself need not be repeated (RFC 7692 7.1.2.2).
    least = msgspec.structs.replace(agreed, client_max_window_bits=None)
    bits = min(_BITS, agreed.client_max_window_bits or _BITS)
    return {
        "{accept}": accept,
        "{swapped}": accept.swapcase(),
        "{key}": key,
        "{agreed}": encode_parameters(least),
        "{bits}": str(bits),
    }


# What comes of it.


def has_opened(data: bytes) -> bool:
    """Tell whether bytes of a client say that it takes the connection for open."""
    return any(frame.opcode != Opcode.CLOSE for frame in _frames(data))


def _frames(data: bytes) -> list[Frame]:
    if data.startswith(_HTTP):
        return []  # it asks once more, as it may behind any answer of HTTP
    reader = FrameReader(expect_mask=None, max_payload=_MOST, rsv1=True, strict=False)
    return reader.feed(data)


def judge_opening(opening: Opening, reaction: Reaction) -> Judgement:
    """Judge what a client made of an answer."""
    problem, is_minor = _problem(opening, reaction)
    note = ""
    if not problem and not opening.opens and not has_opened(reaction.data):
        note = _talks(reaction)
    elif problem and is_minor:
        note = problem
    return Judgement(
        verdict=Verdict.FAIL if problem and not is_minor else Verdict.PASS,
        expected=_wanted(opening),
        seen=_seen(reaction),
        note=note,
    )


def _problem(opening: Opening, reaction: Reaction) -> tuple[str, bool]:
    """Say what is wrong, and whether it is a SHOULD that was missed."""
    is_open, is_over = has_opened(reaction.data), _is_over(reaction)
    if opening.is_silent:
        return ("it should wait for an answer" if is_open else ""), False
    if opening.level is Level.MAY:
        either = "it should open on this answer, or end TCP"
        return ("" if is_open or is_over else either), False
    if opening.opens:
        problem = "" if is_open else "it should open on this answer"
    elif is_open:
        problem = "it should not open on this answer"
    else:
        problem = "" if is_over else "it should end TCP, and does not"
    return problem, opening.level is Level.SHOULD or _is_minor(opening, reaction)


def _is_over(reaction: Reaction) -> bool:
    """Tell whether a client has left, or asks for something else."""
    return bool(reaction.ending) or reaction.data.startswith(_HTTP)


def _is_minor(opening: Opening, reaction: Reaction) -> bool:
    """Tell whether a client did nothing wrong but wait.

    RFC 6455 4.1 makes it fail the connection where a 101 is wrong. Behind any other
    answer it goes on as HTTP has it, and that lets it keep TCP for a while.
    """
    return opening.is_final and not has_opened(reaction.data)


def _talks(reaction: Reaction) -> str:
    """Say that a close frame came on a connection that never was one."""
    if not _frames(reaction.data):
        return ""
    return "it should send nothing, not even a close frame (RFC 6455 7.1.7)"


def _wanted(opening: Opening) -> str:
    if opening.is_silent:
        return "nothing"
    if opening.level is Level.MAY:
        return "it opens, or the end of TCP"
    return "it opens" if opening.opens else "no frame, and the end of TCP"


def _seen(reaction: Reaction) -> str:
    frames = _frames(reaction.data)
    if frames:
        names = {each.value: each.name.lower() for each in Opcode}
        shown = ", ".join(names.get(each.opcode, "a frame") for each in frames[:3])
        said = f"it sent frames: {shown}"
    elif reaction.data:
        said = f"it sent {reaction.data[:_SHOWN]!r}"
    else:
        said = "it sent nothing"
    ended = f"TCP ended by {reaction.ending.upper()}" if reaction.ending else "TCP open"
    return f"{said}, {ended}"
