"""The whole cycle: a hub, a feed, a bot and a dashboard, each a process.

It refuses to know what they say to each other.
"""

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import BinaryIO

from wavetank.demo.aio.endings import ended_early
from wavetank.demo.aio.hub import OwnHub
from wavetank.demo.aio.process import Child
from wavetank.demo.aio.teller import Teller
from wavetank.demo.options import ROLES, DemoPlan
from wavetank.errors import ExitCode

__all__ = ["Cycle", "words_of"]

_AWAY = 1.0
"""Seconds that a hub that died is away."""
_CLOSING = 10.0
"""Seconds that a process has for an orderly end."""


def words_of(role: str, plan: DemoPlan, url: str) -> list[str]:
    """Return the command line of a role, behind ``wavetank``."""
    same: dict[str, object] = {
        "url": url,
        "run": plan.run,
        "topic-prefix": plan.prefix,
        "patience": plan.patience,
        "queue": plan.queue,
    }
    if role != "dashboard":
        same["seed"] = plan.seed
    if role == "bot":
        same["capital"] = plan.capital
    if role == "feed":
        same |= {
            "rate": plan.rate,
            "messages": plan.messages,
            "seconds": plan.seconds,
            "replay": plan.replay,
        }
    given = [f"--{name}={value}" for name, value in same.items() if value is not None]
    return ["demo", role, *given, *(["--json"] if plan.is_json else [])]


class Cycle:
    """Starts them all, hands on their lines, and ends them all.

    Args:
        plan: What they do.
        teller: Hears what goes on.
        out: Where their lines go.
    """

    def __init__(self, plan: DemoPlan, teller: Teller, out: BinaryIO) -> None:
        self._plan = plan
        self._teller = teller
        self._out = out
        self._children: dict[str, Child] = {}
        self._is_closing = False

    async def run(self) -> int:
        """Do all of it; return the dashboard's exit code.

        Raises:
            TargetError: If the hub cannot be started.
        """
        with tempfile.TemporaryDirectory(prefix="wavetank-demo-") as folder:
            hub = OwnHub(Path(folder), is_durable=not self._plan.memory)
            try:
                return await self._run(hub)
            finally:
                self._is_closing = True
                await self._end_all(hub)

    async def _run(self, hub: OwnHub) -> int:
        await self._start_hub(hub)
        watching = asyncio.create_task(self._keep(hub))
        relays: list[asyncio.Task[int]] = []
        try:
            for role in reversed(ROLES):
                child = Child(words_of(role, self._plan, hub.url))
                self._children[role] = child
                await child.start()
                relays.append(asyncio.create_task(self._relay(role, child)))
            dashboard, bot, feed = relays
            dying = asyncio.create_task(self._note_deaths(bot, feed))
            was_early = await ended_early(
                self._until(dashboard, watching), seconds=None
            )
            if was_early:
                self._teller.tell("stopping")
                self._children["feed"].send(signal.SIGTERM)
                await asyncio.wait({dashboard}, timeout=self._plan.patience + _CLOSING)
            if watching.done():
                watching.result()
            dying.cancel()
            return dashboard.result() if dashboard.done() else ExitCode.FAIL
        finally:
            watching.cancel()

    async def _until(
        self, dashboard: "asyncio.Task[int]", watching: "asyncio.Task[None]"
    ) -> None:
        """Wait until the account is there, or the hub cannot be started again."""
        await asyncio.wait({dashboard, watching}, return_when=asyncio.FIRST_COMPLETED)

    async def _note_deaths(self, *publishers: "asyncio.Task[int]") -> None:
        """End the others in order where a publisher ended so that no account comes."""
        for ended in asyncio.as_completed(publishers):
            if await ended not in {ExitCode.PASS, ExitCode.FAIL}:
                for role in ("feed", "bot"):
                    self._children[role].send(signal.SIGTERM)
                await asyncio.wait(publishers)
                self._children["dashboard"].send(signal.SIGTERM)
                return

    async def _relay(self, role: str, child: Child) -> int:
        """Hand on a process's lines until its end; return its exit code."""
        async for line in child.lines():
            self._out.write(line)
            self._out.flush()
        code = await child.wait()
        if role != "dashboard" and code != ExitCode.PASS:
            self._teller.tell("ended", process=role, code=code)
        return code

    async def _start_hub(self, hub: OwnHub) -> None:
        await hub.start()
        pid = hub.child.process.pid
        self._teller.tell("hub_started", url=hub.url, pid=pid, life=hub.lives)

    async def _keep(self, hub: OwnHub) -> None:
        """Start the hub again whenever it dies; kill it once, where that is asked."""
        if self._plan.kill_hub is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self._plan.kill_hub, lambda: hub.child.send(signal.SIGKILL))
        while True:
            code = await hub.child.wait()
            if self._is_closing:
                return
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._teller.tell("hub_ended", how=how, code=code)
            await asyncio.sleep(_AWAY)
            await self._start_hub(hub)

    async def _end_all(self, hub: OwnHub) -> None:
        """End every process; the hub last, for others may still publish."""
        try:
            await asyncio.gather(
                *(child.end(_CLOSING) for child in self._children.values())
            )
        finally:
            await hub.child.end(_CLOSING)

    def __repr__(self) -> str:
        """Show which processes there are."""
        return f"<Cycle {list(self._children)}>"
