"""The report of a delivery check: every anomaly with its count, examples and verdict.

It refuses to know how anything was counted.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from wavetank.evidence import Finding, Histogram, Verdict, merge
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.promises import Anomaly, Promise
from wavetank.lab.checkers.tallies import Example, Tally

__all__ = ["Account", "DeliveryReport"]


class _Row(NamedTuple):
    """How an anomaly is told.

    Attributes:
        title: What has to hold, as one sentence.
        unit: What is counted.
        needs_end: Whether only a finished final phase shows that there is none.
        needs_seqs: Whether it shows only where there are sequence numbers.
    """

    title: str
    unit: str
    needs_end: bool = False
    needs_seqs: bool = False


_ROWS: Final[Mapping[Anomaly, _Row]] = {
    Anomaly.LOST: _Row(
        "every subscriber gets each message that it is owed",
        "deliveries lost",
        needs_end=True,
    ),
    Anomaly.LOST_TO_ALL: _Row(
        "no acknowledged message is lost to everybody", "messages", needs_end=True
    ),
    Anomaly.PENDING: _Row("nothing is still on its way at the end", "deliveries"),
    Anomaly.DECLARED: _Row(
        "what is dropped on purpose is announced", "deliveries declared as a gap"
    ),
    Anomaly.RECOVERED: _Row(
        "a message may come though nobody knew whether it was published", "messages"
    ),
    Anomaly.PHANTOM: _Row("no refused message is delivered", "messages"),
    Anomaly.UNEXPECTED: _Row(
        "nothing is delivered that nobody has published", "deliveries"
    ),
    Anomaly.LEFTOVER: _Row("nothing of an earlier run is delivered", "deliveries"),
    Anomaly.REPEATED: _Row(
        "nothing is delivered twice in one connection", "deliveries"
    ),
    Anomaly.REDELIVERED: _Row(
        "nothing comes again after a resume but what may", "deliveries"
    ),
    Anomaly.PUBLISHED_TWICE: _Row(
        "a message has one place in the log, however often it is sent",
        "messages",
        needs_seqs=True,
    ),
    Anomaly.REORDERED: _Row(
        "sequence numbers never go backwards in a connection",
        "deliveries",
        needs_seqs=True,
    ),
    Anomaly.SKIPPED: _Row(
        "no sequence number is jumped over for good",
        "numbers",
        needs_end=True,
        needs_seqs=True,
    ),
    Anomaly.OVERTAKEN: _Row(
        "the messages of a publisher keep their order", "deliveries"
    ),
    Anomaly.DISAGREEMENT: _Row("all subscribers see the same", "deliveries"),
    Anomaly.CORRUPTED: _Row("every message arrives as it was published", "deliveries"),
    Anomaly.MISROUTED: _Row(
        "nobody gets messages of a topic that it did not ask for, or may not see",
        "deliveries",
    ),
    Anomaly.STALE: _Row("messages are delivered in time", "deliveries"),
}
"""Every anomaly, in the order of the report."""

_NO_END: Final = "the final phase is not finished"
_SHOWN: Final = 3


class Account(NamedTuple):
    """What a checker has counted.

    Attributes:
        promise: What the target promises.
        tally: The counts.
        doubts: Why the final phase is not finished; empty where it is.
        bounds: Why counts are bounds; empty where they are exact.
        has_seqs: Whether there were sequence numbers at all.
        has_witnesses: Whether any topic had two subscribers.
        unseen: Of which topics and subscribers nothing can be known.
    """

    promise: Promise
    tally: Tally
    doubts: tuple[str, ...]
    bounds: tuple[str, ...]
    has_seqs: bool
    has_witnesses: bool
    unseen: tuple[str, ...] = ()


class DeliveryReport:
    """What a history of messages comes to.

    Args:
        account: What was counted.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._promise = account.promise
        self._tally = account.tally

    # The numbers

    @property
    def counts(self) -> dict[Anomaly, int]:
        """Anomaly -> how often, for all of them."""
        return {anomaly: self._tally.counts[anomaly] for anomaly in Anomaly}

    def examples(self, anomaly: Anomaly) -> list[Example]:
        """Return the first few of an anomaly."""
        return list(self._tally.examples.get(anomaly, ()))

    @property
    def fates(self) -> dict[Fate, int]:
        """Where lost messages were lost -> how many deliveries."""
        return dict(self._tally.fates)

    @property
    def lags(self) -> Histogram:
        """Seconds from acknowledgement to delivery, of each delivery."""
        return self._tally.lags.histogram()

    @property
    def stable(self) -> Histogram:
        """Seconds from acknowledgement until everybody who is owed it had got it."""
        return self._tally.stable.histogram()

    def statistics(self) -> dict[str, int]:
        """Return what went through, by name."""
        tally = self._tally
        return {
            "attempted": tally.attempted,
            "acknowledged": tally.acked,
            "delivered": tally.delivered,
            "replayed": tally.replayed,
            "reconnections": tally.connections,
            "late": tally.late,
        }

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the final phase is not finished; empty where it is."""
        return self._account.doubts

    @property
    def bounds(self) -> tuple[str, ...]:
        """Why counts are bounds and not exact; empty where they are exact."""
        return self._account.bounds

    # What they mean

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL or UNKNOWN; never PASS without data or final phase."""
        return merge(finding.verdict for finding in self.findings())

    def findings(self) -> list[Finding]:
        """Return the findings: the data, the final phase, and each anomaly."""
        findings = [self._judge_data(), self._judge_end()]
        if self._account.unseen:
            findings.append(self._judge_unseen())
        if self.bounds:
            findings.append(self._judge_bounds())
        rows = (anomaly for anomaly in _ROWS if self._is_told(anomaly))
        return [*findings, *map(self._judge, rows)]

    def _is_told(self, anomaly: Anomaly) -> bool:
        """Tell whether an anomaly is worth a row: those that may be, only if seen."""
        if anomaly is Anomaly.STALE and self._promise.stale_after is None:
            return False
        may_be = {Anomaly.PENDING, Anomaly.DECLARED, Anomaly.RECOVERED}
        return anomaly not in may_be or self._tally.counts[anomaly] > 0

    @property
    def _nothing(self) -> str:
        """Why nothing can be known, in words; "" where something can."""
        if not self._tally.attempted:
            return "nothing was published"
        if not self._tally.acked and not self._promise.is_weak:
            return "nothing was acknowledged"
        return "" if self._tally.delivered else "nothing was delivered"

    def _judge_data(self) -> Finding:
        tally = self._tally
        seen = (
            f"{tally.attempted:,} published, {tally.acked:,} acknowledged, "
            f"{tally.delivered:,} deliveries"
        )
        if self._promise.witnessed:
            seen = f"{tally.attempted:,} messages, {tally.delivered:,} deliveries"
        return Finding(
            verdict=Verdict.UNKNOWN if self._nothing else Verdict.PASS,
            title="there is something to account for",
            expected="messages that are published and delivered",
            seen=f"{seen}: {self._nothing}" if self._nothing else seen,
        )

    def _judge_end(self) -> Finding:
        return Finding(
            verdict=Verdict.UNKNOWN if self.doubts else Verdict.PASS,
            title="everybody had the time to get everything",
            expected="all healed, all connected, nothing more to come",
            seen="; ".join(self.doubts) or "all of it",
        )

    def _judge_unseen(self) -> Finding:
        unseen = self._account.unseen
        more = [f"and {len(unseen) - _SHOWN} more"] if len(unseen) > _SHOWN else []
        return Finding(
            verdict=Verdict.UNKNOWN,
            title="it is known who is owed what",
            expected="a subscriber for every topic, and a first message for each",
            seen="; ".join([*unseen[:_SHOWN], *more]),
        )

    def _judge_bounds(self) -> Finding:
        return Finding(
            verdict=Verdict.UNKNOWN,
            title="every message can be told from every other to the end",
            expected="exact counts",
            seen=f"these are bounds: {'; '.join(self.bounds)}",
        )

    def _judge(self, anomaly: Anomaly) -> Finding:
        row, count = _ROWS[anomaly], self._tally.counts[anomaly]
        seen = f"{count:,} {row.unit}" if count else "none"
        excuse, gap = self._excuse(anomaly), self._gap(anomaly)
        skipped = self._no_basis(anomaly)
        note = ""
        if skipped:
            verdict, seen = Verdict.SKIP, skipped
        elif count and not excuse:
            verdict = Verdict.UNKNOWN if self._is_open(anomaly) else Verdict.FAIL
        elif gap:
            verdict, seen = Verdict.UNKNOWN, f"{seen}; {gap}"
        else:
            verdict, note = Verdict.PASS, f"{seen}: {excuse}" if count else ""
        return Finding(
            verdict=verdict,
            title=row.title,
            expected=self._expected(anomaly),
            seen=self._with_examples(anomaly, seen) if count else seen,
            note=note,
        )

    def _no_basis(self, anomaly: Anomaly) -> str:
        """Return why an anomaly cannot show at all; "" where it can."""
        if _ROWS[anomaly].needs_seqs and not self._account.has_seqs:
            return "the target gives no sequence numbers"
        if anomaly is Anomaly.STALE and not self._promise.acknowledges:
            return "the target acknowledges nothing"
        alone = self._promise.is_weak and not self._account.has_witnesses
        if anomaly is Anomaly.LOST and alone and self._account.has_seqs:
            return "without a second subscriber only skipped numbers show a loss"
        if anomaly is Anomaly.OVERTAKEN and self._promise.witnessed:
            return "nobody knows who publishes to a feed"
        if anomaly is Anomaly.LOST_TO_ALL and self._promise.is_weak:
            return "nobody knows what was published and came to nobody"
        return ""

    def _gap(self, anomaly: Anomaly) -> str:
        """Return why it is not known whether there is any; "" where it is."""
        if self._nothing:
            return self._nothing
        if _ROWS[anomaly].needs_end and self.doubts:
            return f"{_NO_END}: {'; '.join(self.doubts)}"
        alone = self._promise.is_weak and not self._account.has_witnesses
        if anomaly is Anomaly.LOST and alone:
            return "one subscriber alone cannot show what it did not get"
        return ""

    def _is_open(self, anomaly: Anomaly) -> bool:
        """Tell whether what was counted may still turn out to be none."""
        if anomaly is Anomaly.PENDING:
            return True
        if anomaly is Anomaly.SKIPPED:
            return bool(self.doubts)
        if anomaly in {Anomaly.LOST, Anomaly.LOST_TO_ALL}:
            # What was given up for lost may be among what came too late.
            doubtful = min(self._tally.decided, self._tally.late)
            is_late = self._tally.counts[anomaly] <= doubtful
            return bool(self._nothing) or is_late or self._is_perhaps_ours(anomaly)
        return False

    def _is_perhaps_ours(self, anomaly: Anomaly) -> bool:
        """Tell whether the proxy may have dropped all that nobody brings back.

        It has dropped some, and of the others its log does not tell any more.
        """
        if anomaly is not Anomaly.LOST or self._promise.resumable:
            return False
        fates, count = self._tally.fates, self._tally.counts[anomaly]
        return 0 < fates[Fate.PROXY] < count == fates[Fate.PROXY] + fates[Fate.CUT]

    def _excuse(self, anomaly: Anomaly) -> str:
        """Return why an anomaly is no failure, in this number; "" where it is one."""
        tally, promise = self._tally, self._promise
        count = tally.counts[anomaly]
        if anomaly is Anomaly.STALE:
            is_within = count <= promise.most_stale * tally.delivered
            return f"{promise.most_stale:.2%} of all may be" if is_within else ""
        if anomaly is Anomaly.REDELIVERED:
            most = promise.most_redelivered * max(tally.connections, 1)
            return promise.excuse(anomaly) if count <= most else ""
        is_ours = tally.fates[Fate.PROXY] == count and not promise.resumable
        if anomaly is Anomaly.LOST and is_ours:
            return "the proxy dropped them all, and nothing brings them back"
        return promise.excuse(anomaly)

    def _expected(self, anomaly: Anomaly) -> str:
        promise = self._promise
        if anomaly is Anomaly.LOST:
            return (
                "what any subscriber got; nobody knows what else was published"
                if promise.is_weak
                else "every acknowledged message of its subscriptions"
            )
        if anomaly is Anomaly.STALE:
            return f"at most {promise.stale_after:g} s after it was acknowledged"
        return "none"

    def _with_examples(self, anomaly: Anomaly, seen: str) -> str:
        fates = [
            f"{count:,}: {fate}" for fate, count in self._tally.fates.items() if fate
        ]
        if anomaly is Anomaly.LOST and fates:
            seen = f"{seen} ({'; '.join(fates)})"
        some = "; ".join(map(str, self.examples(anomaly)[:_SHOWN]))
        return f"{seen}, such as {some}" if some else seen

    def __repr__(self) -> str:
        """Show the verdict and what was counted."""
        said = " ".join(f"{name}={n}" for name, n in self.counts.items() if n)
        return f"<DeliveryReport {self.verdict} {said}>"
