"""Heartbeats: when one is due, when a pong is overdue, and which tops it names."""

from wavetank.hub.heartbeat import MOST_TOPS, Heartbeat


def make(first_at: float = 10.0) -> Heartbeat:
    """Return heartbeats every 20 s with a patience of 15 s."""
    return Heartbeat(interval=20.0, patience=15.0, first_at=first_at)


def test_heartbeat_is_due_when_its_time_has_come() -> None:
    """The first one comes when it was told to, the next one an interval later."""
    heartbeat = make()
    assert heartbeat.due_at == 10.0
    assert not heartbeat.is_due(9.9)
    assert heartbeat.is_due(10.0)
    heartbeat.beat(10.0)
    assert not heartbeat.is_due(29.9)
    assert heartbeat.is_due(30.0)


def test_heartbeat_is_overdue_when_no_pong_comes() -> None:
    """A ping without a pong has its own deadline."""
    heartbeat = make()
    assert heartbeat.beat(10.0) == b"1"
    assert heartbeat.due_at == 25.0
    assert not heartbeat.is_overdue(24.9)
    assert heartbeat.is_overdue(25.0)


def test_heartbeat_is_content_with_the_pong_to_its_ping() -> None:
    """Then only the next heartbeat is waited for, with another ping."""
    heartbeat = make()
    assert heartbeat.pong(heartbeat.beat(10.0) or b"", 10.5) == 0.5
    assert not heartbeat.is_overdue(1000.0)
    assert heartbeat.due_at == 30.0
    assert heartbeat.beat(30.0) == b"2"


def test_heartbeat_passes_over_a_pong_nobody_asked_for() -> None:
    """RFC 6455 5.5.3 allows them; they prove nothing about our ping."""
    heartbeat = make()
    heartbeat.beat(10.0)
    assert heartbeat.pong(b"unasked", 10.5) is None
    assert heartbeat.is_overdue(25.0)


def test_heartbeat_sends_no_second_ping_while_one_is_unanswered() -> None:
    """The deadline of the first one stands."""
    heartbeat = Heartbeat(interval=5.0, patience=60.0, first_at=0.0)
    assert heartbeat.beat(0.0) == b"1"
    assert heartbeat.beat(5.0) is None
    assert heartbeat.is_overdue(60.0)


def test_heartbeat_left_out_is_due_an_interval_later() -> None:
    """Who lags is neither pinged nor expected to answer."""
    heartbeat = make()
    heartbeat.beat(10.0)
    heartbeat.skip(12.0)
    assert heartbeat.due_at == 32.0
    assert not heartbeat.is_overdue(1000.0)


def test_heartbeat_waits_for_no_pong_that_cannot_come() -> None:
    """An excused pong is not overdue; the next heartbeat stays where it was."""
    heartbeat = make()
    heartbeat.beat(10.0)
    heartbeat.excuse()
    assert heartbeat.due_at == 30.0
    assert not heartbeat.is_overdue(1e9)


def test_heartbeat_names_the_tops_that_moved() -> None:
    """What the client knows already is not said again."""
    heartbeat = make()
    heartbeat.subscribed("a", 5)
    heartbeat.subscribed("b", 0)
    assert heartbeat.choose([("a", 5), ("b", 2)]) == ["b"]
    assert heartbeat.choose([("a", 5), ("b", 2)]) == []
    assert heartbeat.choose([("a", 6), ("b", 2)]) == ["a"]


def test_heartbeat_forgets_a_topic_that_was_left() -> None:
    """After a new subscription without an answer it would be named again."""
    heartbeat = make()
    heartbeat.subscribed("a", 5)
    heartbeat.unsubscribed("a")
    heartbeat.unsubscribed("never")
    assert heartbeat.choose([("a", 5)]) == ["a"]


def test_heartbeat_names_all_in_turn_where_there_are_too_many() -> None:
    """Each heartbeat is bounded, and nobody waits for ever, even if all move."""
    heartbeat = make()
    names = [f"t{number}" for number in range(150)]
    seen: set[str] = set()
    for seq in range(1, 4):
        chosen = heartbeat.choose([(name, seq) for name in names])
        assert len(chosen) == MOST_TOPS
        seen.update(chosen)
    assert seen == set(names)
    assert repr(heartbeat) == "<Heartbeat beat at 10.000, pong by inf>"
