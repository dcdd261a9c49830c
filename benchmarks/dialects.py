"""How to speak with the servers of a comparison: what to send, what is meant.

It refuses to know sockets and time.
"""

from collections.abc import Callable
from typing import NamedTuple

from arrivals import Cut, Meaning, Unit

__all__ = [
    "DIALECTS",
    "Dialect",
    "Unframed",
    "client_frame",
    "cut_frame",
    "cutter",
    "publication",
]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_NO_MASK = b"\0\0\0\0"
"""A masking key with which bytes stay as they are: legal, and no work for us."""

Read = Callable[[bytes], tuple[Meaning, int]]


class Dialect(NamedTuple):
    """How to speak with one kind of server.

    Attributes:
        subscriber_path: Where subscribers go.
        publisher_path: Where publishers go.
        subprotocol: What is offered in the opening handshake.
        opcode: Of the messages that are sent.
        subscribe: What a subscriber sends; "" is nothing.
        introduce: What a publisher sends first.
        publish: Makes the message of a publication out of its text.
        holds: Tells whether a message is that of a publication, unchanged.
        ask: As ``publish`` with an id, to be answered; None: there are no answers.
        read: Says what a message means, and its number.
        is_stream: Whether messages keep to no frames.
        alive: What to answer if the server wants a sign of life.
    """

    subscriber_path: str
    publisher_path: str
    read: Read
    publish: Callable[[bytes], bytes] = bytes
    holds: Callable[[bytes, bytes], bool] = bytes.__eq__
    ask: Callable[[int, bytes], bytes] | None = None
    subprotocol: str = ""
    opcode: int = TEXT
    subscribe: bytes = b""
    introduce: bytes = b""
    is_stream: bool = False
    alive: bytes = b""


def publication(number: int, size: int) -> bytes:
    """Return the text of a publication: JSON of exactly ``size`` bytes."""
    head = b'{"n":%d,"pad":"' % number
    return head + b"x" * (size - len(head) - 2) + b'"}'


def _number(text: bytes, start: int) -> int:
    """Return the number of a publication that begins at a place; -1: it is none."""
    if not text.startswith(b'{"n":', start):
        return -1
    digits = text[start + 5 : text.find(b",", start + 5, start + 30)]
    return int(digits) if digits.isdigit() else -1


def _after(text: bytes, mark: bytes) -> int:
    """Return the decimal that stands behind a mark; 0 where there is none."""
    _, found, rest = text[:200].partition(mark)
    digits = rest[: min(rest.find(b","), 20)] if found else b""
    return int(digits) if digits.isdigit() else 0


# What messages mean.


def _read_raw(text: bytes) -> tuple[Meaning, int]:
    number = _number(text, 0)
    if number >= 0:
        return Meaning.EVENT, number
    return (Meaning.READY if text == b"ready" else Meaning.DAMAGED), 0


def _read_hub(text: bytes) -> tuple[Meaning, int]:
    if text.startswith(b'{"type":"event",'):
        number = _number(text, text.find(b'"data":', 0, 400) + 7)
        return (Meaning.EVENT if number >= 0 else Meaning.DAMAGED), number
    if text.startswith(b'{"type":"published",'):
        return Meaning.ANSWER, _after(text, b'"id":')
    if text.startswith(b'{"type":"subscribed",'):
        return Meaning.READY, 0
    if text.startswith(b'{"type":"error",'):
        return Meaning.REFUSED, 0
    return Meaning.OTHER, 0


def _read_nats(line: bytes) -> tuple[Meaning, int]:
    if line.startswith(b"PONG"):
        return Meaning.READY, 0
    if line.startswith(b"PING"):
        return Meaning.ASKED, 0
    if line.startswith(b"-ERR"):
        return Meaning.REFUSED, 0
    return Meaning.OTHER, 0


# Cutting messages out of bytes.


def cut_frame(data: bytes, start: int) -> tuple[int, int, int] | None:
    """Return a frame's first byte, and where its payload begins and ends."""
    size = len(data) - start
    if size < 2:
        return None
    length, body = data[start + 1], start + 2
    if length == 126:
        length, body = int.from_bytes(data[body : body + 2], "big"), body + 2
    elif length == 127:
        length, body = int.from_bytes(data[body : body + 8], "big"), body + 8
    end = body + length
    return None if end > len(data) or body > len(data) else (data[start], body, end)


_CONTROLS = {0x88: Meaning.CLOSED, 0x89: Meaning.ASKED, 0x8A: Meaning.OTHER}


def cutter(dialect: Dialect) -> Cut:
    """Return what cuts a dialect's messages out of bytes."""
    if dialect.is_stream:
        return _cut_line
    read = dialect.read

    def cut(data: bytes, start: int) -> Unit | None:
        frame = cut_frame(data, start)
        if frame is None:
            return None
        first, body, end = frame
        text = data[body:end]
        if first in {0x81, 0x82}:
            return Unit(*read(text), text, end)
        return Unit(_CONTROLS.get(first, Meaning.DAMAGED), 0, text, end)

    return cut


def _cut_line(data: bytes, start: int) -> Unit | None:
    """Cut a line of NATS, or a message of it: ``MSG subject sid length``, and more."""
    stop = data.find(b"\r\n", start)
    if stop < 0:
        return None
    line, end = data[start:stop], stop + 2
    if not line.startswith(b"MSG "):
        return Unit(*_read_nats(line), line, end)
    body, end = end, end + int(line.rpartition(b" ")[2]) + 2
    if end > len(data):
        return None
    text = data[body : end - 2]
    number = _number(text, 0)
    return Unit(Meaning.EVENT if number >= 0 else Meaning.DAMAGED, number, text, end)


class Unframed:
    """Takes frames off a stream; what is in them belongs together.

    Args:
        hear: Called with each control frame.
    """

    def __init__(self, hear: Callable[[Unit], object]) -> None:
        self._hear = hear
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the payloads of the frames that are complete now."""
        data, start, texts = self._rest + chunk, 0, []
        while (frame := cut_frame(data, start)) is not None:
            first, body, end = frame
            text = data[body:end]
            if first in _CONTROLS:
                self._hear(Unit(_CONTROLS[first], 0, text, end))
            else:
                texts.append(text)
            start = end
        self._rest = data[start:]
        return b"".join(texts)


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Return a frame as a client sends it."""
    first, length = 0x80 | opcode, len(payload)
    if length < 126:
        head = bytes((first, 0x80 | length))
    elif length < 65_536:
        head = bytes((first, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + length.to_bytes(8, "big")
    return head + _NO_MASK + payload


DIALECTS = {
    "raw": Dialect("/sub", "/pub", _read_raw),
    "hub": Dialect(
        "/ws",
        "/ws",
        _read_hub,
        subprotocol="wavetank.v1",
        subscribe=b'{"type":"subscribe","id":1,"topic":"bench"}',
        publish=lambda text: b'{"type":"publish","topic":"bench","data":%b}' % text,
        holds=lambda message, text: message.endswith(b',"data":%b}' % text),
        ask=lambda id, text: (
            b'{"type":"publish","id":%d,"topic":"bench","data":%b}' % (id, text)
        ),
    ),
    "nats": Dialect(
        "/",
        "/",
        _read_nats,
        opcode=BINARY,
        subscribe=b'CONNECT {"verbose":false}\r\nSUB bench 1\r\nPING\r\n',
        introduce=b'CONNECT {"verbose":false}\r\nPING\r\n',
        publish=lambda text: b"PUB bench %d\r\n%b\r\n" % (len(text), text),
        is_stream=True,
        alive=b"PONG\r\n",
    ),
}
