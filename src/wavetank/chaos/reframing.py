"""Frames made anew: another payload or first byte, and a header that fits it.

It refuses to know why, and whether the result is legal.
"""

from typing import TYPE_CHECKING, Final

from wavetank.chaos.toxic import Frame
from wavetank.wire.frames import apply_mask
from wavetank.wire.header import CONTROL, RSV1, encode_head

if TYPE_CHECKING:
    import random

__all__ = [
    "fresh_mask",
    "is_compressed",
    "is_control",
    "is_fragment",
    "make_frame",
    "payload_of",
    "refill",
]

_KEY_BYTES: Final = 4


def make_frame(first: int, payload: bytes, mask: bytes | None) -> Frame:
    """Return a frame.

    Args:
        first: Its first byte: FIN, reserved bits, opcode.
        payload: As it is before masking.
        mask: Masking key; None leaves it unmasked.
    """
    head = encode_head(first, len(payload), None, masked=mask is not None)
    if mask is not None:
        head += mask
        payload = apply_mask(payload, mask)
    return Frame(head + payload, len(head))


def refill(frame: Frame, payload: bytes) -> Frame:
    """Return the frame with another payload, masked with the same key."""
    return make_frame(frame.data[0], payload, frame.mask)


def payload_of(frame: Frame) -> bytes:
    """Return the payload without its mask; compressed, where it is."""
    raw = frame.data[frame.head :]
    mask = frame.mask
    return raw if mask is None else apply_mask(raw, mask)


def fresh_mask(frame: Frame, rng: "random.Random") -> bytes | None:
    """Return a masking key for a further frame of the stream that a frame is of."""
    return None if frame.mask is None else rng.randbytes(_KEY_BYTES)


def is_control(frame: Frame) -> bool:
    """Tell whether it is a control frame, reserved ones too."""
    return frame.opcode & CONTROL != 0


def is_fragment(frame: Frame) -> bool:
    """Tell whether it is a part of a message and not the whole of it."""
    return not is_control(frame) and not (frame.fin and frame.opcode)


def is_compressed(frame: Frame) -> bool:
    """Tell whether RSV1 is set, as on the first frame of a compressed message."""
    return frame.data[0] & RSV1 != 0
