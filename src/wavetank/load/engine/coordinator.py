"""The coordinator: starts the workers of a load, and makes one result of theirs.

It refuses to know what a worker does in its seconds, and whether the result is good.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from wavetank.clock import Clock, SystemClock
from wavetank.errors import RemoteError
from wavetank.load.engine.processes import Worker, WorkerProcess
from wavetank.load.exchange import (
    Address,
    Begin,
    Drain,
    End,
    Job,
    Quit,
    ToWorker,
    decode_from_worker,
    encode,
)
from wavetank.load.muster import Muster, Phase
from wavetank.load.needs import worker_count
from wavetank.load.plan import LoadPlan
from wavetank.load.result import LoadResult, Moment
from wavetank.load.segments import shares

__all__ = ["Coordinator", "cores", "run_load"]

WORKER: Final = (sys.executable, "-m", "wavetank.load.engine.worker")

_NOTICE: Final = 0.2
"""Seconds from the word to begin until the start: enough for a line to be read."""
_STARTING: Final = 20.0
"""Seconds that an interpreter may take to start on a busy machine."""
_SLACK: Final = 10.0
"""Seconds that a worker may be behind what it was told, before it is lost."""
_LAST_LOOK: Final = 0.1
"""Seconds in which what was said in time is still heard."""
_LEAVING: Final = 3.0
"""Seconds in which a worker that was told to leave may close its connections."""
_MOST_UNHEARD: Final = 64
"""Lines that wait here; beyond them, the workers wait."""

See = Callable[[Moment], None]


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def run_load(
    plan: LoadPlan,
    address: Address,
    *,
    run: str,
    see: See | None = None,
    stop: asyncio.Event | None = None,
    command: Sequence[str] = WORKER,
) -> LoadResult:
    """Carry out a plan with worker processes on this machine.

    Nothing is left behind: no process, pipe or task, also when it is cancelled.

    Args:
        plan: What is to be done.
        address: Where.
        run: Eight characters of [0-9a-z] that no other run has.
        see: Is handed each second of the load as it is over.
        stop: Once it is set, sending ends; what is under way is waited for.
        command: Program and arguments of a worker.

    Returns:
        What came of it; a worker that failed is a part of that.
    """
    # No worker is pinned to a core: the target runs on this machine too, as often as
    # not, and a worker that may not move away from it would time its own waiting.
    count = worker_count(plan, cores())
    workers = [WorkerProcess(command) for _ in range(count)]
    coordinator = Coordinator(plan, workers, see=see, stop=stop)
    return await coordinator.run(address, run)


class Coordinator:
    """Leads workers through a load, wherever they run.

    Args:
        plan: What is to be done.
        workers: Who does it; not started yet.
        see: Is handed each second of the load as it is over.
        stop: Once it is set, sending ends; what is under way is waited for.
        clock: Runs as those of the workers do: the start is a moment on it.
        notice: Seconds from the word to begin until the start.
    """

    def __init__(
        self,
        plan: LoadPlan,
        workers: Sequence[Worker],
        *,
        see: See | None = None,
        stop: asyncio.Event | None = None,
        clock: Clock | None = None,
        notice: float = _NOTICE,
    ) -> None:
        self._plan = plan
        self._workers = list(workers)
        self._see = see
        self._stop = stop or asyncio.Event()
        self._clock = clock or SystemClock()
        self._notice = notice
        self._muster = Muster(plan, range(len(self._workers)))
        self._said: asyncio.Queue[_Said] = asyncio.Queue(_MOST_UNHEARD)

    async def run(self, address: Address, run: str) -> LoadResult:
        """Carry out the plan; once only.

        Args:
            address: Where.
            run: Eight characters of [0-9a-z] that no other run has.
        """
        tasks = [asyncio.create_task(self._heed())]
        grace = 0.0
        try:
            await self._start(address, run)
            tasks += [
                asyncio.create_task(self._listen(worker))
                for worker in self._muster.present
            ]
            await self._go_through()
            grace = _LEAVING
        finally:
            await _end(tasks, self._workers, grace)
        for number, worker in enumerate(self._workers):
            for sentence in worker.problems:
                self._muster.problem(number, sentence)
        return self._muster.result(interrupted=self._stop.is_set())

    async def _start(self, address: Address, run: str) -> None:
        parts = shares(len(self._workers))
        for number, (worker, share) in enumerate(
            zip(self._workers, parts, strict=True)
        ):
            try:
                await worker.start()
            except RemoteError as error:
                self._muster.lose(number, str(error))
                continue
            job = Job(run=run, plan=self._plan, share=share, address=address)
            await worker.send(encode(job))

    async def _go_through(self) -> None:
        """Lead the workers from their connections to their end."""
        plan, muster = self._plan, self._muster
        within = plan.connect_within + _STARTING
        await self._until(Phase.OPENED, within, heeding=True)
        if muster.may_begin and not self._stop.is_set():
            await self._load()
            drain = Drain(
                published=muster.published, refused=muster.refused, within=plan.drain
            )
            await self._tell(drain)
            await self._until(Phase.DRAINED, plan.drain + _SLACK)
        else:
            muster.ended_early(0.0)
        await self._tell(Quit())

    async def _load(self) -> None:
        """Begin, and wait until nobody sends any more."""
        plan, muster = self._plan, self._muster
        begun_at = self._clock.now() + self._notice
        await self._tell(Begin(at=begun_at))
        muster.begin()
        within = _NOTICE + plan.seconds + _SLACK
        await self._until(Phase.ENDED, within, heeding=True)
        if muster.awaited(Phase.ENDED):
            await self._tell(End())
            await self._until(Phase.ENDED, _SLACK)
        if not muster.present:
            muster.ended_early(self._clock.now() - begun_at)
        elif self._stop.is_set():
            muster.ended_early(muster.ended_at)

    async def _tell(self, message: ToWorker) -> None:
        line = encode(message)
        for number in self._muster.present:
            await self._workers[number].send(line)

    async def _until(
        self, phase: Phase, within: float, *, heeding: bool = False
    ) -> None:
        """Hear the workers until each has come to a phase, or is lost.

        Args:
            phase: Which.
            within: Seconds; who is not there then is lost.
            heeding: Whether to return as soon as the load is to stop.
        """
        muster = self._muster
        deadline = self._clock.now() + within
        while muster.awaited(phase) and not (heeding and self._stop.is_set()):
            now = self._clock.now()
            if now < deadline:
                await self._hear(min(deadline, muster.due_at) - now)
            # subtle: who was suspended (Ctrl-Z) wakes up behind the deadline, and only
            # then finds what was said before it.
            elif not await self._hear(_LAST_LOOK):
                for number in muster.awaited(phase):
                    word = phase.name.lower()
                    await self._lose(number, f"it had not {word} within {within:g} s")
            await self._show()

    async def _hear(self, seconds: float) -> bool:
        """Take what is said next; tell whether anything was in so many seconds."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                said = await self._said.get()
        except TimeoutError:
            return False
        if said.ending and said.worker in self._muster.awaited(Phase.DRAINED):
            await self._lose(said.worker, said.ending)
        elif said.line:
            try:
                message = decode_from_worker(said.line)
                self._muster.hear(said.worker, message, self._clock.now())
            except ValueError as error:
                await self._lose(said.worker, str(error))
        return True

    async def _show(self) -> None:
        """Hand on the seconds that are over."""
        before = self._muster.present
        for moment in self._muster.take(self._clock.now()):
            if self._see is not None:
                self._see(moment)
        for number in set(before).difference(self._muster.present):
            await self._workers[number].stop(grace=0.0)

    async def _lose(self, number: int, reason: str) -> None:
        """Go on without a worker; what it still sends is no part of the load."""
        if number in self._muster.present:
            worker = self._workers[number]
            await worker.stop(grace=0.0)
            self._muster.lose(number, "; ".join([reason, *worker.problems[-1:]]))

    async def _listen(self, number: int) -> None:
        """Queue what a worker says, and how it ends."""
        ending = "it ended before its time"
        async with contextlib.aclosing(self._workers[number].lines()) as lines:
            try:
                async for line in lines:
                    await self._said.put(_Said(number, line))
            except RemoteError as error:
                ending = str(error)
        await self._said.put(_Said(number, ending=ending))

    async def _heed(self) -> None:
        """Wake up whoever waits for a worker when the load is to stop."""
        await self._stop.wait()
        await self._said.put(_Said())

    def __repr__(self) -> str:
        """Show how far the workers are."""
        return f"<Coordinator of {len(self._workers)} workers: {self._muster!r}>"


class _Said(NamedTuple):
    """A line of a worker, or how it ended; neither only wakes up."""

    worker: int = -1
    line: bytes = b""
    ending: str = ""


async def _end(
    tasks: Sequence[asyncio.Task[None]], workers: Sequence[Worker], grace: float
) -> None:
    """End tasks and workers, whatever happens to one of them."""
    for task in tasks:
        task.cancel()
    leaving = [worker.stop(grace=grace) for worker in workers]
    for came in await asyncio.gather(*tasks, *leaving, return_exceptions=True):
        if isinstance(came, Exception):
            raise came
