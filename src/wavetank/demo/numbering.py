"""Numbering: who publishes gives each message its number within its topic.

It refuses to know what messages say.
"""

from typing import Any

from wavetank.demo.messages import Message, topic_of

__all__ = ["Numbering"]


class Numbering:
    """Makes the messages of one publisher.

    Args:
        run: Which run of the demo they belong to.
        topics: Where it publishes; each is in the totals from the start.
    """

    def __init__(self, run: str, topics: tuple[str, ...]) -> None:
        self._run = run
        self._totals = dict.fromkeys(topics, 0)

    @property
    def totals(self) -> dict[str, int]:
        """How many messages were made so far, by topic."""
        return dict(self._totals)

    def make(self, kind: type[Message], at: float, **fields: Any) -> Message:
        """Make a message.

        Args:
            kind: Which one.
            at: When it came about, in seconds since 1970.
            fields: What it says.
        """
        milliseconds = round(at * 1000, 3)
        draft = kind(run=self._run, number=1, timestamp=milliseconds, **fields)
        topic = topic_of(draft)
        self._totals[topic] += 1
        fields["run"], fields["timestamp"] = self._run, milliseconds
        if "totals" in fields:
            # A status counts itself too.
            fields["totals"] = self.totals
        return kind(number=self._totals[topic], **fields)

    def __repr__(self) -> str:
        """Show how many there were."""
        return f"<Numbering {self._totals}>"
