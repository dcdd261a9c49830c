"""Reset: the connection breaks, and what was not read is gone.

It refuses to know how a socket is made to do it.
"""

from wavetank.chaos.toxic import NEVER, Bytes, End, How, Item, Open, Timed, data_of
from wavetank.chaos.toxics.noop import Noop

__all__ = ["ResetPeer"]


class ResetPeer(Noop):
    """Sends RST a time after bytes come, which are swallowed; so does Toxiproxy's.

    Args:
        timeout: Milliseconds between the last byte that goes by, or the first one
            that is swallowed where none does, and RST.
        bytes: As many go by before; Toxiproxy has none.
    """

    def __init__(self, *, timeout: float, bytes: int) -> None:
        super().__init__()
        self._timeout = timeout / 1000
        self._size = bytes
        self._passed = 0
        self._since = NEVER

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it by as far as the limit, then swallow."""
        if isinstance(item, Open | End):
            return [(now, item)]
        data = data_of(item)
        room = max(self._size - self._passed, 0)
        self._passed += len(data)
        if len(data) < room:
            return [(now, item)]
        by: list[Timed] = [(now, Bytes(data[:room]))] if room else []
        return by + self._begin(now)

    def wake(self, now: float) -> list[Timed]:
        """Break it."""
        self.wakes_at = NEVER
        return [(now, End(How.RST))]

    def heal(self, now: float) -> list[Timed]:
        """Break it now if bytes are missing already."""
        return self.wake(now) if self._since != NEVER else []

    def take_over(self, old: "ResetPeer") -> None:
        """Count on."""
        self._passed = old._passed
        self._since = old._since
        self.wakes_at = self._since + self._timeout

    def _begin(self, now: float) -> list[Timed]:
        if self._since == NEVER:
            self._since = now
            if not self._timeout:
                return self.wake(now)
            self.wakes_at = now + self._timeout
        return []
