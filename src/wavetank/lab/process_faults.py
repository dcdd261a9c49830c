"""Faults of the target's own process: killed, ended, stopped, and started again.

It refuses to know why, and what else is broken. The port stays the same.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from wavetank.errors import LocalError, RemoteError, TargetError
from wavetank.evidence import Record, TargetReady
from wavetank.lab.process import TargetProcess
from wavetank.lab.target import Target
from wavetank.net import open_peer

__all__ = ["BACK_WITHIN", "EndedByItself", "NotBack", "ProcessFaults"]

BACK_WITHIN = 15.0
"""Seconds that a target has to answer again once it was started."""

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

    async def restart(self, *, within: float = BACK_WITHIN) -> float:
        """Start it again, by the same command and on the same port.

        Args:
            within: Seconds until it has to answer an opening handshake.

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
            took = time.monotonic() - began
            self._note_ready(took)
            return took
        raise NotBack(f"the target was not back within {within:g} s: {why}")

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
