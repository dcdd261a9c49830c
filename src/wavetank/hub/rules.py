"""Rules: what is wrong with a command, wherever it came from.

They refuse to know connections and what is done about it.
"""

from typing import NamedTuple

from wavetank.hub.access import Action, Claims, may
from wavetank.hub.config import ConnectionLimits
from wavetank.protocol import (
    ErrorCode,
    Publish,
    Subscribe,
    is_pattern,
    topic_problem,
    valid_topic,
)

__all__ = ["Objection", "judge_publish", "judge_subscribe", "judge_topic"]


class Objection(NamedTuple):
    """Why a command is not done.

    Attributes:
        code: Which error.
        message: For a person.
        path: Field that is wrong, or "".
    """

    code: ErrorCode
    message: str
    path: str = ""


def judge_topic(topic: str, claims: Claims | None, action: Action) -> Objection | None:
    """Judge a topic and the right to it.

    Args:
        topic: As the client wrote it.
        claims: Of the client; None before it is known.
        action: What it wants.
    """
    if not valid_topic(topic):
        return Objection(ErrorCode.INVALID_TOPIC, topic_problem(topic), "topic")
    if claims is None or not may(claims, action, topic):
        words = f"the token does not allow {action.value} on {topic}"
        return Objection(ErrorCode.TOPIC_FORBIDDEN, words, "topic")
    return None


def judge_publish(
    command: Publish, claims: Claims | None, limits: ConnectionLimits
) -> Objection | None:
    """Judge a publication, but for how many there are."""
    objection = judge_topic(command.topic, claims, Action.PUBLISH)
    if objection is not None:
        return objection
    # Kept promises only: a key that nobody looks at would promise too much.
    for name in ("key", "producer"):
        if getattr(command, name) is not None:
            words = f"{name}: this hub has none; see `features` in welcome"
            return Objection(ErrorCode.INVALID_MESSAGE, words, name)
    most = limits.payload_bytes
    if most is not None and len(command.data) > most:
        words = f"data has {len(command.data)} bytes; at most {most} are taken"
        return Objection(ErrorCode.PAYLOAD_TOO_LARGE, words, "data")
    return None


def judge_subscribe(command: Subscribe, claims: Claims | None) -> Objection | None:
    """Judge a subscription, but for how many there are."""
    if is_pattern(command.topic):
        words = "this hub has no patterns; see `features` in welcome"
        return Objection(ErrorCode.INVALID_TOPIC, words, "topic")
    if command.deliver not in (None, "all"):
        words = 'deliver: this hub has only "all"; see `features` in welcome'
        return Objection(ErrorCode.INVALID_MESSAGE, words, "deliver")
    return judge_topic(command.topic, claims, Action.SUBSCRIBE)
