"""Merge: several frames arrive as one, or in one piece.

It refuses to know what is in them.
"""

from typing import Final

from wavetank.chaos.frame_toxic import MOST_BYTES, FrameToxic, ends_all
from wavetank.chaos.reframing import is_control, make_frame, payload_of
from wavetank.chaos.toxic import NEVER, Bytes, Frame, Item, Timed
from wavetank.wire.header import FIN

__all__ = ["WAYS", "Merge"]

_FRAGMENTS: Final = "fragments"
WAYS: Final = (_FRAGMENTS, "writes")
"""What becomes one."""


class Merge(FrameToxic):
    """Puts frames together.

    Args:
        what: One of `WAYS`. fragments: those of a message become one frame, masked
            with the key of the first; control frames overtake them. writes: frames
            are handed on in one piece, so that they arrive together.
        window: Frames that become one at most.
        pause: Milliseconds after which those that are there go on.

    Attributes:
        kept: Bytes that it keeps.
    """

    def __init__(self, *, what: str, window: int, pause: float) -> None:
        super().__init__()
        self.kept = 0
        self._is_of_fragments = what == _FRAGMENTS
        self._window = window
        self._pause = pause / 1000
        self._frames: list[Frame] = []

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Keep it until it is complete with others."""
        if not self._is_of_fragments:
            return self._keep(frame, now, is_last=False)
        if is_control(frame):
            return self.spare(frame, now)
        before = self.heal(now) if frame.opcode else []
        if frame.fin and not self._frames:
            return [*before, (now, frame)]
        return [*before, *self._keep(frame, now, is_last=frame.fin)]

    def spare(self, item: Item, now: float) -> list[Timed]:
        """Let it by: a control frame before what is kept, all else behind it."""
        overtakes = isinstance(item, Frame) and is_control(item) and not ends_all(item)
        if overtakes and self._is_of_fragments:
            return [(now, item)]
        return [*self.heal(now), (now, item)]

    def wake(self, now: float) -> list[Timed]:
        """Let go of what is there: nobody waits for ever."""
        return self.heal(now)

    def heal(self, now: float) -> list[Timed]:
        """Return what is kept as one."""
        frames, self._frames = self._frames, []
        self.kept = 0
        self.wakes_at = NEVER
        if len(frames) < 2:
            return [(now, frame) for frame in frames]
        return [(now, _one(frames) if self._is_of_fragments else _together(frames))]

    def _keep(self, frame: Frame, now: float, *, is_last: bool) -> list[Timed]:
        if not self._frames:
            self.wakes_at = now + self._pause
        self._frames.append(frame)
        self.kept += len(frame.data)
        is_full = len(self._frames) >= self._window or self.kept > MOST_BYTES
        return self.heal(now) if is_last or is_full else []


def _one(frames: list[Frame]) -> Frame:
    """Return fragments as one frame, which ends the message if the last one does."""
    first = frames[0].data[0] | frames[-1].data[0] & FIN
    return make_frame(first, b"".join(map(payload_of, frames)), frames[0].mask)


def _together(frames: list[Frame]) -> Bytes:
    return Bytes(b"".join(frame.data for frame in frames))
