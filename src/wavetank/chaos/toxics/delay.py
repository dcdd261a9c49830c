"""Delay: chosen frames arrive later, and hold up what follows or let it overtake.

It refuses to know which frames are meant.
"""

from wavetank.chaos.lateness import LateToxic
from wavetank.chaos.toxic import Frame, Timed

__all__ = ["Delay"]


class Delay(LateToxic):
    """Delays frames.

    Args:
        delay: Milliseconds.
        overtake: Whether others may go by meanwhile. Fragments and close frames are
            never overtaken: they hold up what follows.
    """

    def __init__(self, *, delay: float, overtake: bool) -> None:
        super().__init__()
        self._delay = delay / 1000
        self._overtake = overtake

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Let it go on later."""
        due = now + self._delay
        if self._overtake and self.may_be_late(frame):
            self.put_off(frame, due)
            return []
        *before, (_, last) = self.spare(frame, now)
        return [*before, (due, last)]
