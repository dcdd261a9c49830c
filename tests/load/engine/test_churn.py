"""Churn and storm scenarios: connections that come and go."""

from wavetank.load.engine.churn import Churn, Storm
from wavetank.load.engine.population import NEVER
from wavetank.load.exchange import Share
from wavetank.load.plan import Stage
from wavetank.wire import Opcode

from .hosts import Bench, scenario


def churn(bench: Bench, **fields: object) -> Churn:
    """Return a churn."""
    given = scenario("churn", **fields)
    made = Churn(bench.setting(given, connect_within=5.0), given, opening=1)
    bench.closing.callback(made.close)
    made.open()
    return made


def due(made: Churn | Storm, seconds: float) -> None:
    """Do what is due so many seconds behind the start."""
    made.setting.start = made.setting.loop.now - seconds
    made.due(made.setting.loop.now)


def look(made: Churn | Storm, later: float = 0.0) -> None:
    """Look at it, as if it were later."""
    made._next_look = 0.0
    made.look(made.setting.loop.now + later)


def test_churn_connects_when_it_is_due(bench: Bench) -> None:
    """As many at once as are due, timed from their moments; late ones are counted."""
    made = churn(bench, users=3)
    assert made.is_open
    due(made, 0.15)
    bench.turn()
    bench.accept(2)
    bench.turn_until(lambda: made.open_count == 2)
    tally = made.connects.tally
    assert (tally.intended, tally.sent, tally.late, tally.received) == (2, 2, 2, 2)
    assert min(made.connects.response) >= 50_000
    assert max(made.connects.response) >= 150_000
    assert min(made.connects.response) > min(made.connects.service)
    assert sum(made.connects.lateness.values()) == 2


def test_churn_closes_what_it_has_held_long_enough(bench: Bench) -> None:
    """With a goodbye; then the user has its next turn."""
    made = churn(bench, hold=0.2)
    due(made, 0.05)
    bench.turn()
    (guest,) = bench.accept()
    bench.turn_until(lambda: made.open_count)
    until = made._holding[0][0]
    assert made.next_due() < until
    made.arrivals(made.setting.start + 1)
    assert made.next_due() == until
    made.due(until - 0.01)
    assert made.open_count == 1
    made.due(until)
    assert made.open_count == 0
    assert guest.read().opcode == Opcode.CLOSE
    assert guest.is_ended()
    assert made.lost_connections == 0
    assert len(made._free) == 1
    assert made.next_due() == NEVER


def test_connection_for_which_nobody_is_free_is_dropped(bench: Bench) -> None:
    """The schedule does not wait."""
    made = churn(bench)
    due(made, 0.35)
    tally = made.connects.tally
    assert (tally.intended, tally.sent, tally.dropped) == (4, 1, 3)


def test_churn_goes_on_when_the_target_refuses(bench: Bench) -> None:
    """Each refusal is a failure; the user is free again."""
    made = churn(bench)
    bench.host.refuse()
    for tenth in range(3):
        due(made, tenth / 10 + 0.05)
        bench.turn_until(lambda: made._free)
    tally = made.connects.tally
    assert (tally.sent, tally.failed, tally.dropped) == (3, 3, 0)
    assert not made.is_deserted


def test_churn_gets_a_user_back_whose_target_never_answers(bench: Bench) -> None:
    """Else a stalled target would have all of them for good."""
    made = churn(bench)
    due(made, 0.05)
    bench.turn()
    look(made, 6.0)
    assert made.reasons == {"not open within 5 s": 1}
    assert len(made._free) == 1


def test_churn_holds_no_connection_for_that_of_before(bench: Bench) -> None:
    """A user that was lost comes again: its new connection has its own time.

    The time of the old one closed the new one early.
    """
    made = churn(bench, hold=0.2)
    due(made, 0.05)
    bench.turn()
    (guest,) = bench.accept()
    bench.turn_until(lambda: made.open_count)
    until = made._holding[0][0]
    guest.leave(1001)
    bench.turn_until(lambda: made.lost_connections)
    made.due(made.setting.start + 0.15)
    bench.turn()
    bench.accept()
    bench.turn_until(lambda: made.open_count)
    made._holding[-1] = (until + 1, *made._holding[-1][1:])
    made.due(until)
    assert made.open_count == 1


def test_churn_waits_in_the_drain_for_who_is_connecting(bench: Bench) -> None:
    """The end of the load is no failure of the target."""
    made = churn(bench)
    due(made, 0.05)
    bench.turn()
    made.end()
    assert not made.is_drained({}, refused={})
    bench.accept()
    bench.turn_until(lambda: made.is_drained({}, refused={}))
    assert made.connects.tally.failed == 0


def test_churn_holds_nothing_that_is_gone_already(bench: Bench) -> None:
    """A connection that ends as it becomes ready has nothing to hold."""
    made = churn(bench)
    made.seat(made.users[0])
    assert not made._holding


# Storms


def storm(bench: Bench, share: Share | None = None, **fields: object) -> Storm:
    """Return a storm, two of them a second."""
    stages = (Stage(seconds=2.0, level=1.0),)
    given = scenario("storm", **({"stages": stages, "users": 3} | fields))
    made = Storm(bench.setting(given, share=share), given, opening=2)
    bench.closing.callback(made.close)
    return made


def opened(bench: Bench, made: Storm) -> None:
    """Open all connections."""
    made.open()
    bench.turn()
    bench.accept(3)
    bench.turn_until(lambda: made.open_count == 3)
    made.take()


def test_storm_cuts_all_connections_and_all_come_back(bench: Bench) -> None:
    """All at once, timed from the moment of the storm; the target lost nobody."""
    made = storm(bench)
    opened(bench, made)
    due(made, 0.3)
    tally = made.connects.tally
    assert (tally.intended, tally.sent, made.open_count) == (3, 3, 0)
    assert all(guest.is_ended() for guest in bench.host.guests)
    bench.turn()
    bench.accept(3)
    bench.turn_until(lambda: made.open_count == 3)
    assert min(made.connects.response) >= 300_000
    assert made.lost_connections == 0
    assert tally.received == 3


def test_storm_brings_back_those_too_who_did_not_come_back_before(
    bench: Bench,
) -> None:
    """Who was refused after one storm tries again after the next."""
    made = storm(bench)
    opened(bench, made)
    due(made, 0.3)
    bench.turn()
    for _ in range(3):
        bench.host.accept().socket.close()
    bench.turn_until(lambda: made.failed == 3)
    assert not made.is_deserted
    due(made, 1.3)
    bench.turn()
    bench.accept(3)
    bench.turn_until(lambda: made.open_count == 3)


def test_storm_leaves_those_alone_who_are_still_coming_back(bench: Bench) -> None:
    """They are timed from the first storm."""
    made = storm(bench)
    opened(bench, made)
    due(made, 1.3)
    assert made.connects.tally.intended == 3
    bench.turn()
    bench.accept(3)
    bench.turn_until(lambda: made.open_count == 3)


def test_storm_is_everywhere_at_once(bench: Bench) -> None:
    """Each worker has all storms; one that does not come drops nobody."""
    for index in range(2):
        made = storm(bench, share=Share(index=index, count=2))
        assert len(made.arrivals(made.setting.start + 2)) == 2
    made = storm(bench)
    bench.loop.now = made.setting.start + 5
    made.end()
    assert made.connects.tally.dropped == 0


def test_storm_strikes_nobody_who_still_waits_for_his_turn(bench: Bench) -> None:
    """Of three users, two begin at once; the next storm finds the other one waiting.

    It was begun twice: its first connection stayed open for ever.
    """
    made = storm(bench)
    made.reopen_at(made.users, 0)
    assert len(made._waiting) == 1
    due(made, 0.3)
    assert not made._waiting
    assert len(bench.loop._handlers) == 3
    tally = made.connects.tally
    assert (tally.intended, tally.sent) == (3, 3)


def test_connection_is_late_by_the_time_that_it_waited_for_its_turn(
    bench: Bench,
) -> None:
    """What the generator makes it wait is the generator's, and is told.

    It was counted as sent at once, with its whole wait in the target's time.
    """
    made = storm(bench)
    made.reopen_at(made.users, 0)
    assert sum(made.connects.lateness.values()) == 2
    made.setting.start -= 0.25
    made.bound = 3
    look(made)
    assert max(made.connects.lateness) >= 250_000


def test_connections_that_were_never_begun_are_intended_all_the_same(
    bench: Bench,
) -> None:
    """The end comes while one waits: neither sent nor dropped, so nothing adds up."""
    made = storm(bench)
    made.reopen_at(made.users, 0)
    made.end()
    tally = made.connects.tally
    assert (tally.intended, tally.sent, tally.dropped) == (3, 2, 0)


def test_storm_for_which_there_was_no_time_concerns_nobody(bench: Bench) -> None:
    """It has no users that it could have struck."""
    made = storm(bench)
    opened(bench, made)
    made.take()
    bench.loop.now = made.setting.start + 2.0
    made.end()
    assert made.connects.tally.intended == 0
