"""A feed that one cannot publish to is known by its witnesses."""

from collections.abc import Iterable

from wavetank.evidence import Verdict
from wavetank.lab.checkers.history import (
    Connected,
    Delivered,
    Drained,
    Event,
    PublishInvoked,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.promises import WITNESSED, Anomaly, Promise
from wavetank.lab.checkers.witnesses import Witnesses, witnessed

from .runs import judged


def watching(*names: str, head: int | None = None) -> list[Event]:
    """Let witnesses follow the feed."""
    return [
        event
        for name in names
        for event in (Connected(0.0, name, "c1"), Subscribed(0.0, name, "t", head))
    ]


def saw(name: str, *seqs: int) -> list[Event]:
    """Deliver numbered messages."""
    return [Delivered(1.0, name, "c1", "t", "", seq, digest=f"d{seq}") for seq in seqs]


def heard(name: str, *words: str) -> list[Event]:
    """Deliver messages without number or id."""
    return [Delivered(1.0, name, "c1", "t", "", digest=word) for word in words]


def found(events: Iterable[Event], promise: Promise = WITNESSED) -> dict[Anomaly, int]:
    """Return what is wrong with a feed."""
    report = judged(*witnessed([*events, Drained(9.0)]), promise=promise)
    return {name: count for name, count in report.counts.items() if count}


def test_what_one_witness_got_is_owed_to_the_other() -> None:
    """From where it began to listen."""
    events = [*watching("a", "b"), *saw("a", 1, 2, 3, 4, 5), *saw("b", 3, 5)]
    assert found(events) == {Anomaly.LOST: 1, Anomaly.SKIPPED: 1}


def test_witnesses_that_agree_are_sound() -> None:
    """The one behind the other begins later and is owed nothing before."""
    events = [*watching("a", "b"), *saw("b", 3), *saw("a", 1, 2, 3, 4), *saw("b", 4)]
    assert found(events) == {}
    report = judged(*witnessed([*events, Drained(9.0)]), promise=WITNESSED)
    assert report.verdict is Verdict.PASS
    assert report.statistics()["attempted"] == 4


def test_a_feed_that_names_its_head_is_owed_from_there() -> None:
    """Before the first delivery too."""
    events = [*watching("a", "b", head=0), *saw("a", 1, 2), *saw("b", 2)]
    assert found(events) == {Anomaly.LOST: 1, Anomaly.SKIPPED: 1}


def test_witnesses_without_numbers_are_owed_once_they_have_met() -> None:
    """What came before may have been published before the other listened."""
    events = [
        *watching("a", "b"),
        *heard("a", "x", "y"),
        *heard("b", "y"),
        *heard("a", "z", "end"),
        *heard("b", "end"),
    ]
    assert found(events) == {Anomaly.LOST: 1}
    assert found([*watching("a", "b"), *heard("a", "x", "y"), *heard("b", "y")]) == {}


def test_witnesses_of_different_payloads_disagree() -> None:
    """At one number, or one id, there is one payload."""
    wrong = Delivered(1.0, "b", "c1", "t", "", 2, digest="other")
    events = [*watching("a", "b"), *saw("a", 1, 2), *saw("b", 1), wrong]
    assert found(events) == {Anomaly.DISAGREEMENT: 1}


def test_a_single_witness_shows_no_loss() -> None:
    """With numbers, what was skipped shows; without, nothing is known."""
    events = [*watching("a"), *saw("a", 1, 3), Drained(9.0)]
    report = judged(*witnessed(events), promise=WITNESSED)
    by_title = {one.title: one for one in report.findings()}
    lost = by_title["every subscriber gets each message that it is owed"]
    assert lost.verdict is Verdict.SKIP
    assert report.counts[Anomaly.SKIPPED] == 1
    blind = judged(
        *witnessed([*watching("a"), *heard("a", "x"), Drained(9.0)]), promise=WITNESSED
    )
    assert blind.verdict is Verdict.UNKNOWN


def test_ids_of_a_feed_are_told_apart_by_topic() -> None:
    """One id on two topics is two messages."""
    one = Delivered(1.0, "a", "c1", "t", "x1", 1)
    events = list(witnessed([*watching("a"), one, one._replace(topic="u")]))
    ids = [event.id for event in events if isinstance(event, PublishInvoked)]
    assert ids == ["w-seen-t0-1", "w-seen-t1-1"]


def test_a_witness_that_leaves_before_it_met_another_is_no_witness() -> None:
    """What it followed is not told; what has begun is ended."""
    gone = Unsubscribed(1.0, "a", "t")
    assert list(witnessed([Subscribed(0.0, "a", "t"), gone])) == []
    begun = Subscribed(0.0, "a", "t", 5)
    events = list(witnessed([begun, gone]))
    assert events == [begun._replace(confirmed=False), gone]


def test_witnesses_remember_a_bounded_number_of_messages() -> None:
    """Whoever is further behind is told to have got something new."""
    witnesses = Witnesses(remembered=3)
    for event in [*watching("a", "b"), *saw("a", *range(10))]:
        list(witnesses.take(event))
    assert repr(witnesses) == "<Witnesses 3 known, 1 held>"
    assert any(
        isinstance(event, PublishInvoked) for event in witnesses.take(saw("b", 1)[0])
    )


def test_a_witness_to_which_nothing_came_is_told_at_the_end() -> None:
    """Else two that agree would hide that a third one got nothing at all."""
    heard = [*saw("a", 1, 2), *saw("b", 1, 2)]
    events = list(witnessed([*watching("a", "b", "c"), *heard, Drained(9.0)]))
    silent = [event for event in events if isinstance(event, Subscribed)][-1]
    assert (silent.subscriber, silent.confirmed) == ("c", False)
    report = judged(*events, promise=WITNESSED)
    assert report.verdict is Verdict.UNKNOWN
    assert any("what c is owed of t" in one.seen for one in report.findings())
