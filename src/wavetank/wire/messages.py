"""Messages from fragments: order, UTF-8, compression and limits.

They refuse to know what a message means and who answers a ping.
"""

import codecs
from typing import Final

import msgspec

from wavetank.wire.closes import Closing, decode_close
from wavetank.wire.deflate import Inflater
from wavetank.wire.frames import Frame, FrameReader, Opcode, Violation, apply_mask
from wavetank.wire.header import CONTROL, FIN, LONGEST_PAYLOAD, MASKED, RSV1, Head

__all__ = [
    "Closing",
    "Control",
    "Event",
    "Message",
    "MessageLimits",
    "MessageReader",
]


class Message(msgspec.Struct, frozen=True, gc=False):
    """A whole message.

    Attributes:
        opcode: TEXT or BINARY.
        data: Payload of all its frames, inflated; UTF-8 where it is TEXT.
        compressed: Whether it came deflated.
    """

    opcode: Opcode
    data: bytes
    compressed: bool = False

    @property
    def text(self) -> str:
        """Payload as text."""
        return self.data.decode()


class Control(msgspec.Struct, frozen=True, gc=False):
    """A ping or a pong."""

    opcode: Opcode
    payload: bytes = b""


class MessageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one message may cost; None is no limit. Control frames do not count.

    Attributes:
        message_bytes: Payload of all frames of a message, after inflation;
            beyond it, 1009.
        fragments: Frames of a message, empty ones too; beyond it, 1008.
    """

    message_bytes: int | None
    fragments: int | None


Event = Message | Control | Closing

# An enum's member costs more to look up than a name, and by number still more.
_CONTINUATION, _TEXT, _BINARY = Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY
_CLOSE: Final = Opcode.CLOSE
_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
_PLAIN_TEXT: Final = FIN | Opcode.TEXT
_PLAIN_BINARY: Final = FIN | Opcode.BINARY

_NOT_UTF8 = Violation(1007, "text is not UTF-8", "RFC 6455 8.1")


class MessageReader:
    """Reads messages and control frames from a stream of bytes, strictly.

    The first violation ends the reading; what was complete before it is still
    returned. Bad UTF-8 is found at its first byte, also in a frame that is
    not complete yet. After a close frame everything is dropped unread.

    Held memory is bounded by twice ``message_bytes``: the message so far and
    the frame on its way.

    Args:
        expect_mask: Whether frames must be masked (True: read from a client),
            must not be (False), or may be (None).
        limits: What one message may cost.
        inflater: Where permessage-deflate is agreed; its own limit holds, too.
    """

    __slots__ = (
        "_body",
        "_checked",
        "_compressed",
        "_expect_mask",
        "_fragments",
        "_frames",
        "_inflater",
        "_most",
        "_most_deflated",
        "_most_fragments",
        "_opcode",
        "_tail",
        "_wire",
    )

    def __init__(
        self,
        *,
        expect_mask: bool | None,
        limits: MessageLimits,
        inflater: Inflater | None = None,
    ) -> None:
        most = limits.message_bytes
        self._most = LONGEST_PAYLOAD if most is None else most
        # Data that cannot be compressed grows when it is deflated, by a little.
        self._most_deflated = self._most + self._most // 16 + 1024
        fragments = limits.fragments
        self._most_fragments = LONGEST_PAYLOAD if fragments is None else fragments
        self._inflater = inflater
        self._expect_mask = expect_mask
        self._frames = FrameReader(
            expect_mask=expect_mask,
            max_payload=None,
            rsv1=inflater is not None,
        )
        self._reset()

    def _reset(self) -> None:
        """Forget the message: it is complete."""
        self._opcode: Opcode | None = None
        self._compressed = False
        self._body = bytearray()
        self._fragments = 0
        self._wire = 0
        self._checked = 0
        self._tail = b""
        plain = self._inflater is None
        self._frames.max_payload = self._most if plain else self._most_deflated

    def __repr__(self) -> str:
        return f"<MessageReader {self.statistics()}>"

    def statistics(self) -> dict[str, int]:
        """Return what it holds: bytes and fragments of the message so far."""
        return self._frames.statistics() | {
            "message_bytes": len(self._body),
            "fragments": self._fragments,
        }

    @property
    def is_in_message(self) -> bool:
        """Whether a message has begun, by a whole header, that is not complete."""
        return self._frames.is_in_message

    @property
    def violation(self) -> Violation | None:
        """The first violation; after it nothing is read."""
        return self._frames.violation

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they came; return the messages and frames they complete."""
        if type(data) is not bytes:
            data = bytes(data)
        frames = self._frames
        events: list[Event] = []
        start, size = 0, len(data)
        while start < size:
            if frames.at_rest and self._expect_mask is not None:
                start = self._read_plain(data, start, events)
                if start >= size:
                    break
            frame, start = frames.read(data, start)
            if frame is not None:
                event = self._take(frame)
                if event is not None:
                    events.append(event)
            elif frames.head is not None:
                self._look_ahead(frames.head)
            elif frames.violation is not None:
                self._reset()
        return events

    def _read_plain(self, data: bytes, start: int, events: list[Event]) -> int:
        """Read whole, legal, unfragmented messages; return where they end."""
        # Shape traded for speed: no frame is made, and the header is read in
        # place. Measured by benchmarks/frame_reader.py.
        size = len(data)
        most = self._most
        flip, key = (MASKED, 4) if self._expect_mask else (0, 0)
        while size - start > 3:
            first = data[start]
            if first != _PLAIN_TEXT and first != _PLAIN_BINARY:  # noqa: PLR1714 - faster
                break
            length = data[start + 1] ^ flip
            body = start + 2 + key
            if length > 125:
                if length != 126:
                    break
                length = data[start + 2] << 8 | data[start + 3]
                if length < 126:
                    break
                body += 2
            end = body + length
            if end > size or length > most:
                break
            payload = data[body:end]
            if key:
                payload = apply_mask(payload, data[body - 4 : body])
            if first == _PLAIN_TEXT:
                if not (payload.isascii() or _is_utf8(payload)):
                    self._frames.stop(_NOT_UTF8)
                    return size
                events.append(Message(_TEXT, payload))
            else:
                events.append(Message(_BINARY, payload))
            start = end
        return start

    def _take(self, frame: Frame) -> Event | None:
        """Take a frame; return what it completes."""
        opcode = frame.opcode
        if opcode == _CLOSE:
            closing = decode_close(frame.payload)
            if isinstance(closing, Violation):
                self._fail(closing)
                return None
            self._reset()
            return closing
        if opcode & CONTROL:
            return Control(_OPCODES[opcode], frame.payload)
        if opcode != _CONTINUATION:
            self._opcode = _OPCODES[opcode]
            self._compressed = frame.rsv1
        return self._take_fragment(frame)

    def _take_fragment(self, frame: Frame) -> Message | None:
        """Add a data frame to its message; return the message it completes."""
        self._fragments += 1
        if self._fragments > self._most_fragments:
            reason = f"message in more than {self._most_fragments} fragments"
            self._fail(Violation(1008, reason, "RFC 6455 10.4"))
            return None
        payload = self._inflate(frame) if self._compressed else frame.payload
        if isinstance(payload, Violation):
            self._fail(payload)
            return None
        if len(self._body) + len(payload) > self._most:
            self._fail(self._too_big())
            return None
        if self._opcode is _TEXT:
            fresh = payload[self._checked :] if self._checked else payload
            self._checked = 0
            if not self._check_text(fresh, final=frame.fin):
                self._fail(_NOT_UTF8)
                return None
        if frame.fin:
            return self._complete(payload)
        self._body += payload
        used, most = len(self._body), self._most
        if self._compressed:
            used, most = self._wire, self._most_deflated
        self._frames.max_payload = most - used
        return None

    def _complete(self, payload: bytes) -> Message:
        """Return the message that ends with this payload."""
        assert self._opcode is not None  # _take set it
        if self._body:
            self._body += payload
            payload = bytes(self._body)
        message = Message(self._opcode, payload, self._compressed)
        self._reset()
        return message

    def _inflate(self, frame: Frame) -> bytes | Violation:
        """Inflate a frame; never beyond what the message has left."""
        assert self._inflater is not None  # RSV1 is refused without it
        self._wire += len(frame.payload)
        room = None if self._most == LONGEST_PAYLOAD else self._most - len(self._body)
        return self._inflater.inflate(frame.payload, final=frame.fin, room=room)

    def _look_ahead(self, head: Head) -> None:
        """Judge what has come of a frame that is not complete."""
        first = head.first
        if first & CONTROL:
            return
        opcode, compressed = self._opcode, self._compressed
        if first & 0x0F:
            opcode, compressed = _OPCODES[first & 0x0F], first & RSV1 != 0
        if compressed:
            return
        if len(self._body) + head.length > self._most:
            self._fail(self._too_big())
        elif opcode is _TEXT:
            fresh = self._frames.piece
            self._checked += len(fresh)
            if not self._check_text(fresh, final=False):
                self._fail(_NOT_UTF8)

    def _check_text(self, data: bytes, *, final: bool) -> bool:
        """Tell whether the message is UTF-8 so far, and to the end where final."""
        if self._tail:
            data = self._tail + data
        if data.isascii():
            self._tail = b""
            return True
        try:
            _, used = codecs.utf_8_decode(data, "strict", final)
        except UnicodeDecodeError:
            return False
        self._tail = data[used:]
        # Python waits for the third byte of a surrogate, though two bytes tell it.
        return self._tail[:1] != b"\xed" or self._tail[1:] < b"\xa0"

    def _too_big(self) -> Violation:
        """Name the limit that a message is over."""
        reason = f"message over {self._most} bytes"
        return Violation(1009, reason, "RFC 6455 10.4")

    def _fail(self, violation: Violation) -> None:
        """End the reading; nothing of the message is kept."""
        self._reset()
        self._frames.stop(violation)


def _is_utf8(data: bytes) -> bool:
    """Tell whether the bytes are UTF-8 from beginning to end."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
