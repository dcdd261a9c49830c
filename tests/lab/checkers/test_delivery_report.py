"""The report of a delivery check says what the counts mean."""

from collections import Counter

import pytest

from wavetank.evidence import Finding, Verdict
from wavetank.lab.checkers.delivery_report import Account, DeliveryReport
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.promises import (
    AT_LEAST_ONCE,
    BEST_EFFORT,
    EXACTLY_ONCE,
    WITNESSED,
    Anomaly,
    Promise,
)
from wavetank.lab.checkers.tallies import Example, Tally

LOST = "every subscriber gets each message that it is owed"
SKIPPED = "no sequence number is jumped over for good"
AGAIN = "nothing comes again after a resume but what may"
IN_TIME = "messages are delivered in time"
TO_ALL = "no acknowledged message is lost to everybody"
DATA = "there is something to account for"
DOUBTS = ("nobody has waited",)


def report(
    *,
    promise: Promise = AT_LEAST_ONCE,
    counts: dict[Anomaly, int] | None = None,
    doubts: tuple[str, ...] = (),
    bounds: tuple[str, ...] = (),
    has_seqs: bool = True,
    has_witnesses: bool = True,
    **figures: object,
) -> DeliveryReport:
    """Return a report of a run with something in it."""
    tally = Tally()
    tally.attempted = tally.acked = tally.delivered = 10
    tally.counts.update(counts or {})
    for name, value in figures.items():
        setattr(tally, name, value)
    account = Account(promise, tally, doubts, bounds, has_seqs, has_witnesses)
    return DeliveryReport(account)


def row(one: DeliveryReport, title: str) -> Finding:
    """Return the finding of a title."""
    return {finding.title: finding for finding in one.findings()}[title]


def test_a_report_without_anomalies_passes() -> None:
    """Each class has its row, but for those that only show where they are."""
    one = report()
    assert one.verdict is Verdict.PASS
    assert {finding.verdict for finding in one.findings()} == {Verdict.PASS}
    assert len(one.findings()) == 2 + len(Anomaly) - 4
    assert repr(one) == "<DeliveryReport PASS >"
    assert not any(one.counts.values())


@pytest.mark.parametrize(
    "anomaly",
    sorted(set(Anomaly) - {Anomaly.PENDING, Anomaly.RECOVERED, Anomaly.DECLARED}),
)
def test_each_anomaly_fails_where_nothing_excuses_it(anomaly: Anomaly) -> None:
    """One is enough."""
    promise = Promise(exactly_once=True, declares_gaps=False, stale_after=1.0)
    one = report(promise=promise, counts={anomaly: 1})
    assert one.verdict is Verdict.FAIL
    assert repr(one) == f"<DeliveryReport FAIL {anomaly}=1>"
    assert sum(each.verdict is Verdict.FAIL for each in one.findings()) == 1


@pytest.mark.parametrize("anomaly", [Anomaly.RECOVERED, Anomaly.DECLARED])
def test_what_is_fine_is_counted_with_a_note(anomaly: Anomaly) -> None:
    """It is told, and does not fail."""
    one = report(counts={anomaly: 3})
    assert one.verdict is Verdict.PASS
    notes = [finding.note for finding in one.findings() if finding.note]
    assert len(notes) == 1
    assert notes[0].startswith("3 ")


def test_what_is_pending_is_unknown() -> None:
    """It may still come."""
    assert report(counts={Anomaly.PENDING: 1}).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"attempted": 0, "acked": 0, "delivered": 0}, "nothing was published"),
        ({"acked": 0}, "nothing was acknowledged"),
        ({"delivered": 0}, "nothing was delivered"),
    ],
)
def test_a_report_without_data_is_unknown(figures: dict[str, int], reason: str) -> None:
    """Nothing acknowledged or nothing delivered is never a success, nor a loss."""
    one = report(**figures)
    assert one.verdict is Verdict.UNKNOWN
    assert reason in row(one, DATA).seen
    assert row(one, LOST).verdict is Verdict.UNKNOWN
    lost = report(counts={Anomaly.LOST: 5, Anomaly.LOST_TO_ALL: 5}, **figures)
    assert lost.verdict is Verdict.UNKNOWN


def test_a_target_without_acknowledgements_needs_none() -> None:
    """What one got, the other is owed; what nobody got is not judged."""
    one = report(promise=BEST_EFFORT, acked=0)
    assert one.verdict is Verdict.PASS
    assert row(one, LOST).expected.startswith("what any subscriber got")
    assert row(one, TO_ALL).verdict is Verdict.SKIP


def test_a_single_subscriber_shows_no_loss_without_acknowledgements() -> None:
    """With numbers, its skips show; without them nothing does."""
    numbered = report(promise=BEST_EFFORT, acked=0, has_witnesses=False)
    assert row(numbered, LOST).verdict is Verdict.SKIP
    assert numbered.verdict is Verdict.PASS
    bare = report(promise=BEST_EFFORT, acked=0, has_witnesses=False, has_seqs=False)
    assert row(bare, LOST).verdict is Verdict.UNKNOWN
    assert bare.verdict is Verdict.UNKNOWN


def test_a_feed_is_told_by_its_witnesses() -> None:
    """Nothing was acknowledged, and nobody knows who publishes."""
    one = report(promise=WITNESSED, acked=0)
    assert row(one, DATA).seen == "10 messages, 10 deliveries"
    order = row(one, "the messages of a publisher keep their order")
    assert order.verdict is Verdict.SKIP


def test_a_target_without_numbers_is_not_judged_by_them() -> None:
    """Their rows are skipped, with the reason."""
    one = report(has_seqs=False)
    assert row(one, SKIPPED).verdict is Verdict.SKIP
    assert row(one, SKIPPED).seen == "the target gives no sequence numbers"
    assert one.verdict is Verdict.PASS


def test_without_the_final_phase_nothing_is_known_of_losses() -> None:
    """What was seen wrong all the same is wrong; a skip may still be filled."""
    one = report(doubts=DOUBTS)
    assert one.verdict is Verdict.UNKNOWN
    assert row(one, LOST).verdict is Verdict.UNKNOWN
    assert "nobody has waited" in row(one, LOST).seen
    assert row(one, AGAIN).verdict is Verdict.PASS
    assert report(doubts=DOUBTS, counts={Anomaly.LOST: 1}).verdict is Verdict.FAIL
    skip = report(doubts=DOUBTS, counts={Anomaly.SKIPPED: 1})
    assert row(skip, SKIPPED).verdict is Verdict.UNKNOWN


def test_counts_that_are_bounds_are_said_to_be() -> None:
    """Nothing passes on them; what came too late may have been what was lost."""
    one = report(bounds=("too much",), counts={Anomaly.LOST: 3}, decided=3, late=3)
    assert one.verdict is Verdict.UNKNOWN
    assert "too much" in one.findings()[2].seen
    more = report(bounds=("too much",), counts={Anomaly.LOST: 4}, decided=4, late=3)
    assert more.verdict is Verdict.FAIL


def test_redeliveries_are_bounded_by_resumes() -> None:
    """At least once is no leave to send everything again for ever."""
    promise = Promise(most_redelivered=5)
    within = report(promise=promise, counts={Anomaly.REDELIVERED: 10}, connections=2)
    assert within.verdict is Verdict.PASS
    assert row(within, AGAIN).note == "10 deliveries: at least once is promised"
    beyond = report(promise=promise, counts={Anomaly.REDELIVERED: 11}, connections=2)
    assert beyond.verdict is Verdict.FAIL
    assert report(promise=EXACTLY_ONCE, counts={Anomaly.REDELIVERED: 1}).verdict is (
        Verdict.FAIL
    )


def test_a_share_of_deliveries_may_be_stale() -> None:
    """The rest of them is in time."""
    promise = Promise(stale_after=0.5, most_stale=0.1)
    within = report(promise=promise, counts={Anomaly.STALE: 1})
    assert row(within, IN_TIME).verdict is Verdict.PASS
    assert row(within, IN_TIME).note == "1 deliveries: 10.00% of all may be"
    assert row(within, IN_TIME).expected == "at most 0.5 s after it was acknowledged"
    beyond = report(promise=promise, counts={Anomaly.STALE: 2})
    assert row(beyond, IN_TIME).verdict is Verdict.FAIL


def test_losses_are_told_by_where_they_were() -> None:
    """With the first few of them."""
    one = report(
        counts={Anomaly.LOST: 3},
        fates=Counter({Fate.TARGET: 2, Fate.PROXY: 1}),
        examples={Anomaly.LOST: [Example(id=f"w-r-p-{n}") for n in range(5)]},
    )
    assert row(one, LOST).seen == (
        "3 deliveries lost (2: the target never sent it; 1: the proxy dropped it), "
        "such as w-r-p-0; w-r-p-1; w-r-p-2"
    )
    assert one.fates == {Fate.TARGET: 2, Fate.PROXY: 1}
    assert len(one.examples(Anomaly.LOST)) == 5
    assert one.examples(Anomaly.STALE) == []


def test_what_the_proxy_dropped_fails_only_a_target_that_can_bring_it_back() -> None:
    """Without a way to resume it is the proxy's doing alone."""
    fates = Counter({Fate.PROXY: 2})
    counts = {Anomaly.LOST: 2}
    best = Promise(resumable=False)
    assert report(promise=best, counts=counts, fates=fates).verdict is Verdict.PASS
    assert report(counts=counts, fates=fates).verdict is Verdict.FAIL
    more = report(promise=best, counts={Anomaly.LOST: 3}, fates=fates)
    assert more.verdict is Verdict.FAIL


def test_what_the_proxys_log_has_forgotten_is_told() -> None:
    """In a long run its first frames are gone, and nobody knows who lost a message."""
    counts = {Anomaly.LOST: 3}
    some = report(counts=counts, fates=Counter({Fate.TARGET: 1, Fate.CUT: 2}))
    assert row(some, LOST).verdict is Verdict.FAIL
    assert (
        "; 2: nobody knows who lost it: the proxy's log does not"
        in row(some, LOST).seen
    )


@pytest.mark.parametrize(
    ("fates", "verdict"),
    [
        ({Fate.PROXY: 1, Fate.CUT: 2}, Verdict.UNKNOWN),
        ({Fate.PROXY: 1, Fate.CUT: 1, Fate.TARGET: 1}, Verdict.FAIL),
        ({Fate.CUT: 3}, Verdict.FAIL),
    ],
)
def test_what_the_proxy_has_perhaps_dropped_is_laid_to_nobodys_charge(
    fates: dict[Fate, int], verdict: Verdict
) -> None:
    """It has dropped some: the others, too, as far as its log still tells."""
    counts = {Anomaly.LOST: 3}
    best = report(promise=Promise(resumable=False), counts=counts, fates=Counter(fates))
    assert row(best, LOST).verdict is verdict
    assert row(report(counts=counts, fates=Counter(fates)), LOST).verdict is (
        Verdict.FAIL
    )


def test_a_report_says_what_went_through() -> None:
    """By name, for the summary."""
    one = report(replayed=2, connections=3, late=0)
    assert one.statistics() == {
        "attempted": 10,
        "acknowledged": 10,
        "delivered": 10,
        "replayed": 2,
        "reconnections": 3,
        "late": 0,
    }
    assert one.lags.count == one.stable.count == 0
    assert (one.doubts, one.bounds) == ((), ())
