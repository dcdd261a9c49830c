"""The seconds of a load as records of the journal, whose sum is the whole load.

They refuse to know how a load is carried out, and to judge it.
"""

from wavetank.evidence import (
    LOAD_COUNTS,
    GeneratorSampled,
    Histogram,
    LoadSampled,
)
from wavetank.lab.notebook import Notebook
from wavetank.load.exchange import Operation, Tally
from wavetank.load.figures import main_operation
from wavetank.load.plan import LoadPlan
from wavetank.load.result import LoadResult, Moment
from wavetank.load.totals import Totals, merge_generators

__all__ = ["LoadRecords"]


class LoadRecords:
    """Writes a load down, second by second, and at its end what is left.

    Args:
        notebook: Of the check that the load is of.
        plan: What is done.
    """

    def __init__(self, notebook: Notebook, plan: LoadPlan) -> None:
        self._notebook = notebook
        self._plan = plan
        self._scenarios = {each.name: each for each in plan.scenarios}
        self._seen = Totals()

    def add(self, moment: Moment) -> None:
        """Write one second down."""
        since = float(moment.number)
        # The last one ends with the load, maybe before it is a whole second.
        took = moment.took
        for tally in moment.tallies:
            self._seen.add(tally)
            planned = self._planned(tally, since=since, took=took)
            # In most loads nobody connects once it has begun.
            if tally.operation is not Operation.CONNECT or planned or _counts(tally):
                self._write(tally, since=since, took=took, planned=planned)
        merged = merge_generators(moment.generators.values())
        self._notebook.sampled(
            GeneratorSampled,
            since=since,
            took=took,
            cpu=[moment.generators[worker].cpu for worker in sorted(moment.generators)],
            waited=merged.waited,
            lag=merged.lag,
            lateness=merged.lateness,
            open=merged.open,
            lost_connections=merged.lost_connections,
        )

    def _planned(self, tally: Tally, *, since: float, took: float) -> float:
        """Return how much of a second the plan has for an operation.

        What is sent behind its time belongs to it; connections are means to an end
        where a scenario is not about them.
        """
        scenario = self._scenarios[tally.scenario]
        is_about = main_operation(scenario.kind) is Operation.CONNECT
        if tally.operation is Operation.CONNECT and not is_about:
            return 0.0
        begins, until = scenario.after, since + took
        ends = begins + (scenario.seconds or self._plan.duration)
        return max(
            (until if tally.sent else min(until, ends)) - max(since, begins), 0.0
        )

    def finish(self, result: LoadResult, *, opening: float, drain: float) -> None:
        """Write down what no second had: the opening, and the drain.

        Args:
            result: The whole load.
            opening: Seconds that it took to open the connections.
            drain: Seconds from the last one to the end.
        """
        seen = {(one.scenario, one.operation): one for one in self._seen.tallies()}
        for tally in result.tallies:
            rest = _rest(tally, seen.get((tally.scenario, tally.operation)))
            if rest is not None:
                is_opening = tally.operation is Operation.CONNECT
                took = opening if is_opening else drain
                self._write(rest, since=result.seconds, took=took)

    def _write(
        self, tally: Tally, *, since: float, took: float, planned: float = 0.0
    ) -> None:
        self._notebook.sampled(
            LoadSampled,
            since=since,
            took=took,
            scenario=tally.scenario,
            operation=str(tally.operation),
            counts=_counts(tally),
            planned=planned,
            response=tally.response,
            service=tally.service,
        )


def _counts(tally: Tally) -> dict[str, int]:
    """Return the counts that are not 0."""
    counts = {name: getattr(tally, name) for name in LOAD_COUNTS}
    return {name: count for name, count in counts.items() if count}


def _rest(total: Tally, seen: Tally | None) -> Tally | None:
    """Return what of a sum was not seen yet; None where all was."""
    if seen is None:
        return total if _counts(total) else None
    counts = {name: getattr(total, name) - getattr(seen, name) for name in LOAD_COUNTS}
    if not any(counts.values()):
        return None
    return Tally(
        scenario=total.scenario,
        operation=total.operation,
        response=_rest_of(total.response, seen.response),
        service=_rest_of(total.service, seen.service),
        **counts,
    )


def _rest_of(total: str, seen: str) -> str:
    """Return a histogram less one that is a part of it, exactly."""
    if not total or not seen:
        return total
    whole, part = Histogram.decode(total), Histogram.decode(seen).counts
    rest = Histogram(lowest=whole.lowest, highest=whole.highest, digits=whole.digits)
    for duration, count in whole.counts.items():
        left = count - part.get(duration, 0)
        if left > 0:
            rest.record(duration, left)
    return rest.encode() if rest.count else ""
