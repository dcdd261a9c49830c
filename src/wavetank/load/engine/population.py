"""The users of one scenario in one worker: opened, kept, counted, closed.

It refuses to know what they do once they are ready; each kind of scenario says it.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from wavetank.load.engine.roster import Roster
from wavetank.load.engine.user import Setting, User
from wavetank.load.exchange import Operation, Share, Tally
from wavetank.load.meter import Meter, note_reason
from wavetank.load.pacers import Schedule, pacer_of, users_at
from wavetank.load.plan import Arrivals, Scenario
from wavetank.load.segments import dealt, members

__all__ = ["NEVER", "Population", "bytes_of"]

_U = TypeVar("_U", bound=User)

NEVER = float("inf")

_AT_ONCE = 4096
"""Arrivals that are sent before it is read again,"""
_BYTES_AT_ONCE = 4 * 1024 * 1024
"""and bytes of them, about."""

_STARTS_AT_ONCE = 64
"""Connections that are begun before it is read again: those before are timed."""

_PATIENCE = 1.0
"""Seconds for an answer to a login or a subscription that may never come."""

_LOOK_EVERY = 0.05
"""Seconds between two looks at how many users there should be."""

_CATCHING_UP = 1.0
"""Seconds behind the end of the schedule in which what is due may still be sent."""


class Population:
    """The share of one scenario.

    Args:
        setting: What it shares with the others.
        scenario: What it does.
        opening: Opening handshakes under way at once.
        pacing: Which part of the arrivals is this worker's; by default, they are
            dealt out over all workers that have a user.

    Attributes:
        users: All of them, whether they are open or not.
        ready: Those that are ready.
        paced: The operation that the schedule is of.
        lost_connections: How many the target ended.
        problems: First reasons why.
    """

    def __init__(
        self,
        setting: Setting,
        scenario: Scenario,
        *,
        opening: int,
        pacing: Share | None = None,
    ) -> None:
        self.setting = setting
        self.scenario = scenario
        self.users: list[User] = []
        self.ready: Roster[User] = Roster()
        self.connects = self.paced = Meter(scenario.name, Operation.CONNECT)
        self.failed = 0
        self.lost_connections = 0
        self.reasons: dict[str, int] = {}
        self.problems: dict[str, int] = {}
        self.is_ending = False
        self.bound = max(opening, 1)
        share = pacing or dealt(setting.job.share, among=scenario.users)
        self._schedule = _schedule_of(setting, scenario, share)
        self._at_once = max(min(_AT_ONCE, _BYTES_AT_ONCE // bytes_of(scenario)), 1)
        self._waiting: deque[User] = deque()
        self._opening: dict[User, None] = {}
        self._intended: dict[User, int] = {}
        self._leaving: dict[User, None] = {}
        self._asked = 0
        self._next_look = 0.0

    # Opening

    def open(self) -> None:
        """Begin to open all connections that it begins with."""
        self._asked = self._wanted(0.0)
        self.reopen(self.users[: self._asked])

    def _wanted(self, at: float) -> int:
        """Return how many users there should be, so many seconds from its start."""
        if not self.scenario.population:
            return len(self.users)
        there = users_at(self.scenario.population, at)
        return len(members(there, self.setting.job.share))

    def reopen(self, users: Iterable[User]) -> None:
        """Open connections, a bounded number at once."""
        self._waiting.extend(users)
        self._start_next()

    def reopen_at(self, users: Sequence[User], moment: int) -> None:
        """Open connections that were due at a moment, in microseconds."""
        for user in users:
            self._intended[user] = moment
        self.reopen(users)

    def _start_next(self) -> None:
        for _ in range(_STARTS_AT_ONCE):
            if not self._may_start:
                return
            user = self._waiting.popleft()
            if user in self._leaving:
                del self._leaving[user]  # wanted no longer before it has begun
                continue
            if user in self._intended:
                self.connects.sent([self._intended[user]], self.setting.micros())
            else:
                self.connects.tally.intended += 1
                self.connects.tally.sent += 1
            self._opening[user] = None
            user.start()

    @property
    def _may_start(self) -> bool:
        return bool(self._waiting) and len(self._opening) < self.bound

    @property
    def is_open(self) -> bool:
        """Whether nothing is being opened any more."""
        return not self._waiting and not self._opening

    def is_opening(self, user: User) -> bool:
        """Tell whether a user's opening handshake is under way."""
        return user in self._opening

    def became_ready(self, user: User) -> None:
        """Count an opened connection, and open the next one."""
        self._opening.pop(user, None)
        now = self.setting.micros()
        began = int((user.began - self.setting.start) * 1e6)
        meter = self.connects
        meter.tally.received += 1
        meter.service[now - began] += 1
        meter.response[now - self._intended.pop(user, began)] += 1
        if user not in self._leaving:
            self.seat(user)
        self._start_next()

    def seat(self, user: User) -> None:
        """Let a user that is ready take part."""
        self.ready.add(user)

    def was_lost(self, user: User, reason: str) -> None:
        """Count a connection that did not open, or ended."""
        self._leaving.pop(user, None)
        if user in self._opening:
            del self._opening[user]
            self._note_failure(user, reason)
            # subtle: the next one is not opened at once, or a target that refuses all
            # would be a recursion.
            return
        self.ready.discard(user)
        self.lost_connections += 1
        note_reason(self.problems, reason, 1)

    def _note_failure(self, user: User, reason: str) -> None:
        self._intended.pop(user, None)
        self.failed += 1
        self.connects.failed(reason)
        note_reason(self.reasons, reason, 1)

    def give_up_opening(self, reason: str) -> None:
        """Open no more, and wait for none that is being opened."""
        self.connects.tally.intended += len(self._waiting)
        self._opening.update(dict.fromkeys(self._waiting))
        self._waiting.clear()
        self._give_up([*self._opening], reason)

    def _give_up(self, users: Iterable[User], reason: str) -> None:
        for user in users:
            user.abort()
            self.was_lost(user, reason)

    # Beside the schedule

    def look(self, now: float) -> None:
        """Do what is due beside the schedule: open more, give up waiting."""
        self._start_next()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        self._look_at_opening(now)
        if self.scenario.population and self.setting.has_start and not self.is_ending:
            self._adjust(now - self.setting.start - self.scenario.after)
        for user in [*self._leaving]:
            if user.is_ready and user.is_idle:
                del self._leaving[user]
                self.let_go(user)

    def _look_at_opening(self, now: float) -> None:
        """Give up waiting for an answer that need not come, and for any too long."""
        within = self.setting.job.plan.connect_within
        for user in [*self._opening]:
            if now - user.asked > _PATIENCE:
                user.go_on()
        late = [user for user in self._opening if now - user.began > within]
        self._give_up(late, f"not open within {within:g} s")

    def _adjust(self, at: float) -> None:
        """Open or close as many as there should be more or fewer by now."""
        wanted = self._wanted(max(at, 0.0))
        if wanted < self._asked:
            # The youngest leave first, once all that they asked for is answered.
            for user in self.users[wanted : self._asked]:
                is_there = self.ready.discard(user) or user in self._opening
                if is_there or user in self._waiting:
                    self._leaving[user] = None
        elif wanted > self._asked:
            self._take_back(self.users[self._asked : wanted])
        self._asked = wanted

    def _take_back(self, users: Sequence[User]) -> None:
        """Let users join, those too that have not quite left."""
        for user in users:
            if user not in self._leaving:
                self._waiting.append(user)
            elif user.is_ready:
                self.seat(user)
            self._leaving.pop(user, None)
        self._start_next()

    def let_go(self, user: User) -> None:
        """Close a user's connection; it may be opened again."""
        self.ready.discard(user)
        user.close()

    # The schedule

    def arrivals(self, now: float) -> list[int]:
        """Return when each was intended that is due, in microseconds since the start.

        What is handed out is due no longer; what is too much comes with the next call.
        """
        after = self.scenario.after
        since = now - self.setting.start - after
        if since <= 0:
            return []
        times = self._schedule.take(since, self._at_once)
        return [int((time + after) * 1e6) for time in times]

    def due(self, now: float) -> None:
        """Do what the schedule has until now."""

    def hand_out(
        self,
        now: float,
        roster: Roster[_U],
        *,
        is_free: Callable[[_U], bool],
        send: Callable[[_U, int, int], None],
    ) -> None:
        """Hand each arrival that is due to the next user that is free, or drop it.

        Args:
            now: On the monotonic clock.
            roster: Whose turn it is.
            is_free: Whether a user may be handed one.
            send: Told the user, when it was intended, and when it is sent; both in
                microseconds since the start.
        """
        moments = self.arrivals(now)
        if not moments:
            return
        micros = self.setting.micros()
        done = 0
        for moment in moments:
            user = roster.next(is_free)
            if user is None:
                break
            send(user, moment, micros)
            done += 1
        self.paced.sent(moments[:done], micros)
        self.drop(len(moments) - done)

    def next_due(self) -> float:
        """Return when something is due next, on the monotonic clock."""
        time = self._schedule.next_time()
        return NEVER if time is None else self._begins_at + time

    def wakes_at(self, now: float) -> float:
        """Return when it has something to do next, on the monotonic clock."""
        return now if self._may_start else self.next_due()

    @property
    def _begins_at(self) -> float:
        return self.setting.start + self.scenario.after

    @property
    def ends_at(self) -> float:
        """When its schedule ends, on the monotonic clock."""
        return self._begins_at + (
            self.scenario.seconds or self.setting.job.plan.duration
        )

    def is_over(self, now: float) -> bool:
        """Tell whether everything that was due is done, or nobody is left for it."""
        if self.is_deserted:
            return True
        over = now - self.ends_at
        return over >= 0 and (over >= _CATCHING_UP or not self._has_more)

    @property
    def _has_more(self) -> bool:
        return self._schedule.next_time() is not None

    @property
    def is_deserted(self) -> bool:
        """Whether the target ended all connections, and nobody comes back."""
        is_growing = bool(self.scenario.population)
        is_left = self.open_count or self._leaving or not self.is_open
        return bool(self.lost_connections) and not is_left and not is_growing

    def end(self) -> None:
        """Send nothing more; what was due and is not sent is counted.

        Where there is somebody to send it, that is no fault of the target's: it was
        intended, and neither sent nor dropped.
        """
        self.is_ending = True
        unstarted = sum(user in self._intended for user in self._waiting)
        self.connects.tally.intended += unstarted
        self._waiting.clear()
        now = self.setting.loop.now
        is_behind = now >= self.ends_at and not self.is_deserted
        while moments := self.arrivals(min(now, self.ends_at)):
            if is_behind:
                self.miss(len(moments))
            else:
                self.drop(len(moments))

    def drop(self, count: int) -> None:
        """Count arrivals for which nobody is free."""
        self.paced.tally.intended += count
        self.paced.tally.dropped += count

    def miss(self, count: int) -> None:
        """Count arrivals for which this process had no time."""
        self.paced.tally.intended += count

    # The drain

    def published(self) -> dict[int, int]:
        """Return how many messages each publisher has published."""
        return {}

    @property
    def is_answered(self) -> bool:
        """Whether the target has taken or refused all that was published."""
        return True

    def refused(self) -> dict[int, int]:
        """Return how many messages of each publisher the target refused."""
        return {}

    def is_drained(self, published: dict[int, int], *, refused: dict[int, int]) -> bool:
        """Tell whether nothing is under way any more.

        Args:
            published: Publisher -> how many messages it published.
            refused: Publisher -> how many of these the target refused.
        """
        del published, refused
        return not self._opening

    @property
    def is_certain(self) -> bool:
        """Whether the target took all that was sent: else nothing is lost for sure."""
        return not any(user.unsent for user in self.users if user.is_ready)

    @property
    def progress(self) -> int:
        """A number that grows while something comes of what is under way."""
        return sum(
            meter.tally.received + meter.tally.failed
            for meter in (self.connects, *self.meters())
        )

    def settle(self, published: dict[int, int], *, refused: dict[int, int]) -> None:
        """Account for what never came; arguments as above."""
        del published, refused
        self.give_up_opening("not open at the end")

    @property
    def open_count(self) -> int:
        """How many connections are ready."""
        return len(self.ready)

    def meters(self) -> Sequence[Meter]:
        """Return the meters of its operations, but for the connects."""
        return ()

    # Taking

    def take(self) -> tuple[list[Tally], Counter[int]]:
        """Return what was counted since the last time, and how late it was sent."""
        tallies, lateness = [], Counter[int]()
        for meter in (self.connects, *self.meters()):
            tally, late = meter.take()
            lateness.update(late)
            tallies.append(tally)
        return tallies, lateness

    def close(self) -> None:
        """Close every connection."""
        self.is_ending = True
        for user in self.users:
            user.close()

    def __repr__(self) -> str:
        """Show whose it is, and how many are ready."""
        return (
            f"<{type(self).__name__} {self.scenario.name}: "
            f"{len(self.ready)} of {len(self.users)} ready>"
        )


def _schedule_of(setting: Setting, scenario: Scenario, share: Share) -> Schedule:
    """Return a share of a scenario's arrivals."""
    has_none = share.index >= share.count
    return Schedule(
        pacer_of(scenario.stages),
        share=share,
        arrivals=Arrivals.CLOSED if has_none else scenario.arrivals,
        # The same dice for all workers: their schedules are dealt out, not diced.
        rng=random.Random(f"{setting.job.plan.seed}/{scenario.name}"),
    )


def bytes_of(scenario: Scenario) -> int:
    """Return about how many bytes a message has at most."""
    payload = scenario.payload
    texts = map(len, (payload.template, *payload.lines))
    return max(payload.size, 1, *texts)
