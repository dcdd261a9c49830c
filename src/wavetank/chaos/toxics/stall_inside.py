"""Stall inside: the first bytes of a frame arrive, and then nothing for a time.

It refuses to know what the receiver makes of it.
"""

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.toxic import NEVER, Bytes, Frame, Timed

__all__ = ["StallInside"]


class StallInside(FrameToxic):
    """Lets the stream stand still in the middle of frames; nothing is lost.

    Args:
        bytes: Bytes of the frame that go on at once, its header's first; all but the
            last one at most.
        delay: Milliseconds until the rest follows; 0 for when the toxic is taken out.
    """

    # The attribute's name is what a user types, beside limit_data's.
    def __init__(self, *, bytes: int, delay: float) -> None:
        super().__init__()
        self._bytes = bytes
        self._delay = delay / 1000 if delay else NEVER

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Cut it; the chain holds the rest, and all that follows."""
        size = min(self._bytes, len(frame.data) - 1)
        first, rest = Bytes(frame.data[:size]), Bytes(frame.data[size:])
        return [(now, first), (now + self._delay, rest)]

    def take_over(self, _old: "StallInside") -> None:
        """What stands still goes on to."""
