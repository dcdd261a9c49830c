"""Session: one connection's state; a command comes in, effects go out."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.hub.access import ANONYMOUS, Claims, Denied
from wavetank.hub.config import ConnectionLimits, HubConfig
from wavetank.hub.effects import (
    Beat,
    Behind,
    Close,
    Effect,
    Forbid,
    Moment,
    Perform,
    Send,
)
from wavetank.hub.session import FEATURES, TRANSITIONS, WAITING_BYTES, Session, State
from wavetank.hub.tally import Tally
from wavetank.protocol import (
    Auth,
    Authenticated,
    Error,
    ErrorCode,
    History,
    Notice,
    Pong,
    Publish,
    Subscribe,
    Unsubscribe,
    Welcome,
    decode_command,
)

ANN = Claims(user="ann", subscribe=("a.**",), publish=("a.b",))
BOB = Claims(user="bob")
WALL = 1_790_000_000.0


def at(now: float) -> Moment:
    """Return a moment."""
    return Moment(now, WALL + now)


def new(claims: Claims | None = None, **changes: Any) -> Session:
    """Return a session that has not begun."""
    config = HubConfig(**changes)
    return Session(config, "c-1", claims=claims, spread=0.0, tally=Tally())


def opened(claims: Claims | None = None, **changes: Any) -> Session:
    """Return a session that was greeted at second 0."""
    session = new(claims, **changes)
    session.open(at(0.0))
    return session


def limited(**limits: Any) -> Session:
    """Return an open session with these limits."""
    return opened(limits=ConnectionLimits(**limits))


def tell(session: Session, now: float = 1.0, **message: Any) -> list[Effect]:
    """Let a session receive a message."""
    command = decode_command(json.dumps(message).encode())
    return session.judge(command, at(now), arrived=WALL)


def error_of(effects: list[Effect]) -> Error:
    """Return the error that is sent first."""
    first = effects[0]
    assert isinstance(first, Send)
    assert isinstance(first.message, Error)
    return first.message


def command_of(effects: list[Effect]) -> object:
    """Return the one command that is performed."""
    (only,) = effects
    assert isinstance(only, Perform)
    return only.command


# The beginning.


def test_session_greets_with_what_may_be_done() -> None:
    """The welcome has the limits, the features and whether a token is asked for."""
    session = new()
    (only,) = session.open(at(0.0))
    assert isinstance(only, Send)
    welcome = only.message
    assert isinstance(welcome, Welcome)
    assert (welcome.connection, welcome.node, welcome.auth) == ("c-1", "hub-1", "none")
    assert (welcome.ping_interval, welcome.at) == (20.0, WALL)
    assert welcome.limits.topics == 128
    assert welcome.features == FEATURES
    assert (session.state, session.claims) == (State.OPEN, ANONYMOUS)


def test_session_asks_for_a_token_where_one_is_needed() -> None:
    """Then nothing is open yet, and messages have to be small."""
    session = new(tokens=("t",))
    (only,) = session.open(at(0.0))
    assert isinstance(only, Send)
    assert isinstance(only.message, Welcome)
    assert only.message.auth == "required"
    assert session.state is State.WAITING_FOR_AUTH
    assert session.waiting_bytes == WAITING_BYTES
    assert session.user == ""


def test_session_is_open_at_once_with_the_handshakes_token() -> None:
    """The welcome says that it was accepted."""
    session = new(ANN, tokens=("t",))
    (only,) = session.open(at(0.0))
    assert isinstance(only, Send)
    assert isinstance(only.message, Welcome)
    assert only.message.auth == "accepted"
    assert (session.state, session.user) == (State.OPEN, "ann")
    assert session.waiting_bytes is None


def test_session_turns_away_who_speaks_no_known_subprotocol() -> None:
    """An error with the list, then 4005."""
    effects = new().open(at(0.0), is_supported=False)
    error = error_of(effects)
    assert (error.code, error.fatal) == ("protocol_unsupported", True)
    assert error.supported == ["wavetank.v1"]
    assert effects[1:] == [Close(4005, "protocol unsupported")]


# Signing in.


def test_session_hands_a_token_on_and_opens_with_the_answer() -> None:
    """The shell says whose token it is."""
    session = opened(tokens=("t",))
    assert command_of(tell(session, type="auth", id=1, token="t")) == Auth(
        id=1, token="t"
    )
    assert session.verified(1, ANN, at(2.0)) == [
        Send(Authenticated(id=1, user="ann", expires_at=None))
    ]
    assert session.state is State.OPEN
    assert "c-1 open ann" in repr(session)


def test_session_closes_on_a_wrong_token() -> None:
    """`unauthorized` is fatal: 4001."""
    session = opened(tokens=("t",))
    denied = Denied(ErrorCode.UNAUTHORIZED, "the token is wrong")
    effects = session.verified(1, denied, at(2.0))
    assert error_of(effects).code == "unauthorized"
    assert error_of(effects).message == "the token is wrong"
    assert effects[1:] == [Close(4001, "bad token")]


def test_session_tells_an_expired_token_from_a_wrong_one() -> None:
    """4201: the client needs no new user, but a new token."""
    session = opened(tokens=("t",))
    denied = Denied(ErrorCode.TOKEN_EXPIRED, "it ended")
    effects = session.verified(1, denied, at(2.0))
    assert error_of(effects).code == "token_expired"
    assert effects[1:] == [Close(4201, "token expired")]


def test_session_ends_with_its_token() -> None:
    """At the token's own time, if no `auth` with a newer one came before."""
    session = opened(Claims(user="ann", expires_at=WALL + 50), tokens=("t",))
    session.patience.paused(0.0)
    assert session.tick(at(49.0), None) != []
    session = opened(Claims(user="ann", expires_at=WALL + 5), tokens=("t",))
    assert session.patience.due_at == 5.0
    effects = session.tick(at(5.0), None)
    assert error_of(effects).code == "token_expired"
    assert error_of(effects).id is None
    assert effects[1:] == [Close(4201, "token expired")]


def test_session_goes_on_with_a_newer_token() -> None:
    """The end moves; the connection does not notice."""
    session = opened(Claims(user="ann", expires_at=WALL + 5), tokens=("t",))
    session.verified(1, Claims(user="ann", expires_at=WALL + 90), at(4.0))
    session.patience.resumed()
    assert session.tick(at(5.0), None) == []
    assert session.is_open


def test_session_loses_subscriptions_that_a_new_token_does_not_cover() -> None:
    """Each is told, with the reason; the others stay."""
    session = opened(Claims(user="ann"), tokens=("t",))
    for topic in ("a.b", "a.*.c", "z"):
        tell(session, type="subscribe", id=1, topic=topic)
    effects = session.verified(2, ANN, at(2.0))
    assert isinstance(effects[0], Send)
    assert effects[1:] == [Forbid("z", "forbidden")]
    assert session.topics == {"a.b", "a.*.c"}


def test_session_ends_when_the_key_of_its_token_is_withdrawn() -> None:
    """As if it had come with a wrong token: 4001."""
    effects = opened(ANN, tokens=("t",)).revoked(at(1.0))
    assert error_of(effects).code == "unauthorized"
    assert effects[1:] == [Close(4001, "bad token")]


def test_session_loses_a_pattern_that_matches_too_much() -> None:
    """Once; afterwards there is nothing left to lose."""
    session = opened()
    tell(session, type="subscribe", id=1, topic="a.**")
    assert session.outgrown("a.**") == [Forbid("a.**", "too_many_topics")]
    assert session.outgrown("a.**") == []


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "id": 1, "topic": "a"},
        {"type": "publish", "id": 1, "topic": "a", "data": 1},
        {"type": "history", "id": 1, "topic": "a"},
        {"type": "unsubscribe", "id": 1, "topic": "a"},
    ],
)
def test_session_lets_nobody_act_before_auth(message: dict[str, Any]) -> None:
    """Every command but `auth` and `ping` ends a connection that has to sign in."""
    session = opened(tokens=("t",))
    effects = tell(session, **message)
    assert error_of(effects).code == "unauthorized"
    assert effects[1:] == [Close(4001, "bad token")]


def test_session_answers_pings_before_auth_but_waits_no_longer_for_it() -> None:
    """4111 comes at its time, however often the client pings."""
    session = opened(tokens=("t",))
    pong = tell(session, now=9.0, type="ping", id=1)
    assert pong == [Send(Pong(id=1, received_at=WALL, sent_at=WALL + 9.0))]
    assert session.patience.due_at == 10.0
    assert session.tick(at(10.0), None) == [Close(4111, "no command in time")]


def test_session_may_renew_the_token_of_the_same_user() -> None:
    """Another one's token is refused, and the connection ends."""
    session = opened(ANN, tokens=("t",))
    renewed = Claims(user="ann", expires_at=WALL + 60)
    assert session.verified(1, renewed, at(1.0)) == [
        Send(Authenticated(id=1, user="ann", expires_at=WALL + 60))
    ]
    effects = session.verified(2, BOB, at(2.0))
    assert error_of(effects).code == "unauthorized"
    assert session.state is State.CLOSING


def test_session_of_nobody_may_still_become_somebody() -> None:
    """Where anonymous connections are allowed beside tokens."""
    session = opened(tokens=("t",), allow_anonymous=True)
    assert session.user == "anonymous"
    session.verified(1, ANN, at(1.0))
    assert session.user == "ann"


def test_session_answers_auth_where_nobody_has_a_token() -> None:
    """It stays who it is."""
    session = opened()
    assert tell(session, type="auth", id=1, token="any") == [
        Send(Authenticated(id=1, user="anonymous", expires_at=None))
    ]


# Commands.


def test_session_lets_sound_commands_pass() -> None:
    """What is allowed is handed to the shell as it was sent."""
    session = opened()
    since = {"epoch": "e", "seq": 4}
    subscribe = command_of(
        tell(session, type="subscribe", id=1, topic="a", since=since)
    )
    assert isinstance(subscribe, Subscribe)
    assert session.topics == {"a"}
    history = command_of(tell(session, type="history", id=2, topic="a"))
    assert isinstance(history, History)
    publish = command_of(tell(session, type="publish", id=3, topic="a", data=[1]))
    assert isinstance(publish, Publish)
    assert publish.payload == b"[1]"
    unsubscribe = command_of(tell(session, type="unsubscribe", id=4, topic="a"))
    assert unsubscribe == Unsubscribe(id=4, topic="a")
    assert session.topics == set()


@pytest.mark.parametrize(
    ("text", "code", "id", "path"),
    [
        (b"{", "invalid_json", None, None),
        (b"[1]", "invalid_message", None, None),
        (b'{"id":7}', "invalid_message", 7, "type"),
        (b'{"type":"fly","id":"x"}', "unknown_type", "x", "type"),
        (b'{"type":"subscribe","id":7}', "invalid_message", 7, "topic"),
        (b'{"type":"subscribe","id":7,"topic":"a b"}', "invalid_topic", 7, "topic"),
        (b'{"type":"history","id":7,"topic":"z"}', "topic_forbidden", 7, "topic"),
        (
            b'{"type":"publish","id":7,"topic":"a.c","data":1}',
            "topic_forbidden",
            7,
            "topic",
        ),
        (b'{"type":"publish","topic":"z","data":1}', "topic_forbidden", None, "topic"),
        (b'{"type":"unsubscribe","id":7,"topic":"a"}', "not_subscribed", 7, None),
    ],
)
def test_session_answers_what_is_wrong_with_an_error(
    text: bytes, code: str, id: object, path: str | None
) -> None:
    """An error is a reply: it echoes the id, and the connection stays open."""
    session = opened(ANN)
    effects = session.judge(decode_command(text), at(1.0), arrived=WALL)
    error = error_of(effects)
    assert (error.code, error.id, error.path) == (code, id, path)
    assert (error.fatal, error.at) == (False, WALL + 1.0)
    assert len(effects) == 1
    assert session.is_open


def publication(size: int = 3) -> Publish:
    """Return a publication with a payload of so many bytes."""
    return Publish(topic="a", data=msgspec.Raw(b'"%b"' % (b"x" * (size - 2))))


def test_session_lets_publications_through_where_nothing_could_refuse_them() -> None:
    """Whoever may publish everything, without a limit on how many."""
    session = opened()
    assert session.lets_through(publication())
    assert session.lets_through(publication(65_536))
    assert not session.lets_through(publication(65_537))
    session.close(1000, "")
    assert not session.lets_through(publication())


@pytest.mark.parametrize(
    "session",
    [
        opened(tokens=("t",)),
        opened(ANN),
        limited(publish_per_s=1e6),
        limited(commands_per_s=1e6),
    ],
)
def test_session_looks_closer_where_something_could_refuse(session: Session) -> None:
    """A token to come, rights, buckets."""
    assert not session.lets_through(publication())


def test_session_looks_closer_with_a_narrower_token() -> None:
    """From the moment on that it counts."""
    session = opened(Claims(user="ann"), tokens=("t",))
    assert session.lets_through(publication())
    session.verified(1, ANN, at(1.0))
    assert not session.lets_through(publication())


def test_session_has_at_most_so_many_topics() -> None:
    """A topic it has already counts once; one it has left not at all."""
    session = limited(topics=2)
    for topic in ("a", "b", "a"):
        assert isinstance(
            command_of(tell(session, type="subscribe", id=1, topic=topic)), Subscribe
        )
    refused = tell(session, type="subscribe", id=2, topic="c")
    assert error_of(refused).code == "too_many_topics"
    tell(session, type="unsubscribe", id=3, topic="a")
    assert command_of(tell(session, type="subscribe", id=4, topic="c"))


def test_session_without_a_limit_has_any_number_of_topics() -> None:
    """Where that was typed."""
    session = limited(topics=None)
    for number in range(300):
        assert command_of(tell(session, type="subscribe", id=1, topic=f"t{number}"))


def test_session_has_no_two_subscriptions_to_the_same_topic() -> None:
    """The error names the one in the way; the same one again replaces it."""
    session = opened()
    assert command_of(tell(session, type="subscribe", id=1, topic="a.*"))
    error = error_of(tell(session, type="subscribe", id=2, topic="a.b"))
    assert (error.code, error.topic, error.path) == (
        "already_subscribed",
        "a.*",
        "topic",
    )
    assert command_of(tell(session, type="subscribe", id=3, topic="a.*"))
    assert command_of(tell(session, type="subscribe", id=4, topic="b.*"))


@pytest.mark.parametrize(
    ("bucket", "message"),
    [
        ("subscribe", {"type": "subscribe", "topic": "a"}),
        ("history", {"type": "history", "topic": "a"}),
    ],
)
def test_session_limits_each_kind_of_command(
    bucket: str, message: dict[str, Any]
) -> None:
    """Each has its own bucket."""
    session = limited(subscribe_per_s=1.0, history_per_s=1.0)
    assert command_of(tell(session, id=1, **message))
    error = error_of(tell(session, id=2, **message))
    assert (error.code, error.bucket) == ("rate_limited", bucket)


def test_session_limits_publications_and_says_when_again() -> None:
    """`rate_limited` names the bucket and the time to wait, and may be retried."""
    session = limited(publish_per_s=1.0)
    assert command_of(tell(session, now=1.0, type="publish", id=1, topic="a", data=1))
    refused = tell(session, now=1.5, type="publish", id=2, topic="a", data=1)
    error = error_of(refused)
    assert (error.code, error.bucket) == ("rate_limited", "publish")
    assert error.retry_after == pytest.approx(0.5)
    assert error.retryable
    assert command_of(tell(session, now=2.1, type="publish", id=3, topic="a", data=1))


def test_session_limits_all_commands_together() -> None:
    """Pings count as well."""
    session = limited(commands_per_s=2.0)
    tell(session, type="ping", id=1)
    tell(session, type="history", id=2, topic="a")
    for message in ({"type": "ping"}, {"type": "history", "topic": "a"}):
        error = error_of(tell(session, id=3, **message))
        assert (error.code, error.bucket) == ("rate_limited", "commands")


def test_session_closes_after_twenty_errors_in_ten_seconds() -> None:
    """The twentieth is answered too, and then 1008."""
    session = opened()
    for number in range(19):
        assert len(tell(session, now=number / 2, type="fly", id=1)) == 1
    effects = tell(session, now=9.9, type="fly", id=1)
    assert error_of(effects).code == "unknown_type"
    assert effects[1:] == [Close(1008, "too many errors")]
    assert tell(session, now=10.0, type="ping", id=1) == []


def test_session_bears_errors_that_come_slowly() -> None:
    """One a second is no flood."""
    session = opened()
    for number in range(100):
        assert len(tell(session, now=float(number), type="fly", id=1)) == 1


def test_session_does_not_count_errors_that_may_be_retried() -> None:
    """A client that is only too fast is not thrown out."""
    session = limited(publish_per_s=1.0)
    for _ in range(100):
        tell(session, now=1.0, type="publish", id=1, topic="a", data=1)
    assert session.is_open


def test_session_bears_a_burst_of_producer_gaps() -> None:
    """One publication that was not taken leaves a hole for all those behind it."""
    session = opened()
    for _ in range(100):
        code = ErrorCode.PRODUCER_GAP
        assert len(session.refuse(1, code, "", at(1.0), expected=2)) == 1
    assert session.is_open


# Time.


def test_session_sends_heartbeats_with_a_ping() -> None:
    """The first one within an interval of the greeting."""
    session = opened()
    assert session.patience.due_at == 10.0
    assert session.tick(at(9.9), None) == []
    assert session.tick(at(10.0), None) == [Beat(b"1")]
    assert session.patience.heartbeat is not None
    session.patience.heartbeat.pong(b"1", 11.0)
    assert session.tick(at(30.0), None) == [Beat(b"2")]


def test_session_closes_without_a_pong() -> None:
    """4110."""
    session = opened()
    session.tick(at(10.0), None)
    assert session.tick(at(30.0), None) == [Close(4110, "no pong")]


def test_session_sends_no_heartbeat_into_a_full_buffer() -> None:
    """It would only make it fuller; afterwards they go on."""
    session = opened()
    session.patience.paused(9.0)
    assert session.tick(at(29.0), None) == []
    session.patience.resumed()
    assert session.tick(at(49.0), None) == [Beat(b"1")]


def test_session_closes_a_slow_consumer() -> None:
    """4108."""
    session = opened()
    session.patience.paused(1.0)
    assert session.tick(at(2.0), Behind(31.0, 0)) == [Close(4108, "slow consumer")]


def test_session_does_nothing_when_it_is_over() -> None:
    """No tick, no message, no second close."""
    session = opened()
    assert session.close(1000, "") == [Close(1000, "")]
    assert session.close(1000, "") == []
    assert session.tick(at(1e6), None) == []
    assert tell(session, type="ping", id=1) == []
    session.closed()
    session.closed()
    assert session.state is State.CLOSED


def test_session_has_nothing_to_do_before_auth_but_wait() -> None:
    """No heartbeats for strangers."""
    session = opened(tokens=("t",))
    assert session.tick(at(5.0), None) == []


# The hub goes away.


def test_session_announces_that_the_hub_goes_away() -> None:
    """With the time left and the time to wait, then 4200."""
    session = opened()
    assert session.drain(reconnect_after=4.12) == [
        Send(Notice(code="going_away", deadline=30.0, reconnect_after=4.12))
    ]
    assert session.leave() == [Close(4200, "drain")]


def test_session_that_waits_for_auth_is_closed_without_a_word() -> None:
    """Strangers get no notice."""
    session = opened(tokens=("t",))
    assert session.drain(reconnect_after=1.0) == []
    assert session.leave() == [Close(4200, "drain")]


# The table of states.


def test_states_only_ever_go_forward() -> None:
    """No state can be reached again."""
    order = list(State)
    for state, following in TRANSITIONS.items():
        assert all(order.index(state) < order.index(each) for each in following)
    assert all(later in TRANSITIONS[state] for state, later in pairwise(order))


def test_session_refuses_a_transition_that_is_not_in_the_table() -> None:
    """It would be a fault of our own."""
    session = opened()
    with pytest.raises(LocalError, match="cannot become open"):
        session.open(at(1.0))


@given(st.binary(max_size=200), st.booleans())
def test_session_survives_any_bytes(data: bytes, waits: bool) -> None:
    """Whatever a stranger sends is answered, with an error at worst."""
    session = opened(tokens=("t",) if waits else ())
    for effect in session.judge(decode_command(data), at(1.0), arrived=WALL):
        assert isinstance(effect, Send | Perform | Close)
