"""Swallow: frames of one kind never arrive, such as every pong.

It refuses to know what they answer.
"""

from typing import Final

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.toxic import Frame, Timed
from wavetank.wire.header import Opcode

__all__ = ["KINDS", "Swallow"]

KINDS: Final = tuple(opcode.name.lower() for opcode in Opcode)
"""What can be swallowed."""


class Swallow(FrameToxic):
    """Swallows frames of one opcode, and lets all others by.

    Args:
        opcode: One of `KINDS`.
    """

    def __init__(self, *, opcode: str) -> None:
        super().__init__()
        self._opcode = Opcode[opcode.upper()]

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Swallow it if it is of that kind."""
        return [] if frame.opcode == self._opcode else [(now, frame)]
