"""Half open: one side is gone, and the other one is never told.

It refuses to know who reads.
"""

from wavetank.chaos.toxic import End, How, Item, Timed
from wavetank.chaos.toxics.limit_data import Limit

__all__ = ["HalfOpen"]


class HalfOpen(Limit):
    """Ends the stream without a word, after so many bytes or a time.

    Where the stream ends by itself before, that is not told either.

    Args:
        bytes: As many go by; with 0, and without a time, it is the end when the
            first ones come.
        timeout: Milliseconds since it was added; 0 for no limit in time.
    """

    def __init__(self, *, bytes: int, timeout: float) -> None:
        size = None if timeout and not bytes else bytes
        super().__init__(How.GONE, size=size, timeout=timeout)

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it by as far as the limit, but no end."""
        return super().receive(End(How.GONE) if isinstance(item, End) else item, now)
