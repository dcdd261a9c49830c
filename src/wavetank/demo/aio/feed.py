"""The feed's process: publishes prices at their rate, then says how many there were.

It refuses to know where prices come from.
"""

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from itertools import islice

from wavetank.client import LinkOptions, Publisher
from wavetank.demo.aio.endings import ended_early
from wavetank.demo.aio.outlet import Outlet
from wavetank.demo.aio.teller import Teller, identity
from wavetank.demo.feed import Feed
from wavetank.demo.history import read_history
from wavetank.demo.market import Quote, simulate
from wavetank.demo.messages import Message
from wavetank.demo.options import DemoPlan
from wavetank.errors import ExitCode, UsageError

__all__ = ["FeedProcess", "open_quotes"]

_MOST_BYTES = 64 * 1024 * 1024
"""A file of prices that is larger is none."""

_TELL_EVERY = 1.0
"""Seconds between two prices that people are told of."""


def open_quotes(plan: DemoPlan) -> Iterator[Quote]:
    """Return the prices of a plan, from its file or its seed.

    Raises:
        UsageError: If the file cannot be used; with what is wrong, by line.
    """
    quotes = simulate(random.Random(f"{plan.seed}/market"))
    if plan.replay is not None:
        try:
            with plan.replay.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise UsageError(f"--replay {plan.replay}: {error.strerror}") from None
        if len(content) > _MOST_BYTES:
            raise UsageError(f"--replay {plan.replay}: larger than {_MOST_BYTES} bytes")
        try:
            words = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UsageError(f"--replay {plan.replay}: no text in UTF-8") from None
        quotes = iter(read_history(str(plan.replay), words))
    return islice(quotes, plan.messages)


class FeedProcess:
    """Publishes prices until they end, time is up, or it is cancelled.

    Args:
        plan: How fast and how long.
        link: What the client takes.
        teller: Hears what goes on.
        quotes: The prices.
    """

    def __init__(
        self,
        plan: DemoPlan,
        link: LinkOptions,
        teller: Teller,
        quotes: Iterator[Quote],
    ) -> None:
        self._plan = plan
        self._teller = teller
        self._clock = teller.clock
        self._quotes = quotes
        self._feed = Feed(plan.run)
        self._publisher = Publisher(
            plan.url, queue=plan.queue, spool=plan.spool, **link
        )
        self._told_at = 0.0

    async def run(self) -> int:
        """Do all of it; return the exit code."""
        async with self._publisher as publisher:
            outlet = Outlet(publisher, self._teller, self._plan.prefix)
            self._teller.tell("started", **identity(self._plan))
            await ended_early(self._publish(outlet), self._plan.seconds)
            is_clean = await outlet.finish(
                lambda: [self._status()], self._plan.patience
            )
        self._teller.tell(
            "finished",
            totals=self._feed.totals,
            accepted=outlet.accepted,
            acknowledged=outlet.acknowledged,
        )
        return ExitCode.PASS if is_clean else ExitCode.FAIL

    async def _publish(self, outlet: Outlet) -> None:
        """Publish each price when it is due; what is behind is made up for."""
        await self._publisher.ready()
        self._teller.tell("connected")
        began = self._clock.now()
        for number, quote in enumerate(self._quotes):
            due = began + number / self._plan.rate
            # A turn for others too, where it is behind.
            await asyncio.sleep(max(0.0, due - self._clock.now()))
            await outlet.send(partial(self._make, quote))

    def _make(self, quote: Quote) -> list[Message]:
        price = self._feed.price(quote, self._clock.wall())
        now = self._clock.now()
        if now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            self._teller.tell("price", price=quote.price, ticks=self._feed.ticks)
        return [price]

    def _status(self) -> Message:
        return self._feed.status("finished", self._clock.wall())

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<FeedProcess {self._feed.totals}>"
