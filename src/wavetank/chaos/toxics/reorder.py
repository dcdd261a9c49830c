"""Reorder: messages arrive in another order.

It refuses to know what is in them.
"""

from typing import TYPE_CHECKING

from wavetank.chaos.frame_toxic import (
    MOST_BYTES,
    MOST_FRAMES,
    FrameToxic,
    at_once,
    ends_all,
)
from wavetank.chaos.reframing import is_control
from wavetank.chaos.toxic import NEVER, Frame, Item, Timed

if TYPE_CHECKING:
    import random

__all__ = ["Reorder"]


class Reorder(FrameToxic):
    """Shuffles a window of messages that a chosen frame opens.

    The window holds the messages that follow, chosen or not; the fragments of one
    stay together (RFC 6455 5.4). Control frames overtake all of them. Before a close
    frame, and whatever else is no frame, the window is closed.

    Args:
        window: Messages in a window.
        pause: Milliseconds after which it is closed, however few there are.
        rng: Its dice.

    Attributes:
        kept: Bytes that it keeps.
    """

    def __init__(self, *, window: int, pause: float, rng: "random.Random") -> None:
        super().__init__()
        self.kept = 0
        self._window = window
        self._pause = pause / 1000
        self._rng = rng
        self._messages: list[list[Frame]] = []
        self._frames = 0

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Keep it, and open a window if there is none."""
        begins_message = frame.opcode and not is_control(frame)
        if begins_message and not self._messages:
            self.wakes_at = now + self._pause
            return self._keep(frame, now)
        return self.spare(frame, now)

    def spare(self, item: Item, now: float) -> list[Timed]:
        """Keep it if a window is open; let it by otherwise."""
        if ends_all(item) or not isinstance(item, Frame):
            return [*self.heal(now), (now, item)]
        if self._messages and not is_control(item):
            return self._keep(item, now)
        return [(now, item)]

    def wake(self, now: float) -> list[Timed]:
        """Close the window: nobody waits for ever."""
        return self.heal(now)

    def heal(self, now: float) -> list[Timed]:
        """Return what is kept, in another order."""
        messages, self._messages = self._messages, []
        self.kept = self._frames = 0
        self.wakes_at = NEVER
        # One that is not complete is last, since its other fragments follow.
        is_cut = bool(messages) and not messages[-1][-1].fin
        last = [messages.pop()] if is_cut else []
        frames = [
            frame for each in [*self._shuffled(messages), *last] for frame in each
        ]
        return at_once(frames, now)

    def _keep(self, frame: Frame, now: float) -> list[Timed]:
        """Keep a data frame; return all of the window when it is full."""
        messages = self._messages
        if messages and not messages[-1][-1].fin:
            messages[-1].append(frame)
        else:
            messages.append([frame])
        self.kept += len(frame.data)
        self._frames += 1
        is_complete = frame.fin and len(messages) >= self._window
        is_full = self.kept > MOST_BYTES or self._frames >= MOST_FRAMES
        return self.heal(now) if is_complete or is_full else []

    def _shuffled(self, messages: list[list[Frame]]) -> list[list[Frame]]:
        """Return them in an order that is not theirs, if there is one."""
        order = list(range(len(messages)))
        self._rng.shuffle(order)
        if order == sorted(order):
            order = [*order[1:], *order[:1]]
        return [messages[place] for place in order]
