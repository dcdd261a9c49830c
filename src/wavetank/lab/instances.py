"""Several targets that serve together, started by one command, and restarted in turn.

It refuses to know who spreads clients over them: a balancer is the user's.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from wavetank.errors import UsageError
from wavetank.evidence import Record
from wavetank.lab.faults import Chaos
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan, Source
from wavetank.lab.target import Target, TargetStart, environment

__all__ = ["Instance", "Instances", "rolling_restart"]


class Instance(NamedTuple):
    """One of several targets.

    Attributes:
        target: It, on a port of its own.
        chaos: Breaks it, and the way to it.
        peers: Opens peers to it, past the proxy.
    """

    target: Target
    chaos: Chaos
    peers: Peers


class Instances:
    """Targets of one command, each on its own port, as an asynchronous context manager.

    Args:
        plan: Says the command.
        count: How many.
        scratch: A private folder; each has one of its own in it.
        suite: Name of the suite.
        check: Name of the check.
        record: Where records go.
        now: Seconds since the run started.

    Raises:
        UsageError: If the plan's target is not the lab's to start, or there is none.
    """

    def __init__(
        self,
        plan: Plan,
        count: int,
        *,
        scratch: Path,
        suite: str,
        check: str,
        record: Callable[[Record], None],
        now: Callable[[], float],
    ) -> None:
        problems = []
        if plan.source is Source.URL:
            problems.append(
                "--target names one server that runs, and instances are started: "
                "give --serve in its place"
            )
        if count < 1:
            problems.append(f"there is at least one instance, not {count}")
        if problems:
            raise UsageError(problems)
        self._seed = plan.seed
        self._command = plan.serve or plan.source
        self._of = (suite, check)
        self._record = record
        self._now = now
        # A port that the user has named is that of the run's own target.
        plan = dataclasses.replace(plan, port=None, tls_port=None)
        self._starts = [
            TargetStart(plan, scratch / f"instance-{number}", environment(plan))
            for number in range(1, count + 1)
        ]
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> list[Instance]:
        """Start them, and wait until each answers.

        Raises:
            TargetError: If one does not become ready.
        """
        try:
            for start in self._starts:
                start.scratch.mkdir(mode=0o700, parents=True)
                self._stack.push_async_callback(asyncio.to_thread, start.stop)
            targets = await self._start_all()
            return [await self._open(target) for target in targets]
        except BaseException:
            await self.close()
            raise

    async def _start_all(self) -> list[Target]:
        """Start them side by side, in threads: each waits with a loop of its own."""
        starting = [
            asyncio.create_task(asyncio.to_thread(start.run)) for start in self._starts
        ]
        try:
            await asyncio.wait(starting)
        finally:
            # A thread cannot be called off, and what it starts has to be ended.
            await asyncio.gather(*starting, return_exceptions=True)
        return [task.result() for task in starting]

    async def _open(self, target: Target) -> Instance:
        suite, check = self._of
        chaos = Chaos(
            target,
            suite=suite,
            check=check,
            record=self._record,
            now=self._now,
            seed=self._seed,
        )
        peers = Peers(target, check=check, record=self._record, now=self._now)
        await self._stack.enter_async_context(chaos)
        self._stack.push_async_callback(peers.close)
        return Instance(target, chaos, peers)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Heal and end them all."""
        await self.close()

    async def close(self) -> None:
        """Heal and end them all; idempotent.

        Raises:
            NotBack: If one that was killed does not come back to be healed.
        """
        await self._stack.aclose()

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<Instances {len(self._starts)} of `{self._command}`>"


async def rolling_restart(
    several: Iterable[Chaos], *, within: float | None = None
) -> None:
    """Restart targets one after the other: SIGTERM, a new start, the next one.

    The next one goes only when the last one answers an opening handshake again. Each
    restart is a fault of its own target, on record.

    Args:
        several: What breaks each of them, in their order.
        within: Seconds that each has to answer again; None for what it had for its
            first start, and at least 15.

    Raises:
        NotBack: If one does not come back; those behind it are left alone.
    """
    for chaos in several:
        await chaos.restart(within=within)
