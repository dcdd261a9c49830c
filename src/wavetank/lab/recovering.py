"""Recoveries: how everybody came through each fault, as figures.

It refuses to know clocks and sockets, and what a good figure would be.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from wavetank.evidence import Change, recovery_of
from wavetank.lab.fault_log import Spell

__all__ = ["Goal", "Measured", "Recoveries"]

Goal: TypeAlias = Mapping[tuple[str, str], int]
"""(follower, topic) -> the seq that has to come to it."""

_MOST = 100_000


class Measured(NamedTuple):
    """What was measured of one fault; None: it was not, or nobody was hit.

    Attributes:
        fault: Its name.
        detect: Seconds from its begin until all that it hit had noticed.
        reconnect: Seconds from its heal until all of these were of use again.
        catch_up: Seconds from its heal until each follower had what was the top then.
        replayed: Messages that came from the history before the next fault.
    """

    fault: str
    detect: float | None
    reconnect: float | None
    catch_up: float | None
    replayed: int


class Recoveries:
    """Takes what happens around faults, in the order of time; in bounded memory."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=_MOST)
        self._replays: deque[tuple[float, int]] = deque(maxlen=_MOST)
        # Fault -> when it was healed, and what is still to come.
        self._open: dict[str, tuple[float, dict[tuple[str, str], int]]] = {}
        self._caught_up: dict[str, float] = {}

    def change(self, change: Change) -> None:
        """Note that a peer is of use, or no longer."""
        self._changes.append(change)

    def heal(self, fault: str, at: float, goal: Goal) -> None:
        """Note that a fault was healed, and what has to come until all is caught up.

        Args:
            fault: Its name.
            at: When.
            goal: What is the top of each topic now; without any nothing is measured.
        """
        if goal:
            self._open[fault] = at, dict(goal)

    def arrive(self, follower: str, topic: str, seq: int, at: float) -> None:
        """Note how far a follower is in a topic."""
        if not self._open:
            return
        key = follower, topic
        for fault, (healed_at, goal) in list(self._open.items()):
            if goal.get(key, seq + 1) <= seq:
                del goal[key]
            if not goal:
                del self._open[fault]
                self._caught_up[fault] = at - healed_at

    def replay(self, at: float, count: int = 1) -> None:
        """Note messages that came from the history."""
        if self._replays and at - self._replays[-1][0] < 0.1:
            at, before = self._replays.pop()
            count += before
        self._replays.append((at, count))

    def measured(self, spells: Sequence[Spell]) -> list[Measured]:
        """Return the figures of each fault that was healed.

        Args:
            spells: All faults, in the order of their begins.
        """
        begins = [spell.began_at for spell in spells]
        found = []
        for number, spell in enumerate(spells):
            if spell.healed_at is None:
                continue
            until = min(begins[number + 1 :], default=float("inf"))
            recovery = recovery_of(
                self._changes,
                began_at=spell.began_at,
                healed_at=spell.healed_at,
                until=until,
            )
            replayed = sum(
                count for at, count in self._replays if spell.began_at <= at < until
            )
            found.append(
                Measured(
                    spell.name,
                    recovery.detect,
                    recovery.reconnect,
                    self._caught_up.get(spell.name),
                    replayed,
                )
            )
        return found

    def __repr__(self) -> str:
        """Show how much was noted, and what is still to come."""
        return f"<Recoveries {len(self._changes)} changes, {len(self._open)} open>"
