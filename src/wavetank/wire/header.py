"""The header of a frame: its bits, its lengths, and the rules that it can break.

It refuses to know payloads, and what came before in the stream.
"""

import enum
import functools
from typing import Final

import msgspec

from wavetank.errors import LocalError

__all__ = [
    "CONTROL",
    "FIN",
    "LENGTH_BYTES",
    "LONGEST_HEAD",
    "LONGEST_PAYLOAD",
    "MASKED",
    "RSV1",
    "RSV2",
    "RSV3",
    "WIDE_FORMS",
    "Head",
    "Opcode",
    "Violation",
    "encode_head",
    "judge_first_bytes",
    "judge_length",
    "judge_order",
    "judge_second_bytes",
]


class Opcode(enum.IntEnum):
    """The opcodes that RFC 6455 5.2 defines; all others are reserved."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


FIN: Final = 0x80
RSV1: Final = 0x40
RSV2: Final = 0x20
RSV3: Final = 0x10
MASKED: Final = 0x80
CONTROL: Final = 0x08
"""The bit that control opcodes have, reserved ones too (RFC 6455 5.5)."""

LENGTH_BYTES: Final = {7: 0, 16: 2, 64: 8}
"""Bytes of the extended length, by length form."""
WIDE_FORMS: Final = {126: 16, 127: 64}
"""Length forms, by what stands in the 7 bits."""
LONGEST_HEAD: Final = 14
LONGEST_PAYLOAD: Final = 2**63 - 1
"""The top bit of a 64-bit length is zero (RFC 6455 5.2)."""

_LONGEST: Final = {7: 125, 16: 0xFFFF, 64: 2**64 - 1}
_SHORTEST: Final = {7: 0, 16: 126, 64: 0x1_0000}
_RESERVED: Final = ((RSV1, "RSV1"), (RSV2, "RSV2"), (RSV3, "RSV3"))


class Violation(msgspec.Struct, frozen=True):
    """A rule that the other side broke.

    Attributes:
        code: Close code that answers it.
        reason: What is wrong, in words that fit a close frame.
        clause: The rule, such as ``RFC 6455 5.2``.
    """

    code: int
    reason: str
    clause: str


class Head(msgspec.Struct, frozen=True, gc=False):
    """A header as it was read.

    Attributes:
        first: First byte: FIN, reserved bits, opcode.
        length: Announced length of the payload in bytes.
        mask: Masking key, or None.
        length_form: 7, 16 or 64 bits.
        violations: Rules that it breaks.
    """

    first: int
    length: int
    mask: bytes | None
    length_form: int
    violations: tuple[Violation, ...] = ()


_UNMASKED: Final = Violation(1002, "frame is not masked", "RFC 6455 5.1")
_WRONGLY_MASKED: Final = Violation(1002, "frame is masked", "RFC 6455 5.1")
_IN_FRAGMENTS: Final = Violation(1002, "control frame in fragments", "RFC 6455 5.4")
_CONTROL_LONG: Final = Violation(1002, "control frame over 125 bytes", "RFC 6455 5.5")
_NO_MESSAGE: Final = Violation(1002, "nothing to continue", "RFC 6455 5.4")
_NOT_ENDED: Final = Violation(1002, "message before has not ended", "RFC 6455 5.4")
_AFTER_CLOSE: Final = Violation(1002, "data frame after close", "RFC 6455 5.5.1")
_NOT_MINIMAL: Final = Violation(1002, "length not in shortest form", "RFC 6455 5.2")
_TOP_BIT: Final = Violation(1002, "top bit of the length is set", "RFC 6455 5.2")


def encode_head(first: int, length: int, form: int | None, *, masked: bool) -> bytes:
    """Return a header up to the masking key, whether it is legal or not.

    Args:
        first: First byte.
        length: What the header announces, in bytes.
        form: 7, 16 or 64; None takes the shortest.
        masked: Whether a masking key follows.

    Raises:
        LocalError: If the form has no bits for the length.
    """
    if form is None:
        form = 7 if length < 126 else 16 if length <= 0xFFFF else 64
    if form not in LENGTH_BYTES:
        raise LocalError(f"a length is written in 7, 16 or 64 bits, not {form}")
    if not 0 <= length <= _LONGEST[form]:
        raise LocalError(f"length {length} does not fit in the {form}-bit form")
    high = MASKED if masked else 0
    if form == 7:
        return bytes((first, high | length))
    if form == 16:
        return bytes((first, high | 126)) + length.to_bytes(2, "big")
    return bytes((first, high | 127)) + length.to_bytes(8, "big")


@functools.cache
def judge_first_bytes(*, rsv1: bool) -> tuple[tuple[Violation, ...], ...]:
    """Return what is wrong with each first byte, wherever it stands.

    Args:
        rsv1: Whether RSV1 has a meaning on text and binary frames (RFC 7692 6).
    """
    return tuple(tuple(_judge_first(first, rsv1=rsv1)) for first in range(256))


def _judge_first(first: int, *, rsv1: bool) -> list[Violation]:
    """Judge reserved bits, opcode, and FIN on control frames."""
    opcode = first & 0x0F
    reserved = first & (RSV1 | RSV2 | RSV3)
    if rsv1 and opcode in (Opcode.TEXT, Opcode.BINARY):
        reserved &= ~RSV1
    found = []
    if reserved:
        which = ", ".join(name for bit, name in _RESERVED if reserved & bit)
        reason = f"{which} set without a meaning"
        found.append(Violation(1002, reason, "RFC 6455 5.2"))
    if opcode not in list(Opcode):
        found.append(Violation(1002, f"opcode {opcode} is reserved", "RFC 6455 5.2"))
    if opcode & CONTROL and first < FIN:
        found.append(_IN_FRAGMENTS)
    return found


@functools.cache
def judge_second_bytes(
    *, expect_mask: bool | None
) -> tuple[tuple[Violation, ...], ...]:
    """Return what is wrong with each second byte, wherever it stands.

    Args:
        expect_mask: Whether frames must be masked; None takes both.
    """
    unmasked = (_UNMASKED,) if expect_mask is True else ()
    masked = (_WRONGLY_MASKED,) if expect_mask is False else ()
    return (unmasked,) * 128 + (masked,) * 128


def judge_order(
    opcode: int, *, in_message: bool, after_close: bool
) -> tuple[Violation, ...]:
    """Return what is wrong with a data frame at its place in the stream.

    Args:
        opcode: Below 8.
        in_message: Whether a message has begun and not ended.
        after_close: Whether a close frame came before.
    """
    found = []
    if after_close:
        found.append(_AFTER_CLOSE)
    if in_message and opcode != Opcode.CONTINUATION:
        found.append(_NOT_ENDED)
    if not in_message and opcode == Opcode.CONTINUATION:
        found.append(_NO_MESSAGE)
    return tuple(found)


def judge_length(
    first: int, second: int, length: int, *, most: int
) -> tuple[Violation, ...]:
    """Return what is wrong with a length and the form that it is written in.

    Args:
        first: First byte.
        second: Second byte.
        length: Announced length in bytes.
        most: Largest payload of a data frame that is taken.
    """
    found: list[Violation] = []
    if length < _SHORTEST[WIDE_FORMS.get(second & 0x7F, 7)]:
        found.append(_NOT_MINIMAL)
    if length > LONGEST_PAYLOAD:
        found.append(_TOP_BIT)
    if first & CONTROL:
        if length > 125:
            found.append(_CONTROL_LONG)
    elif most < length <= LONGEST_PAYLOAD:
        reason = f"frame of {length} bytes; at most {most} are taken"
        found.append(Violation(1009, reason, "RFC 6455 10.4"))
    return tuple(found)
