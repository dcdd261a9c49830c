"""An alarm: one moment at which something is done, and may be set anew at any time.

It refuses to know what is done.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavetank.chaos.toxic import NEVER

if TYPE_CHECKING:
    from wavetank.clock import Clock

__all__ = ["Alarm"]


class Alarm:
    """Calls at a moment of a clock; the loop counts how long that takes.

    Args:
        clock: Whose moments they are.
        call: What is called, once for each moment that it was set to.

    Attributes:
        at: The moment; infinity for never.
    """

    __slots__ = ("_call", "_clock", "_timer", "at")

    def __init__(self, clock: "Clock", call: Callable[[], object]) -> None:
        self.at = NEVER
        self._clock = clock
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        """Show when it goes off."""
        return f"<Alarm at {self.at}>"

    def set(self, at: float) -> None:
        """Go off at another moment, in place of the one before."""
        if at == self.at:
            return
        self.at = at
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at < NEVER:
            wait = max(0.0, at - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(wait, self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        self.at = NEVER
        self._call()
