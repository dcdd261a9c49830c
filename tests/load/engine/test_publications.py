"""Publish scenarios: publishers publish, subscribers account for every message."""

from wavetank.load.engine.publications import Publications
from wavetank.load.exchange import Share
from wavetank.load.plan import Payload, Scenario, Stage
from wavetank.wire import Opcode

from .hosts import (
    SUBSCRIBED,
    WELCOME,
    Bench,
    Guest,
    framed,
    published,
    refused,
    scenario,
)


def plain(**fields: object) -> Scenario:
    """Return a scenario for a target that hands on what comes on one path."""
    paths = {"path": "/sub", "publish_path": "/pub", "acknowledged": False}
    return scenario("publish", **(paths | fields))


def made_of(
    bench: Bench, given: Scenario, dialect: str = "bare", share: Share | None = None
) -> Publications:
    """Return a population."""
    setting = bench.setting(given, dialect=dialect, share=share)
    made = Publications(setting, given, opening=64)
    bench.closing.callback(made.close)
    return made


def started(bench: Bench, given: Scenario) -> tuple[Publications, list[Guest]]:
    """Return a population with all connections open: subscribers, then publishers."""
    made = made_of(bench, given)
    made.open()
    bench.turn()
    guests = bench.accept(given.users + given.publishers)
    bench.turn_until(lambda: made.open_count == given.users + given.publishers)
    made.setting.start = bench.loop.now
    guests.sort(key=lambda guest: guest.request is not None and guest.request.target)
    return made, guests[given.publishers :] + guests[: given.publishers]


def on_the_hub(
    bench: Bench, given: Scenario
) -> tuple[Publications, list[Guest], list[Guest]]:
    """Return a population on a hub; its guests: subscribers, and publishers."""
    made = made_of(bench, given, "hub")
    made.open()
    bench.turn()
    guests = []
    for _ in range(given.users + given.publishers):
        guest = bench.host.accept()
        bench.turn()
        guests.append(guest.answer(subprotocol=True))
        guest.say(WELCOME)
    bench.turn_until(lambda: made.speaking)
    bench.turn()
    subscribers = guests[: given.users]
    for guest in subscribers:
        assert b"subscribe" in guest.read().payload
        guest.say(SUBSCRIBED)
    bench.turn_until(lambda: made.is_open)
    made.setting.start = bench.loop.now
    return made, subscribers, guests[given.users :]


def due(made: Publications, seconds: float) -> None:
    """Publish what is due so many seconds behind the start."""
    made.setting.start = made.setting.loop.now - seconds
    made.due(made.setting.loop.now)


def payloads(guest: Guest, count: int) -> list[bytes]:
    """Return the next messages of a publisher."""
    return [guest.read().payload for _ in range(count)]


def test_subscribers_account_for_every_publication(bench: Bench) -> None:
    """Three publications to two subscribers: one loses one, one has one twice."""
    made, (first, second, publisher) = started(bench, plain(users=2))
    due(made, 0.25)
    one, two, three = payloads(publisher, 3)
    for payload in (one, two, three):
        first.say(payload)
    for payload in (one, three, three):
        second.say(payload)
    first.say("of somebody else")
    tally = made.deliveries.tally
    bench.turn_until(lambda: tally.received == 5 and tally.foreign == 1)
    sent = made.published()
    assert sent == {0: 3}
    assert not made.is_drained(sent, refused={})
    made.settle(sent, refused={})
    assert (tally.intended, tally.received, tally.lost) == (6, 5, 1)
    assert tally.duplicated == 1
    assert made.publishes.tally.sent == 3
    assert made.is_certain


def test_publications_are_drained_once_all_is_there(bench: Bench) -> None:
    """The last delivery ends the wait."""
    made, (subscriber, publisher) = started(bench, plain())
    due(made, 0.15)
    for payload in payloads(publisher, 2):
        assert not made.is_drained(made.published(), refused={})
        subscriber.say(payload)
    bench.turn_until(lambda: made.is_drained(made.published(), refused={}))


def test_publications_are_dealt_out_over_topics(bench: Bench) -> None:
    """A subscriber is owed what its own topic got, from whatever worker."""
    given = plain(users=2, publishers=2, topics=2)
    made = made_of(bench, given)
    owed = made._by_topic({0: 5, 1: 7, 2: 1})
    assert owed == [{0: 5, 2: 1}, {1: 7}]
    nobody = made._by_topic({})
    missing = [made._missing(each, owed, nobody) for each in made.subscribers]
    assert missing == [6, 7]


def test_worker_without_a_publisher_has_no_arrivals(bench: Bench) -> None:
    """With one publisher and two workers, the one that has it publishes all.

    The arrivals were dealt out over the workers: those of the other one were dropped.
    """
    parts = [
        made_of(bench, plain(users=4), share=Share(index=index, count=2))
        for index in range(2)
    ]
    assert [len(each.publishers) for each in parts] == [1, 0]
    due_then = [len(each.arrivals(each.setting.start + 1)) for each in parts]
    assert due_then == [10, 0]


def test_acknowledged_publications_are_timed_and_refusals_told(bench: Bench) -> None:
    """Each answer by its id; an error without one answers the oldest."""
    made, (subscriber,), (publisher,) = on_the_hub(bench, scenario("publish"))
    due(made, 0.35)
    tally = made.publishes.tally
    publisher.say("hi", Opcode.PING)
    publisher.send(framed(published(4)) + framed(refused("null"))[:20])
    bench.turn_until(lambda: tally.received)
    publisher.send(framed(refused("null"))[20:])
    publisher.say(published(99))
    publisher.say('{"type":"heartbeat","ts":1.0,"tops":{}}')
    bench.turn_until(lambda: tally.foreign == 2)
    assert tally.received == 1
    assert min(made.publishes.response) >= 250_000
    assert tally.reasons == {"refused: forbidden not you": 1}
    assert made.refused() == {0: 1}
    assert not made.is_drained(made.published(), refused=made.refused())
    made.settle(made.published(), refused=made.refused())
    assert tally.lost == 2
    assert made.deliveries.tally.lost == 3
    del subscriber


def test_nobody_is_owed_what_the_target_refused(bench: Bench) -> None:
    """A refused publication is missing by right."""
    made, (subscriber,), (publisher,) = on_the_hub(bench, scenario("publish"))
    due(made, 0.15)
    payload = publisher.read().payload
    publisher.read()
    publisher.say(published(4))
    publisher.say(refused(5))
    subscriber.say(b'{"type":"event","data":' + payload + b"}")
    bench.turn_until(
        lambda: (
            made.is_drained(made.published(), refused=made.refused())
            and made.publishes.tally.failed
        )
    )
    made.settle(made.published(), refused=made.refused())
    tally = made.deliveries.tally
    assert (tally.intended, tally.received, tally.lost) == (1, 1, 0)


def test_publications_of_a_lost_publisher_fail_and_are_owed_to_nobody(
    bench: Bench,
) -> None:
    """Nobody knows whether they came to the target."""
    made, _, (publisher,) = on_the_hub(bench, scenario("publish"))
    due(made, 0.25)
    publisher.abort()
    bench.turn_until(lambda: made.lost_connections)
    assert made.publishes.tally.failed == 3
    assert made.refused() == {0: 3}
    assert made.is_drained(made.published(), refused=made.refused())
    assert made.is_certain
    due(made, 0.35)
    assert made.publishes.tally.dropped == 1


def test_loss_of_a_publisher_without_answers_leaves_doubts(bench: Bench) -> None:
    """What it published last may never have left: nothing is lost for certain."""
    made, (_, publisher) = started(bench, plain())
    assert made.is_certain
    due(made, 0.05)
    publisher.abort()
    bench.turn_until(lambda: made.lost_connections)
    assert not made.is_certain


def test_subscriber_that_is_lost_is_owed_nothing(bench: Bench) -> None:
    """Its connection failed, and says why; what it missed is not lost."""
    made, (subscriber, publisher) = started(bench, plain())
    due(made, 0.05)
    payloads(publisher, 1)
    subscriber.leave(1008, "slow consumer")
    bench.turn_until(lambda: made.lost_connections)
    tally = made.deliveries.tally
    assert tally.reasons == {"the target closed with code 1008 (slow consumer)": 1}
    made.settle(made.published(), refused={})
    assert (tally.intended, tally.lost) == (0, 0)
    assert not made.is_deserted


def test_publisher_that_does_not_open_harms_nobody(bench: Bench) -> None:
    """It never was a publisher."""
    made = made_of(bench, plain())
    bench.host.refuse()
    made.open()
    bench.turn_until(lambda: made.is_open)
    assert made.failed == 2
    assert made.is_certain
    due(made, 0.05)
    assert made.publishes.tally.dropped == 1


def test_publication_for_which_nobody_is_free_is_dropped(bench: Bench) -> None:
    """Beyond what may be unanswered, nothing is sent."""
    made, _, _ = on_the_hub(bench, scenario("publish", in_flight=2))
    due(made, 0.45)
    tally = made.publishes.tally
    assert (tally.intended, tally.sent, tally.dropped) == (5, 2, 3)


def test_publisher_whose_target_reads_nothing_is_not_free(bench: Bench) -> None:
    """Without answers, too: memory stays bounded."""
    given = plain(
        payload=Payload(size=200_000), stages=(Stage(seconds=1.0, level=500.0),)
    )
    made, _ = started(bench, given)
    while made.next_due() < made.setting.start + 1:
        due(made, 1.0)
    tally = made.publishes.tally
    assert tally.intended == tally.sent + tally.dropped == 500
    assert tally.dropped > 0
    assert not made.is_certain


def test_publisher_that_breaks_while_it_sends_harms_no_other(bench: Bench) -> None:
    """Of two, one is cut: the other's messages are on their way."""
    made, (_, first, second) = started(bench, plain(publishers=2))
    first.abort()
    due(made, 0.35)
    assert len(payloads(second, 2)) == 2
    bench.turn_until(lambda: made.lost_connections)
    assert len(made.speaking) == 1


def test_subscriber_that_comes_back_is_owed_what_is_published_from_then_on(
    bench: Bench,
) -> None:
    """What it missed between is not lost, and what it had twice before counts."""
    stages = tuple(Stage(seconds=1.0, level=level) for level in (1, 0, 1))
    made, (subscriber, publisher) = started(bench, plain(population=stages))
    due(made, 0.45)
    first, second, third, _, fifth = payloads(publisher, 5)
    subscriber.say(first)
    subscriber.say(first)
    tally = made.deliveries.tally
    bench.turn_until(lambda: tally.bytes_received > 250)
    user = made.subscribers[0]
    user.close()
    made.ready.discard(user)
    made.reopen([user])
    bench.turn()
    (again,) = bench.accept()
    again.say(third)
    again.say(fifth)
    bench.turn_until(lambda: tally.received == 3)
    made.settle(made.published(), refused={})
    assert (tally.duplicated, tally.lost) == (1, 1)
    assert tally.intended == 3
    del second


def test_publications_open_and_close_all_connections(bench: Bench) -> None:
    """Publishers are closed as well."""
    made, guests = started(bench, plain(users=2))
    assert made.open_count == 3
    made.close()
    assert all(guest.is_ended() for guest in guests)
    assert [str(meter) for meter in made.meters()] == [
        "<Meter s.publish 0>",
        "<Meter s.deliver 0>",
    ]


def test_publishers_answer_pings_and_go_with_the_target(bench: Bench) -> None:
    """Control frames are heeded on their connections, too."""
    made, (_, publisher) = started(bench, plain())
    publisher.say("hi", Opcode.PING)
    publisher.say("whatever")
    bench.turn()
    assert publisher.read().opcode == Opcode.PONG
    publisher.leave(1001)
    bench.turn_until(lambda: made.lost_connections)
    assert made.problems == {"the target closed with code 1001": 1}


def leave(made: Publications, number: int) -> None:
    """Let a subscriber go, as a population that shrinks does."""
    user = made.subscribers[number]
    made.ready.discard(user)
    user.close()


COMING = (Stage(seconds=2.0, level=2.0),)


def test_what_a_subscriber_lacks_that_is_gone_is_lost(bench: Bench) -> None:
    """What came behind a gap shows that there was one.

    Only those who stayed to the end were asked: a target could lose what it liked of
    a population that shrank.
    """
    made, (first, second, publisher) = started(bench, plain(users=2, population=COMING))
    due(made, 0.35)
    one, two, three, four = payloads(publisher, 4)
    for guest, said in ((first, (one, two, three, four)), (second, (one, four))):
        for payload in said:
            guest.say(payload)
    tally = made.deliveries.tally
    bench.turn_until(lambda: tally.received == 6)
    leave(made, 0)
    leave(made, 1)
    made.settle(made.published(), refused={0: 1})
    assert tally.lost == 1
    assert made.is_certain


def test_subscriber_that_hears_nothing_at_all_is_doubted(bench: Bench) -> None:
    """Others got four while it was there: it is owed them, or came too late for them.

    Where users come and go, who heard nothing was owed nothing: half of them could
    stay deaf to the end.
    """
    made, (first, _, publisher) = started(bench, plain(users=2, population=COMING))
    due(made, 0.35)
    for payload in payloads(publisher, 4):
        first.say(payload)
    tally = made.deliveries.tally
    bench.turn_until(lambda: tally.received == 4)
    assert not made.is_certain
    made.settle(made.published(), refused={})
    assert tally.lost == 4


def test_publications_are_answered_once_each_is_taken_or_refused(
    bench: Bench,
) -> None:
    """What is refused later than the end is owed to nobody either."""
    made, _, (publisher,) = on_the_hub(bench, scenario("publish"))
    assert made.is_answered
    due(made, 0.05)
    assert not made.is_answered
    publisher.read()
    publisher.say(refused(4))
    bench.turn_until(lambda: made.is_answered)
    assert made.refused() == {0: 1}
