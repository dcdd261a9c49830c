"""What an echo answers to the bytes of a client, many frames at a time.

It refuses to know sockets. It is `wire.FrameReader` and `wire.encode_frame` for one
hot path: the built-in echo has to be faster than those who load it. It takes each
frame by itself: the order of fragments, and whether text is UTF-8, is not judged.
"""

import functools
from typing import Final, NamedTuple

from wavetank.wire import Opcode, encode_close, encode_frame
from wavetank.wire.frames import apply_mask
from wavetank.wire.header import FIN, encode_head

__all__ = ["LARGEST", "Echoed", "echo_frames"]

LARGEST: Final = 1024 * 1024
"""Bytes of a frame's payload; a larger one ends the connection with 1009."""

_DATA = (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)
_PONG: Final = FIN | Opcode.PONG
_CLOSE: Final = FIN | Opcode.CLOSE

_ANSWERS: Final = {
    **{fin | opcode: fin | opcode for fin in (0, FIN) for opcode in _DATA},
    FIN | Opcode.PING: _PONG,
    _PONG: _PONG,
    _CLOSE: _CLOSE,
}
"""First byte of a frame -> that of its answer; a pong has none."""

_SHORTEST: Final = 6
"""Bytes of the shortest frame of a client: two, and a masking key."""

_LONGEST_CONTROL: Final = 125


class Echoed(NamedTuple):
    """What came of some bytes.

    Attributes:
        answer: The bytes that answer them.
        used: How many were used; the rest is the beginning of a frame.
        is_over: Whether the connection ends with the answer.
    """

    answer: bytes
    used: int
    is_over: bool = False


@functools.lru_cache(maxsize=4096)
def _head(first: int, length: int) -> bytes:
    return encode_head(first, length, None, masked=False)


def echo_frames(data: bytes) -> Echoed:
    """Answer all frames that are there as a whole.

    Args:
        data: What came, from the beginning of a frame on.
    """
    answers: list[bytes] = []
    at, end = 0, len(data)
    while end - at >= _SHORTEST:
        first, second = data[at], data[at + 1]
        if second < 0xFE:
            start = at + 6
            length = second - 0x80  # Negative where the frame is not masked.
        else:
            start = at + (8 if second == 0xFE else 14)
            length = int.from_bytes(data[at + 2 : start - 4], "big")
        answer = _ANSWERS.get(first)
        if answer is None or not 0 <= length <= LARGEST:
            return _refuse(answers, at, length)
        stop = start + length
        if stop > end:
            break
        if answer & 0x08 and length > _LONGEST_CONTROL:
            return _refuse(answers, at, 0)
        if first != _PONG:
            answers.append(_head(answer, length))
            answers.append(apply_mask(data[start:stop], data[start - 4 : start]))
        at = stop
        if first == _CLOSE:
            return Echoed(b"".join(answers), at, is_over=True)
    return Echoed(b"".join(answers), at)


def _refuse(answers: list[bytes], used: int, length: int) -> Echoed:
    """End the connection: a frame is too large, or none that a client may send."""
    payload = encode_close(1009 if length > LARGEST else 1002)
    answers.append(encode_frame(Opcode.CLOSE, payload))
    return Echoed(b"".join(answers), used, is_over=True)
