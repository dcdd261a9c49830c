"""The delivery checker: what happened to messages in, what is wrong with it out.

It refuses to know sockets, hubs and dialects. It is a fold: each event is taken once.
"""

from collections.abc import Callable, Iterable
from typing import Any

from wavetank.lab.checkers.audience import Audience
from wavetank.lab.checkers.delivery_report import Account, DeliveryReport
from wavetank.lab.checkers.final_phase import FinalPhase
from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Damaged,
    Delivered,
    Drained,
    DropNotice,
    Event,
    Fates,
    FaultBegins,
    FaultHeals,
    Gap,
    Healed,
    Kept,
    PublishFailed,
    PublishInfo,
    PublishInvoked,
    PublishOk,
    Reconnected,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.promises import AT_LEAST_ONCE, Anomaly, Promise
from wavetank.lab.checkers.publications import (
    FAILED,
    INFO,
    KEPT,
    LAST_SEQ,
    MASK,
    OK,
    OPEN,
    OWN_DIGEST,
    SEEN,
    TWICE,
    Chunk,
)
from wavetank.lab.checkers.register import Entry, Register
from wavetank.lab.checkers.retention import Retention
from wavetank.lab.checkers.settlement import Settlement
from wavetank.lab.checkers.streams import Found, Stream
from wavetank.lab.checkers.tallies import Example, Tally

__all__ = ["Checker"]

_FORGOTTEN = "messages came again so late that nothing was known of them any more"
_DECIDED = "messages were given up for lost because too many were missing at a time"
_TOO_EARLY = "a subscriber asked for messages of which nothing was known any more"
_SENT_AGAIN = "a message was sent again when nothing was known of it any more"
_SCATTERED = "sequence numbers had more gaps or epochs than are told apart"


class Checker:
    """Accounts for every message, from its publication to each subscriber.

    Events come in the order of time; a delivery may come before the acknowledgement
    of what it delivers. One subscriber has one connection at a time: order and
    repetition are those of one connection. What an application gets of a client that
    hides its connections is told with one name for all of them.

    What is kept for each publication takes about 70 bytes, and 4 for each subscriber
    of it; publications go in chunks of 1,024 of a topic, once everybody who is owed
    them has got them and ``recent`` newer ones have gone the same way. So memory is
    bounded by topics, subscribers and publishers, however many messages there are.
    Where messages stay missing, ``most`` is the bound; beyond that the oldest are
    decided as they stand, and the report says so.

    Args:
        promise: What the target promises.
        recent: Publications that are known still when everybody has got them, to
            tell what comes again.
        most: Publications that are kept because somebody has not got them yet.
        limit: Gaps that are told apart in the numbers that one subscriber gets.
    """

    def __init__(
        self,
        *,
        promise: Promise = AT_LEAST_ONCE,
        recent: int = 500_000,
        most: int = 8_000_000,
        limit: int = 10_000,
    ) -> None:
        self._promise = promise
        self._tally = Tally()
        self._final = FinalPhase()
        self._register = Register(limit=limit)
        self._audience = Audience(promise, self._register, limit=limit)
        self._retention = Retention(
            recent=recent, most=most, streams=self._audience.followers
        )
        self._has_seqs = self._is_sent_again = False
        self._takers: dict[type, Callable[[Any], None]] = {
            Closed: self._audience.close,
            Connected: self._audience.connect,
            Damaged: self._take_damaged,
            Delivered: self._deliver,
            Drained: self._drain,
            DropNotice: self._audience.note_drops,
            FaultBegins: lambda event: self._final.begin_fault(event.name),
            FaultHeals: lambda event: self._final.heal_fault(event.name),
            Gap: self._audience.declare,
            Healed: lambda _: self._final.heal(),
            Kept: self._keep,
            PublishFailed: lambda event: self._answer(event.id, FAILED),
            PublishInfo: lambda event: self._answer(event.id, INFO),
            PublishInvoked: self._invoke,
            PublishOk: self._acknowledge,
            Reconnected: lambda _: self._final.reconnect(),
            Resumed: self._audience.connect,
            Subscribed: self._audience.subscribe,
            Unsubscribed: self._audience.unsubscribe,
        }

    def take(self, event: Event) -> None:
        """Take an event; events come in the order of time.

        Raises:
            ValueError: If something is published without an id of ours.
        """
        self._takers[type(event)](event)

    def take_all(self, events: Iterable[Event]) -> None:
        """Take events in their order; as `take`."""
        takers = self._takers
        for event in events:
            takers[type(event)](event)

    def judge(self, fates: Fates | None = None) -> DeliveryReport:
        """Say what all of it comes to; more may be taken afterwards.

        Args:
            fates: Where messages were lost, as the wire has it.
        """
        tally = self._tally.copy()
        tally.connections = self._audience.connections
        settlement = self._settlement(
            tally, is_final=self._final.is_finished, fates=fates or {}
        )
        for ledger in self._register.topics:
            for chunk in ledger.chunks.values():
                settlement.settle(
                    ledger, chunk, self._audience.followers[ledger.number]
                )
        for stream in self._audience.streams.values():
            _count_skips(stream, tally)
        return DeliveryReport(
            Account(
                promise=self._promise,
                tally=tally,
                doubts=tuple(self._final.doubts),
                unseen=tuple(self._unseen()),
                bounds=tuple(self._said_bounds()),
                has_seqs=self._has_seqs,
                has_witnesses=any(
                    len(each) > 1 for each in self._audience.followers.values()
                ),
            )
        )

    def _unseen(self) -> list[str]:
        """Return of which topics and subscribers nothing can be known, in words."""
        followers = self._audience.followers
        alone = [
            f"nobody has subscribed to {ledger.topic}"
            for ledger in self._register.topics
            if ledger.count and not followers.get(ledger.number)
        ]
        return alone + [
            f"nothing has told what {stream.subscriber.name} is owed of "
            f"{stream.ledger.topic}"
            for stream in self._audience.streams.values()
            if stream.ledger.count and not any(w.has_begun for w in stream.windows)
        ]

    def _said_bounds(self) -> list[str]:
        """Return why counts are bounds, in words."""
        intervals = [
            known
            for stream in self._audience.streams.values()
            for known in (stream.holes, stream.gaps)
        ]
        bounds = [_TOO_EARLY] if self._audience.is_too_early else []
        bounds += [_FORGOTTEN] if self._tally.late else []
        bounds += [_DECIDED] if self._tally.decided else []
        bounds += [_SENT_AGAIN] if self._is_sent_again else []
        if any(known.settled for known in intervals) or any(
            ledger.is_bounded for ledger in self._register.topics
        ):
            bounds.append(_SCATTERED)
        return bounds

    # Publications

    def _invoke(self, event: PublishInvoked) -> None:
        _, _, id_, topic, digest = event
        self._final.go_on()
        entry = self._register.begin(id_, topic, digest)
        if entry is None:
            # What becomes of one that is forgotten is not seen.
            self._is_sent_again |= self._register.find(id_) is None
            self._answer(id_, OPEN)
            return
        self._tally.attempted += 1
        if entry.slot == MASK:
            self._tidy(entry)

    def _answer(self, id_: str, end: int) -> None:
        entry = self._register.find(id_)
        if entry is not None:
            entry.chunk.answer(entry.slot, end)

    def _acknowledge(self, event: PublishOk) -> None:
        at, id_, seq, epoch = event
        entry = self._register.find(id_)
        if entry is None:
            return
        ledger, chunk, slot = entry
        chunk.answer(slot, OK)
        if chunk.acked[slot] < 0:
            chunk.acked[slot] = at
            self._tally.acked += 1
        if seq is not None and 0 <= seq <= LAST_SEQ:
            self._settle(entry, ledger.base_of(epoch) + seq, at)

    def _settle(self, entry: Entry, position: int, at: float) -> None:
        """Note where in the log a publication is."""
        ledger, chunk, slot = entry
        known = chunk.positions[slot]
        self._has_seqs = True
        if known == position:
            return
        if known < 0:
            if not ledger.settle(chunk, slot, position):
                detail = "another message has the same number"
                self._show(Anomaly.DISAGREEMENT, entry, position, at=at, detail=detail)
        elif not chunk.status[slot] & TWICE:
            chunk.status[slot] |= TWICE
            before, _ = ledger.said_of(known)
            detail = f"it was seq {before} before"
            self._show(Anomaly.PUBLISHED_TWICE, entry, position, at=at, detail=detail)

    def _keep(self, event: Kept) -> None:
        entry = self._register.find(event.id)
        if entry is not None:
            entry.chunk.status[entry.slot] |= KEPT

    def _drain(self, event: Drained) -> None:
        self._final.drain(self._audience.away(), finished=event.finished)

    # Deliveries

    def _deliver(self, event: Delivered) -> None:
        at, name, connection, topic, id_, seq, epoch, digest, replay = event
        stream = self._audience.streams.get((name, topic))
        if stream is None or stream.subscriber.connection != connection:
            self._audience.hear_from(name, connection)
        if stream is None or not (stream.is_open and stream.is_entitled):
            self._note(Anomaly.MISROUTED, event, "it did not subscribe to this topic")
            return
        ledger, position = stream.ledger, -1
        if seq is not None:
            if not 0 <= seq <= LAST_SEQ:
                self._note(Anomaly.CORRUPTED, event, "no log has such a number")
                return
            position = ledger.base_of(epoch or stream.epoch) + seq
        entry = self._register.at_hand.get(id_) or self._register.find(id_)
        if entry is None or entry.ledger is not ledger:
            self._take_stray(event, stream, position, entry)
            return
        _, chunk, slot = entry
        if digest and chunk.digests[slot] != hash(digest):
            self._compare(event, chunk, slot)
        if not chunk.status[slot] & SEEN:
            ledger.see(chunk, slot)
        if chunk.positions[slot] != position >= 0:
            self._settle(entry, position, at)
        if stream.is_waiting:
            stream.begin_window(position, ledger.count)
        found = stream.receive(chunk, slot, position)
        if found:
            self._note_all(found, event, stream, entry)
        if replay:
            self._tally.replayed += 1
        if stream.is_first:
            self._time(event, chunk, slot)

    def _time(self, event: Delivered, chunk: Chunk, slot: int) -> None:
        """Count a delivery to somebody who had not got it, and how long it took."""
        at, acked = event.at, chunk.acked[slot]
        chunk.last[slot] = at
        # What comes before its acknowledgement takes no time.
        lag = at - acked if 0 <= acked < at else 0.0
        tally = self._tally
        tally.delivered += 1
        if self._promise.acknowledges:
            tally.lags.add(lag)
        bound = self._promise.stale_after
        if bound is not None and lag > bound:
            self._note(Anomaly.STALE, event, f"{lag:.3f} s after it was acknowledged")

    def _compare(self, event: Delivered, chunk: Chunk, slot: int) -> None:
        """Note another payload; the first that comes counts where nobody said which."""
        if chunk.status[slot] & OWN_DIGEST:
            self._note(Anomaly.CORRUPTED, event, "another payload than was published")
        elif chunk.digests[slot]:
            self._note(
                Anomaly.DISAGREEMENT, event, "another payload than somebody else got"
            )
        else:
            chunk.digests[slot] = hash(event.digest)

    def _take_stray(
        self, event: Delivered, stream: Stream, position: int, entry: Entry | None
    ) -> None:
        """Take what is no publication of this topic, or none that is still known."""
        if position >= 0:
            self._has_seqs = True
            if stream.pass_by(position):
                self._note(Anomaly.REORDERED, event)
        run = self._register.other_run(event.id)
        if entry is not None:
            topic = entry.ledger.topic
            self._note(Anomaly.MISROUTED, event, f"it was published to {topic}")
        elif self._register.is_forgotten(event.id):
            self._tally.late += 1
        elif run:
            self._note(Anomaly.LEFTOVER, event, f"it is of run {run}")
        else:
            self._note(Anomaly.UNEXPECTED, event, "nobody has published it")

    def _take_damaged(self, event: Damaged) -> None:
        self._audience.hear_from(event.subscriber, event.connection)
        examples = self._tally.add(Anomaly.CORRUPTED)
        if examples is not None:
            examples.append(
                Example(
                    subscriber=event.subscriber,
                    topic=event.topic,
                    at=event.at,
                    detail=event.detail,
                )
            )

    # What is noted, and what goes

    def _note_all(
        self, found: Found, event: Delivered, stream: Stream, entry: Entry
    ) -> None:
        """Note what a stream makes of a delivery."""
        for anomaly in found:
            if anomaly is Anomaly.OVERTAKEN and self._promise.witnessed:
                continue  # who published it, and in which order, is not known
            if anomaly is not Anomaly.DISAGREEMENT:
                self._note(anomaly, event)
            elif self._promise.one_order and self._audience.disagrees(
                stream, entry.chunk, entry.slot
            ):
                self._note(anomaly, event, "another order than somebody else got")

    def _note(self, anomaly: Anomaly, event: Delivered, detail: str = "") -> None:
        examples = self._tally.add(anomaly)
        if examples is not None:
            examples.append(
                Example(
                    subscriber=event.subscriber,
                    topic=event.topic,
                    id=event.id,
                    seq=event.seq,
                    epoch=event.epoch,
                    at=event.at,
                    detail=detail,
                )
            )

    def _show(
        self, anomaly: Anomaly, entry: Entry, position: int, *, at: float, detail: str
    ) -> None:
        """Note an anomaly of a publication, whoever saw it."""
        examples = self._tally.add(anomaly)
        if examples is None:
            return
        ledger, chunk, slot = entry
        seq, epoch = ledger.said_of(position)
        examples.append(
            Example(
                topic=ledger.topic,
                id=chunk.id_of(slot, self._register.prefixes),
                seq=seq,
                epoch=epoch,
                at=at,
                detail=detail,
            )
        )

    def _tidy(self, full: Entry) -> None:
        """Settle and forget what is to go now that another chunk is full."""
        going = self._retention.add(full.ledger, full.chunk)
        for (ledger, chunk), is_whole in going:
            streams = self._audience.followers[ledger.number]
            settlement = self._settlement(self._tally, is_final=False, fates={})
            missing = settlement.settle(ledger, chunk, streams)
            if not is_whole:
                self._tally.decided += missing
            for stream, excused in settlement.excused.items():
                stream.excused = excused
            for stream in streams:
                stream.forget(chunk)
            self._register.forget(ledger, chunk)

    def _settlement(self, tally: Tally, *, is_final: bool, fates: Fates) -> Settlement:
        return Settlement(
            self._promise,
            tally,
            self._register.prefixes,
            is_final=is_final,
            fates=fates,
        )

    def __repr__(self) -> str:
        """Show what was counted, and how much is kept."""
        return f"<Checker {self._tally!r} {self._retention!r}>"


def _count_skips(stream: Stream, tally: Tally) -> None:
    """Count the numbers that a subscriber never got, and nobody has explained."""
    holes = stream.holes.without(stream.gaps)
    count = holes.size - stream.dropped
    if count <= 0:
        return
    tally.add(Anomaly.SKIPPED, count)
    for first, last in holes:
        examples = tally.add(Anomaly.SKIPPED, 0)
        if examples is None:
            break
        seq, epoch = stream.ledger.said_of(first)
        examples.append(
            Example(
                subscriber=stream.subscriber.name,
                topic=stream.ledger.topic,
                seq=seq,
                epoch=epoch,
                detail=f"{last - first + 1} jumped over" if last > first else "",
            )
        )
