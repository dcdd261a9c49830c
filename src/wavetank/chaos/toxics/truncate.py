"""Truncate: a frame arrives without its end.

It refuses to know what is missing.
"""

from typing import Final

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.reframing import payload_of, refill
from wavetank.chaos.toxic import Bytes, Frame, How, Timed

__all__ = ["ENDS", "Truncate"]

_GO_ON: Final = "go_on"
ENDS: Final = (_GO_ON, How.FIN.value, How.CLOSE.value, How.RST.value)
"""What comes behind the cut."""


class Truncate(FrameToxic):
    """Cuts the payload of frames.

    Args:
        keep: Bytes of the payload that are left.
        then: One of `ENDS`. go_on: the header says the new length, and the stream
            goes on; fin, close, rst: the stream ends inside the frame, whose header
            promises more, this way (fin) or both ways.
    """

    def __init__(self, *, keep: int, then: str) -> None:
        super().__init__()
        self._keep = keep
        self._how = None if then == _GO_ON else How(then)

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Cut it."""
        if self._how is None:
            is_short = frame.size <= self._keep
            cut = frame if is_short else refill(frame, payload_of(frame)[: self._keep])
            return [(now, cut)]
        # At least its last byte is missing, or the cut would not be inside.
        size = min(frame.head + self._keep, len(frame.data) - 1)
        return [(now, Bytes(frame.data[:size])), *self.finish(self._how, now)]
