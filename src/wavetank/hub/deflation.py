"""Deflated frames: each one is compressed once for all who share a window.

They refuse to know topics, logs and who gets them.
"""

from typing import Final

from wavetank.wire import Deflater, Opcode, encode_frame

__all__ = ["SMALLEST", "DeflatedFrames", "deflate_frame", "shared_window"]

SMALLEST: Final = 200
"""Frames of fewer bytes go as they are: they would hardly shrink."""

_SHARED: Final = (15, 12, 9)
_LENGTHS: Final = {126: 2, 127: 8}


def shared_window(bits: int) -> int:
    """Return the window to deflate with for a client that takes one of ``bits``.

    A smaller window than the one agreed is always legal (RFC 7692 7.1.2.1), so the
    seven that clients can ask for become three, and so does the work for them.

    Args:
        bits: 9 to 15, as agreed in the opening handshake.
    """
    return next(window for window in _SHARED if window <= bits)


def deflate_frame(plain: bytes, window: int) -> bytes:
    """Return the frame of one text message in its compressed form.

    It comes back as it is where it would not be shorter: each message says by
    itself, in RSV1, whether it is compressed (RFC 7692 6).

    Args:
        plain: A whole frame, neither masked nor compressed.
        window: 9 to 15 bits.
    """
    if len(plain) < SMALLEST:
        return plain
    text = plain[2 + _LENGTHS.get(plain[1], 0) :]
    # Nothing is kept between messages (server_no_context_takeover): only so can
    # connections share what was deflated once.
    deflated = Deflater(window_bits=window, context_takeover=False).deflate(text)
    frame = encode_frame(Opcode.TEXT, deflated, rsv1=True)
    return frame if len(frame) < len(plain) else plain


class DeflatedFrames:
    """The compressed frames of one topic's entries in one window.

    Args:
        window: 9 to 15 bits.
        first: Seq of the oldest entry that is held; see ``drop``.
    """

    __slots__ = ("_first", "_frames", "_window")

    def __init__(self, window: int, first: int) -> None:
        self._window = window
        self._first = first
        self._frames: dict[int, bytes] = {}

    def __len__(self) -> int:
        """Return how many frames are kept."""
        return len(self._frames)

    def frame(self, seq: int, plain: bytes) -> bytes:
        """Return the compressed form of an entry's frame, made when first wanted."""
        if len(plain) < SMALLEST:
            return plain
        frame = self._frames.get(seq)
        if frame is None:
            frame = self._frames[seq] = deflate_frame(plain, self._window)
        return frame

    def drop(self, first: int) -> None:
        """Let go of the frames of all entries before ``first``."""
        if self._frames:
            for seq in range(self._first, first):
                self._frames.pop(seq, None)
        self._first = first

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<DeflatedFrames {len(self)} in {self._window} bits>"
