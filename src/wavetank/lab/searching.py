"""Searches for the most that a target can take: puts one trial on it after the other.

It refuses to know which level is next: `load.search` decides that.
"""

import asyncio
import math
from collections.abc import Callable, Iterator

import msgspec

from wavetank.evidence import Finding, Histogram, Verdict
from wavetank.lab.loading import Load, put
from wavetank.lab.notebook import Notebook
from wavetank.lab.quiet import wait_for_quiet
from wavetank.lab.target import Target
from wavetank.load.doubts import Affects, Bias
from wavetank.load.exchange import Operation, Tally
from wavetank.load.figures import Figures, driven_operation, main_operation
from wavetank.load.plan import Arrivals, LoadPlan, Stage
from wavetank.load.result import LoadResult
from wavetank.load.search import Found, Limit, Outcome, Search, Trial
from wavetank.load.thresholds import Threshold, judge_threshold, parse_threshold

__all__ = [
    "Tell",
    "find",
    "finding_of",
    "judge_trial",
    "kept_up",
    "trial_plan",
]

Tell = Callable[[Trial, Outcome], None]
"""Is told what each trial came to."""

LONGEST = 4.0
"""Seconds of a long trial. At 2.5 % more than a target can take, the last message of
these is 100 ms behind: what breaks slowly has broken by then."""

_SHORTEST = 1.0
_FEWEST = 100
"""Arrivals of a short trial: with fewer, a p99 is the slowest one."""

_IN_ANY_CASE = ("lost <= 1%", "failed <= 1%", "dropped <= 1%")
"""What has to hold at every level: quick answers to the other half are no success."""

_KEPT_UP = 0.97
"""Part of the messages that has to be there in time, those apart that nobody can have
answered yet: a queue that grows is the end."""


async def find(
    target: Target,
    notebook: Notebook,
    plan: LoadPlan,
    threshold: Threshold,
    *,
    by_users: bool = False,
    most: float = 1e7,
    tell: Tell | None = None,
    stop: asyncio.Event | None = None,
    cluster: str | None = None,
) -> Found | None:
    """Find the highest rate, or the most users, with which a threshold holds.

    Args:
        target: Whom.
        notebook: Gets the seconds of each trial, what was found, and a finding.
        plan: The load; the first scenario begins where its first stage does.
        threshold: What has to hold.
        by_users: Whether users are added, and not messages/s.
        most: Highest level that may be tried.
        tell: Is told what each trial came to.
        stop: Once it is set, the search ends.
        cluster: Address of the cluster that makes the load; None is this machine.

    Returns:
        What was found; None where it was stopped, or the target died.
    """
    first = plan.scenarios[0]
    level = float(first.users) if by_users else _peak(first.stages)
    search = Search(max(level, 1.0), most=max(most, 1.0), whole=by_users)
    usual = math.inf
    while isinstance(step := search.next(), Trial):
        trial = trial_plan(plan, step, threshold, by_users=by_users)
        load = await put(target, notebook, trial, stop=stop, cluster=cluster)
        if load.result.interrupted or load.result.target_gone:
            why = load.result.target_gone or "interrupted"
            notebook.unknown(_title(threshold, by_users=by_users), seen=why)
            return None
        outcome = judge_trial(load, threshold)
        search.took(outcome, reached=step.level * kept_up(load.result))
        if tell is not None:
            tell(step, outcome)
        usual = min(usual, _quickest(load.result) or math.inf)
        if outcome is not Outcome.HELD and not await wait_for_quiet(
            target, trial, usual=usual, stop=stop
        ):
            notebook.note(
                f"after the trial of {step.level:,.0f} the target did not come to rest"
            )
    unit = "users" if by_users else "messages/s"
    notebook.figure(f"most {unit} with {threshold.text}", step.level, unit)
    notebook.figure("trials", step.trials, "trials")
    notebook.add(finding_of(step, threshold, by_users=by_users))
    return step


def trial_plan(
    plan: LoadPlan, trial: Trial, threshold: Threshold, *, by_users: bool
) -> LoadPlan:
    """Return the load of one trial: constant, and short.

    Args:
        plan: What was asked for.
        trial: Its messages/s, or users, and whether it is a short one.
        threshold: What has to hold.
        by_users: Whether the level is one of users.
    """
    first, *others = plan.scenarios
    rate = _peak(first.stages) if by_users else trial.level
    longest = max(_SHORTEST, _FEWEST / rate) if trial.is_short else LONGEST
    seconds = min(plan.seconds, longest, LONGEST)
    changed = msgspec.structs.replace(
        first,
        users=int(trial.level) if by_users else first.users,
        stages=(Stage(seconds=seconds, level=rate),) if first.stages else (),
        population=(),
    )
    return msgspec.structs.replace(
        plan,
        scenarios=(changed, *others),
        thresholds=(threshold,),
        duration=min(plan.duration, seconds),
        warm_up=min(plan.warm_up, seconds / 4),
    )


def judge_trial(load: Load, threshold: Threshold) -> Outcome:
    """Return what a trial came to.

    A worker at the end of its core sends late and reads late. With a schedule that
    makes times longer, never shorter: what holds in spite of it has held. What breaks
    may be the worker's fault.

    Args:
        load: What was put on the target.
        threshold: What has to hold.
    """
    result = load.result
    is_open = all(
        scenario.arrivals is not Arrivals.CLOSED for scenario in result.plan.scenarios
    )
    if result.busy and is_open:
        at_best = msgspec.structs.replace(result, busy={})
        if _judge(at_best, load, threshold) is Outcome.HELD:
            return Outcome.HELD
    return _judge(result, load, threshold)


def _judge(result: LoadResult, load: Load, threshold: Threshold) -> Outcome:
    figures = Figures(result, load.samples)
    needed = [threshold, *map(parse_threshold, _IN_ANY_CASE)]
    verdicts = [judge_threshold(each, figures).verdict for each in needed]
    doubts = [doubt for doubt in figures.doubts if Affects.RATE in doubt.affects]
    if any(doubt.bias is Bias.EITHER for doubt in doubts):
        return Outcome.SATURATED
    if kept_up(result) < _KEPT_UP:
        verdicts.append(Verdict.UNKNOWN if doubts else Verdict.FAIL)
    if Verdict.FAIL in verdicts:
        return Outcome.BROKE
    return Outcome.UNKNOWN if Verdict.UNKNOWN in verdicts else Outcome.HELD


def kept_up(result: LoadResult) -> float:
    """Return which part of what was due in the measured window came in it, 0 to 1.

    What is under way for as long as the quickest answer takes is no queue, so the last
    messages do not count. What came in the warm-up, or was due there, does not either.
    """
    kind = result.plan.scenarios[0].kind
    heard, driven = main_operation(kind), driven_operation(kind)
    due = sum(
        one.received + one.lost + one.failed for one in _of(result.tallies, heard)
    )
    whole, part = (
        sum(one.intended for one in _of(tallies, driven))
        for tallies in (result.tallies, result.measured)
    )
    came = sum(one.received for one in _of(result.measured, heard))
    if not due or not result.window:
        return 0.0
    owed = due * part / whole if whole else due
    owed *= max(1 - _quickest(result) / result.window, 0.0)
    return min(came / owed, 1.0) if owed else 1.0


def _of(tallies: list[Tally], operation: Operation) -> Iterator[Tally]:
    return (one for one in tallies if one.operation is operation)


def _quickest(result: LoadResult) -> float:
    """Return the seconds that the quickest answer took; 0 where none was timed."""
    heard = main_operation(result.plan.scenarios[0].kind)
    times = [one.response or one.service for one in _of(result.tallies, heard)]
    quickest = [Histogram.decode(text).min for text in times if text]
    return min((each for each in quickest if each is not None), default=0.0)


def finding_of(found: Found, threshold: Threshold, *, by_users: bool) -> Finding:
    """Return what a search came to as a finding.

    A limit of the target's that is certain is PASS, whatever it is; FAIL is a target
    that does not hold at any level. An "at least" that the generator set is UNKNOWN.
    """
    verdict = Verdict.UNKNOWN
    if found.is_certain or found.limit is Limit.BOUND:
        verdict = Verdict.PASS if found.level else Verdict.UNKNOWN
    if found.limit is Limit.TARGET and not found.level:
        verdict = Verdict.FAIL
    return Finding(
        verdict=verdict,
        title=_title(threshold, by_users=by_users),
        expected="a level that holds, and one a little higher that does not",
        seen=f"{found.words}, after {found.trials} trials",
    )


def _peak(stages: tuple[Stage, ...]) -> float:
    return max((max(stage.level, stage.peak) for stage in stages), default=1.0)


def _title(threshold: Threshold, *, by_users: bool) -> str:
    what = "users" if by_users else "messages/s"
    return f"the most {what} with which {threshold.text} holds"
