"""The muster: which worker is how far, and what all of them have said.

It refuses to know processes, pipes and clocks.
"""

import enum
import math
from collections.abc import Iterable, Mapping
from typing import Final

from wavetank.evidence import Histogram
from wavetank.load.exchange import (
    Broken,
    Drained,
    Ended,
    FromWorker,
    Generator,
    Opened,
    Second,
)
from wavetank.load.ledger import Ledger
from wavetank.load.moments import Moments
from wavetank.load.plan import LoadPlan, ScenarioKind
from wavetank.load.result import LoadResult, Moment

__all__ = ["Muster", "Phase"]

PATIENCE: Final = 3.0
"""Seconds that the second of one worker is waited for when another's has come."""

_LATER: Final = 60
"""Seconds behind the end of the plan that a worker may still speak of."""

_COME_AND_GO: Final = {ScenarioKind.CHURN, ScenarioKind.STORM}


_Counts = dict[str, dict[int, int]]
"""Scenario, publisher -> how many."""


class Phase(enum.IntEnum):
    """How far a worker is."""

    STARTED = 0
    OPENED = 1
    RUNNING = 2
    ENDED = 3
    DRAINED = 4


_NEXT: Final[Mapping[tuple[Phase, type[FromWorker]], Phase]] = {
    (Phase.STARTED, Opened): Phase.OPENED,
    (Phase.RUNNING, Second): Phase.RUNNING,
    (Phase.RUNNING, Ended): Phase.ENDED,
    # The last seconds may be those of the drain.
    (Phase.ENDED, Second): Phase.ENDED,
    (Phase.ENDED, Drained): Phase.DRAINED,
    (Phase.DRAINED, Second): Phase.DRAINED,
}
"""What a worker may say when, and where it is then."""


class Muster:
    """Hears all workers of a load, from their start to their end.

    Args:
        plan: What is to be done.
        workers: Who does it.

    Attributes:
        published: Scenario, publisher -> how many messages it published, as far as
            the workers have said.
        refused: Likewise, how many of these the target refused.
        ended_at: When the last one ended, in seconds since the start.
    """

    def __init__(self, plan: LoadPlan, workers: Iterable[int]) -> None:
        self._plan = plan
        self._phases = dict.fromkeys(workers, Phase.STARTED)
        self._moments = Moments(self._phases, patience=PATIENCE)
        self._ledger = Ledger(plan)
        self._last: dict[int, Generator] = {}
        self._opened: dict[int, Opened] = {}
        self.published: _Counts = {}
        self.refused: _Counts = {}
        self.ended_at = 0.0

    @property
    def present(self) -> list[int]:
        """Who is not lost."""
        return list(self._phases)

    def awaited(self, phase: Phase) -> list[int]:
        """Return who is present and not yet so far."""
        return [worker for worker, now in self._phases.items() if now < phase]

    def begin(self) -> None:
        """Note that all who are present were told to begin."""
        self._phases = dict.fromkeys(self._phases, Phase.RUNNING)

    def hear(self, worker: int, message: FromWorker, now: float) -> None:
        """Take what a worker said; of one that is lost, nothing is taken.

        Raises:
            ValueError: If it is out of place, or damaged: the worker is to be lost.
        """
        phase = self._phases.get(worker)
        if phase is None:
            return
        if isinstance(message, Broken):
            raise ValueError(message.reason)
        after = _NEXT.get((phase, type(message)))
        if after is None:
            said = type(message).__name__.lower()
            raise ValueError(f"it said {said!r} when it was {phase.name.lower()}")
        self._note(worker, message, now)
        self._phases[worker] = after

    def _note(self, worker: int, message: FromWorker, now: float) -> None:
        match message:
            case Opened():
                self._ledger.opened(worker, message)
                self._opened[worker] = message
            case Second():
                self._note_second(worker, message, now)
            case Ended():
                self._moments.leave(worker)
                self.ended_at = max(self.ended_at, message.at)
                self._ledger.ended(message.at)
                _deal_in(self.published, message.published)
                _deal_in(self.refused, message.refused)
            case Drained():
                self._ledger.drained(worker, message)

    def _note_second(self, worker: int, second: Second, now: float) -> None:
        last = math.ceil(self._plan.seconds + self._plan.drain) + _LATER
        if not 0 <= second.number <= last:
            raise ValueError(f"it sent second {second.number} of {last}")
        self._moments.add(worker, second, now)
        self._last[worker] = second.generator

    def lose(self, worker: int, reason: str) -> None:
        """Give a worker up: what it said stays, the others go on."""
        if self._phases.pop(worker, None) is not None:
            self._moments.leave(worker)
            self._ledger.lost(worker, reason)

    def problem(self, worker: int, sentence: str) -> None:
        """Note what a worker complained of."""
        self._ledger.problem(worker, sentence)

    @property
    def due_at(self) -> float:
        """When the first second is waited for no longer; infinity for none."""
        return self._moments.due_at

    def take(self, now: float) -> list[Moment]:
        """Return the seconds of the load that are whole, or overdue."""
        taken = (self._merge(*each) for each in self._moments.take(now))
        return [moment for moment in taken if moment is not None]

    def _merge(self, number: int, seconds: dict[int, Second]) -> Moment | None:
        """Merge a second; who sent a damaged one is lost, and that second with it."""
        while seconds:
            try:
                return self._ledger.second(number, seconds)
            except ValueError as error:
                # Where none is damaged in itself, they do not fit with the rest.
                damaged = [each for each, said in seconds.items() if _is_damaged(said)]
                for worker in damaged or list(seconds):
                    del seconds[worker]
                    self.lose(worker, f"its second {number} cannot be read: {error}")
        return None

    @property
    def may_begin(self) -> bool:
        """Whether some connection is open, or none was asked for before the start."""
        said = [self._opened[each] for each in self._phases if each in self._opened]
        is_refused = any(each.failed for each in said)
        return bool(said) and (any(each.users for each in said) or not is_refused)

    def ended_early(self, at: float) -> None:
        """Note that the load ended so many seconds from its start, before its time."""
        self._ledger.ended_early(at)

    def result(self, *, interrupted: bool) -> LoadResult:
        """Return what the load came to so far.

        Args:
            interrupted: Whether it was told to end early.
        """
        return self._ledger.result(
            interrupted=interrupted, target_gone=self._target_gone()
        )

    def _target_gone(self) -> str:
        if self._opened and not self._last:
            return (
                ""
                if self.may_begin or not self._phases
                else "none of its connections could be opened"
            )
        # Where connections come and go, none may be open for an instant.
        kinds = {scenario.kind for scenario in self._plan.scenarios}
        left = sum(each.open for each in self._last.values())
        lost = sum(each.lost_connections for each in self._last.values())
        if left or not lost or kinds & _COME_AND_GO:
            return ""
        return f"it ended all connections, {lost} of them, before the end of the load"

    def __repr__(self) -> str:
        """Show how far each worker is."""
        phases = {worker: phase.name for worker, phase in self._phases.items()}
        return f"<Muster {phases}>"


def _deal_in(counts: _Counts, more: _Counts) -> None:
    """Add the counts of a worker's own publishers."""
    for scenario, each in more.items():
        counts.setdefault(scenario, {}).update(each)


def _is_damaged(second: Second) -> bool:
    """Tell whether some histogram of a second cannot be read."""
    pairs = [(tally.response, tally.service) for tally in second.tallies]
    texts = [text for pair in pairs for text in pair]
    try:
        for text in filter(None, [*texts, second.generator.lateness]):
            Histogram.decode(text)
    except ValueError:
        return True
    return False
