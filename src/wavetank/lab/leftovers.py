"""What a target has left of peers that are gone: connections and descriptors.

It refuses to know what they did there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self

from wavetank.dialects import Capability
from wavetank.errors import RemoteError
from wavetank.evidence import Sampled
from wavetank.lab.checkers.costs import SLACK, judge_level
from wavetank.lab.notebook import Notebook
from wavetank.lab.status import open_connections
from wavetank.lab.target import Target
from wavetank.lab.usage import Usage, usage_of

__all__ = ["Leftovers"]

_WITHIN = 10.0
_STEP = 0.05


class Leftovers:
    """What there is before peers come, to be held against what there is after.

    What cannot be seen of a target is SKIP; made by `before`.

    Args:
        target: Whose.
        connections: How many were open; None where it does not tell.
        sampled: What its processes had; None where they are not the lab's.
        usage: Measures them.
        within: Seconds that a target has to let go of who is gone.
    """

    def __init__(
        self,
        target: Target,
        *,
        connections: int | None,
        sampled: Sampled | None,
        usage: Usage,
        within: float = _WITHIN,
    ) -> None:
        self._target = target
        self._connections = connections
        self._sampled = sampled
        self._usage = usage
        self._within = within

    @classmethod
    async def before(cls, target: Target, *, within: float = _WITHIN) -> Self:
        """Look at a target before anybody comes.

        Raises:
            RemoteError: If its status page is not there, or does not say it.
        """
        usage = usage_of(target)
        told = Capability.STATUS in target.dialect.capabilities
        return cls(
            target,
            connections=await open_connections(target) if told else None,
            sampled=await usage.sample(),
            usage=usage,
            within=within,
        )

    async def judge(self, notebook: Notebook) -> None:
        """Expect that there is no more than there was, after a while at most."""
        if self._connections is None:
            notebook.skip("connections that are left: the target tells no number")
        else:
            await self._judge_connections(notebook, self._connections)
        await self._judge_descriptors(notebook)

    async def _judge_connections(self, notebook: Notebook, before: int) -> None:
        now = -1

        async def is_level() -> bool:
            nonlocal now
            with contextlib.suppress(RemoteError):
                now = await open_connections(self._target)
            return 0 <= now <= before

        notebook.expect(
            await self._comes_true(is_level),
            "the number of connections is what it was",
            expected=f"at most {before:,} within {self._within:g} s",
            seen=f"{now:,}" if now >= 0 else "the status page does not answer",
        )

    async def _judge_descriptors(self, notebook: Notebook) -> None:
        before, after = self._sampled, self._sampled

        async def is_level() -> bool:
            nonlocal after
            after = await self._usage.sample()
            if before is None or after is None:
                return True
            return after.descriptors <= before.descriptors + SLACK

        await self._comes_true(is_level)
        title = "the number of descriptors is what it was"
        notebook.add(judge_level(title, before, after, "descriptors"))

    async def _comes_true(self, is_level: Callable[[], Awaitable[bool]]) -> bool:
        """Look until it is level; a server may notice an end a moment late."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._within
        while not await is_level():
            if loop.time() >= ends:
                return False
            # Neither a page nor a process has events to wait for.
            await asyncio.sleep(_STEP)
        return True

    def __repr__(self) -> str:
        """Show what there was."""
        return f"<Leftovers of {self._target.url}: {self._connections} connections>"
