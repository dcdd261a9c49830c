"""The audience is who is there, and who subscribed to what."""

from wavetank.lab.checkers.audience import Audience
from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    DropNotice,
    Gap,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.promises import AT_LEAST_ONCE, BEST_EFFORT, Promise
from wavetank.lab.checkers.publications import LAST_SEQ
from wavetank.lab.checkers.register import Register


def audience(promise: Promise = AT_LEAST_ONCE) -> Audience:
    """Return an audience of one, who has subscribed to one topic."""
    one = Audience(promise, Register(limit=10), limit=10)
    one.connect(Connected(0.0, "a", "c1"))
    one.subscribe(Subscribed(0.0, "a", "t", 4, "e1"))
    return one


def test_a_resumable_subscription_goes_on_over_connections() -> None:
    """What is published meanwhile is owed."""
    one = audience()
    one.close(Closed(1.0, "a", "c1"))
    assert one.away() == ["a"]
    assert one.streams["a", "t"].is_open
    one.hear_from("a", "c2")
    assert one.away() == []
    assert one.connections == 1
    one.hear_from("a", "c2")
    assert one.connections == 1
    one.subscribe(Subscribed(2.0, "a", "t", 9))
    assert len(one.streams["a", "t"].windows) == 1
    assert repr(one) == "<Audience 1 subscribers, 1 subscriptions>"


def test_a_subscription_that_cannot_be_resumed_ends_with_its_connection() -> None:
    """Whoever comes back subscribes anew."""
    one = audience(BEST_EFFORT)
    one.connect(Connected(1.0, "a", "c2"))
    assert not one.streams["a", "t"].is_open
    assert one.away() == []
    one.subscribe(Subscribed(2.0, "a", "t"))
    one.close(Closed(3.0, "a", "c1"))  # the end of the old one is told late
    assert one.streams["a", "t"].is_open
    one.close(Closed(3.0, "a", "c2"))
    assert not one.streams["a", "t"].is_open


def test_a_head_is_taken_in_its_epoch_and_only_if_there_is_such_a_number() -> None:
    """A hostile one counts as none."""
    one = audience()
    assert one.streams["a", "t"].windows[0].first == 5
    for topic, head in [("u", -1), ("v", LAST_SEQ + 1), ("w", None)]:
        one.subscribe(Subscribed(0.0, "a", topic, head))
        assert one.streams["a", topic].windows[0].first is None
        one.unsubscribe(Unsubscribed(1.0, "a", topic, head))
        assert not one.streams["a", topic].is_open
    one.unsubscribe(Unsubscribed(1.0, "a", "t", 9))
    assert one.streams["a", "t"].windows[0].owes(9, 0)
    assert not one.streams["a", "t"].windows[0].owes(10, 0)


def test_who_asks_for_what_is_forgotten_is_noted() -> None:
    """What it does not get is not known to be lost."""
    one = audience()
    one.streams["a", "t"].ledger.forgotten = 8
    one.subscribe(Subscribed(0.0, "a", "t", 3))
    assert not one.is_too_early  # it goes on
    one.subscribe(Subscribed(0.0, "b", "t", 8))
    assert not one.is_too_early
    one.subscribe(Subscribed(0.0, "c", "t", 7))
    assert one.is_too_early


def test_what_a_target_says_it_drops_is_kept() -> None:
    """Which, or how many; nonsense is nothing."""
    one = audience()
    stream = one.streams["a", "t"]
    one.declare(Gap(1.0, "a", "t", -3, 2))
    one.declare(Gap(1.0, "a", "t", 7, 6))
    assert list(stream.gaps) == [(0, 2)]
    one.declare(Gap(1.0, "a", "t", 9, None, "e1"))
    assert list(stream.gaps) == [(0, 2), (9, LAST_SEQ)]
    one.note_drops(DropNotice(1.0, "a", "t", 3))
    one.note_drops(DropNotice(1.0, "a", "t", -9))
    assert stream.dropped == 3


def test_a_life_that_came_and_went_meanwhile_is_declared_with_the_one_before() -> None:
    """A target was killed twice before a subscriber could come back.

    It is told that its own epoch is over; of the one between nobody ever told it.
    """
    one = audience()
    stream = one.streams["a", "t"]
    base_of = stream.ledger.base_of
    between, latest = base_of("e2"), base_of("e3")
    one.declare(Gap(1.0, "a", "t", 5, None, "e1"))
    one.declare(Gap(1.0, "a", "t", 1, 3, "e3"))
    one.subscribe(Subscribed(1.0, "a", "t", 3, "e3"))
    assert all(at in stream.gaps for at in (5, between + 1, between + LAST_SEQ))
    assert all(at in stream.gaps for at in (latest + 1, latest + 3))
    assert latest + 4 not in stream.gaps
    # Who goes on in an epoch that is not over was told of nothing but the hole.
    one.declare(Gap(2.0, "a", "t", 9, None, "e3"))
    one.subscribe(Subscribed(2.0, "a", "t", 9, "e3"))
    one.subscribe(Subscribed(3.0, "a", "t", 9, "e4"))
    assert base_of("e4") + 1 not in stream.gaps


def test_what_is_told_of_no_subscription_is_nothing() -> None:
    """A hostile target does not make one."""
    one = audience()
    one.declare(Gap(1.0, "b", "t", 1, 2))
    one.note_drops(DropNotice(1.0, "b", "t", 3))
    one.unsubscribe(Unsubscribed(1.0, "b", "t"))
    assert list(one.streams) == [("a", "t")]


def test_an_audience_disagrees_where_somebody_saw_another_order() -> None:
    """Two messages without numbers, one order here and the other there."""
    register = Register(limit=10)
    one = Audience(AT_LEAST_ONCE, register, limit=10)
    for name in ("a", "b"):
        one.subscribe(Subscribed(0.0, name, "t"))
    for number in (1, 2):
        register.begin(f"w-r-p-{number}", "t", "")
    first, second = one.streams["a", "t"], one.streams["b", "t"]
    chunk = first.ledger.chunks[0]
    for slot in (0, 1):
        first.ledger.see(chunk, slot)
        first.receive(chunk, slot, -1)
    second.receive(chunk, 1, -1)
    assert not one.disagrees(second, chunk, 1)
    second.receive(chunk, 0, -1)
    assert one.disagrees(second, chunk, 0)
