"""Tracker: where a subscription is in one topic; what is next, again, or missing.

It refuses to know connections, and what is done about a hole.
"""

import enum

from wavetank.client.items import Gap
from wavetank.protocol import Event, Position, Reason, Start, next_tag, parse_tag
from wavetank.protocol import Gap as GapPush

__all__ = ["LOST", "Tracker", "Verdict"]

LOST = "lost"
"""Reason of a gap that the hub did not announce."""


class Verdict(enum.Enum):
    """What an event, a gap or a top is to somebody who is at a certain place."""

    EXPECTED = "expected"
    DUPLICATE = "duplicate"
    HOLE = "hole"
    """Something before it did not come."""
    DIFFERENT = "different"
    """The chain tag is another one: what came is not what the log has."""


class Tracker:
    """One topic of one subscription.

    Attributes:
        epoch: Which life of the log.
        seq: The last one seen.
        tag: Its chain tag; None where it is not known.
        tries: How often the hub was asked again for what follows, in vain so far.
    """

    __slots__ = ("epoch", "seq", "tag", "tries")

    def __init__(self, epoch: str, seq: int, tag: int | None) -> None:
        self.epoch = epoch
        self.seq = seq
        self.tag = tag
        self.tries = 0

    @classmethod
    def at(cls, position: Position) -> "Tracker":
        """Stand at a position."""
        tag = None if position.tag is None else parse_tag(position.tag)
        return cls(position.epoch, position.seq, tag)

    @classmethod
    def behind(cls, start: Start) -> "Tracker":
        """Stand where a reply says that the chain starts."""
        return cls(start.epoch, start.after.seq, parse_tag(start.after.tag))

    def move(self, epoch: str, seq: int, tag: int | None) -> None:
        """Stand elsewhere."""
        self.epoch, self.seq, self.tag = epoch, seq, tag

    def offer(self, event: Event, payload: bytes) -> Verdict:
        """Judge an event, and step on to it if it is expected.

        Args:
            event: As it came.
            payload: Its data.
        """
        seq = event.seq
        if seq <= self.seq:
            return Verdict.DUPLICATE
        prev = seq - 1 if event.prev is None else event.prev
        if prev > self.seq:
            return Verdict.HOLE
        tag = self._chain(seq, payload)
        if event.tag is not None:
            given = parse_tag(event.tag)
            if tag is not None and tag != given:
                return Verdict.DIFFERENT
            tag = given
        self.seq, self.tag = seq, tag
        self.tries = 0
        return Verdict.EXPECTED

    def _chain(self, seq: int, payload: bytes) -> int | None:
        """Return the tag of the entry behind ours; None where that is not known."""
        if self.tag is None or seq != self.seq + 1:
            return None
        return next_tag(self.tag, seq, payload)

    def force(self, event: Event, verdict: Verdict) -> Gap:
        """Step on to an event that does not follow; return what that leaves out."""
        prev = event.seq - 1 if event.prev is None else event.prev
        is_hole = verdict is Verdict.HOLE
        gap = Gap(
            topic=event.topic,
            epoch=self.epoch,
            first=self.seq + 1,
            # A hostile prev could be anything.
            last=min(prev, event.seq - 1) if is_hole else self.seq,
            reason=LOST if is_hole else Reason.DIVERGED.value,
        )
        tag = None if event.tag is None else parse_tag(event.tag)
        self.move(self.epoch, event.seq, tag)
        self.tries = 0
        return gap

    def judge_gap(self, push: GapPush) -> Verdict:
        """Judge a gap that the hub announces."""
        if push.epoch is not None and push.epoch != self.epoch:
            return Verdict.EXPECTED
        if push.last <= self.seq:
            return Verdict.DUPLICATE
        return Verdict.HOLE if push.first > self.seq + 1 else Verdict.EXPECTED

    def skip(self, push: GapPush) -> Gap:
        """Step over a gap that the hub announces; return it for the reader."""
        epoch = self.epoch if push.epoch is None else push.epoch
        first = push.first if epoch != self.epoch else self.seq + 1
        tag = None if push.tag is None else parse_tag(push.tag)
        self.move(epoch, push.last, tag)
        return Gap(
            topic=push.topic,
            epoch=epoch,
            first=first,
            last=push.last,
            reason=push.reason,
            chain=tag,
        )

    def compare(self, seq: int, tag: str) -> Verdict:
        """Judge a top that a heartbeat names: everything up to it was sent before."""
        if seq > self.seq:
            return Verdict.HOLE
        if seq < self.seq or self.tag not in {None, parse_tag(tag)}:
            return Verdict.DIFFERENT
        self.tag = parse_tag(tag)
        return Verdict.EXPECTED

    def resume(self, topic: str, start: Start) -> Gap | None:
        """Go on where a reply says; return what that leaves out, None for nothing.

        Whatever the reply says of itself, its place is compared with ours: a hub
        that is wrong about ``recovered`` must not be believed.
        """
        first = self._first_missing(start)
        if first is None:
            return None
        after = start.after
        reason = start.reason or _reason_of(self, start)
        tag = parse_tag(after.tag)
        self.move(start.epoch, after.seq, tag)
        return Gap(
            topic=topic,
            epoch=start.epoch,
            first=first,
            last=after.seq,
            reason=reason,
            chain=tag,
        )

    def _first_missing(self, start: Start) -> int | None:
        after = start.after
        if start.epoch != self.epoch:
            return 1
        if start.recovered is False:
            return min(self.seq, after.seq) + 1
        if after.seq > self.seq:
            return self.seq + 1
        if after.seq == self.seq and self.tag not in {None, parse_tag(after.tag)}:
            return self.seq + 1
        return None

    @property
    def position(self) -> Position:
        """Where it is, as one tells a hub."""
        tag = None if self.tag is None else f"{self.tag:08x}"
        return Position(self.epoch, self.seq, tag)

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Tracker {self.epoch} {self.seq}>"


def _reason_of(tracker: Tracker, start: Start) -> str:
    """Say why a chain breaks where the hub gave no reason."""
    if start.epoch != tracker.epoch:
        return Reason.EPOCH_CHANGED.value
    if start.after.seq == tracker.seq:
        return Reason.DIVERGED.value
    return LOST
