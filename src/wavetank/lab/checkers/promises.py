"""Promises: what a target says of its deliveries, and what is wrong under which.

They refuse to know what was seen.
"""

import enum
from typing import Final

import msgspec

__all__ = [
    "AT_LEAST_ONCE",
    "BEST_EFFORT",
    "EXACTLY_ONCE",
    "WITNESSED",
    "Anomaly",
    "Promise",
]


class Anomaly(enum.StrEnum):
    """What can be seen of a message, other than once, in order and unchanged."""

    LOST = "lost"
    """Acknowledged, owed to a subscriber, and it did not come."""
    LOST_TO_ALL = "lost to all"
    """Acknowledged, owed to somebody; nobody got it, nor does the history have it."""
    DECLARED = "declared gap"
    """As lost, but the target has said so."""
    PENDING = "pending"
    """As lost, but it may still be on its way: nothing behind it has come."""
    RECOVERED = "recovered"
    """Nobody knew whether it was published, and it came: fine."""
    PHANTOM = "phantom"
    """Refused, and delivered all the same."""
    UNEXPECTED = "unexpected"
    """Delivered, and nobody has published it."""
    LEFTOVER = "leftover"
    """As unexpected, but of another run."""
    REPEATED = "duplicated in a connection"
    REDELIVERED = "duplicated on resume"
    PUBLISHED_TWICE = "duplicated by publisher"
    """One id at two places of the log: a retry was not known for one."""
    REORDERED = "reordered"
    """Sequence numbers go backwards."""
    SKIPPED = "skip"
    """Sequence numbers that were jumped over, and never came."""
    OVERTAKEN = "publisher order"
    """A later message of a publisher came before an earlier one."""
    DISAGREEMENT = "disagreement"
    """Two subscribers saw another order, or another payload at one place."""
    CORRUPTED = "corrupted"
    MISROUTED = "misrouted"
    """Delivered on a topic that is not its own, or not the subscriber's."""
    STALE = "stale"
    """Delivered later after its acknowledgement than agreed."""


class Promise(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a target promises; by default all that a log with positions can keep.

    Attributes:
        acknowledges: Whether publications are acknowledged. Without it nobody knows
            what was published: a message is owed to all once one subscriber got it.
        resumable: Whether a subscriber is owed what was published while it was away.
        exactly_once: Whether nothing is delivered again after a resume.
        most_redelivered: So many at most for each new connection, where it may be.
        fifo: Whether the messages of one publisher keep their order on a topic.
        one_order: Whether all subscribers of a topic see one order, where there are
            no sequence numbers (with them, each order is held against the numbers).
        declares_gaps: Whether the target may drop what it owes, if it says so.
        idempotent: Whether a retry with the same id is published once.
        witnessed: Whether publications are known by other subscribers alone.
        stale_after: Seconds from acknowledgement to delivery; None is no bound.
        most_stale: So large a share of deliveries may be later than that.
        allowed: What else is counted and not failed.
    """

    acknowledges: bool = True
    resumable: bool = True
    exactly_once: bool = False
    most_redelivered: int = 10_000
    fifo: bool = True
    one_order: bool = True
    declares_gaps: bool = True
    idempotent: bool = True
    witnessed: bool = False
    stale_after: float | None = None
    most_stale: float = 0.0
    allowed: frozenset[Anomaly] = frozenset()

    @property
    def is_weak(self) -> bool:
        """Whether only what somebody got is known to have been published."""
        return self.witnessed or not self.acknowledges

    def excuse(self, anomaly: Anomaly) -> str:
        """Return why an anomaly is counted and not failed; "" where it fails."""
        if anomaly in self.allowed:
            return "allowed"
        if anomaly is Anomaly.RECOVERED:
            return "nobody knew whether it was published"
        reason, is_promised = {
            Anomaly.DECLARED: ("the target said so", not self.declares_gaps),
            Anomaly.REDELIVERED: ("at least once is promised", self.exactly_once),
            Anomaly.PUBLISHED_TWICE: ("retries may double", self.idempotent),
            Anomaly.OVERTAKEN: ("no such order is promised", self.fifo),
        }.get(anomaly, ("", True))
        return "" if is_promised else reason


AT_LEAST_ONCE: Final = Promise()
"""Acknowledged, resumable, in order; after a resume some may come again."""

EXACTLY_ONCE: Final = Promise(exactly_once=True)
"""As `AT_LEAST_ONCE`, and nothing comes again."""

BEST_EFFORT: Final = Promise(acknowledges=False, resumable=False, one_order=False)
"""No acknowledgements and no replay: whoever is connected gets what is published."""

WITNESSED: Final = Promise(acknowledges=False, witnessed=True, fifo=False)
"""A feed that one cannot publish to: subscribers are held against each other."""
