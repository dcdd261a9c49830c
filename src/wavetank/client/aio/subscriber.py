"""Subscriber: follows topics over all connections, without loss, or says what is lost.

It refuses to know how a connection is kept, and what a subscription decides.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from wavetank.client.aio.door import LinkOptions
from wavetank.client.aio.keeper import Keeper
from wavetank.client.aio.link import Link, Message
from wavetank.client.aio.positions import PositionFile
from wavetank.client.aio.subscription import Subscription
from wavetank.client.buffer import Buffer
from wavetank.client.following import MOST_TOPICS, Following, Phase, Want
from wavetank.client.items import Gap as GapItem
from wavetank.client.items import Item
from wavetank.client.lifecycle import Cause, Ending
from wavetank.client.wishes import Deliver, Since, make_wish
from wavetank.errors import LocalError, WavetankError
from wavetank.protocol import (
    Error,
    Event,
    Gap,
    Heartbeat,
    Id,
    Position,
    Subscribed,
    SubscribedPattern,
    TopicAdded,
    Unsubscribed,
    is_pattern,
    matches,
    valid_topic,
)

__all__ = ["Subscriber"]

SAVE_EVERY = 1.0
"""Seconds between two writes of the position file."""

_SILENCE = frozenset({Cause.SILENT, Cause.OVERDUE})


class Subscriber:
    """Subscriptions over one connection that is kept.

    Use it as ``async with``. Each subscription is an iterator of its own, with a
    bounded buffer: where its reader is too slow the subscription is ended at the hub
    and resumed from its position once there is room, so that nothing is lost, no
    other one waits, and memory stays bounded.

    Args:
        url: Of the hub.
        positions: File that keeps where subscriptions are, or None. An item counts
            as done when the next one is asked for, so after a crash the last one
            comes again: at least once. One subscriber at a time has it.
        options: See ``LinkOptions``.

    Raises:
        UsageError: If URL and options cannot be used.
    """

    def __init__(
        self, url: str, *, positions: Path | None = None, **options: Unpack[LinkOptions]
    ) -> None:
        self._keeper = Keeper(url, self, options)
        self._clock = self._keeper.clock
        self._file = (
            None
            if positions is None
            else PositionFile(Path(positions), self._keeper.logger)
        )
        self._kept: dict[str, Mapping[str, Position]] = {}
        self._is_unsaved = False
        self._saving: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._link: Link | None = None
        self._is_open = False
        self._heard_at = 0.0
        self._ids = 0
        self._pending: dict[Id, tuple[Subscription, Want]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._routes: dict[str, Subscription] = {}
        self._error: WavetankError | None = None
        self._events = 0
        self._gaps = 0
        self._foreign = 0
        self._healed = 0
        self._duplicates = 0

    # For users.

    async def __aenter__(self) -> Self:
        """Read the position file and begin to connect; do not wait for that.

        Raises:
            UsageError: If the position file cannot be used.
            TargetError: If another subscriber has it, or its disk is full.
        """
        file = self._file
        if file is None:
            self._start()
            return self
        file.take()
        try:
            self._kept = await asyncio.to_thread(file.load)
            self._start()
        except BaseException:
            file.release()
            raise
        self._saving = asyncio.create_task(self._save_often(file))
        return self

    def _start(self) -> None:
        self._heard_at = self._clock.wall()
        self._keeper.start()
        self._is_open = True

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    async def ready(self, timeout: float | None = None) -> None:
        """Wait for the first connection.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: If there is none by then.
            GaveUp: If there will be none.
        """
        await self._keeper.ready(timeout)

    def subscribe(
        self,
        topic: str,
        *,
        since: Since | None = None,
        deliver: Deliver = "all",
        buffer: int = 1000,
        buffer_bytes: int = 8 * 1024 * 1024,
    ) -> Subscription:
        """Subscribe to a topic or a pattern.

        Args:
            topic: Such as ``prices.btc-usd``, ``prices.*`` or ``prices.**``.
            since: Where to start; None is live only. A position that the position
                file has of this subscription goes first.
            deliver: ``all``, ``latest``, or at most so many events a second.
            buffer: Items that may wait for their reader.
            buffer_bytes: Bytes that may wait for their reader.

        Raises:
            LocalError: If topic, since or deliver is none, or it is subscribed.
        """
        if not self._is_open:
            raise LocalError("subscribe inside of `async with`")
        if topic in self._subscriptions:
            raise LocalError(f"{topic} is subscribed; close that one first")
        wish = make_wish(
            topic,
            since,
            deliver,
            self._kept.get(topic),
            is_lost=self._file is not None and self._file.is_lost,
        )
        following = Following(wish, backoff=self._keeper.backoff, rng=self._keeper.rng)
        store = Buffer(entries=max(1, buffer), size=max(1, buffer_bytes))
        subscription = Subscription(following, store, self._drive)
        if self._error is not None:
            subscription.end(self._error)
            return subscription
        self._subscriptions[topic] = subscription
        if not is_pattern(topic):
            self._routes[topic] = subscription
        subscription.note_placed()
        self._drive(subscription)
        return subscription

    async def close(self) -> None:
        """End all subscriptions, close the connection, write the position file."""
        if not self._is_open:
            return
        self._is_open = False
        self._link = None
        for subscription in list(self._subscriptions.values()):
            subscription.close()
        if self._file is not None and self._saving is not None:
            self._stop.set()
            try:
                await self._saving
            finally:
                self._file.release()
        await self._keeper.close()

    def statistics(self) -> dict[str, int]:
        """Return what was counted so far."""
        every = [each.following for each in self._subscriptions.values()]
        return {
            "connections": self._keeper.connections,
            "subscriptions": len(every),
            "events": self._events,
            "gaps": self._gaps,
            "duplicates": self._duplicates + sum(one.duplicates for one in every),
            "healed": self._healed + sum(one.healed for one in every),
            "foreign": self._foreign,
        }

    # What subscriptions want of the hub.

    def _drive(self, subscription: Subscription) -> None:
        """Tell the hub what a subscription wants now, or later."""
        following = subscription.following
        if following.phase is Phase.ENDED:
            self._remove(subscription)
            return
        link = self._link
        if link is None:
            return
        now = self._clock.now()
        want = following.want(now, has_room=subscription.buffer.has_room)
        if want is Want.SUBSCRIBE:
            id = self._next_id(subscription, want)
            room = link.welcome.limits.message_bytes
            link.tell(following.subscribe(id, room=room))
        elif want is Want.UNSUBSCRIBE:
            link.tell(following.unsubscribe(self._next_id(subscription, want)))
        elif following.phase in {Phase.OUT, Phase.BROKEN} and following.retry_at > now:
            self._drive_later(subscription, following.retry_at - now)

    def _drive_later(self, subscription: Subscription, seconds: float) -> None:
        if subscription.timer is not None:
            subscription.timer.cancel()
        loop = asyncio.get_running_loop()
        subscription.timer = loop.call_later(seconds, self._drive, subscription)

    def _next_id(self, subscription: Subscription, want: Want) -> int:
        self._ids += 1
        self._pending[self._ids] = (subscription, want)
        return self._ids

    def _remove(self, subscription: Subscription) -> None:
        """Forget a subscription; the hub forgets it too."""
        if self._subscriptions.get(subscription.topic) is not subscription:
            return
        following = subscription.following
        del self._subscriptions[subscription.topic]
        for topic in [t for t, owner in self._routes.items() if owner is subscription]:
            del self._routes[topic]
        self._healed += following.healed
        self._duplicates += following.duplicates
        self._keep_places(subscription)
        if not subscription.is_over:
            subscription.end(following.refusal)
        if self._link is not None and following.is_asked:
            id = self._next_id(subscription, Want.UNSUBSCRIBE)
            self._link.tell(following.unsubscribe(id))

    # What the keeper says.

    def opened(self, link: Link) -> None:
        """Subscribe to everything on a new connection."""
        self._link = link
        self._pending.clear()
        for subscription in list(self._subscriptions.values()):
            subscription.following.lost()
            self._drive(subscription)

    def lost(self, ending: Ending) -> None:
        """Tell everybody that nothing comes for now."""
        if self._link is not None:
            self._heard_at = self._link.heard_at
        self._link = None
        self._pending.clear()
        reason = "silent" if ending.cause in _SILENCE else "disconnected"
        for subscription in self._subscriptions.values():
            subscription.following.lost()
            subscription.put(subscription.following.grow_stale(reason, self._heard_at))

    def failed(self, ending: Ending) -> None:
        """Tell everybody who does not know it yet that there is no connection."""
        del ending  # the keeper has logged it
        for subscription in self._subscriptions.values():
            items = subscription.following.grow_stale("disconnected", self._heard_at)
            subscription.put(items)

    def finished(self, error: WavetankError) -> None:
        """Let every reader know that nothing comes any more."""
        self._error = error
        for subscription in list(self._subscriptions.values()):
            subscription.end(error)

    # What the hub says.

    def heard(self, message: Message) -> None:
        """Take a message."""
        if type(message) is Event:
            self._take_event(message)
        elif isinstance(message, Heartbeat):
            for topic, (seq, tag) in message.tops.items():
                subscription = self._find(topic)
                if subscription is not None and subscription.buffer.has_room:
                    now = self._clock.now()
                    subscription.following.beat(topic, seq, tag, now)
                    self._settle(subscription)
        elif isinstance(message, Gap | TopicAdded):
            self._take_place(message)
        else:
            self._take_answer(message)

    def _take_event(self, event: Event) -> None:
        subscription = self._routes.get(event.topic) or self._find(event.topic)
        if subscription is None:
            self._foreign += 1
            return
        # Without room its place stays, and from there it goes on later.
        if subscription.buffer.has_room:
            clock = self._clock
            following = subscription.following
            items = following.offer(event, clock.now(), clock.wall())
            if items:
                self._events += 1
                self._gaps += len(items) > 1 and isinstance(items[0], GapItem)
                subscription.put(items)
            if not subscription.buffer.has_room or following.phase is not Phase.LIVE:
                self._settle(subscription)

    def _take_place(self, message: Gap | TopicAdded) -> None:
        subscription = self._find(message.topic)
        if subscription is None or not subscription.buffer.has_room:
            return
        following, now = subscription.following, self._clock.now()
        if isinstance(message, Gap):
            items = following.skip(message, now, self._clock.wall())
        else:
            items = following.add(message, now)
        self._hand_on(subscription, items)

    def _take_answer(self, message: Message) -> None:
        if isinstance(message, Unsubscribed) and message.id is None:
            self._take_dismissal(message)
            return
        id: Id | None = getattr(message, "id", None)
        pending = None if id is None else self._pending.pop(id, None)
        if pending is None:
            return
        subscription, want = pending
        following = subscription.following
        if want is Want.UNSUBSCRIBE:
            following.unsubscribed()
        elif isinstance(message, Subscribed | SubscribedPattern):
            clock = self._clock
            items = following.subscribed(message, clock.now(), clock.wall())
            self._hand_on(subscription, items)
            return
        elif isinstance(message, Error):
            following.refused(message, self._clock.now())
        self._settle(subscription)

    def _take_dismissal(self, message: Unsubscribed) -> None:
        subscription = self._subscriptions.get(message.topic)
        if subscription is not None:
            subscription.following.dismissed(message.reason, self._clock.now())
            self._settle(subscription)

    def _hand_on(self, subscription: Subscription, items: Sequence[Item]) -> None:
        self._gaps += sum(isinstance(item, GapItem) for item in items)
        subscription.put(items)
        self._settle(subscription)

    def _settle(self, subscription: Subscription) -> None:
        """Keep first places, then do what it wants."""
        if subscription.following.placed:
            subscription.note_placed()
        self._drive(subscription)

    def _find(self, topic: str) -> Subscription | None:
        """Return whose topic it is; None where nobody asked for it."""
        found = self._routes.get(topic)
        if found is not None:
            return found
        for pattern, subscription in self._subscriptions.items():
            if is_pattern(pattern) and matches(pattern, topic):
                if len(self._routes) < MOST_TOPICS and valid_topic(topic):
                    self._routes[topic] = subscription
                return subscription
        return None

    # The position file.

    def _keep_places(self, subscription: Subscription) -> None:
        if subscription.following.is_placed:
            self._kept[subscription.topic] = subscription.positions
            self._is_unsaved = True

    async def _save_often(self, file: PositionFile) -> None:
        """Write what has moved, once a second and at the end."""
        is_last = False
        while not is_last:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_EVERY):
                    await self._stop.wait()
            is_last = self._stop.is_set()
            await self._save(file)

    async def _save(self, file: PositionFile) -> None:
        moved = [each for each in self._subscriptions.values() if each.has_moved]
        for subscription in moved:
            subscription.has_moved = False
            self._keep_places(subscription)
        if not self._is_unsaved:
            return
        self._is_unsaved = False
        try:
            await asyncio.to_thread(file.save, dict(self._kept))
        except OSError as error:
            self._is_unsaved = True
            self._keeper.logger.error("positions_not_saved", reason=str(error))

    def __repr__(self) -> str:
        """Show what it has."""
        return f"<Subscriber {self.statistics()}>"
