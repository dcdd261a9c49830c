"""Faults of the target's own process: killed, ended, stopped, and started again.

It refuses to know why, and what else is broken. The port stays the same.
"""

import asyncio
import contextlib
import signal
import time
import urllib.parse
from collections.abc import Callable, Sequence

import psutil

from wavetank.errors import LocalError, RemoteError, TargetError
from wavetank.evidence import Record, TargetReady
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.process import TargetProcess
from wavetank.lab.target import Target
from wavetank.lab.workers import workers_of
from wavetank.net import open_peer

__all__ = ["BACK_WITHIN", "EndedByItself", "NotBack", "ProcessFaults"]

BACK_WITHIN = 15.0
"""Seconds that a target has to answer again once it was started, unless it had more."""

_GRACE = 10.0
_STEP = 0.05
_TRY_WITHIN = 2.0
_STOPS_WITHIN = 5.0


class NotBack(RemoteError):
    """The target did not come back after it was started again."""


class EndedByItself(RemoteError):
    """The target was gone before anybody broke it."""


class ProcessFaults:
    """What the lab does to the process that it has started.

    Args:
        target: Whose process.
        record: Where records go.
        now: Seconds since the run started.
    """

    def __init__(
        self,
        target: Target,
        *,
        record: Callable[[Record], None],
        now: Callable[[], float],
    ) -> None:
        self._target = target
        self._record = record
        self._now = now

    @property
    def process(self) -> TargetProcess:
        """The process.

        Raises:
            LocalError: If it is not the lab's.
        """
        process = self._target.process
        if process is None:
            raise LocalError(
                "the lab did not start this target, so it cannot break its process; "
                "give --serve in place of --target, or name PROCESS in needs"
            )
        return process

    def check(self) -> None:
        """Look whether the process is there to be broken; one that we ended may not be.

        Raises:
            EndedByItself: If it has ended without us; a restart would hide it.
        """
        process = self.process
        if not process.is_alive and not process.ended_by_lab:
            raise EndedByItself(
                f"the target ended by itself, with status {process.status}"
            )

    async def suspend(self) -> bool:
        """Stop it with all its children; return whether it has stopped."""
        process = self.process
        process.suspend()
        ends = time.monotonic() + _STOPS_WITHIN
        while process.is_alive and not process.is_stopped:
            if time.monotonic() >= ends:
                return False
            await asyncio.sleep(_STEP)
        return process.is_alive

    async def kill(self) -> None:
        """End it with all its children at once, as a crash would."""
        await asyncio.to_thread(self.process.kill)

    async def terminate(self, *, grace: float = _GRACE) -> int | None:
        """End it as operators do: SIGTERM, and SIGKILL for what is left after a time.

        Args:
            grace: Seconds between the two.

        Returns:
            Its exit status; negative for a signal.
        """
        await asyncio.to_thread(self.process.stop, grace=grace)
        return self.process.status

    async def restart(self, *, within: float | None = None) -> float:
        """Start it again, by the same command and on the same port.

        Args:
            within: Seconds until it has to answer an opening handshake; None for what
                it had for its first start, and at least `BACK_WITHIN`.

        Returns:
            Seconds that this took.

        Raises:
            NotBack: If it does not answer by then, or ends by itself before.
        """
        if self.process.is_alive:
            await self.terminate()
        began = time.monotonic()
        try:
            self.process.start()
        except TargetError as error:
            raise NotBack(f"the target does not start again: {error}") from None
        took = await self._until_answered(began, self._time_for(within))
        self._note_ready(took)
        return took

    async def _until_answered(self, began: float, within: float) -> float:
        """Wait until it answers; return the seconds since the begin."""
        why = "nobody was asked"
        while time.monotonic() - began < within:
            if not self.process.is_alive:
                raise NotBack(
                    "the target was started again and ended by itself, with status "
                    f"{self.process.status}"
                )
            try:
                await self._greet()
            except (RemoteError, TimeoutError) as error:
                why = str(error)
                await asyncio.sleep(_STEP)
                continue
            return time.monotonic() - began
        raise NotBack(f"the target was not back within {within:g} s: {why}")

    async def workers(self, *, within: float = 0.0) -> list[psutil.Process]:
        """Return its workers, oldest first.

        Args:
            within: Seconds in which they may still start.

        Raises:
            LocalError: If it has none.
        """
        ends = time.monotonic() + within
        workers = await self._workers()
        while not workers and time.monotonic() < ends:
            await asyncio.sleep(_STEP)
            workers = await self._workers()
        if not workers:
            raise LocalError(
                "rolling_restart is for a target whose workers accept connections, "
                "and this one has no child that does; restart it as a whole, or "
                "several targets one after the other (wavetank.lab.instances)"
            )
        return workers

    async def roll(
        self,
        workers: Sequence[psutil.Process],
        number: signal.Signals,
        *,
        within: float | None = None,
    ) -> None:
        """Have each of its workers replaced, one after the other.

        The next one goes only when there are as many as before without the last, and
        an opening handshake is answered: by whichever of them the system chooses.

        Args:
            workers: All of them.
            number: The signal that ends one; its parent has to start another.
            within: Seconds that a worker may take to be replaced; None as in `restart`.

        Raises:
            NotBack: If one is not replaced by then, or all end for it.
            LocalError: If one belongs to another user.
        """
        gone: set[psutil.Process] = set()
        within = self._time_for(within)
        for worker in workers:
            gone.add(worker)
            try:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.send_signal(number)
            except psutil.AccessDenied:
                raise LocalError(
                    f"worker {worker.pid} of the target belongs to another user, so it "
                    "cannot be ended; have it run as the user of the lab"
                ) from None
            began = time.monotonic()
            while len(set(await self._workers()) - gone) < len(workers):
                if self._is_to_end():
                    return
                if time.monotonic() - began >= within or not self.process.is_alive:
                    raise NotBack(
                        f"worker {worker.pid} was not replaced within {within:g} s of "
                        f"{number.name}"
                    )
                await asyncio.sleep(_STEP)
            await self._until_answered(began, within)

    def _time_for(self, within: float | None) -> float:
        """Return the seconds that the target has, where nobody says so."""
        if within is None:
            return max(BACK_WITHIN, self._target.ready_within)
        return within

    def _is_to_end(self) -> bool:
        """Tell whether nobody is to be replaced any more."""
        return INTERRUPTION.happened or self.process.ended_by_lab

    async def _workers(self) -> list[psutil.Process]:
        # psutil looks at every process of the machine for the children.
        pid, port = self.process.pid, _port_of(self._target.url)
        if not self.process.is_alive:
            # That number may be somebody else's by now.
            return []
        return await asyncio.to_thread(workers_of, pid, port)

    async def _greet(self) -> None:
        """Open a connection and close it."""
        target = self._target
        peer = await open_peer(
            target.url,
            subprotocols=target.subprotocols,
            headers=target.headers,
            origin=target.origin or None,
            tls=target.context_for(target.url),
            open_timeout=_TRY_WITHIN,
        )
        with contextlib.suppress(RemoteError, TimeoutError):
            await peer.close(timeout=1.0)

    def _note_ready(self, took: float) -> None:
        target = self._target
        self._record(
            TargetReady(
                at=self._now(),
                url=target.url,
                tls_url=target.tls_url,
                dialect=target.dialect.name,
                capabilities=sorted(target.capabilities),
                took=took,
                pid=self.process.pid,
            )
        )

    def __repr__(self) -> str:
        """Show whose process."""
        return f"<ProcessFaults {self._target.process!r}>"


def _port_of(url: str) -> int:
    parts = urllib.parse.urlsplit(url)
    return parts.port or (443 if parts.scheme == "wss" else 80)
