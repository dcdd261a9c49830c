"""The dashboard's process: takes every message, and says whether all are there.

It refuses to know what has to add up.
"""

import asyncio
from contextlib import suppress

from wavetank.client import Event, Gap, Item, LinkOptions, Subscriber
from wavetank.demo.aio.endings import ended_early
from wavetank.demo.aio.teller import Teller, identity
from wavetank.demo.ledger import Ledger, Outcome
from wavetank.demo.lines import account_fields
from wavetank.demo.messages import TOPICS, Position
from wavetank.demo.options import DemoPlan
from wavetank.errors import ExitCode, RemoteError

__all__ = ["Dashboard"]

_EXIT_CODES = {
    Outcome.WHOLE: ExitCode.PASS,
    Outcome.BROKEN: ExitCode.FAIL,
    Outcome.UNKNOWN: ExitCode.UNKNOWN,
}

_TELL_EVERY = 1.0
"""Seconds between two positions that are told of."""

_LOOK_EVERY = 0.2
"""Seconds between two looks at whether anything still comes."""


class Dashboard:
    """Follows a run from its first message, whenever it is started.

    It ends when both publishers are done and everything of them is there; or when
    nothing more has come for its patience since the feed was done; or when time is
    up; or when it is cancelled.

    Args:
        plan: Which run, and how long.
        link: What the client takes.
        teller: Hears what goes on.
    """

    def __init__(self, plan: DemoPlan, link: LinkOptions, teller: Teller) -> None:
        self._plan = plan
        self._teller = teller
        self._clock = teller.clock
        self._ledger = Ledger(plan.run)
        self._subscriber = Subscriber(plan.url, **link)
        self._is_away = False
        self._heard_at = self._clock.now()
        self._told_at = 0.0

    async def run(self) -> int:
        """Do all of it; return the exit code."""
        async with self._subscriber:
            self._teller.tell("started", **identity(self._plan))
            await ended_early(self._work(), self._plan.seconds)
        account = self._ledger.judge()
        self._teller.tell("finished", **account_fields(account))
        return _EXIT_CODES[account.outcome]

    async def _work(self) -> None:
        reading = [
            asyncio.create_task(self._read(self._plan.prefix + topic))
            for topic in TOPICS
        ]
        try:
            await self._subscriber.ready()
            self._teller.tell("connected")
            while not self._is_over() and not any(task.done() for task in reading):
                await asyncio.wait(
                    reading,
                    timeout=_LOOK_EVERY,
                    return_when=asyncio.FIRST_COMPLETED,
                )
        except RemoteError as error:
            self._teller.tell("gave_up", reason=str(error))
        finally:
            for task in reading:
                task.cancel()
            await asyncio.wait(reading)
        for task in reading:
            with suppress(asyncio.CancelledError):
                task.result()

    def _is_over(self) -> bool:
        if self._ledger.is_complete:
            return True
        if self._is_away or not self._ledger.has_finished("feed"):
            return False
        return self._clock.now() - self._heard_at > self._plan.patience

    async def _read(self, topic: str) -> None:
        subscription = self._subscriber.subscribe(
            topic, since="earliest", buffer=self._plan.queue
        )
        try:
            async for item in subscription:
                self._take(item)
        except RemoteError as error:
            self._teller.tell("gave_up", reason=str(error))

    def _take(self, item: Item) -> None:
        if isinstance(item, Event):
            self._heard_at = self._clock.now()
            self._hear(item)
        elif isinstance(item, Gap):
            topic = item.topic.removeprefix(self._plan.prefix)
            self._teller.tell(
                "gap", topic=item.topic, count=item.count, reason=item.reason
            )
            self._ledger.note_gap(topic, item.count, item.reason)
        elif item.is_stale != self._is_away:
            self._heard_at = self._clock.now()
            self._is_away = item.is_stale
            kind = "disconnected" if item.is_stale else "connected"
            self._teller.tell(kind, reason=item.reason)

    def _hear(self, event: Event) -> None:
        topic = event.topic.removeprefix(self._plan.prefix)
        message = self._ledger.receive(topic, event.data)
        self._teller.tell(
            "received",
            topic=event.topic,
            epoch=event.epoch,
            seq=event.seq,
            published_at=round(event.at * 1000, 3),
            number=None if message is None else message.number,
        )
        if isinstance(message, Position):
            now = self._clock.now()
            if now - self._told_at >= _TELL_EVERY:
                self._told_at = now
                self._teller.tell(
                    "position",
                    quantity=message.quantity,
                    equity=message.equity,
                    profit=message.profit,
                )

    def __repr__(self) -> str:
        """Show what came."""
        return f"<Dashboard {self._ledger!r}>"
