"""Producers: whose publication is the next one, and whose came before.

They refuse to know connections, and what a publication says.
"""

import enum
from collections import OrderedDict
from typing import Any, NamedTuple

__all__ = ["Producer", "Producers", "Turn"]

_MOST = 10_000
"""Producers that are remembered; who was heard longest ago is forgotten."""
_PLACES = 1000
"""Newest numbers of a producer whose places are remembered."""


class Producer(NamedTuple):
    """Who publishes, in which of its epochs, and which of its publications it is."""

    name: str
    epoch: int
    seq: int


class Turn(enum.Enum):
    """What a number means."""

    NEXT = enum.auto()
    REPEATED = enum.auto()
    GAP = enum.auto()
    FENCED = enum.auto()


class Producers:
    """Remembers the last number of each producer of each topic."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[int, dict[int, int]]]
        self._known = OrderedDict()

    def turn(self, topic: str, producer: Producer) -> Turn:
        """Return what a number means; the first one of an epoch is 1."""
        epoch, places = self._known.get((topic, producer.name), (producer.epoch, {}))
        if producer.epoch < epoch:
            return Turn.FENCED
        last = max(places, default=0) if producer.epoch == epoch else 0
        if producer.seq <= last:
            return Turn.REPEATED
        return Turn.NEXT if producer.seq == last + 1 else Turn.GAP

    def answer(
        self, topic: str, producer: Producer | None
    ) -> dict[str, Any] | tuple[str, str] | None:
        """Return what to answer at once, without publishing anything.

        Returns:
            None for what is to be published; fields of the reply to what came
            before; else an error's code and words.
        """
        turn = Turn.NEXT if producer is None else self.turn(topic, producer)
        if producer is None or turn is Turn.NEXT:
            return None
        if turn is Turn.GAP:
            return "producer_gap", f"{producer.seq} is not the next number"
        if turn is Turn.FENCED:
            return "producer_fenced", f"{producer.name} has a higher epoch by now"
        _, places = self._known[topic, producer.name]
        return {"topic": topic, "seq": places.get(producer.seq), "duplicate": True}

    def note(self, topic: str, producer: Producer | None, place: int) -> None:
        """Note that a publication has its place in the log."""
        if producer is None:
            return
        key = topic, producer.name
        epoch, places = self._known.pop(key, (producer.epoch, {}))
        if epoch != producer.epoch:
            places = {}
        places[producer.seq] = place
        if len(places) > _PLACES:
            del places[next(iter(places))]
        self._known[key] = producer.epoch, places
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def __repr__(self) -> str:
        """Show how many are remembered."""
        return f"<Producers {len(self._known)}>"
