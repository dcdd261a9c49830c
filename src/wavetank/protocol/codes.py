"""Error codes and the hub's own close codes: two tables, and what to do about each.

They refuse to know when a code is sent; that is the hub's business.
"""

import enum
from typing import NamedTuple

__all__ = [
    "CLOSES",
    "ERRORS",
    "Advice",
    "CloseCode",
    "CloseRule",
    "ErrorCode",
    "ErrorRule",
    "advice",
]


class ErrorCode(enum.StrEnum):
    """Why a command was not done; ``ERRORS`` says more about each."""

    INVALID_JSON = "invalid_json"
    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_TYPE = "unknown_type"
    PROTOCOL_UNSUPPORTED = "protocol_unsupported"
    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"
    TOPIC_FORBIDDEN = "topic_forbidden"
    INVALID_TOPIC = "invalid_topic"
    NOT_SUBSCRIBED = "not_subscribed"
    ALREADY_SUBSCRIBED = "already_subscribed"
    TOO_MANY_TOPICS = "too_many_topics"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    SCHEMA_VIOLATION = "schema_violation"
    RATE_LIMITED = "rate_limited"
    PRODUCER_GAP = "producer_gap"
    PRODUCER_FENCED = "producer_fenced"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class Advice(enum.StrEnum):
    """What a client should do after a close."""

    FINAL = "final"
    """Not reconnect unchanged: the same would happen again."""
    BACKOFF = "backoff"
    """Reconnect, waiting longer each time."""
    AT_ONCE = "at once"
    """Reconnect at once, with the jitter that the hub asked for."""


class CloseCode(enum.IntEnum):
    """The hub's own close codes; their ranges carry the advice."""

    BAD_TOKEN = 4001
    FORBIDDEN = 4003
    PROTOCOL_UNSUPPORTED = 4005
    BUSY = 4100
    SLOW_CONSUMER = 4108
    NO_PONG = 4110
    NO_COMMAND = 4111
    DRAIN = 4200
    TOKEN_EXPIRED = 4201
    RESUME = 4202


class CloseRule(NamedTuple):
    """What a close code of the hub means.

    Attributes:
        code: The code.
        reason: The close reason that goes with it.
        meaning: What happened, in one sentence.
        advice: What a client should do.
    """

    code: CloseCode
    reason: str
    meaning: str
    advice: Advice


class ErrorRule(NamedTuple):
    """What an error code means.

    Attributes:
        code: The code.
        meaning: What happened, in one sentence.
        status: HTTP status where it answers ``POST /api/publish``.
        retryable: Whether the same command can succeed later, unchanged.
        close: Code of the close that follows it; None: the connection goes on.
    """

    code: ErrorCode
    meaning: str
    status: int
    retryable: bool = False
    close: CloseCode | None = None

    @property
    def fatal(self) -> bool:
        """Whether a close follows."""
        return self.close is not None


_ERROR_RULES = (
    ErrorRule(
        ErrorCode.INVALID_JSON, "The message is not one JSON text in UTF-8.", 400
    ),
    ErrorRule(
        ErrorCode.INVALID_MESSAGE,
        "It is not an object, or a field is missing or wrong; `path` names it.",
        400,
    ),
    ErrorRule(ErrorCode.UNKNOWN_TYPE, "No command has this `type`.", 400),
    ErrorRule(
        ErrorCode.PROTOCOL_UNSUPPORTED,
        "None of the offered subprotocols is spoken; `supported` lists ours.",
        400,
        close=CloseCode.PROTOCOL_UNSUPPORTED,
    ),
    ErrorRule(
        ErrorCode.UNAUTHORIZED,
        "The token is wrong, missing, or of another user than before.",
        401,
        close=CloseCode.BAD_TOKEN,
    ),
    ErrorRule(
        ErrorCode.TOKEN_EXPIRED,
        "The token's time is over; get a new one.",
        401,
        close=CloseCode.TOKEN_EXPIRED,
    ),
    ErrorRule(ErrorCode.TOPIC_FORBIDDEN, "The token does not allow this here.", 403),
    ErrorRule(ErrorCode.INVALID_TOPIC, "Topic or pattern is not of the grammar.", 400),
    ErrorRule(ErrorCode.NOT_SUBSCRIBED, "There is no such subscription to end.", 409),
    ErrorRule(
        ErrorCode.ALREADY_SUBSCRIBED,
        "It overlaps another subscription of this connection; `topic` names that.",
        409,
    ),
    ErrorRule(
        ErrorCode.TOO_MANY_TOPICS,
        "The connection would have more topics than it may.",
        409,
    ),
    ErrorRule(
        ErrorCode.PAYLOAD_TOO_LARGE, "`data` is longer than the topic allows.", 413
    ),
    ErrorRule(
        ErrorCode.SCHEMA_VIOLATION,
        "`data` does not fit the topic's JSON Schema; `path` says where.",
        422,
    ),
    ErrorRule(
        ErrorCode.RATE_LIMITED,
        "Too many; `bucket` says of what, `retry_after_ms` when again.",
        429,
        retryable=True,
    ),
    ErrorRule(
        ErrorCode.PRODUCER_GAP,
        "The producer's `seq` is beyond the next one, which `expected` names.",
        409,
    ),
    ErrorRule(
        ErrorCode.PRODUCER_FENCED,
        "A producer of this name with a higher epoch has taken over.",
        409,
    ),
    ErrorRule(
        ErrorCode.UNAVAILABLE,
        "The log could not be written; nothing was published.",
        503,
        retryable=True,
    ),
    ErrorRule(
        ErrorCode.INTERNAL,
        "The hub's own fault; `ref` is also in its log.",
        500,
        retryable=True,
    ),
)

ERRORS: dict[ErrorCode, ErrorRule] = {rule.code: rule for rule in _ERROR_RULES}
"""Every error code, in the order of the documentation."""


_CLOSE_RULES = (
    CloseRule(CloseCode.BAD_TOKEN, "bad token", "The token was refused.", Advice.FINAL),
    CloseRule(
        CloseCode.FORBIDDEN,
        "forbidden",
        "This user may not use this hub (any longer).",
        Advice.FINAL,
    ),
    CloseRule(
        CloseCode.PROTOCOL_UNSUPPORTED,
        "protocol unsupported",
        "Only subprotocols were offered that the hub does not speak.",
        Advice.FINAL,
    ),
    CloseRule(
        CloseCode.BUSY,
        "busy",
        "The hub has no room for this connection now.",
        Advice.BACKOFF,
    ),
    CloseRule(
        CloseCode.SLOW_CONSUMER,
        "slow consumer",
        "The client read too slowly and fell too far behind.",
        Advice.BACKOFF,
    ),
    CloseRule(
        CloseCode.NO_PONG,
        "no pong",
        "A ping was not answered in time.",
        Advice.BACKOFF,
    ),
    CloseRule(
        CloseCode.NO_COMMAND,
        "no command in time",
        "The first whole command took too long.",
        Advice.BACKOFF,
    ),
    CloseRule(
        CloseCode.DRAIN,
        "drain",
        "The hub is going away; another one takes over.",
        Advice.AT_ONCE,
    ),
    CloseRule(
        CloseCode.TOKEN_EXPIRED,
        "token expired",
        "The token's time is over: get a new one first.",
        Advice.AT_ONCE,
    ),
    CloseRule(
        CloseCode.RESUME,
        "resume",
        "Something broke that a new connection with positions mends.",
        Advice.AT_ONCE,
    ),
)

CLOSES: dict[CloseCode, CloseRule] = {rule.code: rule for rule in _CLOSE_RULES}
"""Every close code of the hub itself; RFC 6455's are in ``wire``."""

_MEND = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


def advice(code: int) -> Advice:
    """Say what a client should do after a close, also with a code nobody knows.

    Args:
        code: The close code; 1005 and 1006 stand for "none" and "lost".

    Returns:
        FINAL for what the client has to mend first and for 40xx, AT_ONCE for
        42xx, BACKOFF for the rest. A client does not ask after its own 1000.
    """
    if code in _MEND or 4000 <= code < 4100:
        return Advice.FINAL
    return Advice.AT_ONCE if 4200 <= code < 4300 else Advice.BACKOFF
