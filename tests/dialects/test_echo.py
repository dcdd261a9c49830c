"""The echo dialect."""

import pytest

from wavetank.dialects import (
    Ask,
    Authenticate,
    Capability,
    Dialect,
    Echo,
    Event,
    Publish,
    Subscribe,
    Unsubscribe,
)
from wavetank.errors import LocalError


@pytest.mark.parametrize("payload", ['{"a": 1.0}', "", "not JSON", "\u2028 \x00 é"])
def test_echo_sends_the_payload_and_takes_it_back_as_an_event(payload: str) -> None:
    """What is published is the message itself, and so is what comes back."""
    echo = Echo()
    sent = echo.encode(Publish(id=1, topic="ignored", payload=payload))
    assert sent == payload
    assert echo.decode(sent) == Event(payload=payload, topic="", seq=None)


def test_echo_never_takes_a_binary_message_for_the_text_that_was_sent() -> None:
    """A text that comes back as binary is told apart, byte by byte."""
    assert Echo().decode(b"abc") == Event(payload="b'abc'")
    assert Echo().decode(b"abc") != Echo().decode("abc")


@pytest.mark.parametrize(
    "ask",
    [
        Authenticate(id=1, token="t"),
        Subscribe(id=1, topic="a"),
        Unsubscribe(id=1, topic="a"),
    ],
    ids=lambda ask: type(ask).__name__,
)
def test_echo_refuses_what_an_echo_cannot_do(ask: Ask) -> None:
    """There are no topics and no users."""
    with pytest.raises(LocalError, match="the echo dialect cannot"):
        Echo().encode(ask)


def test_echo_claims_to_echo_and_nothing_else() -> None:
    """It has one capability, and no message is malformed to it."""
    echo: Dialect = Echo()
    assert echo.capabilities == {Capability.ECHO, Capability.VERBATIM}
    assert echo.malformed() == ()
    assert (echo.name, echo.status) == ("echo", None)
