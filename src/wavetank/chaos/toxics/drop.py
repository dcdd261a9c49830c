"""Drop: a frame does not arrive.

It refuses to know which: its `when` says that.
"""

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.toxic import Frame, Timed

__all__ = ["Drop"]


class Drop(FrameToxic):
    """Drops frames.

    A dropped fragment leaves a message without it: the receiver sees another message,
    or a continuation of nothing (RFC 6455 5.4).
    """

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Drop it."""
        return []
