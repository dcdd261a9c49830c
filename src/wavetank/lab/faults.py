"""Faults for a check: a proxy before the target, and the target's own process.

It refuses to know what a check makes of them. Each begin and each end is a record, and
all is healed when it closes.

    async with chaos.partition():
        ...                       # nothing goes by in either direction
    chaos.cut()                   # every connection through the proxy, by RST
    async with chaos.toxic("latency", latency=100, jitter=20):
        ...
    await chaos.kill()
    await chaos.restart()
"""

import asyncio
import contextlib
import dataclasses
import urllib.parse
from collections.abc import AsyncIterator, Callable, Collection
from types import TracebackType
from typing import Self

from wavetank.chaos import Proxy
from wavetank.chaos.aio.wirelog import WireLog
from wavetank.errors import LocalError, RemoteError, UsageError
from wavetank.evidence import Record
from wavetank.lab.conversation import Conversation
from wavetank.lab.fault_kinds import (
    FAULTS,
    KINDS,
    Breaks,
    Given,
    Heals,
    Links,
    problems_of,
)
from wavetank.lab.fault_log import FaultLog
from wavetank.lab.link_faults import LinkFaults
from wavetank.lab.peers import Peers
from wavetank.lab.process_faults import ProcessFaults
from wavetank.lab.target import Target
from wavetank.lab.target_faults import TargetFaults

__all__ = ["FAULTS", "Chaos"]

_KEPT = 256
"""First bytes of each frame in the wire log: an id stands in them."""


class Chaos:
    """Breaks things between a check and its target, as an asynchronous context manager.

    Args:
        target: The target.
        suite: Name of the suite.
        check: Name of the check.
        record: Where records go.
        now: Seconds since the run started.
        seed: Of all dice.

    Attributes:
        proxy: In frames mode, for whatever is not offered here.
        log: The faults that are on, and those that were.
        wire: Each frame that came to the proxy, and what became of it.
        peers: Opens peers through the proxy. Nobody listens in on them: what they
            hear need not be what the target has said.
    """

    def __init__(
        self,
        target: Target,
        *,
        suite: str,
        check: str,
        record: Callable[[Record], None],
        now: Callable[[], float],
        seed: int = 0,
    ) -> None:
        self.target = target
        self.seed = seed
        self.now = now
        self.record = record
        self.log = FaultLog(suite=suite, check=check, record=record, now=now)
        self.wire = WireLog(keep=_KEPT)
        self.proxy = Proxy(
            target.url,
            seed=seed,
            log=self.wire,
            upstream_tls=target.context_for(target.url),
        )
        self.peers: Peers
        # The order is that of the begins.
        self._heals: Heals = {}
        self._link_faults = LinkFaults(self.proxy, self.log, self._heals, seed=seed)
        process = ProcessFaults(target, record=record, now=now)
        self._target_faults = TargetFaults(process, self.log, self._heals)

    @property
    def url(self) -> str:
        """What stands for the target's URL: the proxy's."""
        parts = urllib.parse.urlsplit(self.target.url)
        user, at, _ = parts.netloc.rpartition("@")
        host, port = self.proxy.address
        return urllib.parse.urlunsplit(("ws", f"{user}{at}{host}:{port}", *parts[2:]))

    async def __aenter__(self) -> Self:
        """Open the proxy."""
        await self.proxy.start()
        through = dataclasses.replace(self.target, url=self.url, tls_url="")
        self.peers = Peers(
            through, check=self.log.check, record=self.record, now=self.now
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Heal and close everything."""
        await self.close()

    async def close(self) -> None:
        """Heal everything, and end all that goes through the proxy; idempotent.

        Raises:
            NotBack: If the target does not come back after it was killed.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.proxy.close)
            stack.push_async_callback(self.heal_all)
            await self.peers.close()

    # Whatever may break, by its kind

    async def lacks(self, kinds: Collection[str]) -> str:
        """Return why some kinds of faults cannot be done here; "" where they can.

        Args:
            kinds: Those that will be asked for.
        """
        return await self._target_faults.lacks(kinds)

    async def begin(
        self, what: str, attributes: Given | None = None, *, links: Links = None
    ) -> str:
        """Begin a fault; return the name by which it is healed.

        Args:
            what: One of `FAULTS`.
            attributes: How bad it is.
            links: The links that it is for; None for all. For what goes on in the
                proxy alone.

        Raises:
            UsageError: If there is no such fault, or no such attribute of it.
            LocalError: If it needs the target's process, and that is not the lab's.
        """
        given = dict(attributes or {})
        if problems := problems_of(what, given, links):
            raise UsageError(problems)
        if KINDS[what].breaks is Breaks.PROCESS:
            return await self._target_faults.begin(what, given)
        return self._link_faults.begin(what, given, links)

    async def heal(self, name: str) -> None:
        """End a fault; nothing if it is over.

        Raises:
            NotBack: If the target does not come back.
        """
        undo = self._heals.pop(name, None)
        if undo is None:
            return
        done = undo()
        if done is not None:
            try:
                await done
            except asyncio.CancelledError:
                # It is still on: whoever closes all has to end it.
                self._heals[name] = undo
                raise
        self.log.heal(name)

    async def heal_all(self) -> None:
        """End every fault, the last one first; nothing if none is on.

        Raises:
            NotBack: If the target does not come back.
            LocalError: If a fault was taken away behind our back.
        """
        failure: RemoteError | LocalError | None = None
        for name in reversed(list(self._heals)):
            try:
                await self.heal(name)
            except (RemoteError, LocalError) as error:
                failure = failure or error
        if failure is not None:
            raise failure

    @contextlib.asynccontextmanager
    async def fault(
        self, what: str, attributes: Given | None = None, *, links: Links = None
    ) -> AsyncIterator[str]:
        """Break something as long as the block takes; as `begin`."""
        name = await self.begin(what, attributes, links=links)
        try:
            yield name
        finally:
            await self.heal(name)

    # In the proxy

    def cut(self, how: str = "rst", *, links: Links = None) -> int:
        """Cut links now; whoever was cut may come again.

        Args:
            how: ``rst``, or ``fin``.
            links: Numbers of the links (`link_of`); None for all.

        Returns:
            How many were cut.

        Raises:
            UsageError: If it is another way.
        """
        name, count = self._link_faults.cut({"how": how}, links)
        self.log.heal(name)
        return count

    def partition(
        self, *, links: Links = None
    ) -> contextlib.AbstractAsyncContextManager[str]:
        """Let nothing by; what comes is kept until it is healed.

        New connections are accepted, and nothing answers them. What is published
        through it meanwhile reaches the target late, after the heal.

        Args:
            links: Numbers of the links; None for all, those that come too.
        """
        return self.fault("partition", links=links)

    @contextlib.asynccontextmanager
    async def toxic(
        self,
        what: str,
        *,
        stream: str = "downstream",
        toxicity: float = 1.0,
        links: Links = None,
        when: Given | None = None,
        **attributes: object,
    ) -> AsyncIterator[str]:
        """Have a toxic in the links as long as the block takes.

        Args:
            what: Its type (`chaos.TYPES`).
            stream: ``upstream`` or ``downstream``.
            toxicity: The share of links that have it, 0 to 1.
            links: Numbers of the links; None for all, those that come too.
            when: Which frames it is meant for.
            attributes: Those of its type.

        Raises:
            UsageError: With every mistake in it.
        """
        given: dict[str, object] = {"type": what, "stream": stream}
        given |= {"toxicity": toxicity, "attributes": attributes}
        if when is not None:
            given["when"] = when
        name = self._link_faults.add(given, links)
        try:
            yield name
        finally:
            await self.heal(name)

    def offline(self) -> contextlib.AbstractAsyncContextManager[str]:
        """Close all links, and have new connections refused."""
        return self.fault("offline")

    def half_open(
        self, *, stream: str = "downstream", links: Links = None
    ) -> contextlib.AbstractAsyncContextManager[str]:
        """End one side of links at the next bytes, and never tell the other one.

        Args:
            stream: Whose reader is not told: ``downstream`` ends the target's side,
                and the client is not told; ``upstream`` the other way round.
            links: Numbers of the links; None for those that there are now. Who
                comes again has another link.
        """
        return self.fault("half_open", {"stream": stream}, links=links)

    def link_of(self, conversation: Conversation | None) -> int | None:
        """Return the number of a peer's link; None where it has none any more."""
        if conversation is None:
            return None
        port = conversation.peer.local_port
        for number, link in self.proxy.links.items():
            if link.client_port == port:
                return number
        return None

    # In the target's process; a check that does these needs PROCESS

    async def kill(self) -> str:
        """Kill the target with all its children; `restart` heals it.

        Returns:
            The fault's name.
        """
        return await self.begin("kill")

    async def terminate(self) -> str:
        """End the target as operators do, with SIGTERM; `restart` heals it.

        Returns:
            The fault's name. How it ended is in ``target.process.status``.
        """
        return await self.begin("terminate")

    async def restart(self, *, within: float | None = None) -> float:
        """Start the target again where it was ended; end it first where it was not.

        Args:
            within: Seconds until it has to answer; None for what it had for its first
                start, and at least 15.

        Returns:
            Seconds until it answered.

        Raises:
            NotBack: If it does not come back.
        """
        if not self._target_faults.is_down:
            await self.terminate()
        took, over = await self._target_faults.restart(within=within)
        for name in over:
            await self.heal(name)
        return took

    def suspended(self) -> contextlib.AbstractAsyncContextManager[str]:
        """Stop the target's processes (SIGSTOP), and let them go on (SIGCONT)."""
        return self.fault("suspend")

    def __repr__(self) -> str:
        """Show the proxy and what is on."""
        return f"<Chaos {self.proxy!r}, {self.log!r}>"
