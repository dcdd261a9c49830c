"""The audit: every frame that a target sends, against the rules for its sender.

It refuses to know why a frame was sent, and what was asked of the target.
"""

import codecs
from collections import deque
from collections.abc import Callable, Iterator

from wavetank.lab.conformance.obligations import (
    BITS,
    CLOSE,
    CONTROL,
    CUT,
    DEFLATE,
    LATE,
    LENGTH,
    MASK,
    OPCODE,
    ORDER,
    PONG,
    TCP,
    TEXT,
    WIDE,
    Rule,
    Tally,
    Unit,
)
from wavetank.lab.conformance.tracing import annotate
from wavetank.wire import (
    DeflateParameters,
    Frame,
    FrameReader,
    HeadReader,
    Inflater,
    Opcode,
    Response,
    Violation,
    decode_close,
    encode_close,
    encode_frame,
    inflater_for,
    may_be_sent,
    parse_elements,
    parse_parameters,
)

__all__ = ["PATIENCE", "Audit"]

PATIENCE = 2.5
"""Seconds behind both close frames after which a server has kept TCP open."""

_MOST_PAYLOAD = 2 * 1024 * 1024
"""Bytes of a frame that is read; what a larger one carries is not judged."""
_MOST_INFLATED = 64 * 1024 * 1024
_MOST_HEAD = 128 * 1024
_MOST_PINGS = 1024

_SLICE = 4096
"""Bytes inflated at once, so that a bomb of any size stays small."""
_SMALL_SLICE = 256
"""Bytes inflated at once in a small window. zlib lets a reference reach back to all
that the same call has put out, be it farther than the window."""

_CONTROL_BIT = 0x08
_LONGEST_CONTROL = 125
_TOP_BIT = 2**63
_SHORTEST = {7: 0, 16: 126, 64: 0x1_0000}
_OPCODES = frozenset(map(int, Opcode))
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)


class Audit:
    """Reads one connection as its bytes come, from the answer to the handshake on.

    What is kept of it is bounded: a frame of 2 MiB, and the window to inflate with.

    Args:
        tally: Where it is noted what was judged.
        now: Reads the time, in seconds.
        patience: Seconds that a server has for the end of TCP.
    """

    def __init__(
        self, tally: Tally, *, now: Callable[[], float], patience: float = PATIENCE
    ) -> None:
        self._tally = tally
        self._now = now
        self._patience = patience
        self._head: HeadReader[Response] | None = HeadReader(of=Response)
        self._reader: FrameReader | None = None
        self._ours = _Ours()
        self._number = 0
        self._knows_bits = True
        self._has_deflate = False
        self._inflater: Inflater | None = None
        self._slice = _SLICE
        self._message: _Message | None = None
        self._has_closed = False
        self._both_closed_at: float | None = None
        self._is_over = False

    # What the connection tells.

    def received(self, data: bytes) -> None:
        """Take bytes as they came."""
        if self._head is not None:
            data = self._read_head(data)
        if self._reader is not None and data:
            frames = self._reader.feed(data)
            self._tally.judged[Unit.FRAMES] += len(frames)
            if self._knows_bits:
                self._tally.judged[Unit.BITS] += len(frames)
            for frame in frames:
                self._take(frame)

    def sent(self, data: bytes) -> None:
        """Take bytes that this side sends: pings and close frames count."""
        self._ours.sent(data)
        self._look_at_closing()

    def ended(self) -> None:
        """Note that the target ended TCP; a second time means nothing."""
        if self._is_over or self._reader is None:
            return
        self._is_over = True
        self._tally.judged[Unit.ENDS] += 1
        if self._both_closed_at is not None:
            self._tally.judged[Unit.CLOSINGS] += 1
        is_within = self._reader.head or self._reader.statistics()["buffered"]
        if is_within and not self._has_closed:
            self._tally.note(CUT, f"TCP ended within frame {self._number + 1}")

    def waited(self) -> None:
        """Note that somebody was waiting until now, and the target did nothing."""
        if self._is_over or self._both_closed_at is None:
            return
        waited = self._now() - self._both_closed_at
        if waited >= self._patience:
            self._is_over = True
            self._tally.judged[Unit.CLOSINGS] += 1
            words = f"TCP was open {waited:.1f} s behind both close frames"
            self._tally.blame(TCP, words)

    # The opening handshake.

    def _read_head(self, data: bytes) -> bytes:
        """Read the answer; return what is behind a 101."""
        while self._head is not None:
            answer = self._head.feed(data)
            if answer is None:
                return b""
            data, self._head = self._head.rest, None
            if not isinstance(answer, Response):
                return b""
            if answer.status == 101:
                self._open(answer)
                return data
            if 100 <= answer.status < 200:  # another answer follows (RFC 9110 15.2)
                self._head = HeadReader(of=Response)
        return b""

    def _open(self, answer: Response) -> None:
        """Read frames from here on, with the extensions of the answer."""
        elements = parse_elements(answer.headers.all("Sec-WebSocket-Extensions"))
        names = None if elements is None else [each.name for each in elements]
        if names == ["permessage-deflate"] and elements:
            self._has_deflate = True
            agreed = parse_parameters(elements[0], in_offer=False)
            if isinstance(agreed, DeflateParameters):
                self._inflater = inflater_for(
                    agreed, by_server=False, limit=_MOST_INFLATED
                )
                if (agreed.server_max_window_bits or 15) < 15:
                    self._slice = _SMALL_SLICE
        elif names != []:
            self._knows_bits = False  # nobody here knows what it gave a meaning
        self._reader = FrameReader(
            expect_mask=False,
            max_payload=_MOST_PAYLOAD,
            rsv1=self._has_deflate,
            strict=False,
        )

    # Frames.

    def _take(self, frame: Frame) -> None:
        self._number += 1
        if self._has_closed:
            # Behind the end a frame is wrong as a whole.
            self._take_late(frame)
            return
        if frame.length_form == 64:
            self._tally.judged[Unit.WIDE] += 1
        if frame.violations:
            for rule in self._rules_broken_by(frame):
                self._blame(rule, frame)
        opcode = frame.opcode
        if opcode & _CONTROL_BIT:
            self._take_control(frame)
        elif opcode in _DATA:
            self._take_data(frame)

    def _rules_broken_by(self, frame: Frame) -> Iterator[Rule]:
        """Return the rules that a frame's header breaks, wherever it stands."""
        opcode, size = frame.opcode, _size(frame)
        may_be_deflated = self._has_deflate and opcode in (Opcode.TEXT, Opcode.BINARY)
        is_marked = frame.rsv1 and not may_be_deflated
        if frame.mask is not None:
            yield MASK
        if self._knows_bits and (is_marked or frame.rsv2 or frame.rsv3):
            yield BITS
        if opcode not in _OPCODES:
            yield OPCODE
        if opcode & _CONTROL_BIT and (not frame.fin or size > _LONGEST_CONTROL):
            yield CONTROL
        if size < _SHORTEST[frame.length_form]:
            yield LENGTH
        if size >= _TOP_BIT:
            yield WIDE

    def _take_late(self, frame: Frame) -> None:
        """Take a frame behind the target's close frame.

        A ping or pong may have been on its way before it had ours, and then it is
        legal; here it cannot be told whether it had.
        """
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            self._tally.note(LATE, self._words(frame))
        else:
            self._blame(LATE, frame)

    def _take_control(self, frame: Frame) -> None:
        self._tally.judged[Unit.CONTROLS] += 1
        if frame.opcode == Opcode.CLOSE:
            self._take_close(frame)
        elif frame.opcode == Opcode.PONG:
            self._take_pong(frame)

    def _take_pong(self, frame: Frame) -> None:
        self._tally.judged[Unit.PONGS] += 1
        if not self._ours.is_answered_by(frame.payload):
            self._tally.note(PONG, f"nobody asked for {self._words(frame)}")

    def _take_close(self, frame: Frame) -> None:
        self._tally.judged[Unit.CLOSES] += 1
        self._has_closed = True
        self._look_at_closing()
        body = frame.payload
        closing = decode_close(body)
        code = int.from_bytes(body[:2], "big") if len(body) > 1 else None
        if not isinstance(closing, Violation):
            is_ours = code is None or code == self._ours.code
            if (
                code is not None
                and not is_ours
                and not may_be_sent(code, by_server=True)
            ):
                self._tally.note(CLOSE, f"a client's code: {self._words(frame)}")
        elif self._is_echo_of_unassigned(code, body):
            self._tally.note(CLOSE, f"our own code, echoed: {self._words(frame)}")
        else:
            self._blame(CLOSE, frame, closing.reason)

    def _is_echo_of_unassigned(self, code: int | None, body: bytes) -> bool:
        """Tell whether a code is ours, and only nobody's so far (RFC 6455 7.4.2)."""
        if code is None or code != self._ours.code:
            return False
        rest = decode_close(encode_close(1000) + body[2:])
        is_unassigned = 1015 < code < 3000 or code >= 5000
        return is_unassigned and not isinstance(rest, Violation)

    def _look_at_closing(self) -> None:
        """Note when both close frames are there."""
        if self._both_closed_at is None and self._has_closed and self._ours.has_closed:
            self._both_closed_at = self._now()

    # Messages.

    def _take_data(self, frame: Frame) -> None:
        self._tally.judged[Unit.DATA] += 1
        if frame.opcode != Opcode.CONTINUATION:
            if self._message is not None:
                self._blame(ORDER, frame, "the message before has not ended")
            self._message = self._begin(frame)
        elif self._message is None:
            self._blame(ORDER, frame, "there is nothing to continue")
            return
        self._add(self._message, frame)
        if frame.fin:
            self._message = None

    def _begin(self, frame: Frame) -> "_Message":
        is_deflated = frame.rsv1 and self._has_deflate
        # Nobody knows what an unknown extension, or a bit without a meaning, does.
        is_plain = self._knows_bits and not frame.rsv1
        return _Message(
            is_text=frame.opcode == Opcode.TEXT and (is_plain or is_deflated),
            is_deflated=is_deflated,
        )

    def _add(self, message: "_Message", frame: Frame) -> None:
        """Judge what a frame adds to its message."""
        if frame.announced is not None:
            # Its payload was not kept: what is behind it has no beginning.
            message.is_text = False
            if message.is_deflated:
                self._inflater = None
        if message.is_deflated:
            self._inflate(message, frame)
        else:
            self._read_text(message, frame, frame.payload, final=frame.fin)
        if frame.fin and message.is_text:
            self._tally.judged[Unit.TEXTS] += 1

    def _inflate(self, message: "_Message", frame: Frame) -> None:
        """Inflate a frame, piece after piece, and read what comes of it."""
        payload, step = frame.payload, self._slice
        for start in range(0, max(len(payload), 1), step):
            if self._inflater is None:
                message.is_text = False
                break
            final = frame.fin and start + step >= len(payload)
            piece = self._inflater.inflate(payload[start : start + step], final=final)
            if not isinstance(piece, Violation):
                self._read_text(message, frame, piece, final=final)
                continue
            # There is no way on: later messages may point back into this one.
            self._inflater = None
            message.is_text = False
            if piece.code != 1009:  # more than we inflate says nothing about it
                self._tally.judged[Unit.DEFLATED] += 1
                self._blame(DEFLATE, frame, piece.reason)
        if frame.fin and self._inflater is not None:
            self._tally.judged[Unit.DEFLATED] += 1

    def _read_text(
        self, message: "_Message", frame: Frame, data: bytes, *, final: bool
    ) -> None:
        if message.is_text and not message.reads(data, final=final):
            message.is_text = False
            self._tally.judged[Unit.TEXTS] += 1
            self._blame(TEXT, frame)

    # In words.

    def _blame(self, rule: Rule, frame: Frame, why: str = "") -> None:
        words = self._words(frame)
        self._tally.blame(rule, f"{why}, {words}" if why else words)

    def _words(self, frame: Frame) -> str:
        """Return a frame's place, its header as hex, and its fields."""
        header = encode_frame(
            frame.opcode,
            fin=frame.fin,
            rsv1=frame.rsv1,
            rsv2=frame.rsv2,
            rsv3=frame.rsv3,
            mask=frame.mask,
            length_form=frame.length_form,
            declared_length=_size(frame),
        )
        return f"frame {self._number} [{header.hex(' ')}] {annotate(frame)}"

    def __repr__(self) -> str:
        """Show how many frames it has judged."""
        return f"<Audit of {self._number} frames>"


class _Message:
    """A message on its way."""

    __slots__ = ("_decoder", "is_deflated", "is_text")

    def __init__(self, *, is_text: bool, is_deflated: bool) -> None:
        self.is_text = is_text
        self.is_deflated = is_deflated
        self._decoder: codecs.IncrementalDecoder | None = None

    def reads(self, data: bytes, *, final: bool) -> bool:
        """Tell whether its text is UTF-8 so far, and to the end where that is it."""
        if self._decoder is None:
            if data.isascii():
                return True
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            self._decoder.decode(data, final)
        except UnicodeDecodeError:
            return False
        return True


class _Ours:
    """What this side sent: its pings that nobody has answered, and its close frame.

    Attributes:
        has_closed: Whether it sent a close frame.
        code: The code of its last close frame.
    """

    def __init__(self) -> None:
        self.has_closed = False
        self.code: int | None = None
        self._head: bytearray | None = bytearray()
        # Payloads beyond those of control frames are nobody's business here.
        self._reader = FrameReader(
            expect_mask=None, max_payload=_LONGEST_CONTROL, strict=False
        )
        self._pings: deque[bytes] = deque(maxlen=_MOST_PINGS)

    def sent(self, data: bytes) -> None:
        """Take bytes that are sent, the request first."""
        if self._head is not None:
            data = self._skip_request(self._head, data)
        for frame in self._reader.feed(data):
            if frame.opcode == Opcode.PING and frame.announced is None:
                self._pings.append(frame.payload)
            elif frame.opcode == Opcode.CLOSE:
                self.has_closed = True
                has_code = len(frame.payload) > 1
                self.code = (
                    int.from_bytes(frame.payload[:2], "big") if has_code else None
                )

    def _skip_request(self, head: bytearray, data: bytes) -> bytes:
        """Return what is behind the request."""
        searched = max(0, len(head) - 3)
        head += data
        end = head.find(b"\r\n\r\n", searched)
        if end < 0:
            if len(head) > _MOST_HEAD:
                # No server reads so long a request: nothing comes behind it.
                del head[:-3]
            return b""
        self._head = None
        return bytes(head[end + 4 :])

    def is_answered_by(self, payload: bytes) -> bool:
        """Tell whether a pong answers a ping; it stands for those before it, too."""
        # RFC 6455 5.5.3: who is behind may answer the latest ping alone.
        if payload not in self._pings:
            return False
        while self._pings.popleft() != payload:
            pass
        return True


def _size(frame: Frame) -> int:
    """Return the length that a frame's header gives, in bytes."""
    return len(frame.payload) if frame.announced is None else frame.announced
