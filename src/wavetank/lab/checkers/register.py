"""The register: which publication an id names, over all topics and publishers.

It refuses to know what became of them.
"""

from typing import Final, NamedTuple

from wavetank.lab.checkers.ids import prefix_of, read_id
from wavetank.lab.checkers.publications import (
    BITS,
    MASK,
    PLACE_BITS,
    Chunk,
    Ledger,
    Publisher,
)

__all__ = ["Entry", "Register"]

_TOPIC_MASK: Final = (1 << PLACE_BITS) - 1
_LONGEST_NUMBER: Final = 15
_MOST_AT_HAND: Final = 65_536


class Entry(NamedTuple):
    """Where a publication is: its topic, its chunk, and the row in that."""

    ledger: Ledger
    chunk: Chunk
    slot: int


class Register:
    """All topics, all publishers, and the publications that are not forgotten.

    Args:
        limit: Gaps that are told apart in the places of one topic.

    Attributes:
        topics: Every topic, by its number.
        prefixes: How the ids of each publisher begin, by its number.
        at_hand: Id -> entry, of those that were asked for lately.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._ledgers: dict[str, Ledger] = {}
        self._publishers: dict[str, Publisher] = {}
        self._numbered: list[Publisher] = []
        self._runs: set[str] = set()
        self.topics: list[Ledger] = []
        self.prefixes: list[str] = []
        self.at_hand: dict[str, Entry] = {}

    def ledger(self, topic: str) -> Ledger:
        """Return the ledger of a topic, a new one where there is none."""
        ledger = self._ledgers.get(topic)
        if ledger is None:
            ledger = Ledger(topic, len(self.topics), limit=self._limit)
            self._ledgers[topic] = ledger
            self.topics.append(ledger)
        return ledger

    def begin(self, id_: str, topic: str, digest: str) -> Entry | None:
        """Add a publication that is begun; None where it was begun before.

        Raises:
            ValueError: If the id is none of ours.
        """
        prefix, _, tail = id_.rpartition("-")
        publisher = self._publishers.get(prefix)
        number = _number(tail)
        if publisher is None or not number:
            publisher = self._meet(id_)
        if publisher.place_of(number) or publisher.is_forgotten(number):
            return None
        ledger = self.ledger(topic)
        index = ledger.append(publisher.number, number, hash(digest))
        publisher.put(number, (index + 1 << PLACE_BITS) | ledger.number)
        return self._remember(id_, ledger, index)

    def _meet(self, id_: str) -> Publisher:
        """Return the publisher of an id, which is new."""
        said = read_id(id_)
        if said is None:
            raise ValueError(f"{id_!r} is published, and is no message id")
        prefix = prefix_of(said.run, said.publisher)
        publisher = Publisher(prefix, len(self._numbered))
        self._publishers[prefix] = publisher
        self._numbered.append(publisher)
        self.prefixes.append(prefix)
        self._runs.add(said.run)
        return publisher

    def _remember(self, id_: str, ledger: Ledger, index: int) -> Entry | None:
        chunk = ledger.chunks.get(index >> BITS)
        if chunk is None:
            return None
        if len(self.at_hand) >= _MOST_AT_HAND:
            self.at_hand.clear()
        entry = self.at_hand[id_] = Entry(ledger, chunk, index & MASK)
        return entry

    def find(self, id_: str) -> Entry | None:
        """Return a publication; None where there is none, or none any more."""
        entry = self.at_hand.get(id_)
        if entry is not None:
            return entry
        prefix, _, tail = id_.rpartition("-")
        publisher = self._publishers.get(prefix)
        place = 0 if publisher is None else publisher.place_of(_number(tail))
        if not place:
            return None
        ledger = self.topics[place & _TOPIC_MASK]
        return self._remember(id_, ledger, (place >> PLACE_BITS) - 1)

    def is_forgotten(self, id_: str) -> bool:
        """Tell whether an id that is not found may have been one."""
        prefix, _, tail = id_.rpartition("-")
        publisher = self._publishers.get(prefix)
        if publisher is None:
            return False
        number = _number(tail)
        return publisher.is_forgotten(number) or publisher.place_of(number) > 0

    def other_run(self, id_: str) -> str:
        """Return the run of an id, where that is another; else ""."""
        said = read_id(id_)
        return "" if said is None or said.run in self._runs else said.run

    def forget(self, ledger: Ledger, chunk: Chunk) -> None:
        """Forget a chunk."""
        ledger.forget(chunk, self._numbered)
        self.at_hand.clear()

    def __repr__(self) -> str:
        """Show how many topics and publishers there are."""
        return f"<Register {len(self.topics)} topics, {len(self.prefixes)} publishers>"


def _number(tail: str) -> int:
    """Return the number at the end of an id; 0 where none stands there."""
    is_number = tail.isdigit() and tail.isascii() and tail[0] != "0"
    return int(tail) if is_number and len(tail) <= _LONGEST_NUMBER else 0
