"""Faults of the target's own process, from their begin to their heal.

It refuses to know the links, and how a process is killed, stopped or started again.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping

from wavetank.errors import LocalError
from wavetank.evidence import Attribute
from wavetank.lab.descriptors import DescriptorLimits
from wavetank.lab.fault_kinds import Given, Heals
from wavetank.lab.fault_log import FaultLog
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.process_faults import ProcessFaults

__all__ = ["TargetFaults"]

_WORKERS_WITHIN = 5.0
"""Seconds that workers may start later than their parent answers."""
_ENDS = {"term": signal.SIGTERM, "hup": signal.SIGHUP}
"""How a worker of a rolling restart is ended -> by which signal."""


class TargetFaults:
    """What is broken of the target's process; of faults that overlap the last heals.

    Args:
        process: Does it.
        log: Where each fault is noted.
        heals: What ends each fault, for whoever heals it.
    """

    def __init__(self, process: ProcessFaults, log: FaultLog, heals: Heals) -> None:
        self._process = process
        self._log = log
        self._heals = heals
        self._suspended: set[str] = set()
        self._down: list[str] = []
        self._limits = DescriptorLimits()
        self._limited: set[str] = set()
        self._kinds: Mapping[str, Callable[[Given], Awaitable[str]]] = {
            "kill": self._begin_kill,
            "terminate": self._begin_terminate,
            "suspend": self._begin_suspend,
            "no_descriptors": self._begin_no_descriptors,
            "rolling_restart": self._begin_rolling_restart,
        }

    @property
    def is_down(self) -> bool:
        """Whether the process was ended, and is not to be back yet."""
        return bool(self._down)

    async def lacks(self, kinds: Collection[str]) -> str:
        """Return why kinds of faults cannot be done to the process; "" if they can.

        Args:
            kinds: Those that will be asked for; others than ours say nothing.
        """
        try:
            if "rolling_restart" in kinds:
                await self._process.workers(within=_WORKERS_WITHIN)
            if "no_descriptors" in kinds:
                self._limits.check(self._process.process.pid)
        except LocalError as error:
            return str(error)
        return ""

    async def begin(self, what: str, given: Given) -> str:
        """Begin a fault; return its name.

        Args:
            what: Its kind.
            given: How bad it is; `fault_kinds.problems_of` has found nothing in it.

        Raises:
            LocalError: If the process is not the lab's.
            EndedByItself: If it has ended before anybody broke it.
        """
        return await self._kinds[what](given)

    async def restart(self, *, within: float | None) -> tuple[float, list[str]]:
        """Start the process again.

        Args:
            within: Seconds until it has to answer; None for what it usually has.

        Returns:
            Seconds that this took, and the faults that are over by it.

        Raises:
            NotBack: If it does not come back.
        """
        took = await self._process.restart(within=within)
        over, self._down = self._down, []
        return took, over

    async def _begin_kill(self, given: Given) -> str:
        return await self._bring_down("kill", self._process.kill)

    async def _begin_terminate(self, given: Given) -> str:
        return await self._bring_down("terminate", self._process.terminate)

    async def _bring_down(self, what: str, end: Callable[[], Awaitable[object]]) -> str:
        name = self._note(what)
        self._down.append(name)
        self._heals[name] = lambda: self._bring_back(name)
        await end()
        if self._process.process.is_alive:
            self._log.miss(name)
        return name

    async def _bring_back(self, name: str) -> None:
        """Start the target again, once all that has ended it is healed."""
        if name not in self._down:
            return
        self._down.remove(name)
        if self._down or INTERRUPTION.happened:
            return
        try:
            await self._process.restart()
        except asyncio.CancelledError:
            self._down.append(name)
            raise

    async def _begin_suspend(self, given: Given) -> str:
        name = self._note("suspend")
        self._suspended.add(name)

        def let_go_on() -> None:
            self._suspended.discard(name)
            if not self._suspended:
                self._process.process.resume()

        self._heals[name] = let_go_on
        if not await self._process.suspend():
            self._log.miss(name)
        return name

    async def _begin_no_descriptors(self, given: Given) -> str:
        spare = given.get("spare", 0)
        assert isinstance(spare, int)  # `fault_kinds.wrong_values` says so
        process = self._process.process
        # Whose process has ended, that number may be somebody else's.
        pid = process.pid if process.is_alive else 0
        if pid:
            self._limits.check(pid)
        name = self._note("no_descriptors", spare=spare)
        self._limited.add(name)

        def give_back() -> None:
            self._limited.discard(name)
            if not self._limited:
                self._limits.restore()

        self._heals[name] = give_back
        if not pid or not self._limits.lower(pid, spare=spare):
            self._log.miss(name)
        return name

    async def _begin_rolling_restart(self, given: Given) -> str:
        how = str(given.get("how", "term"))
        self._process.check()
        if not self._process.process.is_alive:
            # Ended by another fault that is on: there is nobody to be restarted.
            name = self._note("rolling_restart", how=how, workers=0)
            self._heals[name] = lambda: None
            self._log.miss(name)
            return name
        workers = await self._process.workers()
        name = self._note("rolling_restart", how=how, workers=len(workers))
        rolling = asyncio.create_task(
            self._process.roll(workers, _ENDS[how]), name="rolling restart"
        )

        async def until_all_are_back() -> None:
            # Whoever is cut short here waits again when all is healed.
            await asyncio.shield(rolling)

        self._heals[name] = until_all_are_back
        return name

    def _note(self, what: str, **attributes: Attribute) -> str:
        """Note that a fault begins, where there is a process to break."""
        self._process.check()
        pid = self._process.process.pid
        return self._log.begin(
            what, f"the target's process {pid}", attributes=attributes
        )

    def __repr__(self) -> str:
        """Show whose process, and what has ended or stopped it."""
        on = [*self._down, *self._suspended, *self._limited]
        return f"<TargetFaults {self._process!r}, on: {', '.join(on) or '-'}>"
