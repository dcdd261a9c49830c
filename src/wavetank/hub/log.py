"""One topic's log in memory: its newest entries, positions and retention.

It refuses to know where entries are kept beyond memory, and who reads them.
"""

from typing import Self

from wavetank.errors import LocalError
from wavetank.hub.deflation import DeflatedFrames
from wavetank.hub.rings import Rings
from wavetank.hub.run import Bounds, Entry, Mark, Run, make_entry
from wavetank.protocol import (
    MAX_SEQ,
    Gap,
    Reason,
    encode_event,
    encode_push,
    encode_ts,
    event_head,
    format_tag,
    next_tag,
    published_head,
)
from wavetank.wire import encode_text

__all__ = [
    "Bounds",
    "Entry",
    "Mark",
    "Run",
    "TopicLog",
    "make_entry",
    "make_gap",
    "make_leap",
]


def make_gap(topic: str, first: int, base: Mark) -> bytes:
    """Return the frame that says that nothing from ``first`` to ``base`` will come."""
    gap = Gap(
        topic=topic,
        first=first,
        last=base.seq,
        reason=Reason.TRUNCATED,
        tag=format_tag(base.tag),
    )
    return encode_text(encode_push(gap))


def make_leap(head: bytes, entry: Entry, after: int) -> bytes:
    """Return the frame of an entry for somebody who leaves out those before it.

    Its ``prev`` says that this was wished for, and its ``tag`` goes on with the chain.

    Args:
        head: What all events of the topic begin with.
        entry: The next one to be delivered.
        after: Seq that was delivered before.
    """
    if entry.seq == after + 1:
        return entry.frame
    event = encode_event(
        head,
        entry.seq,
        encode_ts(entry.at),
        entry.payload,
        prev=after,
        tag=format_tag(entry.tag),
    )
    return encode_text(event)


class TopicLog:
    """Where one topic is, and its newest entries.

    It assigns positions. Entries are visible (to subscribers, in history, in
    heartbeats) up to ``visible``, which moves once they have their durability.

    Args:
        topic: Its name.
        epoch: Life of the log that it belongs to.
        ring: How much stays in memory here.
        rings: Those of all topics, which are bounded together; None: they are not.

    Attributes:
        head: What all its events begin with.
        answer_head: What all answers to its publications have in common.
        top: Seq of the newest entry, visible or not.
        tag: Its chain tag.
        at: Time of the newest append in seconds since 1970; never decreases.
        visible: Seq up to which entries may be seen.
        visible_tag: Chain tag of that entry.
        newest: That entry itself; None once it is not retained any longer, and
            where memory has not seen it yet, or had to give it up.
        base: The entry that was removed last from all that is retained.
        ring: The newest entries.
    """

    __slots__ = (
        "_deflated",
        "_floor_tag",
        "_rings",
        "_settled",
        "_ts",
        "_wall",
        "answer_head",
        "at",
        "base",
        "bounds",
        "epoch",
        "head",
        "newest",
        "ring",
        "tag",
        "top",
        "topic",
        "visible",
        "visible_tag",
    )

    def __init__(
        self, topic: str, epoch: str, *, ring: Bounds, rings: Rings | None = None
    ) -> None:
        self.topic = topic
        self.head = event_head(topic)
        self.answer_head = published_head(topic, epoch)
        self.epoch = epoch
        self.bounds = ring
        self.ring = Run()
        self.top = 0
        self.tag = 0
        self.at = 0.0
        self.visible = 0
        self.visible_tag = 0
        self.newest: Entry | None = None
        self.base = Mark()
        self._wall = -1.0
        self._ts = b""
        self._deflated: dict[int, DeflatedFrames] = {}
        self._rings = rings
        self._settled = 0
        # Of the entry before the first in memory: after a restart that is where
        # all clients come back to, and the log is not asked for each of them.
        self._floor_tag = 0

    @classmethod
    def resumed(
        cls,
        topic: str,
        epoch: str,
        base: Mark,
        top: Mark,
        *,
        at: float,
        ring: Bounds,
        rings: Rings | None = None,
    ) -> Self:
        """Return a log that goes on where it ended; memory holds nothing of it yet.

        Args:
            topic: Its name.
            epoch: Its epoch, which stays.
            base: The entry that was removed last from all that is retained.
            top: The newest entry; all up to it is visible.
            at: Time of the newest append in seconds since 1970.
            ring: How much stays in memory here.
            rings: Those of all topics.
        """
        log = cls(topic, epoch, ring=ring, rings=rings)
        log.ring = Run(top.seq + 1)
        log.top = log.visible = top.seq
        log.tag = log.visible_tag = log._floor_tag = top.tag
        log.at = at
        log.base = base
        return log

    @property
    def oldest(self) -> int:
        """First seq that is retained; ``top + 1`` where nothing is."""
        return self.base.seq + 1

    def append(self, payload: bytes, wall: float) -> Entry:
        """Give a payload its position; it is not visible yet.

        Args:
            payload: One JSON text.
            wall: Seconds since 1970.

        Raises:
            LocalError: If there is no seq left that JSON readers keep exact.
        """
        seq = self.top + 1
        if seq > MAX_SEQ:
            raise LocalError(f"topic {self.topic} has no seq left")
        if wall != self._wall:
            # What came in one read is appended at one time, which is written once.
            # As exact as `ts` is: whoever asks from an entry's `ts` on gets that entry.
            self._wall = wall
            self.at = max(self.at, round(wall, 6))
            self._ts = encode_ts(self.at)
        self.tag = tag = next_tag(self.tag, seq, payload)
        # As `make_entry` does it.
        frame = encode_text(encode_event(self.head, seq, self._ts, payload))
        entry = Entry(seq, tag, self.at, frame, len(payload))
        self.ring.push(entry)
        self.top = seq
        return entry

    def take_back(self, seq: int) -> None:
        """Remove the entries from ``seq`` on: they could not be kept.

        Nobody has seen them, so the next one gets their place. Time does not go
        back with them: ``at`` stays.

        Raises:
            LocalError: If one of them is visible.
        """
        if seq <= self.visible:
            raise LocalError(f"entry {seq} of {self!r} was seen")
        while self.top >= seq:
            self.ring.pop()
            self.top -= 1
        held = self.top > self.visible
        self.tag = self.ring[self.top].tag if held else self.visible_tag

    def reveal(self, seq: int) -> None:
        """Make entries visible up to ``seq``: they have their durability."""
        seq = min(seq, self.top)
        if seq > self.visible:
            self.visible = seq
            self.newest = newest = self.ring[seq]
            self.visible_tag = newest.tag

    def recall(self, entry: Entry) -> None:
        """Take the newest visible entry back into memory, if that is what it is."""
        if self.newest is None and self.base.seq < entry.seq == self.visible:
            self.newest = entry
            if self._rings is not None:
                self._rings.note(self)

    @property
    def has_newest(self) -> bool:
        """Whether the newest visible entry is at hand, or is not retained either."""
        return self.newest is not None or self.base.seq >= self.visible

    def forget(self, base: Mark) -> None:
        """Note that everything up to ``base`` is not retained any longer."""
        if base.seq > self.base.seq:
            self.base = base
        if self.base.seq >= self.visible:
            self.newest = None

    def settle(self, level: int) -> None:
        """Let entries leave memory: beyond the ring's bounds, or not retained.

        Args:
            level: Up to here they were handed out; later ones stay.
        """
        ring, base = self.ring, self.base.seq
        self._settled = level = min(level, ring.last)
        while ring.first <= level and (
            ring.first <= base or self.bounds.is_exceeded(ring, self.at)
        ):
            self._floor_tag = ring.drop().tag
        for deflated in self._deflated.values():
            deflated.drop(ring.first)
        if self._rings is not None:
            self._rings.note(self)

    @property
    def held(self) -> int:
        """Bytes of the ring, and of the newest entry where that is all there is."""
        newest = self.newest
        if self.ring.size or newest is None:
            return self.ring.size
        return len(newest.frame)

    def shed(self) -> None:
        """Let everything leave memory that was handed out; it stays in the log."""
        ring = self.ring
        while ring.first <= min(self._settled, ring.last):
            self._floor_tag = ring.drop().tag
        for deflated in self._deflated.values():
            deflated.drop(ring.first)
        if self.visible < ring.first:
            self.newest = None

    def frames(self, after: int, to: int, window: int | None) -> bytes:
        """Return the events behind ``after`` up to ``to`` as they are written.

        Args:
            after: At least ``ring.first - 1``.
            to: At most ``visible``.
            window: Compressed in a window of so many bits; None: not compressed.
        """
        if window is None:
            return self.ring.frames(after, to)
        deflated = self._deflated.get(window)
        if deflated is None:
            deflated = DeflatedFrames(window, self.ring.first)
            self._deflated[window] = deflated
        entries = self.ring.between(after, to)
        return b"".join([deflated.frame(each.seq, each.frame) for each in entries])

    def tag_at(self, seq: int) -> int | None:
        """Return the tag of a place, or None where memory does not hold it."""
        if seq == self.visible:
            return self.visible_tag
        if seq == self.base.seq:
            return self.base.tag
        if seq == self.ring.first - 1:
            return self._floor_tag
        return self.ring[seq].tag if self.ring.holds(seq) else None

    def is_in_memory(self, after: int) -> bool:
        """Tell whether all visible entries behind ``after`` are in memory."""
        return after + 1 >= self.ring.first

    def __repr__(self) -> str:
        """Show where it is."""
        return (
            f"<TopicLog {self.topic} {self.epoch} {self.oldest} to {self.top}, "
            f"visible {self.visible}, memory from {self.ring.first}>"
        )
