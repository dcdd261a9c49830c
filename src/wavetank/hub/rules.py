"""Rules: what is wrong with a command, wherever it came from.

They refuse to know connections and what is done about it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from wavetank.hub.access import Action, Claims, may
from wavetank.hub.config import ConnectionLimits
from wavetank.protocol import (
    ErrorCode,
    History,
    Publish,
    Subscribe,
    is_pattern,
    overlaps,
    pattern_problem,
    topic_problem,
    valid_pattern,
    valid_topic,
)

__all__ = [
    "Objection",
    "judge_history",
    "judge_overlap",
    "judge_publish",
    "judge_subscribe",
    "judge_topic",
]


class Objection(NamedTuple):
    """Why a command is not done.

    Attributes:
        code: Which error.
        message: For a person.
        path: Field that is wrong, or "".
        topic: Subscription that is in the way, or "".
        expected: Producer seq that is waited for.
    """

    code: ErrorCode
    message: str
    path: str = ""
    topic: str = ""
    expected: int | None = None


def judge_topic(topic: str, claims: Claims | None, action: Action) -> Objection | None:
    """Judge a topic and the right to it.

    Args:
        topic: As the client wrote it.
        claims: Of the client; None before it is known.
        action: What it wants.
    """
    if not valid_topic(topic):
        return Objection(ErrorCode.INVALID_TOPIC, topic_problem(topic), "topic")
    return _judge_right(topic, claims, action)


def _judge_right(topic: str, claims: Claims | None, action: Action) -> Objection | None:
    if claims is not None and may(claims, action, topic):
        return None
    words = f"the token does not allow {action.value} on {topic}"
    return Objection(ErrorCode.TOPIC_FORBIDDEN, words, "topic")


def judge_publish(
    command: Publish, claims: Claims | None, limits: ConnectionLimits
) -> Objection | None:
    """Judge a publication, but for how many there are, and for duplicates."""
    objection = judge_topic(command.topic, claims, Action.PUBLISH)
    if objection is not None:
        return objection
    most = limits.payload_bytes
    if most is not None and len(command.data) > most:
        words = f"data has {len(command.data)} bytes; at most {most} are taken"
        return Objection(ErrorCode.PAYLOAD_TOO_LARGE, words, "data")
    return None


def judge_subscribe(command: Subscribe, claims: Claims | None) -> Objection | None:
    """Judge a subscription, but for how many there are and which others."""
    topic = command.topic
    if is_pattern(topic) and valid_pattern(topic):
        objection = _judge_right(topic, claims, Action.SUBSCRIBE)
    elif is_pattern(topic):
        return Objection(ErrorCode.INVALID_TOPIC, pattern_problem(topic), "topic")
    else:
        objection = judge_topic(topic, claims, Action.SUBSCRIBE)
    if objection is not None or not _asks_for_past(command):
        return objection
    return _judge_right(topic, claims, Action.HISTORY)


def _asks_for_past(command: Subscribe) -> bool:
    """Tell whether somebody wants what is kept, beyond going on from a position."""
    return command.since == "earliest" or command.since_time is not None


def judge_history(command: History, claims: Claims | None) -> Objection | None:
    """Judge a look into a topic's past."""
    return judge_topic(command.topic, claims, Action.HISTORY)


def judge_overlap(topic: str, others: Iterable[str]) -> Objection | None:
    """Judge a subscription beside the others of its connection.

    Args:
        topic: Valid topic or pattern; the same among the others is replaced by it.
        others: What the connection is subscribed to.

    Returns:
        What is wrong, with the subscription in the way as ``topic``.
    """
    for other in others:
        if other != topic and overlaps(other, topic):
            words = f"{topic} overlaps the subscription to {other}"
            return Objection(ErrorCode.ALREADY_SUBSCRIBED, words, "topic", topic=other)
    return None
