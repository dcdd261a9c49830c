"""Limits: token buckets, floods of errors, and who may still come in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.limits import Admission, Bucket, Buckets, Crowd, Flood


def test_bucket_gives_its_burst_at_once_and_then_at_its_rate() -> None:
    """Two a second: two at once, then one each half second."""
    bucket = Bucket(2.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert bucket.take(0.25) == pytest.approx(0.25)
    assert bucket.take(0.5) == 0.0
    assert bucket.take(0.5) == pytest.approx(0.5)


def test_bucket_never_holds_more_than_its_burst() -> None:
    """An hour of silence buys one burst, not an hour's worth."""
    bucket = Bucket(1.0, now=0.0, burst=3.0)
    assert [bucket.take(3600.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_bucket_without_a_rate_always_gives() -> None:
    """No limit is no waiting."""
    bucket = Bucket(None, now=0.0)
    assert {bucket.take(0.0) for _ in range(1000)} == {0.0}


def test_bucket_slower_than_one_a_second_still_gives_one() -> None:
    """A rate of 0.1 is one in ten seconds, not never."""
    bucket = Bucket(0.1, now=0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(5.0) == pytest.approx(5.0)
    assert bucket.take(10.0) == 0.0


def test_bucket_gains_nothing_while_time_stands_still_or_goes_back() -> None:
    """And what was gained once is not gained again when time catches up."""
    bucket = Bucket(1.0, now=10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(9.0) == 1.0
    assert "0 of 1" in repr(bucket)
    assert [bucket.take(now) for now in (10.5, 9.0, 10.5)] == [0.5, 0.5, 0.5]
    assert bucket.take(11.0) == 0.0


@given(
    st.floats(0.001, 1e6),
    st.floats(0, 1e7),
    st.lists(st.floats(0, 2), min_size=1, max_size=20),
)
def test_bucket_gives_to_whoever_waits_as_told(
    rate: float, start: float, pauses: list[float]
) -> None:
    """However slow the rate and however late the hour, a wait is never in vain."""
    bucket = Bucket(rate, start)
    now = start
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait:
            assert wait <= 1 / rate
            # A clock has steps; nobody can wait for less than one.
            now = max(now + wait, math.nextafter(now, math.inf))
            assert bucket.take(now) == 0.0


@given(st.floats(0.01, 100), st.lists(st.floats(-5, 5), max_size=200))
def test_bucket_never_gives_more_than_its_burst_and_its_rate(
    rate: float, steps: list[float]
) -> None:
    """Whatever the clock does, forwards and back."""
    bucket = Bucket(rate, 0.0)
    now = latest = 0.0
    given_away = 0
    for step in steps:
        now += step
        latest = max(latest, now)
        given_away += bucket.take(now) == 0.0
    assert given_away <= bucket.burst + latest * rate + 0.01


def test_buckets_limit_only_what_has_a_rate() -> None:
    """Each name has its own bucket; the others are free."""
    buckets = Buckets({"publish": 1.0, "history": 0.5, "commands": None}, now=0.0)
    assert [buckets.take("publish", 0.0) for _ in range(2)] == [0.0, 1.0]
    assert [buckets.take("history", 0.0) for _ in range(2)] == [0.0, 2.0]
    assert {buckets.take("commands", 0.0) for _ in range(99)} == {0.0}
    assert buckets.take("unheard-of", 0.0) == 0.0
    rates = [buckets.rate(name) for name in ("publish", "history", "commands")]
    assert rates == [1.0, 0.5, None]


def test_buckets_show_what_is_limited() -> None:
    """A log line may show the object."""
    assert repr(Buckets({"publish": None}, now=0.0)) == "<Buckets unlimited>"
    shown = repr(Buckets({"publish": 2.0}, now=0.0))
    assert shown == "<Buckets publish <Bucket 2 of 2, 2.0 a second>>"


def test_flood_is_seen_at_the_last_of_too_many_errors() -> None:
    """Three in a second are a flood; the third one tells."""
    flood = Flood(most=3, window=1.0)
    assert [flood.note(now) for now in (0.0, 0.5, 1.0)] == [False, False, True]


def test_flood_forgets_errors_that_are_old() -> None:
    """The same number, spread wider, is none."""
    flood = Flood(most=3, window=1.0)
    assert not any(flood.note(now) for now in (0.0, 0.5, 1.1, 1.6, 2.2))
    assert repr(flood) == "<Flood 3 of 3>"


def test_admission_is_full_at_its_total() -> None:
    """The total counts every connection, whoever it is."""
    admission = Admission(Crowd(total=2))
    assert not admission.is_full()
    admission.enter("10.0.0.1")
    admission.enter("10.0.0.2")
    assert admission.is_full()
    admission.leave("10.0.0.1")
    assert not admission.is_full()


def test_admission_without_a_total_is_never_full() -> None:
    """No limit has to be asked for, and then holds."""
    admission = Admission(Crowd(total=None))
    for _ in range(100):
        admission.enter("10.0.0.1")
    assert not admission.is_full()
    assert not admission.is_full_for("10.0.0.1")


def test_admission_counts_each_address_by_itself() -> None:
    """One greedy address does not keep out another."""
    admission = Admission(Crowd(total=10, per_ip=1))
    admission.enter("10.0.0.1")
    assert admission.is_full_for("10.0.0.1")
    assert not admission.is_full_for("10.0.0.2")
    assert not admission.is_full_for("")


def test_admission_counts_each_user_by_itself() -> None:
    """A user signs in until the limit, and again after signing out."""
    admission = Admission(Crowd(total=10, per_user=1))
    assert admission.sign_in("ann")
    assert not admission.sign_in("ann")
    assert admission.sign_in("bob")
    admission.sign_out("ann")
    assert admission.sign_in("ann")


def test_admission_refuses_a_user_who_may_have_none() -> None:
    """A refused user leaves no trace in the counts."""
    admission = Admission(Crowd(total=10, per_user=0))
    assert not admission.sign_in("ann")
    assert admission.statistics()["users"] == 0


def test_admission_forgets_who_has_left() -> None:
    """The counters do not grow with everybody who ever came."""
    admission = Admission(Crowd(total=10))
    for number in range(100):
        admission.enter(f"10.0.0.{number}")
        admission.sign_in(f"user-{number}")
        admission.leave(f"10.0.0.{number}")
        admission.sign_out(f"user-{number}")
    assert admission.statistics() == {
        "open": 0,
        "limit": 10,
        "addresses": 0,
        "users": 0,
    }
    assert repr(admission) == "<Admission 0 of 10>"
