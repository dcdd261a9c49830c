"""Ping scenarios: pings at their times, and the pongs that answer them."""

from wavetank.load.engine.pings import Pings
from wavetank.load.engine.user import MOST_UNSENT
from wavetank.load.plan import Scenario
from wavetank.wire import Opcode

from .hosts import Bench, Guest, scenario


def started(bench: Bench, given: Scenario) -> tuple[Pings, list[Guest]]:
    """Return a population with all users open."""
    made = Pings(bench.setting(given), given, opening=64)
    bench.closing.callback(made.close)
    made.open()
    bench.turn()
    guests = bench.accept(given.users)
    bench.turn_until(lambda: made.open_count == given.users)
    return made, guests


def due(made: Pings, seconds: float) -> None:
    """Ping as is due so many seconds behind the start."""
    made.setting.start = made.setting.loop.now - seconds
    made.due(made.setting.loop.now)


def pong(guest: Guest) -> None:
    """Answer the next ping."""
    frame = guest.read()
    assert frame.opcode == Opcode.PING
    guest.say(frame.payload, Opcode.PONG)


def test_pings_are_timed_from_their_moments(bench: Bench) -> None:
    """Two users in turn, three pings, three pongs; what else comes is heard."""
    made, guests = started(bench, scenario("ping", users=2))
    due(made, 0.25)
    for guest in (*guests, *guests[:2][::-1])[:2]:
        pong(guest)
    guests[0].say("a greeting")
    tally = made.pings.tally
    bench.turn_until(lambda: tally.received == 2 and made.heard.tally.received)
    assert (tally.intended, tally.sent) == (3, 3)
    assert min(made.pings.response) >= 50_000
    assert tally.bytes_sent == 3 * 7
    assert len(made.meters()) == 2
    due(made, 0.25)
    assert tally.sent == 3


def test_pong_answers_the_pings_before_its_own_too(bench: Bench) -> None:
    """A target may answer the last one only (RFC 6455 5.5.3)."""
    made, (guest,) = started(bench, scenario("ping"))
    due(made, 0.25)
    assert not made.is_drained({}, refused={})
    for _ in range(2):
        guest.read()
    pong(guest)
    bench.turn_until(lambda: made.pings.tally.received == 3)
    assert made.is_drained({}, refused={})
    guest.say("never sent", Opcode.PONG)
    bench.turn_until(lambda: made.pings.tally.foreign == 1)


def test_ping_for_which_nobody_is_free_is_dropped(bench: Bench) -> None:
    """Neither one with pings in flight, nor one whose target does not read."""
    made, _ = started(bench, scenario("ping", users=2, in_flight=1))
    made.pingers[0].unsent += bytes(MOST_UNSENT)
    due(made, 0.25)
    tally = made.pings.tally
    assert (tally.intended, tally.sent, tally.dropped) == (3, 1, 2)


def test_pings_fail_with_their_connection_and_are_lost_without(bench: Bench) -> None:
    """One connection ends, one stays silent."""
    made, guests = started(bench, scenario("ping", users=2))
    due(made, 0.35)
    guests[0].abort()
    bench.turn_until(lambda: made.lost_connections)
    made.settle({}, refused={})
    tally = made.pings.tally
    assert (tally.sent, tally.failed, tally.lost) == (4, 2, 2)
    guests[1].abort()
    bench.turn_until(lambda: made.lost_connections == 2)
    assert tally.failed == 2
