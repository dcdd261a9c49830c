"""Pushes as values."""

import msgspec
import pytest

from wavetank.protocol import ERRORS, PUSHES, Error, ErrorCode, Event
from wavetank.protocol.pushes import MESSAGE_LENGTH


def test_pushes_have_types_of_their_own():
    """No two pushes share a type."""
    assert [push.__struct_config__.tag for push in PUSHES] == [
        "welcome",
        "event",
        "topic",
        "gap",
        "heartbeat",
        "notice",
        "error",
    ]


@pytest.mark.parametrize("code", ErrorCode)
def test_error_takes_its_nature_from_the_table(code):
    """Whether an error is retryable or fatal is said in one place only."""
    error = Error.of(code, "", id=None, at=5.0)
    rule = ERRORS[code]
    assert (error.code, error.message) == (code.value, rule.meaning)
    assert (error.retryable, error.fatal) == (rule.retryable, rule.fatal)
    assert type(error.code) is str


def test_error_carries_what_its_code_adds():
    """The rest of the fields are given by name."""
    error = Error.of(
        ErrorCode.RATE_LIMITED, "slow down", id=4, at=5.0, bucket="b", retry_after=0.25
    )
    assert (error.id, error.message, error.at) == (4, "slow down", 5.0)
    assert (error.bucket, error.retry_after, error.path) == ("b", 0.25, None)


def test_error_cuts_a_message_that_quotes_too_much():
    """What a stranger sent cannot make the answer long."""
    error = Error.of(ErrorCode.INTERNAL, "x" * 10_000, id=None, at=0.0)
    assert len(error.message) == MESSAGE_LENGTH


def test_event_gives_its_payload_as_bytes():
    """The payload is a copy that stands by itself."""
    event = Event(topic="a", seq=1, at=0.0, data=msgspec.Raw(b"[1.0]"))
    assert event.payload == b"[1.0]"
    assert type(event.payload) is bytes
