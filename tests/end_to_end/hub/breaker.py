"""Breaks a hub, the way to it and those who use it, as a schedule says.

It refuses to know what that does to messages.
"""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from wavetank.chaos import Proxy
from wavetank.evidence import Attribute, Do, Fault, Schedule
from wavetank.lab.checkers import history

from .commands import PublisherProcess, SubscriberProcess, Take, moments, until
from .process import HubProcess
from .talker import NO_HUB, talk

__all__ = ["FAULTS", "Breaker"]

FAULTS = {
    "kill": (),
    "terminate": (),
    "suspend": (),
    "cut": ("how",),
    "half_open": ("stream",),
    "partition": (),
    "offline": (),
    "latency": ("latency", "jitter"),
    "slow_link": ("rate",),
    "slow_reader": (),
    "freeze": (),
    "storm": ("clients",),
    "burst": ("times",),
    "crash": (),
}
"""What may break, and what may be said of it."""

_TOXICS = {"half_open": "half_open", "latency": "latency", "slow_link": "bandwidth"}
_COMES_EVERY = 0.5
_VISIT_WITHIN = 10.0

Heal = Callable[[], Awaitable[None]]
Given = Mapping[str, Attribute]


class Breaker:
    """Does what a schedule says, step by step.

    Args:
        hub: It runs.
        proxy: Before it.
        subscribers: Through the proxy.
        publishers: Through the proxy too.
        take: Takes what happens.
        dice: Decide whom a fault hits.

    Attributes:
        done: Kind of fault -> how often it was done.
        cuts: Links that were cut.
        visits: Connections of storms that were let in.
    """

    def __init__(
        self,
        hub: HubProcess,
        proxy: Proxy,
        *,
        subscribers: Sequence[SubscriberProcess],
        publishers: Sequence[PublisherProcess],
        take: Take,
        dice: random.Random,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.cuts = self.visits = 0
        self._hub = hub
        self._proxy = proxy
        self._subscribers = subscribers
        self._publishers = publishers
        self._take = take
        self._dice = dice
        self._heals: dict[str, Heal] = {}
        self._is_hub_down = False

    async def play(self, schedule: Schedule) -> None:
        """Do each step at its time, or when the one before is done; heal all of it."""
        began = asyncio.get_running_loop().time()
        try:
            for step in schedule.steps:
                await until(began + step.at)
                if step.do is Do.BEGIN:
                    await self._begin(step.fault)
                else:
                    await self._heal(step.fault.name)
        finally:
            for name in reversed(list(self._heals)):
                await self._heal(name)

    async def _begin(self, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        self._take(history.FaultBegins(loop.time(), fault.name))
        self.done[fault.kind] += 1
        if fault.kind in _TOXICS:
            self._heals[fault.name] = self._add_toxic(fault)
        else:
            begin = getattr(self, f"_begin_{fault.kind}")
            self._heals[fault.name] = await begin(fault.attributes)

    async def _heal(self, name: str) -> None:
        await self._heals.pop(name)()
        now = asyncio.get_running_loop().time()
        self._take(history.FaultHeals(now, name))

    # The way to the hub

    def _add_toxic(self, fault: Fault) -> Heal:
        given = dict(fault.attributes)
        stream = given.pop("stream", "downstream")
        links = list(self._proxy.links)
        if fault.kind == "slow_link":
            links = self._dice.sample(links, min(len(links), 2))
        spec = self._proxy.add(
            {
                "type": _TOXICS[fault.kind],
                "name": fault.name,
                "stream": stream,
                "attributes": given,
            },
            links=links,
        )

        async def heal() -> None:
            self._proxy.remove(spec.name)

        return heal

    async def _begin_cut(self, given: Given) -> Heal:
        links = list(self._proxy.links)
        some = self._dice.sample(
            links, self._dice.randint(min(1, len(links)), len(links))
        )
        self.cuts += self._proxy.cut(str(given["how"]), links=some)
        return _nothing

    async def _begin_partition(self, _: Given) -> Heal:
        self._proxy.stall()

        async def heal() -> None:
            self._proxy.heal()

        return heal

    async def _begin_offline(self, _: Given) -> Heal:
        self._proxy.disable()

        async def heal() -> None:
            self._proxy.enable()

        return heal

    # The hub's process

    async def _begin_kill(self, _: Given) -> Heal:
        return await self._end_hub(self._hub.kill)

    async def _begin_terminate(self, _: Given) -> Heal:
        # A process that is stopped would not hear of it.
        self._hub.process.send_signal(signal.SIGCONT)
        return await self._end_hub(self._hub.terminate)

    async def _end_hub(self, end: Callable[[], None]) -> Heal:
        if self._is_hub_down:
            return _nothing
        self._is_hub_down = True
        end()

        async def heal() -> None:
            await self._hub.restart()
            self._is_hub_down = False

        return heal

    async def _begin_suspend(self, _: Given) -> Heal:
        if self._is_hub_down:
            return _nothing
        process = self._hub.process
        process.send_signal(signal.SIGSTOP)

        async def heal() -> None:
            process.send_signal(signal.SIGCONT)

        return heal

    # Those who use it

    async def _begin_slow_reader(self, _: Given) -> Heal:
        one = self._dice.choice(self._subscribers)
        one.is_reading.clear()

        async def heal() -> None:
            one.is_reading.set()

        return heal

    async def _begin_freeze(self, _: Given) -> Heal:
        one = self._dice.choice(self._subscribers)
        one.freeze()

        async def heal() -> None:
            one.thaw()

        return heal

    async def _begin_burst(self, given: Given) -> Heal:
        """Have everybody publish so many times as much."""
        times = float(given["times"])
        for one in self._publishers:
            one.rate *= times

        async def heal() -> None:
            for one in self._publishers:
                one.rate /= times

        return heal

    async def _begin_crash(self, _: Given) -> Heal:
        one = self._dice.choice(self._publishers)
        await one.crash()
        return one.start

    async def _begin_storm(self, given: Given) -> Heal:
        """Have everybody come again at once, and many others with them."""
        self.cuts += self._proxy.cut()
        topics = [one.topic for one in self._publishers]
        visitors = [
            asyncio.create_task(self._visit(topics[number % len(topics)]))
            for number in range(int(given["clients"]))
        ]

        async def heal() -> None:
            for visitor in visitors:
                visitor.cancel()
            await asyncio.wait(visitors)
            for visitor in visitors:
                if not visitor.cancelled():
                    visitor.result()

        return heal

    async def _visit(self, topic: str) -> None:
        """Come, ask for everything, and go without a word, again and again."""
        async for _ in moments(_COMES_EVERY):
            with contextlib.suppress(*NO_HUB, TimeoutError):
                async with (
                    asyncio.timeout(_VISIT_WITHIN),
                    talk(self._proxy.url) as talker,
                ):
                    await talker.ask(type="subscribe", topic=topic, since="earliest")
                    self.visits += 1
                    talker.socket.transport.abort()

    def __repr__(self) -> str:
        """Show what was done."""
        return f"<Breaker {dict(self.done)}, {self.cuts} cuts, {self.visits} visits>"


async def _nothing() -> None:
    """Heal what is over as soon as it was done."""
