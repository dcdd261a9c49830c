"""A carrier: runs a load's worker on a distant machine, and passes its lines on.

It refuses to know how the questions come that it answers, and what the lines say. Its
functions are called in the event loop of whatever brought it there. Whoever asks has
to go on asking: a carrier that hears nothing any more ends its worker, and so nobody's
end, and no cut line, leaves one behind.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from wavetank.clock import SystemClock
from wavetank.errors import RemoteError
from wavetank.load.engine.coordinator import WORKER
from wavetank.load.engine.processes import WorkerProcess

__all__ = ["Carrier", "Taken", "begin", "end", "read_clock", "take", "tell"]

LEASE: Final = 20.0
"""Seconds without a question after which nobody is there any more."""

_WAIT: Final = 1.0
"""Seconds that a question waits for something to be said."""
_MOST_UNHEARD: Final = 64
"""Lines that wait here; beyond them, the worker waits."""
_MOST_BYTES: Final = 4 * 1024 * 1024
"""Of one answer, but for the line that crosses it."""


class Taken(NamedTuple):
    """What a worker has said since it was asked last.

    Attributes:
        lines: That.
        ending: How it ended: "" is well, None not yet.
        problems: What it complained of so far.
    """

    lines: list[bytes]
    ending: str | None
    problems: list[str]


class Carrier:
    """One worker on this machine, for somebody on another.

    Args:
        command: Program and arguments of the worker.
        lease: Seconds without a question after which it is ended.
        wait: Seconds that a question waits for something to be said.
    """

    def __init__(
        self,
        command: Sequence[str] = WORKER,
        *,
        lease: float = LEASE,
        wait: float = _WAIT,
    ) -> None:
        self._process = WorkerProcess(command)
        self._lease = lease
        self._wait = wait
        self._grace = 0.0
        self._said: asyncio.Queue[bytes | str] = asyncio.Queue(_MOST_UNHEARD)
        self._ending: str | None = None
        self._life: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()

    @property
    def pid(self) -> int:
        """Process id of the worker, 0 before the start."""
        return self._process.pid

    async def start(self) -> None:
        """Start the worker.

        Raises:
            RemoteError: If it cannot be started.
        """
        await self._process.start()
        self._life = asyncio.create_task(self._live())

    async def send(self, line: bytes) -> None:
        """Hand it a line."""
        self._asked.set()
        await self._process.send(line)

    async def take(self) -> Taken:
        """Wait a moment for what it says, and return all of it."""
        self._asked.set()
        lines: list[bytes] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wait):
                self._add(await self._said.get(), lines)
        while not self._said.empty() and sum(map(len, lines)) < _MOST_BYTES:
            self._add(self._said.get_nowait(), lines)
        return Taken(lines, self._ending, self._process.problems)

    def _add(self, said: bytes | str, lines: list[bytes]) -> None:
        if isinstance(said, bytes):
            lines.append(said)
        else:
            self._ending = said

    async def stop(self, *, grace: float) -> list[str]:
        """End the worker; return what it complained of.

        Args:
            grace: Seconds in which it may still end by itself.
        """
        self._grace = grace
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
            # subtle: a task that is cancelled before it ran for the first time never
            # comes to its `finally`.
            await self._process.stop(grace=grace)
        return self._process.problems

    async def wait_closed(self) -> None:
        """Wait until the worker is gone, for whatever reason."""
        if self._life is not None:
            await asyncio.wait([self._life])

    async def _live(self) -> None:
        """Be there until nobody asks any more, or this is cancelled."""
        reading = asyncio.create_task(self._read())
        try:
            with contextlib.suppress(TimeoutError):
                while True:
                    self._asked.clear()
                    async with asyncio.timeout(self._lease):
                        await self._asked.wait()
        finally:
            reading.cancel()
            await self._process.stop(grace=self._grace)

    async def _read(self) -> None:
        """Queue what the worker says, and how it ends."""
        ending = ""
        async with contextlib.aclosing(self._process.lines()) as lines:
            try:
                async for line in lines:
                    await self._said.put(line)
            except RemoteError as error:
                ending = str(error)
        await self._said.put(ending)

    def __repr__(self) -> str:
        """Show whom it carries."""
        return f"<Carrier of {self._process!r}>"


# What is called from far away: functions, for a carrier itself cannot be sent there.

_carriers: dict[str, Carrier] = {}


def read_clock() -> float:
    """Return the monotonic clock of this machine, in seconds; workers go by it."""
    return SystemClock().now()


async def begin(ticket: str) -> None:
    """Start a worker.

    Args:
        ticket: Names it from here on.

    Raises:
        RemoteError: If it cannot be started.
    """
    carrier = Carrier()
    await carrier.start()
    _carriers[ticket] = carrier
    forgetting = asyncio.create_task(_forget(ticket, carrier))
    _forgetting.add(forgetting)
    forgetting.add_done_callback(_forgetting.discard)


_forgetting: set[asyncio.Task[None]] = set()


async def _forget(ticket: str, carrier: Carrier) -> None:
    await carrier.wait_closed()
    _carriers.pop(ticket, None)


async def tell(ticket: str, line: bytes) -> None:
    """Hand a worker a line.

    Raises:
        RemoteError: If there is no such worker.
    """
    await _carrier(ticket).send(line)


async def take(ticket: str) -> Taken:
    """Wait a moment for what a worker says, and return all of it.

    Raises:
        RemoteError: If there is no such worker.
    """
    return await _carrier(ticket).take()


async def end(ticket: str, grace: float) -> list[str]:
    """End a worker; return what it complained of.

    Args:
        ticket: Which; of one that is gone already, there is nothing to tell.
        grace: Seconds in which it may still end by itself.
    """
    carrier = _carriers.get(ticket)
    return [] if carrier is None else await carrier.stop(grace=grace)


def _carrier(ticket: str) -> Carrier:
    if ticket not in _carriers:
        raise RemoteError("it is not there any more")
    return _carriers[ticket]
