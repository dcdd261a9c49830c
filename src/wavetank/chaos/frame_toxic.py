"""What toxics share that hurt frames: each names what it does to one, and to the rest.

It refuses to know which frames are meant: it is told about those that are with
``receive``, about all others with ``pass_by``.
"""

from typing import Final

from wavetank.chaos.toxic import End, Frame, How, Item, Timed
from wavetank.chaos.toxics.noop import Noop
from wavetank.wire.header import Opcode

__all__ = ["MOST_BYTES", "MOST_FRAMES", "FrameToxic", "at_once", "ends_all"]

MOST_BYTES: Final = 1024 * 1024
"""Bytes that a toxic keeps at most, but for one frame that is larger."""
MOST_FRAMES: Final = 4096
"""Frames that a toxic keeps at most."""


class FrameToxic(Noop):
    """Hurts frames that it receives, and lets everything else by at once."""

    def __init__(self) -> None:
        super().__init__()
        self._is_over = False

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Hurt a frame; what is none comes to no harm."""
        if self._is_over:
            return []
        return (
            self.hurt(item, now) if isinstance(item, Frame) else self.spare(item, now)
        )

    def pass_by(self, item: Item, now: float) -> list[Timed]:
        """Let by what was not chosen."""
        return [] if self._is_over else self.spare(item, now)

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Return what becomes of a chosen frame; unless told otherwise, no harm."""
        return self.spare(frame, now)

    def spare(self, item: Item, now: float) -> list[Timed]:
        """Return what goes on because of anything else."""
        return [(now, item)]

    def finish(self, how: How, now: float) -> list[Timed]:
        """End the stream: whatever comes after this is swallowed."""
        self._is_over = True
        return [(now, End(how))]


def at_once(items: list[Item] | list[Frame], now: float) -> list[Timed]:
    """Return items as going on now."""
    return [(now, item) for item in items]


def ends_all(item: Item) -> bool:
    """Tell whether no data frame may come behind it (RFC 6455 5.5.1)."""
    if isinstance(item, Frame):
        return item.opcode == Opcode.CLOSE
    return isinstance(item, End)
