"""Patience: how long a hub may be silent, and how long an answer may take.

It refuses to know timers and sockets: `now` comes in, a decision goes out.
"""

from math import inf

from wavetank.client.lifecycle import Cause, Ending
from wavetank.protocol import Id

__all__ = ["LATE", "Patience"]

LATE = 2.0
"""Seconds: who looks so much too late was asleep, and learns nothing from silence."""

_LEAST_INTERVAL = 0.01
_MOST_INTERVAL = 120.0
"""What a hub may claim its heartbeats to be apart, in seconds."""

_MISSED = 2
"""Heartbeats that may be missing."""


class Patience:
    """Deadlines of one connection.

    Args:
        interval: Seconds between the hub's heartbeats, as its welcome says.
        grace: Seconds that a heartbeat may be late beyond two missing ones.
        answer: Seconds that an answer to a command may take.
        now: The time.

    Attributes:
        heard_at: When the hub was heard last.
    """

    __slots__ = ("_answer", "_asked", "_silence", "_was_late", "heard_at")

    def __init__(
        self, *, interval: float, grace: float, answer: float, now: float
    ) -> None:
        bounded = min(max(interval, _LEAST_INTERVAL), _MOST_INTERVAL)
        self._silence = _MISSED * bounded + grace
        self._answer = answer
        self._asked: dict[Id, float] = {}
        self._was_late = False
        self.heard_at = now

    def heard(self, now: float) -> None:
        """Note that a message came, whatever it was."""
        self.heard_at = now
        self._was_late = False

    def asked(self, id: Id, now: float) -> None:
        """Note a command that has to be answered."""
        self._asked[id] = now + self._answer

    def answered(self, id: Id) -> None:
        """Note an answer; one that nobody waits for is passed over."""
        self._asked.pop(id, None)

    @property
    def due_at(self) -> float:
        """When ``judge`` can find something next."""
        # All have the same time, so the first one asked is the first one due.
        return min(self.heard_at + self._silence, next(iter(self._asked.values()), inf))

    def judge(self, now: float) -> Ending | None:
        """Decide whether this connection has failed.

        Whoever comes much too late was asleep itself (a stopped process, a laptop's
        lid, a loop that was blocked) and gives the hub its time once more.
        """
        if now < self.due_at:
            return None
        if now >= self.due_at + LATE and not self._was_late:
            self._was_late = True
            self.heard_at = now
            self._asked = dict.fromkeys(self._asked, now + self._answer)
            return None
        if now >= self.heard_at + self._silence:
            words = f"nothing was heard for {now - self.heard_at:.1f} s"
            return Ending(cause=Cause.SILENT, text=words)
        words = f"a command was not answered within {self._answer:g} s"
        return Ending(cause=Cause.OVERDUE, text=words)

    def __repr__(self) -> str:
        """Show what is waited for."""
        return f"<Patience {len(self._asked)} unanswered, due at {self.due_at:.3f}>"
