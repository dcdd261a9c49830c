"""Frames that come later than those behind them, and break nothing by that.

It refuses to know why they are late, and which they are.
"""

import heapq

from wavetank.chaos.frame_toxic import (
    MOST_BYTES,
    MOST_FRAMES,
    FrameToxic,
    at_once,
    ends_all,
)
from wavetank.chaos.reframing import is_control, is_fragment
from wavetank.chaos.toxic import NEVER, Bytes, Frame, Item, Timed

__all__ = ["LateToxic"]


class LateToxic(FrameToxic):
    """Keeps frames until they are due, while others go by.

    A whole message that is due in the middle of a fragmented one waits for the end of
    that (RFC 6455 5.4); a control frame does not; neither goes into a frame that goes
    by in pieces. Before a close frame and the end of the stream all of them go.

    Attributes:
        kept: Bytes that it keeps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept = 0
        self._number = 0
        self._messages: list[tuple[float, int, Frame]] = []
        self._controls: list[tuple[float, int, Frame]] = []
        self._in_message = False
        self._in_frame = False

    def may_be_late(self, frame: Frame) -> bool:
        """Tell whether others may overtake it, and there is room for it.

        Fragments belong together, and nothing comes behind a close frame.
        """
        has_room = self.kept + len(frame.data) <= MOST_BYTES
        has_place = len(self._messages) + len(self._controls) < MOST_FRAMES
        return has_room and has_place and not (is_fragment(frame) or ends_all(frame))

    def put_off(self, frame: Frame, due: float) -> None:
        """Keep a frame that may be late."""
        self._number += 1
        self.kept += len(frame.data)
        waiting = self._controls if is_control(frame) else self._messages
        heapq.heappush(waiting, (due, self._number, frame))
        self._meet(frame)
        self._look_ahead()

    def spare(self, item: Item, now: float) -> list[Timed]:
        """Let it by, behind what has to come before it."""
        if ends_all(item):
            return [*at_once(self.take_all(), now), (now, item)]
        self._meet(item)
        before = self.take_ready(now)
        self._follow(item)
        self._look_ahead()
        return [*at_once(before, now), (now, item)]

    def wake(self, now: float) -> list[Timed]:
        """Return what is due."""
        ready = self.take_ready(now)
        self._look_ahead()
        return at_once(ready, now)

    def heal(self, now: float) -> list[Timed]:
        """Return all that wait, in the order in which they are due.

        In the middle of a message, or of a frame, those that would break it stay;
        they go at its end.
        """
        if not (self._in_message or self._in_frame):
            return at_once(self.take_all(), now)
        for waiting in (self._messages, self._controls):
            waiting[:] = [(now, number, frame) for _, number, frame in sorted(waiting)]
        return self.wake(now)

    def take_over(self, old: "LateToxic") -> None:
        """Let go what is late already when it was to go."""
        self.kept, self._number = old.kept, old._number
        self._messages, self._controls = old._messages, old._controls
        self._in_message, self._in_frame = old._in_message, old._in_frame
        self.wakes_at = old.wakes_at

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits any more."""
        return not (self._messages or self._controls)

    def take_all(self) -> list[Frame]:
        """Take all that wait, in the order in which they are due."""
        waiting = sorted([*self._messages, *self._controls])
        self._messages, self._controls = [], []
        self.kept = 0
        self.wakes_at = NEVER
        return [frame for _, _, frame in waiting]

    def take_ready(self, now: float) -> list[Frame]:
        """Take what is due and breaks nothing here, control frames first."""
        ready = []
        for waiting in self._open():
            while waiting and waiting[0][0] <= now:
                ready.append(self._take(waiting))
        return ready

    def _take(self, waiting: list[tuple[float, int, Frame]]) -> Frame:
        frame = heapq.heappop(waiting)[2]
        self.kept -= len(frame.data)
        return frame

    def _open(self) -> list[list[tuple[float, int, Frame]]]:
        """Return the queues that may go on at this place of the stream."""
        if self._in_frame:
            return []
        return (
            [self._controls] if self._in_message else [self._controls, self._messages]
        )

    def _look_ahead(self) -> None:
        """Find out when the next one is due that may go on."""
        firsts = [waiting[0][0] for waiting in self._open() if waiting]
        self.wakes_at = min(firsts, default=NEVER)

    def _meet(self, item: Item) -> None:
        """Learn from an item which borders are before it."""
        if isinstance(item, Frame):
            self._in_frame = False
            if item.opcode and not is_control(item):
                self._in_message = False

    def _follow(self, item: Item) -> None:
        """Remember where in the stream an item leaves us."""
        if isinstance(item, Frame):
            if not is_control(item):
                self._in_message = not item.fin
        elif isinstance(item, Bytes):
            # Pieces of a frame that is too large: where it ends, nobody can tell.
            self._in_frame = self._in_message = True
