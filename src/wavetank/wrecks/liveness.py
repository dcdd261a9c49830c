"""When connections are pinged, and when one that does not answer is given up.

It refuses to know what a ping looks like, and what becomes of who is given up.
"""

import asyncio
from collections.abc import Callable

from wavetank.wrecks.connection import Connection

__all__ = ["Liveness"]

Act = Callable[[Connection], None]


class Liveness:
    """The pings that are due and the pongs that are overdue.

    Args:
        ping: Called for a connection whose turn it is.
        give_up: Called for a connection that has not answered in time.
        interval: Seconds from one ping to the next.
        timeout: Seconds that an answer may take.
    """

    def __init__(
        self, ping: Act, give_up: Act, *, interval: float, timeout: float
    ) -> None:
        self.interval = interval
        self.timeout = timeout
        self._ping = ping
        self._give_up = give_up
        self._turns: dict[Connection, asyncio.TimerHandle] = {}
        self._deadlines: dict[Connection, asyncio.TimerHandle] = {}

    def __repr__(self) -> str:
        """Show how many are looked after, and how many of them owe an answer."""
        return f"<Liveness of={len(self._turns)} waiting={len(self._deadlines)}>"

    def watch(self, connection: Connection) -> None:
        """Look after a connection from now on."""
        loop = asyncio.get_running_loop()
        turn = self._turns.pop(connection, None)
        if turn is not None:
            turn.cancel()
        turn = loop.call_later(self.interval, self.remind, connection)
        self._turns[connection] = turn

    def remind(self, connection: Connection) -> None:
        """Ping; whoever owes an answer already gets no more time for it."""
        self.watch(connection)
        if connection not in self._deadlines:
            loop = asyncio.get_running_loop()
            deadline = loop.call_later(self.timeout, self.expire, connection)
            self._deadlines[connection] = deadline
        self._ping(connection)

    def hear(self, connection: Connection) -> None:
        """Take note of an answer."""
        deadline = self._deadlines.pop(connection, None)
        if deadline is not None:
            deadline.cancel()

    def expire(self, connection: Connection) -> None:
        """Give up who has not answered."""
        self._deadlines.pop(connection, None)
        self._give_up(connection)

    def forget(self, connection: Connection) -> None:
        """Look after it no longer; idempotent."""
        self.hear(connection)
        turn = self._turns.pop(connection, None)
        if turn is not None:
            turn.cancel()
