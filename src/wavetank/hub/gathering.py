"""Gathering: how long a sweep waits for more, where much is published.

It refuses to know what is swept, and timers.

A write costs nearly the same for one message and for fifty. Where several messages
came during one sweep over all subscribers, more are on their way, and a wait that
is short beside the sweep makes the next one carry them, too. Where messages come
one at a time nothing ever waits.
"""

__all__ = ["LONGEST", "SHARE", "Gathering"]

SHARE = 1 / 8
"""Part of the last sweep's time that the next one waits at most."""

LONGEST = 0.005
"""Seconds that it waits at most."""


class Gathering:
    """When the next sweep may begin."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = 0.0

    def swept(self, started: float, ended: float, most: int) -> None:
        """Note a sweep.

        Args:
            started: When it began, in seconds.
            ended: When it was over.
            most: Messages in its largest write.
        """
        self._until = 0.0
        if most > 1:
            self._until = ended + min(LONGEST, (ended - started) * SHARE)

    def is_on(self, now: float) -> bool:
        """Tell whether the next sweep has to wait."""
        return now < self._until

    def __repr__(self) -> str:
        """Show until when."""
        return f"<Gathering until {self._until:.6f}>"
