"""A message on its way in: how long it may take until it is whole.

It refuses to know timers, frames, and what becomes of the connection.
"""

from math import inf

__all__ = ["Incoming"]


class Incoming:
    """The deadline of the message that a connection is sending.

    Between two messages there is none, and while the connection is not read, time
    does not count: what is missing cannot come.

    Args:
        within: Seconds from the first frame of a message to its end; None is
            "no limit".

    Attributes:
        within: As given; infinity is "no limit".
    """

    # Most begin and end between two ticks: whoever waits for the first of them
    # sees at its time that it is over, and nobody has to be told before.
    __slots__ = ("_by", "_held_at", "_look_at", "within")

    def __init__(self, within: float | None) -> None:
        self.within = inf if within is None else within
        self._by = inf
        self._look_at = inf
        self._held_at: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether one has begun that is not whole, and that has a deadline."""
        return self._by != inf

    @property
    def due_at(self) -> float:
        """When to ask ``is_overdue``: never too late, sometimes too early."""
        return self._look_at

    def began(self, now: float) -> bool:
        """Note that one has begun; tell whether ``due_at`` is another one now."""
        self._by = now + self.within
        return self._plan()

    def ended(self) -> None:
        """Note that it is whole."""
        self._by = inf

    def held(self, now: float) -> None:
        """Note that the connection is not read."""
        if self._held_at is None:
            self._held_at = now

    def released(self, now: float) -> bool:
        """Note that it is read again; tell whether ``due_at`` is another one now."""
        if self._held_at is not None:
            self._by += now - self._held_at
            self._held_at = None
        return self._plan()

    def is_overdue(self, now: float) -> bool:
        """Tell whether it has taken too long; if not, ``due_at`` moves on."""
        if self._held_at is not None:
            self._look_at = inf
            return False
        self._look_at = self._by
        return now >= self._by

    def _plan(self) -> bool:
        if self._by >= self._look_at:
            return False
        self._look_at = self._by
        return True

    def __repr__(self) -> str:
        """Show until when it has to be whole."""
        held = "" if self._held_at is None else f", held since {self._held_at:.3f}"
        return f"<Incoming by {self._by:.3f}{held}>"
