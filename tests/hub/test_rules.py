"""Rules: what is wrong with a command, wherever it came from."""

from typing import Any

import msgspec
import pytest

from wavetank.hub.access import ANONYMOUS, Action, Claims
from wavetank.hub.config import ConnectionLimits
from wavetank.hub.rules import (
    judge_history,
    judge_overlap,
    judge_publish,
    judge_subscribe,
    judge_topic,
)
from wavetank.protocol import (
    ErrorCode,
    History,
    MaxRate,
    Position,
    Producer,
    Publish,
    Subscribe,
)

READER = Claims(user="ann", subscribe=("a.*",), publish=())
LATE = Claims(user="bob", subscribe=("a.**",), history=("a.b", "a.c.*"))
POSITION = Position(epoch="epoch-01", seq=3)
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
        ({"topic": "a.*"}, ErrorCode.INVALID_TOPIC, "topic"),
        ({"data": msgspec.Raw(b"12345678901")}, ErrorCode.PAYLOAD_TOO_LARGE, "data"),
    ],
)
def test_publication_is_refused_with_the_field_that_is_wrong(
    changes: dict[str, Any], code: ErrorCode, path: str
) -> None:
    """A pattern is no topic to publish to, and a payload may be too long."""
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


@pytest.mark.parametrize(
    "changes", [{"key": "k"}, {"producer": Producer(name="p", epoch=1, seq=1)}]
)
def test_publication_may_tell_its_duplicates(changes: dict[str, Any]) -> None:
    """Keys and producers are judged where the duplicates are known."""
    assert judge_publish(publication(**changes), ANONYMOUS, LIMITS) is None


def test_publication_needs_the_right_to_publish() -> None:
    """The right to read is another one."""
    objection = judge_publish(publication(), READER, LIMITS)
    assert objection is not None
    assert objection.code == ErrorCode.TOPIC_FORBIDDEN
    assert "publish on a.b" in objection.message


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("a.b", None),
        ("a.*", None),
        ("a.**", ErrorCode.TOPIC_FORBIDDEN),  # more than a.* covers
        ("*", ErrorCode.TOPIC_FORBIDDEN),
        ("c", ErrorCode.TOPIC_FORBIDDEN),
        ("a..b", ErrorCode.INVALID_TOPIC),
        ("a.**.b", ErrorCode.INVALID_TOPIC),
        ("a*", ErrorCode.INVALID_TOPIC),
        ("*" * 300, ErrorCode.INVALID_TOPIC),
    ],
)
def test_subscription_is_judged_by_grammar_and_rights(
    topic: str, code: ErrorCode | None
) -> None:
    """The permission has to cover a pattern whole."""
    objection = judge_subscribe(Subscribe(id=1, topic=topic), READER)
    assert (objection and objection.code) == code
    assert objection is None or objection.path == "topic"


@pytest.mark.parametrize("deliver", [None, "all", "latest", MaxRate(max_rate=1)])
@pytest.mark.parametrize("topic", ["a.b", "a.*"])
def test_subscription_may_be_delivered_in_every_way(topic: str, deliver: Any) -> None:
    """All of them are there, for topics and for patterns."""
    command = Subscribe(id=1, topic=topic, deliver=deliver)
    assert judge_subscribe(command, READER) is None


def test_subscription_of_nobody_is_forbidden() -> None:
    """Before anybody is known, nothing is allowed."""
    for topic in ("a", "**"):
        objection = judge_subscribe(Subscribe(id=1, topic=topic), None)
        assert objection is not None
        assert objection.code == ErrorCode.TOPIC_FORBIDDEN


@pytest.mark.parametrize(
    ("topic", "start", "is_allowed"),
    [
        ("a.b", {}, True),
        ("a.x", {}, True),
        ("a.x", {"since": POSITION}, True),
        ("a.*", {"since_each": {"a.x": POSITION}}, True),
        ("a.b", {"since": "earliest"}, True),
        ("a.b", {"since_time": 5.0}, True),
        ("a.c.*", {"since": "earliest"}, True),
        ("a.x", {"since": "earliest"}, False),
        ("a.x", {"since_time": 0.0}, False),
        ("a.**", {"since": "earliest"}, False),
        ("a.*", {"since_time": 5.0}, False),
    ],
)
def test_subscription_that_asks_for_the_past_needs_the_right_to_history(
    topic: str, start: dict[str, Any], is_allowed: bool
) -> None:
    """Going on from a position is part of subscribing; asking for the past is not."""
    objection = judge_subscribe(Subscribe(id=1, topic=topic, **start), LATE)
    assert (objection is None) is is_allowed
    if objection is not None:
        assert objection.code == ErrorCode.TOPIC_FORBIDDEN
        assert f"history on {topic}" in objection.message


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("a.b", None),
        ("a.x", ErrorCode.TOPIC_FORBIDDEN),
        ("a.*", ErrorCode.INVALID_TOPIC),
        ("", ErrorCode.INVALID_TOPIC),
    ],
)
def test_history_needs_its_own_right(topic: str, code: ErrorCode | None) -> None:
    """The right to subscribe is another one, and a pattern has no one history."""
    objection = judge_history(History(id=1, topic=topic), LATE)
    assert (objection and objection.code) == code


@pytest.mark.parametrize(
    ("topic", "others", "in_the_way"),
    [
        ("a.b", [], None),
        ("a.b", ["a.b"], None),  # the same: it is replaced
        ("a.*", ["a.*", "b.*"], None),
        ("a.b", ["b", "a.*"], "a.*"),
        ("a.*", ["a.b"], "a.b"),
        ("**", ["x.y"], "x.y"),
        ("a.*", ["*.b"], "*.b"),
        ("a.*", ["a.b.c"], None),
    ],
)
def test_subscription_names_the_one_that_it_overlaps(
    topic: str, others: list[str], in_the_way: str | None
) -> None:
    """Two that share a topic cannot stand beside each other."""
    objection = judge_overlap(topic, others)
    assert (objection and objection.topic) == in_the_way
    if objection is not None:
        assert objection.code == ErrorCode.ALREADY_SUBSCRIBED
        assert objection.message == f"{topic} overlaps the subscription to {in_the_way}"
