"""What a target said on one connection: messages, pongs, its close frame, its faults.

It refuses to know what should have been said.
"""

import msgspec

from wavetank.lab.conformance.case import Binary, Heard, Pong, Text
from wavetank.lab.conformance.echoes import Way
from wavetank.wire import (
    Frame,
    Inflater,
    Opcode,
    Violation,
    decode_close,
    encode_close,
)

__all__ = ["Hearing", "Transcript"]

_MOST_FAULTS = 20


class Transcript(msgspec.Struct, kw_only=True):
    """All that came of one case.

    Attributes:
        heard: Messages and pongs that answer the case, in their order.
        strays: How many messages came that do not.
        faults: Rules that the target itself broke, with their clauses.
        has_closed: Whether we sent a close frame.
        is_first: Whether ours was sent before its close frame was read.
        has_answer: Whether its close frame was read.
        code: Code of its close frame; None where it had none.
        ending: How it ended TCP: ``fin``, ``reset``, or "" if it did not.
        step: Index of the step that was next when it ended or closed.
        is_alive: Whether it answered a ping behind what should have been its end.
        is_served: Whether a connection after this one was served; None: not tried.
        obstacle: Why nothing can be said about the target; "" if something can.
    """

    heard: list[Heard] = []
    strays: int = 0
    faults: list[str] = []
    has_closed: bool = False
    is_first: bool = False
    has_answer: bool = False
    code: int | None = None
    ending: str = ""
    step: int | None = None
    is_alive: bool = False
    is_served: bool | None = None
    obstacle: str = ""


class Hearing:
    """Puts a target's frames together to what it said, as strictly as a client may.

    Args:
        way: How messages come back.
        inflater: For compressed messages; None where nothing was agreed.
        probe: Payload of the ping that asks whether it is still there.
        transcript: Where it is noted.
        codes: Close codes that fit the case, even those that nobody may send.
    """

    def __init__(
        self,
        way: Way,
        inflater: Inflater | None,
        *,
        probe: bytes,
        transcript: Transcript,
        codes: frozenset[int],
    ) -> None:
        self.way = way
        self._inflater = inflater
        self._probe = probe
        self._transcript = transcript
        self._codes = codes
        self._opcode: int | None = None
        self._parts: list[bytes] = []
        self._is_deflated = False

    def take(self, frame: Frame) -> None:
        """Take the next frame."""
        is_late = self._transcript.has_answer
        if is_late and self._is_too_late(frame):
            self._fault("a frame behind its close frame", "RFC 6455 5.5.1")
            return
        for violation in frame.violations:
            self._blame(violation)
        if is_late:
            return
        if frame.opcode == Opcode.CLOSE:
            self._take_close(frame)
        elif frame.opcode == Opcode.PONG:
            self._take_pong(frame)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION):
            self._take_data(frame)

    def _is_too_late(self, frame: Frame) -> bool:
        """Tell whether a frame may not come behind the target's close frame.

        Data may not. Pings and pongs may until it has ours, and pongs even have to
        (RFC 6455 5.5.2); behind both close frames there is nothing but the end.
        """
        is_control = frame.opcode in (Opcode.PING, Opcode.PONG)
        return self._transcript.is_first or not is_control

    def _take_close(self, frame: Frame) -> None:
        self._transcript.has_answer = True
        body = frame.payload
        if len(body) > 1:
            code = self._transcript.code = int.from_bytes(body[:2], "big")
            if code in self._codes:
                # The case takes this code from anybody, but any reason is UTF-8.
                body = encode_close(1000) + body[2:]
        closing = decode_close(body)
        if isinstance(closing, Violation):
            self._blame(closing)

    def _take_pong(self, frame: Frame) -> None:
        if frame.payload == self._probe:
            self._transcript.is_alive = True
        else:
            self._transcript.heard.append(Pong(frame.payload))

    def _take_data(self, frame: Frame) -> None:
        if frame.opcode != Opcode.CONTINUATION:
            if self._opcode is not None:
                self._fault("a message within a message", "RFC 6455 5.4")
            self._opcode, self._parts = frame.opcode, []
            self._is_deflated = frame.rsv1
        elif self._opcode is None:
            self._fault("a continuation of nothing", "RFC 6455 5.4")
            return
        self._parts.append(frame.payload)
        if frame.fin:
            self._end_message()

    def _end_message(self) -> None:
        opcode, self._opcode = self._opcode, None
        data = b"".join(self._parts)
        self._parts = []
        if self._is_deflated:
            if self._inflater is None:
                self._fault("a compressed message without agreement", "RFC 7692 6")
                return
            inflated = self._inflater.inflate(data)
            if isinstance(inflated, Violation):
                self._blame(inflated)
                return
            data = inflated
        if opcode == Opcode.TEXT:
            self._check_text(data)
        message = Text(data) if opcode == Opcode.TEXT else Binary(data)
        read = self.way.read(message)
        if read is None:
            self._transcript.strays += 1
        else:
            self._transcript.heard.append(read)

    def _check_text(self, data: bytes) -> None:
        try:
            data.decode()
        except UnicodeDecodeError:
            self._fault("a text that is not UTF-8", "RFC 6455 8.1")

    def _blame(self, violation: Violation) -> None:
        """Note whose limit it was, or whose fault."""
        if violation.code == 1009:
            # What is too big for us says nothing about the target.
            self._transcript.obstacle = f"the lab's own limit: {violation.reason}"
        else:
            self._fault(violation.reason, violation.clause)

    def _fault(self, words: str, clause: str) -> None:
        if len(self._transcript.faults) < _MOST_FAULTS:
            self._transcript.faults.append(f"{words} ({clause})")

    def __repr__(self) -> str:
        """Show what was heard so far."""
        return f"<Hearing {len(self._transcript.heard)} heard>"
