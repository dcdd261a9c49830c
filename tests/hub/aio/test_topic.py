"""A topic on this node, and the two who deal with it: subscriber and publisher."""

import pytest

from wavetank.errors import LocalError
from wavetank.hub.aio.topic import Subscriber, Topic
from wavetank.hub.cursors import Place
from wavetank.hub.log import Bounds, Mark, TopicLog
from wavetank.hub.pace import Pace


def topic_of(count: int, *, ring: int | None = None) -> Topic:
    """Return a topic with that many visible entries, one a second."""
    topic = Topic(TopicLog("t", "epoch", ring=Bounds(entries=ring)))
    for number in range(1, count + 1):
        topic.log.reveal(topic.log.append(b"%d" % number, wall=float(number)).seq)
    topic.cursors.level = topic.log.visible
    topic.log.settle(count)
    return topic


def somebody() -> Subscriber:
    """Return a subscriber that nothing reaches."""
    return Subscriber("c-1", lambda data: None)


def place_at(seq: int, *, is_live: bool = True, is_latest: bool = False) -> Place:
    """Return a place, held since second 2."""
    return Place(seq=seq, offset=seq * 10, at=2.0, is_live=is_live, is_latest=is_latest)


def put(topic: Topic, place: Place, *, rate: float | None = None) -> Subscriber:
    """Subscribe somebody, with a rate or without, and return it."""
    subscriber = somebody()
    topic.account.subscribed(place.seq)
    if rate is None:
        topic.cursors.enter(subscriber, subscriber.write, place)
    else:
        pace = topic.paces.setdefault(rate, Pace(rate, topic.log.visible))
        subscriber.paces[topic] = pace
        pace.enter(subscriber, place)
        pace.wake(subscriber, 0.0)
        visible = topic.log.visible
        pace.join(subscriber, subscriber.write, form=None, now=0.0, visible=visible)
    return subscriber


def test_topic_counts_subscriptions_of_every_kind() -> None:
    """In step, behind, and with a rate."""
    topic = topic_of(3)
    for seq, rate in ((3, None), (1, None), (3, 5.0), (1, 5.0), (3, 2.0)):
        put(topic, place_at(seq), rate=rate)
    assert topic.subscribers == 5
    balance = topic.balance()
    assert (balance.duty, balance.pending, balance.unaccounted) == (4, 4, 0)
    assert "2 paces" in repr(topic)


def test_topic_is_idle_only_without_entries_and_subscriptions() -> None:
    """Then nothing is lost if it is forgotten."""
    topic = topic_of(0)
    was_idle = topic.is_idle
    put(topic, place_at(0), rate=1.0)
    assert (was_idle, topic.is_idle, topic_of(1).is_idle) == (True, False, False)


def test_topic_knows_where_somebody_is() -> None:
    """Nowhere of its own for those in step and for strangers."""
    topic = topic_of(3)
    here, there = place_at(1), place_at(2)
    assert topic.place_of(put(topic, here)) is here
    assert topic.place_of(put(topic, there, rate=1.0)) is there
    assert topic.place_of(put(topic, place_at(3))) is None
    assert topic.place_of(somebody()) is None


@pytest.mark.parametrize(
    ("place", "rate", "is_settled"),
    [
        (place_at(3), None, True),
        (place_at(2), None, False),
        (place_at(2, is_latest=True), None, False),
        (place_at(3), 1.0, True),
        (place_at(2), 1.0, False),
    ],
)
def test_subscriber_is_settled_once_it_has_the_newest(
    place: Place, rate: float | None, is_settled: bool
) -> None:
    """In step, or out of step with nothing left to get."""
    topic = topic_of(3)
    assert topic.is_settled(put(topic, place, rate=rate)) is is_settled


def test_subscriber_in_step_is_settled_at_the_level() -> None:
    """With a rate it is not, while the newest entry waits for its beat."""
    topic = topic_of(3)
    always, sometimes = put(topic, place_at(3)), put(topic, place_at(3), rate=1.0)
    topic.log.reveal(topic.log.append(b"4", wall=4.0).seq)
    assert topic.is_settled(always)
    assert not topic.is_settled(sometimes)


def test_subscriber_that_jumps_is_settled_out_of_step_too() -> None:
    """Unless it still has to hear of the topic."""
    topic = topic_of(3)
    topic.cursors.level = 2
    place = place_at(3, is_latest=True)
    subscriber = put(topic, place)
    assert topic.is_settled(subscriber)
    place.start = Mark(3, 1)
    assert not topic.is_settled(subscriber)


def test_topic_says_how_far_somebody_lags() -> None:
    """Age of the first entry that it has not got, and all bytes up to the top."""
    topic = topic_of(5)
    ring = topic.log.ring
    place = place_at(2)
    place.offset = ring.offset(2)
    lag = topic.lag_of(put(topic, place), wall=10.0)
    assert lag is not None
    assert (lag.age, lag.size) == (7.0, ring.offset(5) - ring.offset(2))


def test_topic_says_how_far_somebody_lags_beyond_memory() -> None:
    """The age is then that of the last entry it got."""
    topic = topic_of(5, ring=1)
    found = topic.lag_of(put(topic, place_at(2)), wall=10.0)
    assert found is not None
    assert found.age == 8.0


@pytest.mark.parametrize(
    "place",
    [
        place_at(2, is_live=False),
        place_at(2, is_latest=True),
        place_at(5, is_latest=False),
    ],
)
def test_topic_counts_no_lag_where_it_is_no_fault(place: Place) -> None:
    """A replay, one who jumps, one who has everything."""
    topic = topic_of(5)
    topic.cursors.level = 4
    assert topic.lag_of(put(topic, place), wall=10.0) is None


def test_topic_knows_where_a_subscription_starts() -> None:
    """With the tag, which the announcement carries."""
    topic = topic_of(5, ring=1)
    assert topic.start_at(0) == Mark(0, 0)
    assert topic.start_at(5) == Mark(5, topic.log.tag)
    with pytest.raises(LocalError, match="does not know the tag of entry 2"):
        topic.start_at(2)


def test_start_before_the_first_entry_is_known_when_that_is_gone() -> None:
    """Nothing comes before it, so its tag never changes."""
    topic = topic_of(5, ring=1)
    topic.log.forget(Mark(3, topic.log.tag))
    assert topic.start_at(0) == Mark(0, 0)


def test_subscriber_does_not_mind_what_it_is_told() -> None:
    """A plain one needs neither."""
    subscriber = Subscriber("c-1", lambda data: None, 15)
    subscriber.caught_up()
    subscriber.stranded()
    assert (subscriber.window, subscriber.is_paused) == (15, False)
