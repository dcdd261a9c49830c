"""Duplicate: a frame arrives more than once.

It refuses to know which frames are meant.
"""

from wavetank.chaos.frame_toxic import at_once
from wavetank.chaos.lateness import LateToxic
from wavetank.chaos.toxic import NEVER, Frame, Timed

__all__ = ["Duplicate"]


class Duplicate(LateToxic):
    """Sends frames again, byte for byte.

    Args:
        copies: How many more of each.
        delay: Milliseconds between a frame and its copies; 0 for right behind it.
            The copies of a fragment or a close frame always come right behind it.
    """

    def __init__(self, *, copies: int, delay: float) -> None:
        super().__init__()
        self._copies = copies
        self._delay = delay / 1000

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Let it by, with its copies or before them."""
        items = self.spare(frame, now)
        for _ in range(self._copies):
            if self._delay and self.may_be_late(frame):
                self.put_off(frame, now + self._delay)
            else:
                items.append((now, frame))
        return items

    def heal(self, now: float) -> list[Timed]:
        """Return the copies that break nothing here; nobody misses the others."""
        ready = self.take_ready(NEVER)
        self.take_all()
        return at_once(ready, now)
