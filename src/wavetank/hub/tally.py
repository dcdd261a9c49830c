"""Tally: what a node counts while it works, in plain numbers.

It refuses to know who reads them, and how they are shown.

Whoever does something counts it here, beside the deed, and computes nothing else:
a count is one addition to a dict of fixed labels, a time one bisection. Sums,
rates and names are for whoever reads.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from wavetank.protocol import PROTOCOL, CloseCode, ErrorCode, Reason
from wavetank.wire import CLOSE_CODES

__all__ = [
    "OTHER",
    "REASONS",
    "TIMES",
    "WINDOW",
    "Count",
    "Labels",
    "Rates",
    "Spread",
    "Tally",
]

OTHER = "other"
"""What every label becomes that is not one of those known beforehand."""

TIMES = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper bounds of the classes in which times are counted, in seconds."""

WINDOW = 10
"""Seconds over which rates are taken."""

REASONS = {
    "400": "bad_request",
    "401": "unauthorized",
    "403": "forbidden",
    "404": "not_found",
    "405": "method_not_allowed",
    "408": "timeout",
    "411": "length_required",
    "413": "too_large",
    "414": "uri_too_long",
    "417": "expectation_failed",
    "421": "wrong_host",
    "426": "upgrade_required",
    "429": "too_many_of_one",
    "431": "head_too_large",
    "500": "internal",
    "501": "not_implemented",
    "503": "full",
    "505": "http_version",
}
"""What the hub refuses a request with: HTTP status, and the reason in a word."""

_INITIATORS = frozenset({"hub", "client", "network"})

_CODES = frozenset(CLOSE_CODES) | frozenset(map(int, CloseCode))


class Labels(dict[str, int]):
    """Counts by label; all labels are there from the start, and no other comes.

    ``labels[known] += 1`` is for a label that the program itself has chosen (a wrong
    one is a KeyError), ``add`` for one that may come from outside.

    Args:
        known: The labels, beside ``OTHER``.
    """

    __slots__ = ()

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__({str(label): 0 for label in (*known, OTHER)})

    def add(self, label: str, count: int = 1) -> None:
        """Count under a label, or under ``OTHER`` where that is not known."""
        self[label if label in self else OTHER] += count

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.values())

    @property
    def seen(self) -> dict[str, int]:
        """Those that are not zero."""
        return {label: count for label, count in self.items() if count}


class Count:
    """A number that somebody outside of the node counts up."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def __repr__(self) -> str:
        """Show the number."""
        return f"<Count {self.number}>"


class Spread:
    """How times are spread: how many fell into each class, and their sum.

    Args:
        bounds: Upper bounds of the classes in seconds, rising; each belongs to its
            class. What is above the last one is in a class of its own.

    Attributes:
        bounds: As given.
        counts: Observations in each class; one more than there are bounds.
        sum: Of all that was observed, in seconds.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Iterable[float] = TIMES) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float, count: int = 1) -> None:
        """Count a time, for so many things at once."""
        self.counts[bisect_left(self.bounds, seconds)] += count
        self.sum += seconds * count

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Their mean in seconds; 0.0 of none."""
        count = self.count
        return self.sum / count if count else 0.0

    def quantile(self, share: float) -> float | None:
        """Return the upper bound of the class in which a quantile lies.

        Args:
            share: Such as 0.99.

        Returns:
            Seconds; infinity where it is above all bounds, None of no observation.
        """
        rest = self.count * share
        if not rest:
            return None
        for bound, count in zip(self.bounds, self.counts, strict=False):
            rest -= count
            if rest <= 0:
                return bound
        return float("inf")

    def __repr__(self) -> str:
        """Show how many there are and their mean."""
        return f"<Spread {self.count}, mean {self.mean:.6f} s>"


class Rates(NamedTuple):
    """How much happens in a second, over the last ``WINDOW`` seconds.

    Attributes:
        published: Publications that were taken.
        delivered: Messages handed to transports.
        accepted: Connections that were let in.
        errors: Errors that were answered.
    """

    published: float = 0.0
    delivered: float = 0.0
    accepted: float = 0.0
    errors: float = 0.0


class Tally:
    """The counts of one node.

    Attributes:
        accepted: WebSockets let in, by subprotocol; ``none`` where the client offered
            none, ``echo`` for the echo.
        rejected: Requests refused before they became a WebSocket, by HTTP status.
        closed: WebSockets that ended, by close code and who ended them; ``ended``
            counts them.
        published: Publications by result; ``accepted`` is each that is in the log.
        delivered: Messages handed to transports, once for each subscriber.
        replayed: Those among them that somebody had missed and asked for.
        gaps: Gaps announced.
        errors: Errors answered, by code; also those of publications.
        rate_limited: Commands refused because a bucket was empty, by bucket.
        recovered: Subscriptions that named where to start, by what came of it.
        slow: What was done about slow consumers: ``lag`` fell behind and keeps a
            place of its own, ``conflate`` jumped to what is newest, ``close`` was
            closed with 4108.
        auth: Tokens that were judged.
        lines_dropped: Log lines that could not be written.
        rtt: Seconds from ping to pong.
        append: Seconds from a publication's arrival until it had its durability.
        fanout: Seconds from the append of a page's newest entry until the page was
            handed to the last transport, once for each message of the page.
        store: Seconds that a batch took to be written.
        lag: Seconds that the event loop was late.
    """

    __slots__ = (
        "_seconds",
        "accepted",
        "append",
        "auth",
        "closed",
        "delivered",
        "errors",
        "fanout",
        "gaps",
        "lag",
        "lines_dropped",
        "published",
        "rate_limited",
        "recovered",
        "rejected",
        "replayed",
        "rtt",
        "slow",
        "store",
    )

    def __init__(self) -> None:
        self.accepted = Labels((PROTOCOL, "none", "echo"))
        self.rejected = Labels(REASONS)
        self.closed: Counter[tuple[str, ...]] = Counter()
        self.published = Labels(("accepted", "duplicate", "rejected", "unavailable"))
        self.delivered = 0
        self.replayed = 0
        self.gaps = 0
        self.errors = Labels(ErrorCode)
        self.rate_limited = Labels(("commands", "publish", "subscribe", "history"))
        self.recovered = Labels(("full", *Reason))
        self.slow = Labels(("lag", "conflate", "close"))
        self.auth = Labels(("accepted", "expired", "refused"))
        self.lines_dropped = Count()
        self.rtt = Spread()
        self.append = Spread()
        self.fanout = Spread()
        self.store = Spread()
        self.lag = Spread()
        self._seconds: deque[tuple[float, Rates]] = deque(maxlen=WINDOW + 1)

    def ended(self, code: int, initiator: str) -> None:
        """Count a WebSocket that ended.

        Args:
            code: Its close code; 1006 where there was no closing handshake.
            initiator: ``hub`` or ``client``, whoever sent the first close frame;
                ``network`` where nobody did.
        """
        known = str(code) if code in _CODES else OTHER
        by = initiator if initiator in _INITIATORS else OTHER
        self.closed[known, by] += 1

    def began(self, *, recovered: bool | None, reason: str | None) -> None:
        """Count the beginning of a subscription, as its answer says it.

        Args:
            recovered: None, and not counted, where no start was asked for.
            reason: Why not.
        """
        if recovered is not None:
            self.recovered.add("full" if recovered else str(reason))

    def handed_out(self, delivered: int, *, gapped: int) -> None:
        """Count what was handed to one transport.

        Args:
            delivered: Messages.
            gapped: Messages that a gap stood for.
        """
        self.delivered += delivered
        if gapped:
            self.gaps += 1

    def loop_lag(self, seconds: float) -> None:
        """Take how late a timer of the event loop was."""
        self.lag.observe(max(0.0, seconds))

    # Rates.

    def second(self, now: float) -> None:
        """Remember where the counts are; called about once a second.

        Args:
            now: Seconds on a clock that never jumps.
        """
        self._seconds.append((now, self._counts()))

    def rates(self, now: float) -> Rates:
        """Return how much happens in a second, since the oldest second remembered."""
        if not self._seconds:
            return Rates()
        since, before = self._seconds[0]
        past = now - since
        if past <= 0:
            return Rates()
        pairs = zip(self._counts(), before, strict=True)
        return Rates(*((count - then) / past for count, then in pairs))

    def _counts(self) -> Rates:
        return Rates(
            self.published["accepted"],
            self.delivered,
            self.accepted.total,
            self.errors.total,
        )

    def __repr__(self) -> str:
        """Show how much was done."""
        return (
            f"<Tally {self.accepted.total} accepted, "
            f"{self.published['accepted']} published, {self.delivered} delivered>"
        )
