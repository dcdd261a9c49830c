"""What a load came to, as values: one second of it, and all of it.

They refuse to know how it was carried out, and whether it was good enough.
"""

import msgspec

from wavetank.load.exchange import Generator, Tally
from wavetank.load.offsets import disagreement
from wavetank.load.plan import LoadPlan

__all__ = ["LoadResult", "Moment"]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One second of the load, all workers together.

    Attributes:
        number: Which: 0 is from the start to one second behind it.
        tallies: What was counted, by scenario and operation.
        generators: Worker -> how it fared. Who is missing did not report.
        took: How long it was: the last one ends with the load.
    """

    number: int
    tallies: list[Tally]
    generators: dict[int, Generator]
    took: float = 1.0


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """A whole load; `ledger.Ledger` makes it of what the workers said.

    Attributes:
        plan: What was to be done.
        seconds: From the agreed start until nobody sent any more; beyond the plan's
            where the workers were behind.
        tallies: Everything that was counted: opening, seconds and drain.
        measured: The counts alone of the measured window: behind the warm-up, and
            before the drain. Rates are theirs.
        warming: The counts alone of the warm-up.
        uncertain: The counts alone of those drains that did not end: what is lost
            there may still have been under way.
        window: Length of that window in seconds.
        generators: Worker -> how it fared behind the warm-up: its mean share of a
            core, its longest turn, all its latenesses; connections as they were at
            the end.
        busy: Worker -> share of the window's seconds in which it used nine tenths
            of a core or more, or waited for one, 0 to 1.
        opened: Connections that were open before the start.
        failed: Connections that were not.
        reasons: Why not -> how often.
        most_open: Most connections that were open at once.
        problems: First sentences of what went wrong, those of each worker.
        lost_workers: Worker -> why it was lost, as one sentence.
        interrupted: Whether it was told to end early (Ctrl-C).
        complete: Whether each worker drained to its end, so that what is lost is
            lost for certain.
        target_gone: Why the target is known to have gone, or "".
        clock_errors: Machine -> seconds by which what we know of its clock was wrong at
            most, from begin to end; empty where all workers were on this one.
    """

    plan: LoadPlan
    seconds: float
    tallies: list[Tally] = []
    measured: list[Tally] = []
    warming: list[Tally] = []
    uncertain: list[Tally] = []
    window: float = 0.0
    generators: dict[int, Generator] = {}
    busy: dict[int, float] = {}
    opened: int = 0
    failed: int = 0
    reasons: dict[str, int] = {}
    most_open: int = 0
    problems: list[str] = []
    lost_workers: dict[int, str] = {}
    interrupted: bool = False
    complete: bool = True
    target_gone: str = ""
    clock_errors: dict[str, float] = {}

    @property
    def lost_connections(self) -> int:
        """How many open connections the target ended."""
        return sum(each.lost_connections for each in self.generators.values())

    @property
    def clock_error(self) -> float:
        """By how many seconds a time from one machine to another may be wrong."""
        return disagreement(self.clock_errors.values())
