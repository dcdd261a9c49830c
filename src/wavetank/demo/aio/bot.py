"""The bot's process: follows the market over lost connections, and publishes.

It refuses to know how prices become orders.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from wavetank.client import (
    Event,
    Gap,
    Item,
    LinkOptions,
    Publisher,
    Subscriber,
    Subscription,
)
from wavetank.demo.aio.endings import ended_early
from wavetank.demo.aio.outlet import Outlet
from wavetank.demo.aio.teller import Teller, identity
from wavetank.demo.bot import Bot
from wavetank.demo.messages import (
    Decision,
    Fill,
    Message,
    Order,
    Price,
    State,
    Status,
    decode,
)
from wavetank.demo.options import DemoPlan
from wavetank.errors import ExitCode, RemoteError

__all__ = ["BotProcess"]

_BEAT = 1.0
"""Seconds between two statuses, while the hub is heard."""

_MARKET = ("market.btc-usd", "market.status")

_SHOWN = (Decision, Order, Fill)
"""What is told of as it happens; the rest is told as published."""


class BotProcess:
    """Trades until the feed is done, time is up, or it is cancelled.

    Prices that were published while the hub was not heard come by replay, and are
    worked off in their order.

    Args:
        plan: How long, and with how much.
        link: What the client takes.
        teller: Hears what goes on.
    """

    def __init__(self, plan: DemoPlan, link: LinkOptions, teller: Teller) -> None:
        self._plan = plan
        self._teller = teller
        self._clock = teller.clock
        dice = random.Random(f"{plan.seed}/exchange")
        self._bot = Bot(plan.run, dice, plan.capital)
        self._subscriber = Subscriber(plan.url, **link)
        self._publisher = Publisher(
            plan.url, queue=plan.queue, spool=plan.spool, **link
        )
        self._state: State = "working"
        self._has_failed = False
        self._news = asyncio.Event()

    async def run(self) -> int:
        """Do all of it; return the exit code."""
        plan = self._plan
        async with self._publisher as publisher, self._subscriber:
            outlet = Outlet(publisher, self._teller, plan.prefix)
            self._teller.tell("started", **identity(plan))
            await ended_early(self._work(outlet), plan.seconds)
            is_clean = await outlet.finish(
                lambda: self._bot.finish(self._clock.wall()), plan.patience
            )
        self._teller.tell(
            "finished",
            totals=self._bot.totals,
            accepted=outlet.accepted,
            acknowledged=outlet.acknowledged,
            ticks=self._bot.ticks,
            missed=self._bot.missed,
            foreign=self._bot.foreign,
        )
        is_good = is_clean and not self._has_failed
        return ExitCode.PASS if is_good else ExitCode.FAIL

    async def _work(self, outlet: Outlet) -> None:
        beating = asyncio.create_task(self._beat(outlet))
        try:
            market = [
                self._subscriber.subscribe(
                    self._plan.prefix + topic,
                    since="earliest",
                    buffer=self._plan.queue,
                )
                for topic in _MARKET
            ]
            await self._subscriber.ready()
            self._teller.tell("connected")
            await self._follow(market, outlet)
        except RemoteError as error:
            self._has_failed = True
            self._teller.tell("gave_up", reason=str(error))
        finally:
            beating.cancel()
            await asyncio.wait({beating})

    async def _follow(self, market: Sequence[Subscription], outlet: Outlet) -> None:
        """Work off what comes, until the feed is done and nothing more is to come."""
        reading = [asyncio.create_task(self._read(one, outlet)) for one in market]
        try:
            while not self._bot.is_done and not any(one.done() for one in reading):
                is_ending = self._bot.total is not None and self._state == "working"
                self._news.clear()
                async with asyncio.timeout(self._plan.patience if is_ending else None):
                    await self._news.wait()
        except TimeoutError:
            pass
        finally:
            for one in reading:
                one.cancel()
            await asyncio.wait(reading)
        for one in reading:
            with suppress(asyncio.CancelledError):
                one.result()

    async def _read(self, subscription: Subscription, outlet: Outlet) -> None:
        try:
            async for item in subscription:
                await self._take(item, outlet)
                self._news.set()
        finally:
            self._news.set()

    async def _take(self, item: Item, outlet: Outlet) -> None:
        if isinstance(item, Event):
            await self._hear(item, outlet)
        elif isinstance(item, Gap):
            self._teller.tell(
                "gap", topic=item.topic, count=item.count, reason=item.reason
            )
        elif item.is_stale != (self._state == "away"):
            self._state = "away" if item.is_stale else "working"
            kind = "disconnected" if item.is_stale else "connected"
            self._teller.tell(kind, reason=item.reason)
            await outlet.send(self._status)

    async def _hear(self, event: Event, outlet: Outlet) -> None:
        topic = event.topic.removeprefix(self._plan.prefix)
        try:
            message = decode(topic, event.data)
        except ValueError as error:
            self._teller.tell("malformed", topic=event.topic, reason=str(error))
            return
        self._teller.tell(
            "received",
            topic=event.topic,
            epoch=event.epoch,
            seq=event.seq,
            number=message.number,
        )
        if isinstance(message, Status):
            self._bot.hear(message)
        elif isinstance(message, Price):
            await outlet.send(partial(self._trade, message))

    def _trade(self, price: Price) -> Sequence[Message]:
        made = self._bot.receive(price, self._clock.wall())
        for message in made:
            if isinstance(message, _SHOWN):
                kind = type(message).__name__.lower()
                fields = {
                    name: getattr(message, name)
                    for name in message.__struct_fields__
                    if name not in {"run", "timestamp"}
                }
                self._teller.tell(kind, **fields)
        return made

    def _status(self) -> Sequence[Message]:
        return [self._bot.status(self._state, self._clock.wall())]

    async def _beat(self, outlet: Outlet) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            if self._state == "working":
                await outlet.send(self._status)

    def __repr__(self) -> str:
        """Show how it is doing."""
        return f"<BotProcess {self._state} {self._bot!r}>"
