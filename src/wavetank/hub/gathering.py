"""Gathering: how long a sweep waits for more, where much is published.

It refuses to know what is swept, and timers.

A write costs nearly the same for one message and for fifty. Where several messages
came during one sweep over all subscribers, more are on their way, and a wait that
is short beside the sweep makes the next one carry them, too. What the log is just
making durable is worth a longer one: without it half of what has come would miss
each sweep. Where messages come one at a time nothing ever waits.
"""

__all__ = ["LONGEST", "SHARE", "SURE_SHARE", "Gathering"]

SHARE = 1 / 16
"""Part of the last sweep's time that the next one waits at most."""

SURE_SHARE = 2.0
"""The same for what is sure to come, as the log works on it."""

LONGEST = 0.005
"""Seconds that it waits at most."""


class Gathering:
    """When the next sweep may begin."""

    __slots__ = ("_latest", "_until")

    def __init__(self) -> None:
        self._until = self._latest = 0.0

    def swept(self, started: float, ended: float, most: int) -> None:
        """Note a sweep.

        Args:
            started: When it began, in seconds.
            ended: When it was over.
            most: Messages in its largest write.
        """
        self._until = self._latest = 0.0
        if most > 1:
            took = ended - started
            self._until = ended + min(LONGEST, took * SHARE)
            self._latest = ended + min(LONGEST, took * SURE_SHARE)

    def is_on(self, now: float, *, is_more: bool = False) -> bool:
        """Tell whether the next sweep has to wait.

        Args:
            now: In seconds.
            is_more: Whether more is sure to come soon.
        """
        return now < (self._latest if is_more else self._until)

    def __repr__(self) -> str:
        """Show until when."""
        return f"<Gathering until {self._until:.6f}>"
