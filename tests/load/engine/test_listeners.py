"""Listen and slow scenarios: users that only subscribe."""

from wavetank.load.engine.listeners import Listeners
from wavetank.load.plan import Scenario
from wavetank.wire import Opcode, encode_frame

from .hosts import SUBSCRIBED, WELCOME, Bench, Guest, framed, scenario


def started(bench: Bench, given: Scenario) -> tuple[Listeners, Guest]:
    """Return a population of one, open."""
    setting = bench.setting(given, dialect="bare", duration=10.0)
    made = Listeners(setting, given, opening=64)
    bench.closing.callback(made.close)
    made.open()
    bench.turn()
    (guest,) = bench.accept()
    bench.turn_until(lambda: made.open_count)
    made.setting.start = bench.loop.now
    return made, guest


def test_listener_counts_messages_and_bytes(bench: Bench) -> None:
    """A message in fragments is one; pings are none, and are answered."""
    made, guest = started(bench, scenario("listen"))
    data = framed("one") + encode_frame(Opcode.TEXT, b"tw", fin=False)
    data += framed("?", Opcode.PING) + framed("o", Opcode.CONTINUATION)
    data += framed(b"x" * 70_000, Opcode.BINARY)
    tally = made.heard.tally
    for start in range(0, len(data), 1000):
        guest.send(data[start : start + 1000])
        bench.turn(1)
    bench.turn_until(lambda: tally.received == 3)
    assert tally.bytes_received == len(data)
    assert guest.read().opcode == Opcode.PONG
    assert made.is_drained({}, refused={})
    assert [str(meter) for meter in made.meters()] == ["<Meter s.listen 3>"]


def test_listener_subscribes_where_there_are_topics(bench: Bench) -> None:
    """To the one topic of the scenario, as it stands."""
    given = scenario("listen", topic="prices")
    made = Listeners(bench.setting(given, dialect="hub"), given, opening=64)
    bench.closing.callback(made.close)
    made.open()
    bench.turn()
    guest = bench.host.accept().answer(subprotocol=True)
    guest.say(WELCOME)
    bench.turn_until(lambda: made.users[0].asked > made.users[0].began)
    bench.turn()
    assert b'"prices"' in guest.read().payload
    guest.say(SUBSCRIBED)
    bench.turn_until(lambda: made.open_count)


def test_listener_begins_anew_with_a_new_connection(bench: Bench) -> None:
    """Half a frame of the old one is no part of the new one."""
    made, guest = started(bench, scenario("listen"))
    guest.send(framed("half")[:3])
    bench.turn_until(lambda: made.heard.tally.bytes_received)
    made.users[0].abort()
    made.reopen(made.users)
    bench.turn()
    (again,) = bench.accept()
    again.say("whole")
    bench.turn_until(lambda: made.heard.tally.received == 1)


def test_slow_user_that_never_reads_finds_out_why_it_was_let_go(bench: Bench) -> None:
    """In the middle of the load, if the target cuts it then."""
    made, guest = started(bench, scenario("slow"))
    guest.send(framed("unread") * 10)
    bench.turn()
    assert made.heard.tally.received == 0
    made.due(bench.loop.now)
    assert made.heard.tally.received == 0
    guest.leave(1008, "too slow")
    bench.turn_until(lambda: made.lost_connections)
    assert made.problems == {"the target closed with code 1008 (too slow)": 1}


def test_slow_user_reads_what_is_left_in_the_end(bench: Bench) -> None:
    """It counts what came, and takes its leave; the drain waits until it is quiet."""
    made, guest = started(bench, scenario("slow"))
    guest.send(framed("unread") * 10)
    bench.turn()
    made.end()
    assert made.heard.tally.received == 10
    assert not made.is_drained({}, refused={})
    bench.loop.now += 0.3
    assert made.is_drained({}, refused={})


def test_slow_users_do_not_wait_for_the_end_of_a_feed(bench: Bench) -> None:
    """Where something comes all the time, two seconds are enough."""
    made, _ = started(bench, scenario("slow"))
    made.end()
    for _ in range(19):
        bench.loop.now += 0.1
        made.heard.tally.bytes_received += 1
        assert not made.is_drained({}, refused={})
    bench.loop.now += 0.2
    made.heard.tally.bytes_received += 1
    assert made.is_drained({}, refused={})


def test_slow_user_reads_as_fast_as_it_should(bench: Bench) -> None:
    """25 bytes/s are 2 or 3 bytes ten times a second; 4 are one now and then."""
    for rate, lengths in ((25.0, [2, 5, 7, 10]), (4.0, [0, 0, 1, 1, 2])):
        made, guest = started(bench, scenario("slow", read_rate=rate))
        guest.send(framed("x" * 100))
        tally = made.heard.tally
        for place, length in enumerate(lengths):
            now = made.setting.start + place * 0.1001
            made.due(now)
            made.due(now + 0.05)
            assert made.next_due() == now + 0.1
            assert tally.bytes_received == length
        connection = made.users[0].connection
        assert connection is not None
        bench.closing.callback(connection.close)
        made.users[0].connection = None
        made.due(made.setting.start + 10)
        made.end()
