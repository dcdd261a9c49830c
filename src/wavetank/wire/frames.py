"""Frames as values: any frame can be written, and any frame can be read.

They refuse to know messages, handshakes and sockets: bytes in, frames out.
"""

from typing import Final

import msgspec

from wavetank.errors import LocalError
from wavetank.wire.header import (
    CONTROL,
    FIN,
    LENGTH_BYTES,
    LONGEST_HEAD,
    LONGEST_PAYLOAD,
    MASKED,
    RSV1,
    RSV2,
    RSV3,
    WIDE_FORMS,
    Head,
    Opcode,
    Violation,
    encode_head,
    judge_first_bytes,
    judge_length,
    judge_order,
    judge_second_bytes,
)

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a platform without the C routine
    from websockets.utils import apply_mask

__all__ = [
    "Frame",
    "FrameReader",
    "Opcode",
    "Violation",
    "apply_mask",
    "encode_frame",
]

# An enum's member costs more to look up than a name.
_TEXT, _BINARY, _CLOSE = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE
_PLAIN: Final = (FIN | Opcode.TEXT, FIN | Opcode.BINARY)
_VIEW_FROM: Final = 8192
"""Payloads from here on are unmasked through a view; below it, a copy is faster."""
_SMALL: Final = 256
"""Pieces below it are kept in one buffer: each object costs about 40 bytes."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame, legal or not.

    Attributes:
        opcode: 0 to 15.
        payload: Unmasked payload.
        fin: Whether it ends its message.
        rsv1: First reserved bit; permessage-deflate uses it.
        rsv2: Second reserved bit.
        rsv3: Third reserved bit.
        mask: Masking key as read; None for an unmasked frame.
        length_form: How the length was written: 7, 16 or 64 bits.
        violations: Rules that it breaks; always empty in the strict manner.
        announced: Length in bytes that the header gave, where the payload was
            too large to be kept; None otherwise.
    """

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False
    mask: bytes | None = None
    length_form: int = 7
    violations: tuple[Violation, ...] = ()
    announced: int | None = None

    def encode(self) -> bytes:
        """Return the bytes that it was read from.

        Raises:
            LocalError: If its payload was not kept.
        """
        if self.announced is not None:
            raise LocalError(f"payload of {self.announced} bytes was not kept")
        return encode_frame(
            self.opcode,
            self.payload,
            fin=self.fin,
            rsv1=self.rsv1,
            rsv2=self.rsv2,
            rsv3=self.rsv3,
            mask=self.mask,
            length_form=self.length_form,
        )


def encode_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    mask: bytes | None = None,
    length_form: int | None = None,
    declared_length: int | None = None,
) -> bytes:
    """Return the bytes of a frame, legal or not.

    Args:
        opcode: 0 to 15, reserved ones too.
        payload: As it is before masking.
        fin: Whether it ends its message.
        rsv1: First reserved bit.
        rsv2: Second reserved bit.
        rsv3: Third reserved bit.
        mask: Masking key of 4 bytes, unpredictable from outside; None leaves the
            frame unmasked.
        length_form: 7, 16 or 64; None takes the shortest.
        declared_length: What the header says, where it should differ from
            the payload's length in bytes.

    Raises:
        LocalError: If the header has no bits for what was asked.
    """
    if not 0 <= opcode <= 15:
        raise LocalError(f"opcode {opcode} does not fit in 4 bits")
    length = len(payload) if declared_length is None else declared_length
    first = fin << 7 | rsv1 << 6 | rsv2 << 5 | rsv3 << 4 | opcode
    head = encode_head(first, length, length_form, masked=mask is not None)
    if mask is None:
        return head + payload
    if len(mask) != 4:
        raise LocalError(f"a masking key has 4 bytes, not {len(mask)}")
    return head + mask + apply_mask(payload, mask)


def encode_text(payload: bytes) -> bytes:
    """Return the bytes of a whole text message as a server sends it.

    The same as ``encode_frame(Opcode.TEXT, payload)``, in a quarter of the time:
    ``benchmarks/publish_path.py``.
    """
    length = len(payload)
    if length < 126:
        return b"\x81%c%b" % (length, payload)
    if length <= 0xFFFF:
        return b"\x81\x7e%c%c%b" % (length >> 8, length & 0xFF, payload)
    return encode_frame(Opcode.TEXT, payload)


class FrameReader:
    """Reads frames from a stream of bytes, in one of two manners.

    Strict, as a server or client reads: the first violation ends the reading.
    Frames before it are still returned; what comes after it, or after a close
    frame (RFC 6455 1.4), is dropped unread.

    Lenient, as the lab and its proxy read: reading goes on, and each frame
    carries the rules that it breaks. The payload of a frame that is announced
    larger than ``max_payload`` (or than 63 bits) is dropped; the frame itself
    is returned as soon as its header is there, with ``announced`` set.

    Held memory is bounded by one header and one payload of ``max_payload``.

    Args:
        expect_mask: Whether frames must be masked (True: read from a client),
            must not be (False), or may be (None).
        max_payload: Largest payload of a data frame in bytes; None is no limit.
        rsv1: Whether an extension gave RSV1 a meaning on the first frame of
            a message.
        strict: The manner.

    Attributes:
        violation: The first violation, in the strict manner.
        max_payload: May be changed between frames.
        head: Header of a frame whose payload is on its way, or None.
        piece: What came of that payload with the last bytes, unmasked.
        at_rest: Whether the next byte begins a frame that begins a message.
    """

    __slots__ = (
        "_after_close",
        "_came",
        "_expect_mask",
        "_in_message",
        "_lead",
        "_of_first",
        "_of_second",
        "_over",
        "_pieces",
        "_skip",
        "_strict",
        "at_rest",
        "head",
        "max_payload",
        "piece",
        "violation",
    )

    def __init__(
        self,
        *,
        expect_mask: bool | None,
        max_payload: int | None,
        rsv1: bool = False,
        strict: bool = True,
    ) -> None:
        self._expect_mask = expect_mask
        self.max_payload = LONGEST_PAYLOAD if max_payload is None else max_payload
        self._of_first = judge_first_bytes(rsv1=rsv1)
        self._of_second = judge_second_bytes(expect_mask=expect_mask)
        self._strict = strict
        self._lead = b""
        self._pieces: list[bytes | bytearray] = []
        self._came = 0
        self._skip = 0
        self._in_message = False
        self._after_close = False
        self._over = False
        self.head: Head | None = None
        self.piece = b""
        self.at_rest = True
        self.violation: Violation | None = None

    def __repr__(self) -> str:
        manner = "strict" if self._strict else "lenient"
        return f"<FrameReader {manner} {self.statistics()}>"

    def statistics(self) -> dict[str, int]:
        """Return what it holds: buffered bytes, and where it is, as numbers."""
        return {
            "buffered": len(self._lead) + self._came,
            "announced": self.head.length if self.head else 0,
            "in_message": int(self._in_message),
            "violation": self.violation.code if self.violation else 0,
        }

    @property
    def is_in_message(self) -> bool:
        """Whether a message has begun, by a whole header, that is not complete."""
        if self.at_rest:
            return False
        head = self.head
        return self._in_message or (head is not None and not head.first & CONTROL)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they came and return the frames that they complete."""
        # Shape traded for speed: whole unfragmented data frames are read in
        # place. Measured by benchmarks/frame_reader.py.
        if type(data) is not bytes:
            data = bytes(data)
        frames: list[Frame] = []
        start, size = 0, len(data)
        while start < size:
            if self.at_rest and self._expect_mask is not None:
                start = self._read_plain(data, start, frames)
                if start >= size:
                    break
            frame, start = self.read(data, start)
            if frame is not None:
                frames.append(frame)
        return frames

    def _read_plain(self, data: bytes, start: int, frames: list[Frame]) -> int:
        """Read whole, legal, unfragmented data frames; return where they end."""
        size = len(data)
        most = self.max_payload
        flip, key = (MASKED, 4) if self._expect_mask else (0, 0)
        mask = None
        while size - start > 3:
            first = data[start]
            if first not in _PLAIN:
                break
            length = data[start + 1] ^ flip
            body, form = start + 2 + key, 7
            if length > 125:
                if length != 126:
                    break
                length = data[start + 2] << 8 | data[start + 3]
                if length < 126:
                    break
                body, form = body + 2, 16
            end = body + length
            if end > size or length > most:
                break
            payload = data[body:end]
            if key:
                mask = data[body - 4 : body]
                payload = apply_mask(payload, mask)
            frames.append(
                Frame(first & 0x0F, payload, True, False, False, False, mask, form)
            )
            start = end
        return start

    def read(self, data: bytes, start: int) -> tuple[Frame | None, int]:
        """Read one frame, or go on with the one that is on its way.

        Args:
            data: Bytes as they came.
            start: Where in them to begin.

        Returns:
            The frame and where the next one begins; None and the end of the
            data where the frame is not complete or reading is over.
        """
        head = self.head
        if head is not None:
            return self._read_body(head, data, start)
        if self._skip:
            skipped = min(self._skip, len(data) - start)
            self._skip -= skipped
            start += skipped
        if self._over or start >= len(data):
            return None, len(data)
        head, start = self._read_head(data, start)
        if head is None:
            return None, len(data)
        if head.length > self.max_payload and (
            head.length > 125 or not head.first & CONTROL
        ):
            return self._drop_body(head, data, start)
        return self._read_body(head, data, start)

    def _read_head(self, data: bytes, start: int) -> tuple[Head | None, int]:
        """Read a header; keep its bytes where it is not complete."""
        self.at_rest = False
        shift = 0
        if self._lead:
            shift = start - len(self._lead)
            data, start = self._lead + data[start : start + LONGEST_HEAD], 0
        size = len(data)
        head = None
        body = start + 2
        if body <= size:
            first, second = data[start], data[start + 1]
            form, length = 7, second & 0x7F
            if length > 125:
                form = WIDE_FORMS[length]
                body += LENGTH_BYTES[form]
                length = int.from_bytes(data[start + 2 : body], "big")
            violations = self._judge(first, second, length if body <= size else None)
            if violations and self._strict:
                self.stop(violations[0])
                return None, size
            mask = None
            if second & MASKED:
                mask = data[body : body + 4]
                body += 4
            head = Head(first, length, mask, form, violations)
        if head is None or body > size:
            self._lead = data[start:]
            return None, size
        self._lead = b""
        self._accept(head.first & 0x0F, fin=head.first >= FIN)
        return head, body + shift

    def _accept(self, opcode: int, *, fin: bool) -> None:
        """Remember where in a message, and in the connection, the frame leaves us."""
        if opcode in (_TEXT, _BINARY) or (self._in_message and not opcode):
            self._in_message = not fin
        elif opcode == _CLOSE:
            self._after_close = True

    def _read_body(
        self, head: Head, data: bytes, start: int
    ) -> tuple[Frame | None, int]:
        """Read a payload; keep what has come of it where it is not complete."""
        came = self._came
        end = start + head.length - came
        size = len(data)
        stop = min(end, size)
        raw = (
            data[start:stop]
            if stop - start < _VIEW_FROM
            else memoryview(data)[start:stop]
        )
        if head.mask is None:
            piece = bytes(raw)
        else:
            turn = came & 3
            mask = (head.mask * 2)[turn : turn + 4] if turn else head.mask
            piece = apply_mask(raw, mask)
        if end > size:
            self.head = head
            self._keep(piece)
            return None, size
        if came:
            piece = b"".join([*self._pieces, piece])
            self._forget()
        self.head = None
        return self._finish(head, piece), end

    def _keep(self, piece: bytes) -> None:
        """Keep a piece of a payload, and small ones in one place."""
        self.piece = piece
        self._came += len(piece)
        pieces = self._pieces
        if len(piece) >= _SMALL:
            pieces.append(piece)
        elif pieces and isinstance(pieces[-1], bytearray):
            pieces[-1] += piece
        else:
            pieces.append(bytearray(piece))

    def _forget(self) -> None:
        """Let go of what came of a payload."""
        self.piece = b""
        self._pieces = []
        self._came = 0

    def _drop_body(
        self, head: Head, data: bytes, start: int
    ) -> tuple[Frame | None, int]:
        """Return the frame without its payload, which is skipped as it comes."""
        self._skip = max(0, head.length - (len(data) - start))
        return self._finish(head, b"", head.length), min(len(data), start + head.length)

    def _finish(
        self, head: Head, payload: bytes, announced: int | None = None
    ) -> Frame:
        """Make the frame; after a close frame, strict reading is over."""
        first = head.first
        self._over = self._strict and self._after_close
        self.at_rest = not (self._in_message or self._after_close or self._skip)
        return Frame(
            first & 0x0F,
            payload,
            first >= FIN,
            first & RSV1 != 0,
            first & RSV2 != 0,
            first & RSV3 != 0,
            head.mask,
            head.length_form,
            head.violations,
            announced,
        )

    def stop(self, violation: Violation) -> None:
        """End the reading: everything that follows is dropped unread."""
        self.violation = violation
        self._over = True
        self.at_rest = False
        self.head = None
        self._lead = b""
        self._forget()

    def _judge(
        self, first: int, second: int, length: int | None
    ) -> tuple[Violation, ...]:
        """Return the rules that a header breaks, as far as it is known."""
        found = self._of_first[first] + self._of_second[second]
        if not first & CONTROL and (
            (not first & 0x0F) is not self._in_message or self._after_close
        ):
            found += judge_order(
                first & 0x0F,
                in_message=self._in_message,
                after_close=self._after_close,
            )
        if length is not None and (
            length > self.max_payload or second & 0x7F in WIDE_FORMS
        ):
            found += judge_length(first, second, length, most=self.max_payload)
        return found
