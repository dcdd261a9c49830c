"""Plays a schedule of faults on a target.

It refuses to know how the schedule came about, and how a fault is done.
"""

import asyncio
from collections.abc import Callable

from wavetank.evidence import Do, FaultsPlanned, Record, Schedule
from wavetank.lab.faults import Chaos

__all__ = ["play"]


async def play(
    chaos: Chaos,
    schedule: Schedule,
    *,
    record: Callable[[Record], None],
    now: Callable[[], float],
) -> None:
    """Do each step at its time, or as soon as the one before is done; then rest.

    All that the schedule has begun is healed, however it ends.

    Args:
        chaos: Does them.
        schedule: What is done when; its names are told apart from those of others.
        record: Where records go.
        now: Seconds since the run started.

    Raises:
        UsageError: If it names a fault that there is none of.
        NotBack: If the target does not come back.
    """
    began = now()
    log = chaos.log
    record(FaultsPlanned(at=began, suite=log.suite, check=log.check, schedule=schedule))
    on: dict[str, str] = {}
    try:
        for step in schedule.steps:
            await _wait_until(began + step.at, now)
            fault = step.fault
            if step.do is Do.BEGIN:
                on[fault.name] = await chaos.begin(fault.kind, fault.attributes)
            else:
                await chaos.heal(on.pop(fault.name, ""))
        await _wait_until(began + schedule.seconds, now)
    finally:
        for name in reversed(list(on.values())):
            await chaos.heal(name)


async def _wait_until(at: float, now: Callable[[], float]) -> None:
    await asyncio.sleep(max(at - now(), 0.0))
