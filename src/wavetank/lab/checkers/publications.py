"""Publications: what was published to a topic, packed, and forgotten in chunks.

They refuse to know who should have got them. A publication takes about 60 bytes: it
is a row of arrays, known by its place in the order in which they were begun.
"""

from array import array
from collections import Counter
from typing import Final

from wavetank.evidence import Arrival, Sequence

__all__ = [
    "BITS",
    "CHUNK",
    "EPOCH_BITS",
    "FAILED",
    "INFO",
    "KEPT",
    "LAST_SEQ",
    "MASK",
    "OK",
    "OPEN",
    "OWN_DIGEST",
    "PLACE_BITS",
    "RETRIED",
    "SEEN",
    "STATE",
    "TWICE",
    "Chunk",
    "Ledger",
    "Publisher",
]

BITS: Final = 10
CHUNK: Final = 1 << BITS
"""Publications in a chunk."""
MASK: Final = CHUNK - 1

PLACE_BITS: Final = 20
"""Bits of a place that name the topic; what is above them is the index, plus one."""

EPOCH_BITS: Final = 53
LAST_SEQ: Final = (1 << EPOCH_BITS) - 1
"""The largest integer that every JSON reader keeps exact."""
_LAST_EPOCH: Final = (1 << 63 - EPOCH_BITS) - 2

OPEN, OK, FAILED, INFO = 0, 1, 2, 3
STATE: Final = 3
"""The bits of a status that say how the publishing went."""

SEEN: Final = 4
"""Somebody who had subscribed got it."""
KEPT: Final = 8
"""It was in the history when that was read back."""
RETRIED: Final = 16
"""It was sent more than once."""
TWICE: Final = 32
"""It has two places in the log."""
OWN_DIGEST: Final = 64
"""Its digest is the publisher's, not that of whoever got it first."""

_AFTER = {
    # (state, what came of an attempt) -> state: one unanswered attempt is for good
    (OPEN, OK): OK,
    (OPEN, FAILED): FAILED,
    (OPEN, INFO): INFO,
    (OPEN, OPEN): INFO,
    (FAILED, OK): OK,
    (FAILED, FAILED): FAILED,
    (FAILED, INFO): INFO,
    (FAILED, OPEN): OPEN,
    (INFO, OK): OK,
}


class Chunk:
    """The rows of some publications of one topic that were begun after each other.

    Attributes:
        number: Which chunk of its topic.
        publishers: Number of the publisher.
        numbers: Which of that publisher's messages.
        digests: Hash of the digest; 0 where there is none.
        positions: Place in the log; -1 while it is not known.
        ranks: Order of the first deliveries, from 1 on; 0 while there was none.
        status: State and marks, as bits.
        acked: When it was acknowledged; -1 while it is not.
        last: When a subscriber got it for the last first time.
    """

    __slots__ = (
        "acked",
        "digests",
        "last",
        "number",
        "numbers",
        "positions",
        "publishers",
        "ranks",
        "status",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.publishers = array("I")
        self.numbers = array("q")
        self.digests = array("q")
        self.positions = array("q")
        self.ranks = array("q")
        self.status = bytearray()
        self.acked = array("d")
        self.last = array("d")

    def append(self, publisher: int, number: int, digest: int) -> None:
        """Add a publication that has just begun."""
        self.publishers.append(publisher)
        self.numbers.append(number)
        self.digests.append(digest)
        self.positions.append(-1)
        self.ranks.append(0)
        self.status.append(OWN_DIGEST if digest else 0)
        self.acked.append(-1.0)
        self.last.append(-1.0)

    def answer(self, slot: int, end: int) -> None:
        """Note what came of an attempt; OPEN is that another one begins."""
        status = self.status[slot]
        state = _AFTER.get((status & STATE, end), status & STATE)
        again = RETRIED if end == OPEN else 0
        self.status[slot] = status & ~STATE | state | again

    def id_of(self, slot: int, prefixes: list[str]) -> str:
        """Return the id of a publication.

        Args:
            slot: Its row.
            prefixes: How the ids of each publisher begin.
        """
        return f"{prefixes[self.publishers[slot]]}-{self.numbers[slot]}"


class Ledger:
    """All publications of one topic that are not forgotten.

    Args:
        topic: The topic.
        number: Which topic.
        limit: How many gaps are kept in what is known of the places in the log.

    Attributes:
        chunks: Number -> chunk.
        count: How many publications were begun.
        ranks: How many were delivered at least once.
        forgotten: The highest position among those that are forgotten.
        is_bounded: Whether there were more epochs or gaps than are told apart.
    """

    __slots__ = (
        "_epochs",
        "_last",
        "_latest",
        "_taken",
        "chunks",
        "count",
        "forgotten",
        "is_bounded",
        "number",
        "ranks",
        "topic",
    )

    def __init__(self, topic: str, number: int, *, limit: int) -> None:
        self.topic = topic
        self.number = number
        self.chunks: dict[int, Chunk] = {}
        self.count = 0
        self.ranks = 0
        self.forgotten = -1
        self.is_bounded = False
        self._epochs: dict[str, int] = {}
        self._latest = 0
        self._taken = Sequence(limit=limit)
        self._last = Chunk(0)

    def append(self, publisher: int, number: int, digest: int) -> int:
        """Add a publication that has just begun; return its index."""
        index = self.count
        if not index & MASK:
            self._last = self.chunks[index >> BITS] = Chunk(index >> BITS)
        self.count = index + 1
        self._last.append(publisher, number, digest)
        return index

    def base_of(self, epoch: str) -> int:
        """Return what is added to a seq to get a position; "" is the latest epoch.

        As long as no epoch has a name, all that was seen belongs to the first that
        gets one.
        """
        if not epoch:
            return self._latest
        base = self._epochs.get(epoch)
        if base is None:
            known = len(self._epochs)
            if known > _LAST_EPOCH:
                self.is_bounded = True
                return _LAST_EPOCH << EPOCH_BITS
            base = self._latest = self._epochs[epoch] = known << EPOCH_BITS
        return base

    def said_of(self, position: int) -> tuple[int | None, str]:
        """Return seq and epoch of a position."""
        if position < 0:
            return None, ""
        seq = position & LAST_SEQ
        names = [name for name, base in self._epochs.items() if base == position - seq]
        return seq, "".join(names)

    def settle(self, chunk: Chunk, slot: int, position: int) -> bool:
        """Note where in the log a publication is; False where another one is."""
        chunk.positions[slot] = position
        is_free = self._taken.add(position) is not Arrival.REPEATED
        self.is_bounded = self.is_bounded or self._taken.saturated
        return is_free or self._taken.saturated

    def see(self, chunk: Chunk, slot: int) -> None:
        """Note the first delivery of a publication to anybody."""
        chunk.status[slot] |= SEEN
        self.ranks += 1
        chunk.ranks[slot] = self.ranks

    def forget(self, chunk: Chunk, publishers: list["Publisher"]) -> None:
        """Forget a chunk that is full."""
        del self.chunks[chunk.number]
        self.forgotten = max(self.forgotten, *chunk.positions)
        gone = Counter(
            zip(
                chunk.publishers,
                (number >> BITS for number in chunk.numbers),
                strict=True,
            )
        )
        for (publisher, page), count in gone.items():
            publishers[publisher].forget(page, count)

    def __repr__(self) -> str:
        """Show how many there were, and how much of it is kept."""
        return f"<Ledger {self.topic} {self.count} in {len(self.chunks)} chunks>"


class Publisher:
    """Where the messages of one publisher are: number -> place, in pages.

    A place is 0 where there is none; else its low bits name the topic, and the rest
    is the index there, plus one.

    Args:
        prefix: How its ids begin.
        number: Which publisher.

    Attributes:
        pages: Number of the page -> places.
        highest: Its highest number.
    """

    __slots__ = ("_kept", "highest", "number", "pages", "prefix")

    def __init__(self, prefix: str, number: int) -> None:
        self.prefix = prefix
        self.number = number
        self.pages: dict[int, array[int]] = {}
        self.highest = 0
        self._kept: Counter[int] = Counter()

    def put(self, number: int, place: int) -> None:
        """Note the place of a number that had none."""
        page = self.pages.get(number >> BITS)
        if page is None:
            self._drop(self.highest >> BITS)
            page = self.pages[number >> BITS] = array("q", bytes(8 * CHUNK))
        page[number & MASK] = place
        self._kept[number >> BITS] += 1
        self.highest = max(self.highest, number)

    def place_of(self, number: int) -> int:
        """Return a place; 0 where there is none, or none any more."""
        page = self.pages.get(number >> BITS)
        return 0 if page is None else page[number & MASK]

    def is_forgotten(self, number: int) -> bool:
        """Tell whether a number without a place may have had one."""
        return 0 < number <= self.highest and number >> BITS not in self.pages

    def forget(self, page: int, count: int) -> None:
        """Forget some numbers of a page; it goes with the last of them."""
        self._kept[page] -= count
        if page != self.highest >> BITS:
            self._drop(page)

    def _drop(self, page: int) -> None:
        if page in self.pages and not self._kept[page]:
            del self.pages[page], self._kept[page]

    def __repr__(self) -> str:
        """Show who, and how far."""
        return f"<Publisher {self.prefix} up to {self.highest}>"
