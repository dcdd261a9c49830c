"""Publisher: takes publications at once, and sends each until it is settled.

It refuses to know how a connection is kept, and in which order things are sent.
"""

import asyncio
import secrets
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack
from weakref import WeakValueDictionary

import msgspec

from wavetank.client.aio.door import LinkOptions
from wavetank.client.aio.keeper import Keeper
from wavetank.client.aio.link import Link, Message
from wavetank.client.aio.queue import Queue
from wavetank.client.aio.receipt import Receipt, Result
from wavetank.client.failures import NotPublished, Refused
from wavetank.client.lifecycle import Ending
from wavetank.client.outbox import Entry, Fate, Outcome
from wavetank.client.payloads import make_payload
from wavetank.errors import LocalError, UsageError, WavetankError
from wavetank.protocol import (
    Error,
    ErrorCode,
    Position,
    Producer,
    Publish,
    Published,
    encode_command,
)

__all__ = ["Publisher"]

_AT_ONCE = 64
"""Publications that are offered in a row before others have a turn."""

_DISK_PAUSE = 1.0
"""Seconds to wait for a disk that does not take what has to be written first."""


class Publisher:
    """Publishes over one connection that is kept.

    Use it as ``async with``. Publications of a topic arrive in the order in which
    they were accepted, each once, over lost connections and restarts of the hub.

    Args:
        url: Of the hub.
        queue: Publications in memory that are not settled; what comes on top of
            them is refused, or goes to the spool.
        queue_bytes: Bytes of their payloads.
        spool: Folder that keeps what is not settled over restarts, or None.
        spool_bytes: Most bytes in it; None is unlimited.
        fsync: Whether the spool's disk has to have an entry before it is accepted:
            then accepting waits for the disk, some milliseconds.
        name: Of the producer, one per publisher at a time; left out: a random one,
            or the one that the spool has.
        options: See ``LinkOptions``. ``max_retries`` is how often one publication
            may be in vain; the connection is tried for ever.

    Raises:
        UsageError: If URL and options cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        queue: int = 1000,
        queue_bytes: int = 64 * 1024 * 1024,
        spool: Path | None = None,
        spool_bytes: int | None = 1024**3,
        fsync: bool = False,
        name: str | None = None,
        **options: Unpack[LinkOptions],
    ) -> None:
        if name is not None and not 1 <= len(name) <= 128:
            raise UsageError("name: a producer's name has 1 to 128 characters")
        max_retries = options.pop("max_retries", None)
        self._keeper = Keeper(url, self, options, is_forgiving=True)
        self._clock = self._keeper.clock
        self._folder = spool
        self._spool_bytes = spool_bytes
        self._fsync = fsync
        self._is_named = name is not None
        self._queue = Queue(
            name or f"p-{secrets.token_hex(8)}",
            # A name that lives on needs an epoch that is higher at each start.
            1 if name is None else int(self._clock.wall() * 1000),
            self._keeper,
            entries=max(1, queue),
            size=queue_bytes,
            max_retries=max_retries,
        )
        self._link: Link | None = None
        self._is_open = False
        self._error: WavetankError | None = None
        self._over = asyncio.Event()
        self._receipts: WeakValueDictionary[int, Receipt] = WeakValueDictionary()
        self._timer: asyncio.TimerHandle | None = None
        self._tidying: asyncio.Handle | None = None
        self._flushes: list[tuple[int, asyncio.Future[bool]]] = []
        self._room: list[asyncio.Future[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._counts = dict.fromkeys(
            ("accepted", "acknowledged", "duplicates", "refused", "failed"), 0
        )

    # For users.

    async def __aenter__(self) -> Self:
        """Open the spool and begin to connect; do not wait for that.

        Raises:
            UsageError: If the spool cannot be used, or has another name.
            TargetError: If another process has it, or its disk is full.
        """
        if self._folder is not None:
            self._queue.open_spool(
                self._folder,
                max_bytes=self._spool_bytes,
                fsync=self._fsync,
                named=self._is_named,
            )
        self._keeper.start()
        self._is_open = True
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close; see there for what is waited for."""
        await self.close()

    @property
    def error(self) -> WavetankError | None:
        """Why nothing can be published any more; None while that is not so."""
        return self._error

    @property
    def spool_lost(self) -> Path | None:
        """Where a damaged spool is now, with what it had; None if it was whole."""
        return self._queue.spool_lost

    async def over(self) -> None:
        """Wait until nothing can be published any more; ``error`` says why then."""
        await self._over.wait()

    async def ready(self, timeout: float | None = None) -> None:
        """Wait for the first connection.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: If there is none by then.
            GaveUp: If there will be none.
        """
        await self._keeper.ready(timeout)

    def publish_nowait(
        self, topic: str, data: Any, *, key: str | None = None
    ) -> Receipt:
        """Accept a publication, or refuse it where there is no room; never wait.

        Args:
            topic: Where it goes.
            data: JSON as bytes, which go out as they are, or any other value.
            key: Idempotency key: what has the same one within five minutes is
                published once, whoever retries it. Without one, order and number
                tell duplicates apart. Publications with keys to the same topic
                wait for each other, which takes time.

        Returns:
            Its receipt, whose ``result`` may be REFUSED.

        Raises:
            LocalError: If there is no such topic, key or JSON, or this is closed.
        """
        payload = self._check(topic, data, key)
        receipt = self._accept(topic, payload, key)
        if receipt is None:
            self._counts["refused"] += 1
            receipt = Receipt(topic)
            words = f"{topic}: there is no room; {len(self._queue)} wait already"
            error = NotPublished(words, code="refused", is_certain=True)
            receipt.fail(Result.REFUSED, error)
        return receipt

    async def offer(self, topic: str, data: Any, *, key: str | None = None) -> Receipt:
        """Accept a publication as soon as there is room.

        Args and exceptions are those of ``publish_nowait``.
        """
        payload = self._check(topic, data, key)
        while (receipt := self._accept(topic, payload, key)) is None:
            waiter = asyncio.get_running_loop().create_future()
            self._room.append(waiter)
            await waiter
            if not self._is_open:
                raise LocalError("this publisher is closed")
        if self._queue.number % _AT_ONCE == 0:
            # Whoever offers in a tight loop must not keep everything from going out.
            await asyncio.sleep(0)
        return receipt

    async def publish(
        self, topic: str, data: Any, *, key: str | None = None
    ) -> Position | None:
        """Publish and wait for the acknowledgement.

        Returns:
            Its position; None for a duplicate too old to know.

        Raises:
            NotPublished: If it was not acknowledged.
            LocalError: As ``publish_nowait``.
        """
        return await (await self.offer(topic, data, key=key))

    async def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything that was accepted before is settled.

        Args:
            timeout: Seconds; None waits for ever.

        Returns:
            Whether that is so.
        """
        if self._queue.oldest > self._queue.number:
            return True
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._flushes.append((self._queue.number, waiter))
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            return False

    async def close(self, timeout: float | None = 10.0) -> bool:
        """Flush, then close the connection.

        What is not settled by then fails, or stays in the spool.

        Args:
            timeout: Seconds for the flush; None waits for ever.

        Returns:
            Whether everything was settled.
        """
        if not self._is_open:
            return True
        is_clean = await self.flush(timeout)
        self._is_open = False
        self._link = None
        self._cancel_timer()
        self._abandon("closed", "this publisher was closed")
        self._make_room()
        await self._keeper.close()
        if self._closing is not None:
            await self._closing
        if self._tidying is not None:
            self._tidying.cancel()
        self._queue.close()
        return is_clean

    def statistics(self) -> dict[str, int]:
        """Return what was counted so far; ``queued`` is how many wait now."""
        return {
            **self._counts,
            "retried": self._queue.outbox.retried,
            "reconnects": max(0, self._keeper.connections - 1),
            "queued": len(self._queue),
        }

    # In.

    def _check(self, topic: str, data: Any, key: str | None) -> bytes:
        if not self._is_open:
            raise LocalError("publish inside of `async with`")
        payload = make_payload(topic, data, key)
        most = self._spool_bytes
        is_kept = self._queue.is_kept
        if is_kept and most is not None and len(payload) > most // 2:
            raise LocalError("data: it is larger than half of the spool")
        return payload

    def _accept(self, topic: str, payload: bytes, key: str | None) -> Receipt | None:
        """Take an entry in; return None where there is no room."""
        receipt = Receipt(topic)
        if self._error is not None:
            error = NotPublished(str(self._error), code="gave_up", is_certain=True)
            self._counts["failed"] += 1
            receipt.fail(Result.FAILED, error)
            return receipt
        if not self._queue.has_room(len(payload)):
            return None
        entry = self._queue.put(topic, payload, key)
        if entry is None:
            return None
        self._counts["accepted"] += 1
        self._receipts[entry.number] = receipt
        self._pump()
        return receipt

    # Out.

    def _pump(self) -> None:
        """Send what may be sent now."""
        link = self._link
        self._cancel_timer()
        if link is None:
            return
        loop = asyncio.get_running_loop()
        now, outbox = self._clock.now(), self._queue.outbox
        if not self._queue.note_lanes():
            self._timer = loop.call_later(_DISK_PAUSE, self._pump)
            return
        while (entry := outbox.next(now)) is not None:
            self._send(link, entry, now)
        if now < outbox.due_at < inf:
            self._timer = loop.call_later(outbox.due_at - now, self._pump)

    def _send(self, link: Link, entry: Entry, now: float) -> None:
        producer = None
        if entry.lane is not None:
            lane = entry.lane
            seq = lane.seq(entry.ordinal)
            producer = Producer(name=self._queue.name, epoch=lane.epoch, seq=seq)
        message = encode_command(
            Publish(
                id=entry.number,
                topic=entry.topic,
                data=msgspec.Raw(entry.data),
                key=entry.key,
                producer=producer,
            )
        )
        most = link.welcome.limits.message_bytes
        if most is None or len(message) <= most:
            link.post(entry.number, message)
            return
        # The hub would close the connection (1009) instead of refusing it.
        words = f"the message has {len(message)} bytes; at most {most} are taken"
        code = ErrorCode.PAYLOAD_TOO_LARGE
        error = Error.of(code, words, id=entry.number, at=self._clock.wall())
        self._take_outcome(self._queue.outbox.refused(entry.number, error, now), error)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What the keeper and the hub say.

    def opened(self, link: Link) -> None:
        """Send everything that is not settled on a new connection."""
        if self._link is not None:
            # It has moved: the old one is not listened to any more.
            self._give_up(self._queue.outbox.lost())
        self._link = link
        limits = link.welcome.limits
        rates = [limits.publish_per_s, limits.commands_per_s]
        rate = min((each for each in rates if each is not None), default=None)
        self._queue.outbox.connected(rate, self._clock.now())
        self._pump()

    def lost(self, ending: Ending) -> None:
        """Remember that what was sent may have arrived or not."""
        del ending  # the keeper has logged it
        self._link = None
        self._give_up(self._queue.outbox.lost())

    def failed(self, ending: Ending) -> None:
        """Count an attempt that was in vain for everything that waits."""
        del ending
        self._give_up(self._queue.outbox.failed_to_connect())

    def heard(self, message: Message) -> None:
        """Take an answer."""
        if isinstance(message, Published):
            self._take_acknowledgement(message)
        elif isinstance(message, Error) and isinstance(message.id, int):
            now = self._clock.now()
            outcome = self._queue.refused(message.id, message, now)
            self._take_outcome(outcome, message)
            self._pump()

    def _take_acknowledgement(self, published: Published) -> None:
        if not isinstance(published.id, int):
            return
        entry = self._queue.acknowledged(published.id)
        if entry is None:
            return
        self._counts["acknowledged"] += 1
        self._counts["duplicates"] += published.duplicate
        receipt = self._receipts.pop(entry.number, None)
        if receipt is not None:
            seq = published.seq
            position = None if seq is None else Position(published.epoch, seq)
            receipt.acknowledge(position, is_duplicate=published.duplicate)
        self._settle(entry)
        self._pump()

    def _take_outcome(self, outcome: Outcome | None, error: Error) -> None:
        if outcome is None or outcome.fate is Fate.AGAIN:
            return
        entry = outcome.entry
        words = f"{entry.topic}: {error.message}"
        certain = not entry.is_doubtful
        self._fail(entry, NotPublished(words, code=error.code, is_certain=certain))
        if outcome.fate is Fate.FENCED:
            self.finished(Refused(words, code=error.code, topic=entry.topic))

    def _give_up(self, entries: list[Entry]) -> None:
        """Fail entries that were in vain as often as they may."""
        for entry in entries:
            words = f"{entry.topic}: {entry.retries + 1} attempts were in vain"
            certain = not entry.is_doubtful
            self._fail(entry, NotPublished(words, code="retries", is_certain=certain))

    def _fail(self, entry: Entry, error: NotPublished) -> None:
        self._counts["failed"] += 1
        self._keeper.logger.warning(
            "not_published", topic=entry.topic, code=error.code, reason=str(error)
        )
        receipt = self._receipts.pop(entry.number, None)
        if receipt is not None:
            receipt.fail(Result.FAILED, error)
        self._settle(entry)

    def finished(self, error: WavetankError) -> None:
        """Hear that nothing can be sent any more."""
        self._error = error
        self._over.set()
        self._link = None
        self._abandon("gave_up", str(error))
        self._make_room()
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._keeper.close())

    def _abandon(self, code: str, words: str) -> None:
        """Let go of everything that is not settled; the spool keeps what it has."""
        is_kept = self._queue.is_kept
        result = Result.KEPT if is_kept else Result.FAILED
        for entry in self._queue.abandon():
            self._counts["failed"] += not is_kept
            receipt = self._receipts.pop(entry.number, None)
            if receipt is not None:
                certain = not entry.is_doubtful and not entry.is_flying
                error = NotPublished(
                    f"{entry.topic}: {words}", code=code, is_certain=certain
                )
                receipt.fail(result, error)
        for receipt in list(self._receipts.values()):
            error = NotPublished(words, code=code, is_certain=True)
            receipt.fail(result, error)
        self._receipts.clear()
        for _, waiter in self._flushes:
            if not waiter.done():
                waiter.set_result(False)
        self._flushes.clear()

    # What is settled.

    def _settle(self, entry: Entry) -> None:
        """Forget an entry, soon: those that are settled together are one write."""
        self._queue.settle(entry)
        if self._tidying is None:
            loop = asyncio.get_running_loop()
            self._tidying = loop.call_soon(self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        self._queue.tidy()
        self._queue.refill()
        self._pump()
        self._make_room()
        oldest = self._queue.oldest
        while self._flushes and self._flushes[0][0] < oldest:
            _, waiter = self._flushes.pop(0)
            if not waiter.done():
                waiter.set_result(True)

    def _make_room(self) -> None:
        waiters, self._room = self._room, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def __repr__(self) -> str:
        """Show what it has."""
        return f"<Publisher {self._queue.name} {self.statistics()}>"
