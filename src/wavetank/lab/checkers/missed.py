"""What subscribers missed while they were away, though nobody owed it to them.

It refuses to judge it: a target without replay has promised none of it. Its users
lose it all the same, so it is counted.
"""

import msgspec

from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.history import Event, Fate, Fates
from wavetank.lab.checkers.promises import Anomaly, Promise

__all__ = ["Missed"]

_NOBODY_KNOWS = "nobody knows where"


class Missed:
    """Counts what a target with replay would owe, for one that has none.

    Args:
        promise: What the target promises. Where a subscriber is owed what was
            published while it was away, nothing is counted here: it is lost.
    """

    def __init__(self, promise: Promise) -> None:
        self._checker: Checker | None = None
        if not promise.resumable:
            owed = msgspec.structs.replace(promise, resumable=True)
            self._checker = Checker(promise=owed)

    def take(self, event: Event) -> None:
        """Take what has happened, in the order of time."""
        if self._checker is not None:
            self._checker.take(event)

    def counts(self, fates: Fates) -> dict[str, int]:
        """Return where messages were lost, in words -> how many deliveries.

        Args:
            fates: Where each was lost, as the wire has it.
        """
        if self._checker is None:
            return {}
        report = self._checker.judge(fates)
        counts = {
            str(fate) or _NOBODY_KNOWS: count for fate, count in report.fates.items()
        }
        # A server that loses nothing is told so.
        return counts if report.counts[Anomaly.LOST] else {str(Fate.TARGET): 0}

    def __repr__(self) -> str:
        """Show what was taken."""
        return f"<Missed {self._checker!r}>"
