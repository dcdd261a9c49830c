"""Limits: a stream ends after so many bytes, or after a time.

They refuse to know what goes by.
"""

from wavetank.chaos.toxic import (
    AT_ONCE,
    NEVER,
    Bytes,
    End,
    How,
    Item,
    Open,
    Timed,
    data_of,
)
from wavetank.chaos.toxics.noop import Noop

__all__ = ["Limit", "LimitData"]


class Limit(Noop):
    """Ends the stream in one of the ways; the base of those that do.

    Args:
        how: How it ends.
        size: Bytes that go by before; None for as many as come. With 0 it ends when
            the first ones come.
        timeout: Milliseconds since it was added; 0 for no limit in time.
    """

    def __init__(self, how: How, *, size: int | None, timeout: float = 0.0) -> None:
        super().__init__()
        self._how = how
        self._size = size
        self._timeout = timeout / 1000
        self._passed = 0
        self._since = NEVER
        self.wakes_at = AT_ONCE

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it by as far as the limit."""
        if isinstance(item, Open | End):
            return [(now, item)]
        data = data_of(item)
        before = self._passed
        self._passed += len(data)
        if self._size is None or self._passed < self._size:
            return [(now, item)]
        room = max(self._size - before, 0)
        whole = item if room == len(data) else Bytes(data[:room])
        return [*([(now, whole)] if room else ()), *self._end(now)]

    def wake(self, now: float) -> list[Timed]:
        """Begin to count, or end."""
        if self._since == NEVER:
            self._count_from(now)
            return []
        return self._end(now)

    def take_over(self, old: "Limit") -> None:
        """Count on."""
        self._passed = old._passed
        self._count_from(old._since)

    def _count_from(self, moment: float) -> None:
        self._since = moment
        self.wakes_at = moment + self._timeout if self._timeout else NEVER

    def _end(self, now: float) -> list[Timed]:
        self.wakes_at = NEVER
        return [(now, End(self._how))]


class LimitData(Limit):
    """Closes the connection after so many bytes, as Toxiproxy's does.

    Args:
        bytes: As many go by.
    """

    def __init__(self, *, bytes: int) -> None:
        super().__init__(How.CLOSE, size=bytes)
