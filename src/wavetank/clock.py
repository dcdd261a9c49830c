"""The only reader of the time.

It knows nothing of who asks: everything below a shell gets ``now`` as a value.
"""

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock", "VirtualClock"]


class Clock(Protocol):
    """Two readings of time, both in float seconds."""

    def now(self) -> float:
        """Seconds on a clock that never jumps; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 UTC; may jump when somebody sets the clock."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()


class VirtualClock:
    """A clock that moves only when it is told to; for tests.

    Args:
        now: First reading of the clock that never jumps, in seconds.
        wall: First reading of the wall clock, in seconds since 1970 UTC.
    """

    def __init__(self, *, now: float = 0.0, wall: float = 1_790_000_000.0) -> None:
        self._now = now
        self._wall = wall

    def now(self) -> float:
        """Seconds on the clock that never jumps."""
        return self._now

    def wall(self) -> float:
        """Seconds since 1970 UTC."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks.

        Args:
            seconds: How much; a clock that never jumps refuses to go back.

        Raises:
            ValueError: If ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds} s; see jump()")
        self._now += seconds
        self._wall += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does."""
        self._wall += seconds

    def __repr__(self) -> str:
        """Show both readings."""
        return f"<VirtualClock now={self._now} wall={self._wall}>"
