"""A follower: a subscriber that comes back, and tells what came to it.

It refuses to judge what came, and to know more of a target than its dialect says.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from wavetank.dialects import Capability, Event, Foreign, Heard, Notice, Reply
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Change
from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import digest_of, find_id
from wavetank.lab.conversation import Conversation
from wavetank.lab.keeping import Keeper, Kept, Open, Patience
from wavetank.lab.wire_fates import Reading
from wavetank.net import ConnectionEnded

if TYPE_CHECKING:
    import random

__all__ = ["Follower", "Passage", "Place"]

_FOREVER = 3600.0
_SHOWN = 80
_MOST_PASSAGES = 10_000


class Place(NamedTuple):
    """Where a follower is in a topic; ``seq`` is None where nobody has said."""

    epoch: str
    seq: int | None


class Passage(NamedTuple):
    """How far a follower has read in one of its connections.

    Attributes:
        connection: Its name in the history.
        link: Number of the proxy's link that it went through; None for none.
        last: Id of the last message that came; "" for none.
    """

    connection: str
    link: int | None
    last: str


class Follower(Kept):
    """Subscribes, reads without pause, and comes back behind its place.

    A dead link is noticed by the end of TCP, or by a ping of its own that nobody
    answers. Where the target can resume, it goes on behind the last message that
    came; else it subscribes anew. Memory is bounded by topics and connections.

    Use it as an asynchronous context manager.

    Args:
        name: Its name in the history.
        topics: What it subscribes to.
        open: Opens a conversation.
        take: Takes what happens, in the order of time.
        now: Seconds since the run started.
        rng: Of its waits before it tries again.
        patience: How long it waits for what.
        notify: Told when it has all its subscriptions, and when it has lost them.
        link_of: Returns the number of the proxy's link that a conversation uses.
        listen: Told each payload, as it came.

    Attributes:
        places: Topic -> where it is.
        delivered: Messages that came.
        replayed: Messages of these that came from the history, after a resume.
        refused: How often the target would not resume.
        passages: Its connections up to now, the present one excepted; the oldest go.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        *,
        open: Open,
        take: Callable[[history.Event], None],
        now: Callable[[], float],
        rng: "random.Random",
        patience: Patience | None = None,
        notify: Callable[[Change], None] = lambda _: None,
        link_of: Callable[[Conversation], int | None] = lambda _: None,
        listen: Callable[[str], None] = lambda _: None,
    ) -> None:
        keeper = Keeper(
            name,
            open=open,
            use=self._follow,
            now=now,
            rng=rng,
            patience=patience,
            notify=notify,
        )
        super().__init__(keeper)
        self.topics = tuple(topics)
        self.places: dict[str, Place] = {}
        self.delivered = self.replayed = self.refused = 0
        self.passages: list[Passage] = []
        self._take = take
        self._now = now
        self._link_of = link_of
        self._listen = listen
        self._connection = ""
        self._link: int | None = None
        self._last = ""
        self._is_deaf = False
        # Topic -> its top when it was resumed: what is not above comes again.
        self._tops: dict[str, int] = {}

    @property
    def passage(self) -> Passage:
        """How far it has read in its present connection."""
        return Passage(self._connection, self._link, self._last)

    @property
    def readings(self) -> list[Reading]:
        """How far it has read in each link of the proxy that it went through."""
        last = [(*self.passage[1:], True)] if self.is_connected else []
        past = [(passage.link, passage.last, False) for passage in self.passages]
        return [
            (link, read, is_last)
            for link, read, is_last in (*past, *last)
            if link is not None
        ]

    def statistics(self) -> dict[str, int]:
        """Return what has happened, by name."""
        return {
            "opened": self._keeper.opened,
            "delivered": self.delivered,
            "replayed": self.replayed,
            "refused": self.refused,
        }

    # One connection

    async def _follow(self, conversation: Conversation) -> None:
        resumes = _can_resume(conversation)
        self._connection = f"{self.name}/{self._keeper.opened}"
        self._link = self._link_of(conversation)
        self._last, self._is_deaf = "", False
        begins = history.Resumed if resumes and self.places else history.Connected
        self._take(begins(self._now(), self.name, self._connection))
        pinging = asyncio.create_task(self._ping(conversation))
        try:
            for topic in self.topics:
                await self._subscribe(conversation, topic, resumes=resumes)
            # Each message is in the history; the journal would only grow.
            conversation.is_traced = False
            self._keeper.settle()
            while True:
                heard = await conversation.next_heard(within=_FOREVER)
                self._hear(conversation, heard)
        except LocalError:
            if self._is_deaf:
                raise TimeoutError(f"{self.name}: no pong came in time") from None
            raise
        except ConnectionEnded as error:
            self._note_violation(error.violation)
            raise
        finally:
            pinging.cancel()
            self._leave()
            await asyncio.wait([pinging])

    def _leave(self) -> None:
        """Note how far it has read."""
        self.passages.append(self.passage)
        del self.passages[:-_MOST_PASSAGES]
        self._take(history.Closed(self._now(), self.name, self._connection))

    async def _ping(self, conversation: Conversation) -> None:
        """Ping as long as it is answered; end the connection where it is not."""
        patience = self._keeper.patience
        with contextlib.suppress(RemoteError, LocalError):
            while True:
                await asyncio.sleep(patience.ping_every)
                try:
                    await conversation.peer.ping(patience.pong)
                except TimeoutError:
                    self._is_deaf = True
                    conversation.abort()
                    return

    async def _subscribe(
        self, conversation: Conversation, topic: str, *, resumes: bool
    ) -> None:
        place = self.places.get(topic) if resumes else None
        self._tops.pop(topic, None)
        if place is None or place.seq is None:
            reply = await conversation.subscribe(topic)
            self._begin(topic, Place(reply.epoch, reply.seq))
            return
        reply = await conversation.subscribe(topic, epoch=place.epoch, seq=place.seq)
        if reply.recovered is False:
            self.refused += 1
            self._declare(topic, place, reply)
            self._begin(topic, Place(reply.epoch or place.epoch, reply.seq))
            return
        if reply.seq is not None:
            self._tops[topic] = reply.seq
        self._begin(topic, Place(reply.epoch or place.epoch, place.seq))

    def _begin(self, topic: str, place: Place) -> None:
        self.places[topic] = place
        self._take(
            history.Subscribed(self._now(), self.name, topic, place.seq, place.epoch)
        )

    def _declare(self, topic: str, place: Place, reply: Reply) -> None:
        """Note what the target has said that it will not send."""
        assert place.seq is not None
        if reply.epoch in {"", place.epoch}:
            self._note_gap(topic, place.seq + 1, reply.seq, place.epoch)
            return
        # Of the old life nothing more comes, and of the new one nothing up to here.
        self._note_gap(topic, place.seq + 1, None, place.epoch)
        if reply.seq:
            self._note_gap(topic, 1, reply.seq, reply.epoch)

    def _note_gap(self, topic: str, first: int, last: int | None, epoch: str) -> None:
        if last is None or last >= first:
            at = self._now()
            self._take(history.Gap(at, self.name, topic, first, last, epoch))

    # What comes

    def _hear(self, conversation: Conversation, heard: Heard) -> None:
        match heard:
            case Event():
                self._deliver(conversation, heard)
            case Notice(name="gap", first=int(), last=int()):
                if heard.topic in self.places:
                    self._skip(heard)
            case Notice(name="unsubscribed"):
                raise RemoteError(f"the target ended a subscription: {heard.text}")
            case Foreign() if _is_damaged(heard.text):
                self._note_damage(heard.text[:_SHOWN])

    def _deliver(self, conversation: Conversation, event: Event) -> None:
        topic = event.topic or self.topics[0]
        epoch, place = self.places.get(topic, ("", None))
        seq = event.seq
        is_replay = seq is not None and seq <= self._tops.get(topic, -1)
        id_ = find_id(event.payload)
        self._take(
            history.Delivered(
                self._now(),
                self.name,
                self._connection,
                topic,
                id_,
                seq,
                epoch,
                digest_of(conversation.form(event.payload)),
                is_replay,
            )
        )
        self._listen(event.payload)
        self.delivered += 1
        self.replayed += is_replay
        self._last = id_ or self._last
        # A target may make up topics without end: those are no places to go on from.
        is_ours = topic in self.places
        if seq is not None and is_ours and (place is None or seq > place):
            self.places[topic] = Place(epoch, seq)

    def _skip(self, notice: Notice) -> None:
        """Go on behind what the target says will not come."""
        assert notice.first is not None
        assert notice.last is not None
        epoch, seq = self.places.get(notice.topic, ("", None))
        new = notice.epoch or epoch
        if new != epoch:
            self._note_gap(notice.topic, (seq or 0) + 1, None, epoch)
        self._note_gap(notice.topic, notice.first, notice.last, new)
        if new != epoch or seq is None or notice.last > seq:
            self.places[notice.topic] = Place(new, notice.last)

    def _note_damage(self, detail: str) -> None:
        self._take(
            history.Damaged(self._now(), self.name, self._connection, "", detail)
        )

    def _note_violation(self, violation: str) -> None:
        if violation:
            self._note_damage(violation[:_SHOWN])

    def __repr__(self) -> str:
        """Show who, how it is and what came."""
        return f"<Follower {self.name} {self.state}, {self.delivered} delivered>"


def _can_resume(conversation: Conversation) -> bool:
    # Without numbers nobody could say behind what.
    needs = {Capability.RESUME, Capability.SEQUENCE}
    return needs <= conversation.dialect.capabilities


def _is_damaged(text: str) -> bool:
    """Tell whether it was a message of ours, and is none any more.

    What a target says beside its dialect is its own affair.
    """
    if text[:1] not in {"{", "["}:
        return bool(find_id(text))
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False
