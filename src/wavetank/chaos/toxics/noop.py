"""The toxic that does nothing: the model of all others, and what they start from.

It refuses to know anything: what comes goes.
"""

from wavetank.chaos.toxic import NEVER, Item, Timed

__all__ = ["Noop"]


class Noop:
    """Lets everything by at once."""

    def __init__(self) -> None:
        self.wakes_at = NEVER

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it by."""
        return [(now, item)]

    def wake(self, now: float) -> list[Timed]:
        """Nothing was kept."""
        self.wakes_at = NEVER
        return []

    def heal(self, now: float) -> list[Timed]:
        """Nothing was kept."""
        return []
