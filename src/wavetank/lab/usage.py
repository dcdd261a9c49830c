"""What the target's process tree uses while something is done with it.

It refuses to know what is done, and to judge it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from wavetank.evidence import Sampled
from wavetank.lab.target import Target
from wavetank.monitor import ProcessTree

__all__ = ["Usage", "watched"]

_EVERY = 0.25


class Usage:
    """Samples of a process tree, oldest first; none where there is no process.

    Args:
        tree: What is measured; None for a target that the lab did not start.
        now: Seconds.
    """

    def __init__(self, tree: ProcessTree | None, now: Callable[[], float]) -> None:
        self.samples: list[Sampled] = []
        self._tree = tree
        self._now = now

    async def sample(self) -> Sampled | None:
        """Measure once, beside the loop; None where nothing can be measured."""
        if self._tree is None:
            return None
        # subtle: psutil looks at every process of the machine for the children.
        sampled = await asyncio.to_thread(self._tree.sample, self._now(), "target")
        if sampled is not None:
            self.samples.append(sampled)
        return sampled

    def __repr__(self) -> str:
        """Show how often was measured."""
        return f"<Usage of {self._tree}: {len(self.samples)} samples>"


def usage_of(target: Target) -> Usage:
    """Return the usage of a target, nothing measured yet."""
    process = target.process
    tree = ProcessTree(process.pid) if process is not None else None
    return Usage(tree, asyncio.get_running_loop().time)


@contextlib.asynccontextmanager
async def watched(target: Target, *, every: float = _EVERY) -> AsyncIterator[Usage]:
    """Measure a target again and again, at the start and at the end, too.

    Args:
        target: Whom.
        every: Seconds between two samples.
    """
    usage = usage_of(target)
    task = asyncio.create_task(_repeat(usage, every))
    try:
        await usage.sample()
        yield usage
        await usage.sample()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _repeat(usage: Usage, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        await usage.sample()
