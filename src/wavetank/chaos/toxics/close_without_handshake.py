"""Close without handshake: the connection ends, and no close frame says so.

It refuses to know why.
"""

from typing import Final

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.toxic import Frame, How, Timed
from wavetank.wire.header import Opcode

__all__ = ["ENDS", "CloseWithoutHandshake"]

ENDS: Final = (How.CLOSE.value, How.FIN.value, How.RST.value)
"""How it ends."""


class CloseWithoutHandshake(FrameToxic):
    """Ends the stream where a close frame comes by, or behind a number of frames.

    Args:
        how: One of `ENDS`. close: in order and both ways; fin: this way alone; rst:
            at once and both ways.
        frames: How many frames go by before it; 0 for all until the close frame.
    """

    def __init__(self, *, how: str, frames: int) -> None:
        super().__init__()
        self._how = How(how)
        self._left = frames
        self._counts = frames > 0

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Let it by, or end the stream in its place or behind it."""
        if frame.opcode == Opcode.CLOSE:
            return self.finish(self._how, now)
        self._left -= 1
        if self._counts and not self._left:
            return [(now, frame), *self.finish(self._how, now)]
        return [(now, frame)]
