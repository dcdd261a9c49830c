"""Churn and storm scenarios: connections that come and go.

They refuse to know what is said on them.
"""

from collections import deque

from wavetank.load.engine.connection import Connection
from wavetank.load.engine.listeners import Listeners
from wavetank.load.engine.user import Setting, User
from wavetank.load.exchange import Share
from wavetank.load.plan import Scenario

__all__ = ["Churn", "Storm"]


class Churn(Listeners):
    """Users that connect when it is due, and close again."""

    def __init__(self, setting: Setting, scenario: Scenario, *, opening: int) -> None:
        super().__init__(setting, scenario, opening=opening)
        # Each begins at its time: only who has no user left has to wait, or is dropped.
        self.bound = max(len(self.users), 1)
        self._free: deque[User] = deque(self.users)
        self._holding: deque[tuple[float, User, Connection]] = deque()

    def open(self) -> None:
        """Open none before it is due."""

    def seat(self, user: User) -> None:
        """Hold it a while."""
        super().seat(user)
        if user.connection is not None:
            until = self.setting.loop.now + self.scenario.hold
            self._holding.append((until, user, user.connection))

    def was_lost(self, user: User, reason: str) -> None:
        """Let it have another turn."""
        super().was_lost(user, reason)
        self._free.append(user)

    def due(self, now: float) -> None:
        """Close what was held long enough, and connect as often as it is due."""
        while self._holding and self._holding[0][0] <= now:
            _, user, connection = self._holding.popleft()
            # It may have been lost meanwhile, and be on its next one.
            if user.connection is connection:
                self.let_go(user)
                self._free.append(user)
        for moment in self.arrivals(now):
            if self._free:
                self.reopen_at([self._free.popleft()], moment)
            else:
                self.drop(1)

    def next_due(self) -> float:
        """Return when the next connection is due, or the next one has to go."""
        due = super().next_due()
        return min(due, self._holding[0][0]) if self._holding else due

    @property
    def is_deserted(self) -> bool:
        """Say no: who is lost comes again."""
        return False


class Storm(Listeners):
    """Users that all lose their connection when it is due, and all come back."""

    def __init__(self, setting: Setting, scenario: Scenario, *, opening: int) -> None:
        # A storm is everywhere at once: each worker has all of them.
        whole = Share(index=0, count=1)
        super().__init__(setting, scenario, opening=opening, pacing=whole)

    def due(self, now: float) -> None:
        """Cut all connections as often as it is due, and let all users come back."""
        for moment in self.arrivals(now):
            self.bound = max(len(self.users), 1)
            # Who has not come back from the storm before is not there to be struck.
            away = set(self._waiting)
            struck = [
                user
                for user in self.users
                if not self.is_opening(user) and user not in away
            ]
            for user in struck:
                self.ready.discard(user)
                user.abort()
            self.reopen_at(struck, moment)

    def drop(self, count: int) -> None:
        """Count nothing: a storm that does not come concerns nobody."""

    def miss(self, count: int) -> None:
        """Count nothing, likewise."""

    @property
    def is_deserted(self) -> bool:
        """Say no: who is lost comes back with the next storm."""
        return False
