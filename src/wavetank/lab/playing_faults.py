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
) -> dict[str, list[str]]:
    """Do each step at its time, then rest.

    A step that takes long, as a restart does, puts off all that come behind it: they
    keep their distances. All that the schedule has begun is healed, however it ends.

    Args:
        chaos: Does them.
        schedule: What is done when; its names are told apart from those of others.
        record: Where records go.
        now: Seconds since the run started.

    Returns:
        Fault of the schedule -> names under which it began, in order.

    Raises:
        UsageError: If it names a fault that there is none of.
        NotBack: If the target does not come back.
    """
    began = now()
    log = chaos.log
    record(FaultsPlanned(at=began, suite=log.suite, check=log.check, schedule=schedule))
    on: dict[str, str] = {}
    played: dict[str, list[str]] = {}
    try:
        for step in schedule.steps:
            await _wait_until(began + step.at, now)
            fault, before = step.fault, now()
            if step.do is Do.BEGIN:
                name = await chaos.begin(fault.kind, fault.attributes)
                on[fault.name] = name
                played.setdefault(fault.name, []).append(name)
            else:
                await chaos.heal(on.pop(fault.name, ""))
            began += now() - before
        await _wait_until(began + schedule.seconds, now)
    finally:
        for name in reversed(list(on.values())):
            await chaos.heal(name)
    return played


async def _wait_until(at: float, now: Callable[[], float]) -> None:
    await asyncio.sleep(max(at - now(), 0.0))
