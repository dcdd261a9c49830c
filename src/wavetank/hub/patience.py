"""Patience: how long a connection may keep the hub waiting, and for what.

It refuses to know timers, and what was sent.
"""

from math import inf

from wavetank.hub.config import HubConfig
from wavetank.hub.effects import Behind, Moment
from wavetank.hub.heartbeat import Heartbeat
from wavetank.protocol import CloseCode

__all__ = ["Patience"]

_LOOK_AGAIN = 60.0
"""Seconds after which the wall clock is asked again whether a token has ended."""


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
        "_expires_at",
        "_expiry_at",
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
        self._expires_at: float | None = None
        self._expiry_at = inf
        self.heartbeat: Heartbeat | None = None

    def await_auth(self, now: float) -> None:
        """Begin to wait for `auth`; nothing but that ends the waiting."""
        self._first_command_at = now + _or_endless(self._config.limits.first_command)

    def begin(self, now: float) -> Heartbeat:
        """Begin with heartbeats, and return them: it may do everything now."""
        self._first_command_at = inf
        interval = self._config.ping
        self.heartbeat = Heartbeat(
            interval=interval,
            patience=self._config.pong,
            first_at=now + interval * (1 + self._spread) / 2,
        )
        return self.heartbeat

    def await_expiry(self, at: Moment, expires_at: float | None) -> None:
        """Begin to wait for the end of a token, in place of the one before.

        Args:
            at: Now.
            expires_at: Seconds since 1970; None is "never".
        """
        self._expires_at = expires_at
        self._look_for_expiry(at)

    def _look_for_expiry(self, at: Moment) -> None:
        """Set when to look at the wall clock, which may be set meanwhile."""
        self._expiry_at = inf
        if self._expires_at is not None:
            self._expiry_at = at.now + min(self._expires_at - at.wall, _LOOK_AGAIN)

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
        return min(self._first_command_at, self._check_at, self._expiry_at, beat)

    def judge(self, at: Moment, behind: Behind | None) -> CloseCode | None:
        """Return why the connection has to end, or None.

        Args:
            at: Now.
            behind: How far it lags; None if nothing of it does.
        """
        now = at.now
        if now >= self._expiry_at:
            if self._expires_at is not None and at.wall >= self._expires_at:
                return CloseCode.TOKEN_EXPIRED
            self._look_for_expiry(at)
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
