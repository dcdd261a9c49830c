"""Waits until a target has worked off what the last load left.

It refuses to know what that load was for.
"""

import asyncio
import secrets
from typing import Final

import msgspec

from wavetank.evidence import Histogram
from wavetank.lab.loading import address_of
from wavetank.lab.target import Target
from wavetank.load.engine.coordinator import run_load
from wavetank.load.figures import main_operation
from wavetank.load.plan import Arrivals, LoadPlan, ScenarioKind, Stage
from wavetank.load.result import LoadResult

__all__ = ["is_quiet", "probe_of", "wait_for_quiet"]

WITHIN: Final = 15.0
"""Seconds that a target may need, before the search goes on all the same."""

_PROBED: Final = frozenset(
    {ScenarioKind.REQUEST, ScenarioKind.PUBLISH, ScenarioKind.PING}
)
"""Scenarios in which somebody waits for an answer."""

_RATE: Final = 20.0
_SECONDS: Final = 0.5
_PAUSE: Final = 0.5
_SPARE: Final = 0.02
"""Seconds: on a busy machine a few answers take as long, for no fault of a queue."""


async def wait_for_quiet(
    target: Target,
    plan: LoadPlan,
    *,
    usual: float,
    stop: asyncio.Event | None = None,
    within: float = WITHIN,
) -> bool:
    """Wait until a few messages are answered as quickly as when nothing goes on.

    Args:
        target: Whom.
        plan: The load that was too much for it.
        usual: Seconds that an answer takes when nothing else goes on.
        stop: Once it is set, nothing is waited for.
        within: Seconds to wait at most.

    Returns:
        Whether it is quiet; True where nobody waits for answers in such a load, and
        where nobody waits any more.
    """
    if plan.scenarios[0].kind not in _PROBED:
        return True
    now = asyncio.get_running_loop().time
    deadline = now() + within
    probe, address = probe_of(plan), address_of(target)
    while not (stop and stop.is_set()):
        result = await run_load(probe, address, run=secrets.token_hex(4), stop=stop)
        if is_quiet(result, usual):
            return True
        if now() + _PAUSE >= deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True


def probe_of(plan: LoadPlan) -> LoadPlan:
    """Return a load of ten messages, of the kind of another one."""
    first = msgspec.structs.replace(
        plan.scenarios[0],
        users=1,
        publishers=1,
        topics=1,
        stages=(Stage(seconds=_SECONDS, level=_RATE),),
        population=(),
        arrivals=Arrivals.EVEN,
        after=0.0,
    )
    return msgspec.structs.replace(
        plan,
        scenarios=(first,),
        thresholds=(),
        duration=_SECONDS,
        warm_up=0.0,
        drain=1.0,
        connect_within=5.0,
        workers=1,
    )


def is_quiet(result: LoadResult, usual: float) -> bool:
    """Tell whether all was answered, and half of it as quickly as usual.

    Args:
        result: Of a probe.
        usual: Seconds that an answer takes when nothing else goes on.
    """
    operation = main_operation(result.plan.scenarios[0].kind)
    times = [
        one.response or one.service
        for one in result.tallies
        if one.operation is operation and one.received and not one.lost
    ]
    if not result.complete or not all(times) or not times:
        return False
    median = Histogram.decode(times[0]).percentile(50)
    return median is not None and median <= 2 * usual + _SPARE
