"""Fields that several messages share: their types, bounds and names.

They refuse to know the messages that they stand in.

All times are float seconds here; ``messages`` turns them into the milliseconds that
the schema's descriptions speak of.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from wavetank.protocol.positions import MAX_SEQ

__all__ = [
    "Count",
    "Duration",
    "Id",
    "Message",
    "Moment",
    "Name",
    "Rate",
    "Reason",
    "Recovered",
    "Topic",
    "Value",
    "Why",
]

_LATEST = 2.0**53

Id = Annotated[int, Meta(ge=-MAX_SEQ, le=MAX_SEQ)] | Annotated[str, Meta(max_length=36)]
"""Ties a reply to its command; echoed exactly."""

Topic = str
"""A topic, or a pattern where one is allowed.

Not bounded here: ``topics`` judges it, so that a bad one is ``invalid_topic``.
"""

Moment = Annotated[
    float,
    Meta(
        ge=0,
        le=_LATEST,
        description="Milliseconds since 1970 UTC, fractions allowed.",
    ),
]
"""Seconds since 1970 UTC."""

Duration = Annotated[
    float, Meta(ge=0, le=_LATEST, description="Milliseconds, fractions allowed.")
]
"""Seconds."""

Count = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
"""How many."""

Rate = Annotated[float, Meta(ge=0)]
"""How many a second."""

Name = Annotated[str, Meta(min_length=1, max_length=128)]
"""A name that a client chose."""

Recovered = bool | None
"""Never a silent partial replay."""

Why = Annotated[
    str | None,
    Meta(
        examples=["truncated", "epoch_changed", "ahead", "diverged", "forbidden"],
    ),
]
"""A ``Reason``, or one that a later hub has."""


class Reason(enum.StrEnum):
    """Why a chain could not be kept."""

    TRUNCATED = "truncated"
    """What was asked for is older than ``oldest - 1``."""
    EPOCH_CHANGED = "epoch_changed"
    """The log has begun a new life."""
    AHEAD = "ahead"
    """The log ends before the position."""
    DIVERGED = "diverged"
    """Same epoch and seq, other tag: the log's past is another one."""
    FORBIDDEN = "forbidden"
    """The rights do not reach so far (any longer)."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"
):
    """One WebSocket text message; its tag is the ``type``."""


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message."""
