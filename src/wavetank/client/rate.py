"""Rate: how many commands may be sent a second, so that the hub need not refuse any.

It refuses to know clocks, and which rate the hub has.
"""

__all__ = ["Rate"]

_CAREFUL = 0.8
"""Part of what the hub takes at once that we use: the network bunches messages."""


class Rate:
    """A token bucket: ``rate`` a second on average, nearly as many at once.

    Args:
        rate: Tokens a second; None is no limit.
        now: When it is made, full, in seconds.
    """

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float | None, now: float) -> None:
        # A hub may say 0, and then nothing would ever be sent: let it refuse.
        self._rate = rate or None
        self._most = max(1.0, (rate or 0.0) * _CAREFUL)
        self._tokens = self._most
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        if self._rate is None:
            return True
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def due_at(self) -> float:
        """When there will be a token, in seconds; the past where there is one."""
        if self._rate is None or self._tokens >= 1.0:
            return self._at
        # A little more, so that rounding does not wake anybody too early.
        return self._at + (1.0 - self._tokens) / self._rate + 1e-6

    def __repr__(self) -> str:
        """Show what is left."""
        return f"<Rate {self._rate} a second, {self._tokens:.3g} left>"
