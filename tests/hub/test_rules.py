"""Rules: what is wrong with a command, wherever it came from."""

from typing import Any

import msgspec
import pytest

from wavetank.hub.access import ANONYMOUS, Action, Claims
from wavetank.hub.config import ConnectionLimits
from wavetank.hub.rules import judge_publish, judge_subscribe, judge_topic
from wavetank.protocol import ErrorCode, MaxRate, Producer, Publish, Subscribe

READER = Claims(user="ann", subscribe=("a.*",), publish=())
LIMITS = ConnectionLimits(payload_bytes=10)


def publication(**changes: Any) -> Publish:
    """Return a publish command that is right, but for the changes."""
    fields = {"topic": "a.b", "data": msgspec.Raw(b"1")} | changes
    return Publish(**fields)


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("a.b", None),
        ("", ErrorCode.INVALID_TOPIC),
        ("a..b", ErrorCode.INVALID_TOPIC),
        ("a.*", ErrorCode.INVALID_TOPIC),
        ("x" * 256, ErrorCode.INVALID_TOPIC),
        ("b.c", ErrorCode.TOPIC_FORBIDDEN),
    ],
)
def test_topic_is_judged_by_grammar_and_rights(
    topic: str, code: ErrorCode | None
) -> None:
    """A topic nobody can have is invalid, another one's is forbidden."""
    objection = judge_topic(topic, READER, Action.SUBSCRIBE)
    assert (objection and objection.code) == code


def test_topic_is_forbidden_to_nobody_in_particular() -> None:
    """Before anybody is known, nothing is allowed."""
    objection = judge_topic("a.b", None, Action.SUBSCRIBE)
    assert objection is not None
    assert objection.code == ErrorCode.TOPIC_FORBIDDEN


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"topic": "a b"}, ErrorCode.INVALID_TOPIC, "topic"),
        ({"key": "k"}, ErrorCode.INVALID_MESSAGE, "key"),
        (
            {"producer": Producer(name="p", epoch=1, seq=1)},
            ErrorCode.INVALID_MESSAGE,
            "producer",
        ),
        ({"data": msgspec.Raw(b"12345678901")}, ErrorCode.PAYLOAD_TOO_LARGE, "data"),
    ],
)
def test_publication_is_refused_with_the_field_that_is_wrong(
    changes: dict[str, Any], code: ErrorCode, path: str
) -> None:
    """What this hub cannot keep (keys, producers) is refused, not ignored."""
    objection = judge_publish(publication(**changes), ANONYMOUS, LIMITS)
    assert objection is not None
    assert (objection.code, objection.path) == (code, path)


def test_publication_at_its_limit_is_taken() -> None:
    """Ten bytes of at most ten; and any number where there is no limit."""
    longest = publication(data=msgspec.Raw(b"1234567890"))
    assert judge_publish(longest, ANONYMOUS, LIMITS) is None
    endless = ConnectionLimits(payload_bytes=None)
    huge = publication(data=msgspec.Raw(b"1" * 100_000))
    assert judge_publish(huge, ANONYMOUS, endless) is None


def test_publication_needs_the_right_to_publish() -> None:
    """The right to read is another one."""
    objection = judge_publish(publication(), READER, LIMITS)
    assert objection is not None
    assert objection.code == ErrorCode.TOPIC_FORBIDDEN
    assert "publish on a.b" in objection.message


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Subscribe(id=1, topic="a.b"), None),
        (Subscribe(id=1, topic="a.b", deliver=None), None),
        (Subscribe(id=1, topic="a.*"), ErrorCode.INVALID_TOPIC),
        (Subscribe(id=1, topic="a.**"), ErrorCode.INVALID_TOPIC),
        (Subscribe(id=1, topic="a.b", deliver="latest"), ErrorCode.INVALID_MESSAGE),
        (
            Subscribe(id=1, topic="a.b", deliver=MaxRate(max_rate=1)),
            ErrorCode.INVALID_MESSAGE,
        ),
        (Subscribe(id=1, topic="c"), ErrorCode.TOPIC_FORBIDDEN),
    ],
)
def test_subscription_is_refused_where_the_hub_cannot_keep_it(
    command: Subscribe, code: ErrorCode | None
) -> None:
    """Patterns and deliveries that are not there are refused honestly."""
    objection = judge_subscribe(command, READER)
    assert (objection and objection.code) == code
