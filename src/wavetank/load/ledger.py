"""The running account of a load: what the workers say, folded into its result.

It refuses to know how they are reached, and what time it is.
"""

import math
from collections.abc import Mapping

from wavetank.load.exchange import Drained, Generator, Opened, Second, Tally
from wavetank.load.plan import LoadPlan
from wavetank.load.result import LoadResult, Moment
from wavetank.load.totals import Times, Totals, merge_reasons

__all__ = ["BUSY", "MOST_PROBLEMS", "Ledger"]

BUSY = 0.9
"""Share of a core from which on a worker is busy: what is due may have to wait. What
it waited for the core itself counts, too: others had it."""

MOST_PROBLEMS = 50


class _Course:
    """How one worker fared so far."""

    def __init__(self) -> None:
        self.seconds = 0
        self.busy = 0
        self.cpu = 0.0
        self.waited = 0.0
        self.lag = 0.0
        self.lateness = Times()
        self.open = 0
        self.lost_connections = 0

    def note_second(self, generator: Generator, lateness: Times) -> None:
        """Add a second of the window."""
        self.seconds += 1
        self.busy += generator.cpu + generator.waited >= BUSY
        self.cpu += generator.cpu
        self.waited += generator.waited
        self.note_delays(generator, lateness)

    def note_delays(self, generator: Generator, lateness: Times) -> None:
        self.lateness.merge(lateness)
        self.lag = max(self.lag, generator.lag)

    def note_connections(self, generator: Generator) -> None:
        self.open = generator.open
        self.lost_connections = generator.lost_connections

    def generator(self) -> Generator:
        return Generator(
            cpu=self.cpu / max(self.seconds, 1),
            waited=self.waited / max(self.seconds, 1),
            lag=self.lag,
            lateness=self.lateness.encode(),
            open=self.open,
            lost_connections=self.lost_connections,
        )


class Ledger:
    """Folds the messages of all workers, in memory that does not grow.

    Args:
        plan: What is to be done.
    """

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._end = plan.seconds
        self._ended = 0.0
        self._totals = Totals()
        self._measured = Totals()
        self._warming = Totals()
        self._uncertain = Totals()
        self._window = 0.0
        self._courses: dict[int, _Course] = {}
        self._opened = 0
        self._failed = 0
        self._reasons: dict[str, int] = {}
        self._most_open = 0
        self._problems: list[str] = []
        self._lost_workers: dict[int, str] = {}
        self._complete: dict[int, bool] = {}

    def opened(self, worker: int, opened: Opened) -> None:
        """Note what a worker opened.

        Raises:
            ValueError: If a histogram is damaged; nothing was added then.
        """
        totals = Totals()
        for tally in opened.tallies:
            totals.add(tally)
        self._totals.merge(totals)
        self._courses[worker] = course = _Course()
        course.open = opened.users
        self._opened += opened.users
        self._most_open = self._opened
        self._failed += opened.failed
        self._reasons = merge_reasons(self._reasons, opened.reasons)

    def second(self, number: int, seconds: Mapping[int, Second]) -> Moment:
        """Add one second of the load.

        Args:
            number: Which.
            seconds: Worker -> what it said of this second.

        Raises:
            ValueError: If a histogram is damaged; nothing was added then.
        """
        # Whatever can fail comes first, so that no second counts by half.
        totals = Totals()
        for second in seconds.values():
            for tally in second.tallies:
                totals.add(tally)
        lateness = {
            worker: Times(second.generator.lateness)
            for worker, second in seconds.items()
        }
        self._totals.merge(totals)
        tallies = totals.tallies()
        # Who was late speaks of more than one; nobody speaks of less but at the end.
        took = max((second.took for second in seconds.values()), default=1.0)
        length = self._length_in_window(number, took)
        if length:
            self._measure(tallies, length)
        elif number < self._warm_up:
            for tally in tallies:
                self._warming.add_counts(tally)
        for worker, second in seconds.items():
            course = self._courses.setdefault(worker, _Course())
            course.note_connections(second.generator)
            if length:
                course.note_second(second.generator, lateness[worker])
        self._most_open = max(self._most_open, self._open())
        generators = {worker: each.generator for worker, each in seconds.items()}
        return Moment(number=number, tallies=tallies, generators=generators, took=took)

    @property
    def _warm_up(self) -> int:
        return math.ceil(self._plan.warm_up)

    def _length_in_window(self, number: int, took: float) -> float:
        """Return how much of a second is measured; one of the warm-up is not at all."""
        if number < self._warm_up:
            return 0.0
        return min(max(self._end - number, 0.0), took, 1.0)

    def _measure(self, tallies: list[Tally], length: float) -> None:
        self._window += length
        for tally in tallies:
            self._measured.add_counts(tally)

    def _open(self) -> int:
        return sum(course.open for course in self._courses.values())

    def ended(self, at: float) -> None:
        """Note that a worker has sent everything that was due, at seconds from start.

        That may be well before the plan ends, when the last message was due; behind
        its end, the worker could not keep up.
        """
        self._ended = max(self._ended, at)

    def ended_early(self, at: float) -> None:
        """Note that the load was told to end so many seconds from its start.

        The measured window ends there too, unless the plan was done before.
        """
        self._end = min(self._plan.seconds, max(at, 0.0))
        self._ended = max(self._ended, at)

    def drained(self, worker: int, drained: Drained) -> None:
        """Add what came in the drain, and what never did.

        Raises:
            ValueError: If a histogram is damaged; nothing was added then.
        """
        totals = Totals()
        for tally in drained.tallies:
            totals.add(tally)
        lateness = Times(drained.generator.lateness)
        self._totals.merge(totals)
        course = self._courses.setdefault(worker, _Course())
        course.note_connections(drained.generator)
        course.note_delays(drained.generator, lateness)
        self._complete[worker] = drained.complete
        if not drained.complete:
            for tally in drained.tallies:
                self._uncertain.add_counts(tally)
        for problem in drained.problems:
            self.problem(worker, problem)

    def problem(self, worker: int, sentence: str) -> None:
        """Note what went wrong at a worker; only the first ones are kept."""
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(f"worker {worker}: {sentence}")

    def lost(self, worker: int, reason: str) -> None:
        """Note that a worker cannot be relied on any more; the first reason stays."""
        self._lost_workers.setdefault(worker, reason)

    def result(self, *, interrupted: bool = False, target_gone: str = "") -> LoadResult:
        """Return what the load came to so far.

        Args:
            interrupted: Whether it was told to end early.
            target_gone: Why the target is known to have gone, or "".
        """
        courses = sorted(self._courses.items())
        return LoadResult(
            plan=self._plan,
            seconds=max(self._end, self._ended),
            tallies=self._totals.tallies(),
            measured=self._measured.tallies(),
            warming=self._warming.tallies(),
            uncertain=self._uncertain.tallies(),
            window=self._window,
            generators={worker: each.generator() for worker, each in courses},
            busy={
                worker: each.busy / each.seconds
                for worker, each in courses
                if each.seconds
            },
            opened=self._opened,
            failed=self._failed,
            reasons=dict(self._reasons),
            most_open=self._most_open,
            problems=list(self._problems),
            lost_workers=dict(self._lost_workers),
            interrupted=interrupted,
            complete=bool(courses)
            and not self._lost_workers
            and all(self._complete.get(worker) for worker, _ in courses),
            target_gone=target_gone,
        )

    def __repr__(self) -> str:
        """Show how far the load came."""
        return (
            f"<Ledger of {len(self._courses)} workers: {self._window:g} s measured, "
            f"{self._open()} connections open>"
        )
