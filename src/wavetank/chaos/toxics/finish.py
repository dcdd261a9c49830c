"""Finish: one stream ends in order, the other one goes on.

It refuses to know what goes by.
"""

from wavetank.chaos.toxic import How
from wavetank.chaos.toxics.limit_data import Limit

__all__ = ["Finish"]


class Finish(Limit):
    """Sends FIN after so many bytes or a time, whichever comes first.

    Args:
        bytes: As many go by; with 0, and without a time, it is the end when the
            first ones come.
        timeout: Milliseconds since it was added; 0 for no limit in time.
    """

    def __init__(self, *, bytes: int, timeout: float) -> None:
        size = None if timeout and not bytes else bytes
        super().__init__(How.FIN, size=size, timeout=timeout)
