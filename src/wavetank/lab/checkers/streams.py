"""Streams: what one subscriber got of one topic, in which connection and order.

They refuse to know what the messages say, and what was promised.
"""

from array import array
from collections import deque
from collections.abc import Iterator
from typing import Final, TypeAlias

from wavetank.lab.checkers.intervals import Intervals
from wavetank.lab.checkers.promises import Anomaly
from wavetank.lab.checkers.publications import (
    BITS,
    CHUNK,
    EPOCH_BITS,
    FAILED,
    RETRIED,
    STATE,
    Chunk,
    Ledger,
)
from wavetank.lab.checkers.windows import Window

__all__ = ["Found", "Stream", "Subscriber"]

Found: TypeAlias = tuple[Anomaly, ...]

_ZEROS: Final = bytes(4 * CHUNK)
LATELY: Final = 16
"""Deliveries without a position that one is held against, to see their order."""

_NOTHING: Final[Found] = ()
_REPEATED: Final[Found] = (Anomaly.REPEATED,)
_REDELIVERED: Final[Found] = (Anomaly.REDELIVERED,)


class Subscriber:
    """One subscriber: its connections, one after the other.

    Attributes:
        connection: The name of the present one; "" before the first.
        ordinal: Which one, from 1 on.
        is_connected: Whether it is there.
        is_missed: Whether it was subscribed when its last connection ended.
        streams: Its side of each topic.
    """

    __slots__ = (
        "connection",
        "is_connected",
        "is_missed",
        "name",
        "ordinal",
        "streams",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.connection = ""
        self.ordinal = 0
        self.is_connected = self.is_missed = False
        self.streams: list[Stream] = []

    def connect(self, connection: str) -> None:
        """Begin a connection."""
        self.connection = connection
        self.ordinal += 1
        self.is_connected = True
        self.is_missed = False

    def __repr__(self) -> str:
        """Show who, and how often it connected."""
        return f"<Subscriber {self.name} connection {self.ordinal}>"


class Stream:
    """One subscriber's side of a topic.

    Order and repetition are those of a life: one subscription in one connection. What
    comes for the first time after a resume, though the subscriber has asked for what
    is behind it, is held against the lives before, too.

    Args:
        subscriber: Whose.
        ledger: The topic's publications.
        limit: How many gaps are told apart.

    Attributes:
        ledger: What was published to it.
        windows: What it was and is owed.
        is_open: Whether it is subscribed.
        is_first: Whether what came last had not come before.
        is_entitled: Whether it has a right to the topic.
        is_waiting: Whether the first delivery says where its window begins.
        epoch: The epoch of its last subscription, "" where none was named.
        top: The highest position that came, or the head; -1 before both.
        highest: The highest position that came; -1 before the first.
        holes: Positions that were jumped over, and did not come.
        gaps: Positions that the target said it will not send.
        ended: From which position on its epoch is over, as the target said; None where
            it did not, or another epoch is known to go on.
        dropped: How many more it said it dropped.
        excused: How many of these have been found missing already.
        lately: The last deliveries without position in this life, oldest first.
    """

    __slots__ = (
        "_arrivals",
        "_count",
        "_delivered",
        "_here",
        "_life",
        "_ordinal",
        "_past",
        "_rank",
        "_since",
        "_top_before",
        "_top_here",
        "dropped",
        "ended",
        "epoch",
        "excused",
        "gaps",
        "highest",
        "holes",
        "is_entitled",
        "is_first",
        "is_open",
        "is_waiting",
        "lately",
        "ledger",
        "subscriber",
        "top",
        "windows",
    )

    def __init__(self, subscriber: Subscriber, ledger: Ledger, *, limit: int) -> None:
        self.subscriber = subscriber
        self.ledger = ledger
        self.windows: list[Window] = []
        self.is_open = self.is_first = False
        self.is_entitled = True
        self.is_waiting = False
        self.epoch = ""
        self.top = self.highest = -1
        self.holes = Intervals(limit=limit)
        self.gaps = Intervals(limit=limit)
        self.ended: int | None = None
        self.dropped = self.excused = 0
        # Chunk -> the life in which each came, 0 where it did not; or one number
        # where that is the same for all of a chunk.
        self._delivered: dict[int, array[int] | int] = {}
        # Of this life: the highest position and rank, publisher -> highest number.
        self._life = 0
        self._ordinal = 0
        self._top_here = -1
        # Of the lives before it in this subscription: the highest position. And which
        # connection has asked for what is behind which position.
        self._top_before = -1
        self._since = (0, -1)
        self._rank = 0
        self._here: dict[int, int] = {}
        self._past: dict[int, int] = {}
        # Where there are no positions: chunk -> in which order each came.
        self.lately: deque[tuple[Chunk, int]] = deque(maxlen=LATELY)
        self._arrivals: dict[int, array[int]] = {}
        self._count = 0

    def open(self, head: int | None, index: int | None) -> None:
        """Begin a subscription; go on with it where it is open.

        Args:
            head: The position behind which it is owed; None where nobody says.
            index: How many publications have begun; None where the target has not
                confirmed.
        """
        if self.is_open:
            if head is not None:
                self._since = self.subscriber.ordinal, head
            return
        self.windows.append(Window(None if head is None else head + 1, index))
        self.is_open = True
        self.is_waiting = head is None
        self.top = -1 if head is None else head
        self._begin()
        self._top_before = -1

    def close(self, last: int | None, *, in_order: bool) -> None:
        """End the subscription.

        Args:
            last: The last position that is owed; None for the highest that came.
            in_order: Whether a later message of a publisher means that the earlier
                ones were owed.
        """
        if self.is_open:
            self.is_open = False
            self.windows[-1].close(
                self.highest if last is None else last,
                self.numbers() if in_order else {},
            )

    def begin_window(self, position: int, index: int) -> None:
        """Let the first delivery say where the window begins.

        Args:
            position: Its position, or -1.
            index: How many publications have begun by now.
        """
        self.windows[-1].begin(position, index)
        self.is_waiting = False

    def numbers(self) -> dict[int, int]:
        """Return publisher -> the highest number that came."""
        both = dict(self._past)
        for publisher, number in self._here.items():
            both[publisher] = max(number, both.get(publisher, 0))
        return both

    def _begin(self) -> None:
        """Begin a life."""
        self._past = self.numbers()
        self._here = {}
        self._top_before = max(self._top_before, self._top_here)
        self._top_here = -1
        self._rank = 0
        self.lately.clear()
        self._life += 1
        self._ordinal = self.subscriber.ordinal

    # What comes

    def receive(self, chunk: Chunk, slot: int, position: int) -> Found:
        """Take a delivery of a publication of this topic.

        Args:
            chunk: Where the publication is.
            slot: Its row.
            position: The position that came with it; -1 where none did.

        Returns:
            What is wrong with it, or at least noteworthy. A disagreement is one only
            where another stream has seen it otherwise (`saw_before`).
        """
        if self.subscriber.ordinal != self._ordinal:
            self._begin()
        page = self._delivered.get(chunk.number)
        if not isinstance(page, array):
            page = self._unfold(chunk.number, page or 0)
        before = page[slot]
        self.is_first = not before
        if 0 <= position != chunk.positions[slot]:
            page[slot] = self._life
            return (Anomaly.REORDERED,) if self.pass_by(position) else _NOTHING
        if before == self._life:
            return _REPEATED
        page[slot] = self._life
        found = _REDELIVERED if before else _NOTHING
        publisher, number = chunk.publishers[slot], chunk.numbers[slot]
        if number > self._here.get(publisher, 0):
            self._here[publisher] = number
        elif not chunk.status[slot] & RETRIED:
            # Of one that was sent again, nobody knows when it was published.
            found = (*found, Anomaly.OVERTAKEN)
        if position == self.top + 1 and position > self.highest:
            self.top = self._top_here = self.highest = position
        elif position >= 0:
            is_behind = not before and self._is_behind(position)
            if self.pass_by(position) or is_behind:
                found = (*found, Anomaly.REORDERED)
        elif not self._follows(chunk, slot):
            found = (*found, Anomaly.DISAGREEMENT)
        return found

    def _is_behind(self, position: int) -> bool:
        """Tell whether a position is behind what came before a resume.

        What the subscriber has asked for fills a gap; and where nobody knows what it
        has asked for, it may be that.
        """
        ordinal, since = self._since
        is_unasked = ordinal == self.subscriber.ordinal and position <= since
        return is_unasked and position < self._top_before

    def pass_by(self, position: int) -> bool:
        """Note that a position has come; tell whether it goes backwards."""
        if self.subscriber.ordinal != self._ordinal:
            self._begin()
        top = self.top
        if position > top:
            self._jump(top, position)
            self.top = position
        self.holes.discard(position, position)
        self.highest = max(self.highest, position)
        is_back = position < self._top_here
        self._top_here = max(self._top_here, position)
        return is_back

    def _jump(self, top: int, position: int) -> None:
        """Note what is between the highest position and a higher one."""
        if top < 0:
            return
        base = position >> EPOCH_BITS << EPOCH_BITS
        # The first seq of an epoch is 1.
        self.holes.add(max(top, base) + 1, position - 1)

    def _follows(self, chunk: Chunk, slot: int) -> bool:
        """Note one without position; tell whether its rank is above all others."""
        page = self._arrivals.get(chunk.number)
        if page is None:
            page = self._arrivals[chunk.number] = array("I", _ZEROS)
        self._count += 1
        page[slot] = self._count
        self.lately.append((chunk, slot))
        rank = chunk.ranks[slot]
        is_ahead = rank > self._rank
        self._rank = max(rank, self._rank)
        return is_ahead

    def saw_before(self, one: tuple[Chunk, int], other: tuple[Chunk, int]) -> bool:
        """Tell whether one came before another, in one life, without positions."""
        first, second = self._arrival(*one), self._arrival(*other)
        return first[0] == second[0] and 0 < first[1] < second[1]

    def _arrival(self, chunk: Chunk, slot: int) -> tuple[int, int]:
        """Return in which life and which order something came; 0 for not at all."""
        lives, order = (
            self._delivered.get(chunk.number),
            self._arrivals.get(chunk.number),
        )
        if lives is None or order is None:
            return 0, 0
        return lives if isinstance(lives, int) else lives[slot], order[slot]

    # What did not come

    def missing(self, chunk: Chunk) -> Iterator[int]:
        """Yield the rows of a chunk that did not come, in their order."""
        page = self._delivered.get(chunk.number)
        count = len(chunk.numbers)
        if page is None:
            yield from range(count)
        elif isinstance(page, array) and 0 in page:
            for slot in range(count):
                if not page[slot]:
                    yield slot

    def owes(self, chunk: Chunk, slot: int) -> Window | None:
        """Return the window in which a publication is owed; None where it is not."""
        position, index = chunk.positions[slot], (chunk.number << BITS) + slot
        for window in self.windows:
            if not window.owes(position, index):
                continue
            if window.is_open or position >= 0:
                return window
            if window.is_behind(chunk.publishers[slot], chunk.numbers[slot]):
                return window
        return None

    def is_whole(self, chunk: Chunk, last: int) -> bool:
        """Tell whether nothing of a full chunk can be missing any more.

        Args:
            chunk: The chunk.
            last: Its highest position.
        """
        page = self._delivered.get(chunk.number)
        if isinstance(page, int) or (page is not None and 0 not in page):
            return True
        index = (chunk.number << BITS) + CHUNK - 1
        if not any(window.may_owe(last, index) for window in self.windows):
            return True
        return all(
            chunk.status[slot] & STATE == FAILED or self.owes(chunk, slot) is None
            for slot in self.missing(chunk)
        )

    def fold(self, chunk: Chunk) -> None:
        """Keep one number for a chunk where it all came in one life."""
        page = self._delivered.get(chunk.number)
        if isinstance(page, array) and page.count(page[0]) == CHUNK and page[0]:
            self._delivered[chunk.number] = page[0]

    def forget(self, chunk: Chunk) -> None:
        """Forget what came of a chunk."""
        self._delivered.pop(chunk.number, None)
        self._arrivals.pop(chunk.number, None)

    def _unfold(self, number: int, life: int) -> "array[int]":
        page = array("I", [life]) * CHUNK if life else array("I", _ZEROS)
        self._delivered[number] = page
        return page

    def __repr__(self) -> str:
        """Show who, of what, how far, and what is missing."""
        return (
            f"<Stream {self.subscriber.name} {self.ledger.topic} up to {self.highest}, "
            f"{self.holes.size} jumped over>"
        )
