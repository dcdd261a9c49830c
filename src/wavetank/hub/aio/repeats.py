"""Repeats: what each topic remembers of publications that may come again.

They refuse to know what is answered, and when anything is durable.
"""

from itertools import islice

from wavetank.hub.aio.logs.base import Kept
from wavetank.hub.duplicates import Budget, Duplicate, Duplicates, Fresh, Origin
from wavetank.hub.rules import Objection
from wavetank.protocol import Publish

__all__ = ["TENDED_AT_ONCE", "Repeats"]

TENDED_AT_ONCE = 20
"""Topics whose old keys are looked for in one go, so that the loop is not held up."""


class Repeats:
    """The duplicates of all topics that have any; the others cost nothing."""

    __slots__ = ("_budget", "_by_topic")

    def __init__(self) -> None:
        self._by_topic: dict[str, Duplicates] = {}
        self._budget = Budget()

    def __len__(self) -> int:
        """Return how many topics have something to remember."""
        return len(self._by_topic)

    def restore(self, kept: Kept) -> None:
        """Take up what a log has kept of a topic."""
        if kept.keys or kept.producers:
            self._by_topic[kept.topic] = Duplicates.restore(kept, self._budget)

    def judge(
        self, command: Publish, user: str, wall: float
    ) -> Fresh | Duplicate | Objection:
        """Tell whether somebody has published this before.

        Args:
            command: With a key or a producer.
            user: Who publishes.
            wall: Seconds since 1970.
        """
        known = self._by_topic.get(command.topic)
        if known is None:
            known = Duplicates(self._budget)
        judged = known.judge(user, command, wall)
        if isinstance(judged, Fresh):
            self._by_topic[command.topic] = known
        return judged

    def note(self, topic: str, origin: Origin, seq: int, wall: float) -> None:
        """Remember a publication that was judged fresh."""
        self._by_topic[topic].note(origin, seq, wall)

    def settle(self, topic: str, seq: int) -> None:
        """Note that nothing of a topic up to ``seq`` will be taken back any more."""
        known = self._by_topic.get(topic)
        if known is not None:
            known.settle(seq)

    def take_back(self, topic: str, seq: int) -> None:
        """Forget the publications of a topic from ``seq`` on."""
        known = self._by_topic.get(topic)
        if known is not None:
            known.take_back(seq)

    def tend(self, wall: float) -> None:
        """Forget what is too old, of some topics at a time."""
        for topic in list(islice(self._by_topic, TENDED_AT_ONCE)):
            known = self._by_topic.pop(topic)
            known.tend(wall)
            if not known.is_empty:
                # Behind all others: they take turns.
                self._by_topic[topic] = known

    def __repr__(self) -> str:
        """Show how many topics have something to remember."""
        return f"<Repeats of {len(self)} topics>"
