"""Limits: token buckets, floods of errors, and who may still come in.

They refuse to know clocks and sockets: `now` comes in, a decision goes out.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Admission", "Bucket", "Buckets", "Crowd", "Flood"]

_NEARLY = 1e-6
"""Part of a token that rounding may cost: whoever waits as told has one then."""


class Bucket:
    """A token bucket: ``rate`` a second on average, ``burst`` at once.

    Args:
        rate: Tokens a second; None is "no limit".
        now: When it is made, full, in seconds.
        burst: How many it holds; one second's worth where left out.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(
        self, rate: float | None, now: float, *, burst: float | None = None
    ) -> None:
        self.rate = rate
        self.burst = max(1.0, rate or 1.0) if burst is None else burst
        self._tokens = self.burst
        self._at = now

    def take(self, now: float) -> float:
        """Take one token, if there is one.

        A time before the latest one gains nothing, and nothing is gained twice.

        Returns:
            0.0 if it was taken; else the seconds until there will be one.
        """
        if self.rate is None:
            return 0.0
        if now > self._at:
            gained = (now - self._at) * self.rate
            self._tokens = min(self.burst, self._tokens + gained)
            self._at = now
        if self._tokens >= 1.0 - _NEARLY:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return (1.0 - self._tokens) / self.rate

    def __repr__(self) -> str:
        """Show what is left."""
        return f"<Bucket {self._tokens:.3g} of {self.burst:g}, {self.rate} a second>"


class Buckets:
    """The buckets of one connection, by what they limit.

    Args:
        rates: Name to tokens a second; None is "no limit" and costs nothing.
        now: When they are made, full, in seconds.
    """

    __slots__ = ("_buckets",)

    def __init__(self, rates: Mapping[str, float | None], now: float) -> None:
        self._buckets = {
            name: Bucket(rate, now) for name, rate in rates.items() if rate is not None
        }

    def take(self, name: str, now: float) -> float:
        """Take one token of a bucket.

        Returns:
            0.0 if it was taken, or nothing limits it; else the seconds until there
            will be one.
        """
        bucket = self._buckets.get(name)
        return 0.0 if bucket is None else bucket.take(now)

    def rate(self, name: str) -> float | None:
        """Return how many a second there are; None is "no limit"."""
        bucket = self._buckets.get(name)
        return None if bucket is None else bucket.rate

    def __repr__(self) -> str:
        """Show what is limited and what is left."""
        shown = ", ".join(f"{name} {each!r}" for name, each in self._buckets.items())
        return f"<Buckets {shown or 'unlimited'}>"


class Flood:
    """Tells when ``most`` errors have come within ``window`` seconds."""

    __slots__ = ("_times", "window")

    def __init__(self, *, most: int = 20, window: float = 10.0) -> None:
        self.window = window
        self._times: deque[float] = deque(maxlen=most)

    def note(self, now: float) -> bool:
        """Count one error.

        Returns:
            Whether the newest ``most`` of them lie within the window.
        """
        times = self._times
        times.append(now)
        return len(times) == times.maxlen and now - times[0] <= self.window

    def __repr__(self) -> str:
        """Show how many are remembered."""
        return f"<Flood {len(self._times)} of {self._times.maxlen}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many connections may be open at once; None is "no limit".

    Attributes:
        total: On this node.
        per_ip: From one address.
        per_user: Of one user.
    """

    total: int | None
    per_ip: int | None = None
    per_user: int | None = None


class Admission:
    """Who is in, and whether one more may come."""

    __slots__ = ("_by_ip", "_by_user", "crowd", "open")

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.open = 0
        self._by_ip: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()

    def is_full(self) -> bool:
        """Tell whether the node has as many connections as it may."""
        return self.open >= _bound(self.crowd.total)

    def is_full_for(self, ip: str) -> bool:
        """Tell whether this address has as many connections as it may."""
        return self._by_ip[ip] >= _bound(self.crowd.per_ip) if ip else False

    def enter(self, ip: str) -> None:
        """Count a connection in."""
        self.open += 1
        self._by_ip[ip] += 1

    def leave(self, ip: str) -> None:
        """Count it out."""
        self.open -= 1
        _decrease(self._by_ip, ip)

    def sign_in(self, user: str) -> bool:
        """Count a user's connection in.

        Returns:
            False, and nothing is counted, where that user has enough of them.
        """
        if self._by_user[user] >= _bound(self.crowd.per_user):
            _decrease(self._by_user, user, by=0)
            return False
        self._by_user[user] += 1
        return True

    def sign_out(self, user: str) -> None:
        """Count it out."""
        _decrease(self._by_user, user)

    def statistics(self) -> dict[str, int | None]:
        """Return the counts for the status page."""
        return {
            "open": self.open,
            "limit": self.crowd.total,
            "addresses": len(self._by_ip),
            "users": len(self._by_user),
        }

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Admission {self.open} of {self.crowd.total}>"


def _bound(limit: int | None) -> float:
    return math.inf if limit is None else limit


def _decrease(counter: Counter[str], key: str, *, by: int = 1) -> None:
    """Count down and forget at zero, so that the counter stays small."""
    counter[key] -= by
    if counter[key] <= 0:
        del counter[key]
