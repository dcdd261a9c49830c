"""Introductions say what a target has to hear first, and hear what it answers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.dialects import (
    Ask,
    Authenticate,
    Bare,
    Capability,
    Dialect,
    Echo,
    Endpoint,
    Event,
    Heard,
    Hub,
    Limits,
    Malformed,
    Reply,
    StatusPage,
    Subscribe,
    Welcome,
)
from wavetank.errors import LocalError
from wavetank.load.introduction import FIRST_FREE_ID, Introduction


class Plain:
    """A dialect whose messages are the values, as JSON."""

    name = "plain"
    endpoint = Endpoint(preamble=("hello",))
    limits = Limits()
    status: StatusPage | None = None

    def __init__(self, *capabilities: Capability) -> None:
        self.capabilities = frozenset(capabilities)

    def encode(self, ask: Ask) -> str:
        """Return a line of words."""
        match ask:
            case Authenticate():
                return f"login {ask.id} {ask.token}"
            case Subscribe():
                return f"subscribe {ask.id} {ask.topic}"
        raise LocalError("the plain dialect has no such ask")

    def decode(self, message: str | bytes) -> Heard:
        """Return the value of a line of words."""
        match str(message).split(maxsplit=2):
            case ["welcome"]:
                return Welcome()
            case ["ok", id_]:
                return Reply(id=int(id_) if id_ != "-" else None, ok=True)
            case ["no", id_, text]:
                id_given = int(id_) if id_ != "-" else None
                return Reply(id=id_given, ok=False, code="denied", text=text)
        return Event(payload=str(message))

    def malformed(self) -> tuple[Malformed, ...]:
        """Know of none."""
        return ()


def introduce(
    *capabilities: Capability, token: str = "t0", topic: str = "news"
) -> Introduction:
    """Return an introduction to a plain target."""
    return Introduction(Plain(*capabilities), token=token, topic=topic)


def test_introduction_logs_in_and_then_subscribes() -> None:
    """One ask after the other: a subscription may need the login."""
    said = introduce()
    assert said.begin() == ["hello", "login 1 t0"]
    assert said.is_patient
    assert said.take("ok 1") == ["subscribe 2 news"]
    assert not said.is_done
    assert said.take("ok 2") == []
    assert said.is_done
    assert not said.is_patient


def test_introduction_waits_for_the_welcome_before_it_asks() -> None:
    """A target that speaks first is listened to first."""
    said = introduce(Capability.WELCOME, token="")
    assert said.begin() == ["hello"]
    assert not said.is_done
    assert not said.is_patient
    assert said.take("an event") == []
    assert said.take("ok -") == []
    assert said.take("welcome") == ["subscribe 2 news"]
    assert said.take("welcome") == []
    assert said.take("ok 2") == []
    assert said.is_done


def test_introduction_without_anything_to_say_is_done_at_once() -> None:
    """An echo needs no introduction."""
    said = Introduction(Echo(), token="", topic="")
    assert said.is_done
    assert said.begin() == []
    assert said.is_done


def test_introduction_with_nothing_but_a_welcome_is_done_with_it() -> None:
    """Nothing follows where nothing is asked."""
    said = introduce(Capability.WELCOME, token="", topic="")
    assert not said.is_done
    assert said.take("welcome") == []
    assert said.is_done


@pytest.mark.parametrize("message", ["event", "ok 2", "ok 7", "no 7 never", "welcome"])
def test_introduction_goes_on_with_its_own_answer_alone(message: str) -> None:
    """Whatever else comes in between answers nothing."""
    said = introduce()
    said.begin()
    assert said.take(message) == []
    assert said.problem == ""
    assert said.take("ok 1") == ["subscribe 2 news"]


def test_introduction_takes_an_answer_without_an_id_for_its_own() -> None:
    """Some targets answer in order, and number nothing."""
    said = introduce()
    said.begin()
    assert said.take("ok -") == ["subscribe 2 news"]
    assert said.take("ok -") == []
    assert said.is_done


@pytest.mark.parametrize(
    ("heard", "problem"),
    [
        (["no 1 who are you?"], "the login was refused: denied who are you?"),
        (["ok 1", "no 2 not yours"], "the subscription was refused: denied not yours"),
        (["no - gone"], "the login was refused: denied gone"),
    ],
)
def test_introduction_says_what_was_refused(heard: list[str], problem: str) -> None:
    """It is never done then."""
    said = introduce()
    said.begin()
    for message in heard:
        said.take(message)
    assert said.problem == problem
    assert not said.is_done


def test_introduction_that_is_refused_before_it_asks_blames_no_ask() -> None:
    """An error in place of the welcome is about the connection."""
    said = introduce(Capability.WELCOME)
    said.begin()
    assert said.take("no - too many connections") == []
    assert said.problem == "the connection was refused: denied too many connections"


def test_introduction_goes_on_without_an_answer_that_never_comes() -> None:
    """A dialect need not answer; who waits decides how long."""
    said = introduce()
    said.begin()
    assert said.go_on() == ["subscribe 2 news"]
    assert said.take("no 1 too late") == []
    assert said.problem == ""
    assert said.go_on() == []
    assert said.is_done


def test_introduction_leaves_the_login_out_where_there_is_none() -> None:
    """Then the token went with the opening handshake, or nowhere."""
    said = Introduction(Bare(), token="t0", topic="")
    assert said.is_done


def test_introduction_to_the_hub_has_no_login_and_ids_that_are_free_after_it() -> None:
    """The hub had the token from the headers; the load goes on with the next ids."""
    said = Introduction(Hub(), token="t0", topic="news")
    assert said.begin() == []
    (asked,) = said.take('{"type":"welcome"}')
    assert msgspec.json.decode(asked)["type"] == "subscribe"
    assert msgspec.json.decode(asked)["id"] < FIRST_FREE_ID


DIALECTS: list[Dialect] = [Hub(), Plain(Capability.WELCOME), Plain()]


@given(
    st.sampled_from(DIALECTS),
    st.lists(st.text() | st.binary() | st.sampled_from(["ok -", "welcome"])),
)
def test_introduction_never_fails_whatever_comes(
    dialect: Dialect, messages: list[str | bytes]
) -> None:
    """A hostile target can be refused by, or waited for, never more."""
    said = Introduction(dialect, token="t0", topic="news")
    texts = said.begin()
    for message in messages:
        texts += said.take(message)
    assert len(texts) <= 3


def test_introduction_waits_for_every_answer_of_the_hub() -> None:
    """The hub answers: a subscription that it takes longer for is not there yet.

    After a second its users were ready all the same, and were owed what they had not
    subscribed to.
    """
    said = Introduction(Hub(), token="", topic="news")
    said.begin()
    said.take('{"type":"welcome","protocol":"wavetank.v1"}')
    assert not said.is_done
    assert not said.is_patient
