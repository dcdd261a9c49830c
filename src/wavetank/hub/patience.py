"""Patience: how long a connection may keep the hub waiting, and for what.

It refuses to know timers, and what was sent.
"""

from math import inf

from wavetank.hub.config import HubConfig
from wavetank.hub.effects import Behind
from wavetank.hub.heartbeat import Heartbeat
from wavetank.protocol import CloseCode

__all__ = ["Patience"]


class Patience:
    """The deadlines of one connection.

    Args:
        config: Of the hub.
        spread: 0 to 1; spreads first heartbeats, so that not all are at once.

    Attributes:
        heartbeat: Its heartbeats; None before it may do anything.
    """

    __slots__ = (
        "_check_at",
        "_config",
        "_first_command_at",
        "_paused_at",
        "_spread",
        "heartbeat",
    )

    def __init__(self, config: HubConfig, spread: float) -> None:
        self._config = config
        self._spread = spread
        self._first_command_at = inf
        self._paused_at = inf
        self._check_at = inf
        self.heartbeat: Heartbeat | None = None

    def await_auth(self, now: float) -> None:
        """Begin to wait for `auth`; nothing but that ends the waiting."""
        self._first_command_at = now + _or_endless(self._config.limits.first_command)

    def begin(self, now: float) -> None:
        """Begin with heartbeats: it may do everything now."""
        self._first_command_at = inf
        interval = self._config.ping
        self.heartbeat = Heartbeat(
            interval=interval,
            patience=self._config.pong,
            first_at=now + interval * (1 + self._spread) / 2,
        )

    def paused(self, now: float) -> None:
        """Note that the transport takes nothing more."""
        self._paused_at = now
        self._check_at = now + self._check_after
        if self.heartbeat is not None:
            self.heartbeat.skip(now)

    def resumed(self) -> None:
        """Note that the transport takes bytes again."""
        self._paused_at = inf

    @property
    def is_paused(self) -> bool:
        """Whether the transport takes nothing more."""
        return self._paused_at != inf

    @property
    def due_at(self) -> float:
        """When there is something to judge; infinity is never."""
        beat = self.heartbeat.due_at if self.heartbeat else inf
        return min(self._first_command_at, self._check_at, beat)

    def judge(self, now: float, behind: Behind | None) -> CloseCode | None:
        """Return why the connection has to end, or None.

        Args:
            now: Seconds.
            behind: How far it lags; None if nothing of it does.
        """
        if now >= self._first_command_at:
            return CloseCode.NO_COMMAND
        if self._is_slow(now, behind):
            return CloseCode.SLOW_CONSUMER
        if self.heartbeat is not None and self.heartbeat.is_overdue(now):
            return CloseCode.NO_PONG
        return None

    def _is_slow(self, now: float, behind: Behind | None) -> bool:
        """Tell whether it lags too far; and set when to look again."""
        if behind is None and not self.is_paused:
            self._check_at = inf
            return False
        self._check_at = now + self._check_after
        limits = self._config.limits
        longest = _or_endless(limits.slow_after)
        if now - self._paused_at >= longest:
            return True
        if behind is None:
            return False
        return behind.age > longest or behind.size > _or_endless(limits.slow_bytes)

    @property
    def _check_after(self) -> float:
        return min(1.0, _or_endless(self._config.limits.slow_after) / 4)

    def __repr__(self) -> str:
        """Show when it is due."""
        return f"<Patience due at {self.due_at:.3f}>"


def _or_endless(limit: float | None) -> float:
    return inf if limit is None else limit
