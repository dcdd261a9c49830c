"""What the tests of faults share: how chaos is made, and what it has told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import psutil

from wavetank.evidence import FaultBegan, FaultHealed, Record
from wavetank.lab.faults import Chaos
from wavetank.lab.process_faults import ProcessFaults
from wavetank.lab.target import Target

MakeChaos: TypeAlias = Callable[[Target], Chaos]
Preforked: TypeAlias = Callable[..., Awaitable[Target]]
NEVER = 0.05
"""Seconds in which nothing can come, because nothing is let by."""


def told(records: list[Record]) -> list[tuple[str, str]]:
    """Return what began and what was healed."""
    return [
        ("began" if isinstance(one, FaultBegan) else "healed", one.name)
        for one in records
        if isinstance(one, FaultBegan | FaultHealed)
    ]


async def both_workers(faults: ProcessFaults) -> list[psutil.Process]:
    """Return the workers of a target once there are two."""
    async with asyncio.timeout(20.0):
        while len(workers := await faults.workers()) != 2:
            pass  # Forks tell nobody.
    return workers
