"""Heartbeats: when one is due, when a pong is overdue, and which tops it names.

They refuse to know timers and sockets: `now` comes in, a decision goes out.
"""

from collections.abc import Sequence
from math import inf

__all__ = ["MOST_TOPS", "Heartbeat"]

MOST_TOPS = 64
"""Most topics in one heartbeat."""


class Heartbeat:
    """One connection's heartbeats, and the pings that go with them.

    Args:
        interval: Seconds between two.
        patience: Seconds that a pong may take.
        first_at: When the first one is due; spread, so that not all are at once.
    """

    __slots__ = (
        "_announced",
        "_beat_at",
        "_count",
        "_interval",
        "_patience",
        "_pong_by",
        "_turn",
    )

    def __init__(self, *, interval: float, patience: float, first_at: float) -> None:
        self._interval = interval
        self._patience = patience
        self._beat_at = first_at
        self._pong_by = inf
        self._count = 0
        self._turn = 0
        self._announced: dict[str, int] = {}

    @property
    def due_at(self) -> float:
        """When ``is_due`` or ``is_overdue`` can become true next."""
        return min(self._beat_at, self._pong_by)

    def is_overdue(self, now: float) -> bool:
        """Tell whether a pong has taken too long."""
        return now >= self._pong_by

    def is_due(self, now: float) -> bool:
        """Tell whether a heartbeat has to be sent."""
        return now >= self._beat_at

    def beat(self, now: float) -> bytes | None:
        """Note that a heartbeat is sent.

        Returns:
            Payload of the ping that goes with it; None while the one before is
            not answered, which has its own deadline.
        """
        self._beat_at = now + self._interval
        if self._pong_by != inf:
            return None
        self._pong_by = now + self._patience
        self._count += 1
        return self._ping

    @property
    def _ping(self) -> bytes:
        return b"%d" % self._count

    def pong(self, payload: bytes, now: float) -> float | None:
        """Note a pong; one that answers no ping of ours is passed over.

        Returns:
            Seconds since the ping; None where none was waited for.
        """
        if payload != self._ping or self._pong_by == inf:
            return None
        taken = now - (self._pong_by - self._patience)
        self._pong_by = inf
        return taken

    def excuse(self) -> None:
        """Wait for no pong: the connection is not read now, so it cannot come."""
        self._pong_by = inf

    def skip(self, now: float) -> None:
        """Leave a heartbeat out: the connection lags, and it would wait behind events.

        How long a connection may lag is bounded apart.
        """
        self._beat_at = now + self._interval
        self.excuse()

    def subscribed(self, topic: str, top: int) -> None:
        """Note that the client knows a topic's top, from the reply."""
        self._announced[topic] = top

    def unsubscribed(self, topic: str) -> None:
        """Note that the client has nothing to do with a topic any more."""
        self._announced.pop(topic, None)

    def choose(self, tops: Sequence[tuple[str, int]]) -> list[str]:
        """Choose the topics that the next heartbeat names.

        Args:
            tops: Topic and last delivered seq, of those that do not lag.

        Returns:
            Those that moved since they were named last, at most ``MOST_TOPS``;
            where there are more, they take turns.
        """
        moved = [each for each in tops if self._announced.get(each[0]) != each[1]]
        if len(moved) > MOST_TOPS:
            start = self._turn % len(moved)
            self._turn = start + MOST_TOPS
            moved = (moved[start:] + moved[:start])[:MOST_TOPS]
        self._announced.update(moved)
        return [topic for topic, _ in moved]

    def __repr__(self) -> str:
        """Show what is due when."""
        return f"<Heartbeat beat at {self._beat_at:.3f}, pong by {self._pong_by:.3f}>"
