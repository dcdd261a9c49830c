"""Accounting: the fate of every message that the hub owes to somebody.

It refuses to know how bytes are written: it is told, and then it compares.

    duty = delivered + conflated + gapped + pending        (for each topic)

The two sides come from different places. Duty follows from where subscriptions
began and ended and from the top of the log; delivered is counted beside the
write itself. So a write that is skipped leaves the balance open, and
``unaccounted`` is not zero.
"""

import msgspec

__all__ = ["Account", "Balance", "Fates"]


class Fates(msgspec.Struct, frozen=True, gc=False):
    """What becomes of the messages of one write, for one subscription.

    Attributes:
        delivered: Handed to the transport.
        conflated: Left out by the subscriber's own wish.
        gapped: Announced as a gap.
    """

    delivered: int = 0
    conflated: int = 0
    gapped: int = 0


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One topic's account at one moment.

    Attributes:
        duty: Messages owed, over all subscriptions there ever were.
        delivered: Handed to a transport.
        conflated: Left out because the subscriber asked for that.
        gapped: Announced as a gap.
        pending: Owed to subscriptions that are still open.
        unaccounted: What is left over; anything but 0 is a bug.
    """

    duty: int
    delivered: int
    conflated: int
    gapped: int
    pending: int
    unaccounted: int


class Account:
    """The messages of one topic, by fate.

    Attributes:
        delivered: Handed to a transport.
        conflated: Left out by the subscriber's own wish.
        gapped: Announced as a gap.
    """

    __slots__ = ("_open", "_span", "conflated", "delivered", "gapped")

    def __init__(self) -> None:
        self.delivered = 0
        self.conflated = 0
        self.gapped = 0
        self._open = 0
        self._span = 0

    def subscribed(self, after: int) -> None:
        """Begin a duty: everything behind ``after`` is owed."""
        self._open += 1
        self._span -= after

    def unsubscribed(self, until: int) -> None:
        """End a duty: ``until`` was the last entry owed."""
        self._open -= 1
        self._span += until

    def settle(self, fates: Fates, times: int = 1) -> None:
        """Note that a write was done; to be called beside it.

        Args:
            fates: Of its messages.
            times: To how many subscriptions it was.
        """
        self.delivered += fates.delivered * times
        self.conflated += fates.conflated * times
        self.gapped += fates.gapped * times

    def balance(self, top: int, pending: int) -> Balance:
        """Compare both sides.

        Args:
            top: The last visible entry of the log.
            pending: Entries that the cursors of open subscriptions still have
                before them, summed.
        """
        duty = self._span + self._open * top
        settled = self.delivered + self.conflated + self.gapped + pending
        return Balance(
            duty=duty,
            delivered=self.delivered,
            conflated=self.conflated,
            gapped=self.gapped,
            pending=pending,
            unaccounted=duty - settled,
        )

    def __repr__(self) -> str:
        """Show what was delivered and how many subscriptions are open."""
        return f"<Account {self.delivered} delivered, {self._open} open>"
