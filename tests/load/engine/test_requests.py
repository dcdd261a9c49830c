"""Request scenarios: each message is answered on the connection it was sent on."""

import pytest

from wavetank.dialects import named
from wavetank.load.engine import requests as module
from wavetank.load.engine.requests import Requests, frame_head, wording
from wavetank.load.engine.user import MOST_UNSENT
from wavetank.load.plan import Arrivals, Payload, Scenario, Stage
from wavetank.wire import Opcode, encode_close, encode_frame

from .hosts import Bench, Guest, framed, scenario


def started(bench: Bench, given: Scenario, dialect: str = "echo") -> Requests:
    """Return a population with all users open; its guests are the host's."""
    setting = bench.setting(given, dialect=dialect)
    made = Requests(setting, given, opening=64)
    bench.closing.callback(made.close)
    made.open()
    bench.turn()
    bench.accept(given.users)
    bench.turn_until(lambda: made.open_count == given.users)
    made.setting.start = bench.loop.now
    return made


def due(made: Requests, seconds: float) -> None:
    """Send what is due so many seconds behind the start."""
    made.setting.start = made.setting.loop.now - seconds
    made.due(made.setting.loop.now)


def echo(guest: Guest, count: int = 1) -> None:
    """Send so many messages back."""
    frames = [guest.read() for _ in range(count)]
    guest.send(b"".join(framed(frame.payload) for frame in frames))


def test_requests_are_answered_and_timed_from_their_moments(bench: Bench) -> None:
    """Five arrivals, late by up to 400 ms: so late is each answer at least."""
    made = started(bench, scenario("request", users=2))
    due(made, 0.45)
    for guest, count in zip(bench.host.guests, (2, 3), strict=True):
        echo(guest, count)
    tally = made.requests.tally
    bench.turn_until(lambda: tally.received == 5)
    assert (tally.intended, tally.sent, tally.late) == (5, 5, 5)
    assert min(made.requests.response) >= 50_000
    assert max(made.requests.response) >= 450_000
    assert max(made.requests.service) < max(made.requests.response)
    assert made.is_drained({}, refused={})
    assert tally.bytes_sent == 5 * (128 + 8)
    assert tally.bytes_received == 5 * (128 + 4)


def test_requests_are_spread_over_all_users(bench: Bench) -> None:
    """Each has its turn."""
    made = started(bench, scenario("request", users=4))
    due(made, 0.75)
    assert [user.replies.under_way for user in made._requesters()] == [2, 2, 2, 2]


def test_request_for_which_nobody_is_free_is_dropped_and_counted(bench: Bench) -> None:
    """Two users with one in flight each: the third arrival finds nobody."""
    made = started(bench, scenario("request", users=2, in_flight=1))
    due(made, 0.45)
    tally = made.requests.tally
    assert (tally.intended, tally.sent, tally.dropped) == (5, 2, 3)
    echo(bench.host.guests[0])
    bench.turn_until(lambda: tally.received)
    due(made, 0.55)
    assert (tally.sent, tally.dropped) == (3, 3)


def test_user_whose_target_reads_nothing_is_not_free(bench: Bench) -> None:
    """What it is not sent is dropped and counted; memory stays bounded."""
    given = scenario(
        "request",
        payload=Payload(size=100_000),
        stages=(Stage(seconds=1.0, level=1000.0),),
    )
    made = started(bench, given)
    for tenth in range(1, 11):
        while made.arrivals and made.next_due() < made.setting.start + tenth / 10:
            due(made, tenth / 10)
    tally = made.requests.tally
    assert tally.intended == 1000
    assert tally.sent + tally.dropped == 1000
    assert tally.dropped > 0
    assert len(made.users[0].unsent) < MOST_UNSENT + 42 * 101_000
    assert not made.is_certain
    assert made.users[0].is_blocked


def test_requests_under_way_fail_with_their_connection(bench: Bench) -> None:
    """The reason is that of the end; nothing of them is lost as well."""
    made = started(bench, scenario("request"))
    due(made, 0.25)
    bench.host.guests[0].leave(1013, "busy")
    bench.turn_until(lambda: made.lost_connections)
    tally = made.requests.tally
    assert tally.failed == 3
    assert tally.reasons == {"the target closed with code 1013 (busy)": 3}
    due(made, 0.35)
    assert tally.dropped == 1
    made.settle({}, refused={})
    assert tally.lost == 0


def test_requests_without_an_answer_are_lost_in_the_end(bench: Bench) -> None:
    """Though the connection is open, and was waited for."""
    made = started(bench, scenario("request"))
    due(made, 0.25)
    assert not made.is_drained({}, refused={})
    made.settle({}, refused={})
    assert made.requests.tally.lost == 3
    assert made.is_drained({}, refused={})


def test_connection_that_breaks_in_the_middle_of_sending_harms_no_other(
    bench: Bench,
) -> None:
    """The other users' messages are on their way all the same."""
    made = started(bench, scenario("request", users=3))
    bench.host.guests[0].abort()
    due(made, 0.55)
    bench.turn_until(lambda: made.lost_connections)
    for guest in bench.host.guests[1:]:
        echo(guest, 2)
    tally = made.requests.tally
    bench.turn_until(lambda: tally.received == 4)
    assert (tally.sent, tally.failed) == (6, 2)


@pytest.mark.parametrize(
    "garbage",
    [
        encode_frame(1, b"x", mask=b"mask"),
        b"\x82\x7f\0\0\0\0\x40\0\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        framed(encode_close(1002), Opcode.CLOSE),
    ],
)
def test_garbage_ends_the_connection_that_it_came_on(
    bench: Bench, garbage: bytes
) -> None:
    """It is evidence, with a reason; nothing hangs, and nothing is raised."""
    made = started(bench, scenario("request"))
    due(made, 0.05)
    bench.host.guests[0].send(garbage)
    bench.turn_until(lambda: made.lost_connections)
    assert made.requests.tally.failed == 1
    assert len(made.problems) == 1


# The closed model


def closed(**fields: object) -> Scenario:
    """Return a closed scenario."""
    return scenario("request", arrivals=Arrivals.CLOSED, in_flight=2, **fields)


def test_closed_users_send_when_an_answer_has_come(bench: Bench) -> None:
    """As many as may be in flight, and one more for each answer."""
    made = started(bench, closed())
    begins = made.setting.start
    made.setting.start = begins + 5
    made.due(bench.loop.now)
    assert made.requests.tally.sent == 0
    assert made.next_due() == begins + 5
    due(made, 0.1)
    assert made.next_due() == made.ends_at
    assert made.requests.tally.sent == 2
    due(made, 0.2)
    assert made.requests.tally.sent == 2
    echo(bench.host.guests[0])
    bench.turn_until(lambda: made.hungry)
    due(made, 0.3)
    assert made.requests.tally.sent == 3
    assert not made.is_over(made.ends_at - 0.1)
    assert made.is_over(made.ends_at)
    due(made, 1.1)
    assert made.requests.tally.sent == 3


def test_closed_user_that_is_leaving_or_blocked_is_sent_nothing(bench: Bench) -> None:
    """It would never come to an end."""
    made = started(bench, closed(users=2))
    leaving, blocked = made.users
    made.ready.discard(leaving)
    blocked.unsent += bytes(MOST_UNSENT)
    due(made, 0.1)
    assert made.requests.tally.sent == 0


# In the target's own words


def test_request_to_a_described_target_is_put_in_its_words(bench: Bench) -> None:
    """A dialect that wraps its echo gets each payload wrapped, and answers by mark."""
    made = started(bench, scenario("request"))
    made._word = lambda number, payload: b'{"n":%d,"p":%b}' % (number, payload)
    made.is_exact = False
    user = made._requesters()[0]
    user.replies._is_exact = user.replies._is_echo = False
    due(made, 0.05)
    frame = bench.host.guests[0].read()
    assert frame.payload.startswith(b'{"n":1,"p":')
    bench.host.guests[0].say(frame.payload)
    bench.turn_until(lambda: made.requests.tally.received)
    assert made.requests.tally.corrupted == 0


CALLS = {
    "call": {"send": {"id": "{id}", "call": "{payload}"}},
    "answer": {"when": {"call": "*"}},
}


def test_words_of_an_echo_are_the_payload_itself() -> None:
    """So are those of a target that nobody described, or one that has topics."""
    assert wording(named("echo")) is None
    assert wording(named("hub")) is None
    assert wording(named("bare")) is None


class Described:
    """A dialect that has an ask for a request."""

    name = "mine"

    def __init__(self, capability: str) -> None:
        from wavetank.dialects import Capability

        self.capabilities = frozenset({Capability(capability)})

    def encode(self, ask: object) -> str:
        """Say what was asked."""
        return repr(ask)


@pytest.mark.parametrize(("capability", "ask"), [("answer", "Call"), ("echo", "Pub")])
def test_words_of_a_described_target_are_its_own(capability: str, ask: str) -> None:
    """A call where it answers calls; else what it calls an echo."""
    word = wording(Described(capability))  # type: ignore[arg-type]  # all that is used
    assert word is not None
    assert word(1, b"pay").startswith(f"{ask}".encode())
    assert b"pay" in word(1, b"pay")


def test_heads_are_kept_but_not_without_end() -> None:
    """Few lengths are in use; if not, it begins anew."""
    for length in range(10_100):
        assert frame_head(length)[0] == 0x81
    assert frame_head(5, masked=True) == b"\x81\x85"
    assert frame_head(5, masked=True) is frame_head(5, masked=True)


def test_requests_hold_a_bounded_number_of_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that takes everything and answers nothing does not fill memory.

    Each of a thousand users had 4096 messages of any size in flight.
    """
    monkeypatch.setattr(module, "_MOST_OWED", 3 * (3 * 128 + module._HELD))
    made = started(bench, scenario("request", users=2))
    due(made, 0.45)
    tally = made.requests.tally
    assert (tally.intended, tally.sent, tally.dropped) == (5, 3, 2)
    made.take()
    echo(bench.host.guests[1])
    bench.turn_until(lambda: made.requests.tally.received == 1)
    made.take()
    due(made, 0.75)
    tally = made.requests.tally
    assert (tally.intended, tally.sent, tally.dropped) == (3, 1, 2)


def test_closed_requests_wait_for_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom there was no room for sends as soon as there is."""
    monkeypatch.setattr(module, "_MOST_OWED", 3 * 128 + module._HELD)
    given = scenario("request", users=2, arrivals=Arrivals.CLOSED, in_flight=1)
    made = started(bench, given)
    made.due(made.setting.loop.now)
    assert made.requests.tally.sent == 1
    busy = [not user.is_idle for user in made.users].index(True)
    echo(bench.host.guests[busy])
    bench.turn_until(lambda: made.requests.tally.received)
    made.due(made.setting.loop.now)
    assert made.requests.tally.sent == 2
    assert all(user.number in (0, 1) and user.sent for user in made._requesters())
