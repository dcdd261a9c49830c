"""A reader of messages that overlooks some broken rules.

It refuses to know which wreck wants what overlooked.
"""

from collections.abc import Callable

from wavetank.wire import (
    Closing,
    Control,
    Frame,
    FrameReader,
    Message,
    Opcode,
    Violation,
    decode_close,
)

__all__ = ["LaxReader"]

_TOO_BIG = Violation(1009, "message is too big", "RFC 6455 7.4.1")
_NOT_UTF8 = Violation(1007, "text is not UTF-8", "RFC 6455 8.1")
_MOST_FRAGMENTS = 16_384


class LaxReader:
    """Reads messages; goes on after each violation that is to be overlooked.

    Args:
        overlooks: Whether a violation is passed over.
        max_message: Largest message in bytes.

    Attributes:
        violation: The first violation that is not overlooked.
    """

    def __init__(
        self, overlooks: Callable[[Violation], bool], *, max_message: int
    ) -> None:
        self.violation: Violation | None = None
        self._overlooks = overlooks
        self._max_message = max_message
        self._frames = FrameReader(
            expect_mask=True, max_payload=max_message, strict=False
        )
        self._opcode = Opcode.TEXT
        self._fragments: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Message | Control | Closing]:
        """Take bytes as they came and return what they complete."""
        units: list[Message | Control | Closing] = []
        for frame in self._frames.feed(data):
            unit = self._read(frame) if self.violation is None else None
            if unit is not None:
                units.append(unit)
        return units

    def _read(self, frame: Frame) -> Message | Control | Closing | None:
        if not all(self._may_pass(violation) for violation in frame.violations):
            return None
        if frame.opcode in {Opcode.PING, Opcode.PONG}:
            return Control(Opcode(frame.opcode), frame.payload)
        if frame.opcode == Opcode.CLOSE:
            closing = decode_close(frame.payload)
            if isinstance(closing, Closing):
                return closing
            self._may_pass(closing)
            return None
        if frame.opcode in {Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY}:
            return self._collect(frame)
        return None

    def _may_pass(self, violation: Violation) -> bool:
        if self._overlooks(violation):
            return True
        self.violation = violation
        return False

    def _collect(self, frame: Frame) -> Message | None:
        """Put a fragment to the others; return the message that it ends."""
        if frame.opcode != Opcode.CONTINUATION:
            self._opcode = Opcode(frame.opcode)
            self._fragments.clear()
            self._size = 0
        self._fragments.append(frame.payload)
        self._size += len(frame.payload)
        if self._size > self._max_message or len(self._fragments) > _MOST_FRAGMENTS:
            self.violation = _TOO_BIG
            return None
        if not frame.fin:
            return None
        data = b"".join(self._fragments)
        self._fragments.clear()
        self._size = 0
        return self._message(data)

    def _message(self, data: bytes) -> Message | None:
        if self._opcode == Opcode.TEXT:
            try:
                data.decode()
            except UnicodeDecodeError:
                if not self._may_pass(_NOT_UTF8):
                    return None
                data = data.decode(errors="replace").encode()
        return Message(self._opcode, data)
