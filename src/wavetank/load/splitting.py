"""A stream of bytes from a server, split into frames, and its fragments joined.

It refuses to know what the messages mean. It is `wire.FrameReader` for one hot path
(benchmarks/load.py): who compares whole streams must know where frames end in them.
"""

from typing import NamedTuple

from wavetank.errors import RemoteError

__all__ = ["WHOLE", "Piece", "join_fragment", "join_frames", "split_frame"]

WHOLE = (0x81, 0x82)
"""First bytes of a text and a binary message in one frame."""

_LARGEST = 64 * 1024 * 1024
"""Bytes of a frame, and of a message in fragments; more is not held."""

_LONG = 4096
"""Bytes of a frame's beginning from which on copying it each time would show."""

_FIRSTS = frozenset({0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A})
"""First bytes of frames: no extension is agreed, no control frame in fragments."""


class Piece(NamedTuple):
    """Where a frame stands in its stream.

    Attributes:
        first: Its first byte: FIN, reserved bits, opcode.
        start: Where its payload begins.
        end: Where the frame ends.
    """

    first: int
    start: int
    end: int


def split_frame(data: bytes | bytearray, at: int) -> Piece | None:
    """Return the frame that begins at a place; None where it is not all there.

    Args:
        data: The stream, as far as it came.
        at: Where a frame begins.

    Raises:
        RemoteError: If it is masked, longer than 64 MiB, or no frame of RFC 6455.
    """
    there = len(data) - at
    if there < 2:
        return None
    first, second = data[at], data[at + 1]
    if second < 126:
        start, length = at + 2, second
    elif second > 127:
        raise RemoteError("a frame of the target is masked (RFC 6455 5.1)")
    else:
        width = 2 if second == 126 else 8
        if there < 2 + width:
            return None
        start = at + 2 + width
        length = int.from_bytes(data[at + 2 : start], "big")
        if first & 0x08:
            raise RemoteError(f"a control frame of {length} bytes (RFC 6455 5.5)")
    if first not in _FIRSTS:
        raise RemoteError(f"no frame begins with 0x{first:02x} (RFC 6455 5.2)")
    if length > _LARGEST:
        raise RemoteError(f"a frame of {length} bytes; at most {_LARGEST} are taken")
    end = start + length
    return Piece(first, start, end) if end <= len(data) else None


def join_frames(rest: bytearray, data: bytes) -> bytes:
    """Return what can be split: the rest of before, and what came.

    A long frame is copied when it is whole, not with each of its pieces.

    Args:
        rest: The beginning of a frame; empty again when it is handed out.
        data: What came behind it.

    Returns:
        Both; nothing while a long frame is not whole, and then ``rest`` has both.

    Raises:
        RemoteError: As `split_frame` does.
    """
    if not rest:
        return data
    if len(rest) > _LONG:
        rest += data
        if split_frame(rest, 0) is None:
            return b""
        data = b""
    joined = b"".join((rest, data))
    rest.clear()
    return joined


def join_fragment(fragments: bytearray, first: int, payload: bytes) -> bytes | None:
    """Return a message that its last fragment completes; None while it is not whole.

    Args:
        fragments: What came of it; empty again when it is whole.
        first: First byte of the fragment's frame.
        payload: What it carries.

    Raises:
        RemoteError: If the message is longer than 64 MiB.
    """
    if first & 0x0F:
        fragments.clear()  # A new one begins: the one before it will never be whole.
    fragments += payload
    if len(fragments) > _LARGEST:
        raise RemoteError(f"a message of more than {_LARGEST} bytes")
    if not first & 0x80:
        return None
    whole = bytes(fragments)
    fragments.clear()
    return whole
