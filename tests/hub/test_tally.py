"""Tally: what a node counts while it works, in plain numbers."""

from bisect import bisect_left
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.tally import (
    OTHER,
    REASONS,
    TIMES,
    WINDOW,
    Count,
    Labels,
    Spread,
    Tally,
)
from wavetank.protocol import ErrorCode, Reason

Seconds = st.floats(min_value=0.0, max_value=100.0)


def test_labels_are_all_there_from_the_start() -> None:
    """So a reader sees the first count as a change, and not as a new series."""
    labels = Labels(("a", "b"))
    assert labels == {"a": 0, "b": 0, OTHER: 0}
    labels["a"] += 1
    labels.add("b", 3)
    assert (labels.total, labels.seen) == (4, {"a": 1, "b": 3})


@given(st.lists(st.text()))
def test_labels_never_grow_whatever_comes_from_outside(words: list[str]) -> None:
    """What is not known is counted together."""
    labels = Labels(("a", "b"))
    for word in words:
        labels.add(word)
    assert set(labels) == {"a", "b", OTHER}
    assert labels.total == len(words)


def test_labels_know_no_label_that_the_program_has_misspelt() -> None:
    """A slip of ours is not counted as somebody else's."""
    with pytest.raises(KeyError):
        Labels(("a",))["A"] += 1


def test_spread_counts_a_bound_in_its_own_class() -> None:
    """As Prometheus's `le` has it; what is above all bounds has a class too."""
    spread = Spread((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.2, 1.0, 1.1):
        spread.observe(seconds)
    assert spread.counts == [2, 2, 1]
    assert spread.count == 5
    assert spread.sum == pytest.approx(2.4)
    assert spread.mean == pytest.approx(0.48)
    assert repr(spread) == "<Spread 5, mean 0.480000 s>"


def test_spread_takes_one_time_for_many_things() -> None:
    """As for a page of messages that is written at once."""
    spread = Spread((0.1, 1.0))
    spread.observe(0.5, 40)
    assert (spread.counts, spread.count, spread.sum) == ([0, 40, 0], 40, 20.0)


@given(st.lists(Seconds, min_size=1), st.sampled_from((0.01, 0.5, 0.99, 1.0)))
def test_spread_bounds_each_quantile(times: list[float], share: float) -> None:
    """The quantile lies in the class whose bound is returned."""
    spread = Spread()
    for seconds in times:
        spread.observe(seconds)
    rank = next(n for n in range(1, len(times) + 1) if n >= len(times) * share)
    true = sorted(times)[rank - 1]
    place = bisect_left(TIMES, true)
    assert spread.quantile(share) == (TIMES[place] if place < len(TIMES) else inf)


def test_spread_of_nothing_has_no_quantile() -> None:
    """Nothing observed is not the same as zero seconds."""
    assert Spread().quantile(0.99) is None
    assert Spread().mean == 0.0


def test_tally_begins_with_zeros_for_all_that_can_happen() -> None:
    """Each error of the protocol, each way to recover, each bucket."""
    tally = Tally()
    assert set(tally.errors) == {*map(str, ErrorCode), OTHER}
    assert set(tally.recovered) == {"full", *map(str, Reason), OTHER}
    assert set(tally.rate_limited) == {
        *("commands", "publish", "subscribe", "history", OTHER)
    }
    assert set(tally.published) == {
        *("accepted", "duplicate", "rejected", "unavailable", OTHER)
    }
    assert set(tally.auth) == {"accepted", "expired", "refused", OTHER}
    assert set(tally.rejected) == {*REASONS, OTHER}
    assert repr(tally) == "<Tally 0 accepted, 0 published, 0 delivered>"


def test_tally_takes_codes_of_the_protocol_as_labels() -> None:
    """An enum's member is its own text."""
    tally = Tally()
    tally.errors.add(ErrorCode.RATE_LIMITED)
    tally.errors[ErrorCode.INTERNAL] += 1
    assert tally.errors.seen == {"rate_limited": 1, "internal": 1}


def test_tally_counts_ends_by_code_and_by_who_ended_it() -> None:
    """A code that a client has made up is one among others."""
    tally = Tally()
    tally.ended(4108, "hub")
    tally.ended(1000, "client")
    tally.ended(1006, "network")
    for code in range(3100, 4000):
        tally.ended(code, "client")
    tally.ended(1000, "nobody knows")
    assert tally.closed == {
        ("4108", "hub"): 1,
        ("1000", "client"): 1,
        ("1006", "network"): 1,
        (OTHER, "client"): 900,
        ("1000", OTHER): 1,
    }


@pytest.mark.parametrize(
    ("recovered", "reason", "label"),
    [
        (True, None, "full"),
        (False, Reason.TRUNCATED, "truncated"),
        (False, Reason.DIVERGED, "diverged"),
        (False, "of a later version", OTHER),
        (False, None, OTHER),
    ],
)
def test_tally_counts_how_subscriptions_began(
    recovered: bool, reason: str | None, label: str
) -> None:
    """As their answers say it."""
    tally = Tally()
    tally.began(recovered=recovered, reason=reason)
    assert tally.recovered.seen == {label: 1}


def test_tally_counts_no_beginning_that_was_not_asked_for() -> None:
    """Live only is neither recovered nor lost."""
    tally = Tally()
    tally.began(recovered=None, reason=None)
    assert tally.recovered.seen == {}


def test_tally_takes_how_late_the_loop_was() -> None:
    """A timer that came early, by the clock's grain, was in time."""
    tally = Tally()
    tally.loop_lag(0.2)
    tally.loop_lag(-0.001)
    assert tally.lag.count == 2
    assert tally.lag.sum == pytest.approx(0.2)


def test_tally_knows_no_rates_before_a_second_was_remembered() -> None:
    """Nothing known yet is shown as nothing happening."""
    tally = Tally()
    tally.published["accepted"] += 5
    assert set(tally.rates(1.0)) == {0.0}
    tally.second(1.0)
    assert set(tally.rates(1.0)) == {0.0}


def test_tally_tells_rates_over_the_last_seconds_alone() -> None:
    """What happened before the window is forgotten."""
    tally = Tally()
    tally.published["accepted"] += 1_000_000
    for second in range(100):
        tally.second(float(second))
        tally.published["accepted"] += 3
        tally.published["duplicate"] += 1
        tally.delivered += 30
        tally.accepted["none"] += 2
        tally.errors.add("internal", 1)
    rates = tally.rates(100.0)
    assert rates.published == pytest.approx(3.0)
    assert rates.delivered == pytest.approx(30.0)
    assert rates.accepted == pytest.approx(2.0)
    assert rates.errors == pytest.approx(1.0)
    tally.published["accepted"] += 11
    assert tally.rates(100.0).published == pytest.approx(3 + 11 / (WINDOW + 1))


def test_tally_counts_what_is_handed_out() -> None:
    """A gap is one, however many messages it stands for."""
    tally = Tally()
    tally.handed_out(3, gapped=0)
    tally.handed_out(1, gapped=20)
    assert (tally.delivered, tally.gaps) == (4, 1)


def test_count_shows_its_number() -> None:
    """Somebody outside counts it up."""
    tally = Tally()
    tally.lines_dropped.number += 2
    assert repr(tally.lines_dropped) == "<Count 2>"
    assert repr(Count()) == "<Count 0>"
