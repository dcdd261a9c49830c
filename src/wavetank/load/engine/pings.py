"""Ping scenarios: pings at their times, and the pongs that answer them.

They refuse to know messages (RFC 6455 5.5.2).
"""

from wavetank.load.engine.listeners import Listener, Listeners
from wavetank.load.engine.user import Setting, User
from wavetank.load.exchange import Operation
from wavetank.load.meter import Meter
from wavetank.load.plan import Scenario
from wavetank.load.segments import members
from wavetank.wire import Opcode

__all__ = ["Pinger", "Pings"]

_HEAD = 6
"""Bytes of a short masked frame before its payload."""


class Pinger(Listener):
    """A user that pings."""

    def __init__(self, setting: Setting, number: int, *, population: "Pings") -> None:
        super().__init__(setting, number, population=population, topic="")
        self.under_way: dict[bytes, tuple[int, int]] = {}
        self.sent = 0
        self._pings = population

    def ponged(self, payload: bytes) -> None:
        """Time a pong; it answers the pings before its own, too (RFC 6455 5.5.3)."""
        meter = self._pings.pings
        if payload not in self.under_way:
            meter.tally.foreign += 1
            return
        now = self.setting.micros()
        for each in [*self.under_way]:
            intended, sent = self.under_way.pop(each)
            meter.tally.received += 1
            meter.response[now - intended] += 1
            meter.service[now - sent] += 1
            if each == payload:
                return

    @property
    def is_idle(self) -> bool:
        """Whether it is owed no pong."""
        return not self.under_way


class Pings(Listeners):
    """The users of a ping scenario; what else comes is counted as heard."""

    def __init__(self, setting: Setting, scenario: Scenario, *, opening: int) -> None:
        super().__init__(setting, scenario, opening=opening)
        self.pings = self.paced = Meter(scenario.name, Operation.PING)
        self.pingers = [
            Pinger(setting, number, population=self)
            for number in members(scenario.users, setting.job.share)
        ]
        self.users = [*self.pingers]

    def was_lost(self, user: User, reason: str) -> None:
        """Count pings under way as failed."""
        super().was_lost(user, reason)
        assert isinstance(user, Pinger), "this population has no others"
        if user.under_way:
            self.pings.failed(reason, len(user.under_way))
            user.under_way.clear()

    def due(self, now: float) -> None:
        """Ping as often as it is due."""
        self.hand_out(now, self.ready, is_free=self._is_free, send=self._ping)

    def _ping(self, user: User, intended: int, now: int) -> None:
        assert isinstance(user, Pinger), "this population has no others"
        user.sent += 1
        payload = b"%d" % user.sent
        user.under_way[payload] = (intended, now)
        self.pings.tally.bytes_sent += _HEAD + len(payload)
        user.send_frame(Opcode.PING, payload)

    def _is_free(self, user: User) -> bool:
        assert isinstance(user, Pinger), "this population has no others"
        return len(user.under_way) < self.scenario.in_flight and not user.is_blocked

    def is_drained(self, published: dict[int, int], *, refused: dict[int, int]) -> bool:
        """Tell whether all pongs are there."""
        return super().is_drained(published, refused=refused) and all(
            each.is_idle for each in self.pingers
        )

    def settle(self, published: dict[int, int], *, refused: dict[int, int]) -> None:
        """Count the pings without a pong."""
        super().settle(published, refused=refused)
        for pinger in self.pingers:
            self.pings.tally.lost += len(pinger.under_way)
            pinger.under_way.clear()

    def meters(self) -> tuple[Meter, ...]:
        """Return that of the pings, and of what else came."""
        return (self.pings, self.heard)
