"""A publisher that goes on: numbered messages at a rate, whatever breaks.

It refuses to know who gets them, and to try one again: whether it was taken before
is for nobody to know.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wavetank.dialects import Capability
from wavetank.errors import RemoteError
from wavetank.evidence import Change
from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import digest_of, write_id
from wavetank.lab.conversation import Conversation, Refused
from wavetank.lab.keeping import Keeper, Kept, Open, Patience

if TYPE_CHECKING:
    import random

__all__ = [
    "LATE",
    "Publisher",
    "intended_of",
    "make_payload",
    "publish_last",
    "publish_one",
]

LATE = 0.1
"""Seconds after its intended moment from which on a message counts as late."""

_MOST = 1_000_000_000
# A target may write it anew, with blanks in it.
_AT = re.compile(r'"at"\s*:\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)', re.ASCII)


class Publisher(Kept):
    """Publishes at a rate, one message at a time, each acknowledged where it can be.

    An open model: each message has its intended moment, whatever became of those
    before; one that cannot be sent then is sent late, and counted. After a time-out
    or a lost connection nobody knows what became of a message, so the publisher in
    the ids is another one from then on (``p1.1``, ``p1.2`` ...): what two connections
    send has no order.

    Use it as an asynchronous context manager.

    Args:
        name: Its name; characters of [0-9A-Za-z_.-].
        topics: What it publishes to, in turn.
        run: The run's word in the ids; characters of [0-9a-z].
        rate: Messages a second.
        open: Opens a conversation.
        take: Takes what happens, in the order of time.
        now: Seconds since the run started.
        rng: Of its waits before it tries again.
        size: Least bytes of a payload.
        limit: Messages in all; None for no end.
        patience: How long it waits for what.
        notify: Told when it can publish, and when it cannot.

    Attributes:
        sent: Messages that were begun.
        acknowledged: Of these, what the target has said yes to.
        refused: What it has said no to.
        unknown: Of which nobody knows.
        late: What was begun `LATE` or more after its moment.
        is_busy: Whether a message is under way.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        *,
        run: str,
        rate: float,
        open: Open,
        take: Callable[[history.Event], None],
        now: Callable[[], float],
        rng: "random.Random",
        size: int = 0,
        limit: int | None = None,
        patience: Patience | None = None,
        notify: Callable[[Change], None] = lambda _: None,
    ) -> None:
        keeper = Keeper(
            name,
            open=open,
            use=self._publish_all,
            now=now,
            rng=rng,
            patience=patience,
            notify=notify,
        )
        super().__init__(keeper)
        self.topics = tuple(topics)
        self.sent = self.acknowledged = self.refused = self.unknown = self.late = 0
        self.is_busy = False
        self._run = run
        self._rate = rate
        self._size = size
        self._limit = _MOST if limit is None else limit
        self._take = take
        self._now = now
        self._began: float | None = None
        self._stopping = asyncio.Event()

    @property
    def is_done(self) -> bool:
        """Whether it publishes no more."""
        return self._stopping.is_set() or self.sent >= self._limit

    def statistics(self) -> dict[str, int]:
        """Return what has happened, by name."""
        names = ("sent", "acknowledged", "refused", "unknown", "late")
        counts = {name: int(getattr(self, name)) for name in names}
        return {"opened": self._keeper.opened, **counts}

    def stop(self) -> None:
        """Begin no more messages; what is under way is finished."""
        self._stopping.set()

    async def close(self) -> None:
        """Stop at once, and end the connection; idempotent."""
        self.stop()
        await super().close()

    async def _publish_all(self, conversation: Conversation) -> None:
        """Publish what is due, and ping between; return when all is done."""
        conversation.is_traced = False
        patience = self._keeper.patience
        publisher = f"{self.name}.{self._keeper.opened}"
        number, heard_at = 0, self._now()
        self._began = heard_at if self._began is None else self._began
        self._keeper.settle()
        while not self.is_done:
            due = self._began + self.sent / self._rate
            ping_due = heard_at + patience.ping_every
            await self._wait(min(due, ping_due) - self._now())
            if self._now() >= ping_due:
                await conversation.ping(within=patience.pong)
                heard_at = self._now()
            elif self._now() >= due and not self.is_done:
                number += 1
                await self._publish(conversation, publisher, number, due)

    async def _publish(
        self, conversation: Conversation, publisher: str, number: int, due: float
    ) -> None:
        topic = self.topics[self.sent % len(self.topics)]
        self.sent += 1
        self.late += self._now() - due >= LATE
        id_ = write_id(self._run, publisher, number)
        payload = make_payload(id_, at=due, size=self._size)
        known = (self.acknowledged, self.refused)
        self.is_busy = True
        try:
            was_taken = await publish_one(
                conversation, topic, payload, id_=id_, take=self._take, now=self._now
            )
            self.acknowledged += was_taken is True
            self.refused += was_taken is False
        finally:
            self.is_busy = False
            self.unknown += known == (self.acknowledged, self.refused)

    async def _wait(self, seconds: float) -> None:
        """Wait, unless it is stopped meanwhile."""
        if seconds <= 0:
            # Whoever is behind must still let others act.
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def __repr__(self) -> str:
        """Show who, how it is and what it has sent."""
        return f"<Publisher {self.name} {self.state}, {self.sent} sent>"


def make_payload(id_: str, *, at: float, size: int = 0) -> str:
    """Return the payload of a message: its id, its intended moment, and a pad.

    Args:
        id_: Its id.
        at: Seconds since the run started.
        size: Least bytes.
    """
    bare = f'{{"id":"{id_}","at":{at:.6f},"pad":""}}'
    pad = "x" * max(0, size - len(bare))
    return f'{{"id":"{id_}","at":{at:.6f},"pad":"{pad}"}}'


def intended_of(payload: str) -> float | None:
    """Return a payload's intended moment; None where it says none."""
    found = _AT.search(payload)
    return None if found is None else float(found[1])


async def publish_one(
    conversation: Conversation,
    topic: str,
    payload: str,
    *,
    id_: str,
    take: Callable[[history.Event], None],
    now: Callable[[], float],
) -> bool | None:
    """Publish a message, and tell the history what came of it.

    Returns:
        True where it was acknowledged, False where it was refused, None where the
        target gives no acknowledgements.

    Raises:
        RemoteError: If the connection was lost; nobody knows what became of it.
        TimeoutError: If no answer came; the same.
    """
    digest = digest_of(conversation.form(payload))
    take(history.PublishInvoked(now(), conversation.name, id_, topic, digest))
    answered = False
    try:
        reply = await conversation.publish(topic, payload)
        answered = Capability.ACKNOWLEDGE in conversation.dialect.capabilities
    except Refused:
        answered = True
        take(history.PublishFailed(now(), id_))
        return False
    finally:
        if not answered:
            take(history.PublishInfo(now(), id_))
        # Nobody reads what else a target says to a publisher.
        conversation.unread.clear()
    if not answered:
        return None
    take(history.PublishOk(now(), id_, reply.seq, reply.epoch))
    return True


async def publish_last(
    open: Open,
    topic: str,
    id_: str,
    *,
    take: Callable[[history.Event], None],
    now: Callable[[], float],
) -> bool:
    """Publish a message on a connection of its own; return False where it was refused.

    Raises:
        RemoteError: If there is no connection, or it was lost.
        TimeoutError: If no answer came.
    """
    conversation = await open()
    payload = make_payload(id_, at=now())
    try:
        was_taken = await publish_one(
            conversation, topic, payload, id_=id_, take=take, now=now
        )
        if was_taken is None:
            # Without an answer only the end of the connection shows that it has come.
            with contextlib.suppress(RemoteError, TimeoutError):
                await conversation.peer.close(timeout=1.0)
    finally:
        conversation.peer.abort()
    return was_taken is not False
